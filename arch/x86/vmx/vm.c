/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What VT-x keeps for a VM: the maps of ports and MSRs that exit.
 *
 * MSRs that the VMCS or vmx_load() switches, so that the VMM may let the guest have them without
 * exits: FS_BASE, GS_BASE, KERNEL_GS_BASE, STAR, LSTAR, CSTAR, SFMASK, SYSENTER_CS, SYSENTER_ESP,
 * SYSENTER_EIP, PAT, and TSC_AUX where the CPU has RDTSCP.
 */
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/vm.h"
#include "arch/x86/vmx/maps.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmx.h"

#include <errno.h>
#include <string.h>

int vmx_vm_create(struct vm *vm)
{
	struct vmx_vm *vmx = hv_alloc(sizeof(*vmx));

	if (!vmx)
		return -ENOMEM;
	vmx->io_map = page_alloc_zeroed(VMX_IO_BITMAP_ORDER);
	vmx->msr_map = page_alloc_zeroed(PAGE_ORDER_4K);
	vm->backend = vmx;
	if (!vmx->io_map || !vmx->msr_map) {
		vmx_vm_destroy(vm);
		return -ENOMEM;
	}
	memset(vmx->io_map, 0xff, VMX_IO_BITMAP_BYTES);
	memset(vmx->msr_map, 0xff, VMX_MSR_BITMAP_BYTES);
	return 0;
}

void vmx_vm_destroy(struct vm *vm)
{
	struct vmx_vm *vmx = vm->backend;

	if (!vmx)
		return;
	if (vmx->io_map)
		page_free_pointer(vmx->io_map, VMX_IO_BITMAP_ORDER);
	if (vmx->msr_map)
		page_free_pointer(vmx->msr_map, PAGE_ORDER_4K);
	hv_free(vmx);
	vm->backend = NULL;
}

void vmx_trap_port(struct vm *vm, uint16_t port, unsigned count, bool trap)
{
	struct vmx_vm *vmx = vm->backend;

	vmx_io_map_set(vmx->io_map, port, count, trap);
}

int vmx_trap_msr(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write)
{
	struct vmx_vm *vmx = vm->backend;

	return vmx_msr_map_set(vmx->msr_map, msr, trap_read, trap_write);
}
