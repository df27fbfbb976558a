/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_backend.h. */
#include "fake_backend.h"

#include "vmm/exit.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/svm/npt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MSRS_MAX 64

static struct {
	void (*run)(struct vcpu *vcpu, struct vm_exit *exit);
	int countdown;
	unsigned vms;
	unsigned vcpus;
	uint32_t open_msrs[OPEN_MSRS_MAX];
	unsigned open_msr_count;
	uint8_t insn[15];
	unsigned insn_length;
} fake = {.countdown = -1};

static bool fails(void)
{
	return fake.countdown >= 0 && fake.countdown-- == 0;
}

void fake_backend_fail_after(int successes)
{
	fake.countdown = successes;
}

void fake_backend_on_run(void (*run)(struct vcpu *vcpu, struct vm_exit *exit))
{
	fake.run = run;
}

void fake_backend_set_insn(const uint8_t *bytes, unsigned length)
{
	memcpy(fake.insn, bytes, length);
	fake.insn_length = length;
}

unsigned fake_backend_vms(void)
{
	return fake.vms;
}

unsigned fake_backend_vcpus(void)
{
	return fake.vcpus;
}

unsigned fake_backend_open_msrs(void)
{
	return fake.open_msr_count;
}

bool fake_backend_msr_is_open(uint32_t msr)
{
	for (unsigned i = 0; i < fake.open_msr_count; i++) {
		if (fake.open_msrs[i] == msr)
			return true;
	}
	return false;
}

static const struct pte_ops *fake_pte_ops(void)
{
	return svm_npt_ops(true);
}

/* ---- VMs ---- */

static int fake_vm_create(struct vm *vm)
{
	if (fails())
		return -ENOMEM;
	vm->backend = malloc(1);
	fake.vms++;
	return vm->backend ? 0 : -ENOMEM;
}

static void fake_vm_destroy(struct vm *vm)
{
	free(vm->backend);
	vm->backend = NULL;
	fake.vms--;
}

static int fake_trap_msr(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write)
{
	if (!vm->backend || trap_read || trap_write || fake.open_msr_count == OPEN_MSRS_MAX)
		abort();
	if (fails())
		return -ENOMEM;
	if (!fake_backend_msr_is_open(msr))
		fake.open_msrs[fake.open_msr_count++] = msr;
	return 0;
}

/* ---- vCPUs ---- */

static int fake_vcpu_create(struct vcpu *vcpu)
{
	if (fails())
		return -ENOMEM;
	(void)fake_backend_attach(vcpu);
	return 0;
}

static void fake_vcpu_reset(struct vcpu *vcpu, bool power_on)
{
	struct fake_vcpu *self = fake_vcpu(vcpu);

	self->resets++;
	self->last_reset_power_on = power_on;
	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	vcpu->rip = 0xfff0;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->interrupt_shadow = false;
	memset(self->segments, 0, sizeof(self->segments));
	self->segments[SEG_CS] = (struct segment){0xf000, 0x9b, 0xffff, 0xffff0000};
	self->regs[REG_CR0] = CR0_ET | CR0_CD | CR0_NW;
	self->regs[REG_CR4] = self->regs[REG_EFER] = 0;
	self->event_waits = self->interrupt_window = self->nmi_window = false;
}

static void fake_load(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->loads++;
}

static void fake_unload(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->unloads++;
}

static void run_once(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct fake_vcpu *self = fake_vcpu(vcpu);

	if (!fake.run || self->loads != self->unloads + 1)
		abort();
	self->runs++;
	self->event_waits = false;
	memset(exit, 0, sizeof(*exit));
	fake.run(vcpu, exit);
	if (exit->kind == EXIT_INTERRUPT_WINDOW)
		self->interrupt_window = false;
	if (exit->kind == EXIT_NMI_WINDOW)
		self->nmi_window = false;
}

static void fake_run(struct vcpu *vcpu)
{
	struct vm_exit exit;

	do {
		run_once(vcpu, &exit);
	} while (vcpu_exit(vcpu, &exit));
}

static uint64_t fake_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	return fake_vcpu(vcpu)->regs[reg];
}

static void fake_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	fake_vcpu(vcpu)->regs[reg] = value;
}

static void fake_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment)
{
	*segment = fake_vcpu(vcpu)->segments[seg];
}

