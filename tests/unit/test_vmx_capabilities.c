/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of arch/x86/vmx/capabilities.c with the capability MSRs of real CPUs and of emulators:
 * what is chosen, what is left out, and what the user is told where it cannot be.
 */
#include "arch/x86/vmx/capabilities.h"

#include "arch/x86/vmx/vmcs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define INTEL 0x756e6547
#define AMD   0x68747541

#define LEAF1_VMX 0x20
#define LOCKED_ON 0x5

/* Bits of struct vmx_capabilities that are told apart here. */
enum expected {
	G1 = 1 << 0,
	VPID = 1 << 1,
	TPR = 1 << 2,
	TIMER = 1 << 3,
	PLE = 1 << 4,
	RDTSCP = 1 << 5,
	INVPCID = 1 << 6,
	ENCLS = 1 << 7,
	AD = 1 << 8,
	APICV = 1 << 9,
	POSTED = 1 << 10,
	PML = 1 << 11,
	SCALING = 1 << 12,
	XSAVES = 1 << 13,
	IBPB = 1 << 14,
	ONE_VPID = 1 << 15,
	ONE_EPT = 1 << 16,
};

#define BASE (VPID | TPR | TIMER | ONE_VPID | ONE_EPT)

struct row {
	const char *cpu;
	struct vmx_msrs msrs;
	unsigned timer_shift, has;
};

#define SANDY_BRIDGE                                                                           \
	{                                                                                      \
		.vendor_ebx = INTEL, .leaf1_ecx = LEAF1_VMX, .feature_control = LOCKED_ON,     \
		.basic = 0xda040000000010, .pin = 0x7f00000016, .primary = 0xfff9fffe04006172, \
		.secondary = 0x4ff00000000, .exit = 0x7fffff00036dfb, .entry = 0xffff000011fb, \
		.misc = 0x100401e5, .ept_vpid = 0xf0106134141                                  \
	}

/* Values of the TRUE MSRs. */
static const struct row rows[] = {
	/* No 1 GiB leaves in the first with unrestricted guest. */
	{"Westmere (i5-660)",
	 {.vendor_ebx = INTEL,
	  .leaf1_ecx = LEAF1_VMX,
	  .feature_control = LOCKED_ON,
	  .basic = 0xda040000000010,
	  .pin = 0x7f00000016,
	  .primary = 0xfff9fffe04006172,
	  .secondary = 0x4ff00000000,
	  .exit = 0x7fffff00036dfb,
	  .entry = 0xffff000011fb,
	  .misc = 0x401e5,
	  .ept_vpid = 0xf0106114141},
	 5,
	 BASE | PLE | RDTSCP},
	{"Sandy Bridge (i7-3960X)", SANDY_BRIDGE, 5, BASE | G1 | PLE | RDTSCP},
	{"Haswell server (Xeon E5 v3)",
	 {.vendor_ebx = INTEL,
	  .leaf1_ecx = LEAF1_VMX,
	  .feature_control = 0x7,
	  .basic = 0xda040000000012,
	  .pin = 0xff00000016,
	  .primary = 0xfff9fffe04006172,
	  .secondary = 0x7fff00000000,
	  .exit = 0x7fffff00036dfb,
	  .entry = 0xffff000011fb,
	  .misc = 0x300481e5,
	  .ept_vpid = 0xf0106334141},
	 5,
	 BASE | G1 | PLE | RDTSCP | INVPCID | AD | APICV | POSTED},
	{"Skylake (i7-6700K)",
	 {.vendor_ebx = INTEL,
	  .leaf1_ecx = LEAF1_VMX,
	  .leaf7_edx = 0xc000000,
	  .feature_control = LOCKED_ON,
	  .basic = 0xda040000000004,
	  .pin = 0x7f00000016,
	  .primary = 0xfff9fffe04006172,
	  .secondary = 0x1ffcff00000000,
	  .exit = 0x1ffffff00036dfb,
	  .entry = 0x3ffff000011fb,
	  .misc = 0x7004c1e7,
	  .ept_vpid = 0xf0106334141},
	 7,
	 BASE | G1 | PLE | RDTSCP | INVPCID | ENCLS | AD | PML | XSAVES | IBPB},
	{"Skylake and later servers, unlocked by the firmware",
	 {.vendor_ebx = INTEL,
	  .leaf1_ecx = LEAF1_VMX,
	  .leaf7_edx = 0xac000000,
	  .feature_control = 0,
	  .basic = 0xda040000000004,
	  .pin = 0xff00000016,
	  .primary = 0xfff9fffe04006172,
	  .secondary = 0x2ff7fff00000000,
	  .exit = 0x3ffffff00036dfb,
	  .entry = 0x13ffff000011fb,
	  .misc = 0x7004c1e7,
	  .ept_vpid = 0xf0106f34141},
	 7,
	 BASE | G1 | PLE | RDTSCP | INVPCID | AD | APICV | POSTED | PML | SCALING | XSAVES | IBPB},
};

