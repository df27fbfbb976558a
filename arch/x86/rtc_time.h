/* SPDX-License-Identifier: BSD-2-Clause */
/* From the fields of a PC's real-time clock to seconds since 1970. Pure. */
#pragma once

#include "vmm/types.h"

/* Registers as read; century is 0 where the machine has none. */
struct rtc_fields {
	uint8_t second, minute, hour, day, month, year, century;
	uint8_t status_b; /* register B: bit 1: 24 hours, bit 2: binary */
};

#define RTC_STATUS_B_24_HOURS (1u << 1)
#define RTC_STATUS_B_BINARY   (1u << 2)
#define RTC_HOUR_PM	      0x80

/*
 * Stores seconds since 1970-01-01 UTC, the fields taken as UTC. Without a century the years are
 * 1970 to 2069. Errors: -EINVAL where a field is out of its range (a clock that lost its battery).
 */
HV_MUST_CHECK int rtc_to_unix_time(const struct rtc_fields *fields, uint64_t *seconds);
