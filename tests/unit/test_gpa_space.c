/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/gpa_space.c with AMD-V's entry format: walks against a model, accessors against
 * the fake machine's RAM, and every path back to as much free memory as before.
 */
#include "vmm/gpa_space.h"

#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "arch/x86/svm/npt.h"
#include "fake_heap.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint64_t pages_before;
static size_t heap_before;

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_platform_give_ram();
	fake_heap_fail_after(-1);
	pages_before = page_alloc_free_bytes();
	heap_before = heap_bytes_used();
	return 0;
}

/* Every test destroys its space: then nothing may be missing. */
static int teardown(void **state)
{
	(void)state;
	assert_int_equal(page_alloc_free_bytes(), pages_before);
	assert_int_equal(heap_bytes_used(), heap_before);
	return 0;
}

static struct gpa_space make_space(bool has_1g_pages)
{
	struct gpa_space space;

	assert_int_equal(gpa_space_init(&space, svm_npt_ops(has_1g_pages)), 0);
	return space;
}

static struct gpa_region region(uint64_t gpa, uint64_t hpa, uint64_t length, unsigned permission)
{
	return (struct gpa_region){gpa_make(gpa), hpa_make(hpa), length, permission, MEMORY_WB};
}

static int map(struct gpa_space *space, uint64_t gpa, uint64_t hpa, uint64_t length)
{
	struct gpa_region r = region(gpa, hpa, length, GPA_RWX);

	return gpa_space_map(space, &r);
}

static void check_walk(struct gpa_space *space, uint64_t gpa, uint64_t hpa, unsigned level)
{
	hpa_t found;
	unsigned found_level, permission;

	assert_int_equal(gpa_space_walk(space, gpa_make(gpa), &found, &found_level, &permission),
			 0);
	assert_int_equal(found.value, hpa);
	assert_int_equal(found_level, level);
}

static void check_no_walk(struct gpa_space *space, uint64_t gpa)
{
	hpa_t found;
	unsigned level, permission;

	assert_int_equal(gpa_space_walk(space, gpa_make(gpa), &found, &level, &permission),
			 -ENOENT);
}

static void uses_the_largest_leaves(void **state)
{
	struct gpa_space space = make_space(true);

	(void)state;
	/* From 4 KiB below 1 GiB to 4 KiB above 2 GiB + 2 MiB: all sizes in one region. */
	assert_int_equal(map(&space, GIB(1) - KIB(4), GIB(5) - KIB(4), GIB(1) + MIB(2) + KIB(8)),
			 0);
	check_no_walk(&space, GIB(1) - KIB(4) - 1);
	check_walk(&space, GIB(1) - KIB(4), GIB(5) - KIB(4), 1);
	check_walk(&space, GIB(1) + 5, GIB(5) + 5, 3);
	check_walk(&space, GIB(2) - 1, GIB(6) - 1, 3);
	check_walk(&space, GIB(2) + KIB(5), GIB(6) + KIB(5), 2);
	check_walk(&space, GIB(2) + MIB(2) + 1, GIB(6) + MIB(2) + 1, 1);
	check_no_walk(&space, GIB(2) + MIB(2) + KIB(4));
	gpa_space_destroy(&space);

	space = make_space(false);
	assert_int_equal(map(&space, 0, GIB(5), GIB(1)), 0);
	check_walk(&space, MIB(7), GIB(5) + MIB(7), 2);
	gpa_space_destroy(&space);
}

/* Host memory that is aligned less than guest memory decides. */
static void leaves_are_aligned_on_both_sides(void **state)
{
	struct gpa_space space = make_space(true);

	(void)state;
	assert_int_equal(map(&space, GIB(1), GIB(5) + MIB(2), GIB(1)), 0);
	check_walk(&space, GIB(1) + 1, GIB(5) + MIB(2) + 1, 2);
	assert_int_equal(map(&space, GIB(3), GIB(7) + KIB(4), MIB(4)), 0);
	check_walk(&space, GIB(3) + MIB(3), GIB(7) + MIB(3) + KIB(4), 1);
	gpa_space_destroy(&space);
}

