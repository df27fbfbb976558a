/* SPDX-License-Identifier: BSD-2-Clause */
/* From an exit to what is done about it. */
#pragma once

#include "vmm/cpu.h"
#include "vmm/vcpu.h"
#include "vmm/vm_exit.h"

typedef void exit_handler(struct vcpu *vcpu, const struct vm_exit *exit);

/* By kind; vmm/exit.c. */
extern exit_handler *const exit_handlers[EXIT_KINDS];

/*
 * Carries out what the guest's instruction or the event asks for: registers, devices, injected
 * faults. The vCPU is then entered again, unless its activity is no longer VCPU_ACTIVE or something
 * was requested of it.
 */
static inline void exit_dispatch(struct vcpu *vcpu, const struct vm_exit *exit)
{
	exit_handlers[exit->kind](vcpu, exit);
}

/* Whether vcpu_prepare_entry() has something to do. */
static inline bool exit_left_work(const struct vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->cpu->attention, memory_order_relaxed) ||
	       atomic_load_explicit(&vcpu->requests, memory_order_relaxed) != 0 ||
	       (vcpu->event_valid | vcpu->deferred_valid | vcpu->nmi_pending) != 0;
}

/* All that lies between an exit and the next entry. Returns whether the guest is to be entered
 * again. For backend->run() alone, and part of it for speed. */
static inline bool vcpu_exit(struct vcpu *vcpu, const struct vm_exit *exit)
{
	vcpu->stats.exits[exit->kind]++;
	exit_dispatch(vcpu, exit);
	return __builtin_expect(!exit_left_work(vcpu), 1) || vcpu_prepare_entry(vcpu);
}
