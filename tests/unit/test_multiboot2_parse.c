/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of boot/multiboot2/parse.c, on boot information that is built tag by tag. */
#include "boot/multiboot2/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ADDRESS 0x10000u

static struct boot_info info;
static uint8_t data[16384];
static uint32_t used; /* bytes of data */

static int setup(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	memset(data, 0, sizeof(data));
	used = 8;
	return 0;
}

static void put(const void *bytes, size_t size)
{
	memcpy(data + used, bytes, size);
	used += (uint32_t)size;
}

static void put_u32(uint32_t value)
{
	put(&value, sizeof(value));
}

static void put_u64(uint64_t value)
{
	put(&value, sizeof(value));
}

/* The header of a tag with `size` bytes behind it. */
static void put_tag(uint32_t type, size_t size)
{
	used = (uint32_t)align_up(used, 8);
	put_u32(type);
	put_u32((uint32_t)size + 8);
}

static void put_module(uint32_t start, uint32_t end, const char *name)
{
	put_tag(3, 8 + strlen(name) + 1);
	put_u32(start);
	put_u32(end);
	put(name, strlen(name) + 1);
}

static void put_memory(uint32_t ranges, const uint64_t (*range)[3])
{
	put_tag(6, 8 + 24 * ranges);
	put_u32(24);
	put_u32(0);
	for (uint32_t i = 0; i < ranges; i++) {
		put_u64(range[i][0]);
		put_u64(range[i][1]);
		put_u64(range[i][2]);
	}
}

/* Closes the information and parses a copy with nothing behind it. */
static int parse(const char **why)
{
	uint8_t *copy;
	int error;

	put_tag(0, 0);
	memcpy(data, &used, sizeof(used));
	copy = malloc(used);
	assert_non_null(copy);
	memcpy(copy, data, used);
	error = multiboot2_parse(&info, copy, used, ADDRESS, why);
	free(copy);
	return error;
}

static void parse_well(void)
{
	const char *why;

	assert_int_equal(parse(&why), 0);
}

static void takes_a_whole_machine(void **state)
{
	static const uint64_t memory[][3] = {{0, 0x9fc00, 1},
					     {0x9fc00, 0x400, 2},
					     {0x100000, 0x7fe00000, 1},
					     {0x7ff00000, 0x10000, 3},
					     {0x7ff10000, 0x10000, 4}};
	static const uint8_t rsdp[36] = "RSD PTR ";

	(void)state;
	put_tag(2, 10);
	put("GRUB 2.06", 10);
	put_memory(5, memory);
	put_module(0x400000, 0x400100, "/bulkhead/bulkhead.ini");
	put_module(0x500000, 0x501234, "/guests/vmlinuz with arguments");
	put_tag(14, 20);
	put(rsdp, 20);
	put_tag(15, 36);
	put(rsdp, 36);
	parse_well();
	assert_string_equal(info.loader, "multiboot2: GRUB 2.06");
	assert_int_equal(info.memory_count, 10);
	assert_int_equal(info.memory[0].length, 0x10000);
	assert_int_equal(info.memory[1].kind, BOOT_MEMORY_BOOT);
	assert_int_equal(info.memory[8].kind, BOOT_MEMORY_FREE);
	assert_int_equal(info.memory[8].base, 0x502000);
	assert_int_equal(info.config, 0x400000);
	assert_int_equal(info.config_length, 0x100);
	assert_int_equal(info.image_count, 1);
	assert_string_equal(info.images[0].path, "/guests/vmlinuz");
	assert_int_equal(info.images[0].base, 0x500000);
	assert_int_equal(info.images[0].length, 0x1234);
	assert_int_equal(memcmp(data + (info.rsdp - ADDRESS), rsdp, 36), 0);
	assert_true(info.rsdp > ADDRESS + 36 + 20);
	assert_string_equal(info.messages, "");
}

static void says_where_it_looked_for_the_config(void **state)
{
	(void)state;
	put_module(0x400000, 0x400100, "/a/notbulkhead.ini");
	parse_well();
	assert_int_equal(info.config, 0);
	assert_string_equal(info.config_path, "/bulkhead/bulkhead.ini");
	assert_non_null(strstr(info.messages, "no config"));
	assert_int_equal(info.image_count, 1);
}

