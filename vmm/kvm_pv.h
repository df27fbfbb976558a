/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paravirtual interface that Linux knows as KVM's: clock, steal time, IPIs. Offered under KVM's
 * CPUID signature because stock kernels look for that one. Layouts: Linux
 * Documentation/virt/kvm/x86/{cpuid,msr,hypercalls}.rst.
 */
#pragma once

#include "vmm/types.h"

#define KVM_PV_CPUID_SIGNATURE 0x40000000u
#define KVM_PV_CPUID_FEATURES  0x40000001u

#define MSR_KVM_WALL_CLOCK	0x11u
#define MSR_KVM_SYSTEM_TIME	0x12u
#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define MSR_KVM_STEAL_TIME	0x4b564d03u

struct vcpu;

struct vcpu_pv {
	uint64_t clock_msr; /* as the guest wrote them; bit 0: on */
	uint64_t steal_msr;
	uint32_t clock_version;
	uint32_t steal_version;
	uint64_t steal_ticks;	 /* runnable but not running, in all */
	uint64_t runnable_since; /* platform_now() when it last became so */
	bool kicked;		 /* the next HLT ends at once: a kick came before it */
};

/* Feature bits for CPUID leaf KVM_PV_CPUID_FEATURES, EAX. */
uint32_t kvm_pv_features(void);

/* The MSRs above. Errors: -EACCES (reserved bits, not RAM). */
HV_MUST_CHECK int kvm_pv_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
HV_MUST_CHECK int kvm_pv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Writes the clock and steal-time pages of a vCPU where the guest switched them on. On its CPU. */
void kvm_pv_update(struct vcpu *vcpu);

/* The vCPU's TSC was changed: its clock goes on from there. On its CPU. */
void kvm_pv_tsc_moved(struct vcpu *vcpu);

/* VMMCALL or VMCALL with the call's number in RAX: leaves the result there. */
void kvm_pv_hypercall(struct vcpu *vcpu);

/* Off, as after power-on. */
void kvm_pv_reset(struct vcpu *vcpu);
