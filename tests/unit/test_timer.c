/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/timer.c. */
#include "vmm/cpu.h"
#include "vmm/timer.h"

#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct recorded_timer {
	struct timer timer;
	unsigned fired;
	unsigned order; /* which firing of all was its last */
	uint64_t again; /* arms itself anew for this deadline, 0: no */
};

struct fixture {
	struct cpu cpus[2];
	struct recorded_timer timers[3];
};

static unsigned firings;
static struct fixture fixture;

static void on_timer(struct timer *timer)
{
	struct recorded_timer *recorded = CONTAINER_OF(timer, struct recorded_timer, timer);

	recorded->fired++;
	recorded->order = ++firings;
	if (recorded->again != 0)
		timer_arm(&fixture.cpus[0].timers, timer, recorded->again);
	recorded->again = 0;
}

static int setup(void **state)
{
	fake_platform_reset();
	firings = 0;
	fixture = (struct fixture){0};
	for (unsigned i = 0; i < 2; i++)
		cpu_init(&fixture.cpus[i], i, i);
	for (unsigned i = 0; i < 3; i++)
		timer_init(&fixture.timers[i].timer, on_timer);
	*state = &fixture;
	return 0;
}

static void test_fires_in_order_of_deadline(void **state)
{
	struct fixture *f = *state;
	struct timer_queue *queue = &f->cpus[0].timers;

	assert_int_equal(timer_queue_next(queue), TIMER_NEVER);
	timer_arm(queue, &f->timers[0].timer, 300);
	timer_arm(queue, &f->timers[1].timer, 100);
	timer_arm(queue, &f->timers[2].timer, 200);
	assert_int_equal(timer_queue_next(queue), 100);
	timer_queue_run(queue, 99);
	assert_int_equal(firings, 0);
	timer_queue_run(queue, 250);
	assert_int_equal(f->timers[1].order, 1);
	assert_int_equal(f->timers[2].order, 2);
	assert_int_equal(f->timers[0].fired, 0);
	assert_int_equal(timer_queue_next(queue), 300);
}

static void test_arming_again_moves_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct timer_queue *queue = &f->cpus[0].timers;

	timer_arm(queue, &f->timers[0].timer, 100);
	timer_arm(queue, &f->timers[0].timer, 500);
	timer_queue_run(queue, 400);
	assert_int_equal(f->timers[0].fired, 0);
	timer_arm(queue, &f->timers[0].timer, TIMER_NEVER);
	assert_int_equal(timer_queue_next(queue), TIMER_NEVER);
	timer_queue_run(queue, UINT64_MAX);
	assert_int_equal(f->timers[0].fired, 0);
}

static void test_moves_between_queues(void **state)
{
	struct fixture *f = *state;

	timer_arm(&f->cpus[0].timers, &f->timers[0].timer, 100);
	timer_arm(&f->cpus[1].timers, &f->timers[0].timer, 50);
	assert_int_equal(timer_queue_next(&f->cpus[0].timers), TIMER_NEVER);
	timer_queue_run(&f->cpus[0].timers, 1000);
	assert_int_equal(f->timers[0].fired, 0);
	timer_queue_run(&f->cpus[1].timers, 1000);
	assert_int_equal(f->timers[0].fired, 1);
}

static void test_cancelled_timer_stays_silent(void **state)
{
	struct fixture *f = *state;
	struct timer_queue *queue = &f->cpus[0].timers;

	timer_cancel(&f->timers[0].timer); /* never armed */
	timer_cancel_sync(&f->timers[0].timer);
	timer_arm(queue, &f->timers[0].timer, 100);
	timer_arm(queue, &f->timers[1].timer, 100);
	timer_cancel(&f->timers[0].timer);
	timer_cancel_sync(&f->timers[1].timer);
	timer_queue_run(queue, 1000);
	assert_int_equal(firings, 0);
}

static void test_may_arm_itself(void **state)
{
	struct fixture *f = *state;
	struct timer_queue *queue = &f->cpus[0].timers;

	f->timers[0].again = 150;
	timer_arm(queue, &f->timers[0].timer, 100);
	timer_queue_run(queue, 120);
	assert_int_equal(f->timers[0].fired, 1);
	assert_int_equal(timer_queue_next(queue), 150);
	timer_queue_run(queue, 150);
	assert_int_equal(f->timers[0].fired, 2);
}

/* The CPU whose queue got a new earliest deadline has to program its timer. */
static void test_new_earliest_deadline_kicks(void **state)
{
	struct fixture *f = *state;

	timer_arm(&f->cpus[1].timers, &f->timers[0].timer, 100);
	assert_int_equal(fake_platform_kicks(), 1);
	assert_ptr_equal(fake_platform_last_kicked(), &f->cpus[1]);
	assert_true(f->cpus[1].attention);
	timer_arm(&f->cpus[1].timers, &f->timers[1].timer, 200);
	assert_int_equal(fake_platform_kicks(), 1);
	timer_arm(&f->cpus[1].timers, &f->timers[2].timer, 50);
	assert_int_equal(fake_platform_kicks(), 2);
}

static void test_conversions(void **state)
{
	(void)state;
	assert_int_equal(timer_muldiv(7, 3, 2), 10);
	assert_int_equal(timer_muldiv(UINT64_MAX, 1000, 1000), UINT64_MAX);
	assert_int_equal(timer_muldiv(UINT64_MAX, 2, 1), UINT64_MAX);
	assert_int_equal(timer_muldiv(1ull << 63, 6, 12), 1ull << 62);
	assert_int_equal(timer_ns_to_ticks(1000), 1000 * FAKE_TICK_HZ / 1000000000);
	assert_int_equal(timer_ticks_to_ns(FAKE_TICK_HZ), 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fires_in_order_of_deadline, setup),
		cmocka_unit_test_setup(test_arming_again_moves_the_deadline, setup),
		cmocka_unit_test_setup(test_moves_between_queues, setup),
		cmocka_unit_test_setup(test_cancelled_timer_stays_silent, setup),
		cmocka_unit_test_setup(test_may_arm_itself, setup),
		cmocka_unit_test_setup(test_new_earliest_deadline_kicks, setup),
		cmocka_unit_test_setup(test_conversions, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
