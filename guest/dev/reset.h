/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in which PC software resets the machine: the reset control register 0xCF9, the keyboard
 * controller's reset line, port 92h. All of them end in vm_restart().
 */
#pragma once

#include "vmm/vdev.h"

struct vm;

/* The keyboard controller's ports and port 92h. */
extern const struct vdev_type reset_vdev;

/*
 * A write of `value` to the reset control register, which held `old`: resets the VM where RST_CPU
 * rises. Returns what the register holds then. The register lies between the bytes of the PCI
 * address register, so pci_host.c, which owns those, calls this. ICH9 datasheet, 13.7.5.
 */
uint8_t reset_control_write(struct vm *vm, uint8_t old, uint8_t value);
