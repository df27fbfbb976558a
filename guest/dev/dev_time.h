/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time that device models keep: nanoseconds since their VM started. Counters are computed from
 * it and never accumulated, so they do not drift; and a saved deadline means the same on a machine
 * whose TSC runs at another rate.
 */
#pragma once

#include "vmm/platform.h"
#include "vmm/timer.h"
#include "vmm/vm.h"

/*
 * A device's periodic timer is not armed for less than this ahead: a guest that asks for a period
 * of a microsecond loses interrupts and not its neighbours' time.
 */
#define DEV_TIMER_MIN_NS 20000

/* 0 on a CPU whose TSC is a little behind that of the one that started the VM. */
static inline uint64_t dev_time_ns(const struct vm *vm)
{
	uint64_t now = platform_now();

	return now < vm->start_tick ? 0 : timer_ticks_to_ns(now - vm->start_tick);
}

/*
 * The first platform_now() tick at which dev_time_ns() has reached `ns`, or one later: both
 * conversions round down, so a timer armed for the exact quotient could find its time not come.
 */
static inline uint64_t dev_time_to_tick(const struct vm *vm, uint64_t ns)
{
	uint64_t ticks = timer_ns_to_ticks(ns);

	if (ticks >= TIMER_NEVER - 1 - vm->start_tick)
		return TIMER_NEVER - 1;
	return vm->start_tick + ticks + 1;
}
