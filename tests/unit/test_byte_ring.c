/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of drivers/byte_ring.h. */
#include "drivers/byte_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SIZE 8

static uint8_t bytes[SIZE];

static void gives_back_in_order(void **state)
{
	struct byte_ring ring = {.bytes = bytes, .size = SIZE};

	(void)state;
	assert_int_equal(byte_ring_get(&ring), -1);
	assert_true(byte_ring_put(&ring, 0));
	assert_true(byte_ring_put(&ring, 255));
	assert_int_equal(byte_ring_used(&ring), 2);
	assert_int_equal(byte_ring_get(&ring), 0);
	assert_int_equal(byte_ring_get(&ring), 255);
	assert_int_equal(byte_ring_get(&ring), -1);
}

static void refuses_where_it_is_full(void **state)
{
	struct byte_ring ring = {.bytes = bytes, .size = SIZE};

	(void)state;
	for (uint8_t i = 0; i < SIZE; i++)
		assert_true(byte_ring_put(&ring, i));
	assert_int_equal(byte_ring_free(&ring), 0);
	assert_false(byte_ring_put(&ring, 99));
	for (uint8_t i = 0; i < SIZE; i++)
		assert_int_equal(byte_ring_get(&ring), i);
	assert_int_equal(byte_ring_free(&ring), SIZE);
}

static void goes_round_with_its_counters(void **state)
{
	struct byte_ring ring = {
		.bytes = bytes, .size = SIZE, .put = UINT32_MAX - 2, .got = UINT32_MAX - 2};

	(void)state;
	for (uint8_t round = 0; round < 5; round++) {
		for (uint8_t i = 0; i < SIZE; i++)
			assert_true(byte_ring_put(&ring, (uint8_t)(round * SIZE + i)));
		assert_false(byte_ring_put(&ring, 99));
		for (uint8_t i = 0; i < SIZE; i++)
			assert_int_equal(byte_ring_get(&ring), round * SIZE + i);
		assert_int_equal(byte_ring_get(&ring), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_in_order),
		cmocka_unit_test(refuses_where_it_is_full),
		cmocka_unit_test(goes_round_with_its_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
