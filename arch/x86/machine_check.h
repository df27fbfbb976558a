/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks: errors that the hardware reports in banks of MSRs (SDM 3B, 15.3; APM 2, 9.3). An
 * uncorrected one raises #MC, which ends the machine with a report; guests never see any.
 */
#pragma once

#include "vmm/types.h"

/* Makes every bank of the calling CPU report, and logs and clears what an earlier run left. */
void machine_check_cpu_enable(void);

/* Prints the calling CPU's valid banks. In any context. */
void machine_check_report(HV_PRINTF(1, 2) void (*print)(const char *format, ...));
