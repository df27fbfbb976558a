/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's VMCB in the log, for diagnosis; and what VMRUN had against it, where it did. */
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/svm/check.h"
#include "arch/x86/svm/svm.h"

static void dump_general(const struct vcpu *vcpu)
{
	static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
						     "rsi", "rdi", "r8",  "r9",	 "r10", "r11",
						     "r12", "r13", "r14", "r15"};

	for (unsigned i = 0; i < GPR_COUNT; i += 4)
		log_error("  %s %016llx  %s %016llx  %s %016llx  %s %016llx", names[i],
			  (unsigned long long)vcpu->gpr[i], names[i + 1],
			  (unsigned long long)vcpu->gpr[i + 1], names[i + 2],
			  (unsigned long long)vcpu->gpr[i + 2], names[i + 3],
			  (unsigned long long)vcpu->gpr[i + 3]);
	log_error("  rip %016llx  rflags %08llx  shadow %u", (unsigned long long)vcpu->rip,
		  (unsigned long long)vcpu->rflags, vcpu->interrupt_shadow);
}

static void dump_segments(const struct vmcb_save *save)
{
	const struct {
		const char *name;
		const struct vmcb_segment *segment;
	} rows[] = {
		{"es", &save->es},     {"cs", &save->cs}, {"ss", &save->ss},
		{"ds", &save->ds},     {"fs", &save->fs}, {"gs", &save->gs},
		{"ldtr", &save->ldtr}, {"tr", &save->tr}, {"gdtr", &save->gdtr},
		{"idtr", &save->idtr},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vmcb_segment *segment = rows[i].segment;

		log_error("  %-4s %04x attributes %03x limit %08x base %016llx", rows[i].name,
			  segment->selector, segment->attributes, segment->limit,
			  (unsigned long long)segment->base);
	}
}

static void dump_system(const struct svm_vcpu *svm)
{
	const struct vmcb_save *save = &svm->vmcb->save;

	log_error("  cr0 %llx (cache bits %llx) cr2 %llx cr3 %llx cr4 %llx",
		  (unsigned long long)save->cr0, (unsigned long long)svm->cr0_cache_bits,
		  (unsigned long long)save->cr2, (unsigned long long)save->cr3,
		  (unsigned long long)save->cr4);
	log_error("  efer %llx cpl %u dr6 %llx dr7 %llx pat %llx", (unsigned long long)save->efer,
		  save->cpl, (unsigned long long)save->dr6, (unsigned long long)save->dr7,
		  (unsigned long long)save->g_pat);
	log_error("  star %llx lstar %llx sfmask %llx kernel_gs_base %llx",
		  (unsigned long long)save->star, (unsigned long long)save->lstar,
		  (unsigned long long)save->sfmask, (unsigned long long)save->kernel_gs_base);
	log_error("  sysenter cs %llx esp %llx eip %llx xcr0 %llx",
		  (unsigned long long)save->sysenter_cs, (unsigned long long)save->sysenter_esp,
		  (unsigned long long)save->sysenter_eip,
		  (unsigned long long)fpu_get_xcr0(&svm->fpu));
}

static void dump_control(const struct svm_vcpu *svm)
{
	const struct vmcb_control *control = &svm->vmcb->control;

	log_error("  exit %llx info %llx %llx during %llx, next rip %llx",
		  (unsigned long long)control->exitcode, (unsigned long long)control->exitinfo1,
		  (unsigned long long)control->exitinfo2, (unsigned long long)control->exitintinfo,
		  (unsigned long long)control->nrip);
	log_error("  intercepts: cr %08x exceptions %08x misc %08x %08x %08x",
		  control->intercept_cr, control->intercept_exceptions, control->intercept_misc1,
		  control->intercept_misc2, control->intercept_misc3);
	log_error("  int_ctl %08x eventinj %llx asid %u tlb %u clean %03x nmi %u pending %x",
		  control->int_ctl, (unsigned long long)control->eventinj, control->asid,
		  control->tlb_control, control->clean, svm->nmi_state, svm->pending);
	log_error("  ncr3 %llx iopm %llx msrpm %llx tsc offset %llx",
		  (unsigned long long)control->n_cr3, (unsigned long long)control->iopm_base_pa,
		  (unsigned long long)control->msrpm_base_pa,
		  (unsigned long long)control->tsc_offset);
}

void svm_dump(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;
	const struct svm_limits limits = {
		.physical_bits = svm_features.physical_bits,
		.asids = svm_features.asids,
	};
	const char *broken = svm_vmcb_check(svm->vmcb, &limits);

	svm_hidden_save(svm);
	log_error("AMD-V state of vCPU %u:", vcpu->id);
	dump_general(vcpu);
	dump_segments(&svm->vmcb->save);
	dump_system(svm);
	dump_control(svm);
	if (broken)
		log_error("  VMRUN refuses this state: %s", broken);
}
