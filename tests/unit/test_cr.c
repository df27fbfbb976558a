/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/cr.c: which writes of CR0, CR3, CR4, CR8, EFER and XCR0 a CPU accepts. */
#include "vmm/cr.h"
#include "vmm/cpuid.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define PG_PE	  (CR0_PG | CR0_PE)
#define LONG_MODE (EFER_LME | EFER_LMA)

static struct vcpu vcpu;

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_backend_install();
	vcpu = (struct vcpu){.id = 0};
	(void)fake_backend_attach(&vcpu);
	cpuid_policy = (struct cpuid_policy){
		.cr4_allowed = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR |
			       CR4_PCIDE | CR4_OSXSAVE | CR4_LA57,
		.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.xcr0_allowed = 0x2e7,
		.physical_bits = 40,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_backend_detach(&vcpu);
	cpuid_policy = (struct cpuid_policy){0};
	return 0;
}

static uint64_t *reg(enum vcpu_reg number)
{
	return &fake_vcpu(&vcpu)->regs[number];
}

static void set_state(uint64_t cr0, uint64_t cr4, uint64_t efer, bool code_is_64_bit)
{
	*reg(REG_CR0) = cr0;
	*reg(REG_CR4) = cr4;
	*reg(REG_EFER) = efer;
	fake_vcpu(&vcpu)->segments[SEG_CS].attributes =
		0x9b | (code_is_64_bit ? SEG_ATTR_LONG : SEG_ATTR_DEFAULT_32);
}

struct write_case {
	uint64_t cr0, cr4, efer; /* before */
	bool code_is_64_bit;
	uint64_t value; /* written */
	int error;
	uint64_t result; /* the register afterwards, where there is no error */
	uint64_t efer_after;
};

/* Runs a case: what was refused must have changed nothing. */
static void check_write(const struct write_case *c, unsigned cr, enum vcpu_reg number, size_t index)
{
	uint64_t before;
	int error;

	set_state(c->cr0, c->cr4, c->efer, c->code_is_64_bit);
	before = *reg(number);
	error = vcpu_cr_write(&vcpu, cr, c->value);
	if (error != c->error || *reg(number) != (error == 0 ? c->result : before) ||
	    *reg(REG_EFER) != (error == 0 ? c->efer_after : c->efer))
		fail_msg("case %zu: error %d, CR%u 0x%llx, EFER 0x%llx", index, error, cr,
			 (unsigned long long)*reg(number), (unsigned long long)*reg(REG_EFER));
}

