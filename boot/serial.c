/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which UART is the console and how its interrupt comes: brings together the ACPI tables, the I/O
 * APIC and drivers/uart16550.c.
 */
#include "boot/serial.h"

#include "arch/x86/acpi.h"
#include "arch/x86/fault.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/vectors.h"
#include "drivers/uart16550.h"
#include "vmm/console.h"
#include "vmm/cpu.h"
#include "vmm/log.h"
#include "vmm/platform.h"
#include "vmm/timer.h"

#define COM1_PORT 0x3f8
#define COM1_IRQ  4

/* A FIFO of 16 bytes fills in 1.4 ms; a person types slower. */
#define POLL_NS 5000000

#define ACCESS_SIZE_32 3
#define REGISTER_BITS  32

static bool by_spcr;

static struct uart16550_config spcr_uart(const struct acpi_spcr *spcr)
{
	return (struct uart16550_config){
		.memory = spcr->address.space == ACPI_SPACE_MEMORY,
		.wide = spcr->address.access_size == ACCESS_SIZE_32 ||
			spcr->address.bit_width == REGISTER_BITS,
		.address = spcr->address.address,
		.clock_hz = spcr->clock_hz,
	};
}

/* The firmware's console where there is one, else COM1. */
static bool find_uart(const struct acpi_info *acpi)
{
	static const struct uart16550_config com1 = {.guessed = true, .address = COM1_PORT};

	if (acpi->spcr.present) {
		struct uart16550_config config = spcr_uart(&acpi->spcr);

		by_spcr = uart16550_init(&config) == 0;
		if (by_spcr)
			return true;
		log_warning(
			"no 16550 answers at %s 0x%llx, which the SPCR table names: trying COM1",
			config.memory ? "address" : "port", (unsigned long long)config.address);
	}
	return uart16550_init(&com1) == 0;
}

/* Stores where the interrupt arrives; false where nobody knows. */
static bool find_interrupt(const struct acpi_info *acpi, struct acpi_gsi *gsi)
{
	const struct acpi_spcr *spcr = &acpi->spcr;

	if (!by_spcr) {
		*gsi = acpi->isa[COM1_IRQ];
		return true;
	}
	if (spcr->has_irq && spcr->irq != 0 && spcr->irq < ACPI_ISA_IRQS) {
		*gsi = acpi->isa[spcr->irq];
		return true;
	}
	if (!spcr->has_gsi)
		return false;
	/* An ISA interrupt signals as the MADT says, any other like PCI. */
	for (unsigned irq = 0; irq < ACPI_ISA_IRQS; irq++) {
		if (acpi->isa[irq].gsi == spcr->gsi) {
			*gsi = acpi->isa[irq];
			return true;
		}
	}
	*gsi = (struct acpi_gsi){.gsi = spcr->gsi, .level = true, .low = true};
	return true;
}

/* Bytes came, or there is room again: the boot CPU's loop moves them. */
static void on_interrupt(void)
{
	uart16550_interrupt();
	cpu_kick(cpus[0]);
}

/* Without an interrupt nothing would end the boot CPU's idling for a typed byte. */
static void on_poll_timer(struct timer *timer)
{
	uart16550_poll();
	timer_arm(&cpus[0]->timers, timer, platform_now() + timer_ns_to_ticks(POLL_NS));
}

static void start_polling(void)
{
	static struct timer timer;

	uart16550_start_polling();
	timer_init(&timer, on_poll_timer);
	timer_arm(&cpus[0]->timers, &timer, platform_now());
}

void serial_init(const struct acpi_info *acpi)
{
	if (!find_uart(acpi)) {
		log_warning("no serial port was found: there is no management console");
		return;
	}
	fault_set_output(uart16550_panic_write);
	console_init(&uart16550_line);
}

void serial_start_interrupts(const struct acpi_info *acpi)
{
	struct acpi_gsi gsi;

	if (find_interrupt(acpi, &gsi) && ioapic_connect(&gsi, VECTOR_UART, on_interrupt) == 0) {
		uart16550_start_interrupts();
		return;
	}
	log_warning("the serial port's interrupt cannot be had: it is polled");
	start_polling();
}
