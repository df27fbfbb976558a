/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_intc.h. */
#include "fake_intc.h"

#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <stdlib.h>
#include <string.h>

struct fake_intc fake_intc;

static int fake_pending(struct vcpu *vcpu, bool *blocked_by_priority)
{
	(void)vcpu;
	if (fake_intc.pending[0] >= 0)
		*blocked_by_priority = fake_intc.blocked;
	return fake_intc.pending[0];
}

static uint8_t fake_accept(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	if (vector != fake_intc.pending[0] || fake_intc.blocked)
		abort();
	fake_intc.accepted++;
	memmove(fake_intc.pending, fake_intc.pending + 1,
		sizeof(fake_intc.pending) - sizeof(fake_intc.pending[0]));
	return vector;
}

static void fake_reset(struct vcpu *vcpu, bool power_on)
{
	(void)vcpu;
	fake_intc.resets++;
	fake_intc.last_reset_power_on = power_on;
}

static int fake_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	fake_intc.msr = msr;
	*value = fake_intc.msr_value;
	return fake_intc.msr_error;
}

static int fake_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu;
	fake_intc.msr = msr;
	fake_intc.msr_value = value;
	return fake_intc.msr_error;
}

static int fake_send_ipis(struct vm *vm, const uint64_t mask[2], uint32_t first, uint32_t icr)
{
	(void)vm;
	memcpy(fake_intc.ipi_mask, mask, sizeof(fake_intc.ipi_mask));
	fake_intc.ipi_first = first;
	fake_intc.ipi_icr = icr;
	return fake_intc.ipi_result;
}

static const struct intc_ops ops = {
	.pending = fake_pending,
	.accept = fake_accept,
	.reset = fake_reset,
	.msr_read = fake_msr_read,
	.msr_write = fake_msr_write,
	.send_ipis = fake_send_ipis,
};

void fake_intc_install(struct vm *vm)
{
	memset(&fake_intc, 0, sizeof(fake_intc));
	memset(fake_intc.pending, 0xff, sizeof(fake_intc.pending));
	vm->irqs.intc = &ops;
}

void fake_intc_raise(int vector)
{
	fake_intc.pending[0] = vector;
	fake_intc.pending[1] = -1;
}
