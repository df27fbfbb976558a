/* SPDX-License-Identifier: BSD-2-Clause */
/* AMD-V as the rest of the hypervisor sees it. */
#include "arch/x86/svm/backend.h"

#include "arch/x86/svm/svm.h"

const struct vcpu_backend svm_backend = {
	.name = "AMD-V",
	.probe = svm_probe,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.features = svm_feature_list,
	.pte_ops = svm_pte_ops,
	.vm_create = svm_vm_create,
	.vm_destroy = svm_vm_destroy,
	.trap_port = svm_trap_port,
	.trap_msr = svm_trap_msr,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.load = svm_load,
	.unload = svm_unload,
	.run = svm_run,
	.get_reg = svm_get_reg,
	.set_reg = svm_set_reg,
	.get_seg = svm_get_seg,
	.set_seg = svm_set_seg,
	.can_inject = svm_can_inject,
	.inject = svm_inject,
	.request_window = svm_request_window,
	.cancel_window = svm_cancel_window,
	.set_tsc_offset = svm_set_tsc_offset,
	.flush = svm_flush,
	.insn_bytes = svm_insn_bytes,
	.dump = svm_dump,
};
