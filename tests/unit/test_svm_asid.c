/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of arch/x86/svm/asid.c. The random one keeps a model of a tagged TLB: entries that a
 * real CPU would still hold, by ASID, with whose they are and whether they are wrong by now.
 */
#include "arch/x86/svm/asid.h"

#include "arch/x86/svm/vmcb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint8_t enter(struct svm_asid_pool *pool, struct svm_asid *asid)
{
	uint8_t control = svm_asid_prepare(pool, asid);

	svm_asid_entered(pool, asid);
	return control;
}

static void the_first_entry_flushes_everything(void **state)
{
	struct svm_asid_pool pool;
	struct svm_asid a = {0}, b = {0};

	(void)state;
	svm_asid_pool_init(&pool, 16, true);
	assert_int_equal(svm_asid_prepare(&pool, &a), VMCB_TLB_FLUSH_ALL);
	/* Loaded, but never entered: the flush is still owed, by whoever comes first. */
	assert_int_equal(svm_asid_prepare(&pool, &b), VMCB_TLB_FLUSH_ALL);
	svm_asid_entered(&pool, &b);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_NOTHING);
	assert_int_not_equal(a.asid, 0);
	assert_int_not_equal(b.asid, 0);
	assert_int_not_equal(a.asid, b.asid);
	assert_int_equal(enter(&pool, &b), VMCB_TLB_NOTHING);
}

static void a_flush_takes_one_asid_where_the_cpu_can(void **state)
{
	struct svm_asid_pool pool;
	struct svm_asid a = {0};
	uint32_t before;

	(void)state;
	svm_asid_pool_init(&pool, 16, true);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_FLUSH_ALL);
	before = a.asid;
	svm_asid_flush(&a);
	assert_int_equal(svm_asid_prepare(&pool, &a), VMCB_TLB_FLUSH_ASID);
	assert_int_equal(a.asid, before);
	/* Not entered yet: still owed. */
	assert_int_equal(enter(&pool, &a), VMCB_TLB_FLUSH_ASID);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_NOTHING);
}

static void a_flush_takes_a_new_asid_where_it_cannot(void **state)
{
	struct svm_asid_pool pool;
	struct svm_asid a = {0};
	uint32_t before;

	(void)state;
	svm_asid_pool_init(&pool, 4, false);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_FLUSH_ALL);
	before = a.asid;
	svm_asid_flush(&a);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_NOTHING);
	assert_int_not_equal(a.asid, before);
	svm_asid_flush(&a);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_NOTHING);
	/* The third of three guest ASIDs is used; the next begins a generation. */
	svm_asid_flush(&a);
	assert_int_equal(enter(&pool, &a), VMCB_TLB_FLUSH_ALL);
}

static void a_new_generation_voids_all(void **state)
{
	struct svm_asid_pool pool;
	struct svm_asid asids[4];

	(void)state;
	memset(asids, 0, sizeof(asids));
	svm_asid_pool_init(&pool, 3, true);
	assert_int_equal(enter(&pool, &asids[0]), VMCB_TLB_FLUSH_ALL);
	assert_int_equal(enter(&pool, &asids[1]), VMCB_TLB_NOTHING);
	assert_int_equal(enter(&pool, &asids[2]), VMCB_TLB_FLUSH_ALL);
	assert_int_equal(enter(&pool, &asids[0]), VMCB_TLB_NOTHING);
	assert_int_not_equal(asids[0].asid, asids[2].asid);
	assert_int_equal(enter(&pool, &asids[1]), VMCB_TLB_FLUSH_ALL);
	svm_asid_forget(&asids[1]);
	assert_int_equal(asids[1].generation, 0);
}

/* ---- a model of the TLB ---- */

#define VCPUS	  7
#define ASIDS_MAX 8

struct tlb {
	/* By ASID: who left translations there (-1: none), and whether they are wrong. */
	int owner[ASIDS_MAX];
	bool wrong[ASIDS_MAX];
};

static uint64_t random_state = 1;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % limit;
}

static void tlb_enter(struct tlb *tlb, int vcpu, uint32_t asid, uint8_t control, bool by_asid)
{
	assert_in_range(asid, 1, ASIDS_MAX - 1);
	if (control == VMCB_TLB_FLUSH_ALL) {
		memset(tlb->owner, 0xff, sizeof(tlb->owner));
		memset(tlb->wrong, 0, sizeof(tlb->wrong));
	} else if (control == VMCB_TLB_FLUSH_ASID) {
		assert_true(by_asid);
		tlb->owner[asid] = -1;
		tlb->wrong[asid] = false;
	} else {
		assert_int_equal(control, VMCB_TLB_NOTHING);
	}
	/* Never another's translations, never old ones. */
	assert_true(tlb->owner[asid] == -1 || tlb->owner[asid] == vcpu);
	assert_false(tlb->wrong[asid]);
	tlb->owner[asid] = vcpu;
}

static void run_model(uint32_t count, bool by_asid)
{
	struct svm_asid_pool pool;
	struct svm_asid asids[VCPUS];
	struct tlb tlb;

	memset(asids, 0, sizeof(asids));
	/* What firmware left behind is nobody's. */
	for (int i = 0; i < ASIDS_MAX; i++) {
		tlb.owner[i] = VCPUS;
		tlb.wrong[i] = true;
	}
	svm_asid_pool_init(&pool, count, by_asid);
	for (unsigned step = 0; step < 20000; step++) {
		int who = (int)random_below(VCPUS);
		uint8_t control;

		switch (random_below(4)) {
		case 0: /* its nested tables changed */
			svm_asid_flush(&asids[who]);
			for (int i = 0; i < ASIDS_MAX; i++)
				tlb.wrong[i] |= tlb.owner[i] == who;
			break;
		case 1: /* loaded, and unloaded before it ran */
			(void)!svm_asid_prepare(&pool, &asids[who]);
			break;
		default:
			control = svm_asid_prepare(&pool, &asids[who]);
			assert_true(asids[who].asid < count);
			tlb_enter(&tlb, who, asids[who].asid, control, by_asid);
			svm_asid_entered(&pool, &asids[who]);
			break;
		}
	}
}

static void no_entry_meets_wrong_translations(void **state)
{
	(void)state;
	for (uint32_t count = 2; count <= ASIDS_MAX; count++) {
		run_model(count, false);
		run_model(count, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_entry_flushes_everything),
		cmocka_unit_test(a_flush_takes_one_asid_where_the_cpu_can),
		cmocka_unit_test(a_flush_takes_a_new_asid_where_it_cannot),
		cmocka_unit_test(a_new_generation_voids_all),
		cmocka_unit_test(no_entry_meets_wrong_translations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
