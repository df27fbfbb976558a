/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/cpuid.c: what guests see of CPUs that have everything, little, or no XSAVE. */
#include "vmm/cpuid.h"
#include "vmm/kvm_pv.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define ALL 0xffffffffu

static struct vcpu vcpu;

static void set_host(uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx,
		     uint32_t edx)
{
	const uint32_t registers[4] = {eax, ebx, ecx, edx};

	fake_platform_set_cpuid(leaf, subleaf, registers);
}

static struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	return vcpu_cpuid(&vcpu, leaf, subleaf);
}

/* A CPU with every feature bit there is, as no vendor sells it. */
static void make_rich_host(void)
{
	set_host(0, 0, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69);
	set_host(1, 0, 0x000906ea, 0xff8008ff, ALL, ALL);
	set_host(7, 0, 2, ALL, ALL, ALL);
	set_host(7, 1, ALL, ALL, ALL, ALL);
	set_host(0xd, 0, 0x6e7, 0xa88, 0xa88, 0);
	set_host(0xd, 1, 0xf, 0xa88, 0x1900, 0);
	set_host(0xd, 2, 256, 576, 0, 0);
	set_host(0xd, 5, 64, 1088, 0, 0);
	set_host(0xd, 6, 512, 1152, 0, 0);
	set_host(0xd, 7, 1024, 1664, 0, 0);
	set_host(0xd, 9, 8, 2688, 4, 0);
	set_host(0xd, 10, 8, 0, 1, 0); /* PASID: supervisor state */
	set_host(0x80000000, 0, 0x80000028, 0, 0, 0);
	set_host(0x80000001, 0, 0x000906ea, ALL, ALL, ALL);
	set_host(0x80000002, 0, 0x41414141, 0x42424242, 0x43434343, 0x44444444);
	set_host(0x80000007, 0, ALL, ALL, ALL, ALL);
	set_host(0x80000008, 0, 0x00ff3930, ALL, ALL, ALL);
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_backend_install();
	vcpu = (struct vcpu){.id = 3};
	(void)fake_backend_attach(&vcpu);
	make_rich_host();
	cpuid_policy_init();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_backend_detach(&vcpu);
	return 0;
}

/* Features whose registers, MSRs or instructions are not virtualised here. */
static const struct {
	const char *name;
	uint32_t leaf;
	char reg; /* a, b, c, d */
	uint8_t bit;
} never[] = {
	{"DTES64", 1, 'c', 2},
	{"MONITOR", 1, 'c', 3},
	{"DS-CPL", 1, 'c', 4},
	{"VMX", 1, 'c', 5},
	{"SMX", 1, 'c', 6},
	{"EIST", 1, 'c', 7},
	{"TM2", 1, 'c', 8},
	{"SDBG", 1, 'c', 11},
	{"PDCM", 1, 'c', 15},
	{"DCA", 1, 'c', 18},
	{"PSN", 1, 'd', 18},
	{"DS", 1, 'd', 21},
	{"ACPI", 1, 'd', 22},
	{"HTT", 1, 'd', 28},
	{"TM", 1, 'd', 29},
	{"PBE", 1, 'd', 31},
	{"TSC_ADJUST", 7, 'b', 1},
	{"SGX", 7, 'b', 2},
	{"HLE", 7, 'b', 4},
	{"RTM", 7, 'b', 11},
	{"RDT-M", 7, 'b', 12},
	{"MPX", 7, 'b', 14},
	{"RDT-A", 7, 'b', 15},
	{"PT", 7, 'b', 25},
	{"OSPKE while CR4.PKE is clear", 7, 'c', 4},
	{"WAITPKG", 7, 'c', 5},
	{"CET_SS", 7, 'c', 7},
	{"TME", 7, 'c', 13},
	{"KL", 7, 'c', 23},
	{"ENQCMD", 7, 'c', 29},
	{"SGX_LC", 7, 'c', 30},
	{"PKS", 7, 'c', 31},
	{"UINTR", 7, 'd', 5},
	{"PCONFIG", 7, 'd', 18},
	{"LBR", 7, 'd', 19},
	{"CET_IBT", 7, 'd', 20},
	{"AMX-TILE", 7, 'd', 24},
	{"IBRS", 7, 'd', 26},
	{"STIBP", 7, 'd', 27},
	{"L1D_FLUSH", 7, 'd', 28},
	{"ARCH_CAPABILITIES", 7, 'd', 29},
	{"CORE_CAPABILITIES", 7, 'd', 30},
	{"SSBD", 7, 'd', 31},
	{"SVM", 0x80000001, 'c', 2},
	{"extended APIC space", 0x80000001, 'c', 3},
	{"OSVW", 0x80000001, 'c', 9},
	{"IBS", 0x80000001, 'c', 10},
	{"SKINIT", 0x80000001, 'c', 12},
	{"LWP", 0x80000001, 'c', 15},
	{"FMA4", 0x80000001, 'c', 16},
	{"topology extensions", 0x80000001, 'c', 22},
	{"core counters", 0x80000001, 'c', 23},
	{"MWAITX", 0x80000001, 'c', 29},
	{"RDPRU", 0x80000008, 'b', 4},
	{"IBPB", 0x80000008, 'b', 12},
	{"IBRS (AMD)", 0x80000008, 'b', 14},
	{"STIBP (AMD)", 0x80000008, 'b', 15},
	{"SSBD (AMD)", 0x80000008, 'b', 24},
};

