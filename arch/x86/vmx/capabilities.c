/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One table says of each control whether it is needed, welcome, or must be off; everything else
 * stays as the CPU demands. A capability MSR holds in its low half the bits that must be 1 and in
 * its high half those that may be.
 */
#include "arch/x86/vmx/capabilities.h"

#include "arch/x86/vmx/vmcs.h"

#include <assert.h>
#include <errno.h>

#define VENDOR_INTEL   0x756e6547u /* "Genu" of GenuineIntel */
#define VENDOR_CENTAUR 0x746e6543u
#define VENDOR_ZHAOXIN 0x68532020u

#define CPUID_1_ECX_VMX	      (1u << 5)
#define CPUID_7_EDX_IBPB      (1u << 26)
#define CPUID_7_EBX_INVPCID   (1u << 10)
#define CPUID_7_ECX_RDPID     (1u << 22)
#define CPUID_EXT1_EDX_RDTSCP (1u << 27)

#define BASIC_REVISION	 0x7fffffffull
#define BASIC_TYPE_SHIFT 50
#define BASIC_TYPE_MASK	 0xfull
#define MEMORY_TYPE_WB	 6ull

#define MISC_TIMER_MASK 0x1full

/* IA32_VMX_EPT_VPID_CAP. */
#define CAP_EXECUTE_ONLY   (1ull << 0)
#define CAP_WALK_4	   (1ull << 6)
#define CAP_EPT_WB	   (1ull << 14)
#define CAP_PAGES_2M	   (1ull << 16)
#define CAP_PAGES_1G	   (1ull << 17)
#define CAP_INVEPT	   (1ull << 20)
#define CAP_ACCESSED_DIRTY (1ull << 21)
#define CAP_INVEPT_SINGLE  (1ull << 25)
#define CAP_INVEPT_ALL	   (1ull << 26)
#define CAP_INVVPID	   (1ull << 32)
#define CAP_INVVPID_SINGLE (1ull << 41)
#define CAP_INVVPID_ALL	   (1ull << 42)

enum word {
	WORD_PIN,
	WORD_PRIMARY,
	WORD_SECONDARY,
	WORD_EXIT,
	WORD_ENTRY,
	WORDS,
};

enum need {
	REQUIRED,
	WELCOME,
	REFUSED, /* must be possible to leave off */
};

struct control_row {
	uint8_t word;
	uint8_t need;
	uint32_t bit;
	const char *why; /* for the user, where the need cannot be met */
};

#define REQUIRE(word_, name, bit_)                                                \
	{                                                                         \
		.word = WORD_##word_, .need = REQUIRED, .bit = bit_,              \
		.why = "this processor's VT-x has no " name ", which is required" \
	}
#define ACCEPT(word_, bit_)                                                     \
	{                                                                       \
		.word = WORD_##word_, .need = WELCOME, .bit = bit_, .why = NULL \
	}
#define REFUSE(word_, name, bit_)                                                            \
	{                                                                                    \
		.word = WORD_##word_, .need = REFUSED, .bit = bit_,                          \
		.why = "this processor's VT-x cannot do without " name ", which would make " \
		       "guests unbearably slow"                                              \
	}

