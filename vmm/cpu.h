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
	_Atomic(struct vcpu *)
		running; /* in vcpu_run() now, or NULL: for kicks and fault reports */
	_Atomic(struct cpu_work *) mailbox;
	_Atomic bool attention;	 /* look at mailbox, timers and run queue before the next entry */
	uint64_t timer_deadline; /* that the hardware timer is programmed to */
	uint64_t turn_start;	 /* platform_now() when the running vCPU's turn began */
	struct timer slice;	 /* ends the running vCPU's turn while others wait */
	bool lending;		 /* in cpu_lend_turn() */
	unsigned placed;	 /* vCPUs that are placed here; the boot CPU's only */
	uint64_t idle_ticks;
	void *arch;    /* struct x86_cpu */
	void *backend; /* the vendor's per-CPU block */
};

/* All CPUs that were started, by id. Filled at boot, constant afterwards. */
extern struct cpu *cpus[CPUS_MAX];
extern unsigned cpu_count;

/* Prepares the VMM's part of a zeroed struct. */
void cpu_init(struct cpu *cpu, unsigned id, uint32_t apic_id);

/* Makes a CPU look at its mailbox, timers and run queue soon. Any CPU, itself too. */
void cpu_kick(struct cpu *cpu);

/*
 * Does what has come due on this CPU (timers) between two guest entries, and programs its timer for
 * the next. Returns true where the running vCPU must give way: work in the mailbox, the console, or
 * a vCPU that should run first.
 */
bool cpu_service(struct cpu *cpu);

/* Puts work into a CPU's mailbox and kicks it. Its function is called once, from cpu_main() on that
 * CPU. */
void cpu_post(struct cpu *cpu, struct cpu_work *work);

/*
 * The life of a CPU after boot: mailbox, timers, console (boot CPU), the next vCPU; idle where
 * there is none. Called on the CPU's own stack with interrupts off.
 */
HV_NORETURN void cpu_main(struct cpu *cpu);

/*
 * In the middle of long work of the calling CPU, from cpu_main() (a mailbox function, the console):
 * lets timers run, and the next vCPU for a slice where one waits. Mailbox and console wait until
 * the work is done, so that what the work is about does not change.
 */
void cpu_lend_turn(struct cpu *cpu);

/* Sets what the boot CPU does in each round of cpu_main() where busy() says so: the management
 * console's pump. */
void cpu_set_background(bool (*busy)(void), void (*pump)(void));
