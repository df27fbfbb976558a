/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. Everything but the panic path holds `lock` while it touches registers or rings.
 */
#include "drivers/uart16550.h"

#include "arch/x86/io.h"
#include "arch/x86/mmio.h"
#include "drivers/byte_ring.h"
#include "vmm/spinlock.h"

#include <errno.h>

/* Registers; the first two are the divisor while LCR_DIVISOR is set. */
#define REG_DATA	 0
#define REG_IER		 1
#define REG_IIR		 2 /* read */
#define REG_FCR		 2 /* write */
#define REG_LCR		 3
#define REG_MCR		 4
#define REG_LSR		 5
#define REG_MSR		 6
#define REG_DIVISOR_LOW	 0
#define REG_DIVISOR_HIGH 1
#define REGISTERS	 8

#define IER_RECEIVED	  0x01
#define IER_TX_EMPTY	  0x02
#define IER_ALL		  0x0f
#define IIR_NONE	  0x01
#define IIR_FIFO	  0xc0
#define FCR_ENABLE	  0x01
#define FCR_CLEAR	  0x06
#define FCR_TRIGGER_8	  0x80
#define LCR_8N1		  0x03
#define LCR_DIVISOR	  0x80
#define MCR_DTR_RTS	  0x03
#define MCR_OUT2	  0x08 /* lets the interrupt out on a PC */
#define MCR_LOOP	  0x10
#define LSR_RECEIVED	  0x01
#define LSR_TX_EMPTY	  0x20 /* holding register or FIFO */
#define LSR_TX_IDLE	  0x40 /* shift register too */
#define MSR_LINES	  0xf0
#define MSR_LOOP_OUT2_RTS 0x90 /* DCD and CTS */

#define NO_DEVICE 0xff

#define BAUD	      115200
#define PORT_CLOCK_HZ 1843200
#define FIFO_BYTES    16

/* A port read takes 1 us or so; 16 bytes at 9600 baud take 17 ms. */
#define LINE_WAIT_READS	 200000
/* An interrupt never looks at more: a UART that is stuck must not keep the CPU. */
#define INTERRUPT_ROUNDS 16
#define RECEIVE_MAX	 256

#define PANIC_LOCK_TRIES 1000000

static struct {
	bool present;
	bool memory, wide;
	bool synchronous; /* writes wait for the line */
	bool interrupts;
	bool sending; /* IER_TX_EMPTY is on */
	uint16_t port;
	volatile uint8_t *registers;
	unsigned fifo_bytes;
} uart;

static struct spinlock lock = SPINLOCK_INIT;
static uint8_t tx_bytes[UART16550_TX_RING_BYTES];
static uint8_t rx_bytes[UART16550_RX_RING_BYTES];
static struct byte_ring tx = {.bytes = tx_bytes, .size = sizeof(tx_bytes)};
static struct byte_ring rx = {.bytes = rx_bytes, .size = sizeof(rx_bytes)};

static uint8_t read_register(unsigned index)
{
	if (!uart.memory)
		return io_in8((uint16_t)(uart.port + index));
	if (uart.wide)
		return (uint8_t)mmio_read32(uart.registers + index * 4);
	return mmio_read8(uart.registers + index);
}

static void write_register(unsigned index, uint8_t value)
{
	if (!uart.memory)
		io_out8((uint16_t)(uart.port + index), value);
	else if (uart.wide)
		mmio_write32(uart.registers + index * 4, value);
	else
		mmio_write8(uart.registers + index, value);
}