/* The order is that in which a user should hear of what is missing. */
static const struct control_row control_rows[] = {
	REQUIRE(PRIMARY, "secondary controls", PRIMARY_SECONDARY_CONTROLS),
	REQUIRE(SECONDARY, "nested paging (EPT)", SECONDARY_EPT),
	REQUIRE(SECONDARY, "unrestricted guest mode (Intel's since Westmere, 2010)",
		SECONDARY_UNRESTRICTED_GUEST),
	REQUIRE(PIN, "external-interrupt exiting", PIN_EXTERNAL_INTERRUPT_EXITING),
	REQUIRE(PIN, "NMI exiting", PIN_NMI_EXITING),
	REQUIRE(PIN, "virtual NMIs", PIN_VIRTUAL_NMIS),
	REQUIRE(PRIMARY, "interrupt-window exiting", PRIMARY_INTERRUPT_WINDOW),
	REQUIRE(PRIMARY, "NMI-window exiting", PRIMARY_NMI_WINDOW),
	REQUIRE(PRIMARY, "TSC offsetting", PRIMARY_TSC_OFFSETTING),
	REQUIRE(PRIMARY, "HLT exiting", PRIMARY_HLT_EXITING),
	REQUIRE(PRIMARY, "MWAIT exiting", PRIMARY_MWAIT_EXITING),
	REQUIRE(PRIMARY, "MONITOR exiting", PRIMARY_MONITOR_EXITING),
	REQUIRE(PRIMARY, "RDPMC exiting", PRIMARY_RDPMC_EXITING),
	REQUIRE(PRIMARY, "I/O bitmaps", PRIMARY_IO_BITMAPS),
	REQUIRE(PRIMARY, "MSR bitmaps", PRIMARY_MSR_BITMAPS),
	REQUIRE(EXIT, "64-bit host mode", EXIT_CTL_HOST_64),
	REQUIRE(EXIT, "acknowledging of interrupts on exit", EXIT_CTL_ACK_INTERRUPT),
	REQUIRE(EXIT, "saving of debug registers", EXIT_CTL_SAVE_DEBUG),
	REQUIRE(EXIT, "saving of the PAT", EXIT_CTL_SAVE_PAT),
	REQUIRE(EXIT, "loading of the PAT on exit", EXIT_CTL_LOAD_PAT),
	REQUIRE(EXIT, "saving of EFER", EXIT_CTL_SAVE_EFER),
	REQUIRE(EXIT, "loading of EFER on exit", EXIT_CTL_LOAD_EFER),
	REQUIRE(ENTRY, "loading of debug registers", ENTRY_CTL_LOAD_DEBUG),
	REQUIRE(ENTRY, "loading of the PAT on entry", ENTRY_CTL_LOAD_PAT),
	REQUIRE(ENTRY, "loading of EFER on entry", ENTRY_CTL_LOAD_EFER),
	ACCEPT(PIN, PIN_PREEMPTION_TIMER),
	ACCEPT(PRIMARY, PRIMARY_TPR_SHADOW),
	ACCEPT(SECONDARY, SECONDARY_VPID),
	ACCEPT(SECONDARY, SECONDARY_WBINVD_EXITING),
	ACCEPT(SECONDARY, SECONDARY_RDTSCP),
	ACCEPT(SECONDARY, SECONDARY_INVPCID),
	ACCEPT(SECONDARY, SECONDARY_PAUSE_LOOP_EXITING),
	ACCEPT(SECONDARY, SECONDARY_ENCLS_EXITING),
	ACCEPT(EXIT, EXIT_CTL_SAVE_TIMER),
	REFUSE(PRIMARY, "exits for CR3 loads", PRIMARY_CR3_LOAD_EXITING),
	REFUSE(PRIMARY, "exits for CR3 stores", PRIMARY_CR3_STORE_EXITING),
	REFUSE(PRIMARY, "exits for INVLPG", PRIMARY_INVLPG_EXITING),
	REFUSE(PRIMARY, "exits for RDTSC", PRIMARY_RDTSC_EXITING),
	REFUSE(PRIMARY, "exits for debug registers", PRIMARY_MOV_DR_EXITING),
	REFUSE(PRIMARY, "exits for every PAUSE", PRIMARY_PAUSE_EXITING),
};

static uint32_t must_be_1(uint64_t msr)
{
	return (uint32_t)msr;
}

static uint32_t may_be_1(uint64_t msr)
{
	return (uint32_t)(msr >> 32);
}

static int choose_controls(const uint64_t msrs[WORDS], uint32_t values[WORDS], const char **why)
{
	for (unsigned word = 0; word < WORDS; word++)
		values[word] = must_be_1(msrs[word]);
	for (size_t i = 0; i < ARRAY_SIZE(control_rows); i++) {
		const struct control_row *row = &control_rows[i];
		bool possible = may_be_1(msrs[row->word]) & row->bit;
		bool forced = must_be_1(msrs[row->word]) & row->bit;

		if ((row->need == REQUIRED && !possible) || (row->need == REFUSED && forced)) {
			*why = row->why;
			return -ENOTSUP;
		}
		if (row->need != REFUSED && possible)
			values[row->word] |= row->bit;
	}
	return 0;
}

