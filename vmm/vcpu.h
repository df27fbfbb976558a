/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU, and the loop that runs it. It is placed on one host CPU for its whole life; only
 * that CPU touches its registers while it runs. Others reach it through vcpu_request() alone.
 */
#pragma once

#include <stdatomic.h>

#include <bsd/sys/tree.h>

#include "vmm/backend.h"
#include "vmm/kvm_pv.h"
#include "vmm/msr.h"
#include "vmm/types.h"
#include "vmm/vm_exit.h"
#include "vmm/x86_defs.h"

struct cpu;
struct emul_cache;
struct lapic;
struct vm;

/* Indices of vcpu->gpr, as instructions encode them. */
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	GPR_COUNT,
};

/* What others ask of a vCPU: bits of vcpu->requests. */
enum vcpu_request {
	VCPU_REQUEST_EVENT = 1 << 0, /* its interrupts changed: look what can be delivered */
	VCPU_REQUEST_NMI = 1 << 1,
	VCPU_REQUEST_INIT = 1 << 2,
	VCPU_REQUEST_SIPI = 1 << 3,  /* with vcpu->sipi_vector */
	VCPU_REQUEST_STOP = 1 << 4,  /* the VM ends: leave for good */
	VCPU_REQUEST_YIELD = 1 << 5, /* back to the scheduler: slice over, or work for the CPU */
	VCPU_REQUEST_FLUSH = 1 << 6, /* nested translations changed */
	VCPU_REQUEST_CLOCK = 1 << 7, /* write the paravirtual clock and steal time anew */
	VCPU_REQUEST_WAKE = 1 << 8,  /* end HLT without an interrupt: a paravirtual kick */
};

/* How the scheduler sees it. */
enum vcpu_run_state {
	VCPU_OFFLINE,  /* not started, or its VM is stopped */
	VCPU_BLOCKED,  /* nothing to run until somebody requests something */
	VCPU_RUNNABLE, /* in a run queue or running */
};

/* What its guest is doing; touched by its own CPU only. */
enum vcpu_activity {
	VCPU_ACTIVE,
	VCPU_HALTED,	/* HLT: until an interrupt, NMI, INIT */
	VCPU_WAIT_SIPI, /* after INIT, as an application processor */
};

/* What becomes of a vCPU after an exit, or after vcpu_run(). */
enum vcpu_verdict {
	VCPU_RESUME, /* enter again */
	VCPU_IDLE,   /* halted or waiting for SIPI */
	VCPU_YIELD,  /* back to the scheduler, runnable */
	VCPU_STOP,   /* for good: its VM is stopping */
};

struct vcpu_stats {
	uint64_t exits[EXIT_KINDS];
	uint64_t interrupts; /* injected */
	uint64_t run_ticks;  /* in the run loop, guest and its exits */
};

struct vcpu {
	/* Touched at every exit. */
	uint64_t gpr[GPR_COUNT];
	uint64_t rip;
	uint64_t rflags;
	_Atomic uint32_t requests; /* enum vcpu_request bits */
	bool interrupt_shadow;	   /* STI or MOV SS just before */
	bool event_valid; /* event waits for delivery: an exception, or one cut short by an exit */
	struct vcpu_event event;
	bool deferred_valid; /* deferred waits: an exception came while it was being delivered */
	struct vcpu_event deferred;
	struct vm *vm;
	void *backend;		       /* the vendor's block */
	struct lapic *lapic;	       /* guest/dev/lapic.c */
	struct emul_cache *emul_cache; /* vmm/emulate_cache.c; NULL until the first emulation */
	struct vcpu_stats stats;

	unsigned id;		     /* index in its VM, and its local APIC ID */
	struct cpu *cpu;	     /* where it is placed */
	_Atomic uint32_t state;	     /* enum vcpu_run_state */
	enum vcpu_activity activity; /* changed by its own CPU only */
	enum vcpu_verdict verdict;   /* why vcpu_prepare_entry() returned false */
	_Atomic uint32_t sipi_vector;
	bool nmi_pending;
	bool window_requested; /* backend->request_window() was called for an interrupt */

