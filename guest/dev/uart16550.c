/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550A; see uart16550.h. Register names and the section numbers are the PC16550D's.
 *
 * Locking: `lock` guards everything. Three hot accesses do without: reading LSR and MSR while they
 * have nothing to clear, and sending a byte while transmit interrupts are off (what a console does
 * that polls). Console input arrives on other CPUs through uart_input_ready(), which the console
 * calls with no lock held.
 */
#include "guest/dev/uart16550.h"

#include "vmm/bus.h"
#include "vmm/console.h"
#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define UART_PORTS 8
#define FIFO_SIZE  16

enum uart_register {
	UART_DATA = 0, /* RBR, THR; DLL with DLAB */
	UART_IER = 1,  /* DLM with DLAB */
	UART_IIR = 2,  /* FCR when written */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCR = 7
};

#define IER_RECEIVED (1u << 0)
#define IER_TRANSMIT (1u << 1)
#define IER_LINE     (1u << 2)
#define IER_MODEM    (1u << 3)
#define IER_MASK     0x0fu

#define IIR_NONE     0x01u
#define IIR_MODEM    0x00u
#define IIR_TRANSMIT 0x02u
#define IIR_RECEIVED 0x04u
#define IIR_LINE     0x06u
#define IIR_TIMEOUT  0x0cu
#define IIR_FIFOS    0xc0u

#define FCR_ENABLE	 (1u << 0)
#define FCR_RESET_RX	 (1u << 1)
#define FCR_TRIGGER(fcr) ((fcr) >> 6 & 3)
#define FCR_KEPT	 (FCR_ENABLE | 3u << 6)

#define LCR_DLAB (1u << 7)

#define MCR_DTR	 (1u << 0)
#define MCR_RTS	 (1u << 1)
#define MCR_OUT1 (1u << 2)
#define MCR_OUT2 (1u << 3) /* on a PC: lets the interrupt through to the bus */
#define MCR_LOOP (1u << 4)
#define MCR_MASK 0x1fu

#define LSR_DATA    (1u << 0)
#define LSR_OVERRUN (1u << 1)
#define LSR_ERRORS  0x1eu
#define LSR_SENT    0x60u /* THRE and TEMT */

#define MSR_DELTAS 0x0fu
#define MSR_CTS	   (1u << 4)
#define MSR_DSR	   (1u << 5)
#define MSR_RI	   (1u << 6)
#define MSR_DCD	   (1u << 7)
#define MSR_RI_BIT 2 /* of the deltas: trailing edge only */

#define DIVISOR_9600 12

struct uart {
	struct spinlock lock;
	struct vm *vm;
	_Atomic uint8_t ier;
	_Atomic uint8_t lcr;
	_Atomic uint8_t mcr;
	_Atomic uint8_t lsr;
	_Atomic uint8_t msr;
	uint8_t fcr;
	uint8_t scr;
	uint8_t divisor[2];
	uint8_t thr_empty_pending; /* the transmit interrupt waits to be told */
	uint8_t line_level;	   /* of the interrupt, as last given to the bus */
	uint8_t rx_count;
	uint8_t rx[FIFO_SIZE]; /* oldest first */
};

static const struct vdev_field uart_fields[] = {
	VDEV_FIELD(struct uart, ier),
	VDEV_FIELD(struct uart, lcr),
	VDEV_FIELD(struct uart, mcr),
	VDEV_FIELD(struct uart, lsr),
	VDEV_FIELD(struct uart, msr),
	VDEV_FIELD(struct uart, fcr),
	VDEV_FIELD(struct uart, scr),
	VDEV_ARRAY(struct uart, divisor),
	VDEV_FIELD(struct uart, thr_empty_pending),
	VDEV_FIELD(struct uart, rx_count),
	VDEV_ARRAY(struct uart, rx),
};

/* ---- all below until the registers: with the lock held ---- */

