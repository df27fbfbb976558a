/* SPDX-License-Identifier: BSD-2-Clause */
/* A polled 16550 transmitter and nothing else. */
#include "arch/x86/panic_serial.h"

#include "arch/x86/control.h"
#include "arch/x86/io.h"

#define COM1_THR      0x3f8
#define COM1_LSR      0x3fd
#define LSR_THR_EMPTY (1u << 5)

/* Many times what a byte takes at 9600 baud: about 1 ms, a port read about 1 us. */
#define POLLS_MAX 100000

static void panic_serial_put(char c)
{
	for (unsigned i = 0; i < POLLS_MAX && !(io_in8(COM1_LSR) & LSR_THR_EMPTY); i++)
		cpu_pause();
	io_out8(COM1_THR, (uint8_t)c);
}

void panic_serial_write(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			panic_serial_put('\r');
		panic_serial_put(*text);
	}
}
