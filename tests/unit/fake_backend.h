/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vendor backend without hardware: registers and segments are arrays, what is asked of it is
 * recorded, and the guest is a function of the test that makes one exit after the other.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/vcpu.h"

#define FAKE_EVENTS_MAX 32

/* What the backend keeps for one vCPU: vcpu->backend. Tests read and set it freely. */
struct fake_vcpu {
	uint64_t regs[REG_COUNT];
	struct segment segments[SEG_COUNT];
	/* What can_inject() answers; an event that waits for the next entry forbids both. */
	bool interrupts_open;
	bool nmis_open;
	struct vcpu_event events[FAKE_EVENTS_MAX]; /* that were injected */
	unsigned event_count;
	bool event_waits; /* for the next entry */
	bool interrupt_window;
	unsigned window_priority;
	bool nmi_window;
	uint64_t tsc_offset;
	unsigned loads, unloads, runs, flushes, resets, dumps, cancels;
	bool last_reset_power_on;
};

/* Makes `backend` this one and forgets all that was recorded. */
void fake_backend_install(void);

/* Gives a vCPU that the test made itself a block: 64-bit code at privilege level 0. */
struct fake_vcpu *fake_backend_attach(struct vcpu *vcpu);
void fake_backend_detach(struct vcpu *vcpu);

static inline struct fake_vcpu *fake_vcpu(const struct vcpu *vcpu)
{
	return vcpu->backend;
}

/* The guest: called at each entry, fills the exit. With none, an entry aborts the test. */
void fake_backend_on_run(void (*run)(struct vcpu *vcpu, struct vm_exit *exit));

/* Bytes that insn_bytes() gives from now on; 0: none, so that guest memory is read. */
void fake_backend_set_insn(const uint8_t *bytes, unsigned length);

/* Which call fails, once, with -ENOMEM: the nth (from 0) of vm_create, trap_msr, vcpu_create
 * together. Negative: none. */
void fake_backend_fail_after(int successes);

/* VM blocks and vCPU blocks that exist. */
unsigned fake_backend_vms(void);
unsigned fake_backend_vcpus(void);

/* MSRs that trap_msr() let through to the guest, and whether this one is among them. */
unsigned fake_backend_open_msrs(void);
bool fake_backend_msr_is_open(uint32_t msr);

/* Code of a width of 2 (real mode), 4 or 8 bytes at a privilege level. */
void fake_vcpu_set_mode(struct vcpu *vcpu, unsigned width, unsigned cpl);
