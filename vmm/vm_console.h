/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's side of its console: a ring of what the guest printed and a queue of what was typed to it.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/spinlock.h"
#include "vmm/types.h"

#define VM_CONSOLE_RING_BYTES  (64 * 1024)
#define VM_CONSOLE_INPUT_BYTES 256

struct vm_console {
	struct spinlock lock;
	uint8_t *ring;	  /* VM_CONSOLE_RING_BYTES */
	uint64_t written; /* bytes ever printed; modulo the ring's size the place of the next */
	_Atomic bool attached; /* the host's line shows it */
	uint8_t input[VM_CONSOLE_INPUT_BYTES];
	uint32_t input_head; /* bytes ever typed */
	uint32_t input_tail; /* bytes ever taken */
	void (*input_ready)(void *device);
	void *device;
};

/* Errors: -ENOMEM. */
HV_MUST_CHECK int vm_console_init(struct vm_console *console);
void vm_console_destroy(struct vm_console *console);

/* The guest prints a byte. Any CPU. */
void vm_console_put(struct vm_console *console, uint8_t byte);

/* The guest's UART takes a typed byte, -1 where there is none. */
int vm_console_get(struct vm_console *console);

/* Somebody types to the guest; returns false where its queue is full. */
bool vm_console_type(struct vm_console *console, uint8_t byte);

/* Who hears of new input: the guest's UART, or NULL. */
void vm_console_set_device(struct vm_console *console, void (*input_ready)(void *device),
			   void *device);

/*
 * Copies what was printed from position *from on (bytes ever printed), at most `size` bytes, and
 * moves *from behind it. Returns how many; *lost says how many were overwritten before they were
 * read.
 */
size_t vm_console_read(struct vm_console *console, uint64_t *from, uint8_t *to, size_t size,
		       uint64_t *lost);
