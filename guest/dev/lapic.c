/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of the local APIC, its modes and the device. What it delivers to its vCPU is in
 * lapic_deliver.c, interrupts between CPUs in lapic_ipi.c, the timer in lapic_timer.c. SDM 3A,
 * chapter 11.
 */
#include "guest/dev/lapic.h"

#include "vmm/bus.h"
#include "vmm/heap.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "guest/dev/lapic_state.h"

#include <errno.h>

/* Version 14h, six LVT entries, no suppression of EOI broadcasts. SDM 3A, 11.4.8. */
#define LAPIC_VERSION_VALUE (0x14u | (LAPIC_LVT_COUNT - 1) << 16)

enum {
	READ = 1 << 0,
	WRITE = 1 << 1,
	X2_READ = 1 << 2,
	X2_WRITE = 1 << 3,
	ALL = READ | WRITE | X2_READ | X2_WRITE,
};

/* How each register may be accessed in the two modes, and which bits software may write. */
static const struct {
	uint8_t access;
	uint32_t writable;
} registers[LAPIC_REGISTERS] = {
	[LAPIC_ID] = {READ | X2_READ, 0},
	[LAPIC_VERSION] = {READ | X2_READ, 0},
	[LAPIC_TPR] = {ALL, 0xff},
	[LAPIC_APR] = {READ, 0},
	[LAPIC_PPR] = {READ | X2_READ, 0},
	[LAPIC_EOI] = {WRITE | X2_WRITE, 0},
	[LAPIC_LDR] = {READ | WRITE | X2_READ, 0xff000000},
	[LAPIC_DFR] = {READ | WRITE, 0xf0000000},
	[LAPIC_SVR] = {ALL, 0x1ff},
	[LAPIC_ISR... LAPIC_IRR + 7] = {READ | X2_READ, 0},
	[LAPIC_ESR] = {ALL, 0},
	[LAPIC_ICR_LOW] = {ALL, 0xccfff},
	[LAPIC_ICR_HIGH] = {READ | WRITE, 0xff000000},
	[LAPIC_LVT_TIMER] = {ALL, 0x700ff},
	[LAPIC_LVT_THERMAL] = {ALL, 0x107ff},
	[LAPIC_LVT_PERF] = {ALL, 0x107ff},
	[LAPIC_LVT_LINT0] = {ALL, 0x1a7ff},
	[LAPIC_LVT_LINT1] = {ALL, 0x1a7ff},
	[LAPIC_LVT_ERROR] = {ALL, 0x100ff},
	[LAPIC_TIMER_INITIAL] = {ALL, UINT32_MAX},
	[LAPIC_TIMER_CURRENT] = {READ | X2_READ, 0},
	[LAPIC_TIMER_DIVIDE] = {ALL, 0xb},
	[LAPIC_SELF_IPI] = {X2_WRITE, 0xff},
};

/* ---- reset and modes ---- */

static void reset_registers(struct lapic *lapic)
{
	for (int i = 0; i < 4; i++) {
		atomic_store(&lapic->irr[i], 0);
		atomic_store(&lapic->tmr[i], 0);
		lapic->isr[i] = 0;
	}
	lapic->isr_words = 0;
	lapic->isr_top = -1;
	lapic->tpr = 0;
	lapic->esr = 0;
	lapic->icr_low = 0;
	lapic->icr_high = 0;
	lapic->extint_accepted = false;
	atomic_store(&lapic->extint_message, 0);
	atomic_store(&lapic->esr_pending, 0);
	atomic_store(&lapic->svr, 0xff);
	atomic_store(&lapic->ldr, 0);
	atomic_store(&lapic->dfr, UINT32_MAX);
	for (int i = 0; i < LAPIC_LVT_COUNT; i++)
		atomic_store(&lapic->lvt[i], LAPIC_LVT_MASKED);
	lapic_timer_reset(lapic);
}

/* Takes over the mode that the APIC_BASE MSR says; the logical ID of x2APIC is fixed (11.12.10.2).
 */
