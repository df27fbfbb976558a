/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of boot/boot_info.c. */
#include "boot/boot_info.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct boot_info info;

static int setup(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	return 0;
}

static void add(uint64_t base, uint64_t end, enum boot_memory_kind kind)
{
	assert_int_equal(boot_info_add_memory(&info, base, end - base, kind), 0);
}

static void expect(uint32_t index, uint64_t base, uint64_t end, enum boot_memory_kind kind)
{
	assert_true(index < info.memory_count);
	assert_int_equal(info.memory[index].base, base);
	assert_int_equal(info.memory[index].base + info.memory[index].length, end);
	assert_int_equal(info.memory[index].kind, kind);
}

/* A map, an image, a config and a hypervisor that pass. */
static void make_valid(void)
{
	setup(NULL);
	info.magic = BOOT_INFO_MAGIC;
	info.size = sizeof(info);
	add(0x1000, 0x9f000, BOOT_MEMORY_FREE);
	add(0x100000, 0x200000, BOOT_MEMORY_BOOT);
	add(0x200000, 0x300000, BOOT_MEMORY_HYPERVISOR);
	info.hypervisor_base = 0x200000;
	info.hypervisor_length = 0x100000;
	info.image_count = 1;
	strcpy(info.images[0].path, "/guests/vmlinuz");
	info.images[0].base = 0x100000;
	info.images[0].length = 0x1234;
	info.config = 0x102000;
	info.config_length = 100;
	info.framebuffer = (struct boot_framebuffer){0xc0000000, 1280, 800, 1280, 1};
}

static void adds_in_any_order(void **state)
{
	(void)state;
	add(0x8000, 0x9000, BOOT_MEMORY_ACPI);
	add(0x1000, 0x3000, BOOT_MEMORY_FREE);
	add(0x5000, 0x6000, BOOT_MEMORY_RESERVED);
	assert_int_equal(info.memory_count, 3);
	expect(0, 0x1000, 0x3000, BOOT_MEMORY_FREE);
	expect(1, 0x5000, 0x6000, BOOT_MEMORY_RESERVED);
	expect(2, 0x8000, 0x9000, BOOT_MEMORY_ACPI);
}

static void joins_what_touches(void **state)
{
	(void)state;
	add(0x1000, 0x2000, BOOT_MEMORY_FREE);
	add(0x3000, 0x4000, BOOT_MEMORY_FREE);
	add(0x2000, 0x3000, BOOT_MEMORY_FREE);
	assert_int_equal(info.memory_count, 1);
	expect(0, 0x1000, 0x4000, BOOT_MEMORY_FREE);
}

static void cuts_out_of_free_memory(void **state)
{
	(void)state;
	add(0x1000, 0x9000, BOOT_MEMORY_FREE);
	add(0x3000, 0x4000, BOOT_MEMORY_BOOT);
	assert_int_equal(info.memory_count, 3);
	expect(0, 0x1000, 0x3000, BOOT_MEMORY_FREE);
	expect(1, 0x3000, 0x4000, BOOT_MEMORY_BOOT);
	expect(2, 0x4000, 0x9000, BOOT_MEMORY_FREE);
}

static void restrictive_kind_wins_whatever_the_order(void **state)
{
	(void)state;
	add(0x3000, 0x5000, BOOT_MEMORY_RESERVED);
	add(0x1000, 0x4000, BOOT_MEMORY_FREE);
	add(0x4000, 0x7000, BOOT_MEMORY_BOOT);
	assert_int_equal(info.memory_count, 3);
	expect(0, 0x1000, 0x3000, BOOT_MEMORY_FREE);
	expect(1, 0x3000, 0x5000, BOOT_MEMORY_RESERVED);
	expect(2, 0x5000, 0x7000, BOOT_MEMORY_BOOT);
}

static void fills_holes_around_several_ranges(void **state)
{
	(void)state;
	add(0x2000, 0x3000, BOOT_MEMORY_BOOT);
	add(0x5000, 0x6000, BOOT_MEMORY_FREE);
	add(0x1000, 0x8000, BOOT_MEMORY_ACPI);
	assert_int_equal(info.memory_count, 1);
	expect(0, 0x1000, 0x8000, BOOT_MEMORY_ACPI);
}

