/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual device of a VM. Each kind is one file in guest/dev with one struct vdev_type, listed in
 * guest/dev/devices.c. A device's savable state is described by a table of fields, so that saving
 * and restoring is written once.
 */
#pragma once

#include "vmm/types.h"

#define VDEVS_MAX 32

struct vm;
struct vdev;

/* One field of a device's state struct: an integer of 1, 2, 4 or 8 bytes, or an array of them. */
struct vdev_field {
	const char *name;
	uint32_t offset;
	uint16_t size;
	uint16_t count;
};

#define VDEV_FIELD(type, member)                                                \
	{                                                                       \
#member, offsetof(type, member), sizeof(((type *)0)->member), 1 \
	}
#define VDEV_ARRAY(type, member)                                                 \
	{                                                                        \
#member, offsetof(type, member), sizeof(((type *)0)->member[0]), \
			ARRAY_SIZE(((type *)0)->member)                          \
	}

struct vdev_type {
	const char *name;
	/* Makes the device of a VM: allocates vdev->state, claims ports, MMIO and lines. Errors:
	 * negative errno. */
	int (*create)(struct vdev *vdev);
	/* As after power-on. */
	void (*reset)(struct vdev *vdev);
	/* Stops timers and frees. */
	void (*destroy)(struct vdev *vdev);
	/* What is saved; restored() then arms timers and lines from it (may be NULL). */
	const struct vdev_field *fields;
	unsigned field_count;
	void (*restored)(struct vdev *vdev);
};

struct vdev {
	const struct vdev_type *type;
	struct vm *vm;
	void *state;
	/* Where a device has one state for each vCPU: how many (0: a single one), and the bytes
	 * from one to the next. */
	unsigned instances;
	uint32_t stride;
};

/*
 * Saves a device: gives every field as one line "rtc.index = 12" or, with instances,
 * "lapic.1.isr = 0 0 80 0" to `put`. Numbers are hexadecimal. While the VM does not run.
 */
void vdev_save(const struct vdev *vdev, void (*put)(void *context, const char *line),
	       void *context);

/*
 * Stores one such line (a NUL ends it) into the device. Errors: -ENOENT where it is another
 * device's, or names a field or instance that is not there; -EINVAL where its values are not as
 * many numbers as the field takes, each of its size. After all lines, type->restored() is called.
 */
HV_MUST_CHECK int vdev_restore_line(struct vdev *vdev, const char *line);
