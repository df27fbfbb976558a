/* SPDX-License-Identifier: BSD-2-Clause */
/* Nested page-table entries of AMD-V, for vmm/gpa_space.c. */
#include "arch/x86/svm/npt.h"

#include "vmm/types.h"

/*
 * Nested translations use the host's PAT MSR (APM 2, 15.25.8), which keeps its power-on order: 0
 * WB, 1 WT, 2 UC-, 3 UC. Write-combining is UC-, under which the guest's own PAT may choose WC;
 * write-protect, which that order lacks, becomes UC.
 */
static uint64_t type_bits(enum memory_type type)
{
	switch (type) {
	case MEMORY_WB:
		return 0;
	case MEMORY_WT:
		return NPT_PWT;
	case MEMORY_WC:
		return NPT_PCD;
	case MEMORY_UC:
	case MEMORY_WP:
		break;
	}
	return NPT_PCD | NPT_PWT;
}

static uint64_t npt_make_table(hpa_t table)
{
	return table.value | NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_A;
}

/* Accessed and dirty are set from the start: nobody reads them, and the CPU need not write them. */
static uint64_t npt_make_leaf(hpa_t page, unsigned level, unsigned permission,
			      enum memory_type type)
{
	uint64_t entry = page.value | NPT_PRESENT | NPT_USER | NPT_A | NPT_D | type_bits(type);

	if (permission & GPA_WRITE)
		entry |= NPT_WRITE;
	if (!(permission & GPA_EXECUTE))
		entry |= NPT_NX;
	if (level > 1)
		entry |= NPT_PS;
	return entry;
}

static bool npt_is_present(uint64_t entry)
{
	return entry & NPT_PRESENT;
}

static bool npt_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & NPT_PS);
}

static hpa_t npt_address(uint64_t entry)
{
	return hpa_make(entry & NPT_ADDRESS);
}

static unsigned npt_permission(uint64_t entry)
{
	return GPA_READ | ((entry & NPT_WRITE) ? GPA_WRITE : 0u) |
	       ((entry & NPT_NX) ? 0u : GPA_EXECUTE);
}

static const struct pte_ops npt_ops_1g = {
	.max_leaf_level = 3,
	.make_table = npt_make_table,
	.make_leaf = npt_make_leaf,
	.is_present = npt_is_present,
	.is_leaf = npt_is_leaf,
	.address = npt_address,
	.permission = npt_permission,
};

static const struct pte_ops npt_ops_2m = {
	.max_leaf_level = 2,
	.make_table = npt_make_table,
	.make_leaf = npt_make_leaf,
	.is_present = npt_is_present,
	.is_leaf = npt_is_leaf,
	.address = npt_address,
	.permission = npt_permission,
};

const struct pte_ops *svm_npt_ops(bool has_1g_pages)
{
	return has_1g_pages ? &npt_ops_1g : &npt_ops_2m;
}