static void rounds_free_memory_in_and_the_rest_out(void **state)
{
	(void)state;
	add(0x1001, 0x3fff, BOOT_MEMORY_FREE);
	add(0x5fff, 0x6001, BOOT_MEMORY_RESERVED);
	add(0x8001, 0x8fff, BOOT_MEMORY_FREE);
	assert_int_equal(info.memory_count, 2);
	expect(0, 0x2000, 0x3000, BOOT_MEMORY_FREE);
	expect(1, 0x5000, 0x7000, BOOT_MEMORY_RESERVED);
}

static void refuses_ranges_that_make_no_sense(void **state)
{
	(void)state;
	assert_int_equal(boot_info_add_memory(&info, 0x1000, 0, BOOT_MEMORY_FREE), -EINVAL);
	assert_int_equal(boot_info_add_memory(&info, UINT64_MAX - 10, 100, BOOT_MEMORY_FREE),
			 -EINVAL);
	assert_int_equal(
		boot_info_add_memory(&info, UINT64_MAX - 0x100, 0x100, BOOT_MEMORY_RESERVED),
		-EINVAL);
	assert_int_equal(info.memory_count, 0);
}

static void full_map_stays_as_it_is(void **state)
{
	struct boot_info *before = malloc(sizeof(*before));
	uint32_t count = 0;

	(void)state;
	while (boot_info_add_memory(&info, count * 0x2000ull, 0x1000, BOOT_MEMORY_FREE) == 0)
		count++;
	assert_in_range(count, BOOT_MEMORY_MAX - 3, BOOT_MEMORY_MAX);
	assert_int_equal(info.memory_count, count);
	*before = info;
	assert_int_equal(boot_info_add_memory(&info, 0x500, 0xffffff, BOOT_MEMORY_BOOT), -ENOSPC);
	assert_memory_equal(before, &info, sizeof(info));
	free(before);
}

/* Against a map of one byte a page. */
static void agrees_with_a_simple_model(void **state)
{
	enum {
		PAGES = 64
	};
	int model[PAGES];
	unsigned random = 1;

	(void)state;
	memset(model, -1, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned at, length, kind;

		if (round % 40 == 0) {
			memset(model, -1, sizeof(model));
			info.memory_count = 0;
		}
		random = random * 1103515245 + 12345;
		at = (random >> 16) % PAGES;
		length = 1 + (random >> 8) % (PAGES - at);
		kind = (random >> 24) % (BOOT_MEMORY_RESERVED + 1);
		for (unsigned i = at; i < at + length; i++)
			model[i] = model[i] < (int)kind ? (int)kind : model[i];
		add(at * PAGE_SIZE, (at + length) * PAGE_SIZE, kind);
		for (uint32_t range = 0, page = 0; page < PAGES; page++) {
			const struct boot_memory *memory = &info.memory[range];

			if (range == info.memory_count || page * PAGE_SIZE < memory->base) {
				assert_int_equal(model[page], -1);
				continue;
			}
			assert_int_equal(model[page], memory->kind);
			if ((page + 1) * PAGE_SIZE == memory->base + memory->length)
				range++;
		}
	}
}

static void check_passes_and_sorts(void **state)
{
	const char *why;
	struct boot_memory first;

	(void)state;
	make_valid();
	first = info.memory[0];
	info.memory[0] = info.memory[2];
	info.memory[2] = first;
	assert_int_equal(boot_info_check(&info, &why), 0);
	assert_null(why);
	expect(0, 0x1000, 0x9f000, BOOT_MEMORY_FREE);
	expect(2, 0x200000, 0x300000, BOOT_MEMORY_HYPERVISOR);
}

static void expect_failure(const char *sentence)
{
	const char *why = NULL;

	assert_int_equal(boot_info_check(&info, &why), -EINVAL);
	assert_non_null(why);
	assert_string_equal(why, sentence);
	make_valid();
}

static void check_finds_a_wrong_header(void **state)
{
	(void)state;
	make_valid();
	info.magic++;
	expect_failure("the magic number is wrong");
	info.size--;
	expect_failure("the size is wrong: loader and hypervisor are of different builds");
	info.cpu_count = BOOT_CPUS_MAX + 1;
	expect_failure("too many CPUs");
	memset(info.messages, 'x', sizeof(info.messages));
	expect_failure("a text has no end");
}