static void update_mode(struct lapic *lapic)
{
	uint32_t id = lapic->vcpu->id;
	uint8_t mode = LAPIC_MODE_DISABLED;

	if (lapic->base & APIC_BASE_X2APIC) {
		mode = LAPIC_MODE_X2APIC;
		atomic_store(&lapic->ldr, id >> 4 << 16 | 1u << (id & 0xf));
	} else if (lapic->base & APIC_BASE_ENABLE) {
		mode = LAPIC_MODE_XAPIC;
	}
	atomic_store(&lapic->mode, mode);
}

/*
 * INIT leaves APIC_BASE, and with it the mode, alone (11.4.7.3, 11.12.5.1). At power-on the boot
 * vCPU gets the 8259s through LINT0, as firmware leaves it and as guests that are booted without
 * firmware expect.
 */
static void lapic_reset(struct vcpu *vcpu, bool power_on)
{
	struct lapic *lapic = vcpu->lapic;

	reset_registers(lapic);
	if (power_on) {
		lapic->base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE;
		if (vcpu->id == 0) {
			lapic->base |= APIC_BASE_BSP;
			atomic_store(&lapic->lvt[LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER],
				     DELIVERY_EXTINT << 8);
		}
	}
	update_mode(lapic);
}

/* SDM 3A, 11.12.5: which changes of mode are allowed. */
static int lapic_write_base(struct lapic *lapic, uint64_t value)
{
	const uint64_t mode_bits = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t before = lapic->base & mode_bits;
	uint64_t after = value & mode_bits;

	if ((value & ~(mode_bits | APIC_BASE_BSP)) != APIC_DEFAULT_BASE)
		return -EACCES;
	if (after == APIC_BASE_X2APIC || (before == 0 && after == mode_bits) ||
	    (before == mode_bits && after == APIC_BASE_ENABLE))
		return -EACCES;
	lapic->base = value;
	if (after == 0 && before != 0)
		reset_registers(lapic);
	if (after != before)
		update_mode(lapic);
	return 0;
}

/* ---- registers ---- */

static uint32_t read_bits(const struct lapic *lapic, unsigned reg)
{
	unsigned word = (reg & 7) / 2;
	unsigned shift = (reg & 1) * 32;

	if (reg < LAPIC_TMR)
		return (uint32_t)(lapic->isr[word] >> shift);
	if (reg < LAPIC_IRR)
		return (uint32_t)(atomic_load(&lapic->tmr[word]) >> shift);
	return (uint32_t)(atomic_load(&lapic->irr[word]) >> shift);
}

static uint32_t lapic_read(struct lapic *lapic, unsigned reg)
{
	switch (reg) {
	case LAPIC_ID:
		return lapic->vcpu->id << (lapic_mode(lapic) == LAPIC_MODE_X2APIC ? 0 : 24);
	case LAPIC_VERSION:
		return LAPIC_VERSION_VALUE;
	case LAPIC_TPR:
		return lapic_tpr(lapic);
	case LAPIC_PPR:
		return lapic_ppr(lapic);
	case LAPIC_LDR:
		return atomic_load(&lapic->ldr);
	case LAPIC_DFR:
		return atomic_load(&lapic->dfr);
	case LAPIC_SVR:
		return atomic_load(&lapic->svr);
	case LAPIC_ISR ... LAPIC_IRR + 7:
		return read_bits(lapic, reg);
	case LAPIC_ESR:
		return lapic->esr;
	case LAPIC_ICR_LOW:
		return lapic->icr_low;
	case LAPIC_ICR_HIGH:
		return lapic->icr_high;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		return lapic_lvt(lapic, reg);
	case LAPIC_TIMER_INITIAL:
		return lapic->timer.initial;
	case LAPIC_TIMER_CURRENT:
		return lapic_timer_current(lapic);
	case LAPIC_TIMER_DIVIDE:
		return lapic->timer.divide;
	default: /* APR: arbitration is not done over a bus */
		return 0;
	}
}

