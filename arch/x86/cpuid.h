/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID instruction, and the feature bits of the host that this directory asks for. */
#pragma once

#include "vmm/types.h"

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

/* Executes CPUID as is: a leaf above the highest one returns what the CPU likes (SDM 2A, CPUID). */
static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs regs;

	__asm__ volatile("cpuid"
			 : "=a"(regs.eax), "=b"(regs.ebx), "=c"(regs.ecx), "=d"(regs.edx)
			 : "a"(leaf), "c"(subleaf));
	return regs;
}

/*
 * The same, but all zeros where the CPU does not have the leaf: then every feature in it is absent.
 */
static inline struct cpuid_regs cpuid_checked(uint32_t leaf, uint32_t subleaf)
{
	uint32_t range = leaf & 0xffff0000u;
	uint32_t highest = cpuid(range, 0).eax;

	if (highest < leaf || (highest & 0xffff0000u) != range)
		return (struct cpuid_regs){0, 0, 0, 0};
	return cpuid(leaf, subleaf);
}

/* Leaf 1 */
#define CPUID_1_ECX_X2APIC	 (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_XSAVE	 (1u << 26)
#define CPUID_1_ECX_HYPERVISOR	 (1u << 31)
#define CPUID_1_EDX_MCE		 (1u << 7)
#define CPUID_1_EDX_MCA		 (1u << 14)
#define CPUID_1_EDX_PGE		 (1u << 13)
#define CPUID_1_EDX_PAT		 (1u << 16)

/* Leaf 7, subleaf 0 */
#define CPUID_7_EBX_SMEP (1u << 7)
#define CPUID_7_EBX_SMAP (1u << 20)
#define CPUID_7_ECX_UMIP (1u << 2)

/* Leaf 80000001h */
#define CPUID_80000001_EDX_NX	   (1u << 20)
#define CPUID_80000001_EDX_PAGE_1G (1u << 26)
