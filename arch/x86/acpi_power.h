/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching the machine off (ACPI S5) and resetting it. ACPI 6.5, 4.8 and 7.4. */
#pragma once

struct acpi_info;

/* Maps the registers that are in memory, so that nothing can fail later. `acpi` must stay where it
 * is. Boot CPU, after memory_init(). */
void acpi_power_init(const struct acpi_info *acpi);

/* Soft off. Returns only where the machine has no S5, or did not obey within a second. */
void acpi_power_off(void);

/* Resets by whatever way the machine has: FADT, port 0xcf9, keyboard controller, triple fault. */
void acpi_power_reset(void);
