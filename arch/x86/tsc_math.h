/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic of clock calibration: from CPUID leaves or samples of a reference clock to the TSC's
 * frequency, and from TSC ticks to counts of the local APIC's timer. Pure.
 */
#pragma once

#include "vmm/types.h"

/* What CPUID says about clocks; zeros where the leaf is absent. */
struct tsc_cpuid {
	bool intel;
	uint32_t model;	      /* display family << 8 | display model */
	uint32_t denominator; /* 15h EAX */
	uint32_t numerator;   /* 15h EBX */
	uint32_t crystal_hz;  /* 15h ECX */
	uint32_t base_mhz;    /* 16h EAX */
	uint32_t tsc_khz;     /* 40000010h EAX, of a hypervisor below us */
};

/* The TSC's frequency by CPUID, 0 where it does not tell. SDM 3B, 18.7.3. */
uint64_t tsc_hz_from_cpuid(const struct tsc_cpuid *cpuid);

/* A stretch of time on both clocks. */
struct tsc_sample {
	uint64_t ticks;		  /* of the TSC */
	uint64_t reference_ticks; /* of the reference clock */
	uint64_t uncertainty;	  /* TSC ticks that reading the reference clock took, both ends */
};

/*
 * The TSC's frequency from the sample with the least uncertainty for its length; a sample without
 * ticks does not count. 0 where there is none. Stores the best sample's error bound in parts per
 * million.
 */
uint64_t tsc_hz_from_samples(const struct tsc_sample *samples, unsigned count,
			     uint64_t reference_hz, uint64_t *error_ppm);

/* Ticks from `start` to `end` of a counter of `mask` (2^n - 1) that went round once at most. */
static inline uint64_t tsc_reference_elapsed(uint64_t start, uint64_t end, uint64_t mask)
{
	return (end - start) & mask;
}

/*
 * The local APIC timer's initial count for `ticks` of the TSC from now: rounded up, so that it does
 * not fire early, at least 1 and at most 2^32 - 1 (then it fires early and is to be armed again).
 */
uint32_t tsc_to_timer_count(uint64_t ticks, uint64_t timer_hz, uint64_t tsc_hz);

/* The median of `count` (odd) values, which are sorted in place: what a disturbance or two of a
 * measurement do not change. */
uint64_t tsc_median(uint64_t *values, unsigned count);
