/* SPDX-License-Identifier: BSD-2-Clause */
/* From an exit to what is done about it. */
#pragma once

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
