/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/msr.c: which MSRs a guest has, what they take and what they give. */
#include "vmm/cpuid.h"
#include "vmm/msr.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_guest.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define CANONICAL_HIGH	 0xffff800000000000ull
#define NOT_CANONICAL	 0x0000800000000000ull
#define WRITE_BACK_BYTES 0x0606060606060606ull

static struct vcpu *vcpu;

static int setup(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_backend_install();
	fake_intc_install(vm);
	vcpu = fake_guest_vcpu();
	(void)fake_backend_attach(vcpu);
	cpuid_policy = (struct cpuid_policy){
		.efer_allowed = EFER_SCE | EFER_NXE,
		.physical_bits = 40,
		.has_tsc_aux = true,
	};
	vcpu_msr_reset(vcpu);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_backend_detach(vcpu);
	fake_guest_destroy(vcpu->vm);
	cpuid_policy = (struct cpuid_policy){0};
	return 0;
}

static uint64_t read_msr(uint32_t msr)
{
	uint64_t value = 0;

	if (vcpu_msr_read(vcpu, msr, &value) != 0)
		fail_msg("RDMSR 0x%x faults", msr);
	return value;
}

/* What is written is read again. */
static void test_stored(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} cases[] = {
		{MSR_SYSENTER_CS, 0x10},
		{MSR_SYSENTER_ESP, CANONICAL_HIGH},
		{MSR_SYSENTER_EIP, 0x7fffffffffff},
		{MSR_STAR, 0x0023001000000000},
		{MSR_LSTAR, CANONICAL_HIGH | 0x1000},
		{MSR_CSTAR, CANONICAL_HIGH | 0x2000},
		{MSR_SFMASK, 0x47700},
		{MSR_FS_BASE, 0x7f0000000000},
		{MSR_GS_BASE, CANONICAL_HIGH | 0x3000},
		{MSR_KERNEL_GS_BASE, CANONICAL_HIGH | 0x4000},
		{MSR_TSC_AUX, 0xffffffff},
		{MSR_EFER, EFER_SCE | EFER_NXE | EFER_LME | EFER_LMA},
		{MSR_PAT, 0x0001040506070000},
		{MSR_MCG_STATUS, 7},
		{MSR_MTRR_DEF_TYPE, 0xc06},
		{MSR_MTRR_PHYS_BASE0, 0x80000000 | 6},
		{MSR_MTRR_PHYS_BASE0 + 1, 0xff80000800},
		{MSR_MTRR_PHYS_BASE0 + 14, 0xfffffff001},
		{MSR_MTRR_PHYS_BASE0 + 15, 0xfffffff800},
		{MSR_MTRR_FIX_64K_00000, WRITE_BACK_BYTES},
		{MSR_MTRR_FIX_16K_80000, WRITE_BACK_BYTES},
		{MSR_MTRR_FIX_16K_A0000, 0},
		{MSR_MTRR_FIX_4K_C0000, 0x0504010006050401},
		{MSR_MTRR_FIX_4K_F8000, WRITE_BACK_BYTES},
		{MSR_MISC_ENABLE, 0x1800}, /* fast strings off */
	};

	(void)state;
	cpuid_policy.efer_allowed |= EFER_LME | EFER_LMA;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (vcpu_msr_write(vcpu, cases[i].msr, cases[i].value) != 0)
			fail_msg("WRMSR 0x%x faults", cases[i].msr);
	}
	/* Read after all were written: no two share their place. */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (read_msr(cases[i].msr) != cases[i].value)
			fail_msg("MSR 0x%x reads 0x%llx", cases[i].msr,
				 (unsigned long long)read_msr(cases[i].msr));
	}
}

