/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/page_alloc.c on 4 GiB of address space that is never touched but where the
 * allocator writes, so that 1 GiB blocks exist too.
 */
#include "vmm/page_alloc.h"
#include "vmm/platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define RAM_BASE  GIB(4)
#define RAM_BYTES GIB(4)

static uint8_t *ram;
static jmp_buf panic_return;
static char panic_message[256];

void *platform_ram(hpa_t hpa)
{
	assert_true(hpa.value >= RAM_BASE && hpa.value - RAM_BASE < RAM_BYTES);
	return ram + (hpa.value - RAM_BASE);
}

hpa_t platform_ram_address(const void *pointer)
{
	uint64_t offset = (uint64_t)((const uint8_t *)pointer - ram);

	assert_true(offset < RAM_BYTES);
	return hpa_make(RAM_BASE + offset);
}

void platform_panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(panic_message, sizeof(panic_message), format, arguments);
	va_end(arguments);
	longjmp(panic_return, 1);
}

#define assert_panics(call, text)                             \
	do {                                                  \
		panic_message[0] = 0;                         \
		if (setjmp(panic_return) == 0) {              \
			call;                                 \
			fail_msg("no panic");                 \
		}                                             \
		assert_non_null(strstr(panic_message, text)); \
	} while (0)

static int setup(void **state)
{
	(void)state;
	page_alloc_reset();
	return 0;
}

static void add(uint64_t base, uint64_t length)
{
	assert_int_equal(page_alloc_add(hpa_make(base), length), 0);
}

static uint64_t take(unsigned order)
{
	hpa_t address;

	assert_int_equal(page_alloc(order, &address), 0);
	assert_true(is_aligned(address.value, PAGE_SIZE << order));
	return address.value;
}

static void gives_1g_blocks_where_the_range_has_them(void **state)
{
	uint64_t first, second;
	hpa_t none;

	(void)state;
	add(RAM_BASE, GIB(3) - MIB(4));
	first = take(PAGE_ORDER_1G);
	second = take(PAGE_ORDER_1G);
	assert_int_equal(first + second, 2 * RAM_BASE + GIB(1));
	assert_int_equal(page_alloc(PAGE_ORDER_1G, &none), -ENOMEM);
	page_free(hpa_make(first), PAGE_ORDER_1G);
	page_free(hpa_make(second), PAGE_ORDER_1G);
	assert_int_equal(page_alloc_free_bytes(), page_alloc_total());
}

static void counts_its_own_bytes_out(void **state)
{
	(void)state;
	add(RAM_BASE, GIB(1));
	/* One byte a page: 64 pages of them for 1 GiB. */
	assert_int_equal(page_alloc_total(), GIB(1) - 64 * PAGE_SIZE);
	assert_int_equal(page_alloc_free_bytes(), page_alloc_total());
}

static void leaves_out_parts_of_pages(void **state)
{
	(void)state;
	add(RAM_BASE + 1, 5 * PAGE_SIZE);
	assert_int_equal(page_alloc_total(), 3 * PAGE_SIZE);
	assert_int_equal(take(0) & ~PAGE_MASK, 0);
}

static void refuses_bad_ranges(void **state)
{
	(void)state;
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE), PAGE_SIZE), -ENOMEM);
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE), 0), -ENOMEM);
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE + 1), 10), -ENOMEM);
	assert_int_equal(page_alloc_add(hpa_make(UINT64_MAX - 10), 100), -EINVAL);
	assert_int_equal(page_alloc_add(hpa_make(UINT64_MAX - 10), 5), -EINVAL);
	add(RAM_BASE + MIB(4), MIB(4));
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE + MIB(4)), MIB(4)), -EEXIST);
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE), GIB(1)), -EEXIST);
	assert_int_equal(page_alloc_add(hpa_make(RAM_BASE + MIB(6)), MIB(8)), -EEXIST);
	add(RAM_BASE + MIB(8), MIB(4));
	add(RAM_BASE, MIB(4));
	assert_int_equal(page_alloc_total(), MIB(12) - 3 * PAGE_SIZE);
}

