/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware configuration device that virtual machines' firmware and payloads ask for the size
 * of memory, the number of CPUs and named files: ports 0x510, 0x511 and DMA at 0x514. QEMU
 * docs/specs/fw_cfg.rst.
 */
#pragma once

#include "vmm/vdev.h"

extern const struct vdev_type fw_cfg_vdev;
