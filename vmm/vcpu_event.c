/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is delivered to a vCPU at its next entry: exceptions that handlers raise, NMIs, and the
 * interrupts that its local APIC has. At most one event goes with an entry; for what waits behind
 * it an exit is asked for.
 */
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

/*
 * Exceptions that make a double fault together (SDM 3A, table 6-5): contributory ones are 1; a page
 * fault is 2.
 */
static unsigned exception_class(uint8_t vector)
{
	switch (vector) {
	case VECTOR_DE:
	case VECTOR_TS:
	case VECTOR_NP:
	case VECTOR_SS:
	case VECTOR_GP:
		return 1;
	case VECTOR_PF:
		return 2;
	default:
		return 0;
	}
}

static bool makes_double_fault(uint8_t first, uint8_t second)
{
	unsigned a = exception_class(first);
	unsigned b = exception_class(second);

	return (a == 1 && b == 1) || (a == 2 && b != 0);
}

/* All but traps and aborts: RIP stays at the instruction. SDM 3A, table 6-1. */
static bool is_fault(uint8_t vector)
{
	switch (vector) {
	case VECTOR_DB:
	case VECTOR_BP:
	case VECTOR_OF:
	case VECTOR_DF:
	case VECTOR_MC:
		return false;
	default:
		return true;
	}
}

/*
 * An interrupt or NMI was being delivered when an exception came up: it has been accepted and must
 * not be lost. INT n is executed again when the exception's handler returns.
 */
static void defer_event(struct vcpu *vcpu)
{
	if (vcpu->event.type != EVENT_INTERRUPT && vcpu->event.type != EVENT_NMI)
		return;
	vcpu->deferred = vcpu->event;
	vcpu->deferred_valid = true;
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code,
			   uint32_t error_code)
{
	/* Real mode has no error codes. */
	if ((vcpu_get_reg(vcpu, REG_CR0) & CR0_PE) == 0)
		has_error_code = false;

	if (vcpu->event_valid && vcpu->event.type != EVENT_EXCEPTION) {
		defer_event(vcpu);
	} else if (vcpu->event_valid) {
		if (vcpu->event.vector == VECTOR_DF && exception_class(vector) != 0) {
			vm_stop(vcpu->vm, "triple fault at rip 0x%llx",
				(unsigned long long)vcpu->rip);
			return;
		}
		if (makes_double_fault(vcpu->event.vector, vector)) {
			vector = VECTOR_DF;
			has_error_code = (vcpu_get_reg(vcpu, REG_CR0) & CR0_PE) != 0;
			error_code = 0;
		}
	}
	/* Its handler returns to the instruction, whose own breakpoint must not trap again. SDM 3B,
	 * 17.3.1.1. */
	if (is_fault(vector))
		vcpu->rflags |= RFLAGS_RF;
	vcpu->event = (struct vcpu_event){
		.type = EVENT_EXCEPTION,
		.vector = vector,
		.has_error_code = has_error_code,
		.error_code = error_code,
	};
	vcpu->event_valid = true;
}

void vcpu_inject_gp(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VECTOR_GP, true, 0);
}

void vcpu_inject_ud(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VECTOR_UD, false, 0);
}

void vcpu_inject_pf(struct vcpu *vcpu, uint64_t linear, uint32_t error_code)
{
	vcpu_set_reg(vcpu, REG_CR2, linear);
	vcpu_inject_exception(vcpu, VECTOR_PF, true, error_code);
}

static bool deliver_nmi(struct vcpu *vcpu)
{
	static const struct vcpu_event nmi = {.type = EVENT_NMI, .vector = VECTOR_NMI};

	/* One that is blocked does not end a HLT either. */
	if (!backend->can_inject(vcpu, EVENT_NMI)) {
		backend->request_window(vcpu, EVENT_NMI, 0);
		return false;
	}
	vcpu->activity = VCPU_ACTIVE;
	vcpu->nmi_pending = false;
	backend->inject(vcpu, &nmi);
	return true;
}

/* Delivers the interrupt of highest priority, or asks for an exit when that becomes possible. */
static void deliver_interrupt(struct vcpu *vcpu)
{
	const struct intc_ops *intc = vcpu->vm->irqs.intc;
	bool blocked = false;
	int vector = intc->pending(vcpu, &blocked);

	if (vector >= 0 && !blocked && backend->can_inject(vcpu, EVENT_INTERRUPT)) {
		struct vcpu_event event = {.type = EVENT_INTERRUPT};

		event.vector = intc->accept(vcpu, (uint8_t)vector);
		backend->inject(vcpu, &event);
		vcpu->stats.interrupts++;
		vcpu->activity = VCPU_ACTIVE;
		vector = intc->pending(vcpu, &blocked);
	}
	if (vector >= 0) {
		backend->request_window(vcpu, EVENT_INTERRUPT,
					blocked ? (unsigned)vector >> 4 : WINDOW_ANY_PRIORITY);
		vcpu->window_requested = true;
	} else if (vcpu->window_requested) {
		backend->cancel_window(vcpu);
		vcpu->window_requested = false;
	}
}

/* An interrupt or NMI whose delivery an exception cut short: as soon as the guest can take it, and
 * not with the exception itself. */
static void deliver_deferred(struct vcpu *vcpu, bool with_exception)
{
	if (with_exception || !backend->can_inject(vcpu, vcpu->deferred.type)) {
		backend->request_window(vcpu, vcpu->deferred.type, WINDOW_ANY_PRIORITY);
		return;
	}
	vcpu->deferred_valid = false;
	backend->inject(vcpu, &vcpu->deferred);
}

void vcpu_deliver_events(struct vcpu *vcpu, bool look)
{
	bool exception = vcpu->event_valid;

	if (exception) {
		vcpu->event_valid = false;
		vcpu->activity = VCPU_ACTIVE;
		backend->inject(vcpu, &vcpu->event);
	}
	if (vcpu->deferred_valid)
		deliver_deferred(vcpu, exception);
	else if (vcpu->nmi_pending && deliver_nmi(vcpu))
		look = true;
	if (look && !vcpu->deferred_valid)
		deliver_interrupt(vcpu);
}

void vcpu_clear_events(struct vcpu *vcpu)
{
	vcpu->event_valid = false;
	vcpu->deferred_valid = false;
	vcpu->nmi_pending = false;
	vcpu->window_requested = false;
}
