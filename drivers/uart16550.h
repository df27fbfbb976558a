/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's serial line: a 16550 (or 16450, 8250) at 115200 baud, 8 data bits, no parity. Bytes to
 * send wait in a ring and go out by interrupt, or by polling where there is none, so that a slow
 * line never holds a CPU up. National Semiconductor PC16550D data sheet.
 */
#pragma once

#include "vmm/console.h"
#include "vmm/types.h"

#define UART16550_TX_RING_BYTES (64 * 1024)
#define UART16550_RX_RING_BYTES 1024

struct uart16550_config {
	bool memory;	   /* registers are in memory, else ports */
	bool wide;	   /* registers are 32 bits apart and accessed so */
	bool guessed;	   /* nobody says that it is there: test it thoroughly */
	uint64_t address;  /* physical address or port */
	uint32_t clock_hz; /* of its baud generator; 0: the usual 1.8432 MHz for a port, and the
			      divisor as firmware left it for memory */
};

/*
 * Looks whether the UART is there and sets it up, interrupts off in it. Until
 * uart16550_start_interrupts() or uart16550_start_polling(), a write waits for the line: what was
 * logged before a crash at boot is out. Errors: -ENODEV (no such UART; everything below then does
 * nothing), -ENOMEM (registers cannot be mapped).
 */
HV_MUST_CHECK int uart16550_init(const struct uart16550_config *config);

/* From now on writes only queue. Interrupts: uart16550_interrupt() is connected to its line.
 * Polling: somebody calls uart16550_poll(), or reads or writes, often. */
void uart16550_start_interrupts(void);
void uart16550_start_polling(void);

/* The handler of its interrupt: moves bytes from and to the rings. */
void uart16550_interrupt(void);

/* The same for who has no interrupt. Any CPU. */
void uart16550_poll(void);

/* For console_init(). Any CPU may write; one reads. */
extern const struct console_line uart16550_line;

/*
 * Prints at once, what is queued first, by polling and without waiting for anybody's lock: for
 * fault reports, with the other CPUs stopped or not. A newline becomes CR LF.
 */
void uart16550_panic_write(const char *text);
