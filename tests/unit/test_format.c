/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/format.c: what the VMM relies on of stb_sprintf, and sizes as people say them.
 */
#include "vmm/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_conversions(void **state)
{
	char text[128];

	(void)state;
	assert_int_equal(
		hv_snprintf(text, sizeof(text), "%d|%u|%5d|%-5d|%05d", -1, 4294967295u, 42, 42, 42),
		31);
	assert_string_equal(text, "-1|4294967295|   42|42   |00042");
	hv_snprintf(text, sizeof(text), "%llx|%#llx|%016llx|%02X", 0xffffffff81000000ull, 0x10ull,
		    0xabcull, 0xfu);
	assert_string_equal(text, "ffffffff81000000|0x10|0000000000000abc|0F");
	hv_snprintf(text, sizeof(text), "%s|%.3s|%-6s|%6s|%c|%%|%.*s", "abc", "abcdef", "ab", "ab",
		    'x', 2, "xyz");
	assert_string_equal(text, "abc|abc|ab    |    ab|x|%|xy");
	hv_snprintf(text, sizeof(text), "%zu|%lld|%llu", (size_t)7, (long long)-INT64_MAX,
		    (unsigned long long)UINT64_MAX);
	assert_string_equal(text, "7|-9223372036854775807|18446744073709551615");
}

/* What does not fit is cut, a NUL ends it, and the length is that of the whole. */
static void test_cut(void **state)
{
	char text[8];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(hv_snprintf(text, 4, "%s", "abcdef"), 6);
	assert_memory_equal(text, "abc\0xxxx", 8);
	assert_int_equal(hv_snprintf(text, 1, "abc"), 3);
	assert_memory_equal(text, "\0bc\0xxxx", 8);
	assert_int_equal(hv_snprintf(text, sizeof(text), "1234567"), 7);
	assert_string_equal(text, "1234567");
}

/* No room at all: nothing is written. */
static void test_no_room(void **state)
{
	char text[3] = {'x', 'y', 'z'};

	(void)state;
	assert_int_equal(hv_snprintf(text + 1, 0, "%s", "abcdef"), 6);
	assert_memory_equal(text, "xyz", 3);
	assert_int_equal(hv_snprintf(NULL, 0, "%d", 1234), 4);
}

static void test_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 bytes"},
		{1, "1 bytes"},
		{1023, "1023 bytes"},
		{1024, "1 KiB"},
		{1025, "1025 bytes"},
		{MIB(256), "256 MiB"},
		{MIB(1536), "1536 MiB"}, /* exact in no larger unit */
		{GIB(4), "4 GiB"},
		{GIB(2048), "2 TiB"},
		{GIB(1024) * 4096, "4096 TiB"},
		{UINT64_MAX, "18446744073709551615 bytes"},
		{UINT64_MAX - 1023, "18014398509481983 KiB"},
	};
	char text[FORMAT_SIZE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_ptr_equal(format_size(text, cases[i].bytes), text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversions),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
