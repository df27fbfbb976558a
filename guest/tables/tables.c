/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the firmware tables of a VM in a scratch buffer and copies them to its memory. */
#include "guest/tables/tables.h"

#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#include <errno.h>

_Static_assert(GUEST_ACPI_BASE + GUEST_ACPI_LENGTH == GUEST_SMBIOS_BASE, "one block");

#define TABLES_LENGTH (GUEST_ACPI_LENGTH + GUEST_SMBIOS_LENGTH)

/*
 * A UUID that is the same at every start of a VM of this name: version 8 (RFC 9562, 5.8), filled by
 * two runs of FNV-1a over the name.
 */
static void tables_make_uuid(uint8_t uuid[16], const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (unsigned half = 0; half < 2; half++) {
		for (const char *c = name; *c != '\0'; c++)
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3;
		hash = (hash ^ half) * 0x100000001b3;
		for (unsigned i = 0; i < 8; i++)
			uuid[half * 8 + i] = (uint8_t)(hash >> i * 8);
	}
	uuid[7] = (uuid[7] & 0x0f) | 0x80; /* version, in SMBIOS's little-endian time_hi */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

int tables_install(const struct vm *vm, gpa_t *rsdp, char *error, size_t size)
{
	struct smbios_machine machine = {
		.vm_name = vm->config->name,
		.vcpus = vm->config->vcpus,
		.memory = vm->ram_low + vm->ram_high,
	};
	uint8_t *buffer = hv_alloc(TABLES_LENGTH);
	int result;

	if (!buffer) {
		hv_snprintf(error, size, "no memory left to build the ACPI tables");
		return -ENOMEM;
	}
	tables_make_uuid(machine.uuid, machine.vm_name);
	result = acpi_build(buffer, machine.vcpus);
	if (result >= 0)
		result = smbios_build(buffer + GUEST_ACPI_LENGTH, &machine);
	if (result >= 0)
		result = gpa_write(&vm->space, gpa_make(GUEST_ACPI_BASE), buffer, TABLES_LENGTH);
	if (result != 0)
		hv_snprintf(error, size, "the ACPI and SMBIOS tables cannot be written (error %d)",
			    -result);
	hv_free(buffer);
	*rsdp = gpa_make(GUEST_ACPI_BASE);
	return result;
}
