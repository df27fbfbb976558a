/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calibration of the TSC. Each reference clock is a counter that can be read; a sample is a stretch
 * of SAMPLE_MS of it, of which the best counts: the machine below (SMM, a host's scheduler) may
 * take the CPU away between any two instructions.
 */
#include "arch/x86/tsc.h"

#include "arch/x86/acpi.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/io.h"
#include "arch/x86/mmio.h"
#include "arch/x86/tsc_math.h"
#include "vmm/log.h"
#include "vmm/platform.h"
#include "vmm/timer.h"

#include <string.h>

#define SAMPLES	     4
#define SAMPLE_MS    20
#define READ_TRIES   5
#define SAMPLE_READS 10000000 /* a clock that has not come so far stands still */

#define FEMTOSECONDS 1000000000000000ull

/* HPET registers, specification 1.0a, 2.3. */
#define HPET_CAPABILITIES   0x000
#define HPET_CONFIGURATION  0x010
#define HPET_COUNTER	    0x0f0
#define HPET_COUNTER_64_BIT (1ull << 13)
#define HPET_ENABLE	    (1ull << 0)
#define HPET_PERIOD(caps)   ((caps) >> 32)
#define HPET_PERIOD_MAX	    100000000 /* fs, by the specification */
#define HPET_LENGTH	    0x400

#define PM_TIMER_HZ 3579545

#define PIT_HZ		1193182
#define PIT_CHANNEL_2	0x42
#define PIT_COMMAND	0x43
#define PIT_CONTROL	0x61 /* system control port B */
#define PIT_LOAD_MODE_0 0xb0 /* channel 2, low and high byte, interrupt on terminal count */
#define PIT_LATCH	0x80
#define PIT_GATE	0x01
#define PIT_SPEAKER	0x02

struct reference {
	const char *name;
	uint64_t hz;
	uint64_t mask;
	uint64_t (*read)(void);
};

static uint64_t frequency;
static volatile uint8_t *hpet_registers;
static struct acpi_address pm_timer;
static volatile uint8_t *pm_timer_register;

static uint64_t hpet_read(void)
{
	return mmio_read32(hpet_registers + HPET_COUNTER);
}

static bool hpet_start(const struct acpi_info *acpi, struct reference *reference)
{
	uint64_t capabilities, period;
	uint32_t configuration;

	if (acpi->hpet == 0)
		return false;
	hpet_registers = mmio_map(hpa_make(acpi->hpet), HPET_LENGTH);
	if (!hpet_registers)
		return false;
	capabilities = mmio_read64(hpet_registers + HPET_CAPABILITIES);
	period = HPET_PERIOD(capabilities);
	if (period == 0 || period > HPET_PERIOD_MAX)
		return false;
	configuration = mmio_read32(hpet_registers + HPET_CONFIGURATION);
	mmio_write32(hpet_registers + HPET_CONFIGURATION, configuration | (uint32_t)HPET_ENABLE);
	/* 32 bits last for minutes. */
	*reference = (struct reference){"HPET", (FEMTOSECONDS + period / 2) / period, UINT32_MAX,
					hpet_read};
	return true;
}

static uint64_t pm_timer_read(void)
{
	if (pm_timer_register)
		return mmio_read32(pm_timer_register);
	return io_in32((uint16_t)pm_timer.address);
}

static bool pm_timer_start(const struct acpi_info *acpi, struct reference *reference)
{
	uint64_t mask = acpi->fadt.flags & ACPI_FADT_TIMER_32_BIT ? UINT32_MAX : 0xffffff;

	pm_timer = acpi->fadt.pm_timer;
	if (!acpi->fadt.present || pm_timer.address == 0)
		return false;
	if (pm_timer.space == ACPI_SPACE_MEMORY)
		pm_timer_register = mmio_map(hpa_make(pm_timer.address), 4);
	else if (pm_timer.space != ACPI_SPACE_IO || pm_timer.address > UINT16_MAX)
		return false;
	if (pm_timer.space == ACPI_SPACE_MEMORY && !pm_timer_register)
		return false;
	*reference = (struct reference){"ACPI PM timer", PM_TIMER_HZ, mask, pm_timer_read};
	return true;
}

/* The PIT counts down. */
static uint64_t pit_read(void)
{
	uint8_t low, high;

	io_out8(PIT_COMMAND, PIT_LATCH);
	low = io_in8(PIT_CHANNEL_2);
	high = io_in8(PIT_CHANNEL_2);
	return UINT16_MAX - (uint64_t)(high << 8 | low);
}

static bool pit_start(const struct acpi_info *acpi, struct reference *reference)
{
	(void)acpi;
	io_out8(PIT_CONTROL, (uint8_t)((io_in8(PIT_CONTROL) & ~PIT_SPEAKER) | PIT_GATE));
	io_out8(PIT_COMMAND, PIT_LOAD_MODE_0);
	io_out8(PIT_CHANNEL_2, 0xff);
	io_out8(PIT_CHANNEL_2, 0xff);
	*reference = (struct reference){"PIT", PIT_HZ, UINT16_MAX, pit_read};
	return true;
}

/* Reads both clocks at nearly one moment; *took is how near. */
static void read_both(const struct reference *reference, uint64_t *tsc, uint64_t *ticks,
		      uint64_t *took)
{
	*took = UINT64_MAX;
	for (int i = 0; i < READ_TRIES; i++) {
		uint64_t before = tsc_read_ordered();
		uint64_t value = reference->read();
		uint64_t after = tsc_read_ordered();

		if (after - before < *took) {
			*took = after - before;
			*tsc = before + *took / 2;
			*ticks = value & reference->mask;
		}
	}
}

static struct tsc_sample take_sample(const struct reference *reference)
{
	uint64_t wanted = reference->hz * SAMPLE_MS / 1000, reads = 0, elapsed;
	uint64_t tsc_start, tsc_end, start, end, took_start, took_end;

	read_both(reference, &tsc_start, &start, &took_start);
	do {
		cpu_pause();
		elapsed = tsc_reference_elapsed(start, reference->read(), reference->mask);
		if (reads++ == SAMPLE_READS)
			return (struct tsc_sample){0, 0, 0};
	} while (elapsed < wanted);
	read_both(reference, &tsc_end, &end, &took_end);
	return (struct tsc_sample){
		.ticks = tsc_end - tsc_start,
		.reference_ticks = tsc_reference_elapsed(start, end, reference->mask),
		.uncertainty = took_start + took_end,
	};
}

static bool calibrate(const struct acpi_info *acpi,
		      bool (*start)(const struct acpi_info *acpi, struct reference *reference))
{
	struct tsc_sample samples[SAMPLES] = {{0, 0, 0}};
	struct reference reference;
	uint64_t error_ppm;

	for (int i = 0; i < SAMPLES; i++) {
		/* Once for each sample: the PIT does not go round. */
		if (!start(acpi, &reference))
			return false;
		samples[i] = take_sample(&reference);
		if (samples[i].ticks == 0) {
			log_warning("tsc: the %s stands still", reference.name);
			return false;
		}
	}
	frequency = tsc_hz_from_samples(samples, SAMPLES, reference.hz, &error_ppm);
	log_info("tsc: %llu kHz by the %s (error at most %llu ppm)",
		 (unsigned long long)frequency / 1000, reference.name,
		 (unsigned long long)error_ppm);
	return frequency != 0;
}

static bool read_cpuid(void)
{
	struct cpuid_regs vendor = cpuid(0, 0), version = cpuid_checked(1, 0);
	struct cpuid_regs crystal = cpuid_checked(0x15, 0), base = cpuid_checked(0x16, 0);
	uint32_t family = version.eax >> 8 & 0xf;
	uint32_t model = (version.eax >> 4 & 0xf) | (version.eax >> 12 & 0xf0);
	struct tsc_cpuid leaves = {
		.intel = memcmp(&vendor.ebx, "Genu", 4) == 0,
		.model = family << 8 | model,
		.denominator = crystal.eax,
		.numerator = crystal.ebx,
		.crystal_hz = crystal.ecx,
		.base_mhz = base.eax & 0xffff,
	};

	if (version.ecx & CPUID_1_ECX_HYPERVISOR)
		leaves.tsc_khz = cpuid_checked(0x40000010, 0).eax;
	frequency = tsc_hz_from_cpuid(&leaves);
	if (frequency != 0)
		log_info("tsc: %llu kHz by CPUID", (unsigned long long)frequency / 1000);
	return frequency != 0;
}

void tsc_init(const struct acpi_info *acpi)
{
	if (read_cpuid() || calibrate(acpi, hpet_start) || calibrate(acpi, pm_timer_start) ||
	    calibrate(acpi, pit_start))
		return;
	platform_panic("no clock (CPUID 15h, HPET, ACPI PM timer, PIT) to calibrate the TSC with");
}

uint64_t tsc_hz(void)
{
	return frequency;
}

void tsc_delay_us(uint64_t microseconds)
{
	uint64_t end = tsc_read() + timer_muldiv(microseconds, frequency, 1000000);

	while ((int64_t)(tsc_read() - end) < 0)
		cpu_pause();
}
