/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local APICs without registers: tests say which interrupts wait for the vCPU, and see what was
 * asked. One set a process.
 */
#pragma once

#include "vmm/irq.h"

struct fake_intc {
	int pending[4]; /* vectors that wait, best first; ends with -1 */
	bool blocked;	/* the best one, by its priority */
	unsigned accepted;
	unsigned resets;
	bool last_reset_power_on;
	/* The last MSR access; a read gives msr_value, and both fail with msr_error. */
	uint32_t msr;
	uint64_t msr_value;
	int msr_error;
	/* The last send_ipis(), and what it returns. */
	uint64_t ipi_mask[2];
	uint32_t ipi_first;
	uint32_t ipi_icr;
	int ipi_result;
};

extern struct fake_intc fake_intc;

/* Nothing waits, nothing was asked; the VM gets these local APICs. */
void fake_intc_install(struct vm *vm);

/* One vector waits. */
void fake_intc_raise(int vector);
