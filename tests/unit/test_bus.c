/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/bus.c, with a device that records what reaches it. */
#include "vmm/bus.h"
#include "vmm/heap.h"

#include "fake_heap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct recorder {
	uint64_t answer;
	unsigned reads, writes;
	uint64_t offset, value;
	unsigned size;
};

static uint64_t recorder_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct recorder *r = device;

	(void)vcpu;
	r->reads++;
	r->offset = offset;
	r->size = size;
	return r->answer;
}

static void recorder_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			   uint64_t value)
{
	struct recorder *r = device;

	(void)vcpu;
	r->writes++;
	r->offset = offset;
	r->size = size;
	r->value = value;
}

static const struct bus_ops recorder_ops = {.read = recorder_read, .write = recorder_write};

struct fixture {
	struct bus bus;
	struct recorder a, b;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	bus_init(&f.bus);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bus_destroy(&f->bus);
	return heap_bytes_used() == 0 ? 0 : -1;
}

static int claim(struct fixture *f, uint64_t base, uint64_t length, struct recorder *r)
{
	return bus_claim(&f->bus, base, length, &recorder_ops, r);
}

static void finds_the_range_that_holds_an_address(void **state)
{
	struct fixture *f = *state;

	assert_null(bus_find(&f->bus, 0));
	assert_int_equal(claim(f, 0x60, 1, &f->a), 0);
	assert_int_equal(claim(f, 0x40, 4, &f->b), 0);
	assert_null(bus_find(&f->bus, 0x3f));
	assert_ptr_equal(bus_find(&f->bus, 0x40)->device, &f->b);
	assert_ptr_equal(bus_find(&f->bus, 0x43)->device, &f->b);
	assert_null(bus_find(&f->bus, 0x44));
	assert_ptr_equal(bus_find(&f->bus, 0x60)->device, &f->a);
	assert_null(bus_find(&f->bus, 0x61));
}

static void refuses_overlaps_and_nonsense(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(claim(f, 0x100, 0x10, &f->a), 0);
	assert_int_equal(claim(f, 0x10f, 1, &f->b), -EEXIST);
	assert_int_equal(claim(f, 0xff, 2, &f->b), -EEXIST);
	assert_int_equal(claim(f, 0, UINT64_MAX, &f->b), -EEXIST);
	assert_int_equal(claim(f, 0x200, 0, &f->b), -EINVAL);
	assert_int_equal(claim(f, UINT64_MAX, 2, &f->b), -EINVAL);
	assert_int_equal(claim(f, 0x110, 1, &f->b), 0);
	assert_int_equal(claim(f, 0xff, 1, &f->b), 0);
	assert_int_equal(claim(f, UINT64_MAX - 3, 4, &f->b), 0);
	assert_ptr_equal(bus_find(&f->bus, UINT64_MAX)->device, &f->b);
}

static void keeps_many_ranges_sorted(void **state)
{
	struct fixture *f = *state;

	/* 0, 37, 74 ... modulo 101 visits every number once, in no order. */
	for (uint64_t i = 0, n = 0; i < 101; i++, n = (n + 37) % 101)
		assert_int_equal(claim(f, n * 8, 4, n % 2 ? &f->a : &f->b), 0);
	for (uint64_t n = 0; n < 101; n++) {
		assert_ptr_equal(bus_find(&f->bus, n * 8 + 3)->device, n % 2 ? &f->a : &f->b);
		assert_null(bus_find(&f->bus, n * 8 + 4));
	}
}

static void hands_over_whole_accesses(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(claim(f, 0xcf8, 8, &f->a), 0);
	f->a.answer = 0xffffffff12345678;
	assert_int_equal(bus_read(&f->bus, NULL, 0xcfc, 4), 0x12345678);
	assert_int_equal(f->a.offset, 4);
	assert_int_equal(f->a.size, 4);
	assert_int_equal(f->a.reads, 1);
	bus_write(&f->bus, NULL, 0xcf9, 1, 0xabcd);
	assert_int_equal(f->a.offset, 1);
	assert_int_equal(f->a.value, 0xcd);
	bus_write(&f->bus, NULL, 0xcf8, 8, 0x1122334455667788);
	assert_int_equal(f->a.value, 0x1122334455667788);
	assert_int_equal(f->a.writes, 2);
}

