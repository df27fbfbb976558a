/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APICs of a VM's vCPUs: xAPIC in MMIO and x2APIC in MSRs, with the timer in its three
 * modes. SDM 3A, chapter 11. The VMM reaches them through struct intc_ops (vm->irqs.intc).
 *
 * The registers stay at their default address: a write to APIC_BASE that moves them gets #GP, as
 * no PC system software moves them.
 */
#pragma once

#include "vmm/irq.h"
#include "vmm/vdev.h"

struct vcpu;
struct vm;

extern const struct intc_ops lapic_intc;

/* Creates the APICs of all vCPUs of the VM, which must exist; sets vm->irqs.intc. */
extern const struct vdev_type lapic_vdev;

/* Tells the vCPUs that vm->irqs.extint rose: those whose LINT0 listens to the 8259s look. Any CPU.
 */
void lapic_extint_changed(struct vm *vm);
