/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and segments of a vCPU by their vendor-neutral names. Most are fields of the VMCB; some
 * of these are current only after VMSAVE, which is executed at most once between two entries.
 */
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/msr.h"
#include "arch/x86/svm/segment.h"
#include "arch/x86/svm/svm.h"

#define CR0_CACHE (CR0_CD | CR0_NW)

/* Changes that make a CPU drop translations. APM 2, 5.5.2. */
#define CR0_FLUSHES CR0_PG
#define CR4_FLUSHES                                                                           \
	(CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LA57 | \
	 CR4_CET | CR4_PKS)
#define EFER_FLUSHES (EFER_LME | EFER_LMA | EFER_NXE)

/* Where a register that is plainly a field of the save area is. */
struct reg_row {
	uint16_t offset; /* 0: none of these; ES.selector is not a register */
	uint16_t clean;	 /* VMCB_CLEAN bit that stands for it */
	bool hidden;	 /* loaded by VMLOAD */
};

#define FIELD(name, bits)                                                                  \
	{                                                                                  \
		.offset = offsetof(struct vmcb_save, name), .clean = bits, .hidden = false \
	}
#define HIDDEN(name)                                                                   \
	{                                                                              \
		.offset = offsetof(struct vmcb_save, name), .clean = 0, .hidden = true \
	}

static const struct reg_row reg_rows[REG_COUNT] = {
	[REG_CR2] = FIELD(cr2, VMCB_CLEAN_CR2),
	[REG_CR3] = FIELD(cr3, VMCB_CLEAN_CRX),
	[REG_DR6] = FIELD(dr6, VMCB_CLEAN_DRX),
	[REG_DR7] = FIELD(dr7, VMCB_CLEAN_DRX),
	[REG_STAR] = HIDDEN(star),
	[REG_LSTAR] = HIDDEN(lstar),
	[REG_CSTAR] = HIDDEN(cstar),
	[REG_SFMASK] = HIDDEN(sfmask),
	[REG_KERNEL_GS_BASE] = HIDDEN(kernel_gs_base),
	[REG_SYSENTER_CS] = HIDDEN(sysenter_cs),
	[REG_SYSENTER_ESP] = HIDDEN(sysenter_esp),
	[REG_SYSENTER_EIP] = HIDDEN(sysenter_eip),
	[REG_PAT] = FIELD(g_pat, VMCB_CLEAN_NP),
};

static uint64_t *reg_field(struct svm_vcpu *svm, enum vcpu_reg reg)
{
	return (uint64_t *)((char *)&svm->vmcb->save + reg_rows[reg].offset);
}

void svm_hidden_save(struct svm_vcpu *svm)
{
	if (!svm->loaded || (svm->pending & SVM_PENDING_SAVED))
		return;
	svm_vmsave(svm->vmcb_pa);
	svm->pending |= SVM_PENDING_SAVED;
}

void svm_hidden_load(struct svm_vcpu *svm)
{
	if (svm->loaded)
		svm_vmload(svm->vmcb_pa);
}

static void flush_on_change(struct svm_vcpu *svm, uint64_t changed, uint64_t mask)
{
	if (changed & mask) {
		svm_asid_flush(&svm->asid);
		svm->pending |= SVM_PENDING_ASID;
	}
}

/* ---- registers that are more than a field ---- */

static uint64_t dr_read(unsigned number)
{
	uint64_t value;

	switch (number) {
	case 0:
		__asm__ volatile("mov %%db0, %0" : "=r"(value));
		break;
	case 1:
		__asm__ volatile("mov %%db1, %0" : "=r"(value));
		break;
	case 2:
		__asm__ volatile("mov %%db2, %0" : "=r"(value));
		break;
	default:
		__asm__ volatile("mov %%db3, %0" : "=r"(value));
		break;
	}
	return value;
}

