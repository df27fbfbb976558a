/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that pure code runs on in tests: a clock that tests set, RAM at made-up physical
 * addresses, and a record of what was asked of it. One machine a process; not thread-safe.
 */
#pragma once

#include "vmm/types.h"

struct cpu;

/* Where fake RAM begins in host-physical space, and how much there is. */
#define FAKE_RAM_BASE GIB(4)
#define FAKE_RAM_SIZE MIB(64)

#define FAKE_TICK_HZ UINT64_C(1000000000)

/*
 * A new machine: time 0, no kicks, no timer, RAM filled with a pattern and known to nobody. Call it
 * in each test's setup.
 */
void fake_platform_reset(void);

/* Gives all fake RAM to the page allocator, which is emptied first. */
void fake_platform_give_ram(void);

/* The clock: platform_now() stands still between these. */
void fake_platform_set_time(uint64_t ticks);
void fake_platform_advance(uint64_t ticks);
void fake_platform_set_wall_clock(uint64_t seconds);

/* How often platform_kick_cpu() was called, and for whom last. */
unsigned fake_platform_kicks(void);
struct cpu *fake_platform_last_kicked(void);

/* The deadline of the last platform_set_timer(); UINT64_MAX where there was none. */
uint64_t fake_platform_timer(void);

/*
 * What platform_cpuid() answers for a leaf and subleaf from now on; all others read as zeros. At
 * most FAKE_CPUID_MAX of them until the next fake_platform_reset().
 */
#define FAKE_CPUID_MAX 64
void fake_platform_set_cpuid(uint32_t leaf, uint32_t subleaf, const uint32_t registers[4]);

/* What was asked: platform_power_off(), platform_reset(). */
unsigned fake_platform_power_offs(void);
unsigned fake_platform_resets(void);

/* Called by platform_idle(), which else returns at once: it may move the clock, or longjmp() out.
 */
void fake_platform_on_idle(void (*hook)(void));

/*
 * Called with the message by platform_panic(); it must not return (longjmp, cmocka's mock_assert).
 * With none, the default, a panic prints its message and aborts the test program.
 */
void fake_platform_on_panic(void (*hook)(const char *message));
