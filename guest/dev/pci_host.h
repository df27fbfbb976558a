/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI Express root: bus 0 with a host bridge, reached by the ports 0xCF8/0xCFC and by ECAM. The
 * bridge has the identity of Intel's Q35 (82P35 MCH, 8086:29C0), as the virtual chipset that guests
 * and their firmware know best; of its registers it has those that they look at. Further functions
 * are added by the devices that they belong to.
 *
 * PCI Local Bus 3.0, 3.2.2.3.2; PCI Express 6.0, 7.2.2.
 */
#pragma once

#include "vmm/vdev.h"

struct vcpu;
struct vm;

#define PCI_DEVFN(device, function) ((device) << 3 | (function))

/*
 * Configuration space of one function. offset is 0 to 4095 (255 by the ports) and a multiple of
 * size, which is 1, 2 or 4. Called on the accessing vCPU's CPU; the function locks itself.
 */
struct pci_function_ops {
	uint32_t (*read)(struct vcpu *vcpu, void *function, unsigned offset, unsigned size);
	void (*write)(struct vcpu *vcpu, void *function, unsigned offset, unsigned size,
		      uint32_t value);
};

extern const struct vdev_type pci_host_vdev;

/*
 * Puts a function on bus 0, before the VM runs. Errors: -ENODEV (the VM has no PCI host yet),
 * -EINVAL (devfn above 255), -EEXIST.
 */
HV_MUST_CHECK int pci_host_add(struct vm *vm, unsigned devfn, const struct pci_function_ops *ops,
			       void *function);
