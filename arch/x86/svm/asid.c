/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands out TLB tags and decides what each entry has to flush. */
#include "arch/x86/svm/asid.h"

#include "arch/x86/svm/vmcb.h"

void svm_asid_pool_init(struct svm_asid_pool *pool, uint32_t count, bool by_asid)
{
	/* Firmware or an earlier hypervisor may have left tagged entries: the first entry flushes.
	 */
	*pool = (struct svm_asid_pool){
		.next = 1, .count = count, .generation = 1, .by_asid = by_asid, .flush_all = true};
}

void svm_asid_flush(struct svm_asid *asid)
{
	asid->stale = true;
}

void svm_asid_forget(struct svm_asid *asid)
{
	*asid = (struct svm_asid){.generation = 0};
}

static void asid_assign(struct svm_asid_pool *pool, struct svm_asid *asid)
{
	if (pool->next >= pool->count) {
		pool->generation++;
		pool->next = 1;
		pool->flush_all = true;
	}
	asid->asid = pool->next++;
	asid->generation = pool->generation;
	/* Nobody had this ASID since the whole TLB was flushed, or will be at this entry. */
	asid->stale = false;
}

uint8_t svm_asid_prepare(struct svm_asid_pool *pool, struct svm_asid *asid)
{
	/* A new ASID flushes one vCPU without the help of the CPU, and without harm to the others.
	 */
	if (asid->generation != pool->generation || (asid->stale && !pool->by_asid))
		asid_assign(pool, asid);
	if (pool->flush_all)
		return VMCB_TLB_FLUSH_ALL;
	return asid->stale ? VMCB_TLB_FLUSH_ASID : VMCB_TLB_NOTHING;
}

void svm_asid_entered(struct svm_asid_pool *pool, struct svm_asid *asid)
{
	pool->flush_all = false;
	asid->stale = false;
}
