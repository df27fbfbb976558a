/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of virtual devices. Each kind is one line here and one file beside this one. */
#include "guest/dev/devices.h"

#include "vmm/log.h"
#include "vmm/vdev.h"
#include "vmm/vm.h"
#include "guest/dev/acpi_pm.h"
#include "guest/dev/debug_exit.h"
#include "guest/dev/fw_cfg.h"
#include "guest/dev/ioapic.h"
#include "guest/dev/lapic.h"
#include "guest/dev/pic.h"
#include "guest/dev/pci_host.h"
#include "guest/dev/pit.h"
#include "guest/dev/reset.h"
#include "guest/dev/rtc.h"
#include "guest/dev/uart16550.h"

#include <string.h>

/* In the order of creation: interrupt controllers before what interrupts. */
static const struct vdev_type *const device_types[] = {
	&lapic_vdev,	&ioapic_vdev,	 &pic_vdev,   &pit_vdev,	&rtc_vdev,    &acpi_pm_vdev,
	&pci_host_vdev, &uart16550_vdev, &reset_vdev, &debug_exit_vdev, &fw_cfg_vdev,
};

_Static_assert(ARRAY_SIZE(device_types) <= VDEVS_MAX, "struct vm has room for all devices");

int devices_create(struct vm *vm)
{
	for (unsigned i = 0; i < ARRAY_SIZE(device_types); i++) {
		struct vdev *vdev = &vm->vdevs[vm->vdev_count];
		int error;

		*vdev = (struct vdev){.type = device_types[i], .vm = vm};
		error = vdev->type->create(vdev);
		if (error) {
			log_error("vm %s: cannot make its %s (error %d)", vm->config->name,
				  vdev->type->name, -error);
			devices_destroy(vm);
			return error;
		}
		vm->vdev_count++;
	}
	devices_reset(vm);
	return 0;
}

void devices_reset(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vdev_count; i++)
		vm->vdevs[i].type->reset(&vm->vdevs[i]);
}

void devices_destroy(struct vm *vm)
{
	while (vm->vdev_count > 0) {
		struct vdev *vdev = &vm->vdevs[--vm->vdev_count];

		vdev->type->destroy(vdev);
	}
	/* Chips that listened to lines are gone. */
	memset(&vm->irqs, 0, sizeof(vm->irqs));
}
