/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy is a table of masks: a leaf's register reaches the guest as (host AND mask) OR always.
 * Leaves that name the machine's topology, the guest's XSAVE area or the hypervisor are written
 * here. The answers that do not depend on the vCPU are worked out at boot; an exit looks one up and
 * patches what does.
 */
#include "vmm/cpuid.h"

#include "vmm/kvm_pv.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <string.h>

#define BIT(n) (1u << (n))

/* Leaf 1. */
#define CPUID_1_ECX_X2APIC	 BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CPUID_1_ECX_XSAVE	 BIT(26)
#define CPUID_1_ECX_OSXSAVE	 BIT(27)
#define CPUID_1_ECX_HYPERVISOR	 BIT(31)
#define CPUID_1_EDX_APIC	 BIT(9)
#define CPUID_1_EDX_HTT		 BIT(28)

/* Where the tables of answers end: the highest leaf offered in each range. */
#define BASIC_MAX	 0x16u
#define EXTENDED_FIRST	 0x80000000u
#define EXTENDED_MAX	 0x80000008u
#define XSAVE_LEAF	 0xdu
#define XSAVE_COMPONENTS 64

struct leaf_policy {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t mask[4]; /* eax, ebx, ecx, edx */
	uint32_t always[4];
};

#define ALL 0xffffffffu

/*
 * SSE3 PCLMULQDQ SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND
 */
#define LEAF_1_ECX                                                                              \
	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(22) | \
	 BIT(23) | BIT(25) | CPUID_1_ECX_XSAVE | BIT(28) | BIT(29) | BIT(30))
/* FPU VME DE PSE TSC MSR PAE MCE CX8 SEP PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2 */
#define LEAF_1_EDX                                                                           \
	(0x000001ffu | BIT(11) | BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(19) | \
	 BIT(23) | BIT(24) | BIT(25) | BIT(26))
#define CPUID_1_EDX_MTRR BIT(12)
/*
 * FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS INVPCID AVX512F AVX512DQ RDSEED ADX SMAP AVX512IFMA CLFLUSHOPT
 * CLWB AVX512CD SHA AVX512BW AVX512VL
 */
#define LEAF_7_EBX                                                                                 \
	(BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(16) | BIT(17) |       \
	 BIT(18) | BIT(19) | BIT(20) | BIT(21) | BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | \
	 BIT(31))
/* AVX512VBMI UMIP PKU AVX512VBMI2 GFNI VAES VPCLMULQDQ AVX512VNNI AVX512BITALG VPOPCNTDQ LA57 RDPID
 */
#define LEAF_7_ECX                                                                           \
	(BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | \
	 BIT(14) | BIT(16) | BIT(22))
/* FSRM */
#define LEAF_7_EDX	  BIT(4)
/* LAHF CR8_LEGACY ABM SSE4A MISALIGNSSE 3DNOWPREFETCH; no SVM: guests have no nested virtualisation
 */
#define LEAF_80000001_ECX (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8))
/* As leaf 1 where AMD repeats it; SYSCALL NX MMXEXT FFXSR PDPE1GB RDTSCP LM */
#define LEAF_80000001_EDX                                                                          \
	(0x000001ffu | CPUID_1_EDX_APIC | BIT(11) | CPUID_1_EDX_MTRR | BIT(13) | BIT(14) |         \
	 BIT(15) | BIT(16) | BIT(17) | BIT(20) | BIT(22) | BIT(23) | BIT(24) | BIT(25) | BIT(26) | \
	 BIT(27) | BIT(29))

