/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds VT-x and switches it on and off, CPU by CPU. SDM 3C, 23.6 to 23.8 and 31.5. */
#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

#include <errno.h>
#include <string.h>

#define CPUID_1_ECX_VMX (1u << 5)

/* SDM 4, from 480h. */
#define MSR_VMX_BASIC		    0x480
#define MSR_VMX_PINBASED_CTLS	    0x481
#define MSR_VMX_PROCBASED_CTLS	    0x482
#define MSR_VMX_EXIT_CTLS	    0x483
#define MSR_VMX_ENTRY_CTLS	    0x484
#define MSR_VMX_MISC		    0x485
#define MSR_VMX_CR0_FIXED0	    0x486
#define MSR_VMX_CR0_FIXED1	    0x487
#define MSR_VMX_CR4_FIXED0	    0x488
#define MSR_VMX_CR4_FIXED1	    0x489
#define MSR_VMX_PROCBASED_CTLS2	    0x48b
#define MSR_VMX_EPT_VPID_CAP	    0x48c
#define MSR_VMX_TRUE_PINBASED_CTLS  0x48d
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48e
#define MSR_VMX_TRUE_EXIT_CTLS	    0x48f
#define MSR_VMX_TRUE_ENTRY_CTLS	    0x490

struct vmx_capabilities vmx_capabilities;
static struct backend_feature feature_list[VMX_FEATURE_LIST_MAX];

/* 0 for an MSR that the CPU does not have. */
static uint64_t read_or_zero(uint32_t msr)
{
	uint64_t value;

	return msr_read_safe(msr, &value) == 0 ? value : 0;
}

static struct vmx_msrs read_msrs(void)
{
	struct vmx_msrs msrs = {
		.vendor_ebx = cpuid(0, 0).ebx,
		.leaf1_ecx = cpuid(1, 0).ecx,
		.leaf7_edx = cpuid_checked(7, 0).edx,
	};
	bool true_controls;

	if (!(msrs.leaf1_ecx & CPUID_1_ECX_VMX))
		return msrs;
	msrs.feature_control = read_or_zero(MSR_FEATURE_CONTROL);
	msrs.basic = read_or_zero(MSR_VMX_BASIC);
	true_controls = msrs.basic & VMX_BASIC_TRUE_CONTROLS;
	msrs.pin = read_or_zero(true_controls ? MSR_VMX_TRUE_PINBASED_CTLS : MSR_VMX_PINBASED_CTLS);
	msrs.primary =
		read_or_zero(true_controls ? MSR_VMX_TRUE_PROCBASED_CTLS : MSR_VMX_PROCBASED_CTLS);
	msrs.exit = read_or_zero(true_controls ? MSR_VMX_TRUE_EXIT_CTLS : MSR_VMX_EXIT_CTLS);
	msrs.entry = read_or_zero(true_controls ? MSR_VMX_TRUE_ENTRY_CTLS : MSR_VMX_ENTRY_CTLS);
	msrs.secondary = read_or_zero(MSR_VMX_PROCBASED_CTLS2);
	msrs.misc = read_or_zero(MSR_VMX_MISC);
	msrs.ept_vpid = read_or_zero(MSR_VMX_EPT_VPID_CAP);
	return msrs;
}

int vmx_probe(const char **why)
{
	struct vmx_msrs msrs = read_msrs();
	int error = vmx_capabilities_choose(&msrs, &vmx_capabilities, why);

	if (error == 0)
		vmx_capabilities_list(&vmx_capabilities, feature_list);
	return error;
}

/* Firmware that left the MSR unlocked left the choice to us. SDM 3C, 23.7. */
static int unlock_vmx(void)
{
	uint64_t control = read_or_zero(MSR_FEATURE_CONTROL);

	if (control & FEATURE_CONTROL_LOCK)
		return control & FEATURE_CONTROL_VMX_OUTSIDE_SMX ? 0 : -EPERM;
	return msr_write_safe(MSR_FEATURE_CONTROL,
			      control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX);
}

/* The bits that VMX operation wants set or clear: SDM 3D, A.7 and A.8. */
static void set_fixed_bits(void)
{
	cr0_write((cr0_read() | msr_read(MSR_VMX_CR0_FIXED0)) & msr_read(MSR_VMX_CR0_FIXED1));
	cr4_write((cr4_read() | CR4_VMXE | msr_read(MSR_VMX_CR4_FIXED0)) &
		  msr_read(MSR_VMX_CR4_FIXED1));
}

static int enter_vmx(struct vmx_cpu *vmx)
{
	memcpy(vmx->vmxon, &vmx_capabilities.revision, sizeof(vmx_capabilities.revision));
	fpu_cpu_enable();
	set_fixed_bits();
	if (vmx_vmxon(platform_ram_address(vmx->vmxon)) != 0) {
		cr4_write(cr4_read() & ~CR4_VMXE);
		return -ENOTSUP;
	}
	/* Firmware or an earlier hypervisor may have left tagged translations. */
	vmx_invept(VMX_INV_ALL, 0);
	if (vmx_capabilities.vpid)
		vmx_invvpid(VMX_INV_ALL, 0);
	return 0;
}

int vmx_cpu_enable(struct cpu *cpu)
{
	struct vmx_msrs msrs = read_msrs();
	struct vmx_capabilities mine;
	struct vmx_cpu *vmx;
	const char *why;
	int error = vmx_capabilities_choose(&msrs, &mine, &why);

	if (error == 0 && !vmx_capabilities_cover(&mine, &vmx_capabilities))
		error = -ENOTSUP;
	if (error == 0)
		error = unlock_vmx();
	if (error != 0)
		return error;
	vmx = hv_alloc(sizeof(*vmx));
	if (!vmx)
		return -ENOMEM;
	vmx->vmxon = page_alloc_zeroed(PAGE_ORDER_4K);
	error = vmx->vmxon ? enter_vmx(vmx) : -ENOMEM;
	if (error != 0) {
		if (vmx->vmxon)
			page_free_pointer(vmx->vmxon, PAGE_ORDER_4K);
		hv_free(vmx);
		return error;
	}
	vmx_tlb_pool_init(&vmx->tlbs, vmx_capabilities.vpid, vmx_capabilities.invvpid_single);
	cpu->backend = vmx;
	return 0;
}

void vmx_cpu_disable(struct cpu *cpu)
{
	struct vmx_cpu *vmx = cpu->backend;

	if (!vmx)
		return;
	vmx_vmxoff();
	cr4_write(cr4_read() & ~CR4_VMXE);
	cpu->backend = NULL;
	page_free_pointer(vmx->vmxon, PAGE_ORDER_4K);
	hv_free(vmx);
}

const struct backend_feature *vmx_feature_list(void)
{
	return feature_list;
}

const struct pte_ops *vmx_pte_ops(void)
{
	return vmx_ept_ops(vmx_capabilities.max_leaf_level);
}

void vmx_limit_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
	vmx_capabilities_limit_cpuid(&vmx_capabilities, leaf, subleaf, registers);
}
