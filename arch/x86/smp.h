/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other CPUs. Intel MP specification, B.4; SDM 3A, 8.4. */
#pragma once

#include "vmm/types.h"

struct acpi_info;
struct boot_info;
struct cpu;

/*
 * Starts every CPU that the MADT lists, or, where there is no MADT, those that the loader found.
 * Each gets the next id after the boot CPU's 0, is entered in cpus[], and calls ap_main() on its
 * own stack with interrupts off, its local APIC and timer enabled; that must not return. CPUs that
 * do not come are logged and left out.
 *
 * On the boot CPU, which runs on its own stack (cpus[0] and its apic_id are set here), after
 * memory_init(), tsc_init() and apic_timer_init(). Returns when all have come.
 */
void smp_start_all(const struct acpi_info *acpi, const struct boot_info *boot,
		   void (*ap_main)(struct cpu *cpu));
