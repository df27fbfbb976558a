/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the firmware tables of a VM in a scratch buffer and copies them to its memory. */
#include "guest/tables/tables.h"

#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#include <errno.h>

_Static_assert(GUEST_LOW_RAM_END % 1024 == 0, "whole KiB");
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

/*
 * The BIOS data area: what real-mode firmware has left for 40 years and boot code still reads,
 * above all where the memory below 640 KiB ends. Ralf Brown's MEMORY.LST, segment 40h.
 */
static int tables_write_bda(const struct vm *vm)
{
	const struct {
		uint16_t serial_ports[4]; /* 400h */
		uint16_t parallel_ports[3];
		uint16_t ebda_segment; /* 40Eh */
		uint16_t equipment;
		uint8_t test_flag;
		uint16_t memory_kib; /* 413h */
	} HV_PACKED bda = {
		.serial_ports = {PORT_COM1},
		.ebda_segment = GUEST_LOW_RAM_END >> 4,
		.equipment = 1 << 1 | 1 << 9, /* coprocessor, one serial port */
		.memory_kib = GUEST_LOW_RAM_END / KIB(1),
	};
	const uint8_t ebda_kib = (GUEST_VGA_BASE - GUEST_LOW_RAM_END) / KIB(1);
	int result = gpa_write(&vm->space, gpa_make(GUEST_BDA_BASE), &bda, sizeof(bda));

	if (result != 0)
		return result;
	return gpa_write(&vm->space, gpa_make(GUEST_LOW_RAM_END), &ebda_kib, sizeof(ebda_kib));
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
	if (result == 0)
		result = tables_write_bda(vm);
	if (result != 0)
		hv_snprintf(error, size, "the firmware tables cannot be written (error %d)",
			    -result);
	hv_free(buffer);
	*rsdp = gpa_make(GUEST_ACPI_BASE);
	return result;
}
