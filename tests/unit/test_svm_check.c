/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/svm/check.c: a good VMCB, and one broken rule at a time. */
#include "arch/x86/svm/check.h"

#include "vmm/x86_defs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct svm_limits limits = {.physical_bits = 40, .asids = 16};

static struct vmcb good;

static int setup(void **state)
{
	(void)state;
	memset(&good, 0, sizeof(good));
	good.control.intercept_misc2 = VMCB_MISC2_VMRUN;
	good.control.asid = 15;
	good.control.nested_ctl = VMCB_NESTED_PAGING;
	good.control.n_cr3 = 0x1000;
	good.control.iopm_base_pa = 0x4000;
	good.control.msrpm_base_pa = 0x8000;
	good.save.efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	good.save.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP;
	good.save.cr4 = CR4_PAE | CR4_SMAP | CR4_PKE | CR4_UMIP | CR4_LA57;
	good.save.cr3 = 0xff00001000;
	good.save.cs.attributes = 0xa9b;
	good.save.dr6 = 0xffff0ff0;
	good.save.dr7 = 0x400;
	good.save.g_pat = PAT_DEFAULT;
	return 0;
}

static void expect(const struct vmcb *vmcb, const char *says)
{
	const char *text = svm_vmcb_check(vmcb, &limits);

	assert_non_null(text);
	if (!strstr(text, says))
		fail_msg("\"%s\" does not say \"%s\"", text, says);
}

static void good_states_pass(void **state)
{
	struct vmcb vmcb = good;

	(void)state;
	assert_null(svm_vmcb_check(&vmcb, &limits));
	/* After reset, with caches off, and 32-bit code with paging. */
	vmcb.save.efer = EFER_SVME;
	vmcb.save.cr4 = 0;
	vmcb.save.cr0 = CR0_CD | CR0_NW | CR0_ET;
	vmcb.save.cs.attributes = 0x9b;
	assert_null(svm_vmcb_check(&vmcb, &limits));
	vmcb.save.cr0 = CR0_PE | CR0_PG;
	vmcb.save.cs.attributes = 0xc9b;
	assert_null(svm_vmcb_check(&vmcb, &limits));
}

#define BREAK(field, value, says)        \
	do {                             \
		struct vmcb vmcb = good; \
                                         \
		vmcb.field = (value);    \
		expect(&vmcb, says);     \
	} while (0)

static void broken_registers(void **state)
{
	(void)state;
	BREAK(save.efer, good.save.efer & ~EFER_SVME, "EFER.SVME");
	BREAK(save.cr0, good.save.cr0 | CR0_NW, "CR0.NW");
	BREAK(save.cr0, good.save.cr0 | 1ull << 32, "CR0 bits 63-32");
	BREAK(save.cr3, 1ull << 40, "CR3");
	BREAK(save.cr4, good.save.cr4 | 1ull << 19, "CR4 has reserved");
	BREAK(save.cr4, good.save.cr4 | CR4_VMXE, "CR4 has reserved");
	BREAK(save.cr4, good.save.cr4 | 1ull << 40, "CR4 has reserved");
	BREAK(save.dr6, 1ull << 32, "DR6");
	BREAK(save.dr7, 1ull << 63, "DR7");
	BREAK(save.efer, good.save.efer | 2, "EFER has reserved");
	BREAK(save.efer, good.save.efer | 1ull << 63, "EFER has reserved");
	BREAK(save.cr4, good.save.cr4 & ~CR4_PAE, "CR4.PAE");
	BREAK(save.cr0, good.save.cr0 & ~CR0_PE, "CR0.PE");
	BREAK(save.cs.attributes, 0xe9b, "CS.L and CS.D");
}

static void shadow_stacks_need_write_protection(void **state)
{
	struct vmcb vmcb = good;

	(void)state;
	vmcb.save.cr4 |= CR4_CET;
	assert_null(svm_vmcb_check(&vmcb, &limits));
	vmcb.save.cr0 &= ~CR0_WP;
	expect(&vmcb, "CR4.CET");
}

static void broken_controls(void **state)
{
	(void)state;
	BREAK(control.intercept_misc2, 0, "VMRUN is not intercepted");
	BREAK(control.asid, 0, "the ASID is 0");
	BREAK(control.asid, 16, "the ASID is above");
	BREAK(control.iopm_base_pa, 0xffffffe000, "the port map");
	BREAK(control.msrpm_base_pa, 0xfffffff000, "the MSR map");
	BREAK(control.n_cr3, 1ull << 40, "nested CR3");
	BREAK(control.n_cr3, 0x1001, "nested CR3");
	BREAK(save.g_pat, 0x0007040600070402, "PAT");
	BREAK(save.g_pat, 0x0807040600070406, "PAT");
}

static void broken_events(void **state)
{
	const uint64_t valid = VMCB_EVENT_VALID;

	(void)state;
	BREAK(control.eventinj, valid | 1 << VMCB_EVENT_TYPE_SHIFT, "reserved type");
	BREAK(control.eventinj, valid | 7 << VMCB_EVENT_TYPE_SHIFT, "reserved type");
	BREAK(control.eventinj, valid | VMCB_EVENT_EXCEPTION | VECTOR_NMI, "a vector that is none");
	BREAK(control.eventinj, valid | VMCB_EVENT_EXCEPTION | 32, "a vector that is none");
	good.control.eventinj = valid | VMCB_EVENT_EXCEPTION | VECTOR_GP;
	assert_null(svm_vmcb_check(&good, &limits));
	good.control.eventinj = valid | VMCB_EVENT_INTR | 0xff;
	assert_null(svm_vmcb_check(&good, &limits));
	/* Not valid: not looked at. */
	good.control.eventinj = VMCB_EVENT_EXCEPTION | VECTOR_NMI;
	assert_null(svm_vmcb_check(&good, &limits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_states_pass, setup),
		cmocka_unit_test_setup(broken_registers, setup),
		cmocka_unit_test_setup(shadow_stacks_need_write_protection, setup),
		cmocka_unit_test_setup(broken_controls, setup),
		cmocka_unit_test_setup(broken_events, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
