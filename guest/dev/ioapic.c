/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines in, interrupt messages out. Lines are logical (raised or not), so the polarity bit is kept
 * and means nothing.
 */
#include "guest/dev/ioapic.h"

#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <errno.h>

/* Offsets in the MMIO range. */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_EOI    0x40

/* Registers behind the window; the redirection entries take two each. */
#define IOAPIC_ID	   0x00
#define IOAPIC_VERSION	   0x01
#define IOAPIC_ARBITRATION 0x02
#define IOAPIC_ENTRIES	   0x10

#define IOAPIC_VERSION_VALUE (0x20u | (VM_GSIS - 1) << 16)

/* A redirection entry. */
#define ENTRY_VECTOR(entry)   ((uint8_t)(entry))
#define ENTRY_DELIVERY(entry) ((uint8_t)((entry) >> 8 & 7))
#define ENTRY_LOGICAL	      (1ull << 11)
#define ENTRY_REMOTE_IRR      (1ull << 14)
#define ENTRY_LEVEL	      (1ull << 15)
#define ENTRY_MASKED	      (1ull << 16)
#define ENTRY_DESTINATION(e)  ((uint8_t)((e) >> 56))
#define ENTRY_WRITABLE	      0xff0000000001afffull /* all but status and remote IRR */

/* Fixed and lowest-priority interrupts are the ones that an EOI ends. */
#define DELIVERY_LAST_WITH_EOI 1

struct ioapic {
	struct spinlock lock; /* all below */
	struct vm *vm;
	uint64_t entries[VM_GSIS];
	uint32_t lines; /* raised now */
	uint8_t select;
	uint8_t id;
};

static bool entry_is_level(uint64_t entry)
{
	return (entry & ENTRY_LEVEL) && ENTRY_DELIVERY(entry) <= DELIVERY_LAST_WITH_EOI;
}

static void send(struct ioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->entries[pin];
	struct irq_message message = {
		.destination = ENTRY_DESTINATION(entry),
		.logical = (entry & ENTRY_LOGICAL) != 0,
		.delivery_mode = ENTRY_DELIVERY(entry),
		.vector = ENTRY_VECTOR(entry),
		.level = entry_is_level(entry),
	};

	if (message.destination == 0xff)
		message.destination = UINT32_MAX;
	if (message.level)
		ioapic->entries[pin] |= ENTRY_REMOTE_IRR;
	ioapic->vm->irqs.intc->deliver(ioapic->vm, &message);
}

/* Sends a level-triggered interrupt that is due: raised, not masked, not in service. */
static void send_level(struct ioapic *ioapic, unsigned pin)
{
	uint64_t entry = ioapic->entries[pin];

	if (entry_is_level(entry) && (ioapic->lines >> pin & 1) &&
	    !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
		send(ioapic, pin);
}

/* An edge at a masked pin is lost (82093AA, 3.2.4). */
static void ioapic_set_line(void *chip, unsigned gsi, bool level)
{
	struct ioapic *ioapic = chip;
	uint32_t bit = 1u << gsi;
	bool rises;

	spin_lock(&ioapic->lock);
	rises = level && !(ioapic->lines & bit);
	ioapic->lines = level ? ioapic->lines | bit : ioapic->lines & ~bit;
	if (entry_is_level(ioapic->entries[gsi]))
		send_level(ioapic, gsi);
	else if (rises && !(ioapic->entries[gsi] & ENTRY_MASKED))
		send(ioapic, gsi);
	spin_unlock(&ioapic->lock);
}

static void end_vector(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned pin = 0; pin < VM_GSIS; pin++) {
		if (ENTRY_VECTOR(ioapic->entries[pin]) != vector ||
		    !(ioapic->entries[pin] & ENTRY_REMOTE_IRR))
			continue;
		ioapic->entries[pin] &= ~ENTRY_REMOTE_IRR;
		send_level(ioapic, pin);
	}
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	if (!ioapic)
		return;
	spin_lock(&ioapic->lock);
	end_vector(ioapic, vector);
	spin_unlock(&ioapic->lock);
}

/* ---- registers ---- */

static uint32_t read_register(const struct ioapic *ioapic)
{
	unsigned pin = (ioapic->select - IOAPIC_ENTRIES) / 2u;

	switch (ioapic->select) {
	case IOAPIC_ID:
	case IOAPIC_ARBITRATION:
		return (uint32_t)ioapic->id << 24;
	case IOAPIC_VERSION:
		return IOAPIC_VERSION_VALUE;
	default:
		if (ioapic->select < IOAPIC_ENTRIES || pin >= VM_GSIS)
			return UINT32_MAX;
		return (uint32_t)(ioapic->entries[pin] >> ((ioapic->select & 1) * 32));
	}
}

