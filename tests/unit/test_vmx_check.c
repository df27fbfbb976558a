/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of arch/x86/vmx/check.c: states that a CPU enters pass, and each rule is found when it
 * alone is broken.
 */
#include "arch/x86/vmx/check.h"

#include "vmm/x86_defs.h"
#include "arch/x86/vmx/vmcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct segment segment(uint16_t selector, uint32_t attributes, uint32_t limit, uint64_t base)
{
	return (struct segment){selector, attributes, limit, base};
}

static void set_data(struct vmx_guest_state *s, struct segment data)
{
	s->segments[SEG_ES] = s->segments[SEG_SS] = s->segments[SEG_DS] = data;
	s->segments[SEG_FS] = s->segments[SEG_GS] = data;
}

/* After power-on. */
static struct vmx_guest_state real_mode(void)
{
	struct vmx_guest_state s = {
		.cr0 = CR0_ET | CR0_NE,
		.cr4 = CR4_VMXE | CR4_MCE,
		.dr7 = 0x400,
		.pat = PAT_DEFAULT,
		.rip = 0xfff0,
		.rflags = RFLAGS_FIXED,
		.link_pointer = ~0ull,
		.unrestricted = true,
		.virtual_nmis = true,
		.physical_bits = 39,
		.linear_bits = 48,
	};

	set_data(&s, segment(0, 0x93, 0xffff, 0));
	s.segments[SEG_CS] = segment(0xf000, 0x9b, 0xffff, 0xffff0000);
	s.segments[SEG_LDTR] = segment(0, 0x82, 0xffff, 0);
	s.segments[SEG_TR] = segment(0, 0x8b, 0xffff, 0);
	s.segments[SEG_GDTR].limit = s.segments[SEG_IDTR].limit = 0xffff;
	return s;
}

/* A 64-bit kernel, interrupts on. */
static struct vmx_guest_state long_mode(void)
{
	struct vmx_guest_state s = real_mode();

	s.cr0 |= CR0_PE | CR0_PG | CR0_WP;
	s.cr3 = 0x1234567000;
	s.cr4 |= CR4_PAE;
	s.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	s.entry_controls = ENTRY_CTL_IA32E_GUEST;
	s.rip = 0xffffffff81000000;
	s.rflags |= RFLAGS_IF;
	set_data(&s, segment(0x18, 0xc093, ~0u, 0));
	s.segments[SEG_CS] = segment(0x10, 0xa09b, ~0u, 0);
	s.segments[SEG_DS].attributes = SEG_ATTR_UNUSABLE;
	s.segments[SEG_GS].base = 0xffff888000000000;
	s.segments[SEG_LDTR].attributes = SEG_ATTR_UNUSABLE;
	s.segments[SEG_TR] = segment(0x40, 0x8b, 0x206f, 0xfffffe0000003000);
	return s;
}

static struct vmx_guest_state vm86(void)
{
	struct vmx_guest_state s = real_mode();

	s.cr0 |= CR0_PE | CR0_PG;
	s.rip = 0x100;
	s.rflags |= RFLAGS_VM;
	set_data(&s, segment(0x1000, 0xf3, 0xffff, 0x10000));
	s.segments[SEG_CS] = s.segments[SEG_DS];
	return s;
}

static void good_states(void **state)
{
	struct vmx_guest_state s = real_mode();

	(void)state;
	assert_null(vmx_guest_check(&s));
	/* Big real mode. */
	s.segments[SEG_DS] = segment(0, 0x8093, ~0u, 0);
	assert_null(vmx_guest_check(&s));
	/* Just after CR0.PE, before the jump: CS is as it was. */
	s = real_mode();
	s.cr0 |= CR0_PE;
	assert_null(vmx_guest_check(&s));
	s.segments[SEG_CS].attributes = 0x93;
	assert_null(vmx_guest_check(&s));
	s = long_mode();
	assert_null(vmx_guest_check(&s));
	s.event = 0x80000020;
	assert_null(vmx_guest_check(&s));
	s.event = 0;
	s.interruptibility = BLOCKED_BY_STI;
	assert_null(vmx_guest_check(&s));
	s.rflags |= RFLAGS_TF;
	s.pending_debug = 1 << 14;
	assert_null(vmx_guest_check(&s));
	s = vm86();
	assert_null(vmx_guest_check(&s));
}

static struct vmx_guest_state broken;

static void expect(const char *part)
{
	const char *text = vmx_guest_check(&broken);

	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("expected \"%s\", got \"%s\"", part, text ? text : "nothing");
	broken = long_mode();
}

/* Breaks a field of the 64-bit state, and says what has to be found. */
#define BREAK(change, part)    \
	do {                   \
		broken.change; \
		expect(part);  \
	} while (0)

