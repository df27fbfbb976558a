/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's timer: one-shot and periodic over a bus clock of 1 GHz, and TSC-deadline. The
 * current count is computed from the time and nothing ticks. SDM 3A, 11.5.4.
 */
#include "guest/dev/lapic_state.h"

#include "vmm/vm.h"
#include "guest/dev/dev_time.h"

enum timer_mode {
	MODE_ONE_SHOT,
	MODE_PERIODIC,
	MODE_TSC_DEADLINE
};

/*
 * A periodic timer whose last interrupt still waits, or whose interrupts nobody hears, is not
 * served more often than this. The timers of vCPUs that do not run are served in the time of those
 * that do, which may be another VM's.
 */
#define UNHEARD_MIN_NS 1000000

static unsigned timer_mode(const struct lapic *lapic)
{
	return LAPIC_TIMER_MODE(lapic_lvt(lapic, LAPIC_LVT_TIMER));
}

/* Bits 0, 1 and 3 of the divide register: 2 to 128, then 1. */
static unsigned divide_shift(const struct lapic_timer *timer)
{
	unsigned code = (timer->divide & 3) | (timer->divide >> 1 & 4);

	return (code + 1) & 7;
}

static uint64_t now_ns(const struct lapic *lapic)
{
	return dev_time_ns(lapic->vcpu->vm);
}

/* Whole counts since base_ns. */
static uint64_t elapsed_counts(const struct lapic *lapic, uint64_t now)
{
	return (now - lapic->timer.base_ns) >> divide_shift(&lapic->timer);
}

/* When expiry `n` (0 is the first) after base_ns is. */
static uint64_t expiry_ns(const struct lapic_timer *timer, uint64_t n)
{
	return timer->base_ns +
	       ((timer->first + n * (uint64_t)timer->initial) << divide_shift(timer));
}

static void arm(struct lapic *lapic, uint64_t deadline_tick)
{
	timer_arm(&lapic->vcpu->cpu->timers, &lapic->timer.timer, deadline_tick);
}

static void arm_ns(struct lapic *lapic, uint64_t ns)
{
	arm(lapic, dev_time_to_tick(lapic->vcpu->vm, ns));
}

static void stop(struct lapic *lapic)
{
	lapic->timer.running = false;
	timer_cancel(&lapic->timer.timer);
}

/* What is left to count in `mode`; 0 where a one-shot count is over. */
static uint32_t count_left(const struct lapic *lapic, unsigned mode)
{
	const struct lapic_timer *timer = &lapic->timer;
	uint64_t counts;

	if (!timer->running)
		return 0;
	counts = elapsed_counts(lapic, now_ns(lapic));
	if (counts < timer->first)
		return timer->first - (uint32_t)counts;
	if (mode != MODE_PERIODIC)
		return 0;
	return timer->initial - (uint32_t)((counts - timer->first) % timer->initial);
}

uint32_t lapic_timer_current(const struct lapic *lapic)
{
	return count_left(lapic, timer_mode(lapic));
}

/* Counts on from `count`, starting now. One that is over and was not served yet expires at once. */
static void count_from(struct lapic *lapic, uint32_t count)
{
	lapic->timer.base_ns = now_ns(lapic);
	lapic->timer.first = count != 0 ? count : 1;
	lapic->timer.fired = 0;
	lapic->timer.running = true;
	arm_ns(lapic, expiry_ns(&lapic->timer, 0));
}

void lapic_timer_write_initial(struct lapic *lapic, uint32_t count)
{
	/* In TSC-deadline mode writes to the register are ignored. */
	if (timer_mode(lapic) >= MODE_TSC_DEADLINE)
		return;
	lapic->timer.initial = count;
	if (count == 0)
		stop(lapic);
	else
		count_from(lapic, count);
}

void lapic_timer_write_divide(struct lapic *lapic, uint32_t divide)
{
	uint32_t left = lapic_timer_current(lapic);

	lapic->timer.divide = divide;
	if (lapic->timer.running)
		count_from(lapic, left);
}

void lapic_timer_lvt_changed(struct lapic *lapic, uint32_t before)
{
	unsigned old_mode = LAPIC_TIMER_MODE(before);
	unsigned mode = timer_mode(lapic);

	if (mode == old_mode)
		return;
	if (mode >= MODE_TSC_DEADLINE || old_mode >= MODE_TSC_DEADLINE) {
		lapic->timer.tsc_deadline = 0;
		lapic->timer.initial = 0;
		stop(lapic);
		return;
	}
	if (lapic->timer.running)
		count_from(lapic, count_left(lapic, old_mode));
}