static void splits_accesses_that_cross_a_border(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(claim(f, 0x20, 2, &f->a), 0);
	assert_int_equal(claim(f, 0x22, 1, &f->b), 0);
	f->a.answer = 0xaa;
	f->b.answer = 0xbb;
	assert_int_equal(bus_read(&f->bus, NULL, 0x20, 4), 0xffbbaaaa);
	assert_int_equal(f->a.reads, 2);
	assert_int_equal(f->b.reads, 1);
	assert_int_equal(f->bus.unclaimed_reads, 1);
	bus_write(&f->bus, NULL, 0x1f, 4, 0x44332211);
	assert_int_equal(f->a.value, 0x33);
	assert_int_equal(f->b.value, 0x44);
	assert_int_equal(f->bus.unclaimed_writes, 1);
}

static void reads_ones_where_nobody_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bus_read(&f->bus, NULL, 0x80, 1), 0xff);
	assert_int_equal(bus_read(&f->bus, NULL, 0x80, 2), 0xffff);
	assert_true(bus_read(&f->bus, NULL, UINT64_MAX - 2, 8) == UINT64_MAX);
	assert_int_equal(f->bus.unclaimed_reads, 11);
	bus_write(&f->bus, NULL, 0x80, 1, 5);
	assert_int_equal(f->bus.unclaimed_writes, 1);
}

static void survives_a_full_heap(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 0;

	fake_heap_fail_after(0);
	assert_int_equal(claim(f, 0, 1, &f->a), -ENOMEM);
	for (; f->bus.count < f->bus.capacity || n == 0; n++)
		assert_int_equal(claim(f, n, 1, &f->a), 0);
	fake_heap_fail_after(0);
	assert_int_equal(claim(f, n, 1, &f->a), -ENOMEM);
	assert_null(bus_find(&f->bus, n));
	assert_ptr_equal(bus_find(&f->bus, n - 1)->device, &f->a);
}

/* What was found last for an address serves no other: neither of two addresses with one hint, nor
 * an access that the range does not hold whole, nor after the ranges changed. */
static void hints_are_compared(void **state)
{
	struct fixture *f = *state;

	f->a.answer = 0xaa;
	f->b.answer = 0xbb;
	assert_int_equal(bus_claim(&f->bus, 0x40, 4, &recorder_ops, &f->a), 0);
	assert_int_equal(bus_read(&f->bus, NULL, 0x40, 1), 0xaa);
	assert_int_equal(bus_claim(&f->bus, 0x20, 4, &recorder_ops, &f->b), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bus_read(&f->bus, NULL, 0x40, 1), 0xaa);
		assert_int_equal(bus_read(&f->bus, NULL, 0x40 + BUS_HINTS, 1), 0xff);
		assert_int_equal(bus_read(&f->bus, NULL, 0x40 - BUS_HINTS, 1), 0xbb);
		assert_int_equal(bus_read(&f->bus, NULL, 0x43, 1), 0xaa);
		assert_int_equal(bus_read(&f->bus, NULL, 0x43, 2), 0xffaa);
	}
	bus_destroy(&f->bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_the_range_that_holds_an_address, setup,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_overlaps_and_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_many_ranges_sorted, setup, teardown),
		cmocka_unit_test_setup_teardown(hands_over_whole_accesses, setup, teardown),
		cmocka_unit_test_setup_teardown(splits_accesses_that_cross_a_border, setup,
						teardown),
		cmocka_unit_test_setup_teardown(reads_ones_where_nobody_is, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_a_full_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(hints_are_compared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
