/* SPDX-License-Identifier: BSD-2-Clause */
/* The consistency rules of VMRUN, as a table of broken conditions. */
#include "arch/x86/svm/check.h"

#include "vmm/x86_defs.h"
#include "arch/x86/svm/maps.h"

/* Bits of CR4 and EFER that no CPU of today defines. APM 2, 3.1.3 and 3.1.7. */
#define CR4_RESERVED  (~0xffffffull | 1ull << 19 | 0xe000ull)
#define EFER_RESERVED (~0x3fffffull | 0x02feull)
#define ATTR_LONG     (1u << 9)
#define ATTR_DEFAULT  (1u << 10)

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

static const char *check_control_registers(const struct vmcb_save *save, uint64_t beyond)
{
	bool long_paging = (save->efer & EFER_LME) && (save->cr0 & CR0_PG);
	bool cs_long = save->cs.attributes & ATTR_LONG;
	bool cs_default = save->cs.attributes & ATTR_DEFAULT;
	const struct rule rules[] = {
		{!(save->efer & EFER_SVME), "EFER.SVME is 0"},
		{!(save->cr0 & CR0_CD) && (save->cr0 & CR0_NW), "CR0.CD is 0 and CR0.NW is 1"},
		{save->cr0 >> 32, "CR0 bits 63-32 are not 0"},
		{save->cr3 & beyond, "CR3 is above the physical address width"},
		{save->cr4 & CR4_RESERVED, "CR4 has reserved bits set"},
		{save->dr6 >> 32, "DR6 bits 63-32 are not 0"},
		{save->dr7 >> 32, "DR7 bits 63-32 are not 0"},
		{save->efer & EFER_RESERVED, "EFER has reserved bits set"},
		{long_paging && !(save->cr4 & CR4_PAE),
		 "EFER.LME and CR0.PG are 1 and CR4.PAE is 0"},
		{long_paging && !(save->cr0 & CR0_PE), "EFER.LME and CR0.PG are 1 and CR0.PE is 0"},
		{long_paging && (save->cr4 & CR4_PAE) && cs_long && cs_default,
		 "in long mode, CS.L and CS.D are both 1"},
		{(save->cr4 & CR4_CET) && !(save->cr0 & CR0_WP), "CR4.CET is 1 and CR0.WP is 0"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

static const char *check_event(uint64_t event)
{
	uint32_t type = (uint32_t)event & VMCB_EVENT_TYPE_MASK;
	uint32_t vector = (uint32_t)event & VMCB_EVENT_VECTOR_MASK;
	const struct rule rules[] = {
		{type != VMCB_EVENT_INTR && type != VMCB_EVENT_NMI &&
			 type != VMCB_EVENT_EXCEPTION && type != VMCB_EVENT_SOFTWARE,
		 "EVENTINJ has a reserved type"},
		{type == VMCB_EVENT_EXCEPTION && (vector == VECTOR_NMI || vector > 31),
		 "EVENTINJ is an exception with a vector that is none"},
	};

	return (event & VMCB_EVENT_VALID) ? first_broken(rules, ARRAY_SIZE(rules)) : NULL;
}

/* PAT memory types: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-. */
static bool pat_is_valid(uint64_t pat)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned type = pat >> (i * 8) & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static const char *check_control(const struct vmcb *vmcb, const struct svm_limits *limits,
				 uint64_t beyond)
{
	const struct vmcb_control *control = &vmcb->control;
	bool nested = control->nested_ctl & VMCB_NESTED_PAGING;
	const struct rule rules[] = {
		{!(control->intercept_misc2 & VMCB_MISC2_VMRUN), "VMRUN is not intercepted"},
		{control->asid == 0, "the ASID is 0"},
		{control->asid >= limits->asids, "the ASID is above what the CPU has"},
		{(control->iopm_base_pa + SVM_IOPM_BYTES - 1) & beyond,
		 "the port map is above the physical address width"},
		{(control->msrpm_base_pa + SVM_MSRPM_BYTES - 1) & beyond,
		 "the MSR map is above the physical address width"},
		{nested && ((control->n_cr3 & beyond) || (control->n_cr3 & 0xfe7)),
		 "the nested CR3 has reserved bits set"},
		{nested && !pat_is_valid(vmcb->save.g_pat), "the guest's PAT has a reserved type"},
	};

	return first_broken(rules, ARRAY_SIZE(rules));
}

const char *svm_vmcb_check(const struct vmcb *vmcb, const struct svm_limits *limits)
{
	uint64_t beyond = ~(((uint64_t)1 << limits->physical_bits) - 1);
	const char *text = check_control_registers(&vmcb->save, beyond);

	if (!text)
		text = check_control(vmcb, limits, beyond);
	return text ? text : check_event(vmcb->control.eventinj);
}
