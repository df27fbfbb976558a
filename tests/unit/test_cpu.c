/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/cpu.c: mailbox, timers, turns of vCPUs, and what happens between them. */
#include "vmm/cpu.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include "fake_backend.h"
#include "fake_cpu.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define VCPUS 3
#define SLICE timer_ns_to_ticks(SCHED_SLICE_NS)

static struct vm vm;
static struct vm_config config;
static struct vcpu vcpus[VCPUS];
static struct cpu *cpu;

static char events[512]; /* what happened, in order */

static void note(const char *what)
{
	strlcat(events, what, sizeof(events));
}

/* What each vCPU's guest does at its next entries. */
static void (*guest[VCPUS])(struct vcpu *vcpu, struct vm_exit *exit);

static void run_guest(struct vcpu *vcpu, struct vm_exit *exit)
{
	assert_ptr_equal(atomic_load(&vcpu->cpu->running), vcpu);
	assert_non_null(guest[vcpu->id]);
	guest[vcpu->id](vcpu, exit);
}

static void halt(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	exit->kind = EXIT_HLT;
	exit->length = 1;
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_platform_set_time(1000);
	fake_backend_install();
	fake_backend_on_run(run_guest);
	fake_cpus_create(2);
	cpu = cpus[0];
	memset(&vm, 0, sizeof(vm));
	memset(guest, 0, sizeof(guest));
	vm.config = &config;
	fake_intc_install(&vm);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i] = (struct vcpu){.id = i, .vm = &vm, .cpu = cpu};
		(void)fake_backend_attach(&vcpus[i]);
	}
	events[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cpu_set_background(NULL, NULL);
	for (unsigned i = 0; i < VCPUS; i++)
		fake_backend_detach(&vcpus[i]);
	return 0;
}

static void enqueue(unsigned id)
{
	vcpus[id].pv.runnable_since = platform_now();
	atomic_store(&vcpus[id].state, VCPU_RUNNABLE);
	assert_true(sched_enqueue(&cpu->run_queue, &vcpus[id]));
}

/* ---- mailbox and timers ---- */

struct noted_work {
	struct cpu_work work;
	const char *what;
	struct noted_work *next; /* to be posted from this one */
};

static void do_work(struct cpu_work *work)
{
	struct noted_work *noted = CONTAINER_OF(work, struct noted_work, work);

	note(noted->what);
	if (noted->next != NULL)
		cpu_post(cpu, &noted->next->work);
}

static void test_mailbox_keeps_the_order(void **state)
{
	struct noted_work last = {{NULL, do_work}, "last", NULL};
	struct noted_work first = {{NULL, do_work}, "first ", &last};
	struct noted_work second = {{NULL, do_work}, "second ", NULL};

	(void)state;
	cpu_post(cpu, &first.work);
	cpu_post(cpu, &second.work);
	assert_int_equal(fake_platform_kicks(), 2);
	assert_true(atomic_load(&cpu->attention));
	assert_string_equal(events, ""); /* on its CPU only */
	fake_cpu_run(cpus[1]);
	assert_string_equal(events, "");
	fake_cpu_run(cpu);
	assert_string_equal(events, "first second last");
}

static void on_timer(struct timer *timer)
{
	(void)timer;
	note("timer ");
}

static void test_timers_fire_and_the_next_is_programmed(void **state)
{
	struct timer timers[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		timer_init(&timers[i], on_timer);
		timer_arm(&cpu->timers, &timers[i], 2000 + i * 500);
	}
	fake_cpu_run(cpu);
	assert_string_equal(events, "");
	assert_int_equal(fake_platform_timer(), 2000);
	fake_platform_set_time(2000);
	fake_cpu_run(cpu);
	assert_string_equal(events, "timer ");
	assert_int_equal(fake_platform_timer(), 2500);
	timer_cancel(&timers[1]);
	fake_cpu_run(cpu);
	assert_int_equal(fake_platform_timer(), UINT64_MAX);
}

