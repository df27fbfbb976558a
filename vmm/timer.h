/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: each host CPU has a queue ordered by deadline; the CPU's one-shot timer is programmed to
 * the earliest. A timer's function runs on the CPU whose queue it is in, with no lock held, from
 * the run loop (never inside an exit handler). It is a hint: under the device's own lock it must
 * check whether the deadline that it knows has really come.
 */
#pragma once

#include <bsd/sys/tree.h>

#include "vmm/spinlock.h"
#include "vmm/types.h"

#define TIMER_NEVER UINT64_MAX

struct timer;
typedef void timer_fn(struct timer *timer);

struct timer {
	RB_ENTRY(timer) node;
	uint64_t deadline; /* platform_now() ticks */
	timer_fn *function;
	_Atomic(struct timer_queue *) queue; /* that it is armed in or runs in, NULL where idle */
	bool armed;
};

RB_HEAD(timer_tree, timer);

struct timer_queue {
	struct spinlock lock;
	struct timer_tree tree;
	struct timer *_Atomic running; /* whose function is being called, or NULL */
	_Atomic uint64_t next;	       /* earliest deadline or TIMER_NEVER: read without the lock */
	struct cpu *cpu;
};

void timer_queue_init(struct timer_queue *queue, struct cpu *cpu);

/* Prepares a timer; `function` is called when it expires. */
void timer_init(struct timer *timer, timer_fn *function);

/*
 * Arms the timer in `queue` for `deadline` (TIMER_NEVER disarms), wherever it was armed before.
 * Where it becomes the queue's earliest, the queue's CPU is kicked, to program its hardware timer.
 */
void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline);

/* Disarms; its function may still be running on another CPU. */
void timer_cancel(struct timer *timer);

/* Disarms and waits until its function has returned; not from that function itself, and with no
 * lock held that it takes. */
void timer_cancel_sync(struct timer *timer);

/* Calls the functions of all timers of the queue whose deadline is at or before `now`. By the
 * queue's own CPU only. */
void timer_queue_run(struct timer_queue *queue, uint64_t now);

/* Earliest deadline, TIMER_NEVER where the queue is empty. No lock. */
uint64_t timer_queue_next(const struct timer_queue *queue);

/* Converts between nanoseconds and platform_now() ticks; exact to one tick, saturating. */
uint64_t timer_ns_to_ticks(uint64_t nanoseconds);
uint64_t timer_ticks_to_ns(uint64_t ticks);

/* a * b / c with a 128-bit product, rounded down; saturates to UINT64_MAX; c is not 0. */
uint64_t timer_muldiv(uint64_t a, uint64_t b, uint64_t c);
