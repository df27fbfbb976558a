/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules for guest state that a VM entry checks, for finding out which one a refused state
 * breaks: the CPU only says that some is broken. SDM 3C, 26.3.1. Pure.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"

/* As the VMCS has it. */
struct vmx_guest_state {
	uint64_t cr0, cr3, cr4;
	uint64_t dr7, debugctl, efer, pat;
	uint64_t sysenter_esp, sysenter_eip;
	uint64_t rip, rflags;
	uint64_t pending_debug;
	uint64_t link_pointer;
	struct segment segments[SEG_COUNT];
	uint32_t interruptibility;
	uint32_t activity;
	uint32_t entry_controls;
	uint32_t event; /* VM-entry interruption information */
	bool unrestricted;
	bool virtual_nmis;
	unsigned physical_bits;
	unsigned linear_bits; /* 48, or 57 where the CPU has 5-level paging */
};

/* The first rule that is broken, as a sentence without end; NULL where all hold. */
const char *vmx_guest_check(const struct vmx_guest_state *state);
