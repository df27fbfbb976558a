/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest sees of model-specific registers: a table of those it is given, each emulated here
 * or left to the hardware. All others fault with #GP, as on a CPU that does not have them.
 */
#pragma once

#include "vmm/types.h"

#define MTRR_VARIABLE_COUNT 8

struct vcpu;
struct vm;

/* MSRs that are only stored: the guest reads what it wrote. */
struct vcpu_msrs {
	uint64_t mtrr_def_type;
	uint64_t mtrr_fixed[11];
	uint64_t mtrr_variable[MTRR_VARIABLE_COUNT * 2];
	uint64_t mcg_status;
	uint64_t misc_enable;
	uint64_t tsc_adjust; /* of this vCPU's TSC against its VM's: the guest wrote the TSC */
};

/*
 * Carries out RDMSR and WRMSR of the guest. Errors: -EACCES where the guest is to get #GP(0):
 * unknown MSR, reserved bits, read-only.
 */
HV_MUST_CHECK int vcpu_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
HV_MUST_CHECK int vcpu_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* The values after power-on. */
void vcpu_msr_reset(struct vcpu *vcpu);

/* Tells the backend which MSRs need not exit. Before the VM runs. Errors: the backend's. */
HV_MUST_CHECK int vm_msr_setup(struct vm *vm);
