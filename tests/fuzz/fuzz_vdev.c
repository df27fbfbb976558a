/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A saved state that somebody edited, or that a disk spoiled: any lines are offered to every
 * device, which then has to run on whatever they made of it. Input: text, a line each.
 */
#include "guest/dev/devices.h"

#include "../unit/irq_fixture.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 2048

static void restore(struct vm *vm, const char *line)
{
	for (unsigned i = 0; i < vm->vdev_count; i++)
		if (vdev_restore_line(&vm->vdevs[i], line) != -ENOENT)
			return;
}

static void restore_all(struct vm *vm, const uint8_t *data, size_t size)
{
	char line[LINE_MAX_BYTES];
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n' && length < sizeof(line) - 1) {
			line[length++] = (char)data[i];
			continue;
		}
		line[length] = '\0';
		restore(vm, line);
		length = 0;
	}
	for (unsigned i = 0; i < vm->vdev_count; i++)
		if (vm->vdevs[i].type->restored)
			vm->vdevs[i].type->restored(&vm->vdevs[i]);
}

/* What a guest would look at next. */
static void look_around(struct vm *vm)
{
	for (unsigned port = 0; port < 0x1000; port++)
		(void)fixture_in((uint16_t)port);
	for (unsigned offset = 0; offset < 0x400; offset += 16)
		(void)fixture_mmio_read(0, 0xfee00000 + offset);
	for (unsigned i = 0; i < 64; i++) {
		bool blocked;
		int vector = vm->irqs.intc->pending(vm->vcpus[0], &blocked);

		if (vector >= 0 && !blocked)
			(void)vm->irqs.intc->accept(vm->vcpus[0], (uint8_t)vector);
		fixture_mmio_write(0, 0xfee000b0, 0);
		fixture_pass(1000000);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm *vm = fixture_create(2);

	if (vm_console_init(&vm->console) != 0 || devices_create(vm) != 0)
		abort();
	restore_all(vm, data, size);
	look_around(vm);
	devices_destroy(vm);
	vm_console_destroy(&vm->console);
	if (fixture_destroy() != 0)
		abort();
	return 0;
}
