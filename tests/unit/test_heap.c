/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/heap.c on the real page allocator and fake RAM. */
#include "vmm/heap.h"

#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static jmp_buf panic_return;

static void on_panic(const char *message)
{
	assert_non_null(strstr(message, "not in use"));
	longjmp(panic_return, 1);
}

#define assert_panics(call)                       \
	do {                                      \
		fake_platform_on_panic(on_panic); \
		if (setjmp(panic_return) == 0) {  \
			call;                     \
			fail_msg("no panic");     \
		}                                 \
		fake_platform_on_panic(NULL);     \
	} while (0)

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_platform_give_ram();
	return 0;
}

/* Nothing may be left: neither objects nor slabs. */
static int teardown(void **state)
{
	(void)state;
	return heap_bytes_used() == 0 && page_alloc_free_bytes() == page_alloc_total() ? 0 : -1;
}

static void gives_zeroed_aligned_objects_of_all_sizes(void **state)
{
	(void)state;
	for (size_t size = 1; size <= MIB(1); size += size < 5000 ? 1 : size / 3) {
		uint8_t *object = hv_alloc(size);

		assert_non_null(object);
		assert_true(is_aligned((uintptr_t)object, size >= PAGE_SIZE ? PAGE_SIZE : 16));
		for (size_t i = 0; i < size; i++)
			assert_int_equal(object[i], 0);
		memset(object, 0xee, size);
		assert_true(heap_bytes_used() >= size);
		hv_free(object);
		assert_int_equal(heap_bytes_used(), 0);
	}
}

static void keeps_objects_apart(void **state)
{
	static uint8_t *objects[2000];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = hv_alloc(1 + i % 3000);
		assert_non_null(objects[i]);
		memset(objects[i], (int)(i & 0xff), 1 + i % 3000);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
		for (unsigned k = 0; k < 1 + i % 3000; k++)
			assert_int_equal(objects[i][k], i & 0xff);
		hv_free(objects[i]);
	}
}

/* Random allocations and frees; each object keeps a pattern of its own. */
static void survives_random_use(void **state)
{
	static struct {
		uint8_t *object;
		size_t size;
	} slots[1000];
	uint64_t random = 7;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		unsigned i;

		random = random * 6364136223846793005u + 1442695040888963407u;
		i = (unsigned)(random >> 40) % ARRAY_SIZE(slots);
		if (slots[i].object) {
			assert_int_equal(slots[i].object[0], i & 0xff);
			assert_int_equal(slots[i].object[slots[i].size - 1], i & 0xff);
			hv_free(slots[i].object);
			slots[i].object = NULL;
			continue;
		}
		slots[i].size = 1 + ((random >> 20) & (((size_t)2 << (random >> 60)) - 1)) % 20000;
		slots[i].object = hv_alloc(slots[i].size);
		assert_non_null(slots[i].object);
		assert_int_equal(slots[i].object[slots[i].size / 2], 0);
		memset(slots[i].object, (int)(i & 0xff), slots[i].size);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		hv_free(slots[i].object);
}

static void says_when_there_is_no_memory(void **state)
{
	static void *blocks[FAKE_RAM_SIZE / 2048];
	unsigned count = 0;

	(void)state;
	assert_null(hv_alloc(FAKE_RAM_SIZE * 2));
	assert_null(hv_alloc(GIB(1) + 1));
	assert_null(hv_alloc(SIZE_MAX));
	while ((blocks[count] = hv_alloc(2048)) != NULL)
		count++;
	/* Seven of eight parts at least are objects. */
	assert_true(count >= FAKE_RAM_SIZE / 2048 / 8 * 6);
	assert_null(hv_alloc(PAGE_SIZE * 4));
	while (count > 0)
		hv_free(blocks[--count]);
	hv_free(NULL);
}

static void panics_on_a_bad_free(void **state)
{
	char *object = hv_alloc(100);
	char *neighbour = hv_alloc(100);
	char *large = hv_alloc(3 * PAGE_SIZE);

	(void)state;
	assert_panics(hv_free(object + 16));
	assert_panics(hv_free(object + 1));
	assert_panics(hv_free((void *)align_down((uintptr_t)object, KIB(16)) + 128));
	assert_panics(hv_free(large + PAGE_SIZE));
	assert_panics(hv_free(large + 100));
	hv_free(object);
	assert_panics(hv_free(object));
	hv_free(neighbour);
	hv_free(large);
	assert_panics(hv_free(large));
	assert_panics(hv_free(neighbour));
}

static void copies_strings(void **state)
{
	char *copy = hv_strdup("bulkhead");
	char *empty = hv_strdup("");

	(void)state;
	assert_string_equal(copy, "bulkhead");
	assert_string_equal(empty, "");
	hv_free(copy);
	hv_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_zeroed_aligned_objects_of_all_sizes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keeps_objects_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_random_use, setup, teardown),
		cmocka_unit_test_setup_teardown(says_when_there_is_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(panics_on_a_bad_free, setup, teardown),
		cmocka_unit_test_setup_teardown(copies_strings, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
