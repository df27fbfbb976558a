/* SPDX-License-Identifier: BSD-2-Clause */
/* The management console's serial line: where the firmware says it is, or COM1. */
#pragma once

struct acpi_info;

/*
 * Sets the UART up and makes it the console and the place of fault reports. Boot CPU, after
 * ioapic_init(); bytes are sent at once until serial_start_interrupts().
 */
void serial_init(const struct acpi_info *acpi);

/* From now on the line never holds a CPU up. Boot CPU, once the APIC works. */
void serial_start_interrupts(const struct acpi_info *acpi);