static void leaves_have_the_regions_rights(void **state)
{
	struct gpa_space space = make_space(true);
	struct gpa_region rom = region(GIB(4) - MIB(2), GIB(5), MIB(2), GPA_READ | GPA_EXECUTE);
	struct gpa_region data = region(0, GIB(6), KIB(4), GPA_READ | GPA_WRITE);
	hpa_t hpa;
	unsigned level, permission;

	(void)state;
	assert_int_equal(gpa_space_map(&space, &rom), 0);
	assert_int_equal(gpa_space_map(&space, &data), 0);
	assert_int_equal(gpa_space_walk(&space, rom.gpa, &hpa, &level, &permission), 0);
	assert_int_equal(permission, GPA_READ | GPA_EXECUTE);
	assert_int_equal(gpa_space_walk(&space, data.gpa, &hpa, &level, &permission), 0);
	assert_int_equal(permission, GPA_READ | GPA_WRITE);
	gpa_space_destroy(&space);
}

static void refuses_what_cannot_be(void **state)
{
	struct gpa_space space = make_space(true);
	struct gpa_region no_read = region(0, 0, KIB(4), GPA_WRITE | GPA_EXECUTE);
	struct gpa_region unknown = region(0, 0, KIB(4), GPA_RWX | 8);

	(void)state;
	assert_int_equal(map(&space, 0, 0, 0), -EINVAL);
	assert_int_equal(map(&space, 1, 0, KIB(4)), -EINVAL);
	assert_int_equal(map(&space, 0, 0x800, KIB(4)), -EINVAL);
	assert_int_equal(map(&space, 0, 0, KIB(4) + 1), -EINVAL);
	assert_int_equal(map(&space, 1ull << 47, 0, KIB(4)), -EINVAL);
	assert_int_equal(map(&space, (1ull << 47) - KIB(4), 0, KIB(8)), -EINVAL);
	assert_int_equal(map(&space, ~0xfffull, 0, KIB(4)), -EINVAL);
	assert_int_equal(map(&space, KIB(4), 0, ~0xfffull), -EINVAL);
	assert_int_equal(map(&space, 0, ~0xfffull, KIB(4)), -EINVAL);
	assert_int_equal(gpa_space_map(&space, &no_read), -EINVAL);
	assert_int_equal(gpa_space_map(&space, &unknown), -EINVAL);
	assert_int_equal(space.count, 0);
	assert_int_equal(space.table_pages, 1);

	/* The last page that there is. */
	assert_int_equal(map(&space, (1ull << 47) - KIB(4), 0, KIB(4)), 0);
	check_walk(&space, (1ull << 47) - 1, KIB(4) - 1, 1);
	check_no_walk(&space, 1ull << 48);
	gpa_space_destroy(&space);
}

static void refuses_overlap_on_every_side(void **state)
{
	struct gpa_space space = make_space(true);

	(void)state;
	assert_int_equal(map(&space, MIB(4), GIB(5), MIB(4)), 0);
	assert_int_equal(map(&space, MIB(4), GIB(6), MIB(4)), -EEXIST);
	assert_int_equal(map(&space, MIB(2), GIB(6), MIB(2) + KIB(4)), -EEXIST);
	assert_int_equal(map(&space, MIB(8) - KIB(4), GIB(6), MIB(2)), -EEXIST);
	assert_int_equal(map(&space, MIB(5), GIB(6), KIB(4)), -EEXIST);
	assert_int_equal(map(&space, 0, GIB(6), MIB(16)), -EEXIST);
	assert_int_equal(map(&space, MIB(2), GIB(6), MIB(2)), 0);
	assert_int_equal(map(&space, MIB(8), GIB(6), MIB(2)), 0);
	assert_int_equal(space.count, 3);
	check_walk(&space, MIB(4), GIB(5), 2);
	gpa_space_destroy(&space);
}

