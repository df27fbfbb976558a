/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's console: one serial line that shows either the management shell or one VM. A guest
 * never waits for the line: what it prints faster than the line takes is kept in its ring, and
 * skipped (and said so) where the ring laps.
 */
#pragma once

#include "vmm/types.h"

struct vm;

/* The host's line: drivers/uart16550.c gives one; tests fake it. Any CPU may call. */
struct console_line {
	/* Queues bytes for sending; returns how many fitted (0 where the queue is full). */
	size_t (*write)(const uint8_t *bytes, size_t length);
	/* Bytes that write() would take now. */
	size_t (*room)(void);
	/* The next received byte, or -1. Boot CPU only. */
	int (*read)(void);
	/* Whether read() has one. */
	bool (*readable)(void);
	/* Waits until everything queued has been sent, at most about a second: before the machine
	 * goes off. */
	void (*flush)(void);
};

void console_init(const struct console_line *line);

/* Prints text; newlines become CR LF. Kept while a VM is attached, and shown afterwards. Any CPU.
 */
HV_PRINTF(1, 2) void console_printf(const char *format, ...);
void console_write(const char *text);

/* One log or event line, which does not disturb the line that the user is typing. Any CPU. */
void console_notice(const char *line);

/*
 * Moves bytes: typed ones to the shell or the attached VM, printed ones to the line. On the boot
 * CPU, in each round of cpu_main() where console_busy().
 */
void console_pump(void);

/* Whether console_pump() has something to do. Any CPU. */
bool console_busy(void);

/* Sends everything that waits, before the machine goes off. Boot CPU. */
void console_flush(void);

/* Starts the management shell: its prompt appears, and typed bytes are taken. Boot CPU. */
void console_start_shell(void);

/* Attaches the line to a VM's console until Ctrl-]; what its ring holds is shown first. Boot CPU.
 */
void console_attach(struct vm *vm);

/* The VM that is attached, or NULL. */
struct vm *console_attached(void);

/* Back to the shell, after showing what the VM printed last. Boot CPU. */
void console_detach(void);

/* The attached VM printed something. By vm_console_put() only. */
void console_guest_output(void);
