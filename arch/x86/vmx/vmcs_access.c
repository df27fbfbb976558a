/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VMCS is current where, and the host's part of it. */
#include "arch/x86/vmx/vmcs_access.h"

#include "vmm/cpu.h"
#include "vmm/platform.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/gdt.h"
#include "arch/x86/msr.h"
#include "arch/x86/percpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmx.h"

#include <string.h>

void vmcs_write_failed(uint32_t field, uint64_t value)
{
	platform_panic("VMWRITE of 0x%llx to field 0x%04x failed (error %u)",
		       (unsigned long long)value, field, vmcs_read32(VMCS_INSTRUCTION_ERROR));
}

static void make_current(struct vmx_vcpu *vmx)
{
	if (vmx_vmptrld(vmx->vmcs_pa) != 0)
		platform_panic("VMPTRLD of 0x%llx failed", (unsigned long long)vmx->vmcs_pa.value);
}

/* Writes what the CPU still holds of it back to its page, and forgets it. */
static void make_clear(struct vmx_vcpu *vmx)
{
	if (vmx_vmclear(vmx->vmcs_pa) != 0)
		platform_panic("VMCLEAR of 0x%llx failed", (unsigned long long)vmx->vmcs_pa.value);
	vmx->launched = false;
}

void vmcs_activate(struct vmx_vcpu *vmx)
{
	make_current(vmx);
	vmx->loaded = true;
	vmx->cpu->loaded = vmx;
}

void vmcs_deactivate(struct vmx_vcpu *vmx)
{
	make_clear(vmx);
	vmx->loaded = false;
	vmx->cpu->loaded = NULL;
}

void vmcs_open(struct vmx_vcpu *vmx)
{
	if (!vmx->loaded && vmx->open_depth++ == 0)
		make_current(vmx);
}

void vmcs_close(struct vmx_vcpu *vmx)
{
	struct vmx_cpu *cpu;

	if (vmx->loaded || --vmx->open_depth != 0)
		return;
	make_clear(vmx);
	cpu = this_cpu()->backend;
	if (cpu->loaded)
		make_current(cpu->loaded);
}

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} HV_PACKED;

/* The base of a system descriptor: SDM 3A, figure 8-4. */
static uint64_t tss_base(uint64_t gdt_base)
{
	const struct gdt *gdt = (const struct gdt *)gdt_base;
	uint64_t low = gdt->entries[GDT_TSS / 8];
	uint64_t high = gdt->entries[GDT_TSS / 8 + 1];

	return (low >> 16 & 0xffffff) | (low >> 56) << 24 | high << 32;
}

static void write_host_tables(void)
{
	struct table_pointer gdtr, idtr;

	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	__asm__ volatile("sidt %0" : "=m"(idtr));
	vmcs_write(VMCS_HOST_GDTR_BASE, gdtr.base);
	vmcs_write(VMCS_HOST_IDTR_BASE, idtr.base);
	vmcs_write(VMCS_HOST_TR_BASE, tss_base(gdtr.base));
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_CS_SELECTOR, GDT_CODE64);
	vmcs_write(VMCS_HOST_SS_SELECTOR, GDT_DATA);
	vmcs_write(VMCS_HOST_DS_SELECTOR, GDT_DATA);
	vmcs_write(VMCS_HOST_ES_SELECTOR, GDT_DATA);
	vmcs_write(VMCS_HOST_FS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_GS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_TR_SELECTOR, GDT_TSS);
}

void vmcs_write_host_state(void)
{
	write_host_tables();
	vmcs_write(VMCS_HOST_CR0, cr0_read());
	vmcs_write(VMCS_HOST_CR3, cr3_read());
	vmcs_write(VMCS_HOST_CR4, cr4_read());
	vmcs_write(VMCS_HOST_IA32_EFER, msr_read(MSR_EFER));
	vmcs_write(VMCS_HOST_IA32_PAT, msr_read(MSR_PAT));
	/* SYSENTER is not for ring 0. */
	vmcs_write(VMCS_HOST_IA32_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_IA32_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_IA32_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (uintptr_t)vmx_exited);
}
