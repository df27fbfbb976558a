/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host CPU as the VMM sees it: its timers, the vCPUs that share it, and the loop in which it
 * lives.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/cpu_mask.h"
#include "vmm/sched.h"
#include "vmm/timer.h"
#include "vmm/types.h"

struct vcpu;

/* Work that one CPU hands to another (or to itself, for later). The caller owns it until it was
 * called. */
struct cpu_work {
	struct cpu_work *next;
	void (*function)(struct cpu_work *work);
};

struct cpu {
	unsigned id; /* 0 is the boot CPU */
	uint32_t apic_id;
	struct timer_queue timers;
	struct run_queue run_queue;
	struct vcpu *loaded; /* whose state this CPU's registers hold, or NULL */
	_Atomic(struct vcpu *)
		running; /* in vcpu_run() now, or NULL: for kicks and fault reports */
	_Atomic(struct cpu_work *) mailbox;
	uint64_t idle_ticks;
	void *arch;    /* struct x86_cpu */
	void *backend; /* the vendor's per-CPU block */
};

/* All CPUs that were started, by id. Filled at boot, constant afterwards. */
extern struct cpu *cpus[CPUS_MAX];
extern unsigned cpu_count;

/* Prepares the VMM's part of a zeroed struct. */
void cpu_init(struct cpu *cpu, unsigned id, uint32_t apic_id);

/* Puts work into a CPU's mailbox and kicks it. Its function is called once, from cpu_main() on that
 * CPU. */
void cpu_post(struct cpu *cpu, struct cpu_work *work);

/*
 * The life of a CPU after boot: mailbox, timers, console (boot CPU), the next vCPU; idle where
 * there is none. Called on the CPU's own stack with interrupts off.
 */
HV_NORETURN void cpu_main(struct cpu *cpu);

/* Sets what the boot CPU does in each round of cpu_main(): the management console's pump. */
void cpu_set_background(void (*function)(void));