static unsigned uart_rx_capacity(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned uart_rx_trigger(const struct uart *uart)
{
	static const uint8_t levels[] = {1, 4, 8, 14};

	return uart->fcr & FCR_ENABLE ? levels[FCR_TRIGGER(uart->fcr)] : 1;
}

/* The interrupt of highest priority, as IIR says it (8.4.1, table IV). */
static uint8_t uart_interrupt(const struct uart *uart)
{
	uint8_t ier = uart->ier;

	if ((ier & IER_LINE) && (uart->lsr & LSR_ERRORS))
		return IIR_LINE;
	/* The line is so fast that a character time-out has always passed. */
	if ((ier & IER_RECEIVED) && uart->rx_count > 0)
		return uart->rx_count >= uart_rx_trigger(uart) ? IIR_RECEIVED : IIR_TIMEOUT;
	if ((ier & IER_TRANSMIT) && uart->thr_empty_pending)
		return IIR_TRANSMIT;
	if ((ier & IER_MODEM) && (uart->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

static void uart_update_line(struct uart *uart)
{
	bool gate = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
	bool level = gate && uart_interrupt(uart) != IIR_NONE;

	if (level == uart->line_level)
		return;
	uart->line_level = level;
	vm_irq_set(uart->vm, GSI_COM1, level);
}

static void uart_rx_push(struct uart *uart, uint8_t byte)
{
	if (uart->rx_count == uart_rx_capacity(uart)) {
		/* In FIFO mode the new byte is lost, without it the old one (8.4.1). Only a
		 * guest that talks to itself in loopback gets here. */
		uart->lsr |= LSR_OVERRUN;
		if (uart->rx_count == 1)
			uart->rx[0] = byte;
		return;
	}
	uart->rx[uart->rx_count++] = byte;
	uart->lsr |= LSR_DATA;
}

static uint8_t uart_rx_pop(struct uart *uart)
{
	uint8_t byte = uart->rx[0];

	if (uart->rx_count == 0)
		return 0;
	uart->rx_count--;
	memmove(&uart->rx[0], &uart->rx[1], uart->rx_count);
	if (uart->rx_count == 0)
		uart->lsr &= (uint8_t)~LSR_DATA;
	return byte;
}

/* Takes what was typed, as far as there is room. In loopback the line is disconnected. */
static void uart_rx_fill(struct uart *uart)
{
	while (!(uart->mcr & MCR_LOOP) && uart->rx_count < uart_rx_capacity(uart)) {
		int byte = vm_console_get(&uart->vm->console);

		if (byte < 0)
			return;
		uart_rx_push(uart, (uint8_t)byte);
	}
}

/* The modem's lines: all well while connected, our own outputs in loopback (8.6). */
static void uart_update_modem(struct uart *uart)
{
	uint8_t mcr = uart->mcr, old = uart->msr, deltas;
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;

	if (mcr & MCR_LOOP) {
		lines = (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
				  (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
	}
	deltas = (uint8_t)((old ^ lines) >> 4);
	if (lines & MSR_RI)
		deltas &= (uint8_t) ~(1u << MSR_RI_BIT);
	uart->msr = (uint8_t)(lines | (old & MSR_DELTAS) | deltas);
}

static uint8_t uart_read_iir(struct uart *uart)
{
	uint8_t iir = uart_interrupt(uart);

	/* Being told of it is what ends a transmit interrupt. */
	if (iir == IIR_TRANSMIT)
		uart->thr_empty_pending = 0;
	return (uint8_t)(iir | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t uart_read_locked(struct uart *uart, enum uart_register reg)
{
	uint8_t value = 0;

	switch (reg) {
	case UART_DATA:
		value = uart_rx_pop(uart);
		uart_rx_fill(uart);
		break;
	case UART_IIR:
		value = uart_read_iir(uart);
		break;
	case UART_LSR:
		value = uart->lsr;
		uart->lsr &= (uint8_t)~LSR_ERRORS;
		break;
	case UART_MSR:
		value = uart->msr;
		uart->msr &= (uint8_t)~MSR_DELTAS;
		break;
	default:
		break;
	}
	return value;
}

static void uart_write_fcr(struct uart *uart, uint8_t value)
{
	/* Switching the FIFOs on or off empties them, and the other bits count only with them on
	 * (8.5). */
	bool toggled = (uart->fcr ^ value) & FCR_ENABLE;

	if (toggled || ((value & FCR_ENABLE) && (value & FCR_RESET_RX))) {
		uart->rx_count = 0;
		uart->lsr &= (uint8_t)~LSR_DATA;
	}
	uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	uart_rx_fill(uart);
}

static void uart_write_ier(struct uart *uart, uint8_t value)
{
	/* Allowing transmit interrupts while the holding register is empty, as it always is here,
	 * raises one. */
	if ((value & IER_TRANSMIT) && !(uart->ier & IER_TRANSMIT))
		uart->thr_empty_pending = 1;
	uart->ier = value & IER_MASK;
}

static void uart_write_locked(struct uart *uart, enum uart_register reg, uint8_t value)
{
	switch (reg) {
	case UART_DATA: /* what is sent was passed on by the caller */
		if (uart->mcr & MCR_LOOP)
			uart_rx_push(uart, value);
		uart->thr_empty_pending = 1;
		break;
	case UART_IER:
		uart_write_ier(uart, value);
		break;
	case UART_IIR:
		uart_write_fcr(uart, value);
		break;
	case UART_LCR:
		uart->lcr = value;
		break;
	case UART_MCR:
		uart->mcr = value & MCR_MASK;
		uart_update_modem(uart);
		uart_rx_fill(uart);
		break;
	default:
		break;
	}
}

/* ---- registers ---- */

static uint64_t uart_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct uart *uart = device;
	enum uart_register reg = (enum uart_register)offset;
	uint8_t value;

	(void)vcpu;
	(void)size;
	if (reg == UART_LSR && !((value = uart->lsr) & LSR_ERRORS))
		return value;
	if (reg == UART_MSR && !((value = uart->msr) & MSR_DELTAS))
		return value;
	if (reg == UART_LCR)
		return uart->lcr;
	if (reg == UART_MCR)
		return uart->mcr;
	if (reg == UART_SCR)
		return uart->scr;
	if (reg <= UART_IER && (uart->lcr & LCR_DLAB))
		return uart->divisor[reg];
	if (reg == UART_IER)
		return uart->ier;
	spin_lock(&uart->lock);
	value = uart_read_locked(uart, reg);
	uart_update_line(uart);
	spin_unlock(&uart->lock);
	return value;
}

static void uart_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct uart *uart = device;
	enum uart_register reg = (enum uart_register)offset;
	uint8_t byte = (uint8_t)value;

	(void)vcpu;
	(void)size;
	if (reg == UART_SCR) {
		uart->scr = byte;
		return;
	}
	if (reg <= UART_IER && (uart->lcr & LCR_DLAB)) {
		uart->divisor[reg] = byte;
		return;
	}
	if (reg == UART_DATA && !(uart->mcr & MCR_LOOP)) {
		vm_console_put(&uart->vm->console, byte);
		if (!(uart->ier & IER_TRANSMIT))
			return;
	}
	spin_lock(&uart->lock);
	uart_write_locked(uart, reg, byte);
	uart_update_line(uart);
	spin_unlock(&uart->lock);
}

/* Eight byte-wide registers: wider accesses reach them one by one, as on an ISA bus. */
static uint64_t uart_bus_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	if (size == 1)
		return uart_read(vcpu, device, offset, 1);
	for (unsigned i = 0; i < size; i++)
		value |= uart_read(vcpu, device, offset + i, 1) << (8 * i);
	return value;
}

static void uart_bus_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			   uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		uart_write(vcpu, device, offset + i, 1, value >> (8 * i) & 0xff);
}

static const struct bus_ops uart_bus_ops = {.read = uart_bus_read, .write = uart_bus_write};

static void uart_input_ready(void *device)
{
	struct uart *uart = device;

	spin_lock(&uart->lock);
	uart_rx_fill(uart);
	uart_update_line(uart);
	spin_unlock(&uart->lock);
}

/* ---- life ---- */

static void uart_reset(struct vdev *vdev)
{
	struct uart *uart = vdev->state;

	spin_lock(&uart->lock);
	uart->ier = 0;
	uart->lcr = 0;
	uart->mcr = 0;
	uart->lsr = LSR_SENT;
	uart->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	uart->fcr = 0;
	uart->scr = 0;
	uart->divisor[0] = DIVISOR_9600;
	uart->divisor[1] = 0;
	uart->thr_empty_pending = 0;
	uart->rx_count = 0;
	uart_update_line(uart);
	spin_unlock(&uart->lock);
}

static int uart_create(struct vdev *vdev)
{
	struct uart *uart = hv_alloc(sizeof(*uart));
	int result;

	if (!uart)
		return -ENOMEM;
	uart->vm = vdev->vm;
	result = bus_claim(&vdev->vm->ports, PORT_COM1, UART_PORTS, &uart_bus_ops, uart);
	if (result != 0) {
		hv_free(uart);
		return result;
	}
	vdev->state = uart;
	uart_reset(vdev);
	vm_console_set_device(&vdev->vm->console, uart_input_ready, uart);
	return 0;
}

static void uart_destroy(struct vdev *vdev)
{
	vm_console_set_device(&vdev->vm->console, NULL, NULL);
	hv_free(vdev->state);
	vdev->state = NULL;
}

/* A restored device raises its line anew and looks what was typed. */
static void uart_restored(struct vdev *vdev)
{
	struct uart *uart = vdev->state;

	uart->rx_count = (uint8_t)min_u64(uart->rx_count, FIFO_SIZE);
	uart->line_level = 0;
	uart_input_ready(uart);
}

const struct vdev_type uart16550_vdev = {
	.name = "uart16550",
	.create = uart_create,
	.reset = uart_reset,
	.destroy = uart_destroy,
	.fields = uart_fields,
	.field_count = ARRAY_SIZE(uart_fields),
	.restored = uart_restored,
};
