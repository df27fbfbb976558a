/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 interval timer of a PC at ports 0x40 to 0x43, and port 0x61, which gates its channel 2
 * and reads its output. Intel 8254 data sheet; Intel 82371AB data sheet, 4.3.
 */
#pragma once

#include "vmm/vdev.h"

/* Its clock in Hz: a twelfth of 14.31818 MHz. */
#define PIT_HZ 1193182

/* Created after the interrupt controllers and the vCPUs; interrupts on VM_GSI_PIT. */
extern const struct vdev_type pit_vdev;
