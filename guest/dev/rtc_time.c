/* SPDX-License-Identifier: BSD-2-Clause */
/* Calendar arithmetic; see rtc_time.h. */
#include "guest/dev/rtc_time.h"

#define DAYS_PER_400_YEARS 146097
#define THURSDAY	   5 /* 1970-01-01, where Sunday is 1 */

static bool year_is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned month, unsigned year)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && year_is_leap(year) ? 29 : days[month - 1];
}

/* Days from 0000-01-01 to the first day of a year. */
static uint64_t days_before_year(uint64_t year)
{
	uint64_t past = year - 1;

	return year == 0 ? 0 : year * 365 + past / 4 - past / 100 + past / 400 + 1;
}

void rtc_time_from_seconds(struct rtc_time *time, uint64_t seconds)
{
	uint64_t days = seconds / SECONDS_PER_DAY;
	unsigned rest = (unsigned)(seconds % SECONDS_PER_DAY);
	uint64_t day, year;

	time->hour = rest / 3600;
	time->minute = rest / 60 % 60;
	time->second = rest % 60;
	time->weekday = (unsigned)((days + THURSDAY - 1) % 7 + 1);
	day = days + days_before_year(1970);
	/* A guess that is at most one year off. */
	year = day * 400 / DAYS_PER_400_YEARS;
	while (days_before_year(year + 1) <= day)
		year++;
	while (days_before_year(year) > day)
		year--;
	day -= days_before_year(year);
	time->year = (unsigned)year;
	time->month = 1;
	while (day >= days_of_month(time->month, time->year))
		day -= days_of_month(time->month++, time->year);
	time->day = (unsigned)day + 1;
}

uint64_t rtc_time_to_seconds(const struct rtc_time *time)
{
	unsigned months = time->month == 0 ? 0 : time->month - 1;
	unsigned year = time->year + months / 12;
	int64_t days = (int64_t)days_before_year(year) - (int64_t)days_before_year(1970);
	int64_t seconds;

	for (unsigned month = 1; month <= months % 12; month++)
		days += days_of_month(month, year);
	days += (int64_t)time->day - 1;
	seconds = days * SECONDS_PER_DAY + (int64_t)time->hour * 3600 + (int64_t)time->minute * 60 +
		  time->second;
	return seconds < 0 ? 0 : (uint64_t)seconds;
}

static bool alarm_names(int field, uint32_t value)
{
	return field < 0 || (uint32_t)field == value;
}

/*
 * Goes through the candidates by field: whole hours and minutes that the alarm does not name are
 * passed over at once, so this takes less than two hundred steps.
 */
uint32_t rtc_alarm_distance(const struct rtc_alarm *alarm, uint32_t second_of_day)
{
	uint32_t at = second_of_day + 1, end = second_of_day + SECONDS_PER_DAY;

	if (alarm->hour > 23 || alarm->minute > 59 || alarm->second > 59)
		return 0;
	while (at <= end) {
		if (!alarm_names(alarm->hour, at / 3600 % 24))
			at = (at / 3600 + 1) * 3600;
		else if (!alarm_names(alarm->minute, at / 60 % 60))
			at = (at / 60 + 1) * 60;
		else if (!alarm_names(alarm->second, at % 60))
			at++;
		else
			return at - second_of_day;
	}
	return 0;
}
