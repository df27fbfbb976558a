/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of the hypervisor that may raise an exception, and where to go on when they do. The
 * linker collects the entries; the exception dispatcher looks the faulting RIP up in them before it
 * calls a fault a fault.
 */
#pragma once

#include "vmm/types.h"

struct ex_table_entry {
	uint64_t insn;	/* address of the instruction that may raise an exception */
	uint64_t fixup; /* where execution continues, with registers as they were before insn */
};

/* For inline assembly: names two local labels, "1b" and "2b" as seen from the end of the code. */
#define EX_TABLE_ENTRY(insn, fixup)        \
	".pushsection __ex_table, \"a\"\n" \
	".balign 8\n"                      \
	".quad " insn ", " fixup "\n"      \
	".popsection\n"

extern const struct ex_table_entry __ex_table_start[], __ex_table_end[];