static unsigned bits_of(const struct vmx_capabilities *c)
{
	return (c->max_leaf_level == 3 ? G1 : 0u) | (c->vpid ? VPID : 0u) |
	       (c->tpr_shadow ? TPR : 0u) | (c->preemption_timer ? TIMER : 0u) |
	       (c->pause_loop ? PLE : 0u) | (c->rdtscp ? RDTSCP : 0u) |
	       (c->invpcid ? INVPCID : 0u) | (c->encls_exiting ? ENCLS : 0u) |
	       (c->accessed_dirty ? AD : 0u) | (c->interrupt_delivery ? APICV : 0u) |
	       (c->posted_interrupts ? POSTED : 0u) | (c->pml ? PML : 0u) |
	       (c->tsc_scaling ? SCALING : 0u) | (c->xsaves ? XSAVES : 0u) | (c->ibpb ? IBPB : 0u) |
	       (c->invvpid_single ? ONE_VPID : 0u) | (c->invept_single ? ONE_EPT : 0u);
}

/* A VM entry fails for a bit that may not be 1, and for one that must be. */
static void assert_allowed(uint32_t value, uint64_t msr)
{
	assert_int_equal(value & ~(uint32_t)(msr >> 32), 0);
	assert_int_equal((uint32_t)msr & ~value, 0);
}

static void real_cpus(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vmx_msrs *msrs = &rows[i].msrs;
		struct vmx_capabilities caps;
		const char *why = NULL;

		print_message("%s\n", rows[i].cpu);
		assert_int_equal(vmx_capabilities_choose(msrs, &caps, &why), 0);
		assert_null(why);
		assert_int_equal(bits_of(&caps), rows[i].has);
		assert_int_equal(caps.timer_shift, rows[i].timer_shift);
		assert_int_equal(caps.revision, msrs->basic & 0x7fffffff);
		assert_allowed(caps.pin, msrs->pin);
		assert_allowed(caps.primary, msrs->primary);
		assert_allowed(caps.secondary, msrs->secondary);
		assert_allowed(caps.exit, msrs->exit);
		assert_allowed(caps.entry, msrs->entry);
		/* What would cost an exit at every turn, or needs more than its bit. */
		assert_int_equal(caps.primary & (PRIMARY_CR3_LOAD_EXITING | PRIMARY_INVLPG_EXITING |
						 PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW |
						 PRIMARY_CR8_LOAD_EXITING),
				 0);
		assert_int_equal(caps.secondary & (SECONDARY_VIRTUALIZE_APIC | SECONDARY_PML |
						   SECONDARY_XSAVES | SECONDARY_INTERRUPT_DELIVERY),
				 0);
		assert_int_equal(caps.pin & PIN_POSTED_INTERRUPTS, 0);
		assert_int_equal(caps.entry & ENTRY_CTL_IA32E_GUEST, 0);
		assert_true(vmx_capabilities_cover(&caps, &caps));
	}
}

static void refuse(const struct vmx_msrs *msrs, int error, const char *part)
{
	struct vmx_capabilities caps;
	const char *why = "";

	assert_int_equal(vmx_capabilities_choose(msrs, &caps, &why), error);
	assert_non_null(strstr(why, part));
}

static void clear_allowed(uint64_t *msr, uint32_t bits)
{
	*msr &= ~((uint64_t)bits << 32);
}

static void cpus_that_cannot(void **state)
{
	const struct vmx_msrs good = SANDY_BRIDGE;
	const struct vmx_msrs core2 = {.vendor_ebx = INTEL,
				       .leaf1_ecx = LEAF1_VMX,
				       .feature_control = LOCKED_ON,
				       .basic = 0x1a040000000007,
				       .pin = 0x1f00000016,
				       .primary = 0x77b9fffe0401e172,
				       .exit = 0x3efff00036dff,
				       .entry = 0x1fff000011ff,
				       .misc = 0x403c0};
	struct vmx_msrs msrs = good;

	(void)state;
	/* Merom: neither secondary controls nor anything in them. */
	refuse(&core2, -ENOTSUP, "secondary controls");
	/* Nehalem: EPT and VPID, but real mode only by emulation. */
	clear_allowed(&msrs.secondary, SECONDARY_UNRESTRICTED_GUEST | SECONDARY_PAUSE_LOOP_EXITING);
	refuse(&msrs, -ENOTSUP, "unrestricted guest");
	msrs = good;
	clear_allowed(&msrs.secondary, SECONDARY_EPT);
	refuse(&msrs, -ENOTSUP, "EPT");
	msrs = good;
	clear_allowed(&msrs.pin, PIN_VIRTUAL_NMIS);
	refuse(&msrs, -ENOTSUP, "virtual NMIs");
	msrs = good;
	clear_allowed(&msrs.exit, EXIT_CTL_SAVE_EFER);
	refuse(&msrs, -ENOTSUP, "EFER");
	/* Without the TRUE MSRs CR3 accesses exit. */
	msrs = good;
	msrs.primary = 0xfff9fffe0401e172;
	refuse(&msrs, -ENOTSUP, "CR3");
	msrs = good;
	msrs.ept_vpid &= ~(1ull << 20);
	refuse(&msrs, -ENOTSUP, "INVEPT");
	msrs = good;
	msrs.basic &= ~(0xfull << 50);
	refuse(&msrs, -ENOTSUP, "uncached");
	msrs = good;
	clear_allowed(&msrs.primary, PRIMARY_TPR_SHADOW | PRIMARY_CR8_LOAD_EXITING);
	refuse(&msrs, -ENOTSUP, "CR8");
}

