/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that the VMCS does not hold: they stay in the CPU from exit to entry, since the
 * hypervisor uses none of them, and are switched with the vCPU.
 */
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx/vmx.h"

static const uint32_t msr_numbers[VMX_MSR_COUNT] = {
	[VMX_MSR_STAR] = MSR_STAR,
	[VMX_MSR_LSTAR] = MSR_LSTAR,
	[VMX_MSR_CSTAR] = MSR_CSTAR,
	[VMX_MSR_SFMASK] = MSR_SFMASK,
	[VMX_MSR_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
	[VMX_MSR_TSC_AUX] = MSR_TSC_AUX,
};

static unsigned msr_count(void)
{
	return vmx_capabilities.rdtscp ? VMX_MSR_COUNT : VMX_MSR_TSC_AUX;
}

#define DEBUG_REGISTER(name)                                           \
	static uint64_t name##_read(void)                              \
	{                                                              \
		uint64_t value;                                        \
                                                                       \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
		return value;                                          \
	}                                                              \
	static void name##_write(uint64_t value)                       \
	{                                                              \
		__asm__ volatile("mov %0, %%" #name : : "r"(value));   \
	}

DEBUG_REGISTER(db0)
DEBUG_REGISTER(db1)
DEBUG_REGISTER(db2)
DEBUG_REGISTER(db3)
DEBUG_REGISTER(db6)

static uint64_t (*const db_read[])(void) = {db0_read, db1_read, db2_read, db3_read};
static void (*const db_write[])(uint64_t value) = {db0_write, db1_write, db2_write, db3_write};

/* The host's DR7 has no breakpoint enabled: exits set it so. */
void vmx_live_load(struct vmx_vcpu *vmx)
{
	fpu_load(&vmx->fpu);
	for (unsigned i = 0; i < msr_count(); i++)
		msr_write(msr_numbers[i], vmx->msrs[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(vmx->dr); i++)
		db_write[i](vmx->dr[i]);
	db6_write(vmx->dr6);
	cr2_write(vmx->cr2);
}

void vmx_live_unload(struct vmx_vcpu *vmx)
{
	vmx->cr2 = cr2_read();
	vmx->dr6 = db6_read();
	for (unsigned i = 0; i < ARRAY_SIZE(vmx->dr); i++)
		vmx->dr[i] = db_read[i]();
	for (unsigned i = 0; i < msr_count(); i++)
		vmx->msrs[i] = msr_read(msr_numbers[i]);
	fpu_unload(&vmx->fpu);
}

/* Which of vmx->msrs a register is. */
static enum vmx_msr msr_of(enum vcpu_reg reg)
{
	switch (reg) {
	case REG_STAR:
		return VMX_MSR_STAR;
	case REG_LSTAR:
		return VMX_MSR_LSTAR;
	case REG_CSTAR:
		return VMX_MSR_CSTAR;
	case REG_SFMASK:
		return VMX_MSR_SFMASK;
	case REG_KERNEL_GS_BASE:
		return VMX_MSR_KERNEL_GS_BASE;
	default:
		return VMX_MSR_TSC_AUX;
	}
}

uint64_t vmx_live_get(struct vmx_vcpu *vmx, enum vcpu_reg reg)
{
	enum vmx_msr msr;

	switch (reg) {
	case REG_CR2:
		return vmx->loaded ? cr2_read() : vmx->cr2;
	case REG_DR0:
	case REG_DR1:
	case REG_DR2:
	case REG_DR3:
		return vmx->loaded ? db_read[reg - REG_DR0]() : vmx->dr[reg - REG_DR0];
	case REG_DR6:
		return vmx->loaded ? db6_read() : vmx->dr6;
	case REG_XCR0:
		return fpu_get_xcr0(&vmx->fpu);
	default:
		msr = msr_of(reg);
		return vmx->loaded && msr < msr_count() ? msr_read(msr_numbers[msr])
							: vmx->msrs[msr];
	}
}

static void set_dr(struct vmx_vcpu *vmx, unsigned number, uint64_t value)
{
	vmx->dr[number] = value;
	if (vmx->loaded)
		db_write[number](value);
}

static void set_msr(struct vmx_vcpu *vmx, enum vmx_msr msr, uint64_t value)
{
	vmx->msrs[msr] = value;
	if (vmx->loaded && msr < msr_count())
		msr_write(msr_numbers[msr], value);
}

void vmx_live_set(struct vmx_vcpu *vmx, enum vcpu_reg reg, uint64_t value)
{
	switch (reg) {
	case REG_CR2:
		vmx->cr2 = value;
		if (vmx->loaded)
			cr2_write(value);
		return;
	case REG_DR0:
	case REG_DR1:
	case REG_DR2:
	case REG_DR3:
		set_dr(vmx, reg - REG_DR0, value);
		return;
	case REG_DR6:
		vmx->dr6 = value;
		if (vmx->loaded)
			db6_write(value);
		return;
	case REG_XCR0:
		fpu_set_xcr0(&vmx->fpu, value);
		return;
	default:
		set_msr(vmx, msr_of(reg), value);
		return;
	}
}
