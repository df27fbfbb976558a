/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the AMD-V backend share: its blocks of a host CPU, a VM and a vCPU, and the
 * operations that struct vcpu_backend collects in backend.c.
 *
 * Who holds what: while a vCPU is loaded the global interrupt flag (GIF) of its CPU is 0, and FS,
 * GS, LDTR, TR and the system-call MSRs of the CPU are the guest's (APM 2, 15.5.2). The hypervisor
 * needs none of them, and takes host interrupts only in svm_host_window().
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"
#include "arch/x86/fpu.h"
#include "arch/x86/svm/asid.h"
#include "arch/x86/svm/features.h"
#include "arch/x86/svm/vmcb.h"

struct cpu;
struct vcpu;
struct vm;

/* A host CPU's: cpu->backend. */
struct svm_cpu {
	void *hsave; /* where VMRUN keeps the host's state */
	void *host;  /* where VMSAVE keeps the host's FS, GS, TR, ... while a vCPU is loaded */
	hpa_t host_pa;
	struct svm_asid_pool asids;
	unsigned last_vm; /* id of the VM whose vCPU was loaded last; 0: none */
};

/* A VM's: vm->backend. */
struct svm_vm {
	uint8_t *iopm;
	uint8_t *msrpm;
};

/* What svm_run() must do beside its work; 0 on the hot path. */
enum svm_pending {
	SVM_PENDING_ASID = 1 << 0,     /* before: ask the ASID pool */
	SVM_PENDING_FLUSHING = 1 << 1, /* after: the entry carried a TLB_CONTROL */
	SVM_PENDING_INJECTED = 1 << 2, /* after: the entry carried an event */
	SVM_PENDING_SAVED = 1 << 3,    /* before: what VMSAVE wrote will be out of date */
	SVM_PENDING_STEP = 1 << 4,     /* after: TF was set to leave after one instruction */
};

/* NMIs of a guest on a CPU without virtual NMI. */
enum svm_nmi_state {
	SVM_NMI_OPEN,
	SVM_NMI_BLOCKED, /* delivered; IRET is intercepted */
	SVM_NMI_IRET,	 /* at the IRET that will unblock */
};

/* A vCPU's: vcpu->backend. */
struct svm_vcpu {
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	uint32_t pending; /* enum svm_pending */
	uint32_t clean;	  /* VMCB_CLEAN_ALL, or 0 where the CPU has no clean bits */
	bool loaded;
	bool nmi_requeued;  /* an NMI cut short: delivered again although NMIs are blocked by it */
	bool step_guest_tf; /* the guest had set TF itself */
	enum svm_nmi_state nmi_state;
	uint64_t nmi_iret_rip;
	uint64_t step_dr6;	  /* DR6 before stepping */
	uint64_t cr0_cache_bits;  /* the guest's CR0.CD and NW */
	uint64_t cr4_hidden_bits; /* set in the VMCB's CR4 and not in the guest's */
	uint64_t injected;	  /* the EVENTINJ of the entry */
	struct svm_asid asid;
	struct svm_cpu *cpu; /* that it is loaded on */
	uint64_t dr[4];	     /* while not loaded */
	uint64_t tsc_aux;    /* while not loaded */
	struct fpu fpu;
};

/* ---- host.c ---- */

/* Of the boot CPU, set by probe(). */
extern struct svm_features svm_features;

int svm_probe(const char **why);
int svm_cpu_enable(struct cpu *cpu);
void svm_cpu_disable(struct cpu *cpu);
const struct backend_feature *svm_feature_list(void);
const struct pte_ops *svm_pte_ops(void);

/* ---- vm.c ---- */

int svm_vm_create(struct vm *vm);
void svm_vm_destroy(struct vm *vm);
void svm_trap_port(struct vm *vm, uint16_t port, unsigned count, bool trap);
int svm_trap_msr(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write);

/* ---- vcpu.c ---- */

int svm_vcpu_create(struct vcpu *vcpu);
void svm_vcpu_destroy(struct vcpu *vcpu);
void svm_vcpu_reset(struct vcpu *vcpu, bool power_on);
void svm_set_tsc_offset(struct vcpu *vcpu, uint64_t offset);
void svm_flush(struct vcpu *vcpu);

/* ---- state.c ---- */

uint64_t svm_get_reg(struct vcpu *vcpu, enum vcpu_reg reg);
void svm_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void svm_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment);
void svm_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment);

/*
 * Brings what VMLOAD loads into the VMCB where a loaded vCPU holds it in the CPU, and, after a
 * change there, back into the CPU.
 */
void svm_hidden_save(struct svm_vcpu *svm);
void svm_hidden_load(struct svm_vcpu *svm);

/* ---- run.c ---- */

void svm_load(struct vcpu *vcpu);
void svm_unload(struct vcpu *vcpu);
void svm_run(struct vcpu *vcpu);
unsigned svm_insn_bytes(struct vcpu *vcpu, uint8_t bytes[15]);

/* ---- inject.c (pure) ---- */

bool svm_can_inject(struct vcpu *vcpu, enum event_type type);
void svm_inject(struct vcpu *vcpu, const struct vcpu_event *event);
void svm_request_window(struct vcpu *vcpu, enum event_type type, unsigned priority);
void svm_cancel_window(struct vcpu *vcpu);

/* The entry that carried an event is over: forgets the event. */
void svm_event_done(struct svm_vcpu *svm);

/* EXITINTINFO is valid: the event that the exit cut short waits in vcpu->event again. Before
 * svm_event_done(). */
void svm_event_requeue(struct vcpu *vcpu);

/* The guest is about to execute the IRET that ends an NMI handler. */
void svm_nmi_at_iret(struct vcpu *vcpu);

/*
 * A #DB exit: true where it is the end of a step that svm_request_window() had asked for, and
 * nothing of the guest's own. *exit becomes EXIT_NMI_WINDOW then.
 */
bool svm_step_done(struct vcpu *vcpu, struct vm_exit *exit);

/* ---- dump.c ---- */

void svm_dump(struct vcpu *vcpu);

/* ---- entry.asm ---- */

/*
 * Loads the general registers but RAX and RSP from gpr (indexed as enum gpr), executes VMRUN with
 * the VMCB at vmcb_pa, and stores them again. Not a function to C: it keeps RBP and RSP alone,
 * since a compiler that knows saves the others once for all exits and not at each.
 */
static inline void svm_enter(uint64_t *gpr, hpa_t vmcb_pa)
{
	uint64_t pa = vmcb_pa.value;

	__asm__ volatile("call svm_vmrun"
			 : "+a"(pa), "+D"(gpr)
			 :
			 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13",
			   "r14", "r15", "cc", "memory");
}

/*
 * Lets the host take pending interrupts and NMIs with its own FS, GS, TR, ... and puts the guest's
 * back.
 */
void svm_host_window(hpa_t guest_vmcb_pa, hpa_t host_vmcb_pa);

/* The same for a machine check that ended the guest's turn: raises it again, for the host. */
void svm_host_machine_check(hpa_t guest_vmcb_pa, hpa_t host_vmcb_pa);

/* ---- single instructions ---- */

static inline void svm_vmsave(hpa_t pa)
{
	__asm__ volatile("vmsave %0" : : "a"(pa.value) : "memory");
}

static inline void svm_vmload(hpa_t pa)
{
	__asm__ volatile("vmload %0" : : "a"(pa.value) : "memory");
}

static inline void svm_clgi(void)
{
	__asm__ volatile("clgi" : : : "memory");
}

static inline void svm_stgi(void)
{
	__asm__ volatile("stgi" : : : "memory");
}
