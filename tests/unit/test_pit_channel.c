/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/pit_channel.c: the 8254's modes. The clock starts at 100. */
#include "guest/dev/pit_channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW 100

/* Control words: both bytes, binary. */
#define CONTROL(mode) (uint8_t)(0x30 | (mode) << 1)

static struct pit_channel channel;

static void program(unsigned mode, uint16_t count, bool gate)
{
	pit_channel_reset(&channel, gate);
	pit_channel_control(&channel, CONTROL(mode), NOW);
	pit_channel_write(&channel, (uint8_t)count, NOW);
	pit_channel_write(&channel, (uint8_t)(count >> 8), NOW);
}

static uint16_t read_count(uint64_t now)
{
	uint8_t low;

	pit_channel_latch_count(&channel, now);
	low = pit_channel_read(&channel, now + 5);
	return (uint16_t)(low | pit_channel_read(&channel, now + 9) << 8);
}

/* Checks the output clock by clock: '1' and '0' from the clock of the last write on. */
static void check_output(const char *levels, uint64_t from)
{
	for (uint64_t i = 0; levels[i] != '\0'; i++)
		if (pit_channel_output(&channel, from + i) != (levels[i] == '1'))
			fail_msg("clock %u after the start is not %c", (unsigned)i, levels[i]);
}

/* Checks next_rise() against the output over some clocks. */
static void check_rises(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at++) {
		uint64_t rise = pit_channel_next_rise(&channel, at);
		uint64_t expected = at + 1;

		while (expected < to + 20 && !(pit_channel_output(&channel, expected) &&
					       !pit_channel_output(&channel, expected - 1)))
			expected++;
		if (expected == to + 20)
			assert_true(rise == PIT_NEVER || rise >= expected);
		else
			assert_int_equal(rise, expected);
	}
}

static void mode_0_rises_at_the_end(void **state)
{
	(void)state;
	pit_channel_reset(&channel, true);
	pit_channel_control(&channel, CONTROL(0), NOW);
	assert_false(pit_channel_output(&channel, NOW + 1000));
	program(0, 4, true);
	check_output("0000011111", NOW);
	check_rises(NOW, NOW + 10);
	assert_int_equal(read_count(NOW + 1), 4);
	assert_int_equal(read_count(NOW + 4), 1);
	/* It counts on below zero. */
	assert_int_equal(read_count(NOW + 6), 0xffff);
	/* Half a new count stops it. */
	program(0, 4, true);
	pit_channel_write(&channel, 9, NOW + 2);
	check_output("00000000", NOW + 2);
	assert_int_equal(pit_channel_next_rise(&channel, NOW + 2), PIT_NEVER);
}

static void mode_0_stops_at_the_gate(void **state)
{
	(void)state;
	program(0, 4, true);
	pit_channel_set_gate(&channel, false, NOW + 3);
	check_output("00000000", NOW + 3);
	assert_int_equal(read_count(NOW + 50), 2);
	pit_channel_set_gate(&channel, true, NOW + 50);
	check_output("0011", NOW + 50);
}

static void mode_1_is_triggered(void **state)
{
	(void)state;
	program(1, 3, false);
	check_output("1111111", NOW);
	pit_channel_set_gate(&channel, true, NOW + 10);
	check_output("0000111", NOW + 10);
	pit_channel_set_gate(&channel, false, NOW + 12);
	check_output("0011", NOW + 12);
	/* A new count waits for the next trigger, which may come while the output is low. */
	pit_channel_set_gate(&channel, true, NOW + 20);
	pit_channel_write(&channel, 5, NOW + 21);
	pit_channel_write(&channel, 0, NOW + 21);
	check_output("00011", NOW + 21);
	pit_channel_set_gate(&channel, false, NOW + 22);
	pit_channel_set_gate(&channel, true, NOW + 22);
	check_output("00000011", NOW + 22);
}

static void mode_2_divides(void **state)
{
	(void)state;
	program(2, 4, true);
	check_output("1111011101110", NOW);
	check_rises(NOW, NOW + 20);
	assert_int_equal(read_count(NOW + 1), 4);
	assert_int_equal(read_count(NOW + 4), 1);
	assert_int_equal(read_count(NOW + 5), 4);
	/* The gate sets the output and starts over. */
	pit_channel_set_gate(&channel, false, NOW + 12);
	check_output("11111", NOW + 12);
	assert_int_equal(pit_channel_next_rise(&channel, NOW + 12), PIT_NEVER);
	pit_channel_set_gate(&channel, true, NOW + 30);
	check_output("111101110", NOW + 30);
}

static void mode_3_makes_squares(void **state)
{
	(void)state;
	program(3, 4, true);
	check_output("1110011001100", NOW);
	check_rises(NOW, NOW + 20);
	assert_int_equal(read_count(NOW + 1), 4);
	assert_int_equal(read_count(NOW + 2), 2);
	assert_int_equal(read_count(NOW + 3), 4);
	/* Odd counts are high for a clock more. */
	program(3, 5, true);
	check_output("11110011100111", NOW);
	check_rises(NOW, NOW + 20);
	assert_int_equal(read_count(NOW + 1), 4);
	assert_int_equal(read_count(NOW + 3), 0);
	assert_int_equal(read_count(NOW + 4), 4);
	/* Mode 7 is mode 3. */
	program(7, 4, true);
	check_output("11100110011", NOW);
}

