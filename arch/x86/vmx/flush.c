/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands out VPIDs and decides what has to be flushed. */
#include "arch/x86/vmx/flush.h"

void vmx_tlb_pool_init(struct vmx_tlb_pool *pool, bool vpid, bool single)
{
	*pool = (struct vmx_tlb_pool){.next = 1, .generation = 1, .vpid = vpid, .single = single};
}

void vmx_tlb_flush_linear(struct vmx_tlb *tlb)
{
	tlb->linear_stale = true;
}

void vmx_tlb_flush_nested(struct vmx_tlb *tlb)
{
	tlb->nested_clean = false;
}

void vmx_tlb_forget(struct vmx_tlb *tlb)
{
	*tlb = (struct vmx_tlb){.generation = 0};
}

/* Returns VMX_FLUSH_ALL_VPIDS where the VPIDs begin anew. */
static unsigned vpid_assign(struct vmx_tlb_pool *pool, struct vmx_tlb *tlb)
{
	unsigned flush = 0;

	if (pool->next >= VMX_VPIDS) {
		pool->generation++;
		pool->next = 1;
		flush = VMX_FLUSH_ALL_VPIDS;
	}
	tlb->vpid = pool->next++;
	tlb->generation = pool->generation;
	/* Nobody had this VPID since all were flushed. */
	tlb->linear_stale = false;
	return flush;
}

unsigned vmx_tlb_prepare(struct vmx_tlb_pool *pool, struct vmx_tlb *tlb)
{
	unsigned flush = tlb->nested_clean ? 0u : VMX_FLUSH_EPT;

	tlb->nested_clean = true;
	if (!pool->vpid) {
		tlb->vpid = 0;
		tlb->linear_stale = false;
		return flush;
	}
	if (tlb->generation != pool->generation)
		return flush | vpid_assign(pool, tlb);
	/* INVEPT drops the combined translations of its EPT pointer, too. */
	if (tlb->linear_stale && flush == 0) {
		if (!pool->single)
			return vpid_assign(pool, tlb);
		flush = VMX_FLUSH_VPID;
	}
	tlb->linear_stale = false;
	return flush;
}
