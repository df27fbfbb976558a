/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's VMCS in the log, for diagnosis; and what a VM entry had against it, where it did. */
#include "vmm/cpuid.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/vmx/check.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

static void dump_general(const struct vcpu *vcpu)
{
	static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
						     "rsi", "rdi", "r8",  "r9",	 "r10", "r11",
						     "r12", "r13", "r14", "r15"};

	for (unsigned i = 0; i < GPR_COUNT; i += 4)
		log_error("  %s %016llx  %s %016llx  %s %016llx  %s %016llx", names[i],
			  (unsigned long long)vcpu->gpr[i], names[i + 1],
			  (unsigned long long)vcpu->gpr[i + 1], names[i + 2],
			  (unsigned long long)vcpu->gpr[i + 2], names[i + 3],
			  (unsigned long long)vcpu->gpr[i + 3]);
	log_error("  rip %016llx  rflags %08llx  shadow %u", (unsigned long long)vcpu->rip,
		  (unsigned long long)vcpu->rflags, vcpu->interrupt_shadow);
}

static void dump_segments(const struct vmx_guest_state *state)
{
	static const char *const names[SEG_COUNT] = {"es", "cs",   "ss", "ds",	 "fs",
						     "gs", "ldtr", "tr", "gdtr", "idtr"};

	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct segment *segment = &state->segments[i];

		log_error("  %-4s %04x rights %05x limit %08x base %016llx", names[i],
			  segment->selector, segment->attributes, segment->limit,
			  (unsigned long long)segment->base);
	}
}

static void dump_system(struct vcpu *vcpu, const struct vmx_guest_state *state)
{
	const struct vmx_vcpu *vmx = vcpu->backend;

	log_error("  cr0 %llx (shadow %llx) cr2 %llx cr3 %llx cr4 %llx (shadow %llx) cr8 %llx",
		  (unsigned long long)state->cr0, (unsigned long long)vmx->cr0_shadow,
		  (unsigned long long)vmx_get_reg(vcpu, REG_CR2), (unsigned long long)state->cr3,
		  (unsigned long long)state->cr4, (unsigned long long)vmx->cr4_shadow,
		  (unsigned long long)vmx_get_reg(vcpu, REG_CR8));
	log_error("  efer %llx pat %llx dr6 %llx dr7 %llx debugctl %llx pending debug %llx",
		  (unsigned long long)state->efer, (unsigned long long)state->pat,
		  (unsigned long long)vmx_get_reg(vcpu, REG_DR6), (unsigned long long)state->dr7,
		  (unsigned long long)state->debugctl, (unsigned long long)state->pending_debug);
	log_error("  star %llx lstar %llx sfmask %llx kernel_gs_base %llx sysenter esp %llx eip "
		  "%llx xcr0 %llx",
		  (unsigned long long)vmx_get_reg(vcpu, REG_STAR),
		  (unsigned long long)vmx_get_reg(vcpu, REG_LSTAR),
		  (unsigned long long)vmx_get_reg(vcpu, REG_SFMASK),
		  (unsigned long long)vmx_get_reg(vcpu, REG_KERNEL_GS_BASE),
		  (unsigned long long)state->sysenter_esp, (unsigned long long)state->sysenter_eip,
		  (unsigned long long)vmx_get_reg(vcpu, REG_XCR0));
}

