/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration accesses; see pci_host.h. Functions never change while the VM runs, and the address
 * register is one atomic word, so there is no lock; guests serialise address and data themselves.
 */
#include "guest/dev/pci_host.h"

#include "vmm/bus.h"
#include "vmm/heap.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/dev/reset.h"
#include "guest/layout.h"

#include <errno.h>
#include <stdatomic.h>

#define PCI_PORTS	     8
#define PCI_FUNCTIONS	     256
#define PCI_ADDRESS_ENABLE   (1u << 31)
#define PCI_ADDRESS_WRITABLE 0x80fffffcu
#define ECAM_FUNCTION_SHIFT  12
#define ECAM_BUS_SHIFT	     20

/* Registers of the host bridge. */
#define PCI_ID		  0x00
#define PCI_CLASS	  0x08
#define Q35_PCIEXBAR	  0x60 /* base of the ECAM, bit 0: enabled; 316966, 5.1.17 */
#define HOST_BRIDGE_ID	  0x29c08086
#define HOST_BRIDGE_CLASS 0x06000000

struct pci_host {
	struct vm *vm;
	_Atomic uint32_t address;
	_Atomic uint8_t reset_control;
	struct {
		const struct pci_function_ops *ops;
		void *function;
	} functions[PCI_FUNCTIONS];
};

static const struct vdev_field pci_host_fields[] = {
	VDEV_FIELD(struct pci_host, address),
	VDEV_FIELD(struct pci_host, reset_control),
};

/* ---- the host bridge itself: constants ---- */

static uint32_t bridge_read(struct vcpu *vcpu, void *function, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	(void)vcpu, (void)function;
	switch (offset & ~3u) {
	case PCI_ID:
		value = HOST_BRIDGE_ID;
		break;
	case PCI_CLASS:
		value = HOST_BRIDGE_CLASS;
		break;
	case Q35_PCIEXBAR:
		value = GUEST_ECAM_BASE | 1;
		break;
	default:
		break;
	}
	return value >> 8 * (offset & 3) & (uint32_t)mask_of_bytes(size);
}

static void bridge_write(struct vcpu *vcpu, void *function, unsigned offset, unsigned size,
			 uint32_t value)
{
	(void)vcpu, (void)function, (void)offset, (void)size, (void)value;
}

static const struct pci_function_ops bridge_ops = {bridge_read, bridge_write};

/* ---- both ways in ---- */

/* One aligned access of at most four bytes. Where there is no function, ones are read. */
static uint32_t pci_read_aligned(struct pci_host *host, struct vcpu *vcpu, unsigned bus,
				 unsigned devfn, unsigned offset, unsigned size)
{
	const struct pci_function_ops *ops = bus == 0 ? host->functions[devfn].ops : NULL;

	if (!ops)
		return (uint32_t)mask_of_bytes(size);
	return ops->read(vcpu, host->functions[devfn].function, offset, size);
}

static void pci_write_aligned(struct pci_host *host, struct vcpu *vcpu, unsigned bus,
			      unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
	const struct pci_function_ops *ops = bus == 0 ? host->functions[devfn].ops : NULL;

	if (ops)
		ops->write(vcpu, host->functions[devfn].function, offset, size, value);
}

/* The largest access at `offset` that is aligned and not longer than `size`. */
static unsigned pci_step(uint64_t offset, unsigned size)
{
	if ((offset & 3) == 0 && size >= 4)
		return 4;
	return (offset & 1) == 0 && size >= 2 ? 2 : 1;
}

/* ---- ports ---- */

static uint64_t pci_data_read(struct pci_host *host, struct vcpu *vcpu, unsigned byte,
			      unsigned size)
{
	uint32_t address = host->address;
	uint64_t value = 0;

	if (!(address & PCI_ADDRESS_ENABLE))
		return mask_of_bytes(size);
	for (unsigned done = 0, step; done < size; done += step) {
		unsigned offset = (address & 0xfc) + ((byte + done) & 3);

		step = pci_step(offset, size - done);
		value |= (uint64_t)pci_read_aligned(host, vcpu, address >> 16 & 0xff,
						    address >> 8 & 0xff, offset, step)
			 << 8 * (done & 7);
	}
	return value;
}

