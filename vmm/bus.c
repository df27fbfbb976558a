/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of ports or MMIO and who answers in them. The ranges are a sorted array, for binary
 * search; but a guest accesses the same few places again and again, so that the place found last
 * for an address is looked at first.
 */
#include "vmm/bus.h"

#include "vmm/heap.h"

#include <errno.h>
#include <string.h>

#define BUS_FIRST_CAPACITY 16

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof(*bus));
}

void bus_destroy(struct bus *bus)
{
	hv_free(bus->ranges);
	bus_init(bus);
}

/* How many ranges begin at or below `address`: the one that may hold it is the last of them. */
static unsigned bus_ranges_below(const struct bus *bus, uint64_t address)
{
	unsigned low = 0;
	unsigned high = bus->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (bus->ranges[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int bus_grow(struct bus *bus)
{
	unsigned capacity = bus->capacity ? bus->capacity * 2 : BUS_FIRST_CAPACITY;
	struct bus_range *ranges = hv_alloc(capacity * sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	if (bus->count > 0)
		memcpy(ranges, bus->ranges, bus->count * sizeof(*ranges));
	hv_free(bus->ranges);
	bus->ranges = ranges;
	bus->capacity = capacity;
	return 0;
}

int bus_claim(struct bus *bus, uint64_t base, uint64_t length, const struct bus_ops *ops,
	      void *device)
{
	uint64_t last = base + (length - 1);
	unsigned at = bus_ranges_below(bus, base);

	if (length == 0 || last < base)
		return -EINVAL;
	if (at > 0 && base - bus->ranges[at - 1].base < bus->ranges[at - 1].length)
		return -EEXIST;
	if (at < bus->count && bus->ranges[at].base <= last)
		return -EEXIST;
	if (bus->count == bus->capacity && bus_grow(bus) != 0)
		return -ENOMEM;
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->count - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] =
		(struct bus_range){.base = base, .length = length, .ops = ops, .device = device};
	bus->count++;
	for (unsigned i = 0; i < BUS_HINTS; i++)
		atomic_store_explicit(&bus->hints[i], NULL, memory_order_relaxed);
	return 0;
}

const struct bus_range *bus_find(const struct bus *bus, uint64_t address)
{
	unsigned below = bus_ranges_below(bus, address);
	const struct bus_range *range;

	if (below == 0)
		return NULL;
	range = &bus->ranges[below - 1];
	return address - range->base < range->length ? range : NULL;
}

/* Whether a range holds all of [address, address + size). */
static inline bool holds(const struct bus_range *range, uint64_t address, unsigned size)
{
	uint64_t offset = address - range->base;

	return offset < range->length && range->length - offset >= size;
}

static const struct bus_range *find_whole(struct bus *bus, uint64_t address, unsigned size,
					  const struct bus_range *_Atomic *hint)
{
	const struct bus_range *range = bus_find(bus, address);

	if (range == NULL || !holds(range, address, size))
		return NULL;
	atomic_store_explicit(hint, range, memory_order_relaxed);
	return range;
}

/* The range that holds all of [address, address + size), or NULL. */
static inline const struct bus_range *bus_find_whole(struct bus *bus, uint64_t address,
						     unsigned size)
{
	/* Ports differ in their low bits, the pages of devices in higher ones. */
	const struct bus_range *_Atomic *hint = &bus->hints[(address ^ address >> 20) % BUS_HINTS];
	const struct bus_range *range = atomic_load_explicit(hint, memory_order_relaxed);

	if (__builtin_expect(range != NULL && holds(range, address, size), 1))
		return range;
	return find_whole(bus, address, size, hint);
}

static uint64_t bus_read_byte(struct bus *bus, struct vcpu *vcpu, uint64_t address)
{
	const struct bus_range *range = bus_find(bus, address);

	if (range)
		return range->ops->read(vcpu, range->device, address - range->base, 1) & 0xff;
	atomic_fetch_add_explicit(&bus->unclaimed_reads, 1, memory_order_relaxed);
	return 0xff;
}

static void bus_write_byte(struct bus *bus, struct vcpu *vcpu, uint64_t address, uint8_t value)
{
	const struct bus_range *range = bus_find(bus, address);

	if (range)
		range->ops->write(vcpu, range->device, address - range->base, 1, value);
	else
		atomic_fetch_add_explicit(&bus->unclaimed_writes, 1, memory_order_relaxed);
}

static uint64_t bus_read_bytes(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= bus_read_byte(bus, vcpu, address + i) << (i * 8);
	return value;
}

static void bus_write_bytes(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size,
			    uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		bus_write_byte(bus, vcpu, address + i, (uint8_t)(value >> (i * 8)));
}

uint64_t bus_read(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size)
{
	const struct bus_range *range = bus_find_whole(bus, address, size);

	if (__builtin_expect(range == NULL, 0))
		return bus_read_bytes(bus, vcpu, address, size);
	return range->ops->read(vcpu, range->device, address - range->base, size) &
	       mask_of_bytes(size);
}

void bus_write(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size, uint64_t value)
{
	const struct bus_range *range = bus_find_whole(bus, address, size);

	if (__builtin_expect(range == NULL, 0))
		bus_write_bytes(bus, vcpu, address, size, value);
	else
		range->ops->write(vcpu, range->device, address - range->base, size,
				  value & mask_of_bytes(size));
}
