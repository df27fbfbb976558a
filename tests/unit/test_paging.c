/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/paging.c: tables in an array, walked here by a second, plain walker. */
#include "arch/x86/paging.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define TABLES_BASE UINT64_C(0x40000000)
#define TABLES_MAX  600
#define HIGH	    UINT64_C(0xffff800000000000)
#define PTE_P	    UINT64_C(0x1)
#define PTE_W	    UINT64_C(0x2)
#define PTE_USER    UINT64_C(0x4)
#define PTE_PS	    UINT64_C(0x80)
#define PTE_NX_BIT  (UINT64_C(1) << 63)

static uint64_t tables[TABLES_MAX][512];
static unsigned table_count, table_limit;

static int alloc_table(hpa_t *table)
{
	if (table_count == table_limit)
		return -ENOMEM;
	memset(tables[table_count], 0xff, PAGE_SIZE);
	*table = hpa_make(TABLES_BASE + table_count++ * PAGE_SIZE);
	return 0;
}

static uint64_t *table_pointer(hpa_t address)
{
	uint64_t index = (address.value - TABLES_BASE) / PAGE_SIZE;

	assert_true(index < table_count && is_aligned(address.value, PAGE_SIZE));
	return tables[index];
}

static struct paging paging;

static int setup(void **state)
{
	(void)state;
	table_count = 0;
	table_limit = TABLES_MAX;
	paging = (struct paging){
		.max_leaf_level = 3, .alloc_table = alloc_table, .table = table_pointer};
	return paging_init(&paging);
}

/* Counts leaves of a level (index 1 to 3) below a table, and checks what holds for all of them. */
static void count_leaves(hpa_t table, unsigned level, unsigned counts[4])
{
	const uint64_t *entries = table_pointer(table);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t entry = entries[i];

		if (!(entry & PTE_P))
			continue;
		assert_false(entry & PTE_USER);
		if (level > 1 && !(entry & PTE_PS)) {
			assert_true(entry & PTE_W);
			assert_false(entry & PTE_NX_BIT);
			count_leaves(hpa_make(entry & UINT64_C(0xffffffffff000)), level - 1,
				     counts);
			continue;
		}
		assert_true(level <= 3);
		assert_true(!(entry & PTE_W) || (entry & PTE_NX_BIT));
		counts[level]++;
	}
}

static void assert_leaves(unsigned of_4k, unsigned of_2m, unsigned of_1g)
{
	unsigned counts[4] = {0};

	count_leaves(paging.root, 4, counts);
	assert_int_equal(counts[1], of_4k);
	assert_int_equal(counts[2], of_2m);
	assert_int_equal(counts[3], of_1g);
}

static void map(uint64_t virtual, uint64_t hpa, uint64_t length, unsigned flags)
{
	assert_int_equal(paging_map(&paging, virtual, hpa_make(hpa), length, flags), 0);
}

static int try_map(uint64_t virtual, uint64_t hpa, uint64_t length, unsigned flags)
{
	unsigned before[4] = {0}, after[4] = {0};
	int error;

	count_leaves(paging.root, 4, before);
	error = paging_map(&paging, virtual, hpa_make(hpa), length, flags);
	count_leaves(paging.root, 4, after);
	if (error != 0)
		assert_memory_equal(before, after, sizeof(before));
	return error;
}

static void assert_maps(uint64_t virtual, uint64_t hpa, unsigned level, unsigned flags)
{
	struct paging_leaf leaf;

	assert_int_equal(paging_walk(&paging, virtual, &leaf), 0);
	assert_int_equal(leaf.hpa.value, hpa);
	assert_int_equal(leaf.level, level);
	assert_int_equal(leaf.flags, flags);
}

static void assert_unmapped(uint64_t virtual)
{
	struct paging_leaf leaf;

	assert_int_equal(paging_walk(&paging, virtual, &leaf), -ENOENT);
}

