/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's I/O APICs. Intel 82093AA data sheet; ICH and FCH data sheets. */
#pragma once

#include "vmm/types.h"

struct acpi_gsi;
struct acpi_info;

/*
 * Maps the I/O APICs of the MADT (the PC's usual one where there is no MADT), masks all inputs, and
 * masks the 8259s. Boot CPU, after memory_init(), interrupts off.
 */
void ioapic_init(const struct acpi_info *acpi);

/*
 * Sends the interrupt to one CPU and unmasks it. Any CPU. Errors: -ENOENT (no I/O APIC has this
 * GSI), -ERANGE (the APIC id does not fit in the 8 bits of a destination).
 */
HV_MUST_CHECK int ioapic_route(const struct acpi_gsi *gsi, uint8_t vector, uint32_t apic_id);

/* Masks the interrupt; no effect where no I/O APIC has it. Any CPU. */
void ioapic_mask(uint32_t gsi);

/*
 * The whole of it for a driver: `handler` is called on the CPU that connects, interrupts off, for
 * each interrupt; the EOI is done for it, and the CPU's run loop is made to look for work. `vector`
 * lies between VECTOR_DEVICE_FIRST and VECTOR_DEVICE_LAST. Errors as ioapic_route(), -EINVAL.
 */
HV_MUST_CHECK int ioapic_connect(const struct acpi_gsi *gsi, uint8_t vector, void (*handler)(void));
