/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets; see reset.h. There is no keyboard controller, and the FADT says so; but software that
 * pulses its reset line does not ask. Its status port reads 0, "nothing received, ready for a
 * command": who waits for it to get ready before the pulse goes on at once, and who polls for keys
 * finds none.
 */
#include "guest/dev/reset.h"

#include "vmm/bus.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#define KBD_PULSE_FIRST 0xf0 /* F0h-FFh: the low bits name the lines that stay up */
#define KBD_PULSE_RESET (1u << 0)

#define SYSTEM_CONTROL_RESET (1u << 0)
#define SYSTEM_CONTROL_A20   (1u << 1)

#define RESET_CONTROL_CPU  (1u << 2)
#define RESET_CONTROL_KEPT 0x0eu

static uint64_t reset_kbd_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	(void)vcpu, (void)device, (void)offset, (void)size;
	return 0;
}

static void reset_kbd_data_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
				 uint64_t value)
{
	(void)vcpu, (void)device, (void)offset, (void)size, (void)value;
}

static void reset_kbd_command_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
				    uint64_t value)
{
	(void)vcpu, (void)offset, (void)size;
	if (value >= KBD_PULSE_FIRST && !(value & KBD_PULSE_RESET))
		vm_restart(device, "reset by the guest");
}

/* Port 92h. A20 is always on. */
static uint64_t reset_system_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	(void)vcpu, (void)device, (void)offset, (void)size;
	return SYSTEM_CONTROL_A20;
}

static void reset_system_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			       uint64_t value)
{
	(void)vcpu, (void)offset, (void)size;
	if (value & SYSTEM_CONTROL_RESET)
		vm_restart(device, "reset by the guest");
}

uint8_t reset_control_write(struct vm *vm, uint8_t old, uint8_t value)
{
	if ((value & RESET_CONTROL_CPU) && !(old & RESET_CONTROL_CPU))
		vm_restart(vm, "reset by the guest");
	return value & RESET_CONTROL_KEPT;
}

static const struct bus_ops kbd_data_ops = {reset_kbd_read, reset_kbd_data_write};
static const struct bus_ops kbd_command_ops = {reset_kbd_read, reset_kbd_command_write};
static const struct bus_ops system_ops = {reset_system_read, reset_system_write};

static int reset_create(struct vdev *vdev)
{
	struct bus *ports = &vdev->vm->ports;
	int result = bus_claim(ports, PORT_KBD_DATA, 1, &kbd_data_ops, vdev->vm);

	if (result == 0)
		result = bus_claim(ports, PORT_KBD_COMMAND, 1, &kbd_command_ops, vdev->vm);
	if (result == 0)
		result = bus_claim(ports, PORT_SYSTEM_CONTROL, 1, &system_ops, vdev->vm);
	return result;
}

static void reset_reset(struct vdev *vdev)
{
	(void)vdev; /* it has no state */
}

static void reset_destroy(struct vdev *vdev)
{
	(void)vdev;
}

const struct vdev_type reset_vdev = {
	.name = "reset",
	.create = reset_create,
	.reset = reset_reset,
	.destroy = reset_destroy,
};