static void maps_with_the_largest_leaves(void **state)
{
	(void)state;
	/* 4 KiB up to 2 MiB, 2 MiB up to 1 GiB, one 1 GiB leaf, and back down. */
	map(HIGH + MIB(2) - KIB(8), MIB(2) - KIB(8), GIB(2) + KIB(12) - MIB(2) + KIB(8),
	    PAGING_WRITE);
	assert_leaves(2 + 3, 511, 1);
	assert_maps(HIGH + MIB(2) - 1, MIB(2) - 1, 1, PAGING_WRITE);
	assert_maps(HIGH + MIB(2), MIB(2), 2, PAGING_WRITE);
	assert_maps(HIGH + GIB(1) + 12345, GIB(1) + 12345, 3, PAGING_WRITE);
	assert_maps(HIGH + GIB(2) + KIB(12) - 1, GIB(2) + KIB(12) - 1, 1, PAGING_WRITE);
	assert_unmapped(HIGH + MIB(2) - KIB(8) - 1);
	assert_unmapped(HIGH + GIB(2) + KIB(12));
}

static void keeps_to_the_largest_leaf_of_the_cpu(void **state)
{
	(void)state;
	paging.max_leaf_level = 2;
	map(HIGH, 0, GIB(2), PAGING_WRITE);
	assert_leaves(0, 1024, 0);
	paging.max_leaf_level = 1;
	map(HIGH + GIB(2), GIB(2), MIB(4), PAGING_WRITE);
	assert_leaves(1024, 1024, 0);
}

static void needs_both_addresses_aligned(void **state)
{
	(void)state;
	map(HIGH, MIB(2) + KIB(4), MIB(4), 0);
	assert_leaves(1024, 0, 0);
	map(HIGH + GIB(1), GIB(2) + MIB(2), GIB(1), 0);
	assert_leaves(1024, 512, 0);
}

static void writes_every_kind_of_flags(void **state)
{
	(void)state;
	map(HIGH, 0, PAGE_SIZE, 0);
	map(HIGH + KIB(4), KIB(4), PAGE_SIZE, PAGING_WRITE);
	map(HIGH + KIB(8), KIB(8), PAGE_SIZE, PAGING_EXECUTE);
	map(HIGH + GIB(3), UINT64_C(0xfee00000), PAGE_SIZE, PAGING_WRITE | PAGING_UNCACHED);
	assert_maps(HIGH, 0, 1, 0);
	assert_maps(HIGH + KIB(4), KIB(4), 1, PAGING_WRITE);
	assert_maps(HIGH + KIB(8), KIB(8), 1, PAGING_EXECUTE);
	assert_maps(HIGH + GIB(3), UINT64_C(0xfee00000), 1, PAGING_WRITE | PAGING_UNCACHED);
	/* The bits as the CPU reads them: P, A, D, G; W; PWT, PCD; NX. */
	assert_int_equal(tables[3][0], PTE_NX_BIT | 0x161);
	assert_int_equal(tables[3][1], PTE_NX_BIT | KIB(4) | 0x163);
	assert_int_equal(tables[3][2], KIB(8) | 0x161);
	assert_int_equal(tables[5][0], PTE_NX_BIT | 0xfee00000 | 0x17b);
}

static void refuses_writable_and_executable(void **state)
{
	(void)state;
	assert_int_equal(try_map(HIGH, 0, PAGE_SIZE, PAGING_WRITE | PAGING_EXECUTE), -EINVAL);
	assert_leaves(0, 0, 0);
}