static void write_lvt(struct lapic *lapic, unsigned reg, uint32_t value)
{
	uint32_t before = lapic_lvt(lapic, reg);

	if (!(atomic_load(&lapic->svr) & LAPIC_SVR_ENABLE))
		value |= LAPIC_LVT_MASKED;
	atomic_store(&lapic->lvt[reg - LAPIC_LVT_TIMER], value);
	if (reg == LAPIC_LVT_TIMER)
		lapic_timer_lvt_changed(lapic, before);
	else if (reg == LAPIC_LVT_LINT0)
		lapic_notify_local(lapic);
}

/* Software-disabling masks all local sources (11.4.7.2). */
static void write_svr(struct lapic *lapic, uint32_t value)
{
	atomic_store(&lapic->svr, value);
	if (value & LAPIC_SVR_ENABLE)
		return;
	for (int i = 0; i < LAPIC_LVT_COUNT; i++)
		atomic_fetch_or(&lapic->lvt[i], LAPIC_LVT_MASKED);
}

static void write_tpr(struct lapic *lapic, uint32_t value)
{
	lapic->tpr = value;
	vcpu_set_reg(lapic->vcpu, REG_CR8, value >> 4);
	if (lapic_any_irr(lapic))
		lapic_notify_local(lapic);
}

static void write_icr_xapic(struct lapic *lapic, uint32_t value)
{
	uint32_t destination = lapic->icr_high >> 24;

	lapic->icr_low = value;
	lapic_send_icr(lapic, value, destination == 0xff ? LAPIC_BROADCAST : destination);
}

/* `value` has writable bits alone. The x2APIC ICR does not come here. */
static void lapic_write(struct lapic *lapic, unsigned reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_TPR:
		write_tpr(lapic, value);
		break;
	case LAPIC_EOI:
		lapic_eoi(lapic);
		break;
	case LAPIC_LDR:
		atomic_store(&lapic->ldr, value);
		break;
	case LAPIC_DFR:
		atomic_store(&lapic->dfr, value | 0x0fffffff);
		break;
	case LAPIC_SVR:
		write_svr(lapic, value);
		break;
	case LAPIC_ESR:
		lapic->esr = atomic_exchange(&lapic->esr_pending, 0);
		break;
	case LAPIC_ICR_LOW:
		write_icr_xapic(lapic, value);
		break;
	case LAPIC_ICR_HIGH:
		lapic->icr_high = value;
		break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		write_lvt(lapic, reg, value);
		break;
	case LAPIC_TIMER_INITIAL:
		lapic_timer_write_initial(lapic, value);
		break;
	case LAPIC_TIMER_DIVIDE:
		lapic_timer_write_divide(lapic, value);
		break;
	default: /* LAPIC_SELF_IPI: the table allows nothing else */
		lapic_self_ipi(lapic, (uint8_t)value);
		break;
	}
}

/* ---- MMIO: xAPIC ---- */

/*
 * Registers are to be read as aligned 32-bit words (11.4.1); of anything else the manual says
 * nothing, so that reads see the bytes of the word and zeroes behind it.
 */
static uint64_t lapic_mmio_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct lapic *lapic = vcpu->lapic;
	unsigned reg = (unsigned)(offset >> 4);

	(void)device;
	if (lapic_mode(lapic) != LAPIC_MODE_XAPIC)
		return mask_of_bytes(size);
	if (reg >= LAPIC_REGISTERS || !(registers[reg].access & (READ | WRITE))) {
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
		return 0;
	}
	if ((offset & 0xf) >= 4 || !(registers[reg].access & READ))
		return 0;
	return (uint64_t)lapic_read(lapic, reg) >> ((offset & 3) * 8) & mask_of_bytes(size);
}

/* Writes other than of aligned words (or 64 bits, whose upper half is reserved) do nothing. */
static void lapic_mmio_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			     uint64_t value)
{
	struct lapic *lapic = vcpu->lapic;
	unsigned reg = (unsigned)(offset >> 4);

	(void)device;
	if (lapic_mode(lapic) != LAPIC_MODE_XAPIC || size < 4 || (offset & 0xf) != 0)
		return;
	if (reg == LAPIC_EOI)
		lapic_eoi(lapic);
	else if (reg < LAPIC_REGISTERS && (registers[reg].access & WRITE))
		lapic_write(lapic, reg, (uint32_t)value & registers[reg].writable);
	else if (reg >= LAPIC_REGISTERS || !(registers[reg].access & READ))
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
}