static void firmware_and_vendors(void **state)
{
	struct vmx_msrs msrs = SANDY_BRIDGE;
	struct vmx_capabilities caps;
	const char *why;

	(void)state;
	msrs.feature_control = FEATURE_CONTROL_LOCK;
	refuse(&msrs, -EPERM, "BIOS");
	/* Inside SMX alone does not help. */
	msrs.feature_control = FEATURE_CONTROL_LOCK | 2;
	refuse(&msrs, -EPERM, "BIOS");
	msrs.feature_control = 0;
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	msrs.leaf1_ecx = 0;
	refuse(&msrs, -ENOTSUP, "does not offer VT-x");
	msrs.vendor_ebx = AMD;
	refuse(&msrs, -ENODEV, "not a processor with VT-x");
}

static void fallbacks(void **state)
{
	const struct vmx_msrs good = SANDY_BRIDGE;
	struct vmx_msrs msrs = good;
	struct vmx_capabilities caps, whole;
	const char *why;

	(void)state;
	assert_int_equal(vmx_capabilities_choose(&good, &whole, &why), 0);
	clear_allowed(&msrs.primary, PRIMARY_TPR_SHADOW);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	assert_false(caps.tpr_shadow);
	assert_true(caps.primary & PRIMARY_CR8_LOAD_EXITING);
	assert_true(caps.primary & PRIMARY_CR8_STORE_EXITING);
	assert_false(vmx_capabilities_cover(&caps, &whole));

	msrs = good;
	msrs.ept_vpid &= ~(1ull << 42);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	assert_false(caps.vpid);
	assert_false(caps.secondary & SECONDARY_VPID);

	/* The timer and its saving go together. */
	msrs = good;
	clear_allowed(&msrs.exit, EXIT_CTL_SAVE_TIMER);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	assert_false(caps.preemption_timer);
	assert_false(caps.pin & PIN_PREEMPTION_TIMER);
	msrs = good;
	clear_allowed(&msrs.pin, PIN_PREEMPTION_TIMER);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	assert_false(caps.exit & EXIT_CTL_SAVE_TIMER);

	msrs = good;
	msrs.ept_vpid &= ~(1ull << 16);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	assert_int_equal(caps.max_leaf_level, 1);
	assert_false(vmx_capabilities_cover(&caps, &whole));
}

static void cpuid_limits(void **state)
{
	struct vmx_msrs msrs = SANDY_BRIDGE;
	struct vmx_capabilities caps;
	uint32_t regs[4];
	const char *why;

	(void)state;
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	/* No INVPCID, but RDTSCP. */
	memset(regs, 0xff, sizeof(regs));
	vmx_capabilities_limit_cpuid(&caps, 7, 0, regs);
	assert_int_equal(regs[1], ~(1u << 10));
	assert_int_equal(regs[2], ~0u);
	clear_allowed(&msrs.secondary, SECONDARY_RDTSCP);
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	memset(regs, 0xff, sizeof(regs));
	vmx_capabilities_limit_cpuid(&caps, 7, 0, regs);
	assert_int_equal(regs[2], ~(1u << 22));
	memset(regs, 0xff, sizeof(regs));
	vmx_capabilities_limit_cpuid(&caps, 0x80000001, 0, regs);
	assert_int_equal(regs[3], ~(1u << 27));
	/* Other leaves, and other subleaves, are not touched. */
	memset(regs, 0xff, sizeof(regs));
	vmx_capabilities_limit_cpuid(&caps, 1, 0, regs);
	vmx_capabilities_limit_cpuid(&caps, 7, 1, regs);
	assert_int_equal(regs[0] & regs[1] & regs[2] & regs[3], ~0u);
}

static void the_list(void **state)
{
	struct vmx_msrs msrs = SANDY_BRIDGE;
	struct vmx_capabilities caps;
	struct backend_feature list[VMX_FEATURE_LIST_MAX];
	const char *why;
	bool saw_vpid = false;
	size_t count = 0;

	(void)state;
	assert_int_equal(vmx_capabilities_choose(&msrs, &caps, &why), 0);
	vmx_capabilities_list(&caps, list);
	for (; list[count].name; count++)
		saw_vpid |= strcmp(list[count].name, "VPID") == 0 && list[count].present;
	assert_true(count > 10 && count < VMX_FEATURE_LIST_MAX);
	assert_true(saw_vpid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_cpus),
		cmocka_unit_test(cpus_that_cannot),
		cmocka_unit_test(firmware_and_vendors),
		cmocka_unit_test(fallbacks),
		cmocka_unit_test(cpuid_limits),
		cmocka_unit_test(the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
