/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's timer, one-shot: by TSC deadline where the CPU can, else by a count that was
 * measured against the TSC. SDM 3A, 11.5.4.
 */
#include "arch/x86/apic_timer.h"

#include "arch/x86/apic.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"
#include "arch/x86/percpu.h"
#include "arch/x86/tsc.h"
#include "arch/x86/tsc_math.h"
#include "arch/x86/vectors.h"
#include "vmm/log.h"
#include "vmm/platform.h"
#include "vmm/timer.h"

#include <stdatomic.h>

#define LVT_MASKED	 (1u << 16)
#define LVT_ONE_SHOT	 (0u << 17)
#define LVT_TSC_DEADLINE (2u << 17)

#define DIVIDE_BY_1 0xb

#define SAMPLES	  5
#define SAMPLE_US 10000

/* What each CPU's timer is to fire at, TIMER_NEVER where it is not armed. Written by that CPU. */
static struct {
	uint64_t deadline;
} HV_ALIGNED(64) armed[CPUS_MAX];

static bool by_deadline;
static uint64_t timer_hz;

static void program(uint64_t deadline)
{
	uint64_t now;

	if (by_deadline) {
		/* 0 disarms; anything that has passed fires at once. */
		if (deadline == TIMER_NEVER)
			deadline = 0;
		else if (deadline == 0)
			deadline = 1;
		msr_write(MSR_TSC_DEADLINE, deadline);
		return;
	}
	if (deadline == TIMER_NEVER) {
		apic_write(APIC_TIMER_COUNT, 0);
		return;
	}
	now = tsc_read();
	apic_write(APIC_TIMER_COUNT,
		   tsc_to_timer_count(deadline > now ? deadline - now : 0, timer_hz, tsc_hz()));
}

void apic_timer_set(uint64_t deadline)
{
	armed[this_cpu()->id].deadline = deadline;
	program(deadline);
}

/* The run loop looks at its timers; here only a count that was too short is continued. */
void apic_timer_handle(void)
{
	struct cpu *cpu = this_cpu();
	uint64_t *deadline = &armed[cpu->id].deadline;

	apic_eoi();
	if (*deadline != TIMER_NEVER && tsc_read() < *deadline) {
		program(*deadline);
		return;
	}
	*deadline = TIMER_NEVER;
	atomic_store(&cpu->attention, true);
}

void apic_timer_enable(void)
{
	apic_write(APIC_TIMER_COUNT, 0);
	if (cpuid_checked(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE) {
		by_deadline = true;
		apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* The mode must be set before the MSR is written. SDM 3A, 11.5.4.1. */
		__asm__ volatile("mfence" : : : "memory");
		msr_write(MSR_TSC_DEADLINE, 0);
		return;
	}
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR_TIMER);
}

/* Counts down from 2^32 - 1, which lasts longer than a sample. Returns the frequency. */
static uint64_t measure(void)
{
	uint64_t before, started, end, ended;
	uint32_t count;

	before = tsc_read_ordered();
	apic_write(APIC_TIMER_COUNT, UINT32_MAX);
	started = tsc_read_ordered();
	tsc_delay_us(SAMPLE_US);
	end = tsc_read_ordered();
	count = apic_read(APIC_TIMER_CURRENT);
	ended = tsc_read_ordered();
	apic_write(APIC_TIMER_COUNT, 0);
	return timer_muldiv(UINT32_MAX - count, tsc_hz(),
			    (end + ended) / 2 - (before + started) / 2);
}

void apic_timer_init(void)
{
	uint64_t hz[SAMPLES];

	if (by_deadline) {
		log_info("apic: timer by TSC deadline");
		return;
	}
	apic_write(APIC_LVT_TIMER, LVT_MASKED | LVT_ONE_SHOT | VECTOR_TIMER);
	for (int i = 0; i < SAMPLES; i++)
		hz[i] = measure();
	timer_hz = tsc_median(hz, SAMPLES);
	if (timer_hz == 0)
		platform_panic("the local APIC's timer does not count");
	apic_timer_enable();
	log_info("apic: timer at %llu kHz", (unsigned long long)timer_hz / 1000);
}
