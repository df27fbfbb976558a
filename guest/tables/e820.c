/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's memory map; see e820.h. */
#include "guest/tables/e820.h"

#include "vmm/vm.h"
#include "guest/layout.h"

static void e820_add(struct e820_map *map, uint64_t base, uint64_t length, enum e820_type type)
{
	if (length == 0 || map->count == E820_MAX)
		return;
	map->entries[map->count++] =
		(struct e820_entry){.base = base, .length = length, .type = type};
}

void e820_build(struct e820_map *map, uint64_t ram_low, uint64_t ram_high)
{
	*map = (struct e820_map){0};
	e820_add(map, 0, GUEST_LOW_RAM_END, E820_RAM);
	e820_add(map, GUEST_LOW_RAM_END, GUEST_VGA_BASE - GUEST_LOW_RAM_END, E820_RESERVED);
	/* ACPI and SMBIOS tables, where BIOSes have their ROM. */
	e820_add(map, GUEST_ACPI_BASE, GUEST_HIGH_BASE - GUEST_ACPI_BASE, E820_RESERVED);
	if (ram_low > GUEST_HIGH_BASE)
		e820_add(map, GUEST_HIGH_BASE, ram_low - GUEST_HIGH_BASE, E820_RAM);
	/* Linux uses the ECAM only where the firmware reserved it (PCI Firmware 3.3, 4.1.2). */
	e820_add(map, GUEST_ECAM_BASE, GUEST_ECAM_LENGTH, E820_RESERVED);
	e820_add(map, VM_RAM_HIGH_BASE, ram_high, E820_RAM);
}
