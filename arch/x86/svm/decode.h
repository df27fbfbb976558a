/* SPDX-License-Identifier: BSD-2-Clause */
/* From what #VMEXIT wrote into the VMCB to struct vm_exit. APM 2, appendix C and 15.7. */
#pragma once

#include "vmm/vm_exit.h"
#include "arch/x86/svm/features.h"
#include "arch/x86/svm/vmcb.h"

/*
 * Describes the exit that `control` and the guest's RIP and RCX after it tell of. Exits that are
 * the backend's own affair come out so: IRET and VINTR as windows, INTR, NMI, SMI and INIT as
 * EXIT_HOST_EVENT. True where the backend must act on this kind of exit before anybody else sees
 * it (the same, and every exception).
 */
bool svm_decode_exit(const struct vmcb_control *control, uint64_t rip, uint64_t rcx,
		     const struct svm_features *features, struct vm_exit *exit);
