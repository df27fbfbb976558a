/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/rtc_time.c, against the C library's calendar. */
#include "guest/dev/rtc_time.h"

#include <stdarg.h>
#include <time.h>
#include <setjmp.h>
#include <cmocka.h>

static void check(uint64_t seconds)
{
	time_t when = (time_t)seconds;
	const struct tm *expected = gmtime(&when);
	struct rtc_time time;

	rtc_time_from_seconds(&time, seconds);
	assert_int_equal(time.year, expected->tm_year + 1900);
	assert_int_equal(time.month, expected->tm_mon + 1);
	assert_int_equal(time.day, expected->tm_mday);
	assert_int_equal(time.weekday, expected->tm_wday + 1);
	assert_int_equal(time.hour, expected->tm_hour);
	assert_int_equal(time.minute, expected->tm_min);
	assert_int_equal(time.second, expected->tm_sec);
	assert_int_equal(rtc_time_to_seconds(&time), seconds);
}

static void agrees_with_the_library(void **state)
{
	(void)state;
	/* Every 11 hours and some until 2400, so all leap rules and month ends. */
	for (uint64_t seconds = 0; seconds < UINT64_C(13569465600); seconds += 40009)
		check(seconds);
	check(UINT64_C(951782399));  /* 2000-02-28 23:59:59 */
	check(UINT64_C(951782400));  /* 2000-02-29 */
	check(UINT64_C(951868800));  /* 2000-03-01 */
	check(UINT64_C(4107542399)); /* 2100-02-28 23:59:59 */
	check(UINT64_C(4107542400)); /* 2100-03-01 */
}

static void survives_nonsense(void **state)
{
	const struct rtc_time december = {.year = 2023, .month = 13, .day = 1};
	const struct rtc_time january = {.year = 2024, .month = 1, .day = 1};
	const struct rtc_time zero = {0};

	(void)state;
	assert_int_equal(rtc_time_to_seconds(&december), rtc_time_to_seconds(&january));
	assert_int_equal(rtc_time_to_seconds(&zero), 0);
	for (unsigned month = 0; month < 256; month++) {
		const struct rtc_time odd = {16665, month, 255, 0, 255, 255, 255};

		assert_true(rtc_time_to_seconds(&odd) > 0);
	}
}

static void finds_the_next_alarm(void **state)
{
	const struct rtc_alarm daily = {6, 30, 15}, minutely = {-1, -1, 5}, hourly = {-1, 10, 0},
			       always = {-1, -1, -1}, never = {-1, -1, 60}, evening = {18, -1, -1};

	(void)state;
	assert_int_equal(rtc_alarm_distance(&daily, 0), 6 * 3600 + 30 * 60 + 15);
	assert_int_equal(rtc_alarm_distance(&daily, 6 * 3600 + 30 * 60 + 15), 86400);
	assert_int_equal(rtc_alarm_distance(&daily, 6 * 3600 + 30 * 60 + 14), 1);
	assert_int_equal(rtc_alarm_distance(&minutely, 86399), 6);
	assert_int_equal(rtc_alarm_distance(&minutely, 5), 60);
	assert_int_equal(rtc_alarm_distance(&hourly, 600), 3600);
	assert_int_equal(rtc_alarm_distance(&always, 86399), 1);
	assert_int_equal(rtc_alarm_distance(&never, 0), 0);
	assert_int_equal(rtc_alarm_distance(&evening, 19 * 3600), 23 * 3600);
	assert_int_equal(rtc_alarm_distance(&evening, 18 * 3600), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_library),
		cmocka_unit_test(survives_nonsense),
		cmocka_unit_test(finds_the_next_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