/* What has a condition that is not a bit of its own word. */
static int settle_controls(const struct vmx_msrs *msrs, struct vmx_capabilities *caps,
			   const char **why)
{
	const uint32_t cr8 = PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING;
	const uint64_t invvpid = CAP_INVVPID | CAP_INVVPID_ALL;

	if (!(caps->primary & PRIMARY_TPR_SHADOW)) {
		if ((may_be_1(msrs->primary) & cr8) != cr8) {
			*why = "this processor's VT-x can neither shadow CR8 nor exit for it";
			return -ENOTSUP;
		}
		caps->primary |= cr8;
	}
	/* Tags that could never be flushed as a whole would run out. */
	if ((msrs->ept_vpid & invvpid) != invvpid)
		caps->secondary &= ~SECONDARY_VPID;
	/* A timer that starts anew at every entry would bound nothing. */
	if (!(caps->exit & EXIT_CTL_SAVE_TIMER))
		caps->pin &= ~PIN_PREEMPTION_TIMER;
	if (!(caps->pin & PIN_PREEMPTION_TIMER))
		caps->exit &= ~EXIT_CTL_SAVE_TIMER;
	return 0;
}

static int check_ept(uint64_t cap, const char **why)
{
	bool invept = (cap & CAP_INVEPT) && (cap & CAP_INVEPT_ALL);

	if ((cap & CAP_WALK_4) && (cap & CAP_EPT_WB) && invept)
		return 0;
	*why = "this processor's EPT lacks 4-level tables, write-back tables or INVEPT, which are "
	       "required";
	return -ENOTSUP;
}

static int check_cpu(const struct vmx_msrs *msrs, const char **why)
{
	uint32_t vendor = msrs->vendor_ebx;

	if (msrs->leaf1_ecx & CPUID_1_ECX_VMX)
		return 0;
	if (vendor != VENDOR_INTEL && vendor != VENDOR_CENTAUR && vendor != VENDOR_ZHAOXIN) {
		*why = "this is not a processor with VT-x";
		return -ENODEV;
	}
	*why = "this processor does not offer VT-x: switch on \"Intel Virtualization Technology\" "
	       "(VT-x, VMX) in the firmware setup (BIOS); in a virtual machine, give it nested "
	       "VT-x";
	return -ENOTSUP;
}

/* Unlocked is good: then it is ours to switch on. SDM 3C, 23.7. */
static int check_firmware(uint64_t feature_control, const char **why)
{
	if (!(feature_control & FEATURE_CONTROL_LOCK) ||
	    (feature_control & FEATURE_CONTROL_VMX_OUTSIDE_SMX))
		return 0;
	*why = "the firmware has switched VT-x off and locked it (IA32_FEATURE_CONTROL): enable "
	       "\"Intel Virtualization Technology\" (VT-x, VMX) in its setup (BIOS), under CPU or "
	       "advanced settings, and power the machine off and on";
	return -EPERM;
}

static void note_features(const struct vmx_msrs *msrs, struct vmx_capabilities *caps)
{
	uint32_t secondary = may_be_1(msrs->secondary);
	uint64_t cap = msrs->ept_vpid;

	caps->revision = (uint32_t)(msrs->basic & BASIC_REVISION);
	caps->max_leaf_level = !(cap & CAP_PAGES_2M) ? 1 : !(cap & CAP_PAGES_1G) ? 2 : 3;
	caps->timer_shift = (unsigned)(msrs->misc & MISC_TIMER_MASK);
	caps->preemption_timer = caps->pin & PIN_PREEMPTION_TIMER;
	caps->tpr_shadow = caps->primary & PRIMARY_TPR_SHADOW;
	caps->vpid = caps->secondary & SECONDARY_VPID;
	caps->invvpid_single = cap & CAP_INVVPID_SINGLE;
	caps->invept_single = cap & CAP_INVEPT_SINGLE;
	caps->pause_loop = caps->secondary & SECONDARY_PAUSE_LOOP_EXITING;
	caps->rdtscp = caps->secondary & SECONDARY_RDTSCP;
	caps->invpcid = caps->secondary & SECONDARY_INVPCID;
	caps->encls_exiting = caps->secondary & SECONDARY_ENCLS_EXITING;
	caps->ibpb = msrs->leaf7_edx & CPUID_7_EDX_IBPB;
	caps->execute_only = cap & CAP_EXECUTE_ONLY;
	caps->accessed_dirty = cap & CAP_ACCESSED_DIRTY;
	caps->apic_registers = secondary & SECONDARY_APIC_REGISTERS;
	caps->interrupt_delivery = secondary & SECONDARY_INTERRUPT_DELIVERY;
	caps->posted_interrupts = may_be_1(msrs->pin) & PIN_POSTED_INTERRUPTS;
	caps->pml = secondary & SECONDARY_PML;
	caps->tsc_scaling = secondary & SECONDARY_TSC_SCALING;
	caps->xsaves = secondary & SECONDARY_XSAVES;
	caps->vmfunc = secondary & SECONDARY_VM_FUNCTIONS;
	caps->shadow_vmcs = secondary & SECONDARY_VMCS_SHADOWING;
}

