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
	vcpu_clear_events(vcpu);
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

/* ---- requests ---- */

static void serve_init(struct vcpu *vcpu)
{
	backend->vcpu_reset(vcpu, false);
	vcpu->vm->irqs.intc->reset(vcpu, false);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	/* Family, model and stepping, as after INIT (SDM 3A, table 9-1). */
	vcpu->gpr[GPR_RDX] = vcpu_cpuid(vcpu, 1, 0).eax;
	vcpu_clear_events(vcpu);
	vcpu->pv.kicked = false;
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
	if (requests & VCPU_REQUEST_WAKE)
		vcpu->pv.kicked = true;
	if (vcpu->pv.kicked && vcpu->activity == VCPU_HALTED) {
		vcpu->pv.kicked = false;
		vcpu->activity = VCPU_ACTIVE;
	}
	if (yield) {
		atomic_fetch_or(&vcpu->requests, requests & VCPU_REQUEST_EVENT);
		return VCPU_YIELD;
	}
	if (vcpu->activity != VCPU_WAIT_SIPI)
		vcpu_deliver_events(vcpu, (requests & VCPU_REQUEST_EVENT) != 0);
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
	if (vcpu->event_valid || vcpu->deferred_valid || vcpu->nmi_pending)
		vcpu_deliver_events(vcpu, true);
	return VCPU_RESUME;
}

bool vcpu_prepare_entry(struct vcpu *vcpu)
{
	vcpu->verdict = prepare_entry(vcpu);
	return vcpu->verdict == VCPU_RESUME;
}

enum vcpu_verdict vcpu_run(struct vcpu *vcpu)
{
	backend->load(vcpu);
	/* It may have been away for long: steal time, and interrupts that came. */
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT | VCPU_REQUEST_CLOCK);
	if (vcpu_prepare_entry(vcpu))
		backend->run(vcpu);
	backend->unload(vcpu);
	return vcpu->verdict;
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

	/* Real mode too obeys the hidden part of CS, which protected mode may have left 32-bit. */
	backend->get_seg(vcpu, SEG_CS, &cs);
	if ((cs.attributes & SEG_ATTR_LONG) && (vcpu_get_reg(vcpu, REG_EFER) & EFER_LMA))
		return 8;
	return cs.attributes & SEG_ATTR_DEFAULT_32 ? 4 : 2;
}

void vcpu_advance_further(struct vcpu *vcpu)
{
	if (vcpu->rip > UINT32_MAX && vcpu_code_width(vcpu) != 8)
		vcpu->rip = (uint32_t)vcpu->rip;
	/* A trap after the instruction: SDM 3B, 17.3.1.4. */
	if (vcpu->rflags & RFLAGS_TF) {
		vcpu_set_reg(vcpu, REG_DR6, vcpu_get_reg(vcpu, REG_DR6) | DR6_BS);
		vcpu_inject_exception(vcpu, VECTOR_DB, false, 0);
	}
}