/* False where the line stands still. */
static bool wait_for_line(uint8_t bits)
{
	for (int i = 0; i < LINE_WAIT_READS; i++) {
		if ((read_register(REG_LSR) & bits) == bits)
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

/* The low bits of IER can be written, the high ones read as 0. */
static bool has_interrupt_enable(void)
{
	uint8_t zeros, ones;

	write_register(REG_IER, 0);
	zeros = read_register(REG_IER);
	write_register(REG_IER, IER_ALL);
	ones = read_register(REG_IER);
	write_register(REG_IER, 0);
	return (zeros & IER_ALL) == 0 && (ones & IER_ALL) == IER_ALL;
}

/* In loop-back mode the modem outputs are seen at the inputs. */
static bool loops_back(void)
{
	uint8_t lines;

	write_register(REG_MCR, MCR_LOOP | MCR_OUT2 | (MCR_DTR_RTS & 2));
	lines = read_register(REG_MSR) & MSR_LINES;
	write_register(REG_MCR, MCR_DTR_RTS);
	return lines == MSR_LOOP_OUT2_RTS;
}

static void set_divisor(const struct uart16550_config *config)
{
	uint32_t clock = config->clock_hz, divisor;

	if (clock == 0 && !config->memory)
		clock = PORT_CLOCK_HZ;
	divisor = (clock + 8 * BAUD) / (16 * BAUD);
	if (divisor == 0 || divisor > UINT16_MAX) {
		write_register(REG_LCR, LCR_8N1);
		return;
	}
	write_register(REG_LCR, LCR_8N1 | LCR_DIVISOR);
	write_register(REG_DIVISOR_LOW, (uint8_t)divisor);
	write_register(REG_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
	write_register(REG_LCR, LCR_8N1);
}

/* 8250 and 16450 have no FIFO, the first 16550 one that does not work: IIR says only one bit. */
static void set_fifo(void)
{
	write_register(REG_FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_8);
	uart.fifo_bytes = (read_register(REG_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_BYTES : 1;
	if (uart.fifo_bytes == 1)
		write_register(REG_FCR, 0);
}

int uart16550_init(const struct uart16550_config *config)
{
	uart.memory = config->memory;
	uart.wide = config->wide;
	uart.port = (uint16_t)config->address;
	if (config->memory) {
		uart.registers =
			mmio_map(hpa_make(config->address), REGISTERS * (config->wide ? 4 : 1));
		if (!uart.registers)
			return -ENOMEM;
	}
	if (read_register(REG_LSR) == NO_DEVICE || !has_interrupt_enable())
		return -ENODEV;
	if (config->guessed && !loops_back())
		return -ENODEV;
	/* What firmware has sent is still on its way. */
	(void)wait_for_line(LSR_TX_EMPTY | LSR_TX_IDLE);
	set_divisor(config);
	set_fifo();
	write_register(REG_MCR, MCR_DTR_RTS | MCR_OUT2);
	uart.synchronous = true;
	uart.present = true;
	return 0;
}

/* With `lock` held. A full ring loses what comes after, as a full FIFO does. */
static void receive(void)
{
	for (int i = 0; i < RECEIVE_MAX && (read_register(REG_LSR) & LSR_RECEIVED); i++)
		byte_ring_put(&rx, read_register(REG_DATA));
}

/* With `lock` held: fills the transmitter where it is empty; asks to be told when it is again. */
static void transmit(void)
{
	bool more;
	int byte;

	if (read_register(REG_LSR) & LSR_TX_EMPTY) {
		for (unsigned i = 0; i < uart.fifo_bytes && (byte = byte_ring_get(&tx)) >= 0; i++)
			write_register(REG_DATA, (uint8_t)byte);
	}
	more = byte_ring_used(&tx) != 0;
	if (uart.interrupts && more != uart.sending) {
		uart.sending = more;
		write_register(REG_IER, more ? IER_RECEIVED | IER_TX_EMPTY : IER_RECEIVED);
	}
}

/* With `lock` held, or by a panicking CPU. */
static void send_all(void)
{
	while (byte_ring_used(&tx) != 0 && wait_for_line(LSR_TX_EMPTY))
		transmit();
}

void uart16550_poll(void)
{
	if (!uart.present)
		return;
	spin_lock(&lock);
	receive();
	transmit();
	spin_unlock(&lock);
}

/* The line stays asserted while a cause is left: with an edge-triggered input, each must be served
 * before the handler returns. */
void uart16550_interrupt(void)
{
	int rounds = 0;

	if (!uart.present)
		return;
	spin_lock(&lock);
	while (!(read_register(REG_IIR) & IIR_NONE) && rounds++ < INTERRUPT_ROUNDS) {
		receive();
		transmit();
	}
	if (rounds > INTERRUPT_ROUNDS) {
		/* Off and on: another edge for what is left. */
		write_register(REG_IER, 0);
		write_register(REG_IER, uart.sending ? IER_RECEIVED | IER_TX_EMPTY : IER_RECEIVED);
	}
	spin_unlock(&lock);
}

void uart16550_start_interrupts(void)
{
	if (!uart.present)
		return;
	spin_lock(&lock);
	uart.synchronous = false;
	uart.interrupts = true;
	uart.sending = false;
	write_register(REG_IER, IER_RECEIVED);
	transmit();
	spin_unlock(&lock);
}

void uart16550_start_polling(void)
{
	uart.synchronous = false;
}

static size_t line_write(const uint8_t *bytes, size_t length)
{
	size_t written = 0;

	/* Without a UART everything is sent, to nobody. */
	if (!uart.present)
		return length;
	spin_lock(&lock);
	while (written < length) {
		if (byte_ring_put(&tx, bytes[written])) {
			written++;
			continue;
		}
		if (uart.synchronous)
			send_all();
		/* Full, and the line stands still. */
		if (byte_ring_free(&tx) == 0)
			break;
	}
	if (uart.synchronous)
		send_all();
	else if (!uart.sending)
		transmit();
	spin_unlock(&lock);
	return written;
}

static size_t line_room(void)
{
	return uart.present ? byte_ring_free(&tx) : SIZE_MAX;
}

static int line_read(void)
{
	int byte;

	if (!uart.present)
		return -1;
	spin_lock(&lock);
	if (!uart.interrupts) {
		receive();
		transmit();
	}
	byte = byte_ring_get(&rx);
	spin_unlock(&lock);
	return byte;
}

static bool line_readable(void)
{
	if (!uart.present)
		return false;
	if (!uart.interrupts)
		uart16550_poll();
	return byte_ring_used(&rx) != 0;
}

/* Gives up when the line stands still. */
static void line_flush(void)
{
	if (!uart.present)
		return;
	spin_lock(&lock);
	send_all();
	(void)wait_for_line(LSR_TX_EMPTY | LSR_TX_IDLE);
	spin_unlock(&lock);
}

const struct console_line uart16550_line = {
	.write = line_write,
	.room = line_room,
	.read = line_read,
	.readable = line_readable,
	.flush = line_flush,
};

/* The lock's owner may be a stopped CPU, or this one: after a while it is no longer waited for. */
void uart16550_panic_write(const char *text)
{
	uint32_t ticket = atomic_load(&lock.next);

	if (!uart.present)
		return;
	for (int i = 0; i < PANIC_LOCK_TRIES && atomic_load(&lock.serving) != ticket; i++)
		__builtin_ia32_pause();
	send_all();
	for (; *text != '\0'; text++) {
		if (*text == '\n' && wait_for_line(LSR_TX_EMPTY))
			write_register(REG_DATA, '\r');
		if (wait_for_line(LSR_TX_EMPTY))
			write_register(REG_DATA, (uint8_t)*text);
	}
}