/* Writes that fault, and leave the old value. */
static void test_refused(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} cases[] = {
		{MSR_SYSENTER_ESP, NOT_CANONICAL},
		{MSR_SYSENTER_EIP, NOT_CANONICAL},
		{MSR_LSTAR, NOT_CANONICAL},
		{MSR_CSTAR, 0xffff7fffffffffff},
		{MSR_FS_BASE, NOT_CANONICAL},
		{MSR_GS_BASE, 1ull << 63},
		{MSR_KERNEL_GS_BASE, NOT_CANONICAL},
		{MSR_TSC_AUX, 1ull << 32},
		{MSR_EFER, EFER_SVME},
		{MSR_PAT, 2},
		{MSR_PAT, 3ull << 56},
		{MSR_PAT, 8},
		{MSR_MCG_STATUS, 8},
		{MSR_MTRR_DEF_TYPE, 0x1000},
		{MSR_MTRR_DEF_TYPE, 0x106},
		{MSR_MTRR_DEF_TYPE, 0xc02},
		{MSR_MTRR_DEF_TYPE, 0xc07},
		{MSR_MTRR_PHYS_BASE0, 1ull << 40},
		{MSR_MTRR_PHYS_BASE0, 0x106},
		{MSR_MTRR_PHYS_BASE0, 3},
		{MSR_MTRR_PHYS_BASE0 + 1, 0x400},
		{MSR_MTRR_PHYS_BASE0 + 1, 1ull << 40},
		{MSR_MTRR_FIX_64K_00000, 2},
		{MSR_MTRR_FIX_4K_F8000, 7ull << 56},
		/* Read-only. */
		{MSR_MTRR_CAP, 0},
		{MSR_MCG_CAP, 0},
		{MSR_P5_MC_ADDR, 0},
		{MSR_PLATFORM_ID, 0},
		{MSR_PLATFORM_INFO, 0},
		{MSR_LAST_BRANCH_FROM, 0},
		{MSR_LAST_INT_TO, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before = read_msr(cases[i].msr);

		if (vcpu_msr_write(vcpu, cases[i].msr, cases[i].value) != -EACCES)
			fail_msg("WRMSR 0x%x takes 0x%llx", cases[i].msr,
				 (unsigned long long)cases[i].value);
		assert_int_equal(read_msr(cases[i].msr), before);
	}
}

/* MSRs of features that CPUID does not offer, and numbers next to those that there are. */
static void test_absent(void **state)
{
	static const uint32_t cases[] = {
		2,
		0xf,
		0x13,
		MSR_FEATURE_CONTROL,
		MSR_TSC_ADJUST,
		MSR_SPEC_CTRL,
		MSR_PRED_CMD,
		MSR_ARCH_CAPABILITIES,
		0x173,
		0x177,
		MSR_MCG_CTL,
		MSR_MTRR_PHYS_BASE0 + 2 * MTRR_VARIABLE_COUNT,
		0x24f,
		0x251,
		0x25a,
		0x267,
		0x270,
		MSR_MC0_CTL,
		0x480, /* VMX */
		0x7ff,
		0x900,
		MSR_XSS,
		MSR_KVM_STEAL_TIME - 1, /* KVM's asynchronous page faults */
		MSR_KVM_STEAL_TIME + 1,
		0xc0000085,
		MSR_TSC_RATIO,
		MSR_VM_CR,
		MSR_VM_HSAVE_PA,
		UINT32_MAX,
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (vcpu_msr_read(vcpu, cases[i], &value) != -EACCES ||
		    vcpu_msr_write(vcpu, cases[i], 0) != -EACCES)
			fail_msg("MSR 0x%x is there", cases[i]);
	}
}

/* What systems read and write without asking CPUID: they would not survive a fault. */
static void test_settings_without_effect(void **state)
{
	static const uint32_t cases[] = {
		MSR_EBL_CR_POWERON, MSR_DEBUGCTL, MSR_SYSCFG,	MSR_NB_CFG,
		MSR_INT_PENDING,    MSR_SMM_ADDR, MSR_SMM_MASK, MSR_MMIO_CFG_BASE,
		MSR_DC_CFG,	    MSR_BU_CFG,	  MSR_BU_CFG2,
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(vcpu_msr_write(vcpu, cases[i], 0x1001), 0);
		assert_int_equal(read_msr(cases[i]), 0);
	}
	/* LFENCE serialises, and stays so. */
	assert_int_equal(vcpu_msr_write(vcpu, MSR_DE_CFG, 0), 0);
	assert_int_equal(read_msr(MSR_DE_CFG), DE_CFG_LFENCE_SERIALIZE);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_PATCH_LOADER, CANONICAL_HIGH), 0);
	assert_int_equal(vcpu_msr_read(vcpu, MSR_PATCH_LOADER, &value), -EACCES);
}

