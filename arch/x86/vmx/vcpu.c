/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes and resets vCPUs: the VMCS's controls and the state after power-on and INIT. */
#include "vmm/cpuid.h"
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

#include <errno.h>
#include <string.h>

/* PAUSEs at most GAP ticks apart are a loop; one that lasts WINDOW ticks exits. SDM 3C, 25.1.3. */
#define PLE_GAP	   128
#define PLE_WINDOW 4096

#define CR0_RESET    (CR0_CD | CR0_NW | CR0_ET)
#define DR6_RESET    0xffff0ff0ull
#define DR7_RESET    0x400ull
#define RESET_VECTOR 0xfff0

/*
 * #AC and #DB can be met while delivering themselves, without end and without an exit (CVE
 * 2015-5307, 2015-8104): they exit and are injected again. #MC is the host's.
 */
#define EXCEPTIONS (1u << VECTOR_AC | 1u << VECTOR_DB | 1u << VECTOR_MC)

/* What the VM gives: maps and nested tables. */
static void set_pointers(const struct vmx_vcpu *vmx, struct vm *vm)
{
	const struct vmx_vm *vmx_vm = vm->backend;
	uint64_t io_map = platform_ram_address(vmx_vm->io_map).value;

	vmcs_write(VMCS_IO_BITMAP_A, io_map);
	vmcs_write(VMCS_IO_BITMAP_B, io_map + PAGE_SIZE);
	vmcs_write(VMCS_MSR_BITMAP, platform_ram_address(vmx_vm->msr_map).value);
	vmcs_write(VMCS_EPT_POINTER, vmx_ept_pointer(platform_ram_address(vm->space.root)));
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	if (vmx->vapic)
		vmcs_write(VMCS_VIRTUAL_APIC_ADDRESS, platform_ram_address(vmx->vapic).value);
}

static void set_controls(struct vmx_vcpu *vmx)
{
	const struct vmx_capabilities *caps = &vmx_capabilities;

	vmx->primary = caps->primary;
	vmcs_write(VMCS_PIN_CONTROLS, caps->pin);
	vmcs_write(VMCS_PRIMARY_CONTROLS, caps->primary);
	vmcs_write(VMCS_SECONDARY_CONTROLS, caps->secondary);
	vmcs_write(VMCS_EXIT_CONTROLS, caps->exit);
	vmcs_write(VMCS_ENTRY_CONTROLS, caps->entry);
	vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
	vmcs_write(VMCS_PAGE_FAULT_ERROR_MASK, 0);
	vmcs_write(VMCS_PAGE_FAULT_ERROR_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, 0);
	if (vmx->vapic)
		vmcs_write(VMCS_TPR_THRESHOLD, 0);
	if (caps->pause_loop) {
		vmcs_write(VMCS_PLE_GAP, PLE_GAP);
		vmcs_write(VMCS_PLE_WINDOW, PLE_WINDOW);
	}
	if (caps->encls_exiting)
		vmcs_write(VMCS_ENCLS_EXITING_BITMAP, ~0ull);
	if (caps->preemption_timer)
		vmx_timer_restart();
	vmcs_write(VMCS_CR0_MASK, CR0_NE | CR0_CD | CR0_NW);
	/* A guest owns what it is offered; writes of other bits exit, and fault. */
	vmx->cr4_mask = ~cpuid_policy.cr4_allowed | CR4_VMXE | CR4_MCE;
	vmcs_write(VMCS_CR4_MASK, vmx->cr4_mask);
}

static bool create_pages(struct vmx_vcpu *vmx)
{
	vmx->vmcs = page_alloc_zeroed(PAGE_ORDER_4K);
	if (!vmx->vmcs)
		return false;
	vmx->vmcs_pa = platform_ram_address(vmx->vmcs);
	memcpy(vmx->vmcs, &vmx_capabilities.revision, sizeof(vmx_capabilities.revision));
	if (vmx_capabilities.tpr_shadow) {
		vmx->vapic = page_alloc_zeroed(PAGE_ORDER_4K);
		if (!vmx->vapic)
			return false;
	}
	return fpu_create(&vmx->fpu) == 0;
}

int vmx_vcpu_create(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = hv_alloc(sizeof(*vmx));

	if (!vmx)
		return -ENOMEM;
	vcpu->backend = vmx;
	if (!create_pages(vmx)) {
		vmx_vcpu_destroy(vcpu);
		return -ENOMEM;
	}
	/* A VMCS begins its life with VMCLEAR. SDM 3C, 24.11.3. */
	if (vmx_vmclear(vmx->vmcs_pa) != 0)
		platform_panic("VMCLEAR of a new VMCS failed");
	vmx_vcpu_reset(vcpu, true);
	return 0;
}