static const struct bus_ops lapic_mmio_ops = {
	.read = lapic_mmio_read,
	.write = lapic_mmio_write,
};

/* ---- MSRs: x2APIC ---- */

/* SDM 3A, figure 11-28; bit 12, the delivery status of xAPIC, is ignored as CPUs do. */
static int write_icr_x2apic(struct lapic *lapic, uint64_t value)
{
	if ((uint32_t)value & ~0xcdfffu)
		return -EACCES;
	lapic->icr_low = (uint32_t)value & ~(1u << 12);
	lapic->icr_high = (uint32_t)(value >> 32);
	lapic_send_icr(lapic, lapic->icr_low, lapic->icr_high);
	return 0;
}

static int lapic_x2apic_write(struct lapic *lapic, unsigned reg, uint64_t value)
{
	if (lapic_mode(lapic) != LAPIC_MODE_X2APIC)
		return -EACCES;
	if (reg == LAPIC_EOI && value == 0) {
		lapic_eoi(lapic);
		return 0;
	}
	if (reg == LAPIC_ICR_LOW)
		return write_icr_x2apic(lapic, value);
	if (reg >= LAPIC_REGISTERS || !(registers[reg].access & X2_WRITE) ||
	    (value & ~(uint64_t)registers[reg].writable))
		return -EACCES;
	lapic_write(lapic, reg, (uint32_t)value);
	return 0;
}

static int lapic_x2apic_read(struct lapic *lapic, unsigned reg, uint64_t *value)
{
	if (lapic_mode(lapic) != LAPIC_MODE_X2APIC || reg >= LAPIC_REGISTERS ||
	    !(registers[reg].access & X2_READ))
		return -EACCES;
	*value = lapic_read(lapic, reg);
	if (reg == LAPIC_ICR_LOW)
		*value |= (uint64_t)lapic->icr_high << 32;
	return 0;
}

static int lapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct lapic *lapic = vcpu->lapic;

	if (msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST)
		return lapic_x2apic_write(lapic, msr - MSR_X2APIC_FIRST, value);
	if (msr == MSR_TSC_DEADLINE) {
		lapic_timer_write_deadline(lapic, value);
		return 0;
	}
	return msr == MSR_APIC_BASE ? lapic_write_base(lapic, value) : -EACCES;
}

static int lapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	struct lapic *lapic = vcpu->lapic;

	if (msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST)
		return lapic_x2apic_read(lapic, msr - MSR_X2APIC_FIRST, value);
	if (msr == MSR_APIC_BASE)
		*value = lapic->base;
	else if (msr == MSR_TSC_DEADLINE)
		*value = lapic_timer_read_deadline(lapic);
	else
		return -EACCES;
	return 0;
}

const struct intc_ops lapic_intc = {
	.pending = lapic_pending,
	.accept = lapic_accept,
	.reset = lapic_reset,
	.msr_read = lapic_msr_read,
	.msr_write = lapic_msr_write,
	.deliver = lapic_deliver,
	.send_ipis = lapic_send_ipi_mask,
};

/* ---- the device ---- */

static void lapic_vdev_reset(struct vdev *vdev)
{
	for (unsigned i = 0; i < vdev->vm->vcpu_count; i++)
		lapic_reset(vdev->vm->vcpus[i], true);
}

static void lapic_vdev_destroy(struct vdev *vdev)
{
	struct lapic *lapics = vdev->state;

	for (unsigned i = 0; lapics && i < vdev->vm->vcpu_count; i++) {
		lapic_timer_destroy(&lapics[i]);
		vdev->vm->vcpus[i]->lapic = NULL;
	}
	hv_free(lapics);
	vdev->state = NULL;
}