static void refuses_bad_addresses(void **state)
{
	(void)state;
	assert_int_equal(try_map(HIGH, 0, 0, 0), -EINVAL);
	assert_int_equal(try_map(HIGH + 1, 0, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(HIGH, 1, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(HIGH, 0, 1, 0), -EINVAL);
	assert_int_equal(try_map(HIGH - PAGE_SIZE, 0, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(HIGH - PAGE_SIZE, 0, 2 * PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(UINT64_C(1) << 47, 0, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map((UINT64_C(1) << 47) - PAGE_SIZE, 0, 2 * PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(0, 0, UINT64_C(0) - PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(UINT64_C(0) - PAGE_SIZE, 0, 2 * PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(HIGH, UINT64_C(1) << 52, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(try_map(HIGH, (UINT64_C(1) << 52) - PAGE_SIZE, 2 * PAGE_SIZE, 0), -EINVAL);
	assert_leaves(0, 0, 0);
	/* The last page of each half is fine. */
	map((UINT64_C(1) << 47) - PAGE_SIZE, 0, PAGE_SIZE, 0);
	map(UINT64_C(0) - PAGE_SIZE, 0, PAGE_SIZE, 0);
	assert_unmapped(HIGH - PAGE_SIZE);
}

static void refuses_overlaps(void **state)
{
	(void)state;
	map(HIGH + GIB(1), GIB(1), GIB(1), PAGING_WRITE);
	map(HIGH + GIB(4) + MIB(2), MIB(2), PAGE_SIZE, PAGING_EXECUTE);
	assert_int_equal(try_map(HIGH + GIB(1), GIB(1), GIB(1), PAGING_WRITE), -EEXIST);
	assert_int_equal(try_map(HIGH + GIB(1) + MIB(5), 0, PAGE_SIZE, 0), -EEXIST);
	assert_int_equal(try_map(HIGH, 0, GIB(8), 0), -EEXIST);
	assert_int_equal(try_map(HIGH + GIB(4), 0, GIB(1), 0), -EEXIST);
	assert_int_equal(try_map(HIGH + GIB(4), 0, MIB(2) + KIB(4), 0), -EEXIST);
	assert_leaves(1, 0, 1);
	map(HIGH + GIB(4), 0, MIB(2), 0);
	map(HIGH + GIB(2), 0, GIB(2), 0);
	assert_leaves(1, 1, 3);
}

/* Where a table is already, a large leaf may not take its entry. */
static void fills_existing_tables(void **state)
{
	(void)state;
	table_limit = 5;
	/* Fails for want of the second table of 4 KiB leaves, and leaves empty tables. */
	assert_int_equal(try_map(HIGH + MIB(2), KIB(4), MIB(6), 0), -ENOMEM);
	table_limit = TABLES_MAX;
	map(HIGH, 0, GIB(1), PAGING_WRITE);
	assert_maps(HIGH + MIB(2) + 5, MIB(2) + 5, 1, PAGING_WRITE);
	assert_maps(HIGH + MIB(4), MIB(4), 1, PAGING_WRITE);
	assert_maps(HIGH + MIB(6), MIB(6), 2, PAGING_WRITE);
	assert_leaves(1024, 510, 0);
}

static void leaves_nothing_behind_when_memory_ends(void **state)
{
	int error = -ENOMEM;

	(void)state;
	for (unsigned limit = 1; error != 0; limit++) {
		assert_true(limit < 20);
		assert_int_equal(setup(NULL), 0);
		table_limit = limit;
		error = try_map(HIGH + GIB(1) - MIB(2) - KIB(4), KIB(4), MIB(8), PAGING_WRITE);
		assert_true(error == 0 || error == -ENOMEM);
	}
	assert_leaves(2048, 0, 0);
}

static void says_when_there_is_no_root(void **state)
{
	(void)state;
	table_limit = table_count;
	assert_int_equal(paging_init(&paging), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(maps_with_the_largest_leaves, setup),
		cmocka_unit_test_setup(keeps_to_the_largest_leaf_of_the_cpu, setup),
		cmocka_unit_test_setup(needs_both_addresses_aligned, setup),
		cmocka_unit_test_setup(writes_every_kind_of_flags, setup),
		cmocka_unit_test_setup(refuses_writable_and_executable, setup),
		cmocka_unit_test_setup(refuses_bad_addresses, setup),
		cmocka_unit_test_setup(refuses_overlaps, setup),
		cmocka_unit_test_setup(fills_existing_tables, setup),
		cmocka_unit_test_setup(leaves_nothing_behind_when_memory_ends, setup),
		cmocka_unit_test_setup(says_when_there_is_no_root, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
