/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables that a PC's firmware leaves in memory: ACPI (acpi.c), SMBIOS (smbios.c) and the BIOS
 * data area (tables.c), built for one VM.
 */
#pragma once

#include "vmm/types.h"

struct vm;

/*
 * Writes all of them to the VM's memory, at GUEST_ACPI_BASE, GUEST_SMBIOS_BASE and GUEST_BDA_BASE,
 * and stores where the RSDP is. Uses the VM's config, memory sizes and space. Errors: -ENOMEM,
 * -EFAULT (no RAM there); `error` (of `size` bytes) then holds a sentence.
 */
HV_MUST_CHECK int tables_install(const struct vm *vm, gpa_t *rsdp, char *error, size_t size);

/*
 * Builds the ACPI tables for `vcpus` vCPUs (1 to 64) in `buffer`, GUEST_ACPI_LENGTH zeroed bytes
 * that are to lie at GUEST_ACPI_BASE. The RSDP is at their start. Returns how many bytes they take,
 * or -ENOSPC. ACPI 6.4, chapter 5.
 */
HV_MUST_CHECK int acpi_build(uint8_t *buffer, unsigned vcpus);

/* What SMBIOS tells of the machine. */
struct smbios_machine {
	const char *vm_name;
	uint8_t uuid[16];
	unsigned vcpus;
	uint64_t memory; /* bytes */
};

/*
 * Builds the SMBIOS 3 entry point and structures in `buffer`, GUEST_SMBIOS_LENGTH zeroed bytes that
 * are to lie at GUEST_SMBIOS_BASE. Returns how many bytes they take, or -ENOSPC. DMTF DSP0134 3.3.
 */
HV_MUST_CHECK int smbios_build(uint8_t *buffer, const struct smbios_machine *machine);
