/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. */
#include "arch/x86/tsc_math.h"

#include "vmm/timer.h"

/* Display family 6 with these models does not tell its crystal (SDM 3B, table 18-85). */
#define MODEL_GOLDMONT	     0x65c
#define MODEL_DENVERTON	     0x65f
#define GOLDMONT_CRYSTAL_HZ  19200000
#define DENVERTON_CRYSTAL_HZ 25000000

#define PPM 1000000

/* The crystal's frequency, 0 where nobody tells. */
static uint64_t crystal_hz(const struct tsc_cpuid *cpuid)
{
	if (cpuid->crystal_hz != 0)
		return cpuid->crystal_hz;
	switch (cpuid->model) {
	case MODEL_GOLDMONT:
		return GOLDMONT_CRYSTAL_HZ;
	case MODEL_DENVERTON:
		return DENVERTON_CRYSTAL_HZ;
	default:
		return 0;
	}
}

uint64_t tsc_hz_from_cpuid(const struct tsc_cpuid *cpuid)
{
	uint64_t crystal = crystal_hz(cpuid);

	if (cpuid->tsc_khz != 0)
		return (uint64_t)cpuid->tsc_khz * 1000;
	if (!cpuid->intel || cpuid->denominator == 0 || cpuid->numerator == 0)
		return 0;
	/* Where the ratio is told but not the crystal, the TSC runs at the base frequency. */
	if (crystal == 0)
		return (uint64_t)cpuid->base_mhz * 1000000;
	return timer_muldiv(crystal, cpuid->numerator, cpuid->denominator);
}

uint64_t tsc_hz_from_samples(const struct tsc_sample *samples, unsigned count,
			     uint64_t reference_hz, uint64_t *error_ppm)
{
	uint64_t hz = 0;

	*error_ppm = UINT64_MAX;
	for (unsigned i = 0; i < count; i++) {
		const struct tsc_sample *sample = &samples[i];
		uint64_t ppm;

		if (sample->ticks == 0 || sample->reference_ticks == 0)
			continue;
		/* One tick of the reference clock is uncertain as well. */
		ppm = timer_muldiv(sample->uncertainty, PPM, sample->ticks) +
		      PPM / sample->reference_ticks;
		if (hz != 0 && ppm >= *error_ppm)
			continue;
		*error_ppm = ppm;
		hz = timer_muldiv(sample->ticks, reference_hz, sample->reference_ticks);
	}
	return hz;
}

uint32_t tsc_to_timer_count(uint64_t ticks, uint64_t timer_hz, uint64_t tsc_hz)
{
	uint64_t count = timer_muldiv(ticks, timer_hz, tsc_hz);

	return count >= UINT32_MAX ? UINT32_MAX : (uint32_t)count + 1;
}

uint64_t tsc_median(uint64_t *values, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		uint64_t value = values[i];
		unsigned at = i;

		for (; at > 0 && values[at - 1] > value; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
	return values[count / 2];
}
