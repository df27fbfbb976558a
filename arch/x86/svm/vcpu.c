/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes and resets vCPUs: the VMCB's constant part and the state after power-on and INIT. */
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/svm/svm.h"

#include <errno.h>

/* A spin loop of this many PAUSEs, none more than the threshold's ticks after another, exits. */
#define PAUSE_COUNT	3000
#define PAUSE_THRESHOLD 128

#define CR0_RESET    (CR0_CD | CR0_NW | CR0_ET)
#define DR6_RESET    0xffff0ff0ull
#define DR7_RESET    0x400ull
#define RESET_VECTOR 0xfff0

static void set_intercepts(struct vmcb_control *control)
{
	control->intercept_cr = VMCB_CR_WRITE(4);
	/*
	 * #AC and #DB can be met while delivering themselves, without end and without an exit (CVE
	 * 2015-5307, 2015-8104): they exit and are injected again.
	 */
	control->intercept_exceptions = 1u << VECTOR_AC | 1u << VECTOR_DB;
	control->intercept_misc1 = VMCB_MISC1_INTR | VMCB_MISC1_NMI | VMCB_MISC1_INIT |
				   VMCB_MISC1_CR0_SEL | VMCB_MISC1_RDPMC | VMCB_MISC1_CPUID |
				   VMCB_MISC1_INVD | VMCB_MISC1_HLT | VMCB_MISC1_INVLPGA |
				   VMCB_MISC1_IOIO | VMCB_MISC1_MSR | VMCB_MISC1_FERR_FREEZE |
				   VMCB_MISC1_SHUTDOWN;
	control->intercept_misc2 = VMCB_MISC2_VMRUN | VMCB_MISC2_VMMCALL | VMCB_MISC2_VMLOAD |
				   VMCB_MISC2_VMSAVE | VMCB_MISC2_STGI | VMCB_MISC2_CLGI |
				   VMCB_MISC2_SKINIT | VMCB_MISC2_WBINVD | VMCB_MISC2_MONITOR |
				   VMCB_MISC2_MWAIT | VMCB_MISC2_XSETBV;
	control->intercept_misc3 = 0;
	if (svm_features.mce)
		control->intercept_exceptions |= 1u << VECTOR_MC;
	if (svm_features.rdpru)
		control->intercept_misc2 |= VMCB_MISC2_RDPRU;
	if (svm_features.mcommit)
		control->intercept_misc3 |= VMCB_MISC3_MCOMMIT;
	if (svm_features.pause_filter) {
		control->intercept_misc1 |= VMCB_MISC1_PAUSE;
		control->pause_filter_count = PAUSE_COUNT;
	}
	if (svm_features.pause_threshold)
		control->pause_filter_threshold = PAUSE_THRESHOLD;
}

/* What the VM gives: maps and nested tables. */
static void set_control(struct vmcb_control *control, struct vm *vm)
{
	const struct svm_vm *svm_vm = vm->backend;

	set_intercepts(control);
	control->iopm_base_pa = platform_ram_address(svm_vm->iopm).value;
	control->msrpm_base_pa = platform_ram_address(svm_vm->msrpm).value;
	control->nested_ctl = VMCB_NESTED_PAGING;
	control->n_cr3 = platform_ram_address(vm->space.root).value;
	control->int_ctl = VMCB_V_INTR_MASKING;
	if (svm_features.virtual_nmi)
		control->int_ctl |= VMCB_V_NMI_ENABLE;
	control->interrupt_shadow = 0;
	control->eventinj = 0;
	control->exitintinfo = 0;
	control->clean = 0;
}

int svm_vcpu_create(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = hv_alloc(sizeof(*svm));

	if (!svm)
		return -ENOMEM;
	vcpu->backend = svm;
	svm->vmcb = page_alloc_zeroed(PAGE_ORDER_4K);
	if (!svm->vmcb || fpu_create(&svm->fpu) != 0) {
		svm_vcpu_destroy(vcpu);
		return -ENOMEM;
	}
	svm->vmcb_pa = platform_ram_address(svm->vmcb);
	svm->clean = svm_features.clean_bits ? VMCB_CLEAN_ALL : 0;
	svm_vcpu_reset(vcpu, true);
	return 0;
}

