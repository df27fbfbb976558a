/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/vm_console.c: the guest's output ring and the queue of what is typed to it. */
#include "vmm/vm_console.h"
#include "vmm/heap.h"

#include "fake_heap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct vm_console console;
static unsigned notified;

static int setup(void **state)
{
	(void)state;
	memset(&console, 0, sizeof(console));
	notified = 0;
	return vm_console_init(&console);
}

static int teardown(void **state)
{
	(void)state;
	vm_console_destroy(&console);
	return heap_bytes_used() == 0 ? 0 : -1;
}

static void print(const char *text)
{
	for (; *text != '\0'; text++)
		vm_console_put(&console, (uint8_t)*text);
}

static void test_output_is_read_from_any_position(void **state)
{
	uint8_t to[16] = {0};
	uint64_t from = 0, lost = 99;

	(void)state;
	print("hello");
	assert_int_equal(vm_console_read(&console, &from, to, 2, &lost), 2);
	assert_memory_equal(to, "he", 2);
	assert_int_equal(lost, 0);
	assert_int_equal(vm_console_read(&console, &from, to, sizeof(to), &lost), 3);
	assert_memory_equal(to, "llo", 3);
	assert_int_equal(from, 5);
	assert_int_equal(vm_console_read(&console, &from, to, sizeof(to), &lost), 0);
	from = 1;
	assert_int_equal(vm_console_read(&console, &from, to, sizeof(to), &lost), 4);
	assert_memory_equal(to, "ello", 4);
}

static void test_lapped_reader_is_told_what_it_lost(void **state)
{
	uint8_t to[4];
	uint64_t from = 3, lost;

	(void)state;
	for (unsigned i = 0; i < VM_CONSOLE_RING_BYTES + 10; i++)
		vm_console_put(&console, (uint8_t)(i % 251));
	assert_int_equal(vm_console_read(&console, &from, to, sizeof(to), &lost), 4);
	assert_int_equal(lost, 7);
	assert_int_equal(from, 14);
	assert_int_equal(to[0], 10);
	assert_int_equal(vm_console_read(&console, &from, to, sizeof(to), &lost), 4);
	assert_int_equal(lost, 0);
}

static void test_typed_bytes_are_taken_in_order(void **state)
{
	(void)state;
	assert_int_equal(vm_console_get(&console), -1);
	assert_true(vm_console_type(&console, 'a'));
	assert_true(vm_console_type(&console, 0xff));
	assert_int_equal(vm_console_get(&console), 'a');
	assert_int_equal(vm_console_get(&console), 0xff);
	assert_int_equal(vm_console_get(&console), -1);
}

static void test_full_queue_refuses(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < VM_CONSOLE_INPUT_BYTES; i++)
			assert_true(vm_console_type(&console, (uint8_t)i));
		assert_false(vm_console_type(&console, 'x'));
		for (unsigned i = 0; i < VM_CONSOLE_INPUT_BYTES; i++)
			assert_int_equal(vm_console_get(&console), (uint8_t)i);
	}
}

/* The counters of typed and taken bytes may wrap. */
static void test_input_counters_wrap(void **state)
{
	(void)state;
	console.input_head = console.input_tail = UINT32_MAX - 1;
	for (unsigned i = 0; i < VM_CONSOLE_INPUT_BYTES; i++)
		assert_true(vm_console_type(&console, (uint8_t)i));
	assert_false(vm_console_type(&console, 'x'));
	for (unsigned i = 0; i < VM_CONSOLE_INPUT_BYTES; i++)
		assert_int_equal(vm_console_get(&console), (uint8_t)i);
	assert_int_equal(vm_console_get(&console), -1);
}

/* The device takes the byte while it is told of it: no lock is held then. */
static void take_input(void *device)
{
	assert_ptr_equal(device, &notified);
	notified++;
	assert_int_equal(vm_console_get(&console), 'k');
}

static void test_device_hears_of_input(void **state)
{
	(void)state;
	vm_console_set_device(&console, take_input, &notified);
	assert_true(vm_console_type(&console, 'k'));
	assert_int_equal(notified, 1);
	vm_console_set_device(&console, NULL, NULL);
	assert_true(vm_console_type(&console, 'k'));
	assert_int_equal(notified, 1);
}

static void test_no_memory(void **state)
{
	struct vm_console other = {.ring = NULL};

	(void)state;
	fake_heap_fail_after(0);
	assert_int_equal(vm_console_init(&other), -ENOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output_is_read_from_any_position),
		TEST(test_lapped_reader_is_told_what_it_lost),
		TEST(test_typed_bytes_are_taken_in_order),
		TEST(test_full_queue_refuses),
		TEST(test_input_counters_wrap),
		TEST(test_device_hears_of_input),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
