/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a CPU's VT-x can do, and the VM-execution, exit and entry controls that follow from it,
 * worked out from the capability MSRs alone: every control is checked against the settings that the
 * CPU allows before it is used. SDM 3D, appendix A.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"

/*
 * The MSRs and CPUID leaves as the CPU gave them. Where IA32_VMX_BASIC bit 55 is set, pin, primary,
 * exit and entry are the TRUE variants; secondary and ept_vpid are 0 where the CPU does not have
 * them.
 */
struct vmx_msrs {
	uint32_t vendor_ebx; /* CPUID leaf 0 */
	uint32_t leaf1_ecx;
	uint32_t leaf7_edx;
	uint64_t feature_control;
	uint64_t basic;
	uint64_t pin, primary, secondary, exit, entry;
	uint64_t misc;
	uint64_t ept_vpid;
};

/* What IA32_VMX_BASIC says that concerns the reader of the others. */
#define VMX_BASIC_TRUE_CONTROLS (1ull << 55)

#define FEATURE_CONTROL_LOCK		(1ull << 0)
#define FEATURE_CONTROL_VMX_OUTSIDE_SMX (1ull << 2)

struct vmx_capabilities {
	uint32_t revision; /* of the VMCS format */
	/* Values of the controls before anything that changes at run time. */
	uint32_t pin, primary, secondary, exit, entry;
	unsigned max_leaf_level; /* of EPT: 1, 2 or 3 */
	unsigned timer_shift;	 /* the preemption timer counts TSC ticks >> timer_shift */
	bool preemption_timer;
	bool tpr_shadow; /* else CR8 accesses exit */
	bool vpid;
	bool invvpid_single;
	bool invept_single; /* else all contexts */
	bool pause_loop;
	bool rdtscp;
	bool invpcid;
	bool encls_exiting;
	bool ibpb;
	/* For the list of features alone. */
	bool execute_only, accessed_dirty, apic_registers, interrupt_delivery, posted_interrupts;
	bool pml, tsc_scaling, xsaves, vmfunc, shadow_vmcs;
};

/*
 * Whether guests can run on such a CPU, and how. Errors: -ENODEV (another vendor's), -ENOTSUP
 * (something required is missing), -EPERM (the firmware switched it off); *why is a sentence for
 * the user. On success *caps is complete.
 */
HV_MUST_CHECK int vmx_capabilities_choose(const struct vmx_msrs *msrs,
					  struct vmx_capabilities *caps, const char **why);

/* Whether a CPU with capabilities `mine` can do all that was chosen from another's. */
bool vmx_capabilities_cover(const struct vmx_capabilities *mine,
			    const struct vmx_capabilities *chosen);

/* Takes away from the host's answer to a CPUID leaf what guests cannot have: instructions whose
 * VM-execution control the CPU lacks. */
void vmx_capabilities_limit_cpuid(const struct vmx_capabilities *caps, uint32_t leaf,
				  uint32_t subleaf, uint32_t registers[4]);

/* For `host`: fills `list`, which has room for VMX_FEATURE_LIST_MAX, and ends it with a NULL name.
 */
#define VMX_FEATURE_LIST_MAX 24
void vmx_capabilities_list(const struct vmx_capabilities *caps, struct backend_feature *list);
