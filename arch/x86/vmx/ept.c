/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended page-table entries, for vmm/gpa_space.c. */
#include "arch/x86/vmx/ept.h"

#include "arch/x86/vmx/vmcs.h"

/*
 * The memory types are those of the MTRRs, which EPT stands in for: the guest's own PAT applies on
 * top, so a device's pages may become write-combining, and RAM uncached, as on a machine
 * (SDM 3C, 28.3.7.2).
 */
static uint64_t type_bits(enum memory_type type)
{
	static const uint8_t types[] = {
		[MEMORY_WB] = 6, [MEMORY_UC] = 0, [MEMORY_WC] = 1, [MEMORY_WT] = 4, [MEMORY_WP] = 5,
	};

	return (uint64_t)types[type] << EPT_TYPE_SHIFT;
}

/* Rights are the leaves' business: tables allow everything. */
static uint64_t ept_make_table(hpa_t table)
{
	return table.value | EPT_READ | EPT_WRITE | EPT_EXECUTE;
}

/* An entry that allows writes must allow reads, or it is a misconfiguration; gpa_space sees to it
 * that every region can be read. */
static uint64_t ept_make_leaf(hpa_t page, unsigned level, unsigned permission,
			      enum memory_type type)
{
	uint64_t entry = page.value | EPT_READ | type_bits(type);

	if (permission & GPA_WRITE)
		entry |= EPT_WRITE;
	if (permission & GPA_EXECUTE)
		entry |= EPT_EXECUTE;
	if (level > 1)
		entry |= EPT_LEAF;
	return entry;
}

static bool ept_is_present(uint64_t entry)
{
	return entry & (EPT_READ | EPT_WRITE | EPT_EXECUTE);
}

static bool ept_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & EPT_LEAF);
}

static hpa_t ept_address(uint64_t entry)
{
	return hpa_make(entry & EPT_ADDRESS);
}

static unsigned ept_permission(uint64_t entry)
{
	return (entry & EPT_READ ? GPA_READ : 0u) | (entry & EPT_WRITE ? GPA_WRITE : 0u) |
	       (entry & EPT_EXECUTE ? GPA_EXECUTE : 0u);
}

#define EPT_OPS(level)                                                                             \
	{                                                                                          \
		.max_leaf_level = level, .make_table = ept_make_table, .make_leaf = ept_make_leaf, \
		.is_present = ept_is_present, .is_leaf = ept_is_leaf, .address = ept_address,      \
		.permission = ept_permission,                                                      \
	}

const struct pte_ops *vmx_ept_ops(unsigned max_leaf_level)
{
	static const struct pte_ops ops[] = {EPT_OPS(1), EPT_OPS(2), EPT_OPS(3)};

	return &ops[max_leaf_level - 1];
}

/* Nobody reads accessed and dirty flags, so the CPU is not asked to write them. */
uint64_t vmx_ept_pointer(hpa_t root)
{
	return root.value | EPTP_WALK_4 | EPTP_MEMORY_WB;
}
