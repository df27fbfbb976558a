/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APIC: 24 pins, which are the VM's lines, at 0xfec00000. Version 20h: with the EOI
 * register. 82093AA data sheet; Intel 100-series chipset data sheet, volume 1, 3.5.
 */
#pragma once

#include "vmm/vdev.h"

struct ioapic;

/* Created after the local APICs; sets vm->irqs.ioapic. */
extern const struct vdev_type ioapic_vdev;

/* A CPU ended the level-triggered interrupt `vector`. Any CPU; ioapic may be NULL. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);
