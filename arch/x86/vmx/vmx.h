/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the VT-x backend share: its blocks of a host CPU, a VM and a vCPU, and the
 * operations that struct vcpu_backend collects in backend.c.
 *
 * Who holds what: while a vCPU is loaded, its VMCS is the current one of its CPU, and the CPU has
 * its vector state, its system-call MSRs, CR2, DR0 to DR3 and DR6; the hypervisor needs none of
 * them. Segments, GDTR, IDTR and TR are the host's again after each exit. A VMCS is active on a CPU
 * only between load and unload (or vmcs_open() and vmcs_close()), so its page may be freed and its
 * vCPU touched elsewhere at any other time. SDM 3C, 24.1.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"
#include "arch/x86/fpu.h"
#include "arch/x86/vmx/capabilities.h"
#include "arch/x86/vmx/decode.h"
#include "arch/x86/vmx/flush.h"

#include <assert.h>

struct cpu;
struct vcpu;
struct vm;

/* A host CPU's: cpu->backend. */
struct vmx_cpu {
	void *vmxon; /* the CPU's own, while VMX is on */
	struct vmx_tlb_pool tlbs;
	struct vmx_vcpu *loaded;
	unsigned last_vm; /* id of the VM whose vCPU was loaded last; 0: none */
};

/* A VM's: vm->backend. */
struct vmx_vm {
	uint8_t *io_map;
	uint8_t *msr_map;
};

/* What vmx_run() must do before the entry; 0 on the hot path. */
enum vmx_pending {
	VMX_PENDING_TLB = 1 << 0,    /* ask the VPID pool, flush */
	VMX_PENDING_PDPTES = 1 << 1, /* PAE paging: CR3's table has to be read */
};

/* Fields of the VMCS that are read at most once between two entries. */
enum vmx_cached {
	VMX_CACHED_CR0,
	VMX_CACHED_CR3,
	VMX_CACHED_CR4,
	VMX_CACHED_EFER,
	VMX_CACHED_SEGMENTS, /* four of each segment, as enum vcpu_seg counts them */
	VMX_CACHED_COUNT = VMX_CACHED_SEGMENTS + SEG_COUNT * 4,
};

/* System-call MSRs: in the CPU while loaded. */
enum vmx_msr {
	VMX_MSR_STAR,
	VMX_MSR_LSTAR,
	VMX_MSR_CSTAR,
	VMX_MSR_SFMASK,
	VMX_MSR_KERNEL_GS_BASE,
	VMX_MSR_TSC_AUX, /* the last: not on every CPU */
	VMX_MSR_COUNT,
};

/* A vCPU's: vcpu->backend. */
struct vmx_vcpu {
	/* As the VMCS has them; see vmx_run(). */
	uint64_t rip;
	uint64_t rsp;
	uint64_t rflags;
	uint64_t host_rsp;
	uint32_t interruptibility;
	bool shadow;	  /* of STI or MOV SS, in interruptibility */
	uint32_t primary; /* controls */

	uint32_t pending; /* enum vmx_pending */
	uint32_t event;	  /* the entry's interruption information; 0: none */
	bool launched;	  /* since VMCLEAR: VMRESUME is right */
	bool loaded;
	uint64_t cached; /* one bit for each slot of `cache` that is valid */
	uint64_t cache[VMX_CACHED_COUNT];

	void *vmcs;
	hpa_t vmcs_pa;
	unsigned open_depth; /* vmcs_open() */
	uint8_t *vapic;	     /* virtual-APIC page; NULL: CR8 accesses exit */
	uint64_t cr8;	     /* then it is here */
	uint32_t tpr_threshold;
	uint64_t cr0_shadow; /* what the guest reads of the bits that it does not own */
	uint64_t cr4_shadow;
	uint64_t cr4_mask;
	struct vmx_tlb tlb;
	struct vmx_cpu *cpu; /* that the host state and tlb are for */

	/* While not loaded. */
	uint64_t msrs[VMX_MSR_COUNT];
	uint64_t dr[4];
	uint64_t dr6;
	uint64_t cr2;
	struct fpu fpu;
};

static_assert(VMX_CACHED_COUNT <= 64, "one bit each");

/* ---- host.c ---- */

/* Of the boot CPU, set by probe(). */
extern struct vmx_capabilities vmx_capabilities;

