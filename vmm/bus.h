/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space of devices: a VM has one for ports and one for MMIO. Ranges are claimed while
 * the VM is built, before any of its vCPUs runs, and never change after that; so accesses take no
 * lock.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/types.h"

struct vcpu;

/*
 * What a device answers. `offset` counts from the range's base; `size` is 1, 2, 4 or 8 and the
 * access lies wholly inside the range. Handlers run on the vCPU's CPU and lock their device
 * themselves.
 */
struct bus_ops {
	uint64_t (*read)(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size);
	void (*write)(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		      uint64_t value);
};

struct bus_range {
	uint64_t base;
	uint64_t length;
	const struct bus_ops *ops;
	void *device;
};

#define BUS_HINTS 32

struct bus {
	struct bus_range *ranges; /* sorted by base */
	unsigned count;
	unsigned capacity;
	/* Where accesses found their range last, by a hash of the address: compared before it is
	 * used, so that it may be any range, or NULL. */
	const struct bus_range *_Atomic hints[BUS_HINTS];
	_Atomic uint64_t unclaimed_reads;
	_Atomic uint64_t unclaimed_writes;
};

void bus_init(struct bus *bus);
void bus_destroy(struct bus *bus);

/*
 * Gives [base, base + length) to a device. Errors: -EEXIST where it overlaps a claimed range,
 * -EINVAL where it is empty or wraps, -ENOMEM.
 */
HV_MUST_CHECK int bus_claim(struct bus *bus, uint64_t base, uint64_t length,
			    const struct bus_ops *ops, void *device);

/* The range that holds `address`, or NULL. */
const struct bus_range *bus_find(const struct bus *bus, uint64_t address);

/*
 * Reads or writes `size` (1, 2, 4 or 8) bytes at `address`. An access that no single range holds
 * whole is split into bytes, as an ISA bus does; bytes that nobody claims read as ones and are
 * counted. The value is zero-extended.
 */
uint64_t bus_read(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size);
void bus_write(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size, uint64_t value);