/* After small pages the same place takes a large leaf: nothing stale is in the way. */
static void unmap_frees_tables(void **state)
{
	struct gpa_space space = make_space(true);

	(void)state;
	assert_int_equal(map(&space, GIB(1) + KIB(8), GIB(5), KIB(4)), 0);
	assert_int_equal(map(&space, GIB(1) + KIB(16), GIB(5), KIB(4)), 0);
	assert_int_equal(space.table_pages, 4);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1))), -ENOENT);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1) + KIB(12))), -ENOENT);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1) + KIB(8))), 0);
	check_no_walk(&space, GIB(1) + KIB(8));
	check_walk(&space, GIB(1) + KIB(16), GIB(5), 1);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1) + KIB(16))), 0);
	assert_int_equal(space.table_pages, 1);
	assert_int_equal(map(&space, GIB(1), GIB(5), GIB(1)), 0);
	check_walk(&space, GIB(1) + KIB(8), GIB(5) + KIB(8), 3);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1))), 0);
	assert_int_equal(gpa_space_unmap(&space, gpa_make(GIB(1))), -ENOENT);
	gpa_space_destroy(&space);
}

/* Takes all pages but `leave` and gives them back afterwards. */
static unsigned hoard(hpa_t *pages, unsigned max, unsigned leave)
{
	unsigned count = 0;

	while (count < max && page_alloc(PAGE_ORDER_4K, &pages[count]) == 0)
		count++;
	assert_true(count < max && count >= leave);
	for (unsigned i = 0; i < leave; i++)
		page_free(pages[--count], PAGE_ORDER_4K);
	return count;
}

static void release(const hpa_t *pages, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		page_free(pages[i], PAGE_ORDER_4K);
}

static void adds_nothing_where_memory_runs_out(void **state)
{
	static hpa_t pages[FAKE_RAM_SIZE / 4096 + 1];
	struct gpa_space space;

	(void)state;
	/* The region needs four tables beside the root: one at level 3, one at 2, two at 1. */
	for (unsigned leave = 0; leave < 6; leave++) {
		unsigned held = hoard(pages, ARRAY_SIZE(pages), leave);
		int error = gpa_space_init(&space, svm_npt_ops(true));

		assert_int_equal(error, leave < 1 ? -ENOMEM : 0);
		if (error == 0) {
			error = map(&space, MIB(2) - KIB(4), GIB(8) - KIB(4), MIB(2) + KIB(8));
			assert_int_equal(error, leave < 5 ? -ENOMEM : 0);
			if (error) {
				assert_int_equal(space.count, 0);
				assert_int_equal(space.table_pages, 1);
				check_no_walk(&space, MIB(2) - KIB(4));
			}
			gpa_space_destroy(&space);
		}
		release(pages, held);
	}
	space = make_space(true);
	fake_heap_fail_after(0);
	assert_int_equal(map(&space, 0, GIB(8), KIB(4)), -ENOMEM);
	check_no_walk(&space, 0);
	gpa_space_destroy(&space);
}

/* The list of regions has moved, although the map that it grew for failed. */
static void finds_regions_after_a_map_that_failed(void **state)
{
	static hpa_t pages[FAKE_RAM_SIZE / 4096 + 1];
	struct gpa_space space = make_space(true);
	const struct gpa_region *found;
	unsigned count = 0, held;

	(void)state;
	while (count == 0 || count < space.capacity) {
		assert_int_equal(map(&space, count * KIB(8), GIB(8) + count * KIB(8), KIB(4)), 0);
		count++;
	}
	assert_non_null(gpa_space_find(&space, gpa_make(0)));
	held = hoard(pages, ARRAY_SIZE(pages), 0);
	assert_int_equal(map(&space, GIB(1), GIB(16), KIB(4)), -ENOMEM);
	assert_true(space.capacity > count);
	found = gpa_space_find(&space, gpa_make(0));
	assert_non_null(found);
	assert_int_equal(found->hpa.value, GIB(8));
	release(pages, held);
	gpa_space_destroy(&space);
}

static hpa_t guest_page(struct gpa_space *space, uint64_t gpa, unsigned permission)
{
	struct gpa_region r = region(gpa, 0, KIB(4), permission);

	assert_int_equal(page_alloc(PAGE_ORDER_4K, &r.hpa), 0);
	assert_int_equal(gpa_space_map(space, &r), 0);
	return r.hpa;
}

