/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/serial.h"

#include "arch/x86/acpi.h"
#include "arch/x86/fault.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/vectors.h"
#include "drivers/uart16550.h"
#include "vmm/console.h"
#include "vmm/cpu.h"
#include "vmm/log.h"

#define COM1_PORT 0x3f8
#define COM1_IRQ 4

/* The SPCR's interface types that are a 16550 or compatible. Microsoft, SPCR table. */
static bool is_16550(const struct acpi_spcr *spcr)
{
	return spcr->interface == 0 || spcr->interface == 1 || spcr->interface == 0x12;
}

static bool spcr_usable(const struct acpi_spcr *spcr)
{
	return spcr->present && is_16550(spcr) && spcr->address.address != 0 &&
	       (spcr->address.space == ACPI_SPACE_IO || spcr->address.space == ACPI_SPACE_MEMORY);
}

static struct uart16550_config find_uart(const struct acpi_info *acpi)
{
	const struct acpi_spcr *spcr = &acpi->spcr;

	if (!spcr_usable(spcr))
		return (struct uart16550_config){.guessed = true, .address = COM1_PORT};
	return (struct uart16550_config){
		.memory = spcr->address.space == ACPI_SPACE_MEMORY,
		.wide = spcr->address.space == ACPI_SPACE_MEMORY && spcr->address.bit_width == 32,
		.address = spcr->address.address,
		.clock_hz = spcr->clock_hz,
	};
}

static struct acpi_gsi find_interrupt(const struct acpi_info *acpi)
{
	const struct acpi_spcr *spcr = &acpi->spcr;

	if (spcr_usable(spcr) && spcr->has_gsi)
		return (struct acpi_gsi){.gsi = spcr->gsi, .level = true, .low = true};
	if (spcr_usable(spcr) && spcr->has_irq && spcr->irq < ACPI_ISA_IRQS)
		return acpi->isa[spcr->irq];
	return acpi->isa[COM1_IRQ];
}

/* Bytes came, or there is room again: the boot CPU's loop moves them. */
static void on_interrupt(void)
{
	uart16550_interrupt();
	cpu_kick(cpus[0]);
}

void serial_init(const struct acpi_info *acpi)
{
	struct uart16550_config config = find_uart(acpi);

	if (uart16550_init(&config) != 0) {
		log_warning("no serial port at 0x%llx: there is no management console",
			    (unsigned long long)config.address);
		return;
	}
	fault_set_output(uart16550_panic_write);
	console_init(&uart16550_line);
}

void serial_start_interrupts(const struct acpi_info *acpi)
{
	struct acpi_gsi gsi = find_interrupt(acpi);
	int error = ioapic_connect(&gsi, VECTOR_UART, on_interrupt);

	if (error != 0) {
		log_warning("the serial port's interrupt (GSI %u) cannot be had (error %d): polling",
			    gsi.gsi, -error);
		uart16550_start_polling();
		return;
	}
	uart16550_start_interrupts();
}
