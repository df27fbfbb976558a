/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events into the guest: EVENTINJ, interrupt windows with a virtual interrupt that is intercepted,
 * and NMI blocking. It reads and writes the VMCB as plain memory, so it is pure. APM 2, 15.20,
 * 15.21.
 */
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/svm/svm.h"

#define DR6_CLEAR	0xffff0ff0ull
#define DR6_BREAKPOINTS 0xfull
#define DR6_BD		(1ull << 13)

static struct svm_vcpu *svm_of(struct vcpu *vcpu)
{
	return vcpu->backend;
}

static void intercept_misc1(struct svm_vcpu *svm, uint32_t bits, bool on)
{
	struct vmcb_control *control = &svm->vmcb->control;

	if (on)
		control->intercept_misc1 |= bits;
	else
		control->intercept_misc1 &= ~bits;
	control->clean &= ~VMCB_CLEAN_INTERCEPTS;
}

/* ---- NMI blocking ---- */

static bool has_virtual_nmi(const struct svm_vcpu *svm)
{
	return svm->vmcb->control.int_ctl & VMCB_V_NMI_ENABLE;
}

/*
 * There is no exit after IRET, only before it: NMIs are open once RIP has moved on. An IRET to
 * itself keeps them blocked for one round more, which hurts nobody.
 */
static bool nmi_is_open(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (svm->nmi_state == SVM_NMI_IRET && vcpu->rip != svm->nmi_iret_rip)
		svm->nmi_state = SVM_NMI_OPEN;
	return svm->nmi_state == SVM_NMI_OPEN;
}

void svm_nmi_at_iret(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	intercept_misc1(svm, VMCB_MISC1_IRET, false);
	svm->nmi_state = SVM_NMI_IRET;
	svm->nmi_iret_rip = vcpu->rip;
}

/* ---- stepping over one instruction, to leave when it has unblocked NMIs ---- */

static void set_dr6(struct svm_vcpu *svm, uint64_t value)
{
	svm->vmcb->save.dr6 = value;
	svm->vmcb->control.clean &= ~VMCB_CLEAN_DRX;
}

/* DR6 is cleared meanwhile: debuggers leave old bits in it. */
static void step_begin(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	if (svm->pending & SVM_PENDING_STEP)
		return;
	svm->pending |= SVM_PENDING_STEP;
	svm->step_guest_tf = vcpu->rflags & RFLAGS_TF;
	svm->step_dr6 = svm->vmcb->save.dr6;
	set_dr6(svm, DR6_CLEAR);
	vcpu->rflags |= RFLAGS_TF;
}

/*
 * Any exit ends a step. Before its #DB no instruction was completed, so that TF is still ours to
 * take back; after an IRET the flags are those that it loaded. Not every implementation has
 * DR6.BS set in an intercepted #DB.
 */
bool svm_step_done(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	bool trap = exit->kind == EXIT_EXCEPTION && exit->exception.vector == VECTOR_DB;
	bool iret = svm->nmi_state == SVM_NMI_IRET && vcpu->rip != svm->nmi_iret_rip;
	uint64_t found = svm->vmcb->save.dr6 & (DR6_BREAKPOINTS | DR6_BD | DR6_BS);

	svm->pending &= ~(uint32_t)SVM_PENDING_STEP;
	if (!svm->step_guest_tf && !(trap && iret))
		vcpu->rflags &= ~RFLAGS_TF;
	/* What the guest itself asked for, it shall see. */
	if (!svm->step_guest_tf)
		found &= ~DR6_BS;
	set_dr6(svm, svm->step_dr6 | found);
	if (!trap || svm->step_guest_tf || found)
		return false;
	exit->kind = EXIT_NMI_WINDOW;
	return true;
}

/* ---- injection ---- */

bool svm_can_inject(struct vcpu *vcpu, enum event_type type)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	/* The CPU keeps one virtual NMI itself until it can be taken; a second is the same one. */
	if (type == EVENT_NMI && has_virtual_nmi(svm))
		return true;
	if (vcpu->event_valid || (svm->vmcb->control.eventinj & VMCB_EVENT_VALID))
		return false;
	switch (type) {
	case EVENT_INTERRUPT:
		return (vcpu->rflags & RFLAGS_IF) && !vcpu->interrupt_shadow;
	case EVENT_NMI:
		return nmi_is_open(vcpu) && !vcpu->interrupt_shadow;
	case EVENT_EXCEPTION:
	case EVENT_SOFTWARE_INTERRUPT:
		break;
	}
	return true;
}

static uint64_t event_bits(const struct vcpu_event *event)
{
	static const uint32_t types[] = {
		[EVENT_INTERRUPT] = VMCB_EVENT_INTR,
		[EVENT_NMI] = VMCB_EVENT_NMI,
		[EVENT_EXCEPTION] = VMCB_EVENT_EXCEPTION,
		[EVENT_SOFTWARE_INTERRUPT] = VMCB_EVENT_SOFTWARE,
	};
	uint64_t bits = VMCB_EVENT_VALID | types[event->type] | event->vector;

	if (event->has_error_code)
		bits |= VMCB_EVENT_HAS_ERROR | (uint64_t)event->error_code
						       << VMCB_EVENT_ERROR_SHIFT;
	return bits;
}