static const struct leaf_policy policies[] = {
	{0, 0, {0, ALL, ALL, ALL}, {BASIC_MAX, 0, 0, 0}},
	/* EBX: CLFLUSH size and the brand; APIC ID and CPU count are the vCPU's. */
	{1,
	 0,
	 {ALL, 0x0000ffff, LEAF_1_ECX, LEAF_1_EDX},
	 {0, 0, CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR,
	  CPUID_1_EDX_APIC | CPUID_1_EDX_MTRR}},
	{2, 0, {ALL, ALL, ALL, ALL}, {0}},
	/* ARAT: the local APIC's timer never stops. */
	{6, 0, {0}, {BIT(2), 0, 0, 0}},
	{7, 0, {0, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX}, {0}},
	{EXTENDED_FIRST, 0, {0, ALL, ALL, ALL}, {EXTENDED_MAX, 0, 0, 0}},
	{0x80000001u, 0, {ALL, 0xf0000000u, LEAF_80000001_ECX, LEAF_80000001_EDX}, {0}},
	{0x80000002u, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000003u, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000004u, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000005u, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000006u, 0, {ALL, ALL, ALL, ALL}, {0}},
	/* Invariant TSC. */
	{0x80000007u, 0, {0, 0, 0, BIT(8)}, {0}},
	/* Address sizes; CLZERO, XSAVEERPTR, WBNOINVD. */
	{0x80000008u, 0, {0x0000ffff, BIT(0) | BIT(2) | BIT(9), 0, 0}, {0}},
};

struct cpuid_policy cpuid_policy;

static struct cpuid_regs basic[BASIC_MAX + 1];
static struct cpuid_regs extended[EXTENDED_MAX - EXTENDED_FIRST + 1];
static struct cpuid_regs xsave[XSAVE_COMPONENTS];
/* Size of the XSAVE area (not compacted) for the components that XCR0 may enable, by component:
 * offset + size. */
static uint32_t xsave_end[XSAVE_COMPONENTS];

static struct cpuid_regs host_leaf(uint32_t leaf, uint32_t subleaf)
{
	uint32_t highest[4];
	uint32_t regs[4];

	platform_cpuid(leaf & EXTENDED_FIRST, 0, highest);
	if (leaf > highest[0])
		return (struct cpuid_regs){0};
	platform_cpuid(leaf, subleaf, regs);
	if (backend != NULL && backend->limit_cpuid != NULL)
		backend->limit_cpuid(leaf, subleaf, regs);
	return (struct cpuid_regs){regs[0], regs[1], regs[2], regs[3]};
}

/* Where a leaf's answer is kept, NULL where it is not offered. */
static struct cpuid_regs *slot(uint32_t leaf)
{
	if (leaf <= BASIC_MAX)
		return &basic[leaf];
	if (leaf >= EXTENDED_FIRST && leaf <= EXTENDED_MAX)
		return &extended[leaf - EXTENDED_FIRST];
	return NULL;
}

static void apply(const struct leaf_policy *policy)
{
	struct cpuid_regs host = host_leaf(policy->leaf, policy->subleaf);
	struct cpuid_regs *to = slot(policy->leaf);

	if (to == NULL)
		return;
	*to = (struct cpuid_regs){
		(host.eax & policy->mask[0]) | policy->always[0],
		(host.ebx & policy->mask[1]) | policy->always[1],
		(host.ecx & policy->mask[2]) | policy->always[2],
		(host.edx & policy->mask[3]) | policy->always[3],
	};
}

/* The TSC's frequency, where guests look for it: SDM 2A, leaves 15h and 16h. */
static void set_tsc_leaves(void)
{
	uint64_t hz = platform_tick_hz();

	/* As a ratio to a crystal of 1 MHz, which is exact to a part in a thousand million or so.
	 */
	if (hz / 1000000 == 0 || hz / 1000000 > UINT32_MAX)
		return;
	basic[0x16].eax = (uint32_t)(hz / 1000000);
	basic[0x16].ebx = basic[0x16].eax;
}