uint64_t lapic_timer_read_deadline(const struct lapic *lapic)
{
	return timer_mode(lapic) == MODE_TSC_DEADLINE ? lapic->timer.tsc_deadline : 0;
}

/* Raises the interrupt where the TSC has come to the deadline, arms the timer where it has not. */
static void serve_deadline(struct lapic *lapic)
{
	uint64_t now = platform_now();
	uint64_t guest_now = now + lapic->vcpu->vm->tsc_offset + lapic->vcpu->msrs.tsc_adjust;
	uint64_t left = lapic->timer.tsc_deadline - guest_now;

	if (lapic->timer.tsc_deadline <= guest_now) {
		lapic->timer.tsc_deadline = 0;
		lapic_raise_lvt(lapic, LAPIC_LVT_TIMER);
	} else {
		arm(lapic, left < TIMER_NEVER - now ? now + left : TIMER_NEVER);
	}
}

void lapic_timer_write_deadline(struct lapic *lapic, uint64_t deadline)
{
	if (timer_mode(lapic) != MODE_TSC_DEADLINE)
		return;
	lapic->timer.tsc_deadline = deadline;
	if (deadline == 0)
		stop(lapic);
	else
		serve_deadline(lapic);
}

/* Whether the guest would notice another interrupt. */
static bool is_heard(const struct lapic *lapic)
{
	uint32_t lvt = lapic_lvt(lapic, LAPIC_LVT_TIMER);
	uint8_t vector = (uint8_t)lvt;

	return !(lvt & LAPIC_LVT_MASKED) &&
	       !(atomic_load_explicit(&lapic->irr[vector / 64], memory_order_relaxed) >>
			 (vector % 64) &
		 1);
}

static void serve_count(struct lapic *lapic)
{
	struct lapic_timer *timer = &lapic->timer;
	uint64_t now = now_ns(lapic);

	if (now < expiry_ns(timer, timer->fired)) {
		arm_ns(lapic, expiry_ns(timer, timer->fired));
		return;
	}
	if (timer_mode(lapic) == MODE_PERIODIC) {
		/* Expiries that went by unserved are one interrupt, as they would be in the IRR. */
		uint64_t counts = elapsed_counts(lapic, now);
		uint64_t next = now + DEV_TIMER_MIN_NS;

		timer->fired = 1 + (counts - timer->first) / timer->initial;
		if (!is_heard(lapic))
			next = max_u64(next, expiry_ns(timer, timer->fired - 1) + UNHEARD_MIN_NS);
		arm_ns(lapic, max_u64(expiry_ns(timer, timer->fired), next));
	} else {
		timer->running = false;
	}
	lapic_raise_lvt(lapic, LAPIC_LVT_TIMER);
}

static void expired(struct timer *timer)
{
	struct lapic *lapic = CONTAINER_OF(timer, struct lapic, timer.timer);

	if (timer_mode(lapic) == MODE_TSC_DEADLINE) {
		if (lapic->timer.tsc_deadline != 0)
			serve_deadline(lapic);
	} else if (lapic->timer.running) {
		serve_count(lapic);
	}
}

void lapic_timer_init(struct lapic *lapic)
{
	timer_init(&lapic->timer.timer, expired);
}

void lapic_timer_reset(struct lapic *lapic)
{
	stop(lapic);
	lapic->timer.tsc_deadline = 0;
	lapic->timer.initial = 0;
	lapic->timer.divide = 0;
}

void lapic_timer_destroy(struct lapic *lapic)
{
	timer_cancel_sync(&lapic->timer.timer);
}

void lapic_timer_restored(struct lapic *lapic)
{
	struct lapic_timer *timer = &lapic->timer;

	timer->divide &= 0xb;
	timer->base_ns = min_u64(timer->base_ns, now_ns(lapic));
	timer->running = timer->running && timer->initial != 0 && timer->first != 0 &&
			 timer_mode(lapic) < MODE_TSC_DEADLINE;
	if (timer_mode(lapic) == MODE_PERIODIC && timer->running) {
		uint64_t counts = elapsed_counts(lapic, now_ns(lapic));

		timer->fired = counts < timer->first ? 0 : (counts - timer->first) / timer->initial;
	} else {
		timer->fired = 0;
	}
	if (timer_mode(lapic) == MODE_TSC_DEADLINE && timer->tsc_deadline != 0)
		serve_deadline(lapic);
	else if (timer->running)
		arm_ns(lapic, expiry_ns(timer, timer->fired));
}
