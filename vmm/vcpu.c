/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop. Between two entries it serves what others requested, delivers at most one event,
 * and checks nothing else: the common exit costs two loads here.
 */
#include "vmm/vcpu.h"

#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/exit.h"
#include "vmm/heap.h"
#include "vmm/platform.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <errno.h>

const struct vcpu_backend *backend;

int vcpu_create(struct vm *vm, unsigned id, struct cpu *cpu, struct vcpu **out)
{
	struct vcpu *vcpu = hv_alloc(sizeof(*vcpu));
	int error;

	if (vcpu == NULL)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = cpu;
	atomic_store(&vcpu->state, VCPU_OFFLINE);
	error = backend->vcpu_create(vcpu);
	if (error != 0) {
		hv_free(vcpu);
		return error;
	}
	*out = vcpu;
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu == NULL)
		return;
	backend->vcpu_destroy(vcpu);
	hv_free(vcpu->emul_cache);
	hv_free(vcpu);
}

void vcpu_power_on(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	backend->vcpu_reset(vcpu, true);
	backend->set_tsc_offset(vcpu, vcpu->vm->tsc_offset);
	vcpu_msr_reset(vcpu);
	kvm_pv_reset(vcpu);
	vcpu->event_valid = false;
	vcpu->nmi_pending = false;
	vcpu->window_requested = false;
	vcpu->activity = vcpu->id == 0 ? VCPU_ACTIVE : VCPU_WAIT_SIPI;
	vcpu->vm->irqs.intc->reset(vcpu, true);
	atomic_store(&vcpu->requests, 0);
}

void vcpu_request(struct vcpu *vcpu, uint32_t bits)
{
	uint32_t before = atomic_fetch_or(&vcpu->requests, bits);
	uint32_t blocked = VCPU_BLOCKED;

	if (atomic_compare_exchange_strong(&vcpu->state, &blocked, VCPU_RUNNABLE)) {
		vcpu->pv.runnable_since = platform_now();
		sched_enqueue(&vcpu->cpu->run_queue, vcpu);
		cpu_kick(vcpu->cpu);
	} else if ((before & bits) != bits && atomic_load(&vcpu->cpu->running) == vcpu) {
		platform_kick_cpu(vcpu->cpu);
	}
}

/* ---- events ---- */

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

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code,
			   uint32_t error_code)
{
	/* Real mode has no error codes. */
	if ((vcpu_get_reg(vcpu, REG_CR0) & CR0_PE) == 0)
		has_error_code = false;

	if (vcpu->event_valid && vcpu->event.type == EVENT_EXCEPTION) {
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

	vcpu->activity = VCPU_ACTIVE;
	if (!backend->can_inject(vcpu, EVENT_NMI)) {
		backend->request_window(vcpu, EVENT_NMI, 0);
		return false;
	}
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
		backend->request_window(vcpu, EVENT_INTERRUPT, (unsigned)vector >> 4);
		vcpu->window_requested = true;
	} else if (vcpu->window_requested) {
		backend->cancel_window(vcpu);
		vcpu->window_requested = false;
	}
}

/* An exception or a cut-short event goes first; what stays pending is looked at again after the
 * next exit. */
static void deliver_events(struct vcpu *vcpu, bool look)
{
	if (vcpu->event_valid) {
		vcpu->event_valid = false;
		vcpu->activity = VCPU_ACTIVE;
		backend->inject(vcpu, &vcpu->event);
	} else if (vcpu->nmi_pending && deliver_nmi(vcpu)) {
		look = true;
	}
	if (look)
		deliver_interrupt(vcpu);
}

/* ---- requests ---- */

static void serve_init(struct vcpu *vcpu)
{
	backend->vcpu_reset(vcpu, false);
	vcpu->vm->irqs.intc->reset(vcpu, false);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	/* Family, model and stepping, as after INIT (SDM 3A, table 9-1). */
	vcpu->gpr[GPR_RDX] = vcpu_cpuid(vcpu, 1, 0).eax;
	vcpu->event_valid = false;
	vcpu->nmi_pending = false;
	vcpu->activity = vcpu->id == 0 ? VCPU_ACTIVE : VCPU_WAIT_SIPI;
}

