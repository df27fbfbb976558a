/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares a CPU among its runnable vCPUs: the one that has had least of it runs next, for a slice. A
 * tree ordered by virtual run time makes every decision O(log n); a vCPU that slept is not owed for
 * its sleep.
 */
#pragma once

#include <bsd/sys/tree.h>

#include "vmm/spinlock.h"
#include "vmm/types.h"

struct vcpu;
RB_HEAD(vcpu_tree, vcpu);

#define SCHED_SLICE_NS 5000000 /* of a vCPU, while others wait */

/* Who wakes takes the CPU at once from one that has had at least this much more of it: much more
 * than what the change of turns itself costs. */
#define SCHED_GRANULARITY_NS 500000

struct run_queue {
	struct spinlock lock;
	struct vcpu_tree tree;
	_Atomic unsigned
		count;	  /* vCPUs that wait, without the one that runs; read without the lock */
	uint64_t minimum; /* virtual run time that newcomers start from */
	struct vcpu *running; /* its turn has not been charged yet */
	uint64_t since;	      /* platform_now() when the turn began */
};

void run_queue_init(struct run_queue *queue);

/* Makes a vCPU wait for its turn; nothing happens where it is queued already. Returns true where it
 * was added. */
bool sched_enqueue(struct run_queue *queue, struct vcpu *vcpu);

/* Takes the next vCPU out, NULL where none waits. */
struct vcpu *sched_pick(struct run_queue *queue);

/* Takes a queued vCPU out, if it is there. */
void sched_remove(struct run_queue *queue, struct vcpu *vcpu);

/* Accounts for time (platform_now() ticks) that the vCPU ran; while it is not queued. */
void sched_charge(struct vcpu *vcpu, uint64_t ticks);

/*
 * A picked vCPU's turn, begun at `now`; its end charges it. Between the two the queue knows how
 * long the turn has lasted: who comes meanwhile does not start from before it.
 */
void sched_turn_begin(struct run_queue *queue, struct vcpu *vcpu, uint64_t now);
void sched_turn_end(struct run_queue *queue, uint64_t ticks);

/*
 * Whether a vCPU waits that should run before one whose virtual run time is `runtime` by now goes
 * on: it woke, and has had less.
 */
bool sched_should_yield(struct run_queue *queue, uint64_t runtime);