/* One that is armed for a time that has passed fires at once. */
static void test_deadline_in_the_past(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, on_timer);
	timer_arm(&cpu->timers, &timer, 10);
	fake_cpu_run(cpu);
	timer_arm(&cpu->timers, &timer, 10);
	fake_cpu_run(cpu);
	assert_string_equal(events, "timer timer ");
}

/* ---- background ---- */

static unsigned background_left;

static bool background_busy(void)
{
	return background_left != 0;
}

static void background_pump(void)
{
	background_left--;
	note("pump ");
}

static void test_background_is_the_boot_cpus(void **state)
{
	(void)state;
	cpu_set_background(background_busy, background_pump);
	background_left = 2;
	fake_cpu_run(cpus[1]);
	assert_int_equal(background_left, 2);
	fake_cpu_run(cpus[0]);
	assert_int_equal(background_left, 0);
}

/* A guest gives way to it, and comes back. */
static void type_something(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	note("guest ");
	background_left = 1;
	exit->kind = EXIT_HOST_EVENT;
	guest[0] = halt;
}

static void test_background_interrupts_a_guest(void **state)
{
	(void)state;
	cpu_set_background(background_busy, background_pump);
	background_left = 0;
	guest[0] = type_something;
	enqueue(0);
	fake_cpu_run(cpu);
	assert_string_equal(events, "guest pump ");
	assert_int_equal(fake_vcpu(&vcpus[0])->runs, 2);
}

/* ---- turns ---- */

static void test_idle_vcpu_blocks(void **state)
{
	(void)state;
	guest[0] = halt;
	enqueue(0);
	fake_platform_advance(250);
	fake_cpu_run(cpu);
	assert_int_equal(atomic_load(&vcpus[0].state), VCPU_BLOCKED);
	assert_null(atomic_load(&cpu->running));
	assert_int_equal(vcpus[0].pv.steal_ticks, 250);
	vcpu_request(&vcpus[0], VCPU_REQUEST_EVENT);
	assert_int_equal(atomic_load(&vcpus[0].state), VCPU_RUNNABLE);
	fake_cpu_run(cpu);
	assert_int_equal(fake_vcpu(&vcpus[0])->runs, 1); /* nothing ended the halt */
	assert_int_equal(atomic_load(&vcpus[0].state), VCPU_BLOCKED);
}

static void halt_with_kick_of_another(struct vcpu *vcpu, struct vm_exit *exit)
{
	vcpu_request(&vcpus[1], VCPU_REQUEST_NMI);
	halt(vcpu, exit);
}

/* Who runs can wake another on the same CPU. */
static void test_wake_of_another(void **state)
{
	(void)state;
	guest[0] = halt_with_kick_of_another;
	guest[1] = halt;
	atomic_store(&vcpus[1].state, VCPU_BLOCKED);
	vcpus[1].activity = VCPU_HALTED;
	enqueue(0);
	fake_cpu_run(cpu);
	assert_int_equal(fake_vcpu(&vcpus[1])->event_count, 1);
	assert_int_equal(fake_vcpu(&vcpus[1])->events[0].type, EVENT_NMI);
}

static void spin(struct vcpu *vcpu, struct vm_exit *exit)
{
	static const char *const names[VCPUS] = {"a", "b", "c"};

	note(names[vcpu->id]);
	fake_platform_advance(SLICE);
	exit->kind = EXIT_HOST_EVENT; /* the timer's interrupt */
	if (strlen(events) >= 12)
		guest[0] = guest[1] = guest[2] = halt;
}

/* Spinners take turns of a slice each. */
static void test_spinners_take_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++) {
		guest[i] = spin;
		enqueue(i);
	}
	fake_cpu_run(cpu);
	for (const char *name = "abc"; *name != '\0'; name++) {
		unsigned turns = 0;

		for (const char *at = events; *at != '\0'; at++)
			turns += *at == *name;
		assert_int_equal(turns, 4);
	}
	assert_null(strstr(events, "aa"));
	assert_null(strstr(events, "bb"));
	assert_null(strstr(events, "cc"));
	assert_int_equal(vcpus[0].stats.run_ticks, 4 * SLICE);
	assert_true(vcpus[0].pv.steal_ticks >= 6 * SLICE);
	assert_false(cpu->slice.armed);
}

