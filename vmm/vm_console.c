/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm_console.h"

#include "vmm/console.h"
#include "vmm/heap.h"

#include <errno.h>

int vm_console_init(struct vm_console *console)
{
	console->lock = (struct spinlock)SPINLOCK_INIT;
	console->ring = hv_alloc(VM_CONSOLE_RING_BYTES);
	return console->ring == NULL ? -ENOMEM : 0;
}

void vm_console_destroy(struct vm_console *console)
{
	hv_free(console->ring);
	console->ring = NULL;
}

void vm_console_put(struct vm_console *console, uint8_t byte)
{
	spin_lock(&console->lock);
	console->ring[console->written++ % VM_CONSOLE_RING_BYTES] = byte;
	spin_unlock(&console->lock);
	if (atomic_load_explicit(&console->attached, memory_order_relaxed))
		console_guest_output();
}

int vm_console_get(struct vm_console *console)
{
	int byte = -1;

	spin_lock(&console->lock);
	if (console->input_tail != console->input_head)
		byte = console->input[console->input_tail++ % VM_CONSOLE_INPUT_BYTES];
	spin_unlock(&console->lock);
	return byte;
}

bool vm_console_type(struct vm_console *console, uint8_t byte)
{
	void (*input_ready)(void *device);
	void *device;
	bool taken = false;

	spin_lock(&console->lock);
	if (console->input_head - console->input_tail < VM_CONSOLE_INPUT_BYTES) {
		console->input[console->input_head++ % VM_CONSOLE_INPUT_BYTES] = byte;
		taken = true;
	}
	input_ready = console->input_ready;
	device = console->device;
	spin_unlock(&console->lock);
	/* The device locks itself and takes the byte with vm_console_get(): not under our lock. */
	if (taken && input_ready != NULL)
		input_ready(device);
	return taken;
}

void vm_console_set_device(struct vm_console *console, void (*input_ready)(void *device),
			   void *device)
{
	spin_lock(&console->lock);
	console->input_ready = input_ready;
	console->device = device;
	spin_unlock(&console->lock);
}

size_t vm_console_read(struct vm_console *console, uint64_t *from, uint8_t *to, size_t size,
		       uint64_t *lost)
{
	uint64_t oldest;
	size_t count = 0;

	*lost = 0;
	spin_lock(&console->lock);
	oldest = console->written - min_u64(console->written, VM_CONSOLE_RING_BYTES);
	if (*from < oldest) {
		*lost = oldest - *from;
		*from = oldest;
	}
	while (count < size && *from < console->written)
		to[count++] = console->ring[(*from)++ % VM_CONSOLE_RING_BYTES];
	spin_unlock(&console->lock);
	return count;
}
