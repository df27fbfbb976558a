/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vector state of guests. The hypervisor uses general registers only, so a guest's x87, SSE,
 * AVX and later state stays in the CPU across exits, and is switched only with the vCPU. SDM 1,
 * chapter 13; APM 2, 11.5.
 */
#pragma once

#include "vmm/types.h"

/* One vCPU's. Belongs to the backend's block. */
struct fpu {
	void *area; /* XSAVE area (FXSAVE where the CPU has no XSAVE), on pages of its own */
	unsigned order;
	uint64_t xcr0; /* as the guest set it; while loaded the CPU has it */
	bool loaded;
};

/* Lets the calling CPU execute XSAVE with all components that it has. Once a CPU, before any use.
 */
void fpu_cpu_enable(void);

/* Components of XCR0 that the CPU has; 0 where it has no XSAVE. */
uint64_t fpu_host_xcr0(void);

/* Allocates the area, in power-on state. Errors: -ENOMEM. */
HV_MUST_CHECK int fpu_create(struct fpu *fpu);
void fpu_destroy(struct fpu *fpu);

/* The state after power-on; only while not loaded. APM 2, table 14-1. */
void fpu_reset(struct fpu *fpu);

/* Puts the state into the calling CPU, every component of it, so that nothing of another guest
 * remains; and takes it back. */
void fpu_load(struct fpu *fpu);
void fpu_unload(struct fpu *fpu);

uint64_t fpu_get_xcr0(const struct fpu *fpu);

/* XSETBV by the guest: `xcr0` was checked against what the CPU has. Loaded or not. */
void fpu_set_xcr0(struct fpu *fpu, uint64_t xcr0);
