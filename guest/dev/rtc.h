/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real-time clock of a PC with its CMOS memory: an MC146818 at ports 70h and 71h, interrupt
 * line 8. It starts at the host's time of day and then follows the host's clock. Motorola
 * MC146818A data sheet.
 */
#pragma once

#include "vmm/vdev.h"

extern const struct vdev_type rtc_vdev;
