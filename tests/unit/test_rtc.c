/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/rtc.c. The interrupt line is a fake of this file. */
#include "guest/dev/rtc.h"

#include "vmm/heap.h"
#include "vmm/platform.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "fake_guest.h"
#include "fake_platform.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/* The fake platform's ticks are nanoseconds. */
#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

/* 2024-02-29 23:59:50, a Thursday */
#define START UINT64_C(1709251190)

static struct vm *vm;
static bool line;
static unsigned rises;

void vm_irq_set(struct vm *which, unsigned gsi, bool level)
{
	assert_ptr_equal(which, vm);
	assert_int_equal(gsi, GSI_RTC);
	rises += level && !line;
	line = level;
}

static int setup(void **state)
{
	(void)state;
	line = false;
	rises = 0;
	vm = fake_guest_create(MIB(32));
	fake_platform_set_time(77 * SECOND);
	vm->start_tick = platform_now();
	vm->wall_clock_start = START;
	vm->ram_high = MIB(64);
	fake_guest_config()->vcpus = 3;
	fake_guest_add_device(vm, &rtc_vdev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static uint8_t get(uint8_t address)
{
	fake_guest_out(PORT_CMOS, 1, address);
	return (uint8_t)fake_guest_in(PORT_CMOS + 1, 1);
}

static void set(uint8_t address, uint8_t value)
{
	fake_guest_out(PORT_CMOS, 1, address);
	fake_guest_out(PORT_CMOS + 1, 1, value);
}

static void assert_time(uint8_t hour, uint8_t minute, uint8_t second)
{
	assert_int_equal(get(4), hour);
	assert_int_equal(get(2), minute);
	assert_int_equal(get(0), second);
}

static void assert_date(uint8_t weekday, uint8_t day, uint8_t month, uint8_t year)
{
	assert_int_equal(get(6), weekday);
	assert_int_equal(get(7), day);
	assert_int_equal(get(8), month);
	assert_int_equal(get(9), year);
}

static void starts_at_the_wall_clock(void **state)
{
	(void)state;
	assert_time(0x23, 0x59, 0x50);
	assert_date(5, 0x29, 0x02, 0x24);
	assert_int_equal(get(0x32), 0x20);
	assert_int_equal(get(0x8d), 0x80); /* bit 7 of the index is the NMI mask */
	fake_guest_pass(9 * SECOND + 999 * MS);
	assert_time(0x23, 0x59, 0x59);
	fake_guest_pass(MS);
	assert_time(0x00, 0x00, 0x00);
	assert_date(6, 0x01, 0x03, 0x24);
}

static void shows_time_in_every_format(void **state)
{
	(void)state;
	set(0xb, 0x06);
	assert_time(23, 59, 50);
	set(0xb, 0x04);
	assert_time(0x80 | 11, 59, 50);
	set(0xb, 0x00);
	assert_time(0x91, 0x59, 0x50);
	fake_guest_pass(10 * SECOND);
	assert_time(0x12, 0x00, 0x00); /* midnight */
	fake_guest_pass(12 * 3600 * SECOND);
	assert_time(0x92, 0x00, 0x00); /* noon */
}

static void is_set_while_held(void **state)
{
	(void)state;
	fake_guest_pass(250 * MS);
	set(0xb, 0x82);
	fake_guest_pass(5 * SECOND);
	assert_time(0x23, 0x59, 0x50);
	set(4, 0x12), set(2, 0x34), set(0, 0x56);
	set(7, 0x31), set(8, 0x12), set(9, 0x99), set(0x32, 0x19);
	assert_time(0x12, 0x34, 0x56);
	set(0xb, 0x02);
	assert_time(0x12, 0x34, 0x56);
	assert_date(6, 0x31, 0x12, 0x99);
	/* The phase of the second went on. */
	fake_guest_pass(749 * MS);
	assert_time(0x12, 0x34, 0x56);
	fake_guest_pass(MS);
	assert_time(0x12, 0x34, 0x57);
}

static void is_set_while_it_runs(void **state)
{
	(void)state;
	set(2, 0x10);
	assert_time(0x23, 0x10, 0x50);
	fake_guest_pass(SECOND);
	assert_time(0x23, 0x10, 0x51);
}

static void starts_half_a_second_after_a_divider_reset(void **state)
{
	(void)state;
	fake_guest_pass(100 * MS);
	set(0xa, 0x76);
	fake_guest_pass(7 * SECOND);
	assert_time(0x23, 0x59, 0x50);
	set(0xa, 0x26);
	fake_guest_pass(499 * MS);
	assert_time(0x23, 0x59, 0x50);
	fake_guest_pass(MS);
	assert_time(0x23, 0x59, 0x51);
}

static void announces_updates(void **state)
{
	(void)state;
	assert_int_equal(get(0xa), 0x26);
	fake_guest_pass(999 * MS + 700000);
	assert_int_equal(get(0xa), 0x26);
	fake_guest_pass(100000);
	assert_int_equal(get(0xa), 0xa6);
	fake_guest_pass(200000);
	assert_int_equal(get(0xa), 0x26);
}

static void interrupts_at_each_update(void **state)
{
	(void)state;
	set(0xb, 0x12);
	for (unsigned i = 1; i <= 3; i++) {
		fake_guest_pass(999 * MS);
		assert_false(line);
		fake_guest_pass(MS + 1);
		assert_true(line);
		assert_int_equal(get(0xc) & 0xb0, 0x90);
		assert_int_equal(get(0xc), 0x00);
		assert_false(line);
		assert_int_equal(rises, i);
		fake_platform_set_time((77 + i) * SECOND);
	}
}

static void flags_come_without_interrupts_too(void **state)
{
	(void)state;
	fake_guest_pass(SECOND);
	assert_int_equal(get(0xc), 0x50);
	assert_int_equal(get(0xc), 0x00);
	assert_int_equal(rises, 0);
}

static void interrupts_at_the_alarm(void **state)
{
	(void)state;
	set(5, 0x00), set(3, 0x00), set(1, 0x05);
	set(0xb, 0x22);
	fake_guest_pass(14 * SECOND + 999 * MS);
	assert_false(line);
	fake_guest_pass(2 * MS);
	assert_true(line);
	assert_int_equal(get(0xc) & 0xa0, 0xa0);
	set(5, 0xc0), set(3, 0xff); /* every minute */
	fake_guest_pass(59 * SECOND);
	assert_false(line);
	fake_guest_pass(SECOND);
	assert_true(line);
}

static void interrupts_periodically(void **state)
{
	(void)state;
	set(0xa, 0x26); /* 1024 Hz */
	set(0xb, 0x42);
	for (unsigned i = 0; i < 1024; i++) {
		fake_guest_pass(SECOND / 1024 + 3); /* timers may be a tick or two late */
		assert_true(line);
		assert_int_equal(get(0xc) & 0xc0, 0xc0);
		assert_false(line);
	}
	assert_int_equal(rises, 1024);
	/* What nobody took is told once. */
	fake_guest_pass(SECOND);
	assert_int_equal(rises, 1025);
	get(0xc);
	set(0xa, 0x20); /* none */
	fake_guest_pass(SECOND);
	assert_false(line);
}

static void holding_ends_update_interrupts(void **state)
{
	(void)state;
	set(0xb, 0x92);
	assert_int_equal(get(0xb), 0x82);
}

static void tells_the_memory(void **state)
{
	uint16_t sum = 0;

	(void)state;
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 31 * 1024);
	assert_int_equal(get(0x30) | get(0x31) << 8, 31 * 1024);
	assert_int_equal(get(0x34) | get(0x35) << 8, 256);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 1024);
	assert_int_equal(get(0x5f), 2);
	for (uint8_t i = 0x10; i <= 0x2d; i++)
		sum = (uint16_t)(sum + get(i));
	assert_int_equal(get(0x2e) << 8 | get(0x2f), sum);
}