static void mode_4_strobes(void **state)
{
	(void)state;
	program(4, 3, true);
	check_output("1111011111", NOW);
	check_rises(NOW, NOW + 10);
	pit_channel_set_gate(&channel, false, NOW + 2);
	pit_channel_set_gate(&channel, true, NOW + 30);
	check_output("11011", NOW + 30);
}

static void mode_5_strobes_when_triggered(void **state)
{
	(void)state;
	program(5, 3, false);
	check_output("11111111", NOW);
	pit_channel_set_gate(&channel, true, NOW + 10);
	check_output("1111011", NOW + 10);
	check_rises(NOW + 10, NOW + 20);
}

static void triggers_need_a_count(void **state)
{
	(void)state;
	pit_channel_reset(&channel, false);
	pit_channel_control(&channel, CONTROL(1), NOW);
	pit_channel_set_gate(&channel, true, NOW);
	check_output("1111", NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), PIT_NEVER);
}

static void zero_is_the_largest_count(void **state)
{
	(void)state;
	program(2, 0, true);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 0x10000);
	assert_int_equal(read_count(NOW + 2), 0xffff);
	pit_channel_control(&channel, CONTROL(2) | 1, NOW);
	pit_channel_write(&channel, 0, NOW);
	pit_channel_write(&channel, 0, NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 10000);
	assert_int_equal(read_count(NOW + 2), 0x9999);
}

static void counts_in_bcd(void **state)
{
	(void)state;
	pit_channel_reset(&channel, true);
	pit_channel_control(&channel, CONTROL(2) | 1, NOW);
	pit_channel_write(&channel, 0x34, NOW);
	pit_channel_write(&channel, 0x12, NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 1234);
	assert_int_equal(read_count(NOW + 1), 0x1234);
	assert_int_equal(read_count(NOW + 36), 0x1199);
	/* Digits that are none stay in range. */
	pit_channel_write(&channel, 0xff, NOW);
	pit_channel_write(&channel, 0xff, NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 10000);
}

static void has_single_byte_accesses(void **state)
{
	(void)state;
	pit_channel_reset(&channel, true);
	pit_channel_control(&channel, 0x14, NOW); /* low byte, mode 2 */
	pit_channel_write(&channel, 0x80, NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 0x80);
	assert_int_equal(pit_channel_read(&channel, NOW + 1), 0x80);
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 0x7f);
	pit_channel_control(&channel, 0x24, NOW); /* high byte */
	pit_channel_write(&channel, 0x80, NOW);
	assert_int_equal(pit_channel_next_rise(&channel, NOW), NOW + 1 + 0x8000);
	assert_int_equal(pit_channel_read(&channel, NOW + 1), 0x80);
	pit_channel_latch_count(&channel, NOW + 1);
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 0x80);
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 0x7f);
}

static void latches_stay_until_read(void **state)
{
	(void)state;
	program(2, 1000, true);
	pit_channel_control(&channel, 0x00, NOW + 1); /* latch command */
	pit_channel_latch_count(&channel, NOW + 500);
	assert_int_equal(pit_channel_read(&channel, NOW + 600), 1000 & 0xff);
	assert_int_equal(pit_channel_read(&channel, NOW + 700), 1000 >> 8);
	/* Then the running count, byte by byte. */
	assert_int_equal(pit_channel_read(&channel, NOW + 101), 900 & 0xff);
	assert_int_equal(pit_channel_read(&channel, NOW + 101), 900 >> 8);
}

static void reads_back_its_status(void **state)
{
	(void)state;
	program(3, 4, true);
	pit_channel_latch_count(&channel, NOW + 1);
	pit_channel_latch_status(&channel, NOW + 1);
	pit_channel_latch_status(&channel, NOW + 3);
	/* Status first, once; then the count. */
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 0x80 | CONTROL(3));
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 4);
	assert_int_equal(pit_channel_read(&channel, NOW + 2), 0);
	pit_channel_latch_status(&channel, NOW + 3);
	assert_int_equal(pit_channel_read(&channel, NOW + 2), CONTROL(3));
	pit_channel_control(&channel, CONTROL(0), NOW);
	pit_channel_latch_status(&channel, NOW);
	assert_int_equal(pit_channel_read(&channel, NOW), 0x40 | CONTROL(0));
}

static void puts_a_restored_state_right(void **state)
{
	(void)state;
	for (unsigned control = 0; control < 256; control++) {
		channel = (struct pit_channel){
			.base = UINT64_MAX,
			.held = UINT64_MAX,
			.control = (uint8_t)control,
			.counting = 0xff,
			.gate = (uint8_t)control,
			.count_latched = 0xff,
		};
		pit_channel_restored(&channel, NOW);
		assert_in_range(channel.count, 1, 0x10000);
		(void)read_count(NOW);
		(void)pit_channel_output(&channel, NOW);
		assert_true(pit_channel_next_rise(&channel, NOW) > NOW);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode_0_rises_at_the_end),
		cmocka_unit_test(mode_0_stops_at_the_gate),
		cmocka_unit_test(mode_1_is_triggered),
		cmocka_unit_test(mode_2_divides),
		cmocka_unit_test(mode_3_makes_squares),
		cmocka_unit_test(mode_4_strobes),
		cmocka_unit_test(mode_5_strobes_when_triggered),
		cmocka_unit_test(triggers_need_a_count),
		cmocka_unit_test(zero_is_the_largest_count),
		cmocka_unit_test(counts_in_bcd),
		cmocka_unit_test(has_single_byte_accesses),
		cmocka_unit_test(latches_stay_until_read),
		cmocka_unit_test(reads_back_its_status),
		cmocka_unit_test(puts_a_restored_state_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
