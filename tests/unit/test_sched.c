/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/sched.c: who runs next, and whether shares come out even. */
#include "vmm/platform.h"
#include "vmm/sched.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"

#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SLICE timer_ns_to_ticks(SCHED_SLICE_NS)

struct fixture {
	struct run_queue queue;
	struct vcpu vcpus[4];
};

static int setup(void **state)
{
	static struct fixture f;

	fake_platform_reset();
	f = (struct fixture){0};
	run_queue_init(&f.queue);
	*state = &f;
	return 0;
}

static void test_empty_queue_gives_nobody(void **state)
{
	struct fixture *f = *state;

	assert_null(sched_pick(&f->queue));
	assert_false(sched_should_yield(&f->queue, 0));
}

static void test_queueing_twice_is_once(void **state)
{
	struct fixture *f = *state;

	assert_true(sched_enqueue(&f->queue, &f->vcpus[0]));
	assert_false(sched_enqueue(&f->queue, &f->vcpus[0]));
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
	assert_null(sched_pick(&f->queue));
}

static void test_removed_vcpu_does_not_run(void **state)
{
	struct fixture *f = *state;

	sched_enqueue(&f->queue, &f->vcpus[0]);
	sched_enqueue(&f->queue, &f->vcpus[1]);
	sched_remove(&f->queue, &f->vcpus[0]);
	sched_remove(&f->queue, &f->vcpus[2]); /* was never there */
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[1]);
	assert_null(sched_pick(&f->queue));
}

static void test_least_run_goes_first(void **state)
{
	struct fixture *f = *state;

	sched_charge(&f->vcpus[0], 3 * SLICE);
	sched_charge(&f->vcpus[1], 1 * SLICE);
	sched_charge(&f->vcpus[2], 2 * SLICE);
	for (unsigned i = 0; i < 3; i++)
		sched_enqueue(&f->queue, &f->vcpus[i]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[1]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[2]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
}

/* A turn that lasts long, since nobody else wanted the CPU, is not owed to who comes then. */
static void test_newcomer_is_not_owed_for_a_turn_that_goes_on(void **state)
{
	struct fixture *f = *state;

	sched_enqueue(&f->queue, &f->vcpus[0]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
	sched_turn_begin(&f->queue, &f->vcpus[0], platform_now());
	fake_platform_advance(1000 * SLICE);
	sched_enqueue(&f->queue, &f->vcpus[1]);
	assert_in_range(f->vcpus[1].virtual_runtime, 999 * SLICE, 1000 * SLICE);
	/* Of two that come, the second is not put behind the first by what runs on. */
	fake_platform_advance(10 * SLICE);
	sched_enqueue(&f->queue, &f->vcpus[2]);
	assert_int_equal(f->vcpus[2].virtual_runtime, f->vcpus[1].virtual_runtime);
	sched_turn_end(&f->queue, 1010 * SLICE);
	assert_int_equal(f->vcpus[0].virtual_runtime, 1010 * SLICE);
	assert_ptr_equal(f->queue.running, NULL);
}

/* Vcpus that always want to run get the same time, whatever the lengths of their turns. */
static void test_spinners_get_equal_shares(void **state)
{
	struct fixture *f = *state;
	uint64_t used[4] = {0};

	for (unsigned i = 0; i < 4; i++)
		sched_enqueue(&f->queue, &f->vcpus[i]);
	for (unsigned turn = 0; turn < 4000; turn++) {
		struct vcpu *vcpu = sched_pick(&f->queue);
		uint64_t ticks = SLICE / (1 + turn % 7);

		used[vcpu - f->vcpus] += ticks;
		sched_charge(vcpu, ticks);
		sched_enqueue(&f->queue, vcpu);
	}
	for (unsigned i = 1; i < 4; i++)
		assert_in_range(used[i], used[0] - SLICE, used[0] + SLICE);
}

/* Who slept does not get the time that it did not use: the spinner keeps half from then on. */
static void test_sleeper_is_not_owed(void **state)
{
	struct fixture *f = *state;
	uint64_t sleeper = 0;

	sched_enqueue(&f->queue, &f->vcpus[0]);
	for (unsigned turn = 0; turn < 1000; turn++) {
		assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
		sched_charge(&f->vcpus[0], SLICE);
		sched_enqueue(&f->queue, &f->vcpus[0]);
	}
	sched_enqueue(&f->queue, &f->vcpus[1]);
	for (unsigned turn = 0; turn < 100; turn++) {
		struct vcpu *vcpu = sched_pick(&f->queue);

		sleeper += vcpu == &f->vcpus[1];
		sched_charge(vcpu, SLICE);
		sched_enqueue(&f->queue, vcpu);
	}
	assert_in_range(sleeper, 49, 52);
}

static void test_waker_goes_before_who_has_run_long(void **state)
{
	struct fixture *f = *state;

	sched_charge(&f->vcpus[0], 10 * SLICE);
	sched_enqueue(&f->queue, &f->vcpus[0]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
	sched_enqueue(&f->queue, &f->vcpus[1]);
	assert_true(sched_should_yield(&f->queue, f->vcpus[0].virtual_runtime));
	/* But not before one that has had less than it. */
	assert_false(sched_should_yield(&f->queue, f->vcpus[1].virtual_runtime));
}

/* Run times are compared by difference: nothing breaks when they pass the largest number. */
static void test_run_times_may_wrap(void **state)
{
	struct fixture *f = *state;

	f->queue.minimum = UINT64_MAX - SLICE;
	f->vcpus[0].virtual_runtime = UINT64_MAX - SLICE / 2;
	f->vcpus[1].virtual_runtime = UINT64_MAX - SLICE / 4;
	sched_charge(&f->vcpus[1], SLICE);
	sched_enqueue(&f->queue, &f->vcpus[1]);
	sched_enqueue(&f->queue, &f->vcpus[0]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[0]);
	assert_ptr_equal(sched_pick(&f->queue), &f->vcpus[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty_queue_gives_nobody, setup),
		cmocka_unit_test_setup(test_queueing_twice_is_once, setup),
		cmocka_unit_test_setup(test_removed_vcpu_does_not_run, setup),
		cmocka_unit_test_setup(test_least_run_goes_first, setup),
		cmocka_unit_test_setup(test_newcomer_is_not_owed_for_a_turn_that_goes_on, setup),
		cmocka_unit_test_setup(test_spinners_get_equal_shares, setup),
		cmocka_unit_test_setup(test_sleeper_is_not_owed, setup),
		cmocka_unit_test_setup(test_waker_goes_before_who_has_run_long, setup),
		cmocka_unit_test_setup(test_run_times_may_wrap, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
