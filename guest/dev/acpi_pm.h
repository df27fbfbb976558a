/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed hardware of ACPI power management: the PM1 event and control registers and the PM timer.
 * ACPI mode is always on (SCI_EN reads 1). ACPI 6.4, 4.8.
 */
#pragma once

#include "vmm/vdev.h"

struct vm;

extern const struct vdev_type acpi_pm_vdev;

/* Presses and releases the VM's power button: the guest is asked to shut down. Any CPU. */
void acpi_pm_press_power_button(struct vm *vm);