static void test_tsc_aux_needs_an_instruction_that_reads_it(void **state)
{
	uint64_t value;

	(void)state;
	cpuid_policy.has_tsc_aux = false;
	assert_int_equal(vcpu_msr_read(vcpu, MSR_TSC_AUX, &value), -EACCES);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_TSC_AUX, 0), -EACCES);
}

/* With five-level paging, addresses are checked to 57 bits. */
static void test_canonical_width(void **state)
{
	(void)state;
	cpuid_policy.cr4_allowed = CR4_LA57;
	assert_int_equal(vcpu_msr_write(vcpu, MSR_LSTAR, NOT_CANONICAL), 0);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_LSTAR, 1ull << 56), -EACCES);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_LSTAR, 0xff00000000000000), 0);
}

static void test_constants(void **state)
{
	(void)state;
	/* Eight variable ranges, fixed ranges, write-combining. */
	assert_int_equal(read_msr(MSR_MTRR_CAP), 0x508);
	/* No banks of machine checks. */
	assert_int_equal(read_msr(MSR_MCG_CAP), 0);
	/* Memory is write-back and the ranges are on. */
	assert_int_equal(read_msr(MSR_MTRR_DEF_TYPE), 0x806);
	assert_int_equal(read_msr(MSR_BIOS_SIGN_ID) >> 32, 0xffffffff);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_BIOS_SIGN_ID, 0), 0);
	assert_int_equal(read_msr(MSR_HWCR), 1u << 24);
	assert_int_equal(read_msr(MSR_SYSCFG), 0);
	/* Fast string instructions; neither branch traces nor PEBS, which cannot be had. */
	assert_int_equal(read_msr(MSR_MISC_ENABLE), 0x1801);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_MISC_ENABLE, UINT64_MAX & ~0x1800ull), 0);
	assert_int_equal(read_msr(MSR_MISC_ENABLE), 0x1801);
}

static void test_tsc(void **state)
{
	(void)state;
	vcpu->vm->tsc_offset = 0 - UINT64_C(500);
	fake_platform_set_time(2000);
	assert_int_equal(read_msr(MSR_TSC), 1500);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_TSC, 10), 0);
	assert_int_equal(read_msr(MSR_TSC), 10);
	assert_int_equal(fake_vcpu(vcpu)->tsc_offset, 10 - UINT64_C(2000));
	fake_platform_advance(100);
	assert_int_equal(read_msr(MSR_TSC), 110);
	/* The others' TSCs do not move. */
	assert_int_equal(vcpu->vm->tsc_offset, 0 - UINT64_C(500));
}

static void test_local_apic_has_its_own(void **state)
{
	static const uint32_t msrs[] = {MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST, 0x83f,
					MSR_X2APIC_LAST};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		fake_intc.msr_error = 0;
		assert_int_equal(vcpu_msr_write(vcpu, msrs[i], 42 + i), 0);
		assert_int_equal(fake_intc.msr, msrs[i]);
		assert_int_equal(read_msr(msrs[i]), 42 + i);
		fake_intc.msr_error = -EACCES;
		assert_int_equal(vcpu_msr_write(vcpu, msrs[i], 0), -EACCES);
		assert_int_equal(vcpu_msr_read(vcpu, msrs[i], &value), -EACCES);
	}
}

/* The MSRs that system calls and context switches use need no exit; all others exit. */
static void test_what_the_hardware_may_have(void **state)
{
	static const uint32_t open[] = {MSR_SYSENTER_CS,   MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
					MSR_STAR,	   MSR_LSTAR,	     MSR_CSTAR,
					MSR_SFMASK,	   MSR_FS_BASE,	     MSR_GS_BASE,
					MSR_KERNEL_GS_BASE};
	char block;

	(void)state;
	vcpu->vm->backend = &block;
	assert_int_equal(vm_msr_setup(vcpu->vm), 0);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		assert_true(fake_backend_msr_is_open(open[i]));
	assert_int_equal(fake_backend_open_msrs(), ARRAY_SIZE(open));
	fake_backend_fail_after(3);
	assert_int_equal(vm_msr_setup(vcpu->vm), -ENOMEM);
	vcpu->vm->backend = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settings_without_effect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tsc_aux_needs_an_instruction_that_reads_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_canonical_width, setup, teardown),
		cmocka_unit_test_setup_teardown(test_constants, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tsc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local_apic_has_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_the_hardware_may_have, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
