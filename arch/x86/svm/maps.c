/* SPDX-License-Identifier: BSD-2-Clause */
/* Port and MSR permission maps. */
#include "arch/x86/svm/maps.h"

#include <errno.h>

static void bit_set(uint8_t *map, size_t bit, bool value)
{
	uint8_t mask = (uint8_t)(1u << (bit % 8));

	if (value)
		map[bit / 8] = (uint8_t)(map[bit / 8] | mask);
	else
		map[bit / 8] = (uint8_t)(map[bit / 8] & ~mask);
}

void svm_iopm_set(uint8_t *map, uint16_t port, unsigned count, bool trap)
{
	for (unsigned i = 0; i < count && port + i <= 0xffff; i++)
		bit_set(map, port + i, trap);
}

/* Each range of 8192 MSRs has 2 KiB: two bits an MSR, read then write. */
static const uint32_t msr_ranges[] = {0x00000000, 0xc0000000, 0xc0010000};
#define RANGE_MSRS  0x2000u
#define RANGE_BYTES 0x800u

int svm_msrpm_set(uint8_t *map, uint32_t msr, bool trap_read, bool trap_write)
{
	for (size_t i = 0; i < ARRAY_SIZE(msr_ranges); i++) {
		uint32_t index = msr - msr_ranges[i];

		if (index >= RANGE_MSRS)
			continue;
		bit_set(map + i * RANGE_BYTES, (size_t)index * 2, trap_read);
		bit_set(map + i * RANGE_BYTES, (size_t)index * 2 + 1, trap_write);
		return 0;
	}
	return trap_read && trap_write ? 0 : -ENOTSUP;
}