/* One that runs alone is not interrupted by slices. */
static void spin_alone(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	assert_int_equal(fake_platform_timer(), UINT64_MAX);
	note("a");
	fake_platform_advance(100 * SLICE);
	exit->kind = EXIT_HOST_EVENT;
	if (strlen(events) == 3)
		guest[0] = halt;
}

static void test_no_slices_for_one_alone(void **state)
{
	(void)state;
	guest[0] = spin_alone;
	enqueue(0);
	fake_cpu_run(cpu);
	assert_int_equal(fake_vcpu(&vcpus[0])->loads, 1);
	assert_int_equal(vcpus[0].stats.run_ticks, 300 * SLICE);
}

/* Somebody who comes while one runs gets its turn at the latest when the slice ends. */
static void wake_another_and_spin(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	vcpus[1].virtual_runtime = vcpus[0].virtual_runtime + SLICE / 2; /* not at once */
	vcpu_request(&vcpus[1], VCPU_REQUEST_WAKE);
	exit->kind = EXIT_HOST_EVENT;
	guest[0] = spin;
}

static void test_slice_begins_when_another_comes(void **state)
{
	(void)state;
	atomic_store(&vcpus[1].state, VCPU_BLOCKED);
	vcpus[1].activity = VCPU_HALTED;
	guest[0] = wake_another_and_spin;
	guest[1] = spin;
	enqueue(0);
	fake_cpu_run(cpu);
	assert_memory_equal(events, "ab", 2);
}

/* What the CPU itself spends on a change of turns must not end the next turn before it began: two
 * spinners would hand the CPU to each other for ever. */
static void test_turn_is_not_cut_to_nothing(void **state)
{
	(void)state;
	enqueue(1);
	atomic_store(&cpu->running, &vcpus[0]);
	cpu->turn_start = platform_now();
	fake_platform_advance(SLICE / 100);
	assert_false(cpu_service(cpu));
	fake_platform_advance(SLICE / 2);
	assert_true(cpu_service(cpu));
	atomic_store(&cpu->running, NULL);
	timer_cancel(&cpu->slice);
	sched_remove(&cpu->run_queue, &vcpus[1]);
}

/* ---- the end ---- */

static void stop_itself(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)exit;
	exit->kind = EXIT_HOST_EVENT;
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
}

/* Of a VM with more vCPUs alive: the last reaps it, and that is not this one. */
static void test_stopped_vcpu_leaves(void **state)
{
	(void)state;
	atomic_store(&vm.vcpus_alive, 2);
	guest[0] = stop_itself;
	enqueue(0);
	fake_cpu_run(cpu);
	assert_int_equal(atomic_load(&vcpus[0].state), VCPU_OFFLINE);
	assert_int_equal(atomic_load(&vm.vcpus_alive), 1);
	assert_int_equal(atomic_load(&cpu->run_queue.count), 0);
	assert_null(atomic_load(&cpu->mailbox));
	vcpu_request(&vcpus[0], VCPU_REQUEST_NMI);
	assert_int_equal(atomic_load(&vcpus[0].state), VCPU_OFFLINE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mailbox_keeps_the_order),
		TEST(test_timers_fire_and_the_next_is_programmed),
		TEST(test_deadline_in_the_past),
		TEST(test_background_is_the_boot_cpus),
		TEST(test_background_interrupts_a_guest),
		TEST(test_idle_vcpu_blocks),
		TEST(test_wake_of_another),
		TEST(test_spinners_take_turns),
		TEST(test_no_slices_for_one_alone),
		TEST(test_slice_begins_when_another_comes),
		TEST(test_turn_is_not_cut_to_nothing),
		TEST(test_stopped_vcpu_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
