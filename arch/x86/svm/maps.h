/* SPDX-License-Identifier: BSD-2-Clause */
/* The bit maps that say which ports and MSRs exit. APM 2, 15.10.1 and 15.11. */
#pragma once

#include "vmm/types.h"

/* One bit a port, and 3 for the bytes above 0xffff that a wide access at its end touches. */
#define SVM_IOPM_BYTES	12288
#define SVM_IOPM_ORDER	2
#define SVM_MSRPM_BYTES 8192
#define SVM_MSRPM_ORDER 1

/* Makes accesses to [port, port + count) exit or not; what lies above 0xffff is left out. */
void svm_iopm_set(uint8_t *map, uint16_t port, unsigned count, bool trap);

/*
 * Makes reads and writes of an MSR exit or not. MSRs that the map does not cover always exit:
 * -ENOTSUP where that is not what was asked.
 */
HV_MUST_CHECK int svm_msrpm_set(uint8_t *map, uint32_t msr, bool trap_read, bool trap_write);
