/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest at its devices: ports, MMIO, the APICs' MSRs and passing time in any order, on
 * two vCPUs. Input: records of eight bytes, see struct step. What is saved in the end must restore.
 */
#include "guest/dev/devices.h"

#include "vmm/x86_defs.h"
#include "guest/dev/lapic_state.h"
#include "../unit/irq_fixture.h"

#include <stdlib.h>

enum operation {
	PORT_IN,
	PORT_OUT,
	APIC_READ,
	APIC_WRITE,
	IOAPIC_READ,
	IOAPIC_WRITE,
	MSR_READ,
	MSR_WRITE,
	LINE,
	MESSAGE,
	INTERRUPT,
	PASS,
	OPERATIONS,
};

struct step {
	uint8_t operation; /* modulo OPERATIONS; bit 7: the second vCPU */
	uint8_t size;	   /* bits 0-1: 1, 2, 4, 8 bytes; the rest for MSR_WRITE */
	uint16_t where;
	uint32_t value;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void access_msr(struct vcpu *vcpu, const struct step *step, bool write)
{
	const struct intc_ops *intc = vcpu->vm->irqs.intc;
	uint32_t msr = step->where & 0xff;
	uint64_t value = (uint64_t)(step->size >> 2) << 32 | step->value;

	if (step->where & 0x4000)
		msr = MSR_TSC_DEADLINE;
	else if (step->where & 0x8000)
		msr = MSR_APIC_BASE;
	else
		msr += MSR_X2APIC_FIRST;
	if (msr == MSR_APIC_BASE)
		value = APIC_DEFAULT_BASE ^ (value & 0xffff);
	if (write)
		(void)intc->msr_write(vcpu, msr, value);
	else
		(void)intc->msr_read(vcpu, msr, &value);
}

static void take_interrupt(struct vcpu *vcpu)
{
	const struct lapic *lapic = vcpu->lapic;
	bool blocked;
	int vector = vcpu->vm->irqs.intc->pending(vcpu, &blocked);

	check(vector < 256);
	if (vector >= 0 && !blocked)
		(void)vcpu->vm->irqs.intc->accept(vcpu, (uint8_t)vector);
	check(lapic->isr_top < 0
		      ? (lapic->isr[0] | lapic->isr[1] | lapic->isr[2] | lapic->isr[3]) == 0
		      : (lapic->isr[lapic->isr_top / 64] >> lapic->isr_top % 64 & 1) != 0);
	check(lapic->isr_top < 0 || lapic->isr_top >= 16);
}

static void run_step(struct vm *vm, const struct step *step)
{
	struct vcpu *vcpu = vm->vcpus[step->operation >> 7];
	unsigned size = 1u << (step->size & 3);
	uint64_t apic = APIC_DEFAULT_BASE + (step->where & 0xfff);
	uint64_t ioapic = IOAPIC_DEFAULT_BASE + (step->where & 0xfff);

	switch ((step->operation & 0x7f) % OPERATIONS) {
	case PORT_IN:
		(void)bus_read(&vm->ports, vcpu, step->where, size > 4 ? 4 : size);
		break;
	case PORT_OUT:
		bus_write(&vm->ports, vcpu, step->where, size > 4 ? 4 : size, step->value);
		break;
	case APIC_READ:
		(void)bus_read(&vm->mmio, vcpu, apic, size);
		break;
	case APIC_WRITE:
		bus_write(&vm->mmio, vcpu, apic, size, step->value);
		break;
	case IOAPIC_READ:
		(void)bus_read(&vm->mmio, vcpu, ioapic, size);
		break;
	case IOAPIC_WRITE:
		bus_write(&vm->mmio, vcpu, ioapic, size, step->value);
		break;
	case MSR_READ:
		access_msr(vcpu, step, false);
		break;
	case MSR_WRITE:
		access_msr(vcpu, step, true);
		break;
	case LINE:
		vm_irq_set(vm, step->where % VM_GSIS, step->value & 1);
		break;
	case MESSAGE:
		vm_irq_msi(vm, APIC_DEFAULT_BASE | (uint64_t)step->where << 4, step->value);
		break;
	case INTERRUPT:
		take_interrupt(vcpu);
		break;
	default:
		fixture_pass((uint64_t)step->value << (step->where & 15));
		break;
	}
}

static void put(void *context, const char *line)
{
	check(vdev_restore_line(context, line) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm *vm = fixture_create(2);
	struct step step;

	if (vm_console_init(&vm->console) != 0 || devices_create(vm) != 0)
		abort();
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		run_step(vm, &step);
	}
	for (unsigned i = 0; i < vm->vdev_count; i++) {
		vdev_save(&vm->vdevs[i], put, &vm->vdevs[i]);
		if (vm->vdevs[i].type->restored)
			vm->vdevs[i].type->restored(&vm->vdevs[i]);
	}
	fixture_pass(FAKE_TICK_HZ);
	devices_destroy(vm);
	vm_console_destroy(&vm->console);
	check(fixture_destroy() == 0);
	return 0;
}
