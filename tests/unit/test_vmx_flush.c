/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of arch/x86/vmx/flush.c: single cases, and random histories against a model of a TLB
 * that remembers for each tag what it holds. A stale translation that an entry could use fails.
 */
#include "arch/x86/vmx/flush.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void first_entry(void **state)
{
	struct vmx_tlb_pool pool;
	struct vmx_tlb a = {0}, b = {0};

	(void)state;
	vmx_tlb_pool_init(&pool, true, true);
	/* The nested tables may lie where another VM's did. */
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_EPT);
	assert_int_equal(a.vpid, 1);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), 0);
	assert_int_equal(vmx_tlb_prepare(&pool, &b), VMX_FLUSH_EPT);
	assert_int_equal(b.vpid, 2);
}

static void linear_and_nested(void **state)
{
	struct vmx_tlb_pool pool;
	struct vmx_tlb a = {0};

	(void)state;
	vmx_tlb_pool_init(&pool, true, true);
	(void)!vmx_tlb_prepare(&pool, &a);
	vmx_tlb_flush_linear(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_VPID);
	assert_int_equal(a.vpid, 1);
	/* INVEPT drops both kinds. */
	vmx_tlb_flush_linear(&a);
	vmx_tlb_flush_nested(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_EPT);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), 0);
	vmx_tlb_forget(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_EPT);
	assert_int_equal(a.vpid, 2);
}

/* A CPU that cannot flush one VPID: another takes its place. */
static void without_single(void **state)
{
	struct vmx_tlb_pool pool;
	struct vmx_tlb a = {0};

	(void)state;
	vmx_tlb_pool_init(&pool, true, false);
	(void)!vmx_tlb_prepare(&pool, &a);
	vmx_tlb_flush_linear(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), 0);
	assert_int_equal(a.vpid, 2);
}

static void without_vpids(void **state)
{
	struct vmx_tlb_pool pool;
	struct vmx_tlb a = {0};

	(void)state;
	vmx_tlb_pool_init(&pool, false, false);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_EPT);
	assert_int_equal(a.vpid, 0);
	vmx_tlb_flush_linear(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), 0);
	vmx_tlb_flush_nested(&a);
	assert_int_equal(vmx_tlb_prepare(&pool, &a), VMX_FLUSH_EPT);
}

/* ---- the model ---- */

#define VCPUS	3
#define HISTORY 20000

/* What a vCPU's translations were made from; a change makes a new version. */
static struct {
	unsigned linear, nested;
} now[VCPUS];

/* By VPID: whose translations of which version are cached; owner -1: none. */
static struct {
	int owner;
	unsigned linear;
} combined[VMX_VPIDS];

/* By vCPU (each has its own EPT pointer): the version of the cached ones; 0: none. */
static unsigned nested[VCPUS];

static void model_flush(unsigned flush, int vcpu, uint32_t vpid)
{
	if (flush & VMX_FLUSH_ALL_VPIDS)
		for (size_t i = 0; i < VMX_VPIDS; i++)
			combined[i].owner = -1;
	if (flush & VMX_FLUSH_VPID)
		combined[vpid].owner = -1;
	if (flush & VMX_FLUSH_EPT) {
		nested[vcpu] = 0;
		for (size_t i = 0; i < VMX_VPIDS; i++)
			if (combined[i].owner == vcpu)
				combined[i].owner = -1;
	}
}

static void model_run(int vcpu, uint32_t vpid)
{
	assert_in_range(vpid, 1, VMX_VPIDS - 1);
	if (nested[vcpu] != 0)
		assert_int_equal(nested[vcpu], now[vcpu].nested);
	/* Combined ones carry the EPT pointer too: another VM's would not be used, but they would
	 * have to be its own VPID's. */
	if (combined[vpid].owner != -1) {
		assert_int_equal(combined[vpid].owner, vcpu);
		assert_int_equal(combined[vpid].linear, now[vcpu].linear);
	}
	nested[vcpu] = now[vcpu].nested;
	combined[vpid].owner = vcpu;
	combined[vpid].linear = now[vcpu].linear;
}

static void history(bool single)
{
	struct vmx_tlb_pool pool;
	struct vmx_tlb tlbs[VCPUS] = {{0}};

	vmx_tlb_pool_init(&pool, true, single);
	/* The end of the VPIDs is near. */
	pool.next = VMX_VPIDS - 5;
	for (size_t i = 0; i < VMX_VPIDS; i++)
		combined[i].owner = -1;
	for (int i = 0; i < VCPUS; i++) {
		nested[i] = 77; /* of a VM that is gone */
		now[i].linear = now[i].nested = 1000;
	}
	for (int i = 0; i < HISTORY; i++) {
		int vcpu = rand() % VCPUS;

		if (rand() % 4 == 0) {
			now[vcpu].linear++;
			vmx_tlb_flush_linear(&tlbs[vcpu]);
		}
		if (rand() % 50 == 0) {
			now[vcpu].nested++;
			now[vcpu].linear++;
			vmx_tlb_flush_nested(&tlbs[vcpu]);
		}
		if (rand() % 100 == 0)
			vmx_tlb_forget(&tlbs[vcpu]);
		if (i % 5000 == 4999)
			pool.next = VMX_VPIDS - 1;
		model_flush(vmx_tlb_prepare(&pool, &tlbs[vcpu]), vcpu, tlbs[vcpu].vpid);
		model_run(vcpu, tlbs[vcpu].vpid);
	}
	assert_true(pool.generation > 1);
}

static void histories(void **state)
{
	(void)state;
	srand(1);
	history(true);
	history(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_entry),	  cmocka_unit_test(linear_and_nested),
		cmocka_unit_test(without_single), cmocka_unit_test(without_vpids),
		cmocka_unit_test(histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
