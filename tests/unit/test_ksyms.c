/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/ksyms.c, with a table and a text of our own. */
#include "arch/x86/ksyms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A text of 0x300 bytes with functions at 0x10, 0x20 and 0x200. */
__asm__(".section .data\n"
	".globl __text_start, __text_end\n"
	"__text_start: .zero 0x300\n"
	"__text_end: .byte 0\n"
	".previous\n");
extern const char __text_start[];

extern const uint32_t ksyms_count, ksyms_table[];
extern const char ksyms_names[];
const uint32_t ksyms_count = 3;
const uint32_t ksyms_table[] = {0x10, 0, 0x20, 6, 0x200, 13};
const char ksyms_names[] = "first\0second\0third";

static void check(uint64_t at, const char *name, uint64_t offset)
{
	uint64_t found_offset = 99;
	const char *found = ksyms_lookup((uint64_t)(uintptr_t)__text_start + at, &found_offset);

	if (name)
		assert_string_equal(found, name);
	else
		assert_null(found);
	assert_int_equal(found_offset, offset);
}

static void finds_the_function_that_holds_an_address(void **state)
{
	(void)state;
	check(0x10, "first", 0);
	check(0x1f, "first", 0xf);
	check(0x20, "second", 0);
	check(0x1ff, "second", 0x1df);
	check(0x200, "third", 0);
	check(0x2ff, "third", 0xff);
}

static void knows_nothing_outside(void **state)
{
	(void)state;
	check(0, NULL, 0);
	check(0xf, NULL, 0);
	check(0x300, NULL, 0);
	check((uint64_t)-1, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_function_that_holds_an_address),
		cmocka_unit_test(knows_nothing_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
