/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/lapic_timer.c. A tick of the fake clock is a nanosecond. */
#include "lapic_fixture.h"

#define VECTOR	     0xec
#define ONE_SHOT     VECTOR
#define PERIODIC     (0x20000 | VECTOR)
#define TSC_DEADLINE (0x40000 | VECTOR)
#define DIVIDE_BY_1  0xb
#define DIVIDE_BY_16 0x3

static void timer_create(uint32_t lvt, uint32_t divide)
{
	apics_create(1, false);
	apic_write(0, LAPIC_LVT_TIMER, lvt);
	apic_write(0, LAPIC_TIMER_DIVIDE, divide);
}

/* Takes the timer's interrupt and ends it; false where there is none. */
static bool fired(void)
{
	int vector = fixture_take(0);

	if (vector < 0)
		return false;
	assert_int_equal(vector, VECTOR);
	apic_write(0, LAPIC_EOI, 0);
	return true;
}

static void counts_down_once(void **state)
{
	(void)state;
	timer_create(ONE_SHOT, DIVIDE_BY_16);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 1000);
	fixture_pass(1600);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 900);
	fixture_pass(14399);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 1);
	assert_false(fired());
	fixture_pass(2);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 0);
	assert_true(fired());
	fixture_pass(100000);
	assert_false(fired());
	assert_int_equal(apic_read(0, LAPIC_TIMER_INITIAL), 1000);
}

static void divides_by_every_divisor(void **state)
{
	static const struct {
		uint32_t code, by;
	} divisors[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},	  {0x3, 16},
			{0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};

	(void)state;
	apics_create(1, false);
	for (unsigned i = 0; i < ARRAY_SIZE(divisors); i++) {
		apic_write(0, LAPIC_TIMER_DIVIDE, divisors[i].code);
		apic_write(0, LAPIC_TIMER_INITIAL, 5000);
		fixture_pass(1000ull * divisors[i].by);
		assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 4000);
	}
}

static void periods_do_not_drift(void **state)
{
	uint64_t interrupts = 0;

	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000003);
	/* The timer is served late, by up to 777 ns each time; 10 s are 9999 periods. */
	for (uint64_t passed = 0; passed < 10 * FAKE_TICK_HZ; passed += 777) {
		fixture_pass(777);
		interrupts += fired();
	}
	assert_int_equal(interrupts, 9999);
}

static void missed_periods_are_one_interrupt(void **state)
{
	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	fixture_pass(5250000);
	assert_true(fired());
	assert_false(fired());
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 750000);
	/* The next one is on the old grid. */
	fixture_pass(749999);
	assert_false(fired());
	fixture_pass(2);
	assert_true(fired());
}

static void a_tiny_period_does_not_storm(void **state)
{
	unsigned interrupts = 0;

	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1);
	for (unsigned i = 0; i < 1000; i++) {
		fixture_pass(1000);
		interrupts += fired();
	}
	/* A millisecond holds 50 of the least distance. */
	assert_in_range(interrupts, 40, 51);
}

/* How long it is until the timer is served again. */
static uint64_t next_service(void)
{
	return timer_queue_next(&fixture.vcpus[0].cpu->timers) - platform_now();
}

/* Interrupts that make no difference cost the CPU little, though its guest asks for many. */
static void an_unheard_timer_is_served_seldom(void **state)
{
	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1);
	fixture_pass(20);
	assert_in_range(next_service(), 19000, 21000);
	fixture_pass(21000);
	/* Two periods are over, and the first one's interrupt was not taken. */
	assert_in_range(next_service(), 999000, 1000010);
	assert_true(fired());
	fixture_pass(1000010);
	assert_in_range(next_service(), 19000, 21000);
	apic_write(0, LAPIC_LVT_TIMER, PERIODIC | LAPIC_LVT_MASKED);
	assert_true(fired());
	fixture_pass(21000);
	assert_false(fired());
	assert_in_range(next_service(), 999000, 1000010);
}

static void a_masked_timer_counts_on(void **state)
{
	(void)state;
	timer_create(PERIODIC | LAPIC_LVT_MASKED, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	fixture_pass(1500000);
	assert_false(fired());
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 500000);
	apic_write(0, LAPIC_LVT_TIMER, PERIODIC);
	assert_false(fired());
	fixture_pass(500001);
	assert_true(fired());
}

static void zero_stops_it(void **state)
{
	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	apic_write(0, LAPIC_TIMER_INITIAL, 0);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 0);
	fixture_pass(5000000);
	assert_false(fired());
}

