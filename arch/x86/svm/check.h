/* SPDX-License-Identifier: BSD-2-Clause */
/* Why VMRUN refused a VMCB: the rules of APM 2, 15.5.1 and 15.20, one by one. */
#pragma once

#include "arch/x86/svm/vmcb.h"

/* What of the CPU the rules depend on. */
struct svm_limits {
	unsigned physical_bits;
	uint32_t asids;
};

/* A sentence about the first rule that the VMCB breaks, or NULL where none is known to be broken.
 */
const char *svm_vmcb_check(const struct vmcb *vmcb, const struct svm_limits *limits);
