/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules, as tables of broken conditions: one for each section of the manual. */
#include "arch/x86/vmx/check.h"

#include "vmm/x86_defs.h"
#include "arch/x86/vmx/vmcs.h"

#define ATTR_TYPE(attributes) ((attributes)&0xfu)
#define ATTR_S		      (1u << 4)
#define ATTR_GRANULARITY      (1u << 15)
#define ATTR_RESERVED	      (0xf00u | ~0x1ffffu)
#define ATTR_VM86	      0xf3u

#define TYPE_ACCESSED (1u << 0)
#define TYPE_READABLE (1u << 1) /* of code */
#define TYPE_WRITABLE (1u << 1) /* of data */
#define TYPE_CODE     (1u << 3)

#define SELECTOR_TI  (1u << 2)
#define SELECTOR_RPL 3u

#define DEBUGCTL_BTF	  (1ull << 1)
#define DEBUGCTL_RESERVED (~0xffc3ull)
#define PENDING_RESERVED  (~0x1500full & ~(1ull << 14))
#define RFLAGS_RESERVED	  (~0x3fffffull | 1ull << 15 | 1ull << 5 | 1ull << 3)
#define EFER_RESERVED	  (~0xd01ull)

struct rule {
	bool broken;
	const char *text;
};

static const char *first_broken(const struct rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (rules[i].broken)
			return rules[i].text;
	}
	return NULL;
}

