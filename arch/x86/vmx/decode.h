/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what a VM exit reported to struct vm_exit. Exits read only the VMCS fields that their reason
 * gives a meaning to, so this comes in two steps. Pure. SDM 3C, 27.2; 3D, appendix C.
 */
#pragma once

#include "vmm/vm_exit.h"
#include "arch/x86/vmx/vmcs.h"

/* Fields that an exit needs. */
enum vmx_exit_needs {
	VMX_NEEDS_QUALIFICATION = 1 << 0,
	VMX_NEEDS_LENGTH = 1 << 1,  /* of the instruction */
	VMX_NEEDS_ADDRESS = 1 << 2, /* guest-physical */
	VMX_NEEDS_EVENT = 1 << 3,   /* interruption information, and its error code */
	VMX_NEEDS_BACKEND = 1 << 4, /* the backend has something to do itself */
	/* Nothing but the length, and the guest's RCX where that names an MSR. */
	VMX_NEEDS_ONLY_LENGTH = VMX_NEEDS_LENGTH,
};

struct vmx_exit_row {
	uint8_t kind; /* enum exit_kind */
	uint8_t detail;
	uint8_t needs;
	uint8_t pad; /* a row's address is one scaled index */
};

/* By reason; the needs of those that are not known are 0. */
extern const struct vmx_exit_row vmx_exit_rows[REASON_COUNT];

struct vmx_exit_raw {
	uint32_t reason;
	uint32_t length;
	uint32_t event;
	uint32_t event_error;
	uint64_t qualification;
	uint64_t address;
};

/* Which fields (enum vmx_exit_needs bits) to read for this reason, as the VMCS gave it. */
unsigned vmx_exit_needs(uint32_t reason);

/* Fills in everything; `raw` has what was needed, `rcx` is the guest's. */
void vmx_decode_exit(const struct vmx_exit_raw *raw, uint64_t rcx, struct vm_exit *exit);

/*
 * The same for the common exits, of which an instruction says everything: true where this is one;
 * its length is for the caller to fill in.
 */
static inline bool vmx_decode_plain(uint32_t reason, uint64_t rcx, struct vm_exit *exit)
{
	if (reason >= REASON_COUNT || vmx_exit_rows[reason].needs != VMX_NEEDS_ONLY_LENGTH)
		return false;
	exit->kind = vmx_exit_rows[reason].kind;
	exit->msr.number = (uint32_t)rcx;
	exit->raw_code = reason;
	return true;
}

/* What the VM-instruction error field says (SDM 3C, 30.4), for logs; never NULL. */
const char *vmx_instruction_error(uint32_t error);

/* Why a VM entry failed late: from the exit reason and qualification (SDM 3C, 26.8), never NULL. */
const char *vmx_entry_failure(uint32_t reason, uint64_t qualification);