static void check_finds_a_wrong_map(void **state)
{
	(void)state;
	make_valid();
	info.memory_count = 0;
	expect_failure("the memory map is empty or too long");
	info.memory_count = BOOT_MEMORY_MAX + 1;
	expect_failure("the memory map is empty or too long");
	info.memory[0].length++;
	expect_failure("a memory range is not page-aligned");
	info.memory[1].length = 0;
	expect_failure("a memory range is empty or wraps");
	info.memory[1].length = -PAGE_SIZE;
	expect_failure("a memory range is empty or wraps");
	info.memory[1].kind = 5;
	expect_failure("a memory range has an unknown kind");
	info.memory[1].length += PAGE_SIZE;
	expect_failure("memory ranges overlap");
	info.memory[0].kind = BOOT_MEMORY_RESERVED;
	expect_failure("no free memory");
	info.hypervisor_length += PAGE_SIZE;
	expect_failure("the hypervisor lies outside its memory range");
}

static void check_finds_wrong_contents(void **state)
{
	(void)state;
	make_valid();
	info.image_count = BOOT_IMAGES_MAX + 1;
	expect_failure("too many images");
	memset(info.images[0].path, 'x', BOOT_PATH_MAX);
	expect_failure("an image's path has no end");
	info.images[0].base = 0x8000;
	expect_failure("an image lies outside the boot memory");
	info.images[0].length = UINT64_MAX;
	expect_failure("an image lies outside the boot memory");
	info.config_length = 0x100000;
	expect_failure("the config lies outside the boot memory");
	info.framebuffer.pitch = 1279;
	expect_failure("the framebuffer's description makes no sense");
	info.framebuffer.base = UINT64_MAX - 100;
	expect_failure("the framebuffer's description makes no sense");
}

static void finds_images_as_fat_does(void **state)
{
	(void)state;
	make_valid();
	assert_ptr_equal(boot_info_find_image(&info, "/guests/vmlinuz"), &info.images[0]);
	assert_ptr_equal(boot_info_find_image(&info, "Guests\\VMLINUZ"), &info.images[0]);
	assert_ptr_equal(boot_info_find_image(&info, "//guests/vmlinuz"), &info.images[0]);
	assert_null(boot_info_find_image(&info, "/guests/vmlinuz2"));
	assert_null(boot_info_find_image(&info, "/guests/vmlinu"));
	assert_null(boot_info_find_image(&info, "guestsvmlinuz"));
	assert_null(boot_info_find_image(&info, ""));
}

static void messages_are_cut_where_full(void **state)
{
	(void)state;
	boot_info_add_message(&info, "first\n");
	boot_info_add_message(&info, "second\n");
	assert_string_equal(info.messages, "first\nsecond\n");
	for (unsigned i = 0; i < BOOT_MESSAGES_MAX; i++)
		boot_info_add_message(&info, "more\n");
	assert_int_equal(strlen(info.messages), BOOT_MESSAGES_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(adds_in_any_order, setup),
		cmocka_unit_test_setup(joins_what_touches, setup),
		cmocka_unit_test_setup(cuts_out_of_free_memory, setup),
		cmocka_unit_test_setup(restrictive_kind_wins_whatever_the_order, setup),
		cmocka_unit_test_setup(fills_holes_around_several_ranges, setup),
		cmocka_unit_test_setup(rounds_free_memory_in_and_the_rest_out, setup),
		cmocka_unit_test_setup(refuses_ranges_that_make_no_sense, setup),
		cmocka_unit_test_setup(full_map_stays_as_it_is, setup),
		cmocka_unit_test_setup(agrees_with_a_simple_model, setup),
		cmocka_unit_test_setup(check_passes_and_sorts, setup),
		cmocka_unit_test_setup(check_finds_a_wrong_header, setup),
		cmocka_unit_test_setup(check_finds_a_wrong_map, setup),
		cmocka_unit_test_setup(check_finds_wrong_contents, setup),
		cmocka_unit_test_setup(finds_images_as_fat_does, setup),
		cmocka_unit_test_setup(messages_are_cut_where_full, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