static void pci_data_write(struct pci_host *host, struct vcpu *vcpu, unsigned byte, unsigned size,
			   uint64_t value)
{
	uint32_t address = host->address;

	if (!(address & PCI_ADDRESS_ENABLE))
		return;
	for (unsigned done = 0, step; done < size; done += step) {
		unsigned offset = (address & 0xfc) + ((byte + done) & 3);

		step = pci_step(offset, size - done);
		pci_write_aligned(host, vcpu, address >> 16 & 0xff, address >> 8 & 0xff, offset,
				  step, (uint32_t)(value >> 8 * (done & 7) & mask_of_bytes(step)));
	}
}

/* Only a whole dword reaches the address register; the byte at 0xCF9 is the reset control. */
static uint64_t pci_port_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct pci_host *host = device;

	if (offset == 0 && size == 4)
		return host->address;
	if (offset == PORT_RESET_CONTROL - PORT_PCI_ADDRESS && size == 1)
		return host->reset_control;
	if (offset < PORT_PCI_DATA - PORT_PCI_ADDRESS)
		return mask_of_bytes(size);
	return pci_data_read(host, vcpu, offset & 3, size);
}

static void pci_port_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			   uint64_t value)
{
	struct pci_host *host = device;

	if (offset == 0 && size == 4)
		host->address = (uint32_t)value & PCI_ADDRESS_WRITABLE;
	else if (offset == PORT_RESET_CONTROL - PORT_PCI_ADDRESS && size == 1)
		host->reset_control =
			reset_control_write(host->vm, host->reset_control, (uint8_t)value);
	else if (offset >= PORT_PCI_DATA - PORT_PCI_ADDRESS)
		pci_data_write(host, vcpu, offset & 3, size, value);
}

/* ---- ECAM ---- */

static uint64_t ecam_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned done = 0, step; done < size; done += step) {
		uint64_t at = offset + done;

		step = pci_step(at, size - done);
		value |= (uint64_t)pci_read_aligned(device, vcpu, (unsigned)(at >> ECAM_BUS_SHIFT),
						    at >> ECAM_FUNCTION_SHIFT & 0xff, at & 0xfff,
						    step)
			 << 8 * (done & 7);
	}
	return value;
}

static void ecam_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		       uint64_t value)
{
	for (unsigned done = 0, step; done < size; done += step) {
		uint64_t at = offset + done;

		step = pci_step(at, size - done);
		pci_write_aligned(device, vcpu, (unsigned)(at >> ECAM_BUS_SHIFT),
				  at >> ECAM_FUNCTION_SHIFT & 0xff, at & 0xfff, step,
				  (uint32_t)(value >> 8 * (done & 7) & mask_of_bytes(step)));
	}
}

static const struct bus_ops pci_port_ops = {pci_port_read, pci_port_write};
static const struct bus_ops ecam_ops = {ecam_read, ecam_write};

/* ---- life ---- */

static void pci_host_reset(struct vdev *vdev)
{
	struct pci_host *host = vdev->state;

	host->address = 0;
	host->reset_control = 0;
}

static int pci_host_create(struct vdev *vdev)
{
	struct pci_host *host = hv_alloc(sizeof(*host));
	int result;

	if (!host)
		return -ENOMEM;
	host->vm = vdev->vm;
	host->functions[0].ops = &bridge_ops;
	result = bus_claim(&vdev->vm->ports, PORT_PCI_ADDRESS, PCI_PORTS, &pci_port_ops, host);
	if (result == 0)
		result = bus_claim(&vdev->vm->mmio, GUEST_ECAM_BASE, GUEST_ECAM_LENGTH, &ecam_ops,
				   host);
	if (result != 0) {
		hv_free(host);
		return result;
	}
	vdev->state = host;
	return 0;
}

static void pci_host_destroy(struct vdev *vdev)
{
	hv_free(vdev->state);
	vdev->state = NULL;
}

const struct vdev_type pci_host_vdev = {
	.name = "pci_host",
	.create = pci_host_create,
	.reset = pci_host_reset,
	.destroy = pci_host_destroy,
	.fields = pci_host_fields,
	.field_count = ARRAY_SIZE(pci_host_fields),
};

int pci_host_add(struct vm *vm, unsigned devfn, const struct pci_function_ops *ops, void *function)
{
	struct pci_host *host = NULL;

	for (unsigned i = 0; i < vm->vdev_count && !host; i++) {
		if (vm->vdevs[i].type == &pci_host_vdev)
			host = vm->vdevs[i].state;
	}
	if (!host)
		return -ENODEV;
	if (devfn >= PCI_FUNCTIONS)
		return -EINVAL;
	if (host->functions[devfn].ops)
		return -EEXIST;
	host->functions[devfn].ops = ops;
	host->functions[devfn].function = function;
	return 0;
}