static bool is_canonical(const struct vmx_guest_state *state, uint64_t address)
{
	unsigned shift = 64 - state->linear_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

static bool is_vm86(const struct vmx_guest_state *state)
{
	return state->rflags & RFLAGS_VM;
}

static bool is_usable(const struct segment *segment)
{
	return !(segment->attributes & SEG_ATTR_UNUSABLE);
}

static bool pat_is_valid(uint64_t pat)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned type = pat >> (i * 8) & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* 26.3.1.1 */
static const char *check_registers(const struct vmx_guest_state *s)
{
	bool long_mode = s->entry_controls & ENTRY_CTL_IA32E_GUEST;
	bool paging = s->cr0 & CR0_PG;
	bool lma = s->efer & EFER_LMA;
	bool lme = s->efer & EFER_LME;
	const struct rule rules[] = {
		{!(s->cr0 & CR0_NE), "CR0.NE is 0"},
		{!s->unrestricted && !(s->cr0 & CR0_PE), "CR0.PE is 0"},
		{!s->unrestricted && !paging, "CR0.PG is 0"},
		{paging && !(s->cr0 & CR0_PE), "CR0.PG is 1 and CR0.PE is 0"},
		{s->cr0 >> 32, "CR0 bits 63-32 are not 0"},
		{!(s->cr4 & CR4_VMXE), "CR4.VMXE is 0"},
		{(s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP), "CR4.CET is 1 and CR0.WP is 0"},
		{s->debugctl & DEBUGCTL_RESERVED, "IA32_DEBUGCTL has reserved bits set"},
		{long_mode && !(paging && (s->cr4 & CR4_PAE)),
		 "a guest in IA-32e mode without CR0.PG or CR4.PAE"},
		{!long_mode && (s->cr4 & CR4_PCIDE), "CR4.PCIDE is 1 outside IA-32e mode"},
		{s->cr3 >> s->physical_bits, "CR3 is above the physical address width"},
		{s->dr7 >> 32, "DR7 bits 63-32 are not 0"},
		{!is_canonical(s, s->sysenter_esp), "IA32_SYSENTER_ESP is not canonical"},
		{!is_canonical(s, s->sysenter_eip), "IA32_SYSENTER_EIP is not canonical"},
		{!pat_is_valid(s->pat), "IA32_PAT has a reserved type"},
		{s->efer & EFER_RESERVED, "IA32_EFER has reserved bits set"},
		{lma != long_mode, "IA32_EFER.LMA is not as \"IA-32e mode guest\" says"},
		{paging && lma != lme, "CR0.PG is 1 and IA32_EFER.LMA is not LME"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

/* 26.3.1.2, virtual-8086 mode: all six are as in real mode. */
static const char *check_vm86_segments(const struct vmx_guest_state *s)
{
	for (int seg = SEG_ES; seg <= SEG_GS; seg++) {
		const struct segment *segment = &s->segments[seg];

		if (segment->base != (uint64_t)segment->selector << 4 || segment->limit != 0xffff ||
		    segment->attributes != ATTR_VM86)
			return "a segment in virtual-8086 mode is not base selector * 16, limit "
			       "ffff, rights f3";
	}
	return NULL;
}

/* What holds for the access rights and the limit of every segment in use. */
static const char *check_rights(const struct segment *segment)
{
	bool granular = segment->attributes & ATTR_GRANULARITY;
	const struct rule rules[] = {
		{!(segment->attributes & SEG_ATTR_PRESENT), "a segment in use is not present"},
		{segment->attributes & ATTR_RESERVED, "a segment's rights have reserved bits set"},
		{(segment->limit & 0xfff) != 0xfff && granular,
		 "a segment's limit does not end a page, but its G is 1"},
		{(segment->limit >> 20) && !granular,
		 "a segment's limit is above 1 MiB, but its G is 0"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

static const char *check_code(const struct vmx_guest_state *s)
{
	const struct segment *cs = &s->segments[SEG_CS];
	unsigned type = ATTR_TYPE(cs->attributes), dpl = SEG_ATTR_DPL(cs->attributes);
	unsigned ss_dpl = SEG_ATTR_DPL(s->segments[SEG_SS].attributes);
	bool code = (type & (TYPE_CODE | TYPE_ACCESSED)) == (TYPE_CODE | TYPE_ACCESSED);
	bool conforming = code && (type & 4);
	bool long_mode = s->entry_controls & ENTRY_CTL_IA32E_GUEST;
	const struct rule rules[] = {
		{!is_usable(cs), "CS is unusable"},
		{!code && !(type == 3 && s->unrestricted), "CS is not accessed code"},
		{!(cs->attributes & ATTR_S), "CS is a system segment"},
		{type == 3 && dpl != 0, "CS is data and its DPL is not 0"},
		{code && !conforming && dpl != ss_dpl, "DPL of CS is not that of SS"},
		{conforming && dpl > ss_dpl, "DPL of a conforming CS is above that of SS"},
		{long_mode && (cs->attributes & SEG_ATTR_LONG) &&
			 (cs->attributes & SEG_ATTR_DEFAULT_32),
		 "CS.L and CS.D are both 1"},
		{cs->base >> 32, "the base of CS is above 4 GiB"},
	};
	const char *text = first_broken(rules, ARRAY_SIZE(rules));

	return text ? text : check_rights(cs);
}

static const char *check_stack(const struct vmx_guest_state *s)
{
	const struct segment *ss = &s->segments[SEG_SS];
	const struct segment *cs = &s->segments[SEG_CS];
	unsigned type = ATTR_TYPE(ss->attributes), dpl = SEG_ATTR_DPL(ss->attributes);
	bool real = !(s->cr0 & CR0_PE);
	const struct rule always[] = {
		{!s->unrestricted && (ss->selector & SELECTOR_RPL) != (cs->selector & SELECTOR_RPL),
		 "RPL of SS is not that of CS"},
		{!s->unrestricted && dpl != (ss->selector & SELECTOR_RPL),
		 "DPL of SS is not its RPL"},
		{(real || ATTR_TYPE(cs->attributes) == 3) && dpl != 0,
		 "DPL of SS is not 0 in real mode"},
	};
	const struct rule usable[] = {
		{type != 3 && type != 7, "SS is not writable accessed data"},
		{!(ss->attributes & ATTR_S), "SS is a system segment"},
		{ss->base >> 32, "the base of SS is above 4 GiB"},
	};
	const char *text = first_broken(always, ARRAY_SIZE(always));

	if (!text && is_usable(ss))
		text = first_broken(usable, ARRAY_SIZE(usable));
	return text || !is_usable(ss) ? text : check_rights(ss);
}

static const char *check_data(const struct vmx_guest_state *s, enum vcpu_seg seg)
{
	const struct segment *segment = &s->segments[seg];
	unsigned type = ATTR_TYPE(segment->attributes);
	bool based = seg == SEG_FS || seg == SEG_GS; /* 64 bits wide */
	const struct rule rules[] = {
		{!(type & TYPE_ACCESSED), "a data segment is not accessed"},
		{(type & TYPE_CODE) && !(type & TYPE_READABLE),
		 "a data segment is unreadable code"},
		{!(segment->attributes & ATTR_S), "a data segment is a system segment"},
		{!s->unrestricted && type <= 11 &&
			 SEG_ATTR_DPL(segment->attributes) < (segment->selector & SELECTOR_RPL),
		 "DPL of a data segment is below its RPL"},
		{!based && segment->base >> 32, "the base of DS or ES is above 4 GiB"},
	};
	const char *text;

	if (based && !is_canonical(s, segment->base))
		return "the base of FS or GS is not canonical";
	if (!is_usable(segment))
		return NULL;
	text = first_broken(rules, ARRAY_SIZE(rules));
	return text ? text : check_rights(segment);
}

static const char *check_system_segments(const struct vmx_guest_state *s)
{
	const struct segment *tr = &s->segments[SEG_TR], *ldtr = &s->segments[SEG_LDTR];
	bool long_mode = s->entry_controls & ENTRY_CTL_IA32E_GUEST;
	unsigned type = ATTR_TYPE(tr->attributes);
	const struct rule task[] = {
		{!is_usable(tr), "TR is unusable"},
		{tr->selector & SELECTOR_TI, "TR is in the local table"},
		{tr->attributes & ATTR_S, "TR is not a system segment"},
		{type != 11 && (long_mode || type != 3), "TR is not a busy TSS"},
		{!is_canonical(s, tr->base), "the base of TR is not canonical"},
	};
	const struct rule local[] = {
		{ldtr->selector & SELECTOR_TI, "LDTR is in the local table"},
		{ATTR_TYPE(ldtr->attributes) != 2, "LDTR is not an LDT"},
		{ldtr->attributes & ATTR_S, "LDTR is not a system segment"},
		{!is_canonical(s, ldtr->base), "the base of LDTR is not canonical"},
	};
	const char *text = first_broken(task, ARRAY_SIZE(task));

	if (!text)
		text = check_rights(tr);
	if (!text && is_usable(ldtr))
		text = first_broken(local, ARRAY_SIZE(local));
	if (!text && is_usable(ldtr))
		text = check_rights(ldtr);
	return text;
}

static const char *check_segments(const struct vmx_guest_state *s)
{
	static const enum vcpu_seg data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	const char *text;

	if (is_vm86(s)) {
		text = check_vm86_segments(s);
	} else {
		text = check_code(s);
		if (!text)
			text = check_stack(s);
		for (size_t i = 0; !text && i < ARRAY_SIZE(data); i++)
			text = check_data(s, data[i]);
	}
	return text ? text : check_system_segments(s);
}

/* 26.3.1.3 and 26.3.1.4 */
static const char *check_tables_and_rip(const struct vmx_guest_state *s)
{
	const struct segment *gdtr = &s->segments[SEG_GDTR], *idtr = &s->segments[SEG_IDTR];
	bool long_mode = s->entry_controls & ENTRY_CTL_IA32E_GUEST;
	bool code64 = long_mode && (s->segments[SEG_CS].attributes & SEG_ATTR_LONG);
	bool external = (s->event & INTERRUPTION_VALID) &&
			(s->event & INTERRUPTION_TYPE_MASK) == INTERRUPTION_EXTERNAL;
	const struct rule rules[] = {
		{!is_canonical(s, gdtr->base), "the base of GDTR is not canonical"},
		{!is_canonical(s, idtr->base), "the base of IDTR is not canonical"},
		{gdtr->limit >> 16, "the limit of GDTR is above ffff"},
		{idtr->limit >> 16, "the limit of IDTR is above ffff"},
		{!code64 && s->rip >> 32, "RIP is above 4 GiB outside 64-bit mode"},
		{code64 && !is_canonical(s, s->rip), "RIP is not canonical"},
		{s->rflags & RFLAGS_RESERVED, "RFLAGS has reserved bits set"},
		{!(s->rflags & RFLAGS_FIXED), "RFLAGS bit 1 is 0"},
		{is_vm86(s) && (long_mode || !(s->cr0 & CR0_PE)),
		 "RFLAGS.VM is 1 in IA-32e or real mode"},
		{external && !(s->rflags & RFLAGS_IF),
		 "an interrupt is injected and RFLAGS.IF is 0"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

/* 26.3.1.5 */
static const char *check_state(const struct vmx_guest_state *s)
{
	bool sti = s->interruptibility & BLOCKED_BY_STI;
	bool mov_ss = s->interruptibility & BLOCKED_BY_MOV_SS;
	bool event = s->event & INTERRUPTION_VALID;
	uint32_t type = s->event & INTERRUPTION_TYPE_MASK;
	bool by_branch = s->debugctl & DEBUGCTL_BTF;
	bool step_due = (sti || mov_ss) && (s->rflags & RFLAGS_TF) && !by_branch;
	const struct rule rules[] = {
		{s->activity > 3, "the activity state is unknown"},
		{s->activity != 0 && (sti || mov_ss), "inactive while blocked by STI or MOV SS"},
		{s->interruptibility >> 5, "interruptibility has reserved bits set"},
		{sti && mov_ss, "blocked by STI and by MOV SS"},
		{sti && !(s->rflags & RFLAGS_IF), "blocked by STI and RFLAGS.IF is 0"},
		{event && type == INTERRUPTION_EXTERNAL && (sti || mov_ss),
		 "an interrupt is injected while blocked by STI or MOV SS"},
		{event && type == INTERRUPTION_NMI && mov_ss,
		 "an NMI is injected while blocked by MOV SS"},
		{event && type == INTERRUPTION_NMI && s->virtual_nmis &&
			 (s->interruptibility & BLOCKED_BY_NMI),
		 "an NMI is injected while blocked by NMI"},
		{s->interruptibility & BLOCKED_BY_SMI, "blocked by SMI outside SMM"},
		{s->pending_debug & PENDING_RESERVED,
		 "pending debug exceptions have reserved bits set"},
		{step_due && !(s->pending_debug & QUAL_DEBUG_BS),
		 "a single step is due and not pending"},
		{(sti || mov_ss) && !step_due && (s->pending_debug & QUAL_DEBUG_BS),
		 "a single step is pending and not due"},
		{s->link_pointer != ~0ull, "the VMCS link pointer is set"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

const char *vmx_guest_check(const struct vmx_guest_state *state)
{
	const char *text = check_registers(state);

	if (!text)
		text = check_segments(state);
	if (!text)
		text = check_tables_and_rip(state);
	return text ? text : check_state(state);
}
