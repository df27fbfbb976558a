/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine is, for the shell's `host`. */
#pragma once

#include "boot/boot_info.h"

/* Prints the loader, the backend with its features, and the memory map. */
void report_host(const struct boot_info *info);