int vmx_probe(const char **why);
int vmx_cpu_enable(struct cpu *cpu);
void vmx_cpu_disable(struct cpu *cpu);
const struct backend_feature *vmx_feature_list(void);
const struct pte_ops *vmx_pte_ops(void);
void vmx_limit_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);

/* ---- vm.c ---- */

int vmx_vm_create(struct vm *vm);
void vmx_vm_destroy(struct vm *vm);
void vmx_trap_port(struct vm *vm, uint16_t port, unsigned count, bool trap);
int vmx_trap_msr(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write);

/* ---- vcpu.c ---- */

int vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
void vmx_vcpu_reset(struct vcpu *vcpu, bool power_on);
void vmx_set_tsc_offset(struct vcpu *vcpu, uint64_t offset);
void vmx_flush(struct vcpu *vcpu);

/* ---- vmcs_access.c ---- */

/*
 * Makes the VMCS current on the calling CPU, whether the vCPU is loaded or not, and gives it back;
 * pairs may nest. For anything that may be called while not loaded.
 */
void vmcs_open(struct vmx_vcpu *vmx);
void vmcs_close(struct vmx_vcpu *vmx);

/* The same for good: between load and unload. */
void vmcs_activate(struct vmx_vcpu *vmx);
void vmcs_deactivate(struct vmx_vcpu *vmx);

/* Writes what an exit loads into the CPU; the calling CPU is the one that will run the vCPU. */
void vmcs_write_host_state(void);

/* ---- state.c ---- */

uint64_t vmx_get_reg(struct vcpu *vcpu, enum vcpu_reg reg);
void vmx_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void vmx_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment);
void vmx_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment);

/* ---- live.c: registers that stay in the CPU while a vCPU is loaded ---- */

void vmx_live_load(struct vmx_vcpu *vmx);
void vmx_live_unload(struct vmx_vcpu *vmx);
uint64_t vmx_live_get(struct vmx_vcpu *vmx, enum vcpu_reg reg);
void vmx_live_set(struct vmx_vcpu *vmx, enum vcpu_reg reg, uint64_t value);

/* ---- run.c ---- */

void vmx_load(struct vcpu *vcpu);
void vmx_unload(struct vcpu *vcpu);
void vmx_run(struct vcpu *vcpu);

/* Starts the preemption timer anew. */
void vmx_timer_restart(void);

/* ---- own_exit.c ---- */

/* What the backend does itself about an exit whose vmx_exit_needs() say so; may change *exit. */
void vmx_own_exit(struct vcpu *vcpu, const struct vmx_exit_raw *raw, struct vm_exit *exit);

/* ---- inject.c ---- */

bool vmx_can_inject(struct vcpu *vcpu, enum event_type type);
void vmx_inject(struct vcpu *vcpu, const struct vcpu_event *event);
void vmx_request_window(struct vcpu *vcpu, enum event_type type, unsigned priority);
void vmx_cancel_window(struct vcpu *vcpu);
void vmx_cancel_nmi_window(struct vmx_vcpu *vmx);

/* Keeps the TPR threshold valid when CR8 changes: it may not be above it. */
void vmx_threshold_follow(struct vmx_vcpu *vmx);

/* An exit cut the delivery of the event `info` (IDT-vectoring information) short: it waits in
 * vcpu->event again. */
void vmx_event_requeue(struct vcpu *vcpu, uint32_t info);

/* ---- dump.c ---- */

void vmx_dump(struct vcpu *vcpu);

/* ---- entry.asm ---- */

/*
 * Loads the general registers but RSP from gpr (indexed as enum gpr), enters the guest with
 * VMRESUME where `launched`, else VMLAUNCH, and stores them again after the exit. *host_rsp is what
 * the VMCS has as the host's RSP, kept up to date. Returns false where the entry failed at once
 * (VMfail); then nothing was changed. Not a function to C: it keeps RBP and RSP alone, since a
 * compiler that knows saves the others once for all exits and not at each.
 */
static inline bool vmx_enter(uint64_t *gpr, uint64_t *host_rsp, uint64_t launched)
{
	uint64_t entered;

	__asm__ volatile("call vmx_entry"
			 : "=a"(entered), "+D"(gpr), "+S"(host_rsp), "+d"(launched)
			 :
			 : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
			   "memory");
	return entered != 0;
}

/* Where exits go: the host's RIP in every VMCS. Not to be called. */
void vmx_exited(void);