static void set_xsave_leaves(void)
{
	/* x87, SSE, AVX, AVX-512 (three), PKRU: components whose state XSAVE alone carries. */
	const uint64_t known = 0x2e7;
	struct cpuid_regs host = host_leaf(XSAVE_LEAF, 0);
	uint64_t offered = ((uint64_t)host.edx << 32 | host.eax) & known;
	uint32_t end = 512 + 64; /* legacy area and header */

	if ((basic[1].ecx & CPUID_1_ECX_XSAVE) == 0)
		return;
	/* AVX-512 comes whole or not at all, and with AVX. */
	if ((offered & 0xe4) != 0xe4)
		offered &= ~(uint64_t)0xe0;
	for (unsigned i = 2; i < XSAVE_COMPONENTS; i++) {
		if (!(offered >> i & 1))
			continue;
		xsave[i] = host_leaf(XSAVE_LEAF, i);
		xsave_end[i] = xsave[i].ebx + xsave[i].eax;
		xsave[i].ecx = 0; /* not supervisor state, no alignment: XSAVES is not offered */
		xsave[i].edx = 0;
		end = xsave_end[i] > end ? xsave_end[i] : end;
	}
	xsave[0] = (struct cpuid_regs){(uint32_t)offered, 0, end, (uint32_t)(offered >> 32)};
	/* XSAVEOPT, XGETBV with ECX=1; no XSAVEC or XSAVES. */
	xsave[1].eax = host_leaf(XSAVE_LEAF, 1).eax & (BIT(0) | BIT(2));
	cpuid_policy.xcr0_allowed = offered;
}

static void set_cr4_allowed(void)
{
	static const struct {
		uint8_t reg; /* 1: leaf 1 ECX, 2: leaf 1 EDX, 3: leaf 7 EBX, 4: leaf 7 ECX */
		uint8_t bit;
		uint64_t cr4;
	} table[] = {
		{2, 1, CR4_VME | CR4_PVI}, {2, 4, CR4_TSD},	 {2, 2, CR4_DE},
		{2, 3, CR4_PSE},	   {2, 6, CR4_PAE},	 {2, 7, CR4_MCE},
		{2, 13, CR4_PGE},	   {2, 24, CR4_OSFXSR},	 {2, 25, CR4_OSXMMEXCPT},
		{1, 17, CR4_PCIDE},	   {1, 26, CR4_OSXSAVE}, {3, 0, CR4_FSGSBASE},
		{3, 7, CR4_SMEP},	   {3, 20, CR4_SMAP},	 {4, 2, CR4_UMIP},
		{4, 3, CR4_PKE},	   {4, 16, CR4_LA57},
	};
	const uint32_t regs[] = {0, basic[1].ecx, basic[1].edx, basic[7].ebx, basic[7].ecx};

	/* RDPMC faults whatever PCE says; the bit itself exists on every CPU with the instruction.
	 */
	cpuid_policy.cr4_allowed = CR4_PCE;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (regs[table[i].reg] >> table[i].bit & 1)
			cpuid_policy.cr4_allowed |= table[i].cr4;
	}
}

static void set_policy(void)
{
	uint32_t edx = extended[1].edx;

	cpuid_policy.efer_allowed =
		(edx >> 11 & 1 ? EFER_SCE : 0) | (edx >> 20 & 1 ? EFER_NXE : 0) |
		(edx >> 29 & 1 ? EFER_LME | EFER_LMA : 0) | (edx >> 25 & 1 ? EFER_FFXSR : 0);
	/* CPUs without this leaf have 36 bits of physical addresses. SDM 3A, 4.1.4. */
	if (extended[8].eax == 0)
		extended[8].eax = 48 << 8 | 36;
	cpuid_policy.physical_bits = extended[8].eax & 0xff;
	cpuid_policy.has_1g_pages = edx >> 26 & 1;
	cpuid_policy.has_tsc_aux = (edx >> 27 & 1) || (basic[7].ecx >> 22 & 1);
	set_cr4_allowed();
}

/* Features whose state depends on XSAVE, where no XSAVE is offered for it: AVX and what needs it.
 */
static void drop_without_xsave(void)
{
	if ((cpuid_policy.xcr0_allowed & 0x4) == 0) {
		basic[1].ecx &= ~(BIT(12) | BIT(28) | BIT(29));
		basic[7].ebx &= ~BIT(5);
		basic[7].ecx &= ~(BIT(9) | BIT(10));
	}
	if ((cpuid_policy.xcr0_allowed & 0xe0) == 0) {
		basic[7].ebx &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31));
		basic[7].ecx &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
	}
	if ((cpuid_policy.xcr0_allowed & 0x200) == 0)
		basic[7].ecx &= ~BIT(3);
}

