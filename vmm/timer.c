/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Red-black trees of deadlines. A timer's `queue` names the queue whose lock guards it: it is set
 * when the timer is first armed and changes only under both locks' order (old queue left before the
 * new one is entered).
 */
#include "vmm/timer.h"

#include "vmm/cpu.h"
#include "vmm/platform.h"

static int compare(const struct timer *a, const struct timer *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline ? -1 : 1;
	return (a > b) - (a < b);
}

RB_GENERATE_INTERNAL(timer_tree, timer, node, compare, HV_GENERATED)

void timer_queue_init(struct timer_queue *queue, struct cpu *cpu)
{
	queue->lock = (struct spinlock)SPINLOCK_INIT;
	RB_INIT(&queue->tree);
	atomic_store(&queue->running, NULL);
	atomic_store(&queue->next, TIMER_NEVER);
	queue->cpu = cpu;
}

void timer_init(struct timer *timer, timer_fn *function)
{
	timer->function = function;
	timer->deadline = TIMER_NEVER;
	timer->armed = false;
	atomic_store(&timer->queue, NULL);
}

static void update_next(struct timer_queue *queue)
{
	struct timer *first = RB_MIN(timer_tree, &queue->tree);

	atomic_store(&queue->next, first == NULL ? TIMER_NEVER : first->deadline);
}

static void remove_locked(struct timer_queue *queue, struct timer *timer)
{
	if (!timer->armed)
		return;
	RB_REMOVE(timer_tree, &queue->tree, timer);
	timer->armed = false;
	update_next(queue);
}

/* Locks the queue that the timer belongs to, which may change until it is locked; NULL where it has
 * none. */
static struct timer_queue *lock_queue_of(struct timer *timer)
{
	struct timer_queue *queue;

	while ((queue = atomic_load(&timer->queue)) != NULL) {
		spin_lock(&queue->lock);
		if (atomic_load(&timer->queue) == queue)
			return queue;
		spin_unlock(&queue->lock);
	}
	return NULL;
}

void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline)
{
	struct timer_queue *old = lock_queue_of(timer);
	bool earliest;

	if (old == NULL) {
		spin_lock(&queue->lock);
	} else {
		remove_locked(old, timer);
		if (old != queue) {
			spin_unlock(&old->lock);
			spin_lock(&queue->lock);
		}
	}
	atomic_store(&timer->queue, queue);
	timer->deadline = deadline;
	timer->armed = deadline != TIMER_NEVER;
	earliest = timer->armed && deadline < atomic_load(&queue->next);
	if (timer->armed)
		RB_INSERT(timer_tree, &queue->tree, timer);
	update_next(queue);
	spin_unlock(&queue->lock);
	if (earliest)
		cpu_kick(queue->cpu);
}

void timer_cancel(struct timer *timer)
{
	struct timer_queue *queue = lock_queue_of(timer);

	if (queue == NULL)
		return;
	remove_locked(queue, timer);
	spin_unlock(&queue->lock);
}

void timer_cancel_sync(struct timer *timer)
{
	struct timer_queue *queue;

	/* The function may arm its timer again: cancel until it neither waits nor runs. */
	while ((queue = lock_queue_of(timer)) != NULL) {
		bool runs = atomic_load(&queue->running) == timer;

		remove_locked(queue, timer);
		spin_unlock(&queue->lock);
		if (!runs)
			return;
		while (atomic_load(&queue->running) == timer)
			__builtin_ia32_pause();
	}
}

/* Takes the earliest timer that is due out of its queue. */
static struct timer *take_due(struct timer_queue *queue, uint64_t now)
{
	struct timer *timer;

	spin_lock(&queue->lock);
	timer = RB_MIN(timer_tree, &queue->tree);
	if (timer != NULL && timer->deadline <= now) {
		remove_locked(queue, timer);
		atomic_store(&queue->running, timer);
	} else {
		timer = NULL;
	}
	spin_unlock(&queue->lock);
	return timer;
}

void timer_queue_run(struct timer_queue *queue, uint64_t now)
{
	struct timer *timer;

	while (atomic_load(&queue->next) <= now && (timer = take_due(queue, now)) != NULL) {
		timer->function(timer);
		atomic_store(&queue->running, NULL);
	}
}

uint64_t timer_queue_next(const struct timer_queue *queue)
{
	return atomic_load_explicit(&queue->next, memory_order_relaxed);
}

uint64_t timer_muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	uint64_t high = (uint64_t)(product >> 64);
	uint64_t quotient, remainder;

	if (high >= c)
		return UINT64_MAX;
	/* 128 by 64 bits with a quotient that fits: one instruction, where C would call a library.
	 */
	__asm__("divq %4"
		: "=a"(quotient), "=d"(remainder)
		: "a"((uint64_t)product), "d"(high), "rm"(c)
		: "cc");
	return quotient;
}

uint64_t timer_ns_to_ticks(uint64_t nanoseconds)
{
	return timer_muldiv(nanoseconds, platform_tick_hz(), 1000000000);
}

uint64_t timer_ticks_to_ns(uint64_t ticks)
{
	return timer_muldiv(ticks, 1000000000, platform_tick_hz());
}
