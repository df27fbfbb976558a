/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what a multiboot2 boot loader hands over. Multiboot2 specification 2.0, 3.6. */
#pragma once

#include "boot/boot_info.h"

#define MULTIBOOT2_MAGIC 0x36d76289

/*
 * Fills the empty *info from the `size` bytes of boot information at `data`, which lie at physical
 * address `address`; `size` may be more than the information says it has. Modules' contents are not
 * looked at. What is wrong with a module, or does not fit, is left out with a line in
 * info->messages. The caller adds the hypervisor's own memory. Pure. Errors: -EINVAL, with a
 * sentence in *why: no boot information that the machine could be started with.
 */
HV_MUST_CHECK int multiboot2_parse(struct boot_info *info, const uint8_t *data, size_t size,
				   uint64_t address, const char **why);
