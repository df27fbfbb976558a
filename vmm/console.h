/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Consoles: each VM has a ring of what its guest printed and a queue of what was typed to it; the
 * multiplexer shows either the management shell or one VM on the host's serial line. A guest never
 * waits for the line: what it prints faster than the line takes is kept in its ring, and skipped
 * (and said so) where the ring laps.
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
	uint64_t written; /* bytes ever printed; position in the ring is modulo its size */
	uint8_t input[VM_CONSOLE_INPUT_BYTES];
	uint32_t input_head, input_tail;
	/* The guest's UART hears of new input; set by the device, NULL while there is none. */
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

/* Who listens for input: the guest's UART, or NULL. */
void vm_console_set_device(struct vm_console *console, void (*input_ready)(void *device),
			   void *device);

/*
 * The host's line: what the multiplexer prints to and reads from. drivers/uart16550.c gives one;
 * tests fake it.
 */
struct console_line {
	/* Queues bytes for sending; returns how many fitted (0 where the queue is full). */
	size_t (*write)(const uint8_t *bytes, size_t length);
	/* The next received byte, or -1. */
	int (*read)(void);
};

void console_init(const struct console_line *line);

/* Prints to the management console (kept while a VM is attached, and shown after). Any CPU. */
HV_PRINTF(1, 2) void console_printf(const char *format, ...);

/* One log or event line, which does not disturb the line that the user is typing. Any CPU. */
void console_notice(const char *line);

/* Moves bytes: typed ones to the shell or the attached VM, printed ones to the line. Boot CPU, in
 * each round of cpu_main(). */
void console_pump(void);

/* True where console_pump() has something to do. Any CPU. */
bool console_busy(void);

struct vm;
/* Attaches the line to a VM's console until Ctrl-]; its ring is replayed first. */
void console_attach(struct vm *vm);
/* Detaches where that VM is attached (it is being deleted). */
void console_detach(struct vm *vm);