static void keeps_memory(void **state)
{
	(void)state;
	set(0x7f, 0xa5);
	set(0x0d, 0x00);
	assert_int_equal(get(0x7f), 0xa5);
	assert_int_equal(get(0x0d), 0x80);
	fake_guest_out(PORT_CMOS, 2, 0x5a7e);
	assert_int_equal(get(0x7e), 0x5a);
	assert_int_equal(fake_guest_in(PORT_CMOS, 1), 0xff);
}

static void survives_nonsense(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 8; b++) {
		for (unsigned value = 0; value < 256; value += 5) {
			set(0xb, (uint8_t)(0x80 | b));
			for (uint8_t address = 0; address < 10; address++)
				set(address, (uint8_t)value);
			set(0xb, (uint8_t)(0x70 | b));
			fake_guest_pass(SECOND);
			get(0), get(0xc);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_at_the_wall_clock),
		TEST(shows_time_in_every_format),
		TEST(is_set_while_held),
		TEST(is_set_while_it_runs),
		TEST(starts_half_a_second_after_a_divider_reset),
		TEST(announces_updates),
		TEST(interrupts_at_each_update),
		TEST(flags_come_without_interrupts_too),
		TEST(interrupts_at_the_alarm),
		TEST(interrupts_periodically),
		TEST(holding_ends_update_interrupts),
		TEST(tells_the_memory),
		TEST(keeps_memory),
		TEST(survives_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
