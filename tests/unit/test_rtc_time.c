/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/rtc_time.c. Times are checked against `date -u -d ... +%s`. */
#include "arch/x86/rtc_time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define BCD_24 RTC_STATUS_B_24_HOURS
#define BIN_24 (RTC_STATUS_B_24_HOURS | RTC_STATUS_B_BINARY)

static void converts_good_times(void **state)
{
	static const struct {
		struct rtc_fields fields; /* s, m, h, day, month, year, century, B */
		uint64_t seconds;
	} rows[] = {
		{{0x00, 0x00, 0x00, 0x01, 0x01, 0x70, 0x19, BCD_24}, 0},
		{{0x59, 0x58, 0x23, 0x29, 0x02, 0x24, 0x20, BCD_24}, 1709251139},
		{{59, 58, 23, 29, 2, 24, 20, BIN_24}, 1709251139},
		{{0x00, 0x00, 0x00, 0x01, 0x03, 0x00, 0x20, BCD_24}, 951868800},
		{{0x00, 0x00, 0x00, 0x01, 0x03, 0x00, 0x21, BCD_24}, 4107542400},
		/* No century, or nonsense in its place. */
		{{0x00, 0x00, 0x00, 0x01, 0x01, 0x70, 0x00, BCD_24}, 0},
		{{0x00, 0x00, 0x00, 0x01, 0x01, 0x26, 0x00, BCD_24}, 1767225600},
		{{0x00, 0x00, 0x00, 0x01, 0x01, 0x26, 0xff, BCD_24}, 1767225600},
		/* 12 hours: midnight is 12 am, noon 12 pm. */
		{{0x00, 0x00, 0x12, 0x01, 0x01, 0x26, 0x20, 0}, 1767225600},
		{{0x00, 0x00, 0x92, 0x01, 0x01, 0x26, 0x20, 0}, 1767225600 + 12 * 3600},
		{{0x00, 0x00, 0x81, 0x01, 0x01, 0x26, 0x20, 0}, 1767225600 + 13 * 3600},
		{{0, 0, 0x8b, 1, 1, 26, 20, RTC_STATUS_B_BINARY}, 1767225600 + 23 * 3600},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t seconds = 1;

		assert_int_equal(rtc_to_unix_time(&rows[i].fields, &seconds), 0);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

static void refuses_what_is_no_time(void **state)
{
	static const struct rtc_fields rows[] = {
		{0x61, 0, 0, 1, 1, 0x26, 0x20, BCD_24},	  /* second */
		{0x0a, 0, 0, 1, 1, 0x26, 0x20, BCD_24},	  /* no BCD */
		{0, 0x60, 0, 1, 1, 0x26, 0x20, BCD_24},	  /* minute */
		{0, 0, 0x24, 1, 1, 0x26, 0x20, BCD_24},	  /* hour */
		{0, 0, 0x00, 1, 1, 0x26, 0x20, 0},	  /* 0 of 12 hours */
		{0, 0, 0x13, 1, 1, 0x26, 0x20, 0},	  /* 13 of 12 hours */
		{0, 0, 0, 0, 1, 0x26, 0x20, BCD_24},	  /* day */
		{0, 0, 0, 0x29, 2, 0x26, 0x20, BCD_24},	  /* no leap year */
		{0, 0, 0, 1, 0, 0x26, 0x20, BCD_24},	  /* month */
		{0, 0, 0, 1, 0x13, 0x26, 0x20, BCD_24},	  /* month */
		{0, 0, 0, 1, 1, 0x69, 0x19, BCD_24},	  /* before 1970 */
		{0, 0, 0, 1, 1, 200, 20, BIN_24},	  /* year */
		{255, 255, 255, 255, 255, 255, 255, 255}, /* no clock */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t seconds;

		assert_int_equal(rtc_to_unix_time(&rows[i], &seconds), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_good_times),
		cmocka_unit_test(refuses_what_is_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
