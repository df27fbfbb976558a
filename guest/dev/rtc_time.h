/* SPDX-License-Identifier: BSD-2-Clause */
/* Calendar arithmetic for the real-time clock: pure functions, proleptic Gregorian, UTC. */
#pragma once

#include "vmm/types.h"

#define SECONDS_PER_DAY 86400

struct rtc_time {
	unsigned year;	  /* 1970 to 9999 */
	unsigned month;	  /* 1 to 12 */
	unsigned day;	  /* 1 to 31 */
	unsigned weekday; /* 1 (Sunday) to 7 */
	unsigned hour, minute, second;
};

/* Seconds since 1970-01-01 00:00:00 as a date. */
void rtc_time_from_seconds(struct rtc_time *time, uint64_t seconds);

/*
 * The reverse. Fields out of range count on (month 13 is January of the next year, day 0 is the
 * last of the month before), as a clock that was set to nonsense would; weekday is not used. Dates
 * before 1970 give 0.
 */
uint64_t rtc_time_to_seconds(const struct rtc_time *time);

/* An alarm of the clock: each field 0-23, 0-59, 0-59, or negative for "every". */
struct rtc_alarm {
	int hour, minute, second;
};

/*
 * Seconds from `second_of_day` (0 to 86399) to the first second after it that the alarm names: 1 to
 * 86400; 0 where no second of a day is so named.
 */
uint32_t rtc_alarm_distance(const struct rtc_alarm *alarm, uint32_t second_of_day);