/* Returns false where the CPU takes the NMI into its own care. */
static bool prepare_nmi(struct svm_vcpu *svm)
{
	struct vmcb_control *control = &svm->vmcb->control;
	bool again = svm->nmi_requeued;

	svm->nmi_requeued = false;
	if (has_virtual_nmi(svm)) {
		if (again)
			return true;
		control->int_ctl |= VMCB_V_NMI;
		control->clean &= ~VMCB_CLEAN_TPR;
		return false;
	}
	svm->nmi_state = SVM_NMI_BLOCKED;
	intercept_misc1(svm, VMCB_MISC1_IRET, true);
	return true;
}

void svm_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb_control *control = &svm->vmcb->control;

	if (event->type == EVENT_NMI && !prepare_nmi(svm))
		return;
	/* RIP is past the instruction already; CPUs that save NRIP push that. APM 2, 15.20. */
	if (event->type == EVENT_SOFTWARE_INTERRUPT)
		control->nrip = vcpu->rip;
	control->eventinj = event_bits(event);
	svm->injected = control->eventinj;
	svm->pending |= SVM_PENDING_INJECTED;
}

void svm_event_done(struct svm_vcpu *svm)
{
	svm->vmcb->control.eventinj = 0;
	svm->injected = 0;
	svm->pending &= ~(uint32_t)SVM_PENDING_INJECTED;
}

/*
 * What the guest's own INT n, INT3 and INTO began, the guest's RIP still points at: it is executed
 * again.
 */
static bool is_re_executed(const struct svm_vcpu *svm, uint32_t info)
{
	uint32_t type = info & VMCB_EVENT_TYPE_MASK;
	uint32_t vector = info & VMCB_EVENT_VECTOR_MASK;
	uint32_t same = VMCB_EVENT_TYPE_MASK | VMCB_EVENT_VECTOR_MASK | VMCB_EVENT_VALID;

	if (((uint32_t)svm->injected & same) == (info & same))
		return false;
	return type == VMCB_EVENT_SOFTWARE ||
	       (type == VMCB_EVENT_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF));
}

void svm_event_requeue(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	uint64_t info = svm->vmcb->control.exitintinfo;
	struct vcpu_event event = {.vector = (uint8_t)info};

	if (is_re_executed(svm, (uint32_t)info))
		return;
	switch (info & VMCB_EVENT_TYPE_MASK) {
	case VMCB_EVENT_INTR:
		event.type = EVENT_INTERRUPT;
		break;
	case VMCB_EVENT_NMI:
		event.type = EVENT_NMI;
		svm->nmi_requeued = true;
		break;
	case VMCB_EVENT_SOFTWARE:
		event.type = EVENT_SOFTWARE_INTERRUPT;
		break;
	default:
		event.type = EVENT_EXCEPTION;
		event.has_error_code = info & VMCB_EVENT_HAS_ERROR;
		event.error_code = (uint32_t)(info >> VMCB_EVENT_ERROR_SHIFT);
		break;
	}
	vcpu->event = event;
	vcpu->event_valid = true;
}

/* ---- windows ---- */

static void request_nmi_window(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	/* Before its IRET, the intercept tells. An event that is delivered first would push our TF;
	 * then the exit that follows it has to do. */
	if (svm->nmi_state == SVM_NMI_BLOCKED || (svm->vmcb->control.eventinj & VMCB_EVENT_VALID))
		return;
	step_begin(vcpu);
}

/*
 * The task priority is compared here and not by the CPU: while a window is wanted CR8 writes exit,
 * so it cannot change unseen. (Emulators differ on equal priorities, and one aborts on a CR8 write
 * beside V_IRQ.)
 */
void svm_request_window(struct vcpu *vcpu, enum event_type type, unsigned priority)
{
	struct vmcb_control *control = &svm_of(vcpu)->vmcb->control;
	bool deliverable = priority > (control->int_ctl & VMCB_V_TPR_MASK);

	if (type == EVENT_NMI) {
		request_nmi_window(vcpu);
		return;
	}
	control->int_ctl &= ~(VMCB_V_IRQ | VMCB_V_PRIO_MASK);
	if (deliverable)
		control->int_ctl |= VMCB_V_IRQ | VMCB_V_IGN_TPR |
				    (uint32_t)min_u64(priority, 15) << VMCB_V_PRIO_SHIFT;
	control->intercept_cr |= VMCB_CR_WRITE(8);
	control->clean &= ~VMCB_CLEAN_TPR;
	intercept_misc1(svm_of(vcpu), VMCB_MISC1_VINTR, deliverable);
}

void svm_cancel_window(struct vcpu *vcpu)
{
	struct vmcb_control *control = &svm_of(vcpu)->vmcb->control;

	control->int_ctl &= ~(VMCB_V_IRQ | VMCB_V_PRIO_MASK | VMCB_V_IGN_TPR);
	control->intercept_cr &= ~VMCB_CR_WRITE(8);
	control->clean &= ~VMCB_CLEAN_TPR;
	intercept_misc1(svm_of(vcpu), VMCB_MISC1_VINTR, false);
}
