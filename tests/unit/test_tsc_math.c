/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/tsc_math.c. */
#include "arch/x86/tsc_math.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void takes_the_frequency_from_cpuid(void **state)
{
	static const struct {
		struct tsc_cpuid cpuid;
		uint64_t hz;
	} rows[] = {
		/* Nothing told. */
		{{.intel = true}, 0},
		/* A crystal of 38.4 MHz, ratio 125/2. */
		{{true, 0x68c, 2, 125, 38400000, 2400, 0}, 2400000000},
		/* No crystal told: Goldmont, Denverton, and one whose base frequency tells. */
		{{true, 0x65c, 3, 171, 0, 0, 0}, 1094400000},
		{{true, 0x65f, 2, 176, 0, 0, 0}, 2200000000},
		{{true, 0x65e, 2, 216, 0, 2600, 0}, 2600000000},
		{{true, 0x65e, 2, 216, 0, 0, 0}, 0},
		/* A ratio with a zero in it. */
		{{true, 0x68c, 0, 125, 38400000, 2400, 0}, 0},
		{{true, 0x68c, 2, 0, 38400000, 2400, 0}, 0},
		/* Another vendor's leaf 15h is not Intel's. */
		{{false, 0x68c, 2, 125, 38400000, 2400, 0}, 0},
		/* The hypervisor below knows best. */
		{{false, 0, 0, 0, 0, 0, 3000123}, 3000123000},
		{{true, 0x68c, 2, 125, 38400000, 2400, 3000123}, 3000123000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(tsc_hz_from_cpuid(&rows[i].cpuid), rows[i].hz);
}

static void takes_the_best_sample(void **state)
{
	static const struct tsc_sample samples[] = {
		{0, 0, 0},		    /* failed */
		{30500000, 143182, 500000}, /* disturbed at an end */
		{30000000, 143182, 3000},   /* good */
		{30100000, 143182, 30000},
		{30000000, 0, 0}, /* reference stood still */
	};
	uint64_t ppm;

	(void)state;
	assert_int_equal(tsc_hz_from_samples(samples, 5, 14318180, &ppm), 2999995809);
	assert_int_equal(ppm, 100 + 6);
	assert_int_equal(tsc_hz_from_samples(samples, 2, 14318180, &ppm), 3049995739);
	assert_int_equal(tsc_hz_from_samples(samples, 1, 14318180, &ppm), 0);
	assert_int_equal(tsc_hz_from_samples(samples + 4, 1, 14318180, &ppm), 0);
}

static void prefers_the_longer_of_equal_samples(void **state)
{
	static const struct tsc_sample samples[] = {{1000000, 1000, 100}, {2000002, 2000, 100}};
	uint64_t ppm;

	(void)state;
	assert_int_equal(tsc_hz_from_samples(samples, 2, 1000000, &ppm), 1000001000);
}

static void follows_a_counter_round_its_end(void **state)
{
	(void)state;
	assert_int_equal(tsc_reference_elapsed(0xfffff0, 0x10, 0xffffff), 0x20);
	assert_int_equal(tsc_reference_elapsed(5, 5, 0xffffff), 0);
	assert_int_equal(tsc_reference_elapsed(0xffffffff, 0, UINT32_MAX), 1);
	assert_int_equal(tsc_reference_elapsed(1, 0, 0xffff), 0xffff);
}

static void counts_no_less_than_asked(void **state)
{
	(void)state;
	assert_int_equal(tsc_to_timer_count(0, 1000000000, 3000000000), 1);
	assert_int_equal(tsc_to_timer_count(1, 1000000000, 3000000000), 1);
	assert_int_equal(tsc_to_timer_count(3, 1000000000, 3000000000), 2);
	assert_int_equal(tsc_to_timer_count(3000, 100000000, 3000000000), 101);
	/* A timer faster than the TSC, as in emulators. */
	assert_int_equal(tsc_to_timer_count(10, 1000000000, 50000000), 201);
	assert_int_equal(tsc_to_timer_count(0xfffffffe, 1, 1), 0xffffffff);
	assert_int_equal(tsc_to_timer_count(0xffffffff, 1, 1), 0xffffffff);
	assert_int_equal(tsc_to_timer_count(UINT64_MAX, 1000000000, 1000), 0xffffffff);
}

static void finds_the_median(void **state)
{
	uint64_t one[] = {7}, five[] = {9, 1, UINT64_MAX, 4, 0}, equal[] = {3, 3, 3};

	(void)state;
	assert_int_equal(tsc_median(one, 1), 7);
	assert_int_equal(tsc_median(five, 5), 4);
	assert_int_equal(tsc_median(equal, 3), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_frequency_from_cpuid),
		cmocka_unit_test(takes_the_best_sample),
		cmocka_unit_test(prefers_the_longer_of_equal_samples),
		cmocka_unit_test(follows_a_counter_round_its_end),
		cmocka_unit_test(counts_no_less_than_asked),
		cmocka_unit_test(finds_the_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
