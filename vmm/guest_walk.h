/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks a guest's own page tables as its CPU would: no paging, 32-bit, PAE, 4-level, 5-level; sets
 * accessed and dirty bits. SDM 3A, chapter 4; APM 2, chapter 5. The tables are the guest's and
 * hostile: they may lie, loop and change meanwhile.
 */
#pragma once

#include "vmm/types.h"

struct gpa_space;

enum walk_access {
	WALK_READ = 0,
	WALK_WRITE = 1 << 1, /* the bits of a page-fault error code */
	WALK_USER = 1 << 2,
	WALK_FETCH = 1 << 4,
};

#define PF_ERROR_PRESENT  (1u << 0)
#define PF_ERROR_RESERVED (1u << 3)

/* The registers that decide how an address is translated. */
struct guest_paging {
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
	uint64_t rflags;	/* AC, for SMAP */
	unsigned physical_bits; /* of guest-physical addresses: bits above are reserved */
	bool has_1g_pages;
};

/*
 * Translates a linear address for an access (enum walk_access bits). Stores the guest-physical
 * address. Returns 0; -EFAULT with the page-fault error code in *error_code.
 */
HV_MUST_CHECK int guest_walk(const struct gpa_space *space, const struct guest_paging *paging,
			     uint64_t linear, unsigned access, gpa_t *gpa, uint32_t *error_code);