static void accessors_cross_regions(void **state)
{
	struct gpa_space space = make_space(true);
	hpa_t a = guest_page(&space, KIB(4), GPA_RWX);
	hpa_t c = guest_page(&space, KIB(12), GPA_READ);
	hpa_t b = guest_page(&space, KIB(8), GPA_RWX);
	uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t back[8];
	uint8_t *tail = (uint8_t *)platform_ram(a) + 4093, *head = platform_ram(b);
	uint8_t *rom = platform_ram(c);

	(void)state;
	assert_int_equal(gpa_write(&space, gpa_make(KIB(8) - 3), bytes, 8), 0);
	assert_memory_equal(tail, bytes, 3);
	assert_memory_equal(head, bytes + 3, 5);
	assert_int_equal(gpa_read(&space, gpa_make(KIB(8) - 3), back, 8), 0);
	assert_memory_equal(back, bytes, 8);
	assert_int_equal(gpa_zero(&space, gpa_make(KIB(8) - 1), 2), 0);
	assert_int_equal(tail[2], 0);
	assert_int_equal(head[0], 0);
	assert_int_equal(tail[1], 2);
	assert_int_equal(head[1], 5);

	/* Read-only memory, and nothing behind it: refused as a whole, and nothing is touched. */
	memset(head + 4088, 0x11, 8);
	memset(rom, 0x22, 4096);
	assert_int_equal(gpa_write(&space, gpa_make(KIB(12) - 4), bytes, 8), -EFAULT);
	assert_int_equal(gpa_zero(&space, gpa_make(KIB(12) - 4), 8), -EFAULT);
	assert_int_equal(head[4095], 0x11);
	assert_int_equal(rom[0], 0x22);
	memset(back, 0x33, sizeof(back));
	assert_int_equal(gpa_read(&space, gpa_make(KIB(16) - 4), back, 8), -EFAULT);
	assert_int_equal(back[0], 0x33);
	assert_int_equal(gpa_read(&space, gpa_make(KIB(4) - 1), back, 2), -EFAULT);
	assert_int_equal(gpa_read(&space, gpa_make(~0ull), back, 8), -EFAULT);
	assert_int_equal(gpa_read(&space, gpa_make(~0ull), back, 0), 0);

	assert_ptr_equal(gpa_pointer(&space, gpa_make(KIB(8)), KIB(4), GPA_WRITE), head);
	assert_null(gpa_pointer(&space, gpa_make(KIB(8)), KIB(4) + 1, GPA_WRITE));
	assert_null(gpa_pointer(&space, gpa_make(KIB(12)), 8, GPA_WRITE));
	assert_ptr_equal(gpa_pointer(&space, gpa_make(KIB(12)), 8, GPA_READ), rom);
	assert_null(gpa_pointer(&space, gpa_make(KIB(16)), 1, GPA_READ));
	gpa_space_destroy(&space);
	page_free(a, PAGE_ORDER_4K);
	page_free(b, PAGE_ORDER_4K);
	page_free(c, PAGE_ORDER_4K);
}

/* A device's registers may be mapped for the guest; the hypervisor must not touch them. */
static void devices_are_not_memory(void **state)
{
	struct gpa_space space = make_space(true);
	struct gpa_region r = region(GIB(3), GIB(20), KIB(4), GPA_READ | GPA_WRITE);
	uint32_t value = 0;

	(void)state;
	r.type = MEMORY_UC;
	assert_int_equal(gpa_space_map(&space, &r), 0);
	assert_int_equal(gpa_read(&space, r.gpa, &value, 4), -EFAULT);
	assert_int_equal(gpa_write(&space, r.gpa, &value, 4), -EFAULT);
	assert_null(gpa_pointer(&space, r.gpa, 4, GPA_READ));
	assert_non_null(gpa_space_find(&space, r.gpa));
	gpa_space_destroy(&space);
}

/* ---- random regions against a model ---- */

#define MODEL_MAX 24

static uint64_t random_state;

/* 0 where nothing is below the limit. */
static uint64_t random_below(uint64_t limit)
{
	if (limit == 0)
		return 0;
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % limit;
}

static const uint64_t units[] = {KIB(4), MIB(2), GIB(1)};

