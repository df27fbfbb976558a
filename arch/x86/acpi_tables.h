/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers of single ACPI tables for arch/x86/acpi.c, which has checked the length and the checksum
 * of each. They take what fits the table's length and log what is not as it should be. Pure.
 */
#pragma once

#include "arch/x86/acpi.h"

/* Little-endian fields at any alignment. */
static inline uint16_t acpi_read16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t acpi_read32(const uint8_t *bytes)
{
	return acpi_read16(bytes) | (uint32_t)acpi_read16(bytes + 2) << 16;
}

static inline uint64_t acpi_read64(const uint8_t *bytes)
{
	return acpi_read32(bytes) | (uint64_t)acpi_read32(bytes + 4) << 32;
}

/* Reads the 12 bytes of a generic address structure. */
struct acpi_address acpi_read_address(const uint8_t *bytes);

/* Multiple APIC description table, 5.2.12. */
void acpi_read_madt(const struct acpi_table *table, struct acpi_info *info);

/* Fixed ACPI description table, 5.2.9. Stores the DSDT's address, 0 where there is none. */
void acpi_read_fadt(const struct acpi_table *table, struct acpi_info *info, uint64_t *dsdt);

void acpi_read_hpet(const struct acpi_table *table, struct acpi_info *info);
void acpi_read_mcfg(const struct acpi_table *table, struct acpi_info *info);
void acpi_read_spcr(const struct acpi_table *table, struct acpi_info *info);
void acpi_read_dmar(const struct acpi_table *table, struct acpi_info *info);

/*
 * Looks for the package \_S5 in a DSDT's or SSDT's byte code, where it is a Name with constant
 * integers (20.2.5.1): its first two elements are the SLP_TYP values of soft off (7.4.2.6). The
 * code is not executed, only looked through. Errors: -ENOENT.
 */
HV_MUST_CHECK int acpi_find_soft_off(const struct acpi_table *table, struct acpi_fadt *fadt);
