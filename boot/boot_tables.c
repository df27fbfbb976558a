/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot page tables, shared by the UEFI loader and the multiboot2 entry. */
#include "boot/boot_tables.h"

#include "arch/x86/cpuid.h"

#include <errno.h>

#define LOWER_HALF_END (1ull << 47)

static uint64_t *identity_table(hpa_t address)
{
	return (uint64_t *)address.value;
}

int boot_tables_init(struct paging *tables, int (*alloc_table)(hpa_t *table))
{
	uint32_t features = cpuid_checked(0x80000001, 0).edx;

	*tables = (struct paging){
		.max_leaf_level = (features & CPUID_80000001_EDX_PAGE_1G) != 0 ? 3 : 2,
		.alloc_table = alloc_table,
		.table = identity_table,
	};
	return paging_init(tables);
}

int boot_tables_map_ram(const struct paging *tables, uint64_t base, uint64_t end)
{
	end = min_u64(end, LOWER_HALF_END);
	for (uint64_t at = align_down(base, GIB(1)); at < end; at += GIB(1)) {
		int error = paging_map(tables, at, hpa_make(at), GIB(1), PAGING_WRITE);

		if (error != 0 && error != -EEXIST)
			return error;
	}
	return 0;
}
