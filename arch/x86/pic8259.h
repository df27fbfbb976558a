/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's pair of 8259 interrupt controllers, which the hypervisor does not use. */
#pragma once

/* Moves both out of the exceptions' vectors, masks them, and sets handlers for what they may send
 * even so. Boot CPU, once, interrupts off. */
void pic8259_disable(void);