static void refuses_bad_orders(void **state)
{
	hpa_t address;

	(void)state;
	add(RAM_BASE, MIB(4));
	assert_int_equal(page_alloc(PAGE_ORDER_MAX + 1, &address), -EINVAL);
	assert_null(page_alloc_zeroed(PAGE_ORDER_1G));
}

static void never_joins_blocks_of_two_ranges(void **state)
{
	hpa_t address;

	(void)state;
	add(RAM_BASE, MIB(2));
	add(RAM_BASE + MIB(2), MIB(2));
	assert_int_equal(page_alloc(PAGE_ORDER_2M, &address), -ENOMEM);
	page_free(hpa_make(take(0)), 0);
	assert_int_equal(page_alloc(PAGE_ORDER_2M, &address), -ENOMEM);
}

static void zeroes_when_asked(void **state)
{
	uint64_t address;
	uint8_t *page;

	(void)state;
	add(RAM_BASE, MIB(1));
	address = take(3);
	memset(platform_ram(hpa_make(address)), 0xff, PAGE_SIZE << 3);
	page_free(hpa_make(address), 3);
	page = page_alloc_zeroed(3);
	assert_non_null(page);
	for (size_t i = 0; i < PAGE_SIZE << 3; i++)
		assert_int_equal(page[i], 0);
	page_free_pointer(page, 3);
}

static void knows_the_order_of_a_block(void **state)
{
	uint64_t address;

	(void)state;
	add(RAM_BASE, MIB(8));
	address = take(5);
	assert_int_equal(page_alloc_order(hpa_make(address)), 5);
	assert_int_equal(page_alloc_order(hpa_make(address + PAGE_SIZE)), -ENOENT);
	assert_int_equal(page_alloc_order(hpa_make(address + 1)), -ENOENT);
	assert_int_equal(page_alloc_order(hpa_make(RAM_BASE + GIB(1))), -ENOENT);
	page_free(hpa_make(address), 5);
	assert_int_equal(page_alloc_order(hpa_make(address)), -ENOENT);
}

static void panics_on_a_bad_free(void **state)
{
	uint64_t address;

	(void)state;
	add(RAM_BASE, MIB(8));
	address = take(2);
	assert_panics(page_free(hpa_make(address), 1), "another order");
	assert_panics(page_free(hpa_make(address + PAGE_SIZE), 2), "no allocated block");
	assert_panics(page_free(hpa_make(address + 8), 2), "no allocated block");
	assert_panics(page_free(hpa_make(RAM_BASE + GIB(1)), 0), "no allocated block");
	assert_panics(page_free(hpa_make(address), PAGE_ORDER_MAX + 1), "another order");
	page_free(hpa_make(address), 2);
	assert_panics(page_free(hpa_make(address), 2), "freed");
	/* The lock was left: the allocator still works. */
	page_free(hpa_make(take(0)), 0);
}

static void notices_a_damaged_list(void **state)
{
	hpa_t address;
	uint64_t free_block;

	(void)state;
	add(RAM_BASE, MIB(1));
	free_block = take(0);
	page_free(hpa_make(free_block), 0);
	/* Somebody writes to a free block: its link now leads into the middle of another. */
	*(void **)platform_ram(hpa_make(free_block)) = platform_ram(hpa_make(free_block));
	assert_panics(
		{
			for (unsigned i = 0; i < 256; i++)
				(void)!page_alloc(0, &address);
		},
		"damaged");
}

