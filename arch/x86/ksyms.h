/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for addresses in the hypervisor's own text, for backtraces and fault reports. The table is
 * made by tools/mksyms from a first link and is read-only; lookups take no lock and touch nothing
 * else, so they are safe in any context, NMI and #DF included.
 */
#pragma once

#include "vmm/types.h"

/*
 * The function that holds `address`, and in *offset how many bytes into it. NULL, with *offset 0,
 * where the address is not in the hypervisor's text. The name lives for ever. For a return address,
 * look up the byte before it: a call that does not return may be the last of its function.
 */
const char *ksyms_lookup(uint64_t address, uint64_t *offset);