static void test_cr0(void **state)
{
	static const struct write_case cases[] = {
		/* ET reads as one; reserved bits below 32 are ignored, those above fault. */
		{CR0_ET, 0, 0, false, CR0_PE, 0, CR0_PE | CR0_ET, 0},
		{CR0_ET, 0, 0, false, 0x1ff8ff80ull & ~(CR0_WP | CR0_AM), 0, CR0_ET, 0},
		{CR0_ET, 0, 0, false, CR0_PE | 1ull << 32, -EACCES, 0, 0},
		{CR0_ET, 0, 0, false, CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM, 0,
		 CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_ET, 0},
		/* Paging needs protection, NW needs CD. */
		{CR0_ET, 0, 0, false, CR0_PG, -EACCES, 0, 0},
		{PG_PE, 0, 0, false, CR0_PG, -EACCES, 0, 0},
		{CR0_ET, 0, 0, false, CR0_NW, -EACCES, 0, 0},
		{CR0_ET, 0, 0, false, CR0_NW | CR0_CD, 0, CR0_NW | CR0_CD | CR0_ET, 0},
		{CR0_ET, 0, 0, false, CR0_CD, 0, CR0_CD | CR0_ET, 0},
		/* 32-bit paging, then on and off again. */
		{CR0_PE, 0, 0, false, PG_PE, 0, PG_PE | CR0_ET, 0},
		{PG_PE, 0, 0, false, CR0_PE, 0, CR0_PE | CR0_ET, 0},
		/* Long mode begins with PG while LME and PAE are set, never from 64-bit code. */
		{CR0_PE, CR4_PAE, EFER_LME, false, PG_PE, 0, PG_PE | CR0_ET, LONG_MODE},
		{CR0_PE, 0, EFER_LME, false, PG_PE, -EACCES, 0, 0},
		{CR0_PE, CR4_PAE, EFER_LME, true, PG_PE, -EACCES, 0, 0},
		/* Bits besides PG change without a look at the mode. */
		{PG_PE, CR4_PAE, LONG_MODE, true, PG_PE | CR0_TS, 0, PG_PE | CR0_TS | CR0_ET,
		 LONG_MODE},
		/* It ends with PG, from compatibility mode and without PCIDs. */
		{PG_PE, CR4_PAE, LONG_MODE, false, CR0_PE, 0, CR0_PE | CR0_ET, EFER_LME},
		{PG_PE, CR4_PAE, LONG_MODE, true, CR0_PE, -EACCES, 0, 0},
		{PG_PE, CR4_PAE | CR4_PCIDE, LONG_MODE, false, CR0_PE, -EACCES, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_write(&cases[i], 0, REG_CR0, i);
}

static void test_cr3(void **state)
{
	static const struct write_case cases[] = {
		{PG_PE, CR4_PAE, LONG_MODE, true, 0xfffffff000, 0, 0xfffffff000, LONG_MODE},
		{PG_PE, CR4_PAE, LONG_MODE, true, 0x1018, 0, 0x1018, LONG_MODE},
		/* Above the physical address width. */
		{PG_PE, CR4_PAE, LONG_MODE, true, 1ull << 40, -EACCES, 0, 0},
		{PG_PE, CR4_PAE, LONG_MODE, true, 1ull << 63 | 0x1000, -EACCES, 0, 0},
		/* With PCIDs bit 63 keeps translations, and is not stored. */
		{PG_PE, CR4_PAE | CR4_PCIDE, LONG_MODE, true, 1ull << 63 | 0x1005, 0, 0x1005,
		 LONG_MODE},
		{PG_PE, CR4_PAE | CR4_PCIDE, LONG_MODE, true, 1ull << 62 | 0x1005, -EACCES, 0, 0},
		{PG_PE, 0, 0, false, 0xffffffff, 0, 0xffffffff, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_write(&cases[i], 3, REG_CR3, i);
}

static void test_cr4(void **state)
{
	static const struct write_case cases[] = {
		{CR0_PE, 0, 0, false, CR4_PSE | CR4_PGE | CR4_DE, 0, CR4_PSE | CR4_PGE | CR4_DE, 0},
		/* What CPUID does not offer. */
		{CR0_PE, 0, 0, false, CR4_VMXE, -EACCES, 0, 0},
		{CR0_PE, 0, 0, false, CR4_SMEP, -EACCES, 0, 0},
		{CR0_PE, 0, 0, false, 1ull << 32, -EACCES, 0, 0},
		/* PAE stays while long mode is active, and LA57 as it is. */
		{PG_PE, CR4_PAE, LONG_MODE, true, CR4_PGE, -EACCES, 0, 0},
		{PG_PE, CR4_PAE, LONG_MODE, true, CR4_PAE | CR4_PGE, 0, CR4_PAE | CR4_PGE,
		 LONG_MODE},
		{PG_PE, CR4_PAE, LONG_MODE, true, CR4_PAE | CR4_LA57, -EACCES, 0, 0},
		{PG_PE, CR4_PAE | CR4_LA57, LONG_MODE, true, CR4_PAE, -EACCES, 0, 0},
		{CR0_PE, CR4_PAE, EFER_LME, false, CR4_PAE | CR4_LA57, 0, CR4_PAE | CR4_LA57,
		 EFER_LME},
		{PG_PE, CR4_PAE, 0, false, 0, 0, 0, 0},
		/* PCIDs begin in long mode alone. */
		{CR0_PE, CR4_PAE, EFER_LME, false, CR4_PAE | CR4_PCIDE, -EACCES, 0, 0},
		{PG_PE, CR4_PAE, LONG_MODE, true, CR4_PAE | CR4_PCIDE, 0, CR4_PAE | CR4_PCIDE,
		 LONG_MODE},
		{PG_PE, CR4_PAE | CR4_PCIDE, LONG_MODE, true, CR4_PAE, 0, CR4_PAE, LONG_MODE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_write(&cases[i], 4, REG_CR4, i);
}

/* PCIDs begin with PCID 0 in CR3; once they are on, CR3 does not matter. */
static void test_pcide_wants_pcid_0(void **state)
{
	(void)state;
	set_state(PG_PE, CR4_PAE, LONG_MODE, true);
	*reg(REG_CR3) = 0x1001;
	assert_int_equal(vcpu_cr_write(&vcpu, 4, CR4_PAE | CR4_PCIDE), -EACCES);
	*reg(REG_CR3) = 0x1000;
	assert_int_equal(vcpu_cr_write(&vcpu, 4, CR4_PAE | CR4_PCIDE), 0);
	*reg(REG_CR3) = 0x1001;
	assert_int_equal(vcpu_cr_write(&vcpu, 4, CR4_PAE | CR4_PCIDE | CR4_PGE), 0);
}

static void test_cr8_makes_interrupts_be_looked_at(void **state)
{
	(void)state;
	atomic_store(&vcpu.requests, 0);
	assert_int_equal(vcpu_cr_write(&vcpu, 8, 0x10), -EACCES);
	assert_int_equal(atomic_load(&vcpu.requests), 0);
	assert_int_equal(vcpu_cr_write(&vcpu, 8, 0xf), 0);
	assert_int_equal(*reg(REG_CR8), 0xf);
	assert_int_equal(atomic_load(&vcpu.requests), VCPU_REQUEST_EVENT);
}

static void test_reads(void **state)
{
	static const struct {
		unsigned cr;
		enum vcpu_reg reg;
	} known[] = {{0, REG_CR0}, {2, REG_CR2}, {3, REG_CR3}, {4, REG_CR4}, {8, REG_CR8}};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		*reg(known[i].reg) = 0x1000 + i;
		value = 0;
		assert_int_equal(vcpu_cr_read(&vcpu, known[i].cr, &value), 0);
		assert_int_equal(value, 0x1000 + i);
	}
	assert_int_equal(vcpu_cr_read(&vcpu, 1, &value), -EACCES);
	assert_int_equal(vcpu_cr_read(&vcpu, 15, &value), -EACCES);
	assert_int_equal(vcpu_cr_write(&vcpu, 1, 0), -EACCES);
	assert_int_equal(vcpu_cr_write(&vcpu, 2, UINT64_MAX), 0);
	assert_int_equal(*reg(REG_CR2), UINT64_MAX);
}

static void test_efer(void **state)
{
	static const struct {
		uint64_t cr0, before, value;
		int error;
		uint64_t after;
	} cases[] = {
		{CR0_PE, 0, EFER_SCE | EFER_LME | EFER_NXE, 0, EFER_SCE | EFER_LME | EFER_NXE},
		{CR0_PE, EFER_LME, 0, 0, 0},
		/* LMA is the CPU's: what is written is ignored. */
		{CR0_PE, 0, EFER_LME | EFER_LMA, 0, EFER_LME},
		{PG_PE, LONG_MODE, EFER_LME | EFER_NXE, 0, LONG_MODE | EFER_NXE},
		/* LME does not change while paging is on. */
		{PG_PE, LONG_MODE, EFER_LMA, -EACCES, 0},
		{PG_PE, 0, EFER_LME, -EACCES, 0},
		{PG_PE, 0, EFER_NXE, 0, EFER_NXE},
		/* What CPUID does not offer. */
		{CR0_PE, 0, EFER_SVME, -EACCES, 0},
		{CR0_PE, 0, EFER_FFXSR, -EACCES, 0},
		{CR0_PE, 0, 1ull << 63, -EACCES, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_state(cases[i].cr0, CR4_PAE, cases[i].before, false);
		assert_int_equal(vcpu_efer_write(&vcpu, cases[i].value), cases[i].error);
		assert_int_equal(*reg(REG_EFER),
				 cases[i].error == 0 ? cases[i].after : cases[i].before);
	}
}

static void test_xcr0(void **state)
{
	static const struct {
		uint64_t value;
		int error;
	} cases[] = {
		{0x1, 0},
		{0x3, 0},
		{0x7, 0},
		{0xe7, 0},
		{0x2e7, 0},
		{0x201, 0},
		{0, -EACCES},
		{0x2, -EACCES},
		{0x5, -EACCES},
		{0xe3, -EACCES},
		{0x27, -EACCES},
		{0xa7, -EACCES},
		{0xf, -EACCES},
		{0x1f, -EACCES}, /* MPX is not offered */
		{1ull << 63 | 1, -EACCES},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		*reg(REG_XCR0) = 1;
		assert_int_equal(vcpu_xcr0_write(&vcpu, cases[i].value), cases[i].error);
		assert_int_equal(*reg(REG_XCR0), cases[i].error == 0 ? cases[i].value : 1);
	}
	cpuid_policy.xcr0_allowed = 0; /* no XSAVE */
	assert_int_equal(vcpu_xcr0_write(&vcpu, 1), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cr0, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cr3, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cr4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pcide_wants_pcid_0, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cr8_makes_interrupts_be_looked_at, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_efer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xcr0, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
