/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/svm/maps.c, segment.h and npt.c: bits where the manual puts them. */
#include "arch/x86/svm/maps.h"

#include "arch/x86/svm/npt.h"
#include "arch/x86/svm/segment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* Counts the clear bits of a map. */
static unsigned clear_bits(const uint8_t *map, size_t bytes)
{
	unsigned count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += 8 - (unsigned)__builtin_popcount(map[i]);
	return count;
}

static void ports(void **state)
{
	static uint8_t map[SVM_IOPM_BYTES];

	(void)state;
	memset(map, 0xff, sizeof(map));
	svm_iopm_set(map, 0x3f8, 8, false);
	assert_int_equal(map[0x3f8 / 8], 0);
	assert_int_equal(clear_bits(map, sizeof(map)), 8);
	svm_iopm_set(map, 0x3fa, 1, true);
	assert_int_equal(map[0x3f8 / 8], 1 << 2);
	/* Nothing beyond the last port: accesses that run over the end always exit. */
	memset(map, 0xff, sizeof(map));
	svm_iopm_set(map, 0xffff, 4, false);
	assert_int_equal(map[0x1fff], 0x7f);
	assert_int_equal(clear_bits(map, sizeof(map)), 1);
}

static void msrs(void **state)
{
	static const struct {
		uint32_t msr;
		size_t byte;
		unsigned shift;
	} rows[] = {
		{0x0, 0, 0},
		{0x174, 0x5d, 0},
		{0x1fff, 0x7ff, 6},
		{0xc0000000, 0x800, 0},
		{0xc0000102, 0x840, 4},
		{0xc0001fff, 0xfff, 6},
		{0xc0010000, 0x1000, 0},
		{0xc0010015, 0x1005, 2},
		{0xc0011fff, 0x17ff, 6},
	};
	static uint8_t map[SVM_MSRPM_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(map, 0xff, sizeof(map));
		assert_int_equal(svm_msrpm_set(map, rows[i].msr, false, true), 0);
		assert_int_equal(map[rows[i].byte], 0xff & ~(1u << rows[i].shift));
		assert_int_equal(svm_msrpm_set(map, rows[i].msr, false, false), 0);
		assert_int_equal(map[rows[i].byte], 0xff & ~(3u << rows[i].shift));
		assert_int_equal(clear_bits(map, sizeof(map)), 2);
		assert_int_equal(svm_msrpm_set(map, rows[i].msr, true, true), 0);
		assert_int_equal(clear_bits(map, sizeof(map)), 0);
	}
}

static void msrs_outside_the_map_always_exit(void **state)
{
	static const uint32_t outside[] = {0x2000,     0x40000000, 0xbfffffff, 0xc0002000,
					   0xc000ffff, 0xc0012000, 0xffffffff};
	static uint8_t map[SVM_MSRPM_BYTES];

	(void)state;
	memset(map, 0xff, sizeof(map));
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_int_equal(svm_msrpm_set(map, outside[i], true, true), 0);
		assert_int_equal(svm_msrpm_set(map, outside[i], false, true), -ENOTSUP);
		assert_int_equal(svm_msrpm_set(map, outside[i], false, false), -ENOTSUP);
	}
	assert_int_equal(clear_bits(map, sizeof(map)), 0);
}

static void segments_keep_their_attributes(void **state)
{
	struct vmcb_segment hardware = {0x10, 0xa9b, 0xffffffff, 0x123456789};
	struct segment segment;

	(void)state;
	svm_segment_get(&hardware, &segment);
	assert_int_equal(segment.selector, 0x10);
	assert_int_equal(segment.attributes, 0xa09b);
	assert_int_equal(segment.limit, 0xffffffff);
	assert_int_equal(segment.base, 0x123456789);
	for (uint32_t attributes = 0; attributes < 0x1000; attributes++) {
		struct vmcb_segment back;

		hardware.attributes = (uint16_t)attributes;
		svm_segment_get(&hardware, &segment);
		assert_int_equal(!(segment.attributes & SEG_ATTR_UNUSABLE), attributes >> 7 & 1);
		svm_segment_set(&back, &segment);
		assert_memory_equal(&back, &hardware, sizeof(back));
	}
	segment.attributes = 0xa09b | SEG_ATTR_UNUSABLE;
	svm_segment_set(&hardware, &segment);
	assert_int_equal(hardware.attributes & 0x80, 0);
}

static void nested_entries(void **state)
{
	const struct pte_ops *ops = svm_npt_ops(true);
	const hpa_t page = hpa_make(0x000ffffffffff000);
	uint64_t entry = ops->make_table(page);

	(void)state;
	assert_int_equal(ops->max_leaf_level, 3);
	assert_int_equal(svm_npt_ops(false)->max_leaf_level, 2);
	/* Every nested access counts as a user's: without U/S nothing would be reachable. */
	assert_int_equal(entry, 0x000ffffffffff027);
	assert_false(ops->is_leaf(entry, 2));
	assert_true(ops->is_leaf(entry, 1));
	assert_int_equal(ops->permission(entry), GPA_RWX);

	entry = ops->make_leaf(page, 1, GPA_RWX, MEMORY_WB);
	assert_int_equal(entry, 0x000ffffffffff067);
	entry = ops->make_leaf(hpa_make(GIB(3)), 3, GPA_READ, MEMORY_UC);
	assert_int_equal(entry, 0x80000000c00000fd);
	assert_true(ops->is_leaf(entry, 3));
	assert_int_equal(ops->address(entry).value, GIB(3));
	assert_int_equal(ops->permission(entry), GPA_READ);
	assert_int_equal(ops->make_leaf(hpa_make(0), 1, GPA_RWX, MEMORY_WT) & 0x18, 0x08);
	assert_int_equal(ops->make_leaf(hpa_make(0), 1, GPA_RWX, MEMORY_WC) & 0x18, 0x10);
	assert_int_equal(ops->make_leaf(hpa_make(0), 1, GPA_RWX, MEMORY_WP) & 0x18, 0x18);
	assert_false(ops->is_present(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),
		cmocka_unit_test(msrs),
		cmocka_unit_test(msrs_outside_the_map_always_exit),
		cmocka_unit_test(segments_keep_their_attributes),
		cmocka_unit_test(nested_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
