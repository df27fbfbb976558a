/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What vmm/ and guest/ ask of the machine. arch/x86/platform.c implements it on the real one,
 * tests/unit/fake_platform.c in tests: the linker chooses, so that a call costs a call.
 */
#pragma once

#include "vmm/types.h"

struct cpu;

/* The host's time-stamp counter, in ticks; never goes back on one CPU, and CPUs agree. */
uint64_t platform_now(void);

/* Ticks of platform_now() in a second; known before any other CPU is started. */
uint64_t platform_tick_hz(void);

/*
 * Makes `cpu` notice what was put in its mailbox, queues or vCPU requests: it leaves its guest or
 * its idle loop soon. Requests must be visible before the call. From any CPU; for the calling one
 * nothing happens, since it looks before it enters a guest or idles.
 */
void platform_kick_cpu(struct cpu *cpu);

/*
 * Programs the calling CPU's one-shot timer to interrupt at `deadline` (platform_now() ticks;
 * UINT64_MAX: never). A deadline in the past fires at once.
 */
void platform_set_timer(uint64_t deadline);

/*
 * Waits for the next interrupt of the calling CPU and takes it. Called with interrupts off, after
 * looking for work: an interrupt that came since then ends the wait at once. Returns with
 * interrupts off.
 */
void platform_idle(void);

/* Takes the interrupts that are pending on the calling CPU, called and left with interrupts off. */
void platform_poll_interrupts(void);

/* Where the hypervisor reaches host memory [hpa, hpa + length), all of which must be RAM that it
 * manages. */
void *platform_ram(hpa_t hpa);

/* The reverse, for memory that came from the page allocator. */
hpa_t platform_ram_address(const void *pointer);

/* Stops the machine with a message: for broken invariants of the host only, never for guest input.
 */
HV_NORETURN HV_PRINTF(1, 2) void platform_panic(const char *format, ...);

/* Seconds since 1970-01-01 UTC, from the machine's real-time clock. */
uint64_t platform_wall_clock(void);

/* Leaves the machine for good: ACPI S5, or reset. They return only where the machine refused. */
void platform_power_off(void);
void platform_reset(void);

/* CPUID of this CPU: eax, ebx, ecx, edx. */
void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);
