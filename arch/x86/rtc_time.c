/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. Registers as the MC146818A has them. */
#include "arch/x86/rtc_time.h"

#include <errno.h>

#define SECONDS_PER_DAY 86400

/* -1 where a nibble is no digit. */
static int decode(uint8_t value, bool binary)
{
	if (binary)
		return value;
	if ((value & 0xf) > 9 || value >> 4 > 9)
		return -1;
	return (value >> 4) * 10 + (value & 0xf);
}

static int decode_hour(const struct rtc_fields *fields, bool binary)
{
	int hour;

	if (fields->status_b & RTC_STATUS_B_24_HOURS)
		return decode(fields->hour, binary);
	hour = decode((uint8_t)(fields->hour & ~RTC_HOUR_PM), binary);
	if (hour < 1 || hour > 12)
		return -1;
	return hour % 12 + (fields->hour & RTC_HOUR_PM ? 12 : 0);
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

static uint64_t days_since_1970(int year, int month, int day)
{
	int days = day - 1;

	for (int y = 1970; y < year; y++)
		days += is_leap(y) ? 366 : 365;
	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	return (uint64_t)days;
}

static int decode_year(const struct rtc_fields *fields, bool binary)
{
	int year = decode(fields->year, binary), century = decode(fields->century, binary);

	if (year < 0 || year > 99)
		return -1;
	/* A century byte that holds something else is as good as none. */
	if (century == 19 || century == 20 || century == 21)
		year += century * 100;
	else
		year += year < 70 ? 2000 : 1900;
	return year < 1970 ? -1 : year;
}

int rtc_to_unix_time(const struct rtc_fields *fields, uint64_t *seconds)
{
	bool binary = fields->status_b & RTC_STATUS_B_BINARY;
	int second = decode(fields->second, binary), minute = decode(fields->minute, binary);
	int hour = decode_hour(fields, binary), day = decode(fields->day, binary);
	int month = decode(fields->month, binary), year = decode_year(fields, binary);

	if (second < 0 || second > 60 || minute < 0 || minute > 59 || hour < 0 || hour > 23 ||
	    year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return -EINVAL;
	*seconds = days_since_1970(year, month, day) * SECONDS_PER_DAY +
		   (uint64_t)(hour * 3600 + minute * 60 + second);
	return 0;
}
