/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest sees of CPUID: chosen leaf by leaf and bit by bit from what the host has and what is
 * virtualised here. Nothing is passed through by default. SDM 2A, CPUID; APM 3, appendix E.
 */
#pragma once

#include "vmm/types.h"

struct vcpu;

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

/* What follows from the offered features for registers and memory, the same for all guests of this
 * host. */
struct cpuid_policy {
	uint64_t cr4_allowed;
	uint64_t efer_allowed;
	uint64_t xcr0_allowed; /* 0 where there is no XSAVE */
	unsigned physical_bits;
	bool has_1g_pages;
	bool has_tsc_aux; /* RDTSCP or RDPID */
};

/* Set by cpuid_policy_init(), constant afterwards. */
extern struct cpuid_policy cpuid_policy;

/* Works out the policy and the table of leaves from the host's CPUID. Once, at boot, before any VM.
 */
void cpuid_policy_init(void);

/*
 * The answer to CPUID `leaf` where it is the same on every vCPU and for every subleaf; NULL where
 * vcpu_cpuid() has to be asked.
 */
const struct cpuid_regs *cpuid_fixed(uint32_t leaf);

/* The answer to CPUID `leaf`, `subleaf` on this vCPU. A leaf that is not there answers zeros. */
struct cpuid_regs vcpu_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);
