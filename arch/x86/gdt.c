/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds and loads a CPU's descriptor table. */
#include "arch/x86/gdt.h"

#include <stddef.h>

/* Descriptors: present, ring 0; bases and limits do not count in 64-bit mode (SDM 3A, 5.2.1). */
#define DESCRIPTOR_CODE64  UINT64_C(0x00209b0000000000)
#define DESCRIPTOR_DATA	   UINT64_C(0x00cf93000000ffff)
#define DESCRIPTOR_TSS_LOW UINT64_C(0x0000890000000000) /* available 64-bit TSS */

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} HV_PACKED;

static void gdt_set_tss(struct gdt *gdt, const struct tss *tss)
{
	uint64_t base = (uintptr_t)tss;

	gdt->entries[GDT_TSS / 8] = DESCRIPTOR_TSS_LOW | (sizeof(*tss) - 1) |
				    (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	gdt->entries[GDT_TSS / 8 + 1] = base >> 32;
}

static void gdt_load_segments(const struct table_pointer *pointer)
{
	uint64_t target;

	__asm__ volatile("lgdt %[pointer]\n"
			 "pushq %[code]\n"
			 "leaq 1f(%%rip), %[target]\n"
			 "pushq %[target]\n"
			 "lretq\n"
			 "1:\n"
			 "movl %[data], %%ds\n"
			 "movl %[data], %%es\n"
			 "movl %[data], %%ss\n"
			 "movl %[null], %%fs\n"
			 "movl %[null], %%gs\n"
			 : [target] "=&r"(target)
			 : [pointer] "m"(*pointer), [code] "i"(GDT_CODE64), [data] "r"(GDT_DATA),
			   [null] "r"(0)
			 : "memory");
}

void gdt_load(struct gdt *gdt, struct tss *tss)
{
	struct table_pointer pointer = {.limit = sizeof(*gdt) - 1, .base = (uintptr_t)gdt};

	gdt->entries[0] = 0;
	gdt->entries[GDT_CODE64 / 8] = DESCRIPTOR_CODE64;
	gdt->entries[GDT_DATA / 8] = DESCRIPTOR_DATA;
	/* No I/O permission map. */
	tss->io_map_base = sizeof(*tss);
	gdt_set_tss(gdt, tss);
	gdt_load_segments(&pointer);
	__asm__ volatile("lldt %w0" : : "r"(0));
	__asm__ volatile("ltr %w0" : : "r"(GDT_TSS) : "memory");
}