void svm_vcpu_destroy(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (!svm)
		return;
	fpu_destroy(&svm->fpu);
	if (svm->vmcb)
		page_free_pointer(svm->vmcb, PAGE_ORDER_4K);
	hv_free(svm);
	vcpu->backend = NULL;
}

/* APM 2, table 14-2. */
static void reset_segments(struct vmcb_save *save)
{
	const struct vmcb_segment data = {0, 0x93, 0xffff, 0};
	const struct vmcb_segment table = {0, 0, 0xffff, 0};

	save->es = save->ss = save->ds = save->fs = save->gs = data;
	save->cs = (struct vmcb_segment){0xf000, 0x9b, 0xffff, 0xffff0000};
	save->gdtr = save->idtr = table;
	save->ldtr = (struct vmcb_segment){0, 0x82, 0xffff, 0};
	save->tr = (struct vmcb_segment){0, 0x8b, 0xffff, 0};
	save->cpl = 0;
}

/* What INIT resets, too. APM 2, table 14-1. */
static void reset_registers(struct vcpu *vcpu, uint64_t cr0)
{
	struct svm_vcpu *svm = vcpu->backend;
	struct vmcb_save *save = &svm->vmcb->save;

	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	vcpu->rip = RESET_VECTOR;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->interrupt_shadow = false;
	vcpu->event_valid = false;
	save->cr2 = save->cr3 = 0;
	save->dr6 = DR6_RESET;
	save->dr7 = DR7_RESET;
	svm_set_reg(vcpu, REG_CR0, cr0);
	svm_set_reg(vcpu, REG_CR4, 0);
	svm_set_reg(vcpu, REG_EFER, 0);
	for (unsigned i = 0; i < 4; i++)
		svm_set_reg(vcpu, (enum vcpu_reg)(REG_DR0 + i), 0);
}

/* And what only power-on resets. */
static void reset_power_on(struct svm_vcpu *svm)
{
	struct vmcb_save *save = &svm->vmcb->save;

	save->star = save->lstar = save->cstar = save->sfmask = save->kernel_gs_base = 0;
	save->sysenter_cs = save->sysenter_esp = save->sysenter_eip = 0;
	save->dbgctl = 0;
	save->g_pat = PAT_DEFAULT;
	svm->tsc_aux = 0;
	fpu_reset(&svm->fpu);
}

void svm_vcpu_reset(struct vcpu *vcpu, bool power_on)
{
	struct svm_vcpu *svm = vcpu->backend;
	uint64_t cr0 =
		power_on ? CR0_RESET : CR0_ET | (svm_get_reg(vcpu, REG_CR0) & (CR0_CD | CR0_NW));

	svm_hidden_save(svm);
	svm->pending &= (uint32_t)SVM_PENDING_SAVED;
	svm->nmi_state = SVM_NMI_OPEN;
	svm->nmi_requeued = false;
	svm->injected = 0;
	svm->cr0_cache_bits = 0;
	svm->cr4_hidden_bits = 0;
	set_control(&svm->vmcb->control, vcpu->vm);
	reset_segments(&svm->vmcb->save);
	reset_registers(vcpu, cr0);
	if (power_on)
		reset_power_on(svm);
	svm_flush(vcpu);
	svm_hidden_load(svm);
}

void svm_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	struct vmcb_control *control = &((struct svm_vcpu *)vcpu->backend)->vmcb->control;

	control->tsc_offset = offset;
	control->clean &= ~VMCB_CLEAN_INTERCEPTS;
}

void svm_flush(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = vcpu->backend;

	svm_asid_flush(&svm->asid);
	svm->pending |= SVM_PENDING_ASID;
}