static struct gpa_region random_region(void)
{
	uint64_t unit = units[random_below(3)];
	uint64_t host_unit = units[random_below(3)];
	uint64_t gpa = random_below(GIB(8) / unit) * unit;
	uint64_t length = (1 + random_below(4)) * unit;

	/* Ends that are not round, now and then. */
	if (unit > KIB(4) && random_below(2))
		length += random_below(3) * KIB(4);
	if (unit == GIB(1) && host_unit == KIB(4))
		host_unit = MIB(2); /* or it takes a thousand tables */
	return region(gpa, GIB(64) + random_below(GIB(64) / host_unit) * host_unit, length,
		      GPA_READ | (unsigned)random_below(8));
}

struct model {
	struct gpa_region regions[MODEL_MAX];
	unsigned count;
};

static const struct gpa_region *model_find(const struct model *model, uint64_t gpa)
{
	for (unsigned i = 0; i < model->count; i++) {
		if (gpa - model->regions[i].gpa.value < model->regions[i].length)
			return &model->regions[i];
	}
	return NULL;
}

static void model_compare(const struct model *model, struct gpa_space *space, uint64_t gpa)
{
	const struct gpa_region *want = model_find(model, gpa);
	const struct gpa_region *found = gpa_space_find(space, gpa_make(gpa));
	hpa_t hpa;
	unsigned level, permission;
	int error = gpa_space_walk(space, gpa_make(gpa), &hpa, &level, &permission);

	assert_int_equal(error, want ? 0 : -ENOENT);
	assert_int_equal(found != NULL, want != NULL);
	if (!want)
		return;
	assert_memory_equal(found, want, sizeof(*want));
	assert_int_equal(hpa.value, want->hpa.value + (gpa - want->gpa.value));
	assert_int_equal(permission, want->permission);
}

static void model_compare_all(const struct model *model, struct gpa_space *space)
{
	assert_int_equal(space->count, model->count);
	for (unsigned i = 0; i < model->count; i++) {
		const struct gpa_region *r = &model->regions[i];

		if (r->gpa.value)
			model_compare(model, space, r->gpa.value - 1);
		model_compare(model, space, r->gpa.value);
		model_compare(model, space, r->gpa.value + random_below(r->length));
		model_compare(model, space, r->gpa.value + r->length - 1);
		model_compare(model, space, r->gpa.value + r->length);
	}
	model_compare(model, space, random_below(GIB(9)));
}

static void model_step(struct model *model, struct gpa_space *space)
{
	if (model->count < MODEL_MAX && random_below(3)) {
		struct gpa_region r = random_region();
		bool overlap = false;

		for (unsigned i = 0; i < model->count; i++)
			overlap |=
				ranges_overlap(r.gpa.value, r.length, model->regions[i].gpa.value,
					       model->regions[i].length);
		assert_int_equal(gpa_space_map(space, &r), overlap ? -EEXIST : 0);
		if (!overlap)
			model->regions[model->count++] = r;
	} else if (model->count) {
		unsigned victim = (unsigned)random_below(model->count);

		assert_int_equal(gpa_space_unmap(space, model->regions[victim].gpa), 0);
		model->regions[victim] = model->regions[--model->count];
	}
}

static void random_regions_walk_as_the_model_says(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 40; run++) {
		struct gpa_space space = make_space(run & 1);
		struct model model = {.count = 0};

		random_state = run;
		for (unsigned step = 0; step < 60; step++) {
			model_step(&model, &space);
			model_compare_all(&model, &space);
		}
		while (model.count)
			assert_int_equal(gpa_space_unmap(&space, model.regions[--model.count].gpa),
					 0);
		assert_int_equal(space.table_pages, 1);
		gpa_space_destroy(&space);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uses_the_largest_leaves),
		TEST(leaves_are_aligned_on_both_sides),
		TEST(leaves_have_the_regions_rights),
		TEST(refuses_what_cannot_be),
		TEST(refuses_overlap_on_every_side),
		TEST(unmap_frees_tables),
		TEST(adds_nothing_where_memory_runs_out),
		TEST(finds_regions_after_a_map_that_failed),
		TEST(accessors_cross_regions),
		TEST(devices_are_not_memory),
		TEST(random_regions_walk_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