/* A head that has become the inside of a joined block is a head no more. */
static void forgets_heads_that_joined(void **state)
{
	uint64_t pages[255]; /* all */
	uint64_t block;

	(void)state;
	add(RAM_BASE, MIB(1));
	for (unsigned i = 0; i < 255; i++)
		pages[i] = take(0);
	for (unsigned i = 0; i < 255; i++)
		page_free(hpa_make(pages[i]), 0);
	block = take(7);
	for (unsigned i = 1; i < 128; i++)
		assert_int_equal(page_alloc_order(hpa_make(block + i * PAGE_SIZE)), -ENOENT);
	assert_panics(page_free(hpa_make(block + 64 * PAGE_SIZE), 0), "no allocated block");
}

/* ---- against a model ---- */

#define MODEL_PAGES  8192
#define MODEL_BLOCKS 512

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % limit;
}

/* Marks or clears each page of a block, and sees that it was not or was. */
static void model_set(bool *used, uint64_t address, unsigned order, bool value)
{
	uint64_t first = (address - RAM_BASE) >> PAGE_SHIFT;

	assert_true(first + (1u << order) <= MODEL_PAGES);
	for (uint64_t i = first; i < first + (1u << order); i++) {
		assert_true(used[i] != value);
		used[i] = value;
	}
}

static void hands_out_each_page_once(void **state)
{
	static bool used[MODEL_PAGES];
	static struct {
		uint64_t address;
		unsigned order;
		bool live;
	} blocks[MODEL_BLOCKS];
	uint64_t in_use = 0;

	(void)state;
	add(RAM_BASE, MIB(10));
	add(RAM_BASE + MIB(12) + 3 * PAGE_SIZE, MIB(19));
	for (random_state = 1; random_below(60000) != 0;) {
		unsigned i = random_below(MODEL_BLOCKS);
		unsigned order = random_below(3) ? random_below(4) : random_below(10);
		hpa_t address;

		if (blocks[i].live) {
			model_set(used, blocks[i].address, blocks[i].order, false);
			page_free(hpa_make(blocks[i].address), blocks[i].order);
			in_use -= PAGE_SIZE << blocks[i].order;
			blocks[i].live = false;
		} else if (page_alloc(order, &address) == 0) {
			assert_true(is_aligned(address.value, PAGE_SIZE << order));
			model_set(used, address.value, order, true);
			blocks[i].address = address.value;
			blocks[i].order = order;
			blocks[i].live = true;
			in_use += PAGE_SIZE << order;
		}
		assert_int_equal(page_alloc_free_bytes() + in_use, page_alloc_total());
	}
	for (unsigned i = 0; i < MODEL_BLOCKS; i++) {
		if (blocks[i].live)
			page_free(hpa_make(blocks[i].address), blocks[i].order);
	}
	assert_int_equal(page_alloc_free_bytes(), page_alloc_total());
	/* Everything has joined again: blocks as large as at first are there. */
	assert_true(take(10) != 0);
	assert_true(take(10) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(gives_1g_blocks_where_the_range_has_them, setup),
		cmocka_unit_test_setup(counts_its_own_bytes_out, setup),
		cmocka_unit_test_setup(leaves_out_parts_of_pages, setup),
		cmocka_unit_test_setup(refuses_bad_ranges, setup),
		cmocka_unit_test_setup(refuses_bad_orders, setup),
		cmocka_unit_test_setup(never_joins_blocks_of_two_ranges, setup),
		cmocka_unit_test_setup(zeroes_when_asked, setup),
		cmocka_unit_test_setup(knows_the_order_of_a_block, setup),
		cmocka_unit_test_setup(panics_on_a_bad_free, setup),
		cmocka_unit_test_setup(notices_a_damaged_list, setup),
		cmocka_unit_test_setup(forgets_heads_that_joined, setup),
		cmocka_unit_test_setup(hands_out_each_page_once, setup),
	};

	/* More than needed, to align the start as the physical addresses are. */
	ram = mmap(NULL, RAM_BYTES + GIB(1), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		return 1;
	ram = (uint8_t *)align_up((uintptr_t)ram, GIB(1));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
