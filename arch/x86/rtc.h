/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's real-time clock, read once at boot. */
#pragma once

#include "vmm/types.h"

struct acpi_info;

/* Reads the clock. Boot CPU, after tsc_init(). */
void rtc_init(const struct acpi_info *acpi);

/* Seconds since 1970-01-01 UTC: what was read plus the TSC's time since; 0 plus it where the clock
 * was not set. */
uint64_t rtc_now(void);
