/* SPDX-License-Identifier: BSD-2-Clause */
/* All virtual devices of a VM: the one place that lists them. */
#pragma once

#include "vmm/types.h"

struct vm;

/*
 * Makes the devices of a VM whose vCPUs exist and whose buses are empty, in the table's order, as
 * after power-on. Errors: those of the device that failed; the devices before it are destroyed.
 */
HV_MUST_CHECK int devices_create(struct vm *vm);

/* As after power-on. While no vCPU of the VM runs. */
void devices_reset(struct vm *vm);

/* In the reverse order of their creation. While no vCPU of the VM runs. */
void devices_destroy(struct vm *vm);