static void config_may_have_any_folder_and_case(void **state)
{
	(void)state;
	put_module(0x400000, 0x400100, "Bulkhead.INI");
	parse_well();
	assert_int_equal(info.config, 0x400000);
	assert_string_equal(info.config_path, "Bulkhead.INI");
}

static void leaves_out_bad_modules(void **state)
{
	char path[BOOT_PATH_MAX + 2];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[BOOT_PATH_MAX] = 0;
	put_module(0x400000, 0x400100, "");
	put_module(0x400000, 0x400100, path);
	put_module(0x400000, 0x3fffff, "/reversed");
	path[BOOT_PATH_MAX - 1] = 0;
	put_module(0x400000, 0x400100, path);
	put_module(0x500000, 0x500000 + (1 << 20) + 1, "/bulkhead.ini");
	parse_well();
	assert_int_equal(info.image_count, 1);
	assert_string_equal(info.images[0].path, path);
	assert_int_equal(info.config, 0);
	assert_non_null(strstr(info.messages, "/reversed: left out"));
	assert_non_null(strstr(info.messages, "module2 FILE PATH"));
	assert_non_null(strstr(info.messages, "1 MiB"));
}

static void takes_only_so_many_modules(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BOOT_IMAGES_MAX + 1; i++)
		put_module(0x400000, 0x400100, i < BOOT_IMAGES_MAX ? "/m" : "/last");
	parse_well();
	assert_int_equal(info.image_count, BOOT_IMAGES_MAX);
	assert_non_null(strstr(info.messages, "/last: left out: at most 256"));
}

static void takes_a_framebuffer_of_either_order(void **state)
{
	static const uint8_t rgb[8] = {0, 8, 8, 8, 16, 8}, bgr[8] = {16, 8, 8, 8, 0, 8};
	static const uint8_t depth[4] = {32, 1, 0, 0}, text[4] = {16, 2, 0, 0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		setup(NULL);
		put_tag(8, 30);
		put_u64(0xc0000000);
		put_u32(1280 * 4);
		put_u32(1280);
		put_u32(800);
		put(i == 2 ? text : depth, 4);
		put(i == 0 ? rgb : bgr, 6);
		parse_well();
		assert_int_equal(info.framebuffer.base, i == 2 ? 0 : 0xc0000000);
		assert_int_equal(info.framebuffer.pitch, i == 2 ? 0 : 1280);
		assert_int_equal(info.framebuffer.format, i == 1);
	}
}

static void refuses_broken_sizes(void **state)
{
	const char *why = NULL;
	uint32_t total;

	(void)state;
	assert_int_equal(multiboot2_parse(&info, data, 4, ADDRESS, &why), -EINVAL);
	assert_string_equal(why, "the boot information has no valid size");
	total = 9;
	memcpy(data, &total, 4);
	assert_int_equal(multiboot2_parse(&info, data, 8, ADDRESS, &why), -EINVAL);
	setup(NULL);
	put_tag(3, 0x7fffffff);
	assert_int_equal(parse(&why), -EINVAL);
	assert_string_equal(why, "a tag of the boot information is longer than all of it");
	setup(NULL);
	put_u32(3);
	put_u32(7);
	assert_int_equal(parse(&why), -EINVAL);
}

static void passes_over_tags_that_are_too_short(void **state)
{
	static const uint32_t types[] = {2, 3, 6, 8, 13, 14, 15, 99};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		put_tag(types[i], 0);
	put_tag(6, 8);
	put_u64(0); /* entries of no size */
	parse_well();
	assert_int_equal(info.memory_count, 1);
	assert_int_equal(info.image_count, 0);
	assert_int_equal(info.rsdp, 0);
	assert_int_equal(info.smbios, 0);
	assert_int_equal(info.framebuffer.base, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(takes_a_whole_machine, setup),
		cmocka_unit_test_setup(says_where_it_looked_for_the_config, setup),
		cmocka_unit_test_setup(config_may_have_any_folder_and_case, setup),
		cmocka_unit_test_setup(leaves_out_bad_modules, setup),
		cmocka_unit_test_setup(takes_only_so_many_modules, setup),
		cmocka_unit_test_setup(takes_a_framebuffer_of_either_order, setup),
		cmocka_unit_test_setup(refuses_broken_sizes, setup),
		cmocka_unit_test_setup(passes_over_tags_that_are_too_short, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
