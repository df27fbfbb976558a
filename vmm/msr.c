/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One table, sorted by number, says for each range of MSRs who answers. Those of kind MSR_HARDWARE
 * are switched with the guest by the backend and need no exit. SDM 4; APM 2, appendix A.
 */
#include "vmm/msr.h"

#include "vmm/cpuid.h"
#include "vmm/cr.h"
#include "vmm/kvm_pv.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <string.h>

/* IA32_MISC_ENABLE: kernels give up fast string instructions where the bit is clear. Branch traces
 * and PEBS are unavailable. SDM 4, table 2-2. */
#define MISC_ENABLE_FAST_STRING (1ull << 0)
#define MISC_ENABLE_FIXED	(1ull << 11 | 1ull << 12)

struct msr_range {
	uint32_t first;
	uint32_t last;
	/* NULL: faults. */
	int (*read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
	int (*write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
	bool hardware;	     /* may be left to the CPU */
	const bool *present; /* NULL: always; else where this is true */
};

static int read_zero(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = 0;
	return 0;
}

/* Written by kernels as a matter of course, without meaning here. */
static int write_ignore(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu;
	(void)msr;
	(void)value;
	return 0;
}

static int read_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = platform_now() + vcpu->vm->tsc_offset + vcpu->msrs.tsc_adjust;
	return 0;
}

/* Moves this vCPU's TSC alone. SDM 3B, 18.17.3. */
static int write_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t offset = value - platform_now();

	(void)msr;
	vcpu->msrs.tsc_adjust = offset - vcpu->vm->tsc_offset;
	backend->set_tsc_offset(vcpu, offset);
	/* Its clock is told in ticks of the TSC. */
	kvm_pv_tsc_moved(vcpu);
	return 0;
}

/* ---- registers that the backend holds ---- */

static const struct {
	uint32_t msr;
	enum vcpu_reg reg;
	bool address; /* must be canonical */
} held[] = {
	{MSR_SYSENTER_CS, REG_SYSENTER_CS, false},
	{MSR_SYSENTER_ESP, REG_SYSENTER_ESP, true},
	{MSR_SYSENTER_EIP, REG_SYSENTER_EIP, true},
	{MSR_STAR, REG_STAR, false},
	{MSR_LSTAR, REG_LSTAR, true},
	{MSR_CSTAR, REG_CSTAR, true},
	{MSR_SFMASK, REG_SFMASK, false},
	{MSR_KERNEL_GS_BASE, REG_KERNEL_GS_BASE, true},
	{MSR_TSC_AUX, REG_TSC_AUX, false},
};

static bool canonical(uint64_t address)
{
	unsigned bits = cpuid_policy.cr4_allowed & CR4_LA57 ? 57 : 48;
	int64_t extended = (int64_t)(address << (64 - bits)) >> (64 - bits);

	return (uint64_t)extended == address;
}

static int read_held(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].msr == msr) {
			*value = vcpu_get_reg(vcpu, held[i].reg);
			return 0;
		}
	}
	return -EACCES;
}

static int write_held(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].msr != msr)
			continue;
		if (held[i].address && !canonical(value))
			return -EACCES;
		vcpu_set_reg(vcpu, held[i].reg, value);
		return 0;
	}
	return -EACCES;
}

static int write_tsc_aux(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return value >> 32 != 0 ? -EACCES : write_held(vcpu, msr, value);
}

static int read_base(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	struct segment segment;

	backend->get_seg(vcpu, msr == MSR_FS_BASE ? SEG_FS : SEG_GS, &segment);
	*value = segment.base;
	return 0;
}

static int write_base(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	enum vcpu_seg seg = msr == MSR_FS_BASE ? SEG_FS : SEG_GS;
	struct segment segment;

	if (!canonical(value))
		return -EACCES;
	backend->get_seg(vcpu, seg, &segment);
	segment.base = value;
	backend->set_seg(vcpu, seg, &segment);
	return 0;
}

static int read_efer(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu_get_reg(vcpu, REG_EFER);
	return 0;
}

static int write_efer(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	return vcpu_efer_write(vcpu, value);
}

static int read_pat(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu_get_reg(vcpu, REG_PAT);
	return 0;
}

static int write_pat(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	/* Each byte is a memory type, 0, 1, 4, 5, 6 or 7: nothing above bit 2, and bit 1 with bit 2
	 * alone. SDM 3A, 11.12.2. */
	if ((value & 0xf8f8f8f8f8f8f8f8) || (value << 1 & ~value & 0x0404040404040404))
		return -EACCES;
	vcpu_set_reg(vcpu, REG_PAT, value);
	return 0;
}

/* ---- memory type ranges: stored; the nested page tables decide ---- */

static int read_mtrr_cap(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = MTRR_VARIABLE_COUNT | 1u << 8 | 1u << 10; /* fixed ranges, write-combining */
	return 0;
}

