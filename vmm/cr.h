/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest may do to its control registers: which bits it is offered, and which combinations
 * fault. SDM 3A 2.5; APM 2 3.1.
 */
#pragma once

#include "vmm/types.h"

struct vcpu;

/*
 * A guest's MOV from and to CR0, CR2, CR3, CR4, CR8. Errors: -EACCES where the guest is to get
 * #GP(0), and nothing changed.
 */
HV_MUST_CHECK int vcpu_cr_read(struct vcpu *vcpu, unsigned cr, uint64_t *value);
HV_MUST_CHECK int vcpu_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value);

/* WRMSR of EFER. Errors: -EACCES as above. */
HV_MUST_CHECK int vcpu_efer_write(struct vcpu *vcpu, uint64_t value);

/* XSETBV of XCR0. Errors: -EACCES as above. SDM 1, 13.3. */
HV_MUST_CHECK int vcpu_xcr0_write(struct vcpu *vcpu, uint64_t value);