static void dump_control(const struct vmx_vcpu *vmx, const struct vmx_guest_state *state)
{
	log_error("  exit %08x qualification %llx address %llx linear %llx length %u",
		  vmcs_read32(VMCS_EXIT_REASON),
		  (unsigned long long)vmcs_read(VMCS_EXIT_QUALIFICATION),
		  (unsigned long long)vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS),
		  (unsigned long long)vmcs_read(VMCS_GUEST_LINEAR_ADDRESS),
		  vmcs_read32(VMCS_EXIT_INSTRUCTION_LENGTH));
	log_error("  event in %08x out %08x error %x vectoring %08x interruptibility %x activity "
		  "%x",
		  state->event, vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO),
		  vmcs_read32(VMCS_EXIT_INTERRUPTION_ERROR), vmcs_read32(VMCS_IDT_VECTORING_INFO),
		  state->interruptibility, state->activity);
	log_error("  controls: pin %08x primary %08x secondary %08x exit %08x entry %08x",
		  vmcs_read32(VMCS_PIN_CONTROLS), vmcs_read32(VMCS_PRIMARY_CONTROLS),
		  vmcs_read32(VMCS_SECONDARY_CONTROLS), vmcs_read32(VMCS_EXIT_CONTROLS),
		  state->entry_controls);
	log_error("  eptp %llx vpid %u tsc offset %llx threshold %u pending %x",
		  (unsigned long long)vmcs_read(VMCS_EPT_POINTER), vmx->tlb.vpid,
		  (unsigned long long)vmcs_read(VMCS_TSC_OFFSET), vmx->tpr_threshold, vmx->pending);
}

static void read_state(struct vcpu *vcpu, struct vmx_guest_state *state)
{
	*state = (struct vmx_guest_state){
		.cr0 = vmcs_read(VMCS_GUEST_CR0),
		.cr3 = vmcs_read(VMCS_GUEST_CR3),
		.cr4 = vmcs_read(VMCS_GUEST_CR4),
		.dr7 = vmcs_read(VMCS_GUEST_DR7),
		.debugctl = vmcs_read(VMCS_GUEST_IA32_DEBUGCTL),
		.efer = vmcs_read(VMCS_GUEST_IA32_EFER),
		.pat = vmcs_read(VMCS_GUEST_IA32_PAT),
		.sysenter_esp = vmcs_read(VMCS_GUEST_IA32_SYSENTER_ESP),
		.sysenter_eip = vmcs_read(VMCS_GUEST_IA32_SYSENTER_EIP),
		.rip = vmcs_read(VMCS_GUEST_RIP),
		.rflags = vmcs_read(VMCS_GUEST_RFLAGS),
		.pending_debug = vmcs_read(VMCS_GUEST_PENDING_DEBUG),
		.link_pointer = vmcs_read(VMCS_LINK_POINTER),
		.interruptibility = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY),
		.activity = vmcs_read32(VMCS_GUEST_ACTIVITY_STATE),
		.entry_controls = vmcs_read32(VMCS_ENTRY_CONTROLS),
		.event = vmcs_read32(VMCS_ENTRY_INTERRUPTION_INFO),
		.unrestricted = true,
		.virtual_nmis = true,
		.physical_bits = cpuid_policy.physical_bits,
		.linear_bits = cpuid_policy.cr4_allowed & CR4_LA57 ? 57 : 48,
	};
	for (int seg = SEG_ES; seg < SEG_COUNT; seg++)
		vmx_get_seg(vcpu, (enum vcpu_seg)seg, &state->segments[seg]);
}

void vmx_dump(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	struct vmx_guest_state state;
	const char *broken;
	uint32_t reason;

	vmcs_open(vmx);
	read_state(vcpu, &state);
	log_error("VT-x state of vCPU %u:", vcpu->id);
	dump_general(vcpu);
	dump_segments(&state);
	dump_system(vcpu, &state);
	dump_control(vmx, &state);
	reason = vmcs_read32(VMCS_EXIT_REASON);
	if (reason & EXIT_REASON_ENTRY_FAILED)
		log_error("  the entry failed: %s",
			  vmx_entry_failure(reason, vmcs_read(VMCS_EXIT_QUALIFICATION)));
	else
		log_error("  last error of a VMX instruction: %s",
			  vmx_instruction_error(vmcs_read32(VMCS_INSTRUCTION_ERROR)));
	broken = vmx_guest_check(&state);
	if (broken)
		log_error("  VM entry refuses this state: %s", broken);
	vmcs_close(vmx);
}