	/* The scheduler's, under the run queue's lock. */
	RB_ENTRY(vcpu) run_node;
	uint64_t virtual_runtime; /* ticks of its CPU that it used, relative to the queue's */
	bool queued;

	struct vcpu_pv pv;     /* vmm/kvm_pv.c */
	struct vcpu_msrs msrs; /* vmm/msr.c */
};

/* Makes a vCPU with number `id` (0-based) of vm, to run on `cpu`, in state VCPU_OFFLINE. Errors:
 * -ENOMEM and the backend's. */
HV_MUST_CHECK int vcpu_create(struct vm *vm, unsigned id, struct cpu *cpu, struct vcpu **out);
void vcpu_destroy(struct vcpu *vcpu);

/*
 * Sets request bits, wakes the vCPU where it is halted (or waits for SIPI and gets INIT or SIPI)
 * and makes its CPU notice. From any CPU.
 */
void vcpu_request(struct vcpu *vcpu, uint32_t bits);

/*
 * Puts the boot vCPU (id 0) or an application processor into its state after power-on; the caller
 * then sets where the boot vCPU starts. While it does not run.
 */
void vcpu_power_on(struct vcpu *vcpu);

/*
 * Runs the vCPU on its CPU until it idles, stops, or is asked to yield: never returns VCPU_RESUME.
 */
enum vcpu_verdict vcpu_run(struct vcpu *vcpu);

/* Does what has to happen before the guest may be entered. Returns whether it may, else why not is
 * in vcpu->verdict. */
bool vcpu_prepare_entry(struct vcpu *vcpu);

/* Queues an exception for the next entry; a second one meanwhile makes #DF or a shutdown as on a
 * CPU (SDM 3A, 6.15). */
void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code,
			   uint32_t error_code);
void vcpu_inject_gp(struct vcpu *vcpu); /* #GP(0) */
void vcpu_inject_ud(struct vcpu *vcpu); /* #UD */
void vcpu_inject_pf(struct vcpu *vcpu, uint64_t linear, uint32_t error_code);

/*
 * Hands the backend what is to be delivered at the next entry; `look`: ask the local APIC too. By
 * the run loop, right before an entry.
 */
void vcpu_deliver_events(struct vcpu *vcpu, bool look);

/* Forgets whatever was to be delivered: INIT, power-on. */
void vcpu_clear_events(struct vcpu *vcpu);

/* What vcpu_advance() seldom has to do: RIP wraps at the mode's width, a single step ends. */
void vcpu_advance_further(struct vcpu *vcpu);

/* Steps over an instruction of `length` bytes: RIP (wrapped to the mode's width), interrupt shadow,
 * RF; #DB where the guest single-steps. */
static inline void vcpu_advance(struct vcpu *vcpu, unsigned length)
{
	uint64_t rip = vcpu->rip + length;
	bool further = (rip ^ vcpu->rip) >> 32 != 0 || (vcpu->rflags & RFLAGS_TF);

	vcpu->rip = rip;
	vcpu->interrupt_shadow = false;
	vcpu->rflags &= ~RFLAGS_RF;
	if (__builtin_expect(further, 0))
		vcpu_advance_further(vcpu);
}

/* Current privilege level, 0 to 3. */
unsigned vcpu_cpl(struct vcpu *vcpu);

/* Code width in bytes: 2 (real mode, 16-bit), 4 or 8. */
unsigned vcpu_code_width(struct vcpu *vcpu);

static inline uint64_t vcpu_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	return backend->get_reg(vcpu, reg);
}

static inline void vcpu_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	backend->set_reg(vcpu, reg, value);
}

/* The low 32 bits of a register, and a write that zero-extends, as 32-bit operands do. */
static inline uint32_t vcpu_gpr32(const struct vcpu *vcpu, enum gpr gpr)
{
	return (uint32_t)vcpu->gpr[gpr];
}

static inline void vcpu_set_gpr32(struct vcpu *vcpu, enum gpr gpr, uint32_t value)
{
	vcpu->gpr[gpr] = value;
}