static void dr_write(unsigned number, uint64_t value)
{
	switch (number) {
	case 0:
		__asm__ volatile("mov %0, %%db0" : : "r"(value));
		break;
	case 1:
		__asm__ volatile("mov %0, %%db1" : : "r"(value));
		break;
	case 2:
		__asm__ volatile("mov %0, %%db2" : : "r"(value));
		break;
	default:
		__asm__ volatile("mov %0, %%db3" : : "r"(value));
		break;
	}
}

/*
 * CR0.CD and NW stay out of the VMCB: there they would switch off the host's caches while the guest
 * runs, and all of its memory is coherent anyway. While the guest has them set, its reads of CR0
 * exit to see them, and all its writes to clear them.
 */
static void set_cr0(struct svm_vcpu *svm, uint64_t value)
{
	struct vmcb *vmcb = svm->vmcb;
	const uint32_t all = VMCB_CR_READ(0) | VMCB_CR_WRITE(0);

	flush_on_change(svm, vmcb->save.cr0 ^ value, CR0_FLUSHES);
	vmcb->save.cr0 = value & ~CR0_CACHE;
	vmcb->control.clean &= ~VMCB_CLEAN_CRX;
	if (svm->cr0_cache_bits == (value & CR0_CACHE))
		return;
	svm->cr0_cache_bits = value & CR0_CACHE;
	if (svm->cr0_cache_bits)
		vmcb->control.intercept_cr |= all;
	else
		vmcb->control.intercept_cr &= ~all;
	vmcb->control.clean &= ~VMCB_CLEAN_INTERCEPTS;
}

/*
 * CR4.MCE stays set while the guest runs, or a machine check meanwhile would shut the CPU down
 * (APM 2, 9.3.1). A guest that has it clear must not see it: its reads exit.
 */
static void set_cr4(struct svm_vcpu *svm, uint64_t value)
{
	struct vmcb *vmcb = svm->vmcb;
	uint64_t hidden = svm_features.mce ? CR4_MCE & ~value : 0;

	flush_on_change(svm, vmcb->save.cr4 ^ value, CR4_FLUSHES);
	vmcb->save.cr4 = value | hidden;
	vmcb->control.clean &= ~VMCB_CLEAN_CRX;
	if (svm->cr4_hidden_bits == hidden)
		return;
	svm->cr4_hidden_bits = hidden;
	if (hidden)
		vmcb->control.intercept_cr |= VMCB_CR_READ(4);
	else
		vmcb->control.intercept_cr &= ~VMCB_CR_READ(4);
	vmcb->control.clean &= ~VMCB_CLEAN_INTERCEPTS;
}

static void set_efer(struct svm_vcpu *svm, uint64_t value)
{
	flush_on_change(svm, svm->vmcb->save.efer ^ value, EFER_FLUSHES);
	/* VMRUN insists on it; the guest does not see it. APM 2, 15.5.1. */
	svm->vmcb->save.efer = value | EFER_SVME;
	svm->vmcb->control.clean &= ~VMCB_CLEAN_CRX;
}

static void set_cr8(struct svm_vcpu *svm, uint64_t value)
{
	struct vmcb_control *control = &svm->vmcb->control;

	control->int_ctl = (control->int_ctl & ~VMCB_V_TPR_MASK) | (value & 0xf);
	control->clean &= ~VMCB_CLEAN_TPR;
}

uint64_t svm_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	struct svm_vcpu *svm = vcpu->backend;

	switch (reg) {
	case REG_CR0:
		return svm->vmcb->save.cr0 | svm->cr0_cache_bits;
	case REG_CR4:
		return svm->vmcb->save.cr4 & ~svm->cr4_hidden_bits;
	case REG_CR8:
		return svm->vmcb->control.int_ctl & 0xf;
	case REG_DR0:
	case REG_DR1:
	case REG_DR2:
	case REG_DR3:
		return svm->loaded ? dr_read(reg - REG_DR0) : svm->dr[reg - REG_DR0];
	case REG_XCR0:
		return fpu_get_xcr0(&svm->fpu);
	case REG_EFER:
		return svm->vmcb->save.efer & ~EFER_SVME;
	case REG_TSC_AUX:
		return svm->loaded && svm_features.rdtscp ? msr_read(MSR_TSC_AUX) : svm->tsc_aux;
	default:
		if (reg_rows[reg].hidden)
			svm_hidden_save(svm);
		return *reg_field(svm, reg);
	}
}

