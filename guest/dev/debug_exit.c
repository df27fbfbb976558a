/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug exit port; see debug_exit.h. */
#include "guest/dev/debug_exit.h"

#include "vmm/bus.h"
#include "vmm/log.h"
#include "vmm/vm.h"

static uint64_t debug_exit_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	(void)vcpu, (void)device, (void)offset;
	return mask_of_bytes(size);
}

static void debug_exit_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			     uint64_t value)
{
	(void)vcpu, (void)offset, (void)size;
	vm_stop(device, "debug exit %u", (unsigned)(value & 0xff));
}

static const struct bus_ops debug_exit_ops = {debug_exit_read, debug_exit_write};

static int debug_exit_create(struct vdev *vdev)
{
	int port = vdev->vm->config->debug_exit;
	int result;

	if (port < 0)
		return 0;
	result = bus_claim(&vdev->vm->ports, (uint64_t)port, 1, &debug_exit_ops, vdev->vm);
	if (result != 0)
		log_error("vm %s: debug-exit: port 0x%x belongs to another device; choose one that "
			  "is free, 0xf4 for example",
			  vdev->vm->config->name, (unsigned)port);
	return result;
}

static void debug_exit_reset(struct vdev *vdev)
{
	(void)vdev; /* it has no state */
}

static void debug_exit_destroy(struct vdev *vdev)
{
	(void)vdev;
}

const struct vdev_type debug_exit_vdev = {
	.name = "debug_exit",
	.create = debug_exit_create,
	.reset = debug_exit_reset,
	.destroy = debug_exit_destroy,
};
