/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AMD-V keeps for a VM: the maps of ports and MSRs that exit.
 *
 * MSRs that VMRUN, VMLOAD or svm_load() switch, so that the VMM may let the guest have them without
 * exits: FS_BASE, GS_BASE, KERNEL_GS_BASE, STAR, LSTAR, CSTAR, SFMASK, SYSENTER_CS, SYSENTER_ESP,
 * SYSENTER_EIP, and TSC_AUX where the CPU has RDTSCP. PAT is switched by CPUs but not by all
 * emulators, and EFER must exit since SVME is hidden in it.
 */
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/vm.h"
#include "arch/x86/svm/maps.h"
#include "arch/x86/svm/svm.h"

#include <errno.h>
#include <string.h>

int svm_vm_create(struct vm *vm)
{
	struct svm_vm *svm = hv_alloc(sizeof(*svm));

	if (!svm)
		return -ENOMEM;
	svm->iopm = page_alloc_zeroed(SVM_IOPM_ORDER);
	svm->msrpm = page_alloc_zeroed(SVM_MSRPM_ORDER);
	vm->backend = svm;
	if (!svm->iopm || !svm->msrpm) {
		svm_vm_destroy(vm);
		return -ENOMEM;
	}
	memset(svm->iopm, 0xff, SVM_IOPM_BYTES);
	memset(svm->msrpm, 0xff, SVM_MSRPM_BYTES);
	return 0;
}

void svm_vm_destroy(struct vm *vm)
{
	struct svm_vm *svm = vm->backend;

	if (!svm)
		return;
	if (svm->iopm)
		page_free_pointer(svm->iopm, SVM_IOPM_ORDER);
	if (svm->msrpm)
		page_free_pointer(svm->msrpm, SVM_MSRPM_ORDER);
	hv_free(svm);
	vm->backend = NULL;
}

void svm_trap_port(struct vm *vm, uint16_t port, unsigned count, bool trap)
{
	struct svm_vm *svm = vm->backend;

	svm_iopm_set(svm->iopm, port, count, trap);
}

int svm_trap_msr(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write)
{
	struct svm_vm *svm = vm->backend;

	return svm_msrpm_set(svm->msrpm, msr, trap_read, trap_write);
}