static void fake_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment)
{
	fake_vcpu(vcpu)->segments[seg] = *segment;
}

static bool fake_can_inject(struct vcpu *vcpu, enum event_type type)
{
	const struct fake_vcpu *self = fake_vcpu(vcpu);

	if (self->event_waits)
		return false;
	return type == EVENT_NMI ? self->nmis_open : self->interrupts_open;
}

static void fake_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	struct fake_vcpu *self = fake_vcpu(vcpu);

	/* One event an entry. */
	if (self->event_waits || self->event_count == FAKE_EVENTS_MAX)
		abort();
	self->events[self->event_count++] = *event;
	self->event_waits = true;
}

static void fake_request_window(struct vcpu *vcpu, enum event_type type, unsigned priority)
{
	struct fake_vcpu *self = fake_vcpu(vcpu);

	if (type == EVENT_NMI) {
		self->nmi_window = true;
		return;
	}
	self->interrupt_window = true;
	self->window_priority = priority;
}

static void fake_cancel_window(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->interrupt_window = false;
	fake_vcpu(vcpu)->cancels++;
}

static void fake_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	fake_vcpu(vcpu)->tsc_offset = offset;
}

static void fake_flush(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->flushes++;
}

static unsigned fake_insn_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
	(void)vcpu;
	memcpy(bytes, fake.insn, fake.insn_length);
	return fake.insn_length;
}

static void fake_dump(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->dumps++;
}

static const struct vcpu_backend fake_backend = {
	.name = "fake",
	.pte_ops = fake_pte_ops,
	.vm_create = fake_vm_create,
	.vm_destroy = fake_vm_destroy,
	.trap_msr = fake_trap_msr,
	.vcpu_create = fake_vcpu_create,
	.vcpu_destroy = fake_backend_detach,
	.vcpu_reset = fake_vcpu_reset,
	.load = fake_load,
	.unload = fake_unload,
	.run = fake_run,
	.get_reg = fake_get_reg,
	.set_reg = fake_set_reg,
	.get_seg = fake_get_seg,
	.set_seg = fake_set_seg,
	.can_inject = fake_can_inject,
	.inject = fake_inject,
	.request_window = fake_request_window,
	.cancel_window = fake_cancel_window,
	.set_tsc_offset = fake_set_tsc_offset,
	.flush = fake_flush,
	.insn_bytes = fake_insn_bytes,
	.dump = fake_dump,
};

void fake_backend_install(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.countdown = -1;
	backend = &fake_backend;
}

struct fake_vcpu *fake_backend_attach(struct vcpu *vcpu)
{
	struct fake_vcpu *self = calloc(1, sizeof(*self));

	if (!self)
		abort();
	vcpu->backend = self;
	self->interrupts_open = self->nmis_open = true;
	self->regs[REG_XCR0] = 1;
	self->regs[REG_PAT] = PAT_DEFAULT;
	fake_vcpu_set_mode(vcpu, 8, 0);
	fake.vcpus++;
	return self;
}

void fake_backend_detach(struct vcpu *vcpu)
{
	free(vcpu->backend);
	vcpu->backend = NULL;
	fake.vcpus--;
}

void fake_vcpu_set_mode(struct vcpu *vcpu, unsigned width, unsigned cpl)
{
	struct fake_vcpu *self = fake_vcpu(vcpu);
	uint32_t code = SEG_ATTR_PRESENT | cpl << 5 | 0x1b;

	if (width == 8)
		code |= SEG_ATTR_LONG;
	else if (width == 4)
		code |= SEG_ATTR_DEFAULT_32;
	self->regs[REG_CR0] = CR0_ET | CR0_NE | (width > 2 ? CR0_PE : 0);
	self->regs[REG_CR4] = 0;
	self->regs[REG_EFER] = 0;
	if (width == 8) {
		self->regs[REG_CR0] |= CR0_PG;
		self->regs[REG_CR4] = CR4_PAE;
		self->regs[REG_EFER] = EFER_LME | EFER_LMA;
	}
	self->segments[SEG_CS] = (struct segment){(uint16_t)(0x10 | cpl), code, UINT32_MAX, 0};
	self->segments[SEG_SS] = (struct segment){
		(uint16_t)(0x18 | cpl), SEG_ATTR_PRESENT | cpl << 5 | 0x13, UINT32_MAX, 0};
}
