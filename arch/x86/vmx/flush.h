/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which cached translations a vCPU's next entry must not find, and how little is thrown away for
 * it. Two kinds are cached (SDM 3C, 28.4.1): combined ones, tagged with the VPID and the EPT
 * pointer, which changes of the guest's paging make wrong; and guest-physical ones, tagged with the
 * EPT pointer alone, which changes of the nested tables make wrong (INVEPT drops both).
 *
 * Each host CPU hands out its own VPIDs, 1 and up (0 is the host's). When they run out a new
 * generation begins, and all that were handed out are void. Without VPIDs every entry and exit
 * drops the combined translations by itself.
 */
#pragma once

#include "vmm/types.h"

#define VMX_VPIDS 65536u

enum vmx_flush {
	VMX_FLUSH_VPID = 1 << 0,      /* INVVPID, single context */
	VMX_FLUSH_ALL_VPIDS = 1 << 1, /* INVVPID, all contexts */
	VMX_FLUSH_EPT = 1 << 2,	      /* INVEPT, single context where the CPU has it */
};

/* One host CPU's. */
struct vmx_tlb_pool {
	uint32_t next; /* VPID to be handed out */
	uint64_t generation;
	bool vpid;   /* the CPU has VPIDs */
	bool single; /* and can flush one */
};

/* One vCPU's. All zeros: no VPID yet, nothing known of any CPU's caches. */
struct vmx_tlb {
	uint32_t vpid;
	uint64_t generation; /* that vpid belongs to; 0: none */
	bool linear_stale;   /* combined translations may be wrong */
	bool nested_clean;   /* guest-physical ones are right */
};

void vmx_tlb_pool_init(struct vmx_tlb_pool *pool, bool vpid, bool single);

/* The guest's paging changed by another way than an instruction of its own. */
void vmx_tlb_flush_linear(struct vmx_tlb *tlb);

/* The nested tables changed, or are other tables. */
void vmx_tlb_flush_nested(struct vmx_tlb *tlb);

/* The vCPU is to run on another CPU, whose caches it knows nothing of. */
void vmx_tlb_forget(struct vmx_tlb *tlb);

/*
 * Makes tlb->vpid valid for the next entry (0 where the CPU has none) and returns what has to be
 * flushed before it, as enum vmx_flush bits; the caller does it.
 */
HV_MUST_CHECK unsigned vmx_tlb_prepare(struct vmx_tlb_pool *pool, struct vmx_tlb *tlb);
