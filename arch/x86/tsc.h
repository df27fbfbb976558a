/* SPDX-License-Identifier: BSD-2-Clause */
/* The time-stamp counter: the clock of the hypervisor. */
#pragma once

#include "vmm/types.h"

struct acpi_info;

/* Reads the counter; instructions around it may be executed on either side of it. */
static inline uint64_t tsc_read(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Reads the counter when everything before it is done, and before anything after it begins. */
static inline uint64_t tsc_read_ordered(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/*
 * Finds the TSC's frequency: by CPUID, else by the HPET, the ACPI PM timer or the PIT, and logs
 * which it was. Boot CPU, after memory_init(); takes 0.1 s. Host panic where the machine has no
 * clock.
 */
void tsc_init(const struct acpi_info *acpi);

/* Ticks a second, after tsc_init(). */
uint64_t tsc_hz(void);

/* Spins. For firmware's and hardware's delays at boot only. */
void tsc_delay_us(uint64_t microseconds);
