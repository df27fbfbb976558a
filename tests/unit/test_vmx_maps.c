/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/vmx/maps.c against the manual's layout. */
#include "arch/x86/vmx/maps.h"

#include "arch/x86/vmx/vmcs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint8_t map[VMX_IO_BITMAP_BYTES];

static bool bit(size_t byte, unsigned number)
{
	return map[byte + number / 8] >> number % 8 & 1;
}

static unsigned zeros(size_t bytes)
{
	unsigned count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += 8 - (unsigned)__builtin_popcount(map[i]);
	return count;
}

static void ports(void **state)
{
	(void)state;
	memset(map, 0xff, sizeof(map));
	vmx_io_map_set(map, 0x3f8, 8, false);
	assert_int_equal(map[0x3f8 / 8], 0);
	assert_int_equal(zeros(sizeof(map)), 8);
	vmx_io_map_set(map, 0x3fb, 1, true);
	assert_int_equal(map[0x3f8 / 8], 1 << 3);
	/* Bitmap B begins at 0x8000. */
	memset(map, 0xff, sizeof(map));
	vmx_io_map_set(map, 0x7fff, 2, false);
	assert_int_equal(map[0xfff], 0x7f);
	assert_int_equal(map[0x1000], 0xfe);
	memset(map, 0xff, sizeof(map));
	vmx_io_map_set(map, 0xffff, 4, false);
	assert_int_equal(zeros(sizeof(map)), 1);
}

static void msrs(void **state)
{
	(void)state;
	memset(map, 0xff, sizeof(map));
	assert_int_equal(vmx_msr_map_set(map, 0x174, false, true), 0);
	assert_false(bit(0x000, 0x174));
	assert_int_equal(zeros(VMX_MSR_BITMAP_BYTES), 1);
	assert_int_equal(vmx_msr_map_set(map, 0x174, true, false), 0);
	assert_false(bit(0x800, 0x174));
	assert_int_equal(zeros(VMX_MSR_BITMAP_BYTES), 1);
	assert_int_equal(vmx_msr_map_set(map, 0xc0000102, false, false), 0);
	assert_false(bit(0x400, 0x102));
	assert_false(bit(0xc00, 0x102));
	assert_int_equal(zeros(VMX_MSR_BITMAP_BYTES), 3);
	assert_int_equal(vmx_msr_map_set(map, 0x1fff, false, false), 0);
	assert_int_equal(vmx_msr_map_set(map, 0xc0001fff, false, false), 0);
	assert_false(bit(0xc00, 0x1fff));
	assert_int_equal(zeros(VMX_MSR_BITMAP_BYTES), 7);
}

static void msrs_without_a_bit(void **state)
{
	static const uint32_t outside[] = {0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xc0010015};

	(void)state;
	memset(map, 0xff, sizeof(map));
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_int_equal(vmx_msr_map_set(map, outside[i], true, true), 0);
		assert_int_equal(vmx_msr_map_set(map, outside[i], false, true), -ENOTSUP);
		assert_int_equal(vmx_msr_map_set(map, outside[i], true, false), -ENOTSUP);
	}
	assert_int_equal(zeros(sizeof(map)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),
		cmocka_unit_test(msrs),
		cmocka_unit_test(msrs_without_a_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