/* An entry that turns to edge loses its remote IRR: systems without the EOI register end so. */
static void write_entry(struct ioapic *ioapic, unsigned pin, bool high, uint32_t value)
{
	uint64_t entry = ioapic->entries[pin];
	unsigned shift = high ? 32 : 0;
	uint64_t mask = ENTRY_WRITABLE & ((uint64_t)UINT32_MAX << shift);

	entry = (entry & ~mask) | ((uint64_t)value << shift & mask);
	if (!entry_is_level(entry))
		entry &= ~ENTRY_REMOTE_IRR;
	ioapic->entries[pin] = entry;
	send_level(ioapic, pin);
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
	unsigned pin = (ioapic->select - IOAPIC_ENTRIES) / 2u;

	if (ioapic->select == IOAPIC_ID)
		ioapic->id = value >> 24 & 0xf;
	else if (ioapic->select >= IOAPIC_ENTRIES && pin < VM_GSIS)
		write_entry(ioapic, pin, ioapic->select & 1, value);
}

static uint64_t ioapic_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct ioapic *ioapic = device;
	uint32_t value = 0;

	(void)vcpu;
	(void)size;
	spin_lock(&ioapic->lock);
	if (offset == IOAPIC_SELECT)
		value = ioapic->select;
	else if (offset == IOAPIC_WINDOW)
		value = read_register(ioapic);
	spin_unlock(&ioapic->lock);
	return value;
}

/* The window takes 32-bit accesses (82093AA, 3.1); select and EOI are bytes. */
static void ioapic_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			 uint64_t value)
{
	struct ioapic *ioapic = device;

	(void)vcpu;
	spin_lock(&ioapic->lock);
	if (offset == IOAPIC_SELECT)
		ioapic->select = (uint8_t)value;
	else if (offset == IOAPIC_WINDOW && size >= 4)
		write_register(ioapic, (uint32_t)value);
	else if (offset == IOAPIC_EOI)
		end_vector(ioapic, (uint8_t)value);
	spin_unlock(&ioapic->lock);
}

static const struct bus_ops ioapic_bus_ops = {.read = ioapic_read, .write = ioapic_write};
static const struct irq_chip_ops ioapic_chip_ops = {.set_line = ioapic_set_line};

/* ---- the device ---- */

static void ioapic_reset(struct vdev *vdev)
{
	struct ioapic *ioapic = vdev->state;

	for (unsigned pin = 0; pin < VM_GSIS; pin++)
		ioapic->entries[pin] = ENTRY_MASKED;
	ioapic->lines = 0;
	ioapic->select = 0;
	ioapic->id = 0;
}

static int ioapic_create(struct vdev *vdev)
{
	struct ioapic *ioapic = hv_alloc(sizeof(*ioapic));
	int error;

	if (!ioapic)
		return -ENOMEM;
	error = bus_claim(&vdev->vm->mmio, IOAPIC_DEFAULT_BASE, PAGE_SIZE, &ioapic_bus_ops, ioapic);
	if (error) {
		hv_free(ioapic);
		return error;
	}
	ioapic->vm = vdev->vm;
	vdev->state = ioapic;
	vdev->vm->irqs.ioapic = ioapic;
	ioapic_reset(vdev);
	vm_irq_add_chip(vdev->vm, &ioapic_chip_ops, ioapic);
	return 0;
}

static void ioapic_destroy(struct vdev *vdev)
{
	vdev->vm->irqs.ioapic = NULL;
	hv_free(vdev->state);
	vdev->state = NULL;
}

static void ioapic_restored(struct vdev *vdev)
{
	struct ioapic *ioapic = vdev->state;

	ioapic->lines &= (1u << VM_GSIS) - 1;
	for (unsigned pin = 0; pin < VM_GSIS; pin++) {
		uint64_t allowed = ENTRY_WRITABLE;

		if (entry_is_level(ioapic->entries[pin]))
			allowed |= ENTRY_REMOTE_IRR;
		ioapic->entries[pin] &= allowed;
	}
}

static const struct vdev_field ioapic_fields[] = {
	VDEV_ARRAY(struct ioapic, entries),
	VDEV_FIELD(struct ioapic, lines),
	VDEV_FIELD(struct ioapic, select),
	VDEV_FIELD(struct ioapic, id),
};

const struct vdev_type ioapic_vdev = {
	.name = "ioapic",
	.create = ioapic_create,
	.reset = ioapic_reset,
	.destroy = ioapic_destroy,
	.fields = ioapic_fields,
	.field_count = ARRAY_SIZE(ioapic_fields),
	.restored = ioapic_restored,
};