static uint64_t *mtrr_slot(struct vcpu *vcpu, uint32_t msr)
{
	struct vcpu_msrs *msrs = &vcpu->msrs;

	if (msr == MSR_MTRR_DEF_TYPE)
		return &msrs->mtrr_def_type;
	if (msr >= MSR_MTRR_PHYS_BASE0 && msr < MSR_MTRR_PHYS_BASE0 + MTRR_VARIABLE_COUNT * 2)
		return &msrs->mtrr_variable[msr - MSR_MTRR_PHYS_BASE0];
	if (msr == MSR_MTRR_FIX_64K_00000)
		return &msrs->mtrr_fixed[0];
	if (msr >= MSR_MTRR_FIX_16K_80000 && msr <= MSR_MTRR_FIX_16K_A0000)
		return &msrs->mtrr_fixed[1 + msr - MSR_MTRR_FIX_16K_80000];
	return &msrs->mtrr_fixed[3 + msr - MSR_MTRR_FIX_4K_C0000];
}

static int read_mtrr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	*value = *mtrr_slot(vcpu, msr);
	return 0;
}

static bool valid_memory_type(uint64_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static int write_mtrr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t address = (((uint64_t)1 << cpuid_policy.physical_bits) - 1) & PAGE_MASK;

	if (msr == MSR_MTRR_DEF_TYPE) {
		if ((value & ~(uint64_t)0xcff) || !valid_memory_type(value & 0xff))
			return -EACCES;
	} else if (msr < MSR_MTRR_FIX_64K_00000) {
		bool mask = (msr & 1) != 0;

		if (value & ~(address | (mask ? 0x800u : 0xffu)))
			return -EACCES;
		if (!mask && !valid_memory_type(value & 0xff))
			return -EACCES;
	} else {
		for (unsigned i = 0; i < 8; i++) {
			if (!valid_memory_type(value >> (i * 8) & 0xff))
				return -EACCES;
		}
	}
	*mtrr_slot(vcpu, msr) = value;
	return 0;
}

/* ---- odds and ends ---- */

static int read_intc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	return vcpu->vm->irqs.intc->msr_read(vcpu, msr, value);
}

static int write_intc(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return vcpu->vm->irqs.intc->msr_write(vcpu, msr, value);
}

static int read_mcg_status(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->msrs.mcg_status;
	return 0;
}

static int write_mcg_status(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (value & ~(uint64_t)7)
		return -EACCES;
	vcpu->msrs.mcg_status = value;
	return 0;
}

static int read_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->msrs.misc_enable;
	return 0;
}

/* What its other bits would switch on is not there. */
static int write_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	vcpu->msrs.misc_enable = MISC_ENABLE_FIXED | (value & MISC_ENABLE_FAST_STRING);
	return 0;
}

/* HWCR.TscFreqSel: the TSC counts at the rate of P0. Linux complains where it is off. APM/PPR,
 * MSRC001_0015. */
static int read_hwcr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = 1u << 24;
	return 0;
}

/* The host has set it, too: svm_cpu_enable(). */
static int read_de_cfg(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = DE_CFG_LFENCE_SERIALIZE;
	return 0;
}

/* A revision that no loader of microcode will want to exceed. */
static int read_microcode(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = (uint64_t)0xffffffff << 32;
	return 0;
}

