/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of cpu_lend_turn() in vmm/cpu.c: a vCPU's turn in the middle of the CPU's own work. */
#include "vcpu_fixture.h"

#include "vmm/platform.h"
#include "vmm/sched.h"
#include "vmm/timer.h"

static unsigned works_done;

static void work_function(struct cpu_work *work)
{
	(void)work;
	works_done++;
}

static void slice_passes(void)
{
	fake_platform_advance(timer_ns_to_ticks(SCHED_SLICE_NS));
	atomic_store(&vcpu->cpu->attention, true);
}

static void look(void)
{
	atomic_store(&vcpu->cpu->attention, true);
}

/* Nobody else waits for the CPU, but the work that lends it does. */
static void a_lent_turn_ends_with_its_slice(void **state)
{
	(void)state;
	PLAY({EXIT_CPUID, look}, {EXIT_CPUID, slice_passes});
	assert_true(sched_enqueue(&vcpu->cpu->run_queue, vcpu));
	cpu_lend_turn(vcpu->cpu);
	assert_int_equal(script_at, 2);
	assert_int_equal(atomic_load(&vcpu->state), VCPU_RUNNABLE);
	assert_int_equal(atomic_load(&vcpu->cpu->run_queue.count), 1);
	assert_null(atomic_load(&vcpu->cpu->running));
}

/* The mailbox neither takes the turn away nor is it emptied or forgotten. */
static void the_mailbox_waits(void **state)
{
	struct cpu_work work = {.function = work_function};

	(void)state;
	works_done = 0;
	cpu_post(vcpu->cpu, &work);
	PLAY({EXIT_CPUID, look}, {EXIT_CPUID, slice_passes});
	assert_true(sched_enqueue(&vcpu->cpu->run_queue, vcpu));
	cpu_lend_turn(vcpu->cpu);
	assert_int_equal(script_at, 2);
	assert_int_equal(works_done, 0);
	assert_ptr_equal(atomic_load(&vcpu->cpu->mailbox), &work);
	assert_true(atomic_load(&vcpu->cpu->attention));
	/* Afterwards it counts again. */
	assert_true(cpu_service(vcpu->cpu));
}

static bool timer_ran;

static void timer_function(struct timer *timer)
{
	(void)timer;
	timer_ran = true;
}

static void timers_run_without_a_vcpu(void **state)
{
	struct timer timer;

	(void)state;
	timer_ran = false;
	timer_init(&timer, timer_function);
	timer_arm(&vcpu->cpu->timers, &timer, platform_now());
	cpu_lend_turn(vcpu->cpu);
	assert_true(timer_ran);
	assert_int_equal(fake()->runs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lent_turn_ends_with_its_slice),
		TEST(the_mailbox_waits),
		TEST(timers_run_without_a_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