static void set_field(struct svm_vcpu *svm, enum vcpu_reg reg, uint64_t value)
{
	const struct reg_row *row = &reg_rows[reg];

	if (row->hidden)
		svm_hidden_save(svm);
	if (reg == REG_CR3)
		flush_on_change(svm, ~0ull, ~0ull);
	*reg_field(svm, reg) = value;
	svm->vmcb->control.clean &= ~(uint32_t)row->clean;
	if (row->hidden)
		svm_hidden_load(svm);
}

void svm_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	struct svm_vcpu *svm = vcpu->backend;

	switch (reg) {
	case REG_CR0:
		set_cr0(svm, value);
		return;
	case REG_CR4:
		set_cr4(svm, value);
		return;
	case REG_CR8:
		set_cr8(svm, value);
		return;
	case REG_DR0:
	case REG_DR1:
	case REG_DR2:
	case REG_DR3:
		svm->dr[reg - REG_DR0] = value;
		if (svm->loaded)
			dr_write(reg - REG_DR0, value);
		return;
	case REG_XCR0:
		fpu_set_xcr0(&svm->fpu, value);
		return;
	case REG_EFER:
		set_efer(svm, value);
		return;
	case REG_TSC_AUX:
		svm->tsc_aux = value;
		if (svm->loaded && svm_features.rdtscp)
			msr_write(MSR_TSC_AUX, value);
		return;
	default:
		set_field(svm, reg, value);
		return;
	}
}

/* ---- segments ---- */

struct seg_row {
	uint16_t offset;
	uint16_t clean;
	bool hidden;
};

static const struct seg_row seg_rows[SEG_COUNT] = {
	[SEG_ES] = FIELD(es, VMCB_CLEAN_SEG),
	[SEG_CS] = FIELD(cs, VMCB_CLEAN_SEG),
	[SEG_SS] = FIELD(ss, VMCB_CLEAN_SEG),
	[SEG_DS] = FIELD(ds, VMCB_CLEAN_SEG),
	[SEG_FS] = HIDDEN(fs),
	[SEG_GS] = HIDDEN(gs),
	[SEG_LDTR] = HIDDEN(ldtr),
	[SEG_TR] = HIDDEN(tr),
	[SEG_GDTR] = FIELD(gdtr, VMCB_CLEAN_DT),
	[SEG_IDTR] = FIELD(idtr, VMCB_CLEAN_DT),
};

static struct vmcb_segment *seg_field(struct svm_vcpu *svm, enum vcpu_seg seg)
{
	return (struct vmcb_segment *)((char *)&svm->vmcb->save + seg_rows[seg].offset);
}

void svm_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (seg_rows[seg].hidden)
		svm_hidden_save(svm);
	svm_segment_get(seg_field(svm, seg), segment);
	/* The VMCB keeps the privilege level apart, and SS.DPL may differ after SYSCALL. */
	if (seg == SEG_SS)
		segment->attributes =
			(segment->attributes & ~(3u << 5)) | (svm->vmcb->save.cpl & 3u) << 5;
}

void svm_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment)
{
	struct svm_vcpu *svm = vcpu->backend;

	if (seg_rows[seg].hidden)
		svm_hidden_save(svm);
	svm_segment_set(seg_field(svm, seg), segment);
	if (seg == SEG_SS)
		svm->vmcb->save.cpl = SEG_ATTR_DPL(segment->attributes);
	svm->vmcb->control.clean &= ~(uint32_t)seg_rows[seg].clean;
	if (seg_rows[seg].hidden)
		svm_hidden_load(svm);
}