static void a_new_divisor_counts_the_rest(void **state)
{
	(void)state;
	timer_create(ONE_SHOT, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	fixture_pass(400000);
	apic_write(0, LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 600000);
	fixture_pass(600000 * 16 - 1);
	assert_false(fired());
	fixture_pass(2);
	assert_true(fired());
}

static void a_new_mode_counts_the_rest(void **state)
{
	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	fixture_pass(1400000);
	assert_true(fired());
	apic_write(0, LAPIC_LVT_TIMER, ONE_SHOT);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 600000);
	fixture_pass(600001);
	assert_true(fired());
	fixture_pass(5000000);
	assert_false(fired());
}

static void fires_at_a_tsc_deadline(void **state)
{
	uint64_t tsc;

	(void)state;
	timer_create(TSC_DEADLINE, DIVIDE_BY_1);
	tsc = platform_now() + fixture.vm.tsc_offset;
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, tsc + 5000), 0);
	assert_int_equal(msr_read(0, MSR_TSC_DEADLINE), tsc + 5000);
	fixture_pass(4999);
	assert_false(fired());
	fixture_pass(1);
	assert_true(fired());
	assert_int_equal(msr_read(0, MSR_TSC_DEADLINE), 0);
	fixture_pass(100000);
	assert_false(fired());
}

static void a_past_deadline_fires_at_once(void **state)
{
	(void)state;
	timer_create(TSC_DEADLINE, DIVIDE_BY_1);
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, 1), 0);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_true(fired());
	assert_int_equal(msr_read(0, MSR_TSC_DEADLINE), 0);
}

static void deadlines_move_and_end(void **state)
{
	uint64_t tsc;

	(void)state;
	timer_create(TSC_DEADLINE, DIVIDE_BY_1);
	tsc = platform_now() + fixture.vm.tsc_offset;
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, tsc + 5000), 0);
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, tsc + 9000), 0);
	fixture_pass(6000);
	assert_false(fired());
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, 0), 0);
	fixture_pass(60000);
	assert_false(fired());
	/* The farthest deadline does not wrap into the past. */
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, UINT64_MAX), 0);
	fixture_pass(60000);
	assert_false(fired());
}

static void tsc_deadline_mode_is_apart(void **state)
{
	(void)state;
	timer_create(PERIODIC, DIVIDE_BY_1);
	/* The MSR is dead in the other modes, and the count in this one. */
	assert_int_equal(msr_write(0, MSR_TSC_DEADLINE, 1), 0);
	assert_int_equal(msr_read(0, MSR_TSC_DEADLINE), 0);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	apic_write(0, LAPIC_LVT_TIMER, TSC_DEADLINE);
	assert_int_equal(apic_read(0, LAPIC_TIMER_CURRENT), 0);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000000);
	assert_int_equal(apic_read(0, LAPIC_TIMER_INITIAL), 0);
	assert_int_equal(
		msr_write(0, MSR_TSC_DEADLINE, platform_now() + fixture.vm.tsc_offset + 3000), 0);
	/* Leaving the mode disarms. */
	apic_write(0, LAPIC_LVT_TIMER, ONE_SHOT);
	fixture_pass(5000000);
	assert_false(fired());
}

static void an_illegal_vector_is_an_error(void **state)
{
	(void)state;
	timer_create(0x0f, DIVIDE_BY_1);
	apic_write(0, LAPIC_TIMER_INITIAL, 1000);
	fixture_pass(2000);
	assert_int_equal(fixture_pending(0), -1);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), LAPIC_ESR_RECEIVE_ILLEGAL);
}

#define TEST(name) cmocka_unit_test_teardown(name, apics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counts_down_once),
		TEST(divides_by_every_divisor),
		TEST(periods_do_not_drift),
		TEST(missed_periods_are_one_interrupt),
		TEST(a_tiny_period_does_not_storm),
		TEST(an_unheard_timer_is_served_seldom),
		TEST(a_masked_timer_counts_on),
		TEST(zero_stops_it),
		TEST(a_new_divisor_counts_the_rest),
		TEST(a_new_mode_counts_the_rest),
		TEST(fires_at_a_tsc_deadline),
		TEST(a_past_deadline_fires_at_once),
		TEST(deadlines_move_and_end),
		TEST(tsc_deadline_mode_is_apart),
		TEST(an_illegal_vector_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
