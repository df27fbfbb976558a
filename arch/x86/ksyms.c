/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Symbol lookup by bisection in the table that tools/mksyms makes: functions sorted by their offset
 * from the start of the text.
 */
#include "arch/x86/ksyms.h"

struct ksym {
	uint32_t offset; /* from __text_start */
	uint32_t name;	 /* offset into ksyms_names */
};

extern const uint32_t ksyms_count;
extern const struct ksym ksyms_table[];
extern const char ksyms_names[];
extern const char __text_start[], __text_end[];

/* The last entry that starts at or before `offset`, or NULL. */
static const struct ksym *ksyms_find(uint64_t offset)
{
	uint32_t low = 0, high = ksyms_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ksyms_table[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &ksyms_table[low - 1] : NULL;
}

const char *ksyms_lookup(uint64_t address, uint64_t *offset)
{
	uint64_t start = (uint64_t)(uintptr_t)__text_start;
	const struct ksym *found = NULL;

	if (address >= start && address < (uint64_t)(uintptr_t)__text_end)
		found = ksyms_find(address - start);
	*offset = found ? address - start - found->offset : 0;
	return found ? &ksyms_names[found->name] : NULL;
}
