/* SPDX-License-Identifier: BSD-2-Clause */
/* What exits ask of the backend itself: the host's events, windows, and what a debug exception
 * leaves in registers that the VMCS does not hold. */
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/idt.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

#define DR6_TRAP_BITS (QUAL_DEBUG_BREAKPOINTS | QUAL_DEBUG_BD | QUAL_DEBUG_BS)
#define DR7_GD	      (1ull << 13)

/* The exit acknowledged nothing: it is raised again, through the host's IDT, whose IRET also ends
 * the blocking of NMIs that the exit began. SDM 3C, 27.5.5. */
static void raise_nmi(void)
{
	__asm__ volatile("int $2" : : : "memory");
}

static void raise_machine_check(void)
{
	__asm__ volatile("int $18" : : : "memory");
}

/*
 * An IRET that had unblocked NMIs and then faulted is not over: they stay blocked. Unless an event
 * was being delivered, when the bit has no meaning. SDM 3C, 27.2.3.
 */
static void undo_nmi_unblock(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	if (vmcs_read32(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID)
		return;
	vmx->interruptibility |= BLOCKED_BY_NMI;
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmx->interruptibility);
}

/* DR6 and DR7 as the CPU would have left them; the exit came before it. SDM 3C, 27.1. */
static void take_debug_exception(struct vcpu *vcpu, uint64_t qualification)
{
	uint64_t dr6 = vmx_get_reg(vcpu, REG_DR6) & ~QUAL_DEBUG_BREAKPOINTS;

	vmx_set_reg(vcpu, REG_DR6, dr6 | (qualification & DR6_TRAP_BITS));
	if (qualification & QUAL_DEBUG_BD)
		vmx_set_reg(vcpu, REG_DR7, vmx_get_reg(vcpu, REG_DR7) & ~DR7_GD);
}

static void own_exception(struct vcpu *vcpu, const struct vmx_exit_raw *raw)
{
	uint32_t type = raw->event & INTERRUPTION_TYPE_MASK;
	uint8_t vector = (uint8_t)(raw->event & INTERRUPTION_VECTOR_MASK);

	if (type == INTERRUPTION_NMI) {
		raise_nmi();
		return;
	}
	if (vector == VECTOR_MC)
		raise_machine_check();
	if ((raw->event & INTERRUPTION_NMI_UNBLOCK) && vector != VECTOR_DF)
		undo_nmi_unblock(vcpu);
	if (vector != VECTOR_DB)
		return;
	/* INT1 is a trap: what is injected for it must return behind it. */
	if (type == INTERRUPTION_PRIVILEGED)
		vcpu->rip += vmcs_read32(VMCS_EXIT_INSTRUCTION_LENGTH);
	else
		take_debug_exception(vcpu, raw->qualification);
}

/* Its time is over; what is pending may be held back by an emulator, so it is asked for. */
static void own_timer(void)
{
	vmx_timer_restart();
	platform_poll_interrupts();
}

void vmx_own_exit(struct vcpu *vcpu, const struct vmx_exit_raw *raw, struct vm_exit *exit)
{
	switch (raw->reason & EXIT_REASON_BASIC_MASK) {
	case REASON_EXCEPTION_OR_NMI:
		own_exception(vcpu, raw);
		return;
	case REASON_EXTERNAL_INTERRUPT:
		if (raw->event & INTERRUPTION_VALID)
			interrupt_handle((uint8_t)(raw->event & INTERRUPTION_VECTOR_MASK));
		return;
	case REASON_PREEMPTION_TIMER:
		own_timer();
		return;
	case REASON_INTERRUPT_WINDOW:
	case REASON_TPR_BELOW_THRESHOLD:
		vmx_cancel_window(vcpu);
		return;
	case REASON_NMI_WINDOW:
		vmx_cancel_nmi_window(vcpu->backend);
		return;
	case REASON_EPT_VIOLATION:
		if (raw->qualification & QUAL_EPT_NMI_UNBLOCK)
			undo_nmi_unblock(vcpu);
		return;
	case REASON_MACHINE_CHECK:
		raise_machine_check();
		return;
	default:
		exit->kind = EXIT_UNKNOWN;
		return;
	}
}
