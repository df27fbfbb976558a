/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's physical memory as a BIOS would report it by INT 15h, E820h (ACPI 6.5, 15.1): one
 * list that all boot protocols convert to their own form.
 */
#pragma once

#include "vmm/types.h"

#define E820_MAX 16

/* Values of the interface itself, the same in the Linux, PVH and multiboot 2 maps. */
enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3,
	E820_NVS = 4
};

struct e820_entry {
	uint64_t base;
	uint64_t length;
	uint32_t type; /* enum e820_type */
	uint32_t reserved;
};

/* Sorted by base, without overlaps. Addresses in no entry are devices or nothing. */
struct e820_map {
	unsigned count;
	struct e820_entry entries[E820_MAX];
};

/* Describes a VM with `ram_low` bytes of RAM from 0 up (1 MiB to 3 GiB) and `ram_high` bytes from 4
 * GiB up. */
void e820_build(struct e820_map *map, uint64_t ram_low, uint64_t ram_high);