static int lapic_vdev_create(struct vdev *vdev)
{
	struct vm *vm = vdev->vm;
	struct lapic *lapics = hv_alloc(vm->vcpu_count * sizeof(*lapics));
	int error;

	if (!lapics)
		return -ENOMEM;
	error = bus_claim(&vm->mmio, APIC_DEFAULT_BASE, PAGE_SIZE, &lapic_mmio_ops, NULL);
	if (error) {
		hv_free(lapics);
		return error;
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		lapics[i].vcpu = vm->vcpus[i];
		lapic_timer_init(&lapics[i]);
		vm->vcpus[i]->lapic = &lapics[i];
	}
	vdev->state = lapics;
	vdev->instances = vm->vcpu_count;
	vdev->stride = sizeof(*lapics);
	vm->irqs.intc = &lapic_intc;
	lapic_vdev_reset(vdev);
	return 0;
}

/* What is derived is derived again, and what no guest could have written is put right. */
static void restored_one(struct lapic *lapic)
{
	uint32_t svr = atomic_load(&lapic->svr) & registers[LAPIC_SVR].writable;

	lapic->base = (lapic->base & (APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC)) |
		      APIC_DEFAULT_BASE;
	if (!(lapic->base & APIC_BASE_ENABLE)) {
		lapic->base &= ~APIC_BASE_X2APIC;
		svr &= ~LAPIC_SVR_ENABLE;
	}
	update_mode(lapic);
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		lapic->lvt[i] &= registers[LAPIC_LVT_TIMER + i].writable;
	write_svr(lapic, svr);
	lapic->tpr &= 0xff;
	/* Vectors below 16 do not exist. */
	lapic->isr[0] &= ~(uint64_t)0xffff;
	lapic->irr[0] &= ~(uint64_t)0xffff;
	lapic->isr_words = 0;
	for (unsigned i = 0; i < 4; i++)
		lapic->isr_words |= (lapic->isr[i] != 0 ? 1u : 0u) << i;
	lapic_update_isr_top(lapic);
	lapic_timer_restored(lapic);
	vcpu_request(lapic->vcpu, VCPU_REQUEST_EVENT);
}

static void lapic_vdev_restored(struct vdev *vdev)
{
	struct lapic *lapics = vdev->state;

	for (unsigned i = 0; i < vdev->vm->vcpu_count; i++)
		restored_one(&lapics[i]);
}

static const struct vdev_field lapic_fields[] = {
	VDEV_FIELD(struct lapic, base),
	VDEV_ARRAY(struct lapic, irr),
	VDEV_ARRAY(struct lapic, isr),
	VDEV_ARRAY(struct lapic, tmr),
	VDEV_FIELD(struct lapic, tpr),
	VDEV_FIELD(struct lapic, svr),
	VDEV_FIELD(struct lapic, ldr),
	VDEV_FIELD(struct lapic, dfr),
	VDEV_FIELD(struct lapic, esr_pending),
	VDEV_FIELD(struct lapic, esr),
	VDEV_FIELD(struct lapic, icr_low),
	VDEV_FIELD(struct lapic, icr_high),
	VDEV_FIELD(struct lapic, extint_message),
	VDEV_ARRAY(struct lapic, lvt),
	VDEV_FIELD(struct lapic, timer.base_ns),
	VDEV_FIELD(struct lapic, timer.fired),
	VDEV_FIELD(struct lapic, timer.initial),
	VDEV_FIELD(struct lapic, timer.first),
	VDEV_FIELD(struct lapic, timer.divide),
	VDEV_FIELD(struct lapic, timer.tsc_deadline),
	VDEV_FIELD(struct lapic, timer.running),
};

const struct vdev_type lapic_vdev = {
	.name = "lapic",
	.create = lapic_vdev_create,
	.reset = lapic_vdev_reset,
	.destroy = lapic_vdev_destroy,
	.fields = lapic_fields,
	.field_count = ARRAY_SIZE(lapic_fields),
	.restored = lapic_vdev_restored,
};
