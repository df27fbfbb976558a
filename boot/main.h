/* SPDX-License-Identifier: BSD-2-Clause */
/* Where all ways of booting meet. */
#pragma once

#include "vmm/types.h"

struct boot_info;

/*
 * Runs the hypervisor, for ever. `info` is reachable at its physical address; on one CPU, in 64-bit
 * mode, interrupts off, on a stack of CPU_STACK_SIZE. Called by boot/entry.asm.
 */
HV_NORETURN void hv_main(struct boot_info *info);
