/* SPDX-License-Identifier: BSD-2-Clause */
/* Port and MSR bitmaps. */
#include "arch/x86/vmx/maps.h"

#include <errno.h>

/* Four maps of 1 KiB: reads of the low MSRs and of the high ones, then writes of both. */
#define RANGE_MSRS  0x2000u
#define RANGE_BYTES 0x400u
#define HIGH_FIRST  0xc0000000u
#define WRITES_AT   0x800u

static void bit_set(uint8_t *map, size_t bit, bool value)
{
	uint8_t mask = (uint8_t)(1u << (bit % 8));

	if (value)
		map[bit / 8] = (uint8_t)(map[bit / 8] | mask);
	else
		map[bit / 8] = (uint8_t)(map[bit / 8] & ~mask);
}

void vmx_io_map_set(uint8_t *map, uint16_t port, unsigned count, bool trap)
{
	for (unsigned i = 0; i < count && port + i <= 0xffff; i++)
		bit_set(map, port + i, trap);
}

int vmx_msr_map_set(uint8_t *map, uint32_t msr, bool trap_read, bool trap_write)
{
	bool high = msr >= HIGH_FIRST;
	uint32_t index = high ? msr - HIGH_FIRST : msr;

	if (index >= RANGE_MSRS)
		return trap_read && trap_write ? 0 : -ENOTSUP;
	if (high)
		map += RANGE_BYTES;
	bit_set(map, index, trap_read);
	bit_set(map + WRITES_AT, index, trap_write);
	return 0;
}
