/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory-mapped registers of the host: accesses that the compiler neither merges nor moves, and
 * their mapping. */
#pragma once

#include "vmm/types.h"

static inline uint32_t mmio_read32(const volatile void *address)
{
	return *(const volatile uint32_t *)address;
}

static inline void mmio_write32(volatile void *address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static inline uint64_t mmio_read64(const volatile void *address)
{
	return *(const volatile uint64_t *)address;
}

static inline uint8_t mmio_read8(const volatile void *address)
{
	return *(const volatile uint8_t *)address;
}

static inline void mmio_write8(volatile void *address, uint8_t value)
{
	*(volatile uint8_t *)address = value;
}

/*
 * Maps device registers [hpa, hpa + length) uncached, for the hypervisor's life. Returns NULL where
 * the window is full.
 */
HV_MUST_CHECK volatile void *mmio_map(hpa_t hpa, uint64_t length);