static uint32_t reg_of(struct cpuid_regs regs, char reg)
{
	return reg == 'a' ? regs.eax : reg == 'b' ? regs.ebx : reg == 'c' ? regs.ecx : regs.edx;
}

static bool has(uint32_t leaf, char reg, unsigned bit)
{
	return reg_of(cpuid(leaf, 0), reg) >> bit & 1;
}

static void test_what_is_not_virtualised_is_not_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		if (has(never[i].leaf, never[i].reg, never[i].bit))
			fail_msg("%s is offered", never[i].name);
	}
	/* Power management but for the invariant TSC, and performance counters. */
	assert_int_equal(cpuid(0x80000007, 0).edx, 1u << 8);
	assert_int_equal(cpuid(0x80000007, 0).eax | cpuid(0x80000007, 0).ebx, 0);
	assert_int_equal(cpuid(0xa, 0).eax, 0);
	assert_int_equal(cpuid(5, 0).eax, 0);
	assert_int_equal(cpuid(6, 0).eax, 1u << 2);
}

/* Of leaf 7 there is one subleaf. */
static void test_leaf_7_ends(void **state)
{
	struct cpuid_regs regs = cpuid(7, 1);

	(void)state;
	assert_int_equal(cpuid(7, 0).eax, 0);
	assert_int_equal(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
	assert_true(has(7, 'b', 5));
	assert_true(has(7, 'd', 4));
}

static void test_leaf_1_is_the_vcpus(void **state)
{
	struct cpuid_regs regs = cpuid(1, 0);

	(void)state;
	assert_int_equal(regs.eax, 0x000906ea);
	assert_int_equal(regs.ebx, 3u << 24 | 1u << 16 | 0x08ff);
	/* What is virtualised is there on any host. */
	assert_true(has(1, 'c', 21)); /* x2APIC */
	assert_true(has(1, 'c', 24)); /* TSC deadline */
	assert_true(has(1, 'c', 31)); /* hypervisor */
	assert_true(has(1, 'd', 9));  /* APIC */
	assert_true(has(1, 'd', 12)); /* MTRR */
}

/* Bits that show what the guest has switched on. */
static void test_bits_that_follow_cr4(void **state)
{
	(void)state;
	assert_false(has(1, 'c', 27));
	fake_vcpu(&vcpu)->regs[REG_CR4] |= CR4_OSXSAVE | CR4_PKE;
	assert_true(has(1, 'c', 27));
	assert_true(has(7, 'c', 4));
}

static void test_signatures(void **state)
{
	struct cpuid_regs regs = cpuid(0, 0);
	char text[13] = {0};

	(void)state;
	memcpy(text, &regs.ebx, 4);
	memcpy(text + 4, &regs.edx, 4);
	memcpy(text + 8, &regs.ecx, 4);
	assert_string_equal(text, "GenuineIntel");
	assert_int_equal(regs.eax, 0x16);
	regs = cpuid(KVM_PV_CPUID_SIGNATURE, 0);
	assert_int_equal(regs.eax, KVM_PV_CPUID_FEATURES);
	memcpy(text, &regs.ebx, 4);
	memcpy(text + 4, &regs.ecx, 4);
	memcpy(text + 8, &regs.edx, 4);
	assert_memory_equal(text, "KVMKVMKVM\0\0\0", 12);
	assert_int_equal(cpuid(KVM_PV_CPUID_FEATURES, 0).eax, kvm_pv_features());
	assert_int_equal(cpuid(0x80000000, 0).eax, 0x80000008);
	assert_int_equal(cpuid(0x80000002, 0).ebx, 0x42424242);
}

static void test_leaves_that_are_not_there(void **state)
{
	static const uint32_t leaves[] = {
		3, 4, 0x17, 0x20, 0x3fffffff, 0x40000002, 0x7fffffff, 0x80000009, 0x8000001e, ALL};

	(void)state;
	set_host(4, 0, ALL, ALL, ALL, ALL);
	set_host(0x20, 0, ALL, ALL, ALL, ALL);
	set_host(0x8000001e, 0, ALL, ALL, ALL, ALL);
	cpuid_policy_init();
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		struct cpuid_regs regs = cpuid(leaves[i], 0);

		assert_int_equal(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
	}
}

/* Every vCPU is a package of its own: the shift to the next level is 0 at both levels. */
static void test_topology(void **state)
{
	(void)state;
	for (uint32_t level = 0; level < 4; level++) {
		struct cpuid_regs regs = cpuid(0xb, level);

		assert_int_equal(regs.eax, 0);
		assert_int_equal(regs.ebx, level < 2 ? 1 : 0);
		assert_int_equal(regs.ecx, level | (level < 2 ? level + 1 : 0) << 8);
		assert_int_equal(regs.edx, 3);
	}
}

/* ---- XSAVE ---- */

static void test_xsave_area(void **state)
{
	struct cpuid_regs regs = cpuid(0xd, 0);

	(void)state;
	/* x87, SSE, AVX, AVX-512, PKRU; not PASID. */
	assert_int_equal(regs.eax, 0x2e7);
	assert_int_equal(regs.edx, 0);
	assert_int_equal(regs.ecx, 2688 + 8);
	assert_int_equal(cpuid_policy.xcr0_allowed, 0x2e7);
	/* XSAVEOPT, XGETBV of XINUSE; nothing compacted, no supervisor state. */
	regs = cpuid(0xd, 1);
	assert_int_equal(regs.eax, 5);
	assert_int_equal(regs.ebx | regs.ecx | regs.edx, 0);
	regs = cpuid(0xd, 9);
	assert_int_equal(regs.eax, 8);
	assert_int_equal(regs.ebx, 2688);
	assert_int_equal(regs.ecx | regs.edx, 0);
	regs = cpuid(0xd, 10);
	assert_int_equal(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
	regs = cpuid(0xd, 64);
	assert_int_equal(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
}

/* EBX: the area for what XCR0 enables now. */
static void test_xsave_size_follows_xcr0(void **state)
{
	static const struct {
		uint64_t xcr0;
		uint32_t size;
	} cases[] = {{1, 576}, {3, 576}, {7, 832}, {0xe7, 2688}, {0x201, 2696}, {0x2e7, 2696}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_vcpu(&vcpu)->regs[REG_XCR0] = cases[i].xcr0;
		assert_int_equal(cpuid(0xd, 0).ebx, cases[i].size);
	}
}

static void test_avx512_needs_all_its_components(void **state)
{
	(void)state;
	set_host(0xd, 0, 0x2a7, 0, 0, 0); /* one of the three is missing */
	cpuid_policy_init();
	assert_int_equal(cpuid_policy.xcr0_allowed, 0x207);
	assert_int_equal(cpuid(0xd, 0).ecx, 2696);
	assert_int_equal(cpuid(0xd, 5).eax, 0);
	for (unsigned bit = 0; bit < 32; bit++) {
		static const uint32_t avx512_ebx = 0xd0230000, avx512_ecx = 0x00005842;

		assert_false((avx512_ebx >> bit & 1) && has(7, 'b', bit));
		assert_false((avx512_ecx >> bit & 1) && has(7, 'c', bit));
	}
	assert_true(has(7, 'b', 5)); /* AVX2 stays */
}

static void assert_no_avx(void)
{
	assert_false(has(1, 'c', 12)); /* FMA */
	assert_false(has(1, 'c', 28)); /* AVX */
	assert_false(has(1, 'c', 29)); /* F16C */
	assert_false(has(7, 'b', 5));  /* AVX2 */
	assert_false(has(7, 'b', 16)); /* AVX512F */
	assert_false(has(7, 'c', 9));  /* VAES */
	assert_false(has(7, 'c', 10)); /* VPCLMULQDQ */
	assert_false(has(7, 'c', 3));  /* PKU */
}

static void test_no_avx_state(void **state)
{
	(void)state;
	set_host(0xd, 0, 0xe3, 0, 0, 0); /* AVX-512 state without AVX's makes no sense */
	cpuid_policy_init();
	assert_int_equal(cpuid_policy.xcr0_allowed, 3);
	assert_no_avx();
}

static void test_no_xsave(void **state)
{
	struct cpuid_regs regs;

	(void)state;
	set_host(1, 0, 0x000906ea, 0, ALL & ~(1u << 26), ALL);
	cpuid_policy_init();
	assert_int_equal(cpuid_policy.xcr0_allowed, 0);
	assert_no_avx();
	assert_int_equal(cpuid_policy.cr4_allowed & (CR4_OSXSAVE | CR4_PKE), 0);
	for (uint32_t i = 0; i < 10; i++) {
		regs = cpuid(0xd, i);
		assert_int_equal(regs.eax | regs.ebx | regs.ecx | regs.edx, 0);
	}
}

/* ---- what follows for registers ---- */

static void test_policy_of_a_rich_host(void **state)
{
	(void)state;
	assert_int_equal(cpuid_policy.cr4_allowed,
			 CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE |
				 CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP |
				 CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP |
				 CR4_SMAP | CR4_PKE);
	assert_int_equal(cpuid_policy.efer_allowed,
			 EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR);
	assert_int_equal(cpuid_policy.physical_bits, 48);
	assert_int_equal(cpuid(0x80000008, 0).eax, 0x3930);
	assert_true(cpuid_policy.has_1g_pages);
	assert_true(cpuid_policy.has_tsc_aux);
}

static void test_policy_of_a_poor_host(void **state)
{
	struct cpuid_regs regs;

	(void)state;
	fake_platform_reset();
	set_host(0, 0, 1, 0, 0, 0);
	set_host(1, 0, 0, 0, 0, 1u << 6 | 1u << 24); /* PAE, FXSR */
	set_host(7, 0, 0, ALL, ALL, ALL);	     /* beyond the highest leaf */
	set_host(0x80000000, 0, 0x80000001, 0, 0, 0);
	set_host(0x80000001, 0, 0, 0, 0, 1u << 29); /* LM */
	set_host(0x80000008, 0, 0x00003030, 0, 0, 0);
	cpuid_policy_init();
	assert_int_equal(cpuid_policy.cr4_allowed, CR4_PAE | CR4_OSFXSR | CR4_PCE);
	assert_int_equal(cpuid_policy.efer_allowed, EFER_LME | EFER_LMA);
	assert_false(cpuid_policy.has_1g_pages);
	assert_false(cpuid_policy.has_tsc_aux);
	regs = cpuid(7, 0);
	assert_int_equal(regs.ebx | regs.ecx | regs.edx, 0);
	/* Where the host does not say how wide addresses are: as wide as CPUs without the leaf
	 * have them, and the guest is told so. */
	assert_int_equal(cpuid_policy.physical_bits, 36);
	assert_int_equal(cpuid(0x80000008, 0).eax, 48 << 8 | 36);
}

/* RDPID reads the MSR that RDTSCP does. */
static void test_tsc_aux_with_rdpid_alone(void **state)
{
	(void)state;
	set_host(0x80000001, 0, 0, 0, 0, ALL & ~(1u << 27));
	cpuid_policy_init();
	assert_false(has(0x80000001, 'd', 27));
	assert_true(has(7, 'c', 22));
	assert_true(cpuid_policy.has_tsc_aux);
}

static void test_tsc_frequency(void **state)
{
	(void)state;
	assert_int_equal(cpuid(0x16, 0).eax, FAKE_TICK_HZ / 1000000);
	assert_int_equal(cpuid(0x15, 0).eax | cpuid(0x15, 0).ebx, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_not_virtualised_is_not_offered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_leaf_7_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaf_1_is_the_vcpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bits_that_follow_cr4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signatures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_that_are_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_topology, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xsave_area, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xsave_size_follows_xcr0, setup, teardown),
		cmocka_unit_test_setup_teardown(test_avx512_needs_all_its_components, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_avx_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_xsave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_policy_of_a_rich_host, setup, teardown),
		cmocka_unit_test_setup_teardown(test_policy_of_a_poor_host, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tsc_aux_with_rdpid_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tsc_frequency, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
