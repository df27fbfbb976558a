/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events into the guest: the entry's interruption information, interrupt and NMI windows, the TPR
 * threshold, and what becomes of an event that an exit cut short. NMI blocking is the CPU's work
 * (virtual NMIs). SDM 3C, 24.8.3, 25.2, 26.5 and 27.2.4.
 */
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

static struct vmx_vcpu *vmx_of(struct vcpu *vcpu)
{
	return vcpu->backend;
}

bool vmx_can_inject(struct vcpu *vcpu, enum event_type type)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (vcpu->event_valid || vmx->event)
		return false;
	switch (type) {
	case EVENT_INTERRUPT:
		return (vcpu->rflags & RFLAGS_IF) && !vcpu->interrupt_shadow;
	case EVENT_NMI:
		/* STI's shadow holds NMIs off on some CPUs. */
		return !(vmx->interruptibility & BLOCKED_BY_NMI) && !vcpu->interrupt_shadow;
	case EVENT_EXCEPTION:
	case EVENT_SOFTWARE_INTERRUPT:
		break;
	}
	return true;
}

/*
 * A software interrupt whose RIP is past the instruction already is delivered as a hardware
 * exception where its vector is one's, since there is no length to be added; a higher vector as an
 * external interrupt, which is what is left. Only one that the hypervisor itself injected and an
 * exit cut short comes here: the guest's own are executed again.
 */
static uint32_t software_type(uint8_t vector)
{
	return vector < 32 && vector != VECTOR_NMI ? INTERRUPTION_HARDWARE : INTERRUPTION_EXTERNAL;
}

static uint32_t event_info(const struct vcpu_event *event)
{
	uint32_t info = INTERRUPTION_VALID | event->vector;

	switch (event->type) {
	case EVENT_INTERRUPT:
		info |= INTERRUPTION_EXTERNAL;
		break;
	case EVENT_NMI:
		info |= INTERRUPTION_NMI;
		break;
	case EVENT_SOFTWARE_INTERRUPT:
		info |= software_type(event->vector);
		break;
	case EVENT_EXCEPTION:
		/* #BP and #OF are INT3's and INTO's own; injected, RIP is past them: no length. */
		info |= INTERRUPTION_HARDWARE;
		break;
	}
	if (event->has_error_code)
		info |= INTERRUPTION_HAS_ERROR;
	return info;
}

void vmx_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmx->event = event_info(event);
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, vmx->event);
	if (event->has_error_code)
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, event->error_code);
}

void vmx_event_requeue(struct vcpu *vcpu, uint32_t info)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	struct vcpu_event event = {.vector = (uint8_t)(info & INTERRUPTION_VECTOR_MASK)};

	switch (info & INTERRUPTION_TYPE_MASK) {
	case INTERRUPTION_EXTERNAL:
		event.type = EVENT_INTERRUPT;
		break;
	case INTERRUPTION_NMI:
		event.type = EVENT_NMI;
		/* Its delivery blocked NMIs; to be delivered again it must not. 26.3.1.5. */
		vmx->interruptibility &= ~BLOCKED_BY_NMI;
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, vmx->interruptibility);
		break;
	case INTERRUPTION_HARDWARE:
		event.type = EVENT_EXCEPTION;
		event.has_error_code = info & INTERRUPTION_HAS_ERROR;
		if (event.has_error_code)
			event.error_code = vmcs_read32(VMCS_IDT_VECTORING_ERROR_CODE);
		break;
	default:
		/* INT n, INT1, INT3, INTO: RIP still points at them, so they are executed again. */
		return;
	}
	vcpu->event = event;
	vcpu->event_valid = true;
}

/* ---- windows ---- */

static void set_primary(struct vmx_vcpu *vmx, uint32_t bits, bool on)
{
	uint32_t value = on ? vmx->primary | bits : vmx->primary & ~bits;

	if (value == vmx->primary)
		return;
	vmx->primary = value;
	vmcs_write(VMCS_PRIMARY_CONTROLS, value);
}

static void set_threshold(struct vmx_vcpu *vmx, uint32_t threshold)
{
	if (!vmx->vapic || threshold == vmx->tpr_threshold)
		return;
	vmx->tpr_threshold = threshold;
	vmcs_open(vmx);
	vmcs_write(VMCS_TPR_THRESHOLD, threshold);
	vmcs_close(vmx);
}

void vmx_threshold_follow(struct vmx_vcpu *vmx)
{
	uint32_t cr8 = vmx->vapic[VMX_VAPIC_TPR] >> 4;

	if (vmx->tpr_threshold > cr8)
		set_threshold(vmx, cr8);
}

/*
 * An interrupt that CR8 holds back waits for CR8 to fall below its class; without a TPR shadow
 * writes of CR8 exit, and the run loop looks then.
 */
void vmx_request_window(struct vcpu *vcpu, enum event_type type, unsigned priority)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool deliverable;

	if (type == EVENT_NMI) {
		set_primary(vmx, PRIMARY_NMI_WINDOW, true);
		return;
	}
	deliverable = priority > vmx_get_reg(vcpu, REG_CR8);
	set_primary(vmx, PRIMARY_INTERRUPT_WINDOW, deliverable);
	set_threshold(vmx, deliverable ? 0 : priority & 0xf);
}

void vmx_cancel_window(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	set_primary(vmx, PRIMARY_INTERRUPT_WINDOW, false);
	set_threshold(vmx, 0);
}

void vmx_cancel_nmi_window(struct vmx_vcpu *vmx)
{
	set_primary(vmx, PRIMARY_NMI_WINDOW, false);
}