void vmx_vcpu_destroy(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	if (!vmx)
		return;
	fpu_destroy(&vmx->fpu);
	if (vmx->vapic)
		page_free_pointer(vmx->vapic, PAGE_ORDER_4K);
	if (vmx->vmcs)
		page_free_pointer(vmx->vmcs, PAGE_ORDER_4K);
	hv_free(vmx);
	vcpu->backend = NULL;
}

/* SDM 3A, table 9-1. */
static void reset_segments(struct vcpu *vcpu)
{
	const struct segment data = {.attributes = 0x93, .limit = 0xffff};
	const struct segment code = {
		.selector = 0xf000, .attributes = 0x9b, .limit = 0xffff, .base = 0xffff0000};
	const struct segment ldtr = {.attributes = 0x82, .limit = 0xffff};
	const struct segment task = {.attributes = 0x8b, .limit = 0xffff};
	const struct segment table = {.limit = 0xffff};

	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		vmx_set_seg(vcpu, (enum vcpu_seg)seg, seg == SEG_CS ? &code : &data);
	vmx_set_seg(vcpu, SEG_LDTR, &ldtr);
	vmx_set_seg(vcpu, SEG_TR, &task);
	vmx_set_seg(vcpu, SEG_GDTR, &table);
	vmx_set_seg(vcpu, SEG_IDTR, &table);
}

/* What INIT resets, too. */
static void reset_registers(struct vcpu *vcpu, uint64_t cr0)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = 0;
	vcpu->rip = RESET_VECTOR;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->interrupt_shadow = false;
	vcpu->event_valid = false;
	/* The VMCS gets them at the next entry. */
	vmx->rip = vmx->rsp = vmx->rflags = ~0ull;
	vmx_set_reg(vcpu, REG_CR0, cr0);
	vmx_set_reg(vcpu, REG_CR2, 0);
	vmx_set_reg(vcpu, REG_CR3, 0);
	vmx_set_reg(vcpu, REG_CR4, 0);
	vmx_set_reg(vcpu, REG_CR8, 0);
	vmx_set_reg(vcpu, REG_EFER, 0);
	vmx_set_reg(vcpu, REG_DR6, DR6_RESET);
	vmx_set_reg(vcpu, REG_DR7, DR7_RESET);
	for (unsigned i = 0; i < 4; i++)
		vmx_set_reg(vcpu, (enum vcpu_reg)(REG_DR0 + i), 0);
}

static void reset_events(struct vmx_vcpu *vmx)
{
	vmx->event = 0;
	vmx->interruptibility = 0;
	vmx->shadow = false;
	vmx->tpr_threshold = 0;
	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY_STATE, 0);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
}

/* And what only power-on resets. */
static void reset_power_on(struct vcpu *vcpu)
{
	static const enum vcpu_reg zero[] = {REG_STAR,	       REG_LSTAR,	   REG_CSTAR,
					     REG_SFMASK,       REG_KERNEL_GS_BASE, REG_SYSENTER_CS,
					     REG_SYSENTER_ESP, REG_SYSENTER_EIP,   REG_TSC_AUX};
	struct vmx_vcpu *vmx = vcpu->backend;

	for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
		vmx_set_reg(vcpu, zero[i], 0);
	vmx_set_reg(vcpu, REG_PAT, PAT_DEFAULT);
	vmcs_write(VMCS_GUEST_IA32_DEBUGCTL, 0);
	fpu_reset(&vmx->fpu);
}

void vmx_vcpu_reset(struct vcpu *vcpu, bool power_on)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	uint64_t cr0 =
		power_on ? CR0_RESET : CR0_ET | (vmx_get_reg(vcpu, REG_CR0) & (CR0_CD | CR0_NW));

	vmcs_open(vmx);
	set_pointers(vmx, vcpu->vm);
	set_controls(vmx);
	reset_events(vmx);
	reset_segments(vcpu);
	reset_registers(vcpu, cr0);
	if (power_on)
		reset_power_on(vcpu);
	vmcs_close(vmx);
	vmx_flush(vcpu);
}

void vmx_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	vmcs_open(vmx);
	vmcs_write(VMCS_TSC_OFFSET, offset);
	vmcs_close(vmx);
}

void vmx_flush(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	vmx_tlb_flush_nested(&vmx->tlb);
	vmx_tlb_flush_linear(&vmx->tlb);
	vmx->pending |= VMX_PENDING_TLB;
}