void cpuid_policy_init(void)
{
	memset(&cpuid_policy, 0, sizeof(cpuid_policy));
	memset(basic, 0, sizeof(basic));
	memset(extended, 0, sizeof(extended));
	memset(xsave, 0, sizeof(xsave));
	memset(xsave_end, 0, sizeof(xsave_end));
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		apply(&policies[i]);
	set_xsave_leaves();
	drop_without_xsave();
	set_tsc_leaves();
	set_policy();
}

/* ---- answers ---- */

/* Every vCPU is a package of one core and one thread: no guest is told that it shares a core. */
static struct cpuid_regs topology_leaf(const struct vcpu *vcpu, uint32_t subleaf)
{
	struct cpuid_regs regs = {0, 0, subleaf & 0xff, vcpu->id};

	if (subleaf < 2) {
		regs.ebx = 1;
		regs.ecx |= (subleaf + 1) << 8; /* thread, then core */
	}
	return regs;
}

static struct cpuid_regs xsave_leaf(struct vcpu *vcpu, uint32_t subleaf)
{
	struct cpuid_regs regs;
	uint64_t xcr0;

	if (subleaf >= XSAVE_COMPONENTS)
		return (struct cpuid_regs){0};
	regs = xsave[subleaf];
	if (subleaf == 0 && cpuid_policy.xcr0_allowed != 0) {
		xcr0 = vcpu_get_reg(vcpu, REG_XCR0);
		regs.ebx = 512 + 64;
		for (unsigned i = 2; i < XSAVE_COMPONENTS; i++) {
			if ((xcr0 >> i & 1) && xsave_end[i] > regs.ebx)
				regs.ebx = xsave_end[i];
		}
	}
	return regs;
}

static struct cpuid_regs basic_leaf(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs regs;

	switch (leaf) {
	case 1:
		regs = basic[1];
		regs.ebx |= vcpu->id << 24 | 1u << 16;
		if (vcpu_get_reg(vcpu, REG_CR4) & CR4_OSXSAVE)
			regs.ecx |= CPUID_1_ECX_OSXSAVE;
		return regs;
	case 7:
		if (subleaf != 0)
			break;
		regs = basic[7];
		/* OSPKE follows CR4.PKE. */
		if (vcpu_get_reg(vcpu, REG_CR4) & CR4_PKE)
			regs.ecx |= BIT(4);
		return regs;
	case 0xb:
		return topology_leaf(vcpu, subleaf);
	case XSAVE_LEAF:
		return xsave_leaf(vcpu, subleaf);
	default:
		return basic[leaf];
	}
	return (struct cpuid_regs){0};
}

static struct cpuid_regs hypervisor_leaf(uint32_t leaf)
{
	if (leaf == KVM_PV_CPUID_SIGNATURE)
		/* "KVMKVMKVM\0\0\0" */
		return (struct cpuid_regs){KVM_PV_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d};
	if (leaf == KVM_PV_CPUID_FEATURES)
		return (struct cpuid_regs){kvm_pv_features(), 0, 0, 0};
	return (struct cpuid_regs){0};
}

/* Those of basic_leaf() that it does not just look up. */
#define OWN_LEAVES (1u << 1 | 1u << 7 | 1u << 0xb | 1u << XSAVE_LEAF)
_Static_assert(BASIC_MAX < 32, "OWN_LEAVES holds all basic leaves");

const struct cpuid_regs *cpuid_fixed(uint32_t leaf)
{
	if (leaf <= BASIC_MAX && (OWN_LEAVES >> leaf & 1))
		return NULL;
	return slot(leaf);
}

struct cpuid_regs vcpu_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_regs *fixed = cpuid_fixed(leaf);

	if (fixed)
		return *fixed;
	return leaf <= BASIC_MAX ? basic_leaf(vcpu, leaf, subleaf) : hypervisor_leaf(leaf);
}
