/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual run times are compared as differences, so that they may wrap. The queue's minimum never
 * goes back; a vCPU that comes from sleep or from creation starts there, at most a slice behind it.
 */
#include "vmm/sched.h"

#include "vmm/platform.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"

static int compare(const struct vcpu *a, const struct vcpu *b)
{
	if (a->virtual_runtime != b->virtual_runtime)
		return (int64_t)(a->virtual_runtime - b->virtual_runtime) < 0 ? -1 : 1;
	return (a > b) - (a < b);
}

RB_GENERATE_INTERNAL(vcpu_tree, vcpu, run_node, compare, HV_GENERATED)

void run_queue_init(struct run_queue *queue)
{
	queue->lock = (struct spinlock)SPINLOCK_INIT;
	RB_INIT(&queue->tree);
	atomic_store(&queue->count, 0);
	queue->minimum = 0;
	queue->running = NULL;
}

/* To the run time of who has had least, of those that wait and the one that runs. */
static void advance_minimum_locked(struct run_queue *queue)
{
	const struct vcpu *first = RB_MIN(vcpu_tree, &queue->tree);
	uint64_t least;

	if (queue->running == NULL)
		return;
	least = queue->running->virtual_runtime + platform_now() - queue->since;
	if (first != NULL && (int64_t)(first->virtual_runtime - least) < 0)
		least = first->virtual_runtime;
	if ((int64_t)(least - queue->minimum) > 0)
		queue->minimum = least;
}

bool sched_enqueue(struct run_queue *queue, struct vcpu *vcpu)
{
	uint64_t credit = timer_ns_to_ticks(SCHED_SLICE_NS) / 2;
	bool added = false;

	spin_lock(&queue->lock);
	if (!vcpu->queued) {
		advance_minimum_locked(queue);
		/* What it did not use while it slept is lost, but for half a slice: a waker runs
		 * soon. */
		if ((int64_t)(vcpu->virtual_runtime - (queue->minimum - credit)) < 0)
			vcpu->virtual_runtime = queue->minimum - credit;
		RB_INSERT(vcpu_tree, &queue->tree, vcpu);
		vcpu->queued = true;
		atomic_fetch_add(&queue->count, 1);
		added = true;
	}
	spin_unlock(&queue->lock);
	return added;
}

static void take_locked(struct run_queue *queue, struct vcpu *vcpu)
{
	RB_REMOVE(vcpu_tree, &queue->tree, vcpu);
	vcpu->queued = false;
	atomic_fetch_sub(&queue->count, 1);
}

struct vcpu *sched_pick(struct run_queue *queue)
{
	struct vcpu *vcpu;

	if (atomic_load(&queue->count) == 0)
		return NULL;
	spin_lock(&queue->lock);
	vcpu = RB_MIN(vcpu_tree, &queue->tree);
	if (vcpu != NULL) {
		take_locked(queue, vcpu);
		if ((int64_t)(vcpu->virtual_runtime - queue->minimum) > 0)
			queue->minimum = vcpu->virtual_runtime;
	}
	spin_unlock(&queue->lock);
	return vcpu;
}

void sched_remove(struct run_queue *queue, struct vcpu *vcpu)
{
	spin_lock(&queue->lock);
	if (vcpu->queued)
		take_locked(queue, vcpu);
	spin_unlock(&queue->lock);
}

void sched_charge(struct vcpu *vcpu, uint64_t ticks)
{
	vcpu->virtual_runtime += ticks;
}

void sched_turn_begin(struct run_queue *queue, struct vcpu *vcpu, uint64_t now)
{
	spin_lock(&queue->lock);
	queue->running = vcpu;
	queue->since = now;
	spin_unlock(&queue->lock);
}

void sched_turn_end(struct run_queue *queue, uint64_t ticks)
{
	spin_lock(&queue->lock);
	sched_charge(queue->running, ticks);
	queue->running = NULL;
	spin_unlock(&queue->lock);
}

bool sched_should_yield(struct run_queue *queue, uint64_t runtime)
{
	struct vcpu *first;
	bool yield;

	if (atomic_load(&queue->count) == 0)
		return false;
	spin_lock(&queue->lock);
	first = RB_MIN(vcpu_tree, &queue->tree);
	yield = first != NULL && (int64_t)(first->virtual_runtime - runtime) < 0;
	spin_unlock(&queue->lock);
	return yield;
}
