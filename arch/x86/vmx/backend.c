/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-x as the rest of the hypervisor sees it. */
#include "arch/x86/vmx/backend.h"

#include "arch/x86/vmx/vmx.h"

const struct vcpu_backend vmx_backend = {
	.name = "VT-x",
	.probe = vmx_probe,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.features = vmx_feature_list,
	.limit_cpuid = vmx_limit_cpuid,
	.pte_ops = vmx_pte_ops,
	.vm_create = vmx_vm_create,
	.vm_destroy = vmx_vm_destroy,
	.trap_port = vmx_trap_port,
	.trap_msr = vmx_trap_msr,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_reset = vmx_vcpu_reset,
	.load = vmx_load,
	.unload = vmx_unload,
	.run = vmx_run,
	.get_reg = vmx_get_reg,
	.set_reg = vmx_set_reg,
	.get_seg = vmx_get_seg,
	.set_seg = vmx_set_seg,
	.can_inject = vmx_can_inject,
	.inject = vmx_inject,
	.request_window = vmx_request_window,
	.cancel_window = vmx_cancel_window,
	.set_tsc_offset = vmx_set_tsc_offset,
	.flush = vmx_flush,
	.insn_bytes = NULL, /* exits carry no bytes: the guest's tables are walked */
	.dump = vmx_dump,
};