static const struct msr_range ranges[] = {
	{MSR_P5_MC_ADDR, MSR_P5_MC_TYPE, read_zero, NULL, false, NULL},
	{MSR_TSC, MSR_TSC, read_tsc, write_tsc, false, NULL},
	{MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, kvm_pv_msr_read, kvm_pv_msr_write, false, NULL},
	{MSR_PLATFORM_ID, MSR_PLATFORM_ID, read_zero, NULL, false, NULL},
	{MSR_APIC_BASE, MSR_APIC_BASE, read_intc, write_intc, false, NULL},
	{MSR_EBL_CR_POWERON, MSR_EBL_CR_POWERON, read_zero, write_ignore, false, NULL},
	{MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, read_microcode, write_ignore, false, NULL},
	{MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, read_zero, NULL, false, NULL},
	{MSR_MTRR_CAP, MSR_MTRR_CAP, read_mtrr_cap, NULL, false, NULL},
	{MSR_SYSENTER_CS, MSR_SYSENTER_EIP, read_held, write_held, true, NULL},
	{MSR_MCG_CAP, MSR_MCG_CAP, read_zero, NULL, false, NULL},
	{MSR_MCG_STATUS, MSR_MCG_STATUS, read_mcg_status, write_mcg_status, false, NULL},
	{MSR_MISC_ENABLE, MSR_MISC_ENABLE, read_misc_enable, write_misc_enable, false, NULL},
	{MSR_DEBUGCTL, MSR_DEBUGCTL, read_zero, write_ignore, false, NULL},
	{MSR_LAST_BRANCH_FROM, MSR_LAST_INT_TO, read_zero, NULL, false, NULL},
	{MSR_MTRR_PHYS_BASE0, MSR_MTRR_PHYS_BASE0 + MTRR_VARIABLE_COUNT * 2 - 1, read_mtrr,
	 write_mtrr, false, NULL},
	{MSR_MTRR_FIX_64K_00000, MSR_MTRR_FIX_64K_00000, read_mtrr, write_mtrr, false, NULL},
	{MSR_MTRR_FIX_16K_80000, MSR_MTRR_FIX_16K_A0000, read_mtrr, write_mtrr, false, NULL},
	{MSR_MTRR_FIX_4K_C0000, MSR_MTRR_FIX_4K_F8000, read_mtrr, write_mtrr, false, NULL},
	{MSR_PAT, MSR_PAT, read_pat, write_pat, false, NULL},
	{MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, read_mtrr, write_mtrr, false, NULL},
	{MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, read_intc, write_intc, false, NULL},
	{MSR_X2APIC_FIRST, MSR_X2APIC_LAST, read_intc, write_intc, false, NULL},
	{MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, kvm_pv_msr_read, kvm_pv_msr_write, false,
	 NULL},
	{MSR_KVM_STEAL_TIME, MSR_KVM_STEAL_TIME, kvm_pv_msr_read, kvm_pv_msr_write, false, NULL},
	{MSR_EFER, MSR_EFER, read_efer, write_efer, false, NULL},
	{MSR_STAR, MSR_SFMASK, read_held, write_held, true, NULL},
	{MSR_FS_BASE, MSR_GS_BASE, read_base, write_base, true, NULL},
	{MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, read_held, write_held, true, NULL},
	{MSR_TSC_AUX, MSR_TSC_AUX, read_held, write_tsc_aux, false, &cpuid_policy.has_tsc_aux},
	{MSR_SYSCFG, MSR_SYSCFG, read_zero, write_ignore, false, NULL},
	{MSR_HWCR, MSR_HWCR, read_hwcr, write_ignore, false, NULL},
	/* Chipset and errata settings that systems look at without asking CPUID first. */
	{MSR_NB_CFG, MSR_NB_CFG, read_zero, write_ignore, false, NULL},
	{MSR_PATCH_LOADER, MSR_PATCH_LOADER, NULL, write_ignore, false, NULL},
	{MSR_INT_PENDING, MSR_INT_PENDING, read_zero, write_ignore, false, NULL},
	{MSR_MMIO_CFG_BASE, MSR_MMIO_CFG_BASE, read_zero, write_ignore, false, NULL},
	{MSR_SMM_ADDR, MSR_SMM_MASK, read_zero, write_ignore, false, NULL},
	{MSR_DC_CFG, MSR_BU_CFG, read_zero, write_ignore, false, NULL},
	{MSR_DE_CFG, MSR_DE_CFG, read_de_cfg, write_ignore, false, NULL},
	{MSR_BU_CFG2, MSR_BU_CFG2, read_zero, write_ignore, false, NULL},
};

static const struct msr_range *find(uint32_t msr)
{
	size_t low = 0;
	size_t high = ARRAY_SIZE(ranges);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (msr > ranges[middle].last)
			low = middle + 1;
		else if (msr < ranges[middle].first)
			high = middle;
		else
			return ranges[middle].present == NULL || *ranges[middle].present
				       ? &ranges[middle]
				       : NULL;
	}
	return NULL;
}

/*
 * What find() said of the MSRs below 0x1000, where nearly all are that guests access at run time:
 * the row's number plus one; 0 where it was not asked yet, or found nothing.
 */
static _Atomic uint8_t rows[0x1000];
_Static_assert(ARRAY_SIZE(ranges) < UINT8_MAX, "rows holds a row's number plus one");

static const struct msr_range *find_and_remember(uint32_t msr)
{
	const struct msr_range *range = find(msr);

	if (range != NULL && msr < ARRAY_SIZE(rows))
		atomic_store_explicit(&rows[msr], (uint8_t)(range - ranges + 1),
				      memory_order_relaxed);
	return range;
}

static inline const struct msr_range *look_up(uint32_t msr)
{
	unsigned row = 0;

	if (msr < ARRAY_SIZE(rows))
		row = atomic_load_explicit(&rows[msr], memory_order_relaxed);
	return __builtin_expect(row != 0, 1) ? &ranges[row - 1] : find_and_remember(msr);
}

int vcpu_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct msr_range *range = look_up(msr);

	if (range == NULL || range->read == NULL)
		return -EACCES;
	return range->read(vcpu, msr, value);
}

int vcpu_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	const struct msr_range *range = look_up(msr);

	if (range == NULL || range->write == NULL)
		return -EACCES;
	return range->write(vcpu, msr, value);
}

void vcpu_msr_reset(struct vcpu *vcpu)
{
	memset(&vcpu->msrs, 0, sizeof(vcpu->msrs));
	/* As firmware leaves them: everything write-back but what is not RAM, which the nested
	 * tables know. */
	vcpu->msrs.mtrr_def_type = 1u << 11 | 6;
	vcpu->msrs.misc_enable = MISC_ENABLE_FIXED | MISC_ENABLE_FAST_STRING;
}

int vm_msr_setup(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (!ranges[i].hardware)
			continue;
		for (uint32_t msr = ranges[i].first; msr <= ranges[i].last; msr++) {
			int error = backend->trap_msr(vm, msr, false, false);

			if (error != 0)
				return error;
		}
	}
	return 0;
}