/* Starts at the page that the SIPI names: SDM 3A, 8.4.3. */
static void serve_sipi(struct vcpu *vcpu)
{
	uint32_t vector = atomic_load(&vcpu->sipi_vector) & 0xff;
	struct segment cs;

	if (vcpu->activity != VCPU_WAIT_SIPI)
		return;
	backend->get_seg(vcpu, SEG_CS, &cs);
	cs.selector = (uint16_t)(vector << 8);
	cs.base = (uint64_t)vector << 12;
	backend->set_seg(vcpu, SEG_CS, &cs);
	vcpu->rip = 0;
	vcpu->activity = VCPU_ACTIVE;
}

static enum vcpu_verdict serve_requests(struct vcpu *vcpu)
{
	uint32_t requests = atomic_exchange(&vcpu->requests, 0);
	bool yield = (requests & VCPU_REQUEST_YIELD) != 0;

	if (requests & VCPU_REQUEST_STOP)
		return VCPU_STOP;
	if (requests & VCPU_REQUEST_INIT)
		serve_init(vcpu);
	if (requests & VCPU_REQUEST_SIPI)
		serve_sipi(vcpu);
	if (requests & VCPU_REQUEST_NMI)
		vcpu->nmi_pending = true;
	if (requests & VCPU_REQUEST_FLUSH)
		backend->flush(vcpu);
	if (requests & VCPU_REQUEST_CLOCK)
		kvm_pv_update(vcpu);
	if ((requests & VCPU_REQUEST_WAKE) && vcpu->activity == VCPU_HALTED)
		vcpu->activity = VCPU_ACTIVE;
	if (yield) {
		atomic_fetch_or(&vcpu->requests, requests & VCPU_REQUEST_EVENT);
		return VCPU_YIELD;
	}
	if (vcpu->activity != VCPU_WAIT_SIPI)
		deliver_events(vcpu, (requests & VCPU_REQUEST_EVENT) != 0);
	return vcpu->activity == VCPU_ACTIVE ? VCPU_RESUME : VCPU_IDLE;
}

/* What has to happen before the guest may be entered; VCPU_RESUME where it may. */
static enum vcpu_verdict prepare_entry(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;

	if (atomic_load_explicit(&cpu->attention, memory_order_relaxed) && cpu_service(cpu))
		return VCPU_YIELD;
	if (atomic_load_explicit(&vcpu->requests, memory_order_relaxed) != 0)
		return serve_requests(vcpu);
	if (vcpu->event_valid || vcpu->nmi_pending)
		deliver_events(vcpu, true);
	return VCPU_RESUME;
}

enum vcpu_verdict vcpu_run(struct vcpu *vcpu)
{
	enum vcpu_verdict verdict;
	struct vm_exit exit;

	backend->load(vcpu);
	/* It may have been away for long: steal time, and interrupts that came. */
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT | VCPU_REQUEST_CLOCK);
	while ((verdict = prepare_entry(vcpu)) == VCPU_RESUME) {
		backend->run(vcpu, &exit);
		vcpu->stats.exits[exit.kind]++;
		exit_dispatch(vcpu, &exit);
	}
	backend->unload(vcpu);
	return verdict;
}

/* ---- what handlers need ---- */

unsigned vcpu_cpl(struct vcpu *vcpu)
{
	struct segment ss;

	/* SDM 3A, 24.4.1 and APM 2, 15.5.1: the DPL of SS is the CPL, in every mode. */
	backend->get_seg(vcpu, SEG_SS, &ss);
	return SEG_ATTR_DPL(ss.attributes);
}

unsigned vcpu_code_width(struct vcpu *vcpu)
{
	struct segment cs;

	if ((vcpu_get_reg(vcpu, REG_CR0) & CR0_PE) == 0 || (vcpu->rflags & RFLAGS_VM))
		return 2;
	backend->get_seg(vcpu, SEG_CS, &cs);
	if ((cs.attributes & SEG_ATTR_LONG) && (vcpu_get_reg(vcpu, REG_EFER) & EFER_LMA))
		return 8;
	return cs.attributes & SEG_ATTR_DEFAULT_32 ? 4 : 2;
}

void vcpu_advance(struct vcpu *vcpu, unsigned length)
{
	uint64_t rip = vcpu->rip + length;

	/* Only code near the end of 4 GiB could wrap; in 64-bit mode it does not. */
	if (rip > UINT32_MAX && vcpu->rip <= UINT32_MAX && vcpu_code_width(vcpu) != 8)
		rip = (uint32_t)rip;
	vcpu->rip = rip;
	vcpu->interrupt_shadow = false;
	vcpu->rflags &= ~RFLAGS_RF;
}
