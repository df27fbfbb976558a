/* SPDX-License-Identifier: BSD-2-Clause */
/* The bit maps that say which ports and MSRs exit. SDM 3C, 24.6.4 and 24.6.9. */
#pragma once

#include "vmm/types.h"

/* Makes accesses to [port, port + count) exit or not; what lies above 0xffff is left out. `map` has
 * VMX_IO_BITMAP_BYTES: bitmap A and B. */
void vmx_io_map_set(uint8_t *map, uint16_t port, unsigned count, bool trap);

/*
 * Makes reads and writes of an MSR exit or not; `map` has VMX_MSR_BITMAP_BYTES. MSRs that it does
 * not cover always exit: -ENOTSUP where that is not what was asked.
 */
HV_MUST_CHECK int vmx_msr_map_set(uint8_t *map, uint32_t msr, bool trap_read, bool trap_write);
