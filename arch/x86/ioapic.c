/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. */
#include "arch/x86/ioapic.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/idt.h"
#include "arch/x86/mmio.h"
#include "arch/x86/percpu.h"
#include "arch/x86/pic8259.h"
#include "arch/x86/vectors.h"
#include "vmm/log.h"
#include "vmm/spinlock.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <stdatomic.h>

/* Registers are reached through an index and a data window. */
#define IOAPIC_INDEX  0x00
#define IOAPIC_DATA   0x10
#define IOAPIC_LENGTH 0x20

#define REGISTER_VERSION       0x01
#define REGISTER_ROUTE_LOW(n)  (0x10 + 2 * (n))
#define REGISTER_ROUTE_HIGH(n) (0x11 + 2 * (n))
#define VERSION_PINS(version)  (((version) >> 16 & 0xff) + 1)
#define NO_DEVICE	       0xffffffffu

/* Redirection table entry. */
#define ROUTE_DELIVERY(low) ((low) >> 8 & 7)
#define ROUTE_SMI	    2
#define ROUTE_LOW	    (1u << 13)
#define ROUTE_LEVEL	    (1u << 15)
#define ROUTE_MASKED	    (1u << 16)
#define ROUTE_DESTINATION   24

#define DESTINATION_MAX 0xff

struct ioapic {
	volatile uint8_t *registers;
	uint32_t gsi_base;
	uint32_t pins;
};

/* Guards the index registers: a read or write takes two accesses. */
static struct spinlock ioapic_lock = SPINLOCK_INIT;
static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned ioapic_count;

static void (*handlers[256])(void);

static uint32_t read_register(const struct ioapic *ioapic, uint32_t index)
{
	mmio_write32(ioapic->registers + IOAPIC_INDEX, index);
	return mmio_read32(ioapic->registers + IOAPIC_DATA);
}

static void write_register(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
	mmio_write32(ioapic->registers + IOAPIC_INDEX, index);
	mmio_write32(ioapic->registers + IOAPIC_DATA, value);
}

static const struct ioapic *find(uint32_t gsi)
{
	for (unsigned i = 0; i < ioapic_count; i++) {
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].pins)
			return &ioapics[i];
	}
	return NULL;
}

/* Edge-triggered in between, which clears a remote IRR that firmware left. Inputs that firmware
 * uses for SMIs stay. */
static void mask_all(const struct ioapic *ioapic)
{
	for (uint32_t pin = 0; pin < ioapic->pins; pin++) {
		uint32_t low = read_register(ioapic, REGISTER_ROUTE_LOW(pin));

		if (ROUTE_DELIVERY(low) != ROUTE_SMI)
			write_register(ioapic, REGISTER_ROUTE_LOW(pin), ROUTE_MASKED);
	}
}

static void add(const struct acpi_ioapic *entry)
{
	struct ioapic *ioapic = &ioapics[ioapic_count];
	uint32_t version;

	ioapic->registers = mmio_map(hpa_make(entry->address), IOAPIC_LENGTH);
	if (!ioapic->registers) {
		log_warning("ioapic: cannot map 0x%llx", (unsigned long long)entry->address);
		return;
	}
	version = read_register(ioapic, REGISTER_VERSION);
	if (version == NO_DEVICE) {
		log_warning("ioapic: nothing answers at 0x%llx",
			    (unsigned long long)entry->address);
		return;
	}
	ioapic->gsi_base = entry->gsi_base;
	ioapic->pins = VERSION_PINS(version);
	mask_all(ioapic);
	ioapic_count++;
	log_info("ioapic: GSI %u to %u at 0x%llx", ioapic->gsi_base,
		 ioapic->gsi_base + ioapic->pins - 1, (unsigned long long)entry->address);
}

void ioapic_init(const struct acpi_info *acpi)
{
	static const struct acpi_ioapic usual = {.address = IOAPIC_DEFAULT_BASE};

	pic8259_disable();
	for (unsigned i = 0; i < acpi->ioapic_count; i++)
		add(&acpi->ioapics[i]);
	if (!acpi->has_madt)
		add(&usual);
}

int ioapic_route(const struct acpi_gsi *gsi, uint8_t vector, uint32_t apic_id)
{
	const struct ioapic *ioapic = find(gsi->gsi);
	uint32_t low = vector | (gsi->level ? ROUTE_LEVEL : 0) | (gsi->low ? ROUTE_LOW : 0);
	uint32_t pin;

	if (!ioapic)
		return -ENOENT;
	if (apic_id > DESTINATION_MAX)
		return -ERANGE;
	pin = gsi->gsi - ioapic->gsi_base;
	spin_lock(&ioapic_lock);
	write_register(ioapic, REGISTER_ROUTE_LOW(pin), low | ROUTE_MASKED);
	write_register(ioapic, REGISTER_ROUTE_HIGH(pin), apic_id << ROUTE_DESTINATION);
	write_register(ioapic, REGISTER_ROUTE_LOW(pin), low);
	spin_unlock(&ioapic_lock);
	return 0;
}

void ioapic_mask(uint32_t gsi)
{
	const struct ioapic *ioapic = find(gsi);
	uint32_t pin, low;

	if (!ioapic)
		return;
	pin = gsi - ioapic->gsi_base;
	spin_lock(&ioapic_lock);
	low = read_register(ioapic, REGISTER_ROUTE_LOW(pin));
	write_register(ioapic, REGISTER_ROUTE_LOW(pin), low | ROUTE_MASKED);
	spin_unlock(&ioapic_lock);
}

/*
 * For every connected vector. Handlers are not nested, so the highest vector in service is the one
 * that came. Ended first: an edge that comes while the handler runs is then remembered, and a level
 * interrupt is sent again only where the handler leaves it asserted.
 */
static void handle_device(void)
{
	int vector = apic_vector_in_service();

	apic_eoi();
	if (vector >= 0 && handlers[vector])
		handlers[vector]();
	/* What it found is work for the run loop. */
	atomic_store(&this_cpu()->attention, true);
}

int ioapic_connect(const struct acpi_gsi *gsi, uint8_t vector, void (*handler)(void))
{
	if (vector < VECTOR_DEVICE_FIRST || vector > VECTOR_DEVICE_LAST)
		return -EINVAL;
	handlers[vector] = handler;
	interrupt_set_handler(vector, handle_device);
	return ioapic_route(gsi, vector, apic_id());
}
