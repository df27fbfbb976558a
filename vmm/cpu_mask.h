/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of host CPUs, by their number. */
#pragma once

#include "vmm/types.h"

#define CPUS_MAX 256

struct cpu_mask {
	uint64_t bits[CPUS_MAX / 64];
};

/* `cpu` is below CPUS_MAX in all of these. */
static inline void cpu_mask_set(struct cpu_mask *mask, unsigned cpu)
{
	mask->bits[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static inline bool cpu_mask_test(const struct cpu_mask *mask, unsigned cpu)
{
	return mask->bits[cpu / 64] >> (cpu % 64) & 1;
}

static inline bool cpu_mask_empty(const struct cpu_mask *mask)
{
	uint64_t any = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mask->bits); i++)
		any |= mask->bits[i];
	return any == 0;
}
