/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address space identifiers: tags in a CPU's TLB that keep guests' translations apart. Each host
 * CPU hands out its own, 1 and up (0 is the host's). When they run out a new generation begins: all
 * that were handed out are void, and the TLB is flushed as a whole. APM 2, 15.16.
 *
 * Emulators flush at every world switch and forgive every mistake here; a real CPU forgives none.
 * Hence the unit test.
 */
#pragma once

#include "vmm/types.h"

/* One host CPU's. */
struct svm_asid_pool {
	uint32_t next;	/* to be handed out */
	uint32_t count; /* ASIDs of the CPU with the host's: 1 to count - 1 are guests' */
	uint64_t generation;
	bool by_asid;	/* the CPU can flush one ASID */
	bool flush_all; /* a generation began and no entry has flushed yet */
};

/* One vCPU's. All zeros: none yet. */
struct svm_asid {
	uint32_t asid;
	uint64_t generation; /* that asid belongs to; 0: none */
	bool stale;	     /* the CPU may hold translations of it that are wrong by now */
};

/* count: as CPUID 8000_000A EBX says, 2 or more. */
void svm_asid_pool_init(struct svm_asid_pool *pool, uint32_t count, bool by_asid);

/* The vCPU's cached translations must go before its next entry. */
void svm_asid_flush(struct svm_asid *asid);

/* The vCPU is to run on another CPU, whose pool knows nothing of it. */
void svm_asid_forget(struct svm_asid *asid);

/*
 * Makes asid->asid valid for the next entry, and returns the TLB_CONTROL for it. To be called
 * before an entry where the vCPU was just loaded or svm_asid_flush() was called; svm_asid_entered()
 * must follow when VMRUN was executed.
 */
HV_MUST_CHECK uint8_t svm_asid_prepare(struct svm_asid_pool *pool, struct svm_asid *asid);
void svm_asid_entered(struct svm_asid_pool *pool, struct svm_asid *asid);
