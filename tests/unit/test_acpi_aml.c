/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/acpi_aml.c. */
#include "arch/x86/acpi_tables.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CODE(...)           \
	(const uint8_t[])   \
	{                   \
		__VA_ARGS__ \
	}
#define FIND(...) find_soft_off(CODE(__VA_ARGS__), sizeof(CODE(__VA_ARGS__)))

/* The two types as 0xAB, or -1. The code is in an allocation of its own size. */
static int find_soft_off(const uint8_t *code, uint32_t length)
{
	uint8_t *bytes = calloc(1, ACPI_HEADER_SIZE + length);
	struct acpi_table table = {
		.signature = "DSDT", .bytes = bytes, .length = ACPI_HEADER_SIZE + length};
	struct acpi_fadt fadt = {.present = true};
	int error;

	assert_non_null(bytes);
	memcpy(bytes + ACPI_HEADER_SIZE, code, length);
	error = acpi_find_soft_off(&table, &fadt);
	free(bytes);
	assert_int_equal(fadt.has_sleep_types, error == 0);
	if (error)
		assert_int_equal(error, -ENOENT);
	return error ? -1 : fadt.sleep_type_a << 4 | fadt.sleep_type_b;
}

static void finds_the_sleep_types_of_soft_off(void **state)
{
	(void)state;
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0), 0);
	assert_int_equal(FIND(1, 2, 8, '_', 'S', '5', '_', 0x12, 8, 4, 10, 5, 10, 7, 0, 0), 0x57);
	assert_int_equal(FIND(8, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 10, 7, 1, 0, 0, 0), 0x71);
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 0x4b, 0, 2, 11, 6, 0, 12, 3, 0, 0, 0),
			 0x63);
	/* Both in one element. */
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 5, 1, 11, 5, 6), 0x56);
}

static void looks_on_past_what_only_looks_like_it(void **state)
{
	(void)state;
	/* A call, a string; then the real one. */
	assert_int_equal(FIND('_', 'S', '5', '_', 0x12, 6, 4, 10, 3, 0, 0, /**/ 8, '_', 'S', '5',
			      '_', 0x12, 5, 2, 10, 4, 0),
			 0x40);
	assert_int_equal(FIND('_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0), -1);
	/* Named values, not constants. */
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 8, 2, 'A', 'B', 'C', 'D', 0), -1);
	/* Not a package. */
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x0a, 6, 4, 0, 0, 0, 0), -1);
	/* Beyond 3 bits. */
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 6, 4, 10, 8, 0, 0), -1);
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 4, 2, 0xff, 0), -1);
}

static void stops_at_the_end_of_the_code(void **state)
{
	static const uint8_t code[] = {8, '_', 'S', '5', '_', 0x12, 0x49, 0, 2, 12, 5, 0, 0, 0, 1};

	(void)state;
	assert_int_equal(find_soft_off(code, sizeof(code)), 0x51);
	for (uint32_t length = 0; length < sizeof(code); length++)
		assert_int_equal(find_soft_off(code, length), -1);
	/* A package shorter than its elements, and one that lies about itself. */
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 3, 2, 1, 1, 1), -1);
	assert_int_equal(FIND(8, '_', 'S', '5', '_', 0x12, 0, 2, 1, 1, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_sleep_types_of_soft_off),
		cmocka_unit_test(looks_on_past_what_only_looks_like_it),
		cmocka_unit_test(stops_at_the_end_of_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
