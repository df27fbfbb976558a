/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a vCPU into a host CPU and runs it from exit to exit. svm_run() is the hot path: what is
 * not needed at every exit hides behind svm->pending.
 */
#include "vmm/cpu.h"
#include "vmm/exit.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/msr.h"
#include "arch/x86/svm/decode.h"
#include "arch/x86/svm/svm.h"

#include <assert.h>
#include <string.h>

#define PRED_CMD_IBPB 1ull

/* entry.asm counts on these. */
static_assert(GPR_RCX == 1 && GPR_RDX == 2 && GPR_RBX == 3 && GPR_RBP == 5 && GPR_RSI == 6 &&
		      GPR_RDI == 7 && GPR_R8 == 8 && GPR_R15 == 15,
	      "entry.asm");

static void debug_registers_load(const uint64_t dr[4])
{
	__asm__ volatile("mov %0, %%db0\n\tmov %1, %%db1\n\tmov %2, %%db2\n\tmov %3, %%db3"
			 :
			 : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static void debug_registers_save(uint64_t dr[4])
{
	__asm__ volatile("mov %%db0, %0\n\tmov %%db1, %1\n\tmov %%db2, %2\n\tmov %%db3, %3"
			 : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

/* TLB tags and clean bits speak of one CPU; branch predictions must not cross from VM to VM. */
static void load_on_cpu(struct vcpu *vcpu, struct svm_cpu *cpu)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (svm->cpu != cpu) {
		svm->cpu = cpu;
		svm->vmcb->control.clean = 0;
		svm_asid_forget(&svm->asid);
	}
	if (cpu->last_vm != vcpu->vm->id && svm_features.ibpb)
		msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
	cpu->last_vm = vcpu->vm->id;
	svm->pending |= SVM_PENDING_ASID;
}

void svm_load(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;
	struct svm_cpu *cpu = vcpu->cpu->backend;

	svm_clgi();
	/* GIF holds interrupts off. With IF set and V_INTR_MASKING they cause exits, whatever the
	 * guest's IF is. APM 2, 15.21.1. */
	__asm__ volatile("sti" : : : "memory");
	svm_vmsave(cpu->host_pa);
	load_on_cpu(vcpu, cpu);
	fpu_load(&svm->fpu);
	debug_registers_load(svm->dr);
	if (svm_features.rdtscp)
		msr_write(MSR_TSC_AUX, svm->tsc_aux);
	svm_vmload(svm->vmcb_pa);
	svm->loaded = true;
}

void svm_unload(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;

	svm_vmsave(svm->vmcb_pa);
	svm->loaded = false;
	svm->pending &= ~(uint32_t)SVM_PENDING_SAVED;
	if (svm_features.rdtscp)
		svm->tsc_aux = msr_read(MSR_TSC_AUX);
	debug_registers_save(svm->dr);
	fpu_unload(&svm->fpu);
	svm_vmload(svm->cpu->host_pa);
	__asm__ volatile("cli" : : : "memory");
	svm_stgi();
}

static void before_entry(struct svm_vcpu *svm)
{
	struct vmcb_control *control = &svm->vmcb->control;

	if (svm->pending & SVM_PENDING_ASID) {
		control->tlb_control = svm_asid_prepare(&svm->cpu->asids, &svm->asid);
		if (control->asid != svm->asid.asid) {
			control->asid = svm->asid.asid;
			control->clean &= ~VMCB_CLEAN_ASID;
		}
		if (control->tlb_control != VMCB_TLB_NOTHING)
			svm->pending |= SVM_PENDING_FLUSHING;
	}
	svm->pending &= ~(uint32_t)(SVM_PENDING_ASID | SVM_PENDING_SAVED);
}

/* The entry has flushed what it was told to, unless the CPU refused it. */
static void after_flush(struct svm_vcpu *svm, const struct vm_exit *exit)
{
	svm->pending &= ~(uint32_t)SVM_PENDING_FLUSHING;
	svm->vmcb->control.tlb_control = VMCB_TLB_NOTHING;
	if (exit->kind == EXIT_ENTRY_FAILED)
		svm->pending |= SVM_PENDING_ASID;
	else
		svm_asid_entered(&svm->cpu->asids, &svm->asid);
}

/* Exits that are the backend's affair before they are anybody's. */
static void own_exit(struct vcpu *vcpu, const struct vm_exit *exit)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (exit->kind == EXIT_HOST_EVENT)
		svm_host_window(svm->vmcb_pa, svm->cpu->host_pa);
	else if (exit->kind == EXIT_INTERRUPT_WINDOW)
		svm_cancel_window(vcpu);
	else if (exit->kind == EXIT_NMI_WINDOW)
		svm_nmi_at_iret(vcpu);
	else if (exit->kind == EXIT_EXCEPTION && exit->exception.vector == VECTOR_MC)
		svm_host_machine_check(svm->vmcb_pa, svm->cpu->host_pa);
}

static void after_exit(struct vcpu *vcpu, struct vm_exit *exit, bool own)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (svm->vmcb->control.exitintinfo & VMCB_EVENT_VALID)
		svm_event_requeue(vcpu);
	if (svm->pending & SVM_PENDING_INJECTED)
		svm_event_done(svm);
	if (svm->pending & SVM_PENDING_FLUSHING)
		after_flush(svm, exit);
	if ((svm->pending & SVM_PENDING_STEP) && svm_step_done(vcpu, exit))
		return;
	if (own)
		own_exit(vcpu, exit);
}

static inline void enter(struct vcpu *vcpu, struct svm_vcpu *svm)
{
	struct vmcb_control *control = &svm->vmcb->control;
	struct vmcb_save *save = &svm->vmcb->save;

	if (svm->pending)
		before_entry(svm);
	save->rax = vcpu->gpr[GPR_RAX];
	save->rsp = vcpu->gpr[GPR_RSP];
	save->rip = vcpu->rip;
	save->rflags = vcpu->rflags;
	control->interrupt_shadow = vcpu->interrupt_shadow;
	svm_enter(vcpu->gpr, svm->vmcb_pa);
}

static inline void leave(struct vcpu *vcpu, struct svm_vcpu *svm, struct vm_exit *exit)
{
	struct vmcb_control *control = &svm->vmcb->control;
	const struct vmcb_save *save = &svm->vmcb->save;
	bool own;

	vcpu->gpr[GPR_RAX] = save->rax;
	vcpu->gpr[GPR_RSP] = save->rsp;
	vcpu->rip = save->rip;
	vcpu->rflags = save->rflags;
	vcpu->interrupt_shadow = control->interrupt_shadow & 1;
	control->clean = svm->clean;
	own = svm_decode_exit(control, vcpu->rip, vcpu->gpr[GPR_RCX], &svm_features, exit);
	if (own || svm->pending || (control->exitintinfo & VMCB_EVENT_VALID))
		after_exit(vcpu, exit, own);
}

void svm_run(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;
	struct vm_exit exit;

	do {
		enter(vcpu, svm);
		leave(vcpu, svm, &exit);
	} while (vcpu_exit(vcpu, &exit));
}

unsigned svm_insn_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
	const struct svm_vcpu *svm = vcpu->backend;
	const struct vmcb_control *control = &svm->vmcb->control;
	unsigned count = control->insn_length;

	/* Filled for nested page faults and intercepted #PF alone. APM 2, 15.8.4. */
	if (!svm_features.decode_assists || control->exitcode != VMEXIT_NPF || count > 15)
		return 0;
	memcpy(bytes, control->insn_bytes, count);
	return count;
}
