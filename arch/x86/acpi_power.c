/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. The registers are fixed hardware of the chipset: no byte code is executed. */
#include "arch/x86/acpi_power.h"

#include "arch/x86/acpi.h"
#include "arch/x86/control.h"
#include "arch/x86/io.h"
#include "arch/x86/mmio.h"
#include "arch/x86/tsc.h"
#include "vmm/log.h"

/* PM1 control, 4.8.3.2.1. */
#define PM1_SCI_EN	  (1u << 0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK  (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN	  (1u << 13)

/* Sleep control register of hardware-reduced machines, 4.8.3.7. */
#define SLEEP_CONTROL_TYP_SHIFT 2
#define SLEEP_CONTROL_EN	(1u << 5)

#define ENABLE_WAIT_US 3000000
#define ENABLE_STEP_US 1000
#define SLEEP_WAIT_US  1000000
#define RESET_WAIT_US  100000

#define PCI_ADDRESS	   0xcf8
#define PCI_DATA	   0xcfc
#define PCI_ADDRESS_ENABLE (1u << 31)

/* Reset control register of PC chipsets. */
#define RESET_PORT	0xcf9
#define RESET_PORT_HARD 0x02
#define RESET_PORT_CPU	0x04

#define KEYBOARD_PORT	    0x64
#define KEYBOARD_INPUT_FULL 0x02
#define KEYBOARD_RESET	    0xfe
#define KEYBOARD_READS	    100000

/* A register of the FADT, mapped where it is in memory. */
struct power_register {
	struct acpi_address address; /* .address 0: none */
	volatile uint8_t *mapped;
};

static const struct acpi_fadt *fadt;
static struct power_register pm1a, pm1b, reset, sleep_control;

static struct power_register map_register(struct acpi_address address, uint64_t length)
{
	struct power_register result = {.address = address};

	if (address.address != 0 && address.space == ACPI_SPACE_MEMORY) {
		result.mapped = mmio_map(hpa_make(address.address), length);
		if (!result.mapped)
			result.address.address = 0;
	}
	if (address.space > ACPI_SPACE_PCI ||
	    (address.space == ACPI_SPACE_IO && address.address > UINT16_MAX))
		result.address.address = 0;
	return result;
}

/* PM1 control registers have 16 bits (at least). */
static uint16_t read16(const struct power_register *reg)
{
	if (reg->mapped)
		return *(const volatile uint16_t *)reg->mapped;
	return io_in16((uint16_t)reg->address.address);
}

static void write16(const struct power_register *reg, uint16_t value)
{
	if (reg->mapped)
		*(volatile uint16_t *)reg->mapped = value;
	else
		io_out16((uint16_t)reg->address.address, value);
}

static void write_pci8(uint64_t address, uint8_t value)
{
	uint32_t device = address >> 32 & 0x1f, function = address >> 16 & 7;
	uint32_t offset = address & 0xff;

	io_out32(PCI_ADDRESS, PCI_ADDRESS_ENABLE | device << 11 | function << 8 | (offset & ~3u));
	io_out8((uint16_t)(PCI_DATA + (offset & 3)), value);
}

static void write8(const struct power_register *reg, uint8_t value)
{
	if (reg->mapped)
		mmio_write8(reg->mapped, value);
	else if (reg->address.space == ACPI_SPACE_IO)
		io_out8((uint16_t)reg->address.address, value);
	else
		write_pci8(reg->address.address, value);
}

void acpi_power_init(const struct acpi_info *acpi)
{
	fadt = &acpi->fadt;
	pm1a = map_register(fadt->pm1a_control, 2);
	pm1b = map_register(fadt->pm1b_control, 2);
	reset = map_register(fadt->reset, 1);
	sleep_control = map_register(fadt->sleep_control, 1);
}

/* The PM1 registers belong to us only in ACPI mode. 4.8.2.5. */
static void enter_acpi_mode(void)
{
	if ((read16(&pm1a) & PM1_SCI_EN) || fadt->smi_command == 0 || fadt->acpi_enable == 0)
		return;
	io_out8((uint16_t)fadt->smi_command, fadt->acpi_enable);
	for (unsigned waited = 0; waited < ENABLE_WAIT_US; waited += ENABLE_STEP_US) {
		if (read16(&pm1a) & PM1_SCI_EN)
			return;
		tsc_delay_us(ENABLE_STEP_US);
	}
	log_warning("acpi: the machine did not enter ACPI mode");
}

static uint16_t sleep_value(const struct power_register *reg, uint8_t type)
{
	uint32_t value = read16(reg) & ~(PM1_SLP_TYP_MASK | PM1_SLP_EN);

	return (uint16_t)(value | (uint32_t)type << PM1_SLP_TYP_SHIFT);
}

static void sleep_by_pm1(void)
{
	uint16_t a, b = 0;

	enter_acpi_mode();
	a = sleep_value(&pm1a, fadt->sleep_type_a);
	if (pm1b.address.address != 0)
		b = sleep_value(&pm1b, fadt->sleep_type_b);
	/* The type first, then the same with SLP_EN: some chipsets want it so. */
	write16(&pm1a, a);
	if (pm1b.address.address != 0)
		write16(&pm1b, b);
	write16(&pm1a, (uint16_t)(a | PM1_SLP_EN));
	if (pm1b.address.address != 0)
		write16(&pm1b, (uint16_t)(b | PM1_SLP_EN));
}

void acpi_power_off(void)
{
	if (!fadt || !fadt->present || !fadt->has_sleep_types) {
		log_error("acpi: the firmware's tables do not say how to switch this machine off");
		return;
	}
	__asm__ volatile("wbinvd" : : : "memory");
	if (fadt->flags & ACPI_FADT_HARDWARE_REDUCED && sleep_control.address.address != 0)
		write8(&sleep_control,
		       (uint8_t)(fadt->sleep_type_a << SLEEP_CONTROL_TYP_SHIFT | SLEEP_CONTROL_EN));
	else if (pm1a.address.address != 0)
		sleep_by_pm1();
	tsc_delay_us(SLEEP_WAIT_US);
	log_error("acpi: the machine did not switch itself off");
}

static void reset_by_keyboard_controller(void)
{
	for (int i = 0; i < KEYBOARD_READS && (io_in8(KEYBOARD_PORT) & KEYBOARD_INPUT_FULL); i++)
		cpu_pause();
	io_out8(KEYBOARD_PORT, KEYBOARD_RESET);
	tsc_delay_us(RESET_WAIT_US);
}

/* With no IDT an exception cannot be delivered, nor the double fault that follows: shutdown, which
 * resets a PC. */
static void reset_by_triple_fault(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} HV_PACKED no_table = {0, 0};

	__asm__ volatile("lidt %0\n\tint3" : : "m"(no_table) : "memory");
}

void acpi_power_reset(void)
{
	cpu_cli();
	if (reset.address.address != 0) {
		write8(&reset, fadt->reset_value);
		tsc_delay_us(RESET_WAIT_US);
	}
	io_out8(RESET_PORT, RESET_PORT_HARD);
	tsc_delay_us(50);
	io_out8(RESET_PORT, RESET_PORT_HARD | RESET_PORT_CPU);
	tsc_delay_us(RESET_WAIT_US);
	reset_by_keyboard_controller();
	reset_by_triple_fault();
}
