/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ticket lock: fair, one cache line, and enough for a hypervisor that never sleeps or is
 * preempted while it holds one. Held for short, bounded work only. Order where two are held:
 * vm, device, interrupt controller, timer queue, run queue, heap, pages, log.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/types.h"

struct spinlock {
	_Atomic uint32_t next;
	_Atomic uint32_t serving;
};

#define SPINLOCK_INIT \
	{             \
		0, 0  \
	}

static inline void spin_lock(struct spinlock *lock)
{
	uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

	while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)
		__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	uint32_t ticket = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	atomic_store_explicit(&lock->serving, ticket + 1, memory_order_release);
}