static void registers(void **state)
{
	(void)state;
	broken = long_mode();
	BREAK(cr0 &= ~CR0_NE, "CR0.NE");
	BREAK(cr0 &= ~CR0_PE, "CR0.PG is 1");
	BREAK(cr0 |= 1ull << 32, "CR0 bits 63-32");
	BREAK(cr4 &= ~CR4_VMXE, "CR4.VMXE");
	BREAK(cr4 &= ~CR4_PAE, "IA-32e mode without");
	BREAK(cr3 |= 1ull << 39, "CR3");
	BREAK(dr7 |= 1ull << 32, "DR7");
	BREAK(debugctl = 4, "DEBUGCTL");
	BREAK(efer |= EFER_SVME, "EFER has reserved");
	BREAK(efer &= ~EFER_LMA, "LMA");
	BREAK(efer &= ~EFER_LME, "LME");
	BREAK(pat = 0x0007040600070402, "PAT");
	BREAK(sysenter_esp = 1ull << 47, "SYSENTER_ESP");
	BREAK(sysenter_eip = 1ull << 63, "SYSENTER_EIP");
	broken = real_mode();
	BREAK(cr4 |= CR4_PCIDE, "PCIDE");
	broken = real_mode();
	BREAK(unrestricted = false, "CR0.PE is 0");
}

static void segments(void **state)
{
	(void)state;
	broken = long_mode();
	BREAK(segments[SEG_CS].attributes |= SEG_ATTR_UNUSABLE, "CS is unusable");
	BREAK(segments[SEG_CS].attributes = 0xa09a, "not accessed code");
	BREAK(segments[SEG_CS].attributes = 0xa0fb, "DPL of CS");
	BREAK(segments[SEG_CS].attributes = 0xe09b, "CS.L and CS.D");
	BREAK(segments[SEG_CS].attributes = 0xa01b, "not present");
	BREAK(segments[SEG_CS].base = 1ull << 32, "base of CS");
	BREAK(segments[SEG_CS].limit = 0xfffff000, "its G is 1");
	BREAK(segments[SEG_SS].attributes = 0xc091, "SS is not writable");
	BREAK(segments[SEG_SS].attributes = 0xc083, "SS is a system");
	BREAK(segments[SEG_ES].attributes = 0xc092, "not accessed");
	BREAK(segments[SEG_ES].attributes = 0xc099, "unreadable");
	BREAK(segments[SEG_ES].attributes = 0x4093, "its G is 0");
	BREAK(segments[SEG_ES].attributes = 0xc193, "reserved bits");
	BREAK(segments[SEG_ES].base = 1ull << 32, "base of DS or ES");
	BREAK(segments[SEG_GS].base = 1ull << 47, "base of FS or GS");
	BREAK(segments[SEG_TR].attributes = 0x89, "busy TSS");
	BREAK(segments[SEG_TR].attributes = 0x83, "busy TSS");
	BREAK(segments[SEG_TR].attributes |= SEG_ATTR_UNUSABLE, "TR is unusable");
	BREAK(segments[SEG_TR].selector = 0x44, "TR is in the local");
	BREAK(segments[SEG_LDTR].attributes = 0x83, "not an LDT");
	broken = real_mode();
	BREAK(segments[SEG_SS].attributes = 0xf3, "DPL of");
	broken = vm86();
	BREAK(segments[SEG_FS].base = 0, "virtual-8086");
	broken = vm86();
	BREAK(segments[SEG_CS].limit = 0xfffff, "virtual-8086");
}

static void tables_and_state(void **state)
{
	(void)state;
	broken = long_mode();
	BREAK(segments[SEG_GDTR].base = 1ull << 47, "GDTR");
	BREAK(segments[SEG_IDTR].limit = 0x10000, "IDTR");
	BREAK(rip = 1ull << 47, "RIP is not canonical");
	BREAK(segments[SEG_CS].attributes = 0xc09b, "RIP is above 4 GiB");
	BREAK(rflags &= ~RFLAGS_FIXED, "bit 1");
	BREAK(rflags |= 8, "RFLAGS has reserved");
	broken.rflags &= ~RFLAGS_IF;
	BREAK(event = 0x80000020, "RFLAGS.IF is 0");
	BREAK(activity = 4, "activity");
	BREAK(interruptibility = 3, "by STI and by MOV SS");
	broken.rflags &= ~RFLAGS_IF;
	BREAK(interruptibility = 1, "blocked by STI and");
	broken.event = 0x80000020;
	BREAK(interruptibility = 1, "an interrupt is injected");
	broken.event = 0x80000202;
	BREAK(interruptibility = 2, "an NMI is injected while blocked by MOV SS");
	broken.event = 0x80000202;
	BREAK(interruptibility = 8, "an NMI is injected while blocked by NMI");
	BREAK(interruptibility = 4, "SMI");
	BREAK(interruptibility = 32, "interruptibility");
	broken.rflags |= RFLAGS_TF;
	BREAK(interruptibility = 1, "a single step is due");
	broken.interruptibility = 1;
	BREAK(pending_debug = 1 << 14, "a single step is pending");
	BREAK(pending_debug = 1 << 5, "pending debug");
	BREAK(link_pointer = 0, "link pointer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_states),
		cmocka_unit_test(registers),
		cmocka_unit_test(segments),
		cmocka_unit_test(tables_and_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
