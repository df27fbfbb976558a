/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of bytes between one who puts and one who gets; callers lock. Reading how full it is needs
 * no lock, and is then a hint. Pure.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/types.h"

struct byte_ring {
	uint8_t *bytes;
	uint32_t size;		   /* a power of two */
	_Atomic uint32_t put, got; /* counts, modulo 2^32 */
};

static inline uint32_t byte_ring_used(const struct byte_ring *ring)
{
	return atomic_load_explicit(&ring->put, memory_order_relaxed) -
	       atomic_load_explicit(&ring->got, memory_order_relaxed);
}

static inline uint32_t byte_ring_free(const struct byte_ring *ring)
{
	return ring->size - byte_ring_used(ring);
}

/* False where the ring is full. */
static inline bool byte_ring_put(struct byte_ring *ring, uint8_t byte)
{
	uint32_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);

	if (byte_ring_free(ring) == 0)
		return false;
	ring->bytes[put & (ring->size - 1)] = byte;
	atomic_store_explicit(&ring->put, put + 1, memory_order_release);
	return true;
}

/* The oldest byte, or -1. */
static inline int byte_ring_get(struct byte_ring *ring)
{
	uint32_t got = atomic_load_explicit(&ring->got, memory_order_relaxed);
	int byte;

	if (byte_ring_used(ring) == 0)
		return -1;
	byte = ring->bytes[got & (ring->size - 1)];
	atomic_store_explicit(&ring->got, got + 1, memory_order_release);
	return byte;
}
