/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments and the task state segment of a host CPU in 64-bit mode (SDM 3A, 3.4.5 and 8.7): flat
 * ring 0 code and data, and a TSS for the interrupt stack table.
 */
#pragma once

#include "vmm/types.h"

/* The same as in boot/entry.asm and the trampoline. */
#define GDT_CODE64 0x08
#define GDT_DATA   0x10
#define GDT_TSS	   0x18 /* two entries */

/* Which stacks of the interrupt stack table the vectors use; 0 means none. */
enum ist {
	IST_NONE,
	IST_NMI,
	IST_DOUBLE_FAULT,
	IST_MACHINE_CHECK,
};

#define IST_COUNT 7

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[IST_COUNT]; /* ist[0] is IST 1 */
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map_base;
} HV_PACKED;

_Static_assert(sizeof(struct tss) == 104, "SDM 3A, figure 8-11");

struct gdt {
	uint64_t entries[5];
};

/*
 * Fills both in and makes the calling CPU use them: CS, the data segments, TR; no LDT. They belong
 * to that CPU from now on. `tss` must not cross a page; its stacks are set.
 */
void gdt_load(struct gdt *gdt, struct tss *tss);
