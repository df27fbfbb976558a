/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU alternates between serving (mailbox, timers, console) and running vCPUs. Whoever gives it
 * something to do sets `attention` after that and kicks it; it clears `attention` before it looks,
 * so nothing is missed.
 */
#include "vmm/cpu.h"

#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

struct cpu *cpus[CPUS_MAX];
unsigned cpu_count;

static bool (*background_busy)(void);
static void (*background_pump)(void);

static void slice_over(struct timer *timer)
{
	struct cpu *cpu = CONTAINER_OF(timer, struct cpu, slice);
	struct vcpu *running = atomic_load(&cpu->running);

	if (running != NULL && (cpu->lending || atomic_load(&cpu->run_queue.count) != 0))
		vcpu_request(running, VCPU_REQUEST_YIELD);
}

void cpu_init(struct cpu *cpu, unsigned id, uint32_t apic_id)
{
	cpu->id = id;
	cpu->apic_id = apic_id;
	cpu->timer_deadline = TIMER_NEVER;
	timer_queue_init(&cpu->timers, cpu);
	timer_init(&cpu->slice, slice_over);
	run_queue_init(&cpu->run_queue);
	atomic_store(&cpu->mailbox, NULL);
	atomic_store(&cpu->running, NULL);
	atomic_store(&cpu->attention, false);
}

void cpu_set_background(bool (*busy)(void), void (*pump)(void))
{
	background_busy = busy;
	background_pump = pump;
}

void cpu_kick(struct cpu *cpu)
{
	atomic_store(&cpu->attention, true);
	platform_kick_cpu(cpu);
}

void cpu_post(struct cpu *cpu, struct cpu_work *work)
{
	struct cpu_work *head = atomic_load(&cpu->mailbox);

	do {
		work->next = head;
	} while (!atomic_compare_exchange_weak(&cpu->mailbox, &head, work));
	cpu_kick(cpu);
}

static void run_mailbox(struct cpu *cpu)
{
	struct cpu_work *work = atomic_exchange(&cpu->mailbox, NULL);
	struct cpu_work *in_order = NULL;

	while (work != NULL) {
		struct cpu_work *next = work->next;

		work->next = in_order;
		in_order = work;
		work = next;
	}
	while (in_order != NULL) {
		struct cpu_work *next = in_order->next;

		in_order->function(in_order);
		in_order = next;
	}
}

static void program_timer(struct cpu *cpu)
{
	uint64_t next = timer_queue_next(&cpu->timers);

	if (next == cpu->timer_deadline)
		return;
	cpu->timer_deadline = next;
	platform_set_timer(next);
}

/* Runs the timers that are due; the hardware timer has fired for them and is programmed anew. */
static void run_timers(struct cpu *cpu)
{
	uint64_t now = platform_now();

	if (now >= cpu->timer_deadline)
		cpu->timer_deadline = TIMER_NEVER;
	timer_queue_run(&cpu->timers, now);
	program_timer(cpu);
}

static bool background_due(const struct cpu *cpu)
{
	return cpu->id == 0 && background_busy != NULL && background_busy();
}

bool cpu_service(struct cpu *cpu)
{
	struct vcpu *running = atomic_load(&cpu->running);

	atomic_store(&cpu->attention, false);
	run_timers(cpu);
	if (!cpu->lending && (atomic_load(&cpu->mailbox) != NULL || background_due(cpu)))
		return true;
	if (running == NULL || atomic_load(&cpu->run_queue.count) == 0)
		return false;
	if (sched_should_yield(&cpu->run_queue, running->virtual_runtime + platform_now() -
							cpu->turn_start -
							timer_ns_to_ticks(SCHED_GRANULARITY_NS)))
		return true;
	/* Somebody waits for its turn: it comes at the latest when this slice ends. */
	if (!cpu->slice.armed)
		timer_arm(&cpu->timers, &cpu->slice,
			  platform_now() + timer_ns_to_ticks(SCHED_SLICE_NS));
	program_timer(cpu);
	return false;
}

/* Where the vCPU goes after its turn. A request that came meanwhile finds it either still running
 * or blocked. */
static void put_back(struct cpu *cpu, struct vcpu *vcpu, enum vcpu_verdict verdict)
{
	uint32_t blocked = VCPU_BLOCKED;

	if (verdict == VCPU_STOP) {
		atomic_store(&vcpu->state, VCPU_OFFLINE);
		vm_vcpu_left(vcpu->vm); /* who may free it */
		return;
	}
	if (verdict == VCPU_IDLE) {
		atomic_store(&vcpu->state, VCPU_BLOCKED);
		if (atomic_load(&vcpu->requests) == 0 ||
		    !atomic_compare_exchange_strong(&vcpu->state, &blocked, VCPU_RUNNABLE))
			return;
	}
	vcpu->pv.runnable_since = platform_now();
	sched_enqueue(&cpu->run_queue, vcpu);
}

static void run_turn(struct cpu *cpu, struct vcpu *vcpu)
{
	uint64_t start = platform_now();
	enum vcpu_verdict verdict;
	uint64_t ticks;

	cpu->turn_start = start;
	vcpu->pv.steal_ticks += start - vcpu->pv.runnable_since;
	if (cpu->lending || atomic_load(&cpu->run_queue.count) != 0)
		timer_arm(&cpu->timers, &cpu->slice, start + timer_ns_to_ticks(SCHED_SLICE_NS));
	sched_turn_begin(&cpu->run_queue, vcpu, start);
	atomic_store(&cpu->running, vcpu);
	verdict = vcpu_run(vcpu);
	atomic_store(&cpu->running, NULL);
	timer_cancel(&cpu->slice);
	ticks = platform_now() - start;
	vcpu->stats.run_ticks += ticks;
	sched_turn_end(&cpu->run_queue, ticks);
	put_back(cpu, vcpu, verdict);
}

void cpu_lend_turn(struct cpu *cpu)
{
	struct vcpu *vcpu;

	platform_poll_interrupts();
	run_timers(cpu);
	vcpu = sched_pick(&cpu->run_queue);
	if (vcpu == NULL)
		return;
	cpu->lending = true;
	run_turn(cpu, vcpu);
	cpu->lending = false;
	/* What was not looked at meanwhile. */
	atomic_store(&cpu->attention, true);
}

static void idle(struct cpu *cpu)
{
	uint64_t start = platform_now();

	/* Interrupts are off: what comes after this look ends platform_idle() at once. */
	if (!atomic_load(&cpu->attention) && !background_due(cpu))
		platform_idle();
	cpu->idle_ticks += platform_now() - start;
}

void cpu_main(struct cpu *cpu)
{
	for (;;) {
		struct vcpu *vcpu;

		atomic_store(&cpu->attention, false);
		platform_poll_interrupts();
		run_timers(cpu);
		run_mailbox(cpu);
		if (background_due(cpu))
			background_pump();
		vcpu = sched_pick(&cpu->run_queue);
		if (vcpu != NULL)
			run_turn(cpu, vcpu);
		else
			idle(cpu);
	}
}
