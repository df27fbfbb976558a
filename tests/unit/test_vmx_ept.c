/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/vmx/ept.c: entries bit by bit, and whole tables built by vmm/gpa_space.c.
 */
#include "arch/x86/vmx/ept.h"

#include "fake_platform.h"
#include "vmm/platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void leaves(void **state)
{
	static const struct {
		unsigned level, permission;
		enum memory_type type;
		uint64_t bits;
	} rows[] = {
		{1, GPA_RWX, MEMORY_WB, 0x37},
		{1, GPA_READ, MEMORY_WB, 0x31},
		{1, GPA_READ | GPA_WRITE, MEMORY_UC, 0x03},
		{1, GPA_READ | GPA_EXECUTE, MEMORY_WB, 0x35},
		{2, GPA_RWX, MEMORY_WB, 0xb7},
		{3, GPA_RWX, MEMORY_WB, 0xb7},
		{1, GPA_READ | GPA_WRITE, MEMORY_WC, 0x0b},
		{1, GPA_READ | GPA_WRITE, MEMORY_WT, 0x23},
		{1, GPA_READ | GPA_WRITE, MEMORY_WP, 0x2b},
	};
	const struct pte_ops *ops = vmx_ept_ops(3);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		hpa_t page = hpa_make(0x123c0000000);
		uint64_t entry =
			ops->make_leaf(page, rows[i].level, rows[i].permission, rows[i].type);

		assert_int_equal(entry, page.value | rows[i].bits);
		assert_true(ops->is_present(entry));
		assert_true(ops->is_leaf(entry, rows[i].level));
		assert_int_equal(ops->address(entry).value, page.value);
		assert_int_equal(ops->permission(entry), rows[i].permission);
	}
}

static void tables(void **state)
{
	const struct pte_ops *ops = vmx_ept_ops(2);
	uint64_t entry = ops->make_table(hpa_make(0x7000));

	(void)state;
	assert_int_equal(entry, 0x7007);
	assert_true(ops->is_present(entry));
	assert_false(ops->is_leaf(entry, 2));
	assert_int_equal(ops->permission(entry), GPA_RWX);
	assert_false(ops->is_present(0));
	/* 4 levels, write-back tables, no accessed and dirty flags. */
	assert_int_equal(vmx_ept_pointer(hpa_make(0x7000)), 0x701e);
}

/* A region of a CPU with each size of leaf: the walk finds the largest that it has. */
static void whole_spaces(void **state)
{
	(void)state;
	for (unsigned largest = 1; largest <= 3; largest++) {
		const struct gpa_region region = {.gpa = gpa_make(GIB(1)),
						  .hpa = hpa_make(GIB(4)),
						  .length = largest == 1 ? MIB(4) : GIB(1),
						  .permission = GPA_READ | GPA_EXECUTE,
						  .type = MEMORY_WB};
		struct gpa_space space;
		hpa_t hpa;
		unsigned level, permission;

		assert_int_equal(vmx_ept_ops(largest)->max_leaf_level, largest);
		assert_int_equal(gpa_space_init(&space, vmx_ept_ops(largest)), 0);
		assert_int_equal(gpa_space_map(&space, &region), 0);
		assert_int_equal(gpa_space_walk(&space, gpa_make(GIB(1) + 0x1234), &hpa, &level,
						&permission),
				 0);
		assert_int_equal(hpa.value, GIB(4) + 0x1234);
		assert_int_equal(level, largest);
		assert_int_equal(permission, GPA_READ | GPA_EXECUTE);
		assert_int_equal(gpa_space_walk(&space, gpa_make(0), &hpa, &level, &permission),
				 -ENOENT);
		gpa_space_destroy(&space);
	}
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_platform_give_ram();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves),
		cmocka_unit_test(tables),
		cmocka_unit_test(whole_spaces),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
