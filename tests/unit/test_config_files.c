/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/config_files.c. */
#include "vmm/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char found[4096];

static void collect(void *context, const char *path)
{
	size_t used = strlen(found);

	assert_ptr_equal(context, found);
	snprintf(found + used, sizeof(found) - used, "%s|", path);
}

/* Walks a copy with no byte behind its end, so that the sanitizer sees a read too far. */
static const char *walk(const char *text, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, text, length);
	found[0] = 0;
	config_for_each_file(copy, length, collect, found);
	free(copy);
	return found;
}

static void finds_every_file_key(void **state)
{
	static const char text[] = "[host]\non-idle = poweroff\n"
				   "[vm web]\nvcpus = 2\nkernel = /guests/vmlinuz\n"
				   "initrd = /guests/initrd.img ; comment\r\n"
				   "module = /a/mod one two\nmodule=/a/other\n"
				   "cmdline = kernel=/no\n"
				   "[vm db]\nkernel: /guests/vmlinuz";

	(void)state;
	assert_string_equal(walk(text, sizeof(text) - 1),
			    "/guests/vmlinuz|/guests/initrd.img|/a/mod|/a/other|/guests/vmlinuz|");
}

static void ignores_files_outside_of_vms(void **state)
{
	static const char text[] = "kernel = /a\n[host]\nkernel = /b\n[vm]\ninitrd = /c\n"
				   "; kernel = /d\n[vm x]\nkernel =\nkernel\nmodule = \n";

	(void)state;
	assert_string_equal(walk(text, sizeof(text) - 1), "");
}

static void skips_a_byte_order_mark(void **state)
{
	static const char text[] = "\xef\xbb\xbf[vm x]\nkernel = /k\n";

	(void)state;
	assert_string_equal(walk(text, sizeof(text) - 1), "/k|");
}

static void passes_over_garbage(void **state)
{
	static const char text[] = "\xef\xbb\xbf[vm x\nnonsense\n\0\0=\n[vm y]\n=\nkernel=/k\0x\n"
				   "initrd = /i\n";

	(void)state;
	assert_string_equal(walk(text, sizeof(text) - 1), "/k x|/i|");
	assert_string_equal(walk("", 0), "");
}

static void passes_over_long_lines_and_paths(void **state)
{
	static char filler[5001], text[8192];

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	snprintf(text, sizeof(text),
		 "[vm x]\nkernel = /%.*s\ninitrd = /%.*s\ncmdline = %s\nmodule = /m\n",
		 CONFIG_PATH_MAX - 1, filler, CONFIG_PATH_MAX - 2, filler, filler);
	walk(text, strlen(text));
	assert_int_equal(strcspn(found, "|"), CONFIG_PATH_MAX - 1);
	assert_string_equal(strchr(found, '|'), "|/m|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_file_key),
		cmocka_unit_test(ignores_files_outside_of_vms),
		cmocka_unit_test(skips_a_byte_order_mark),
		cmocka_unit_test(passes_over_garbage),
		cmocka_unit_test(passes_over_long_lines_and_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