int vmx_capabilities_choose(const struct vmx_msrs *msrs, struct vmx_capabilities *caps,
			    const char **why)
{
	const uint64_t words[WORDS] = {msrs->pin, msrs->primary, msrs->secondary, msrs->exit,
				       msrs->entry};
	uint32_t values[WORDS];
	int error = check_cpu(msrs, why);

	if (error == 0)
		error = check_firmware(msrs->feature_control, why);
	if (error == 0)
		error = choose_controls(words, values, why);
	if (error == 0)
		error = check_ept(msrs->ept_vpid, why);
	if (error != 0)
		return error;
	if ((msrs->basic >> BASIC_TYPE_SHIFT & BASIC_TYPE_MASK) != MEMORY_TYPE_WB) {
		*why = "this processor wants its VMCSs in uncached memory";
		return -ENOTSUP;
	}
	*caps = (struct vmx_capabilities){.pin = values[WORD_PIN],
					  .primary = values[WORD_PRIMARY],
					  .secondary = values[WORD_SECONDARY],
					  .exit = values[WORD_EXIT],
					  .entry = values[WORD_ENTRY]};
	/* Windows are opened, and the guest's mode is set, at run time. */
	caps->primary &= ~(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW);
	error = settle_controls(msrs, caps, why);
	if (error == 0)
		note_features(msrs, caps);
	return error;
}

bool vmx_capabilities_cover(const struct vmx_capabilities *mine,
			    const struct vmx_capabilities *chosen)
{
	return mine->revision == chosen->revision && mine->pin == chosen->pin &&
	       mine->primary == chosen->primary && mine->secondary == chosen->secondary &&
	       mine->exit == chosen->exit && mine->entry == chosen->entry &&
	       mine->max_leaf_level >= chosen->max_leaf_level &&
	       mine->timer_shift == chosen->timer_shift &&
	       mine->invvpid_single >= chosen->invvpid_single &&
	       mine->invept_single >= chosen->invept_single && mine->ibpb >= chosen->ibpb;
}

/* RDPID faults where RDTSCP does. SDM 3C, 25.3. */
void vmx_capabilities_limit_cpuid(const struct vmx_capabilities *caps, uint32_t leaf,
				  uint32_t subleaf, uint32_t registers[4])
{
	if (leaf == 7 && subleaf == 0) {
		if (!caps->invpcid)
			registers[1] &= ~CPUID_7_EBX_INVPCID;
		if (!caps->rdtscp)
			registers[2] &= ~CPUID_7_ECX_RDPID;
	}
	if (leaf == 0x80000001u && !caps->rdtscp)
		registers[3] &= ~CPUID_EXT1_EDX_RDTSCP;
}

void vmx_capabilities_list(const struct vmx_capabilities *caps, struct backend_feature *list)
{
	const struct backend_feature all[] = {
		{"EPT with 2 MiB pages", caps->max_leaf_level >= 2},
		{"EPT with 1 GiB pages", caps->max_leaf_level >= 3},
		{"VPID", caps->vpid},
		{"INVVPID of one context", caps->invvpid_single},
		{"INVEPT of one context", caps->invept_single},
		{"TPR shadow", caps->tpr_shadow},
		{"preemption timer", caps->preemption_timer},
		{"pause-loop exiting", caps->pause_loop},
		{"RDTSCP", caps->rdtscp},
		{"INVPCID", caps->invpcid},
		{"branch predictor barrier (IBPB)", caps->ibpb},
		{"EPT execute-only (not used)", caps->execute_only},
		{"EPT accessed and dirty flags (not used)", caps->accessed_dirty},
		{"APIC-register virtualisation (not used)", caps->apic_registers},
		{"virtual-interrupt delivery (not used)", caps->interrupt_delivery},
		{"posted interrupts (not used)", caps->posted_interrupts},
		{"page-modification logging (not used)", caps->pml},
		{"TSC scaling (not used)", caps->tsc_scaling},
		{"XSAVES (not used)", caps->xsaves},
		{"VM functions (not used)", caps->vmfunc},
		{"VMCS shadowing (not used)", caps->shadow_vmcs},
		{NULL, false},
	};

	static_assert(ARRAY_SIZE(all) <= VMX_FEATURE_LIST_MAX, "the list is longer than promised");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		list[i] = all[i];
}
