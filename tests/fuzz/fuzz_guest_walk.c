/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the page walk: the input is the registers, the linear address and 16 KiB of memory that
 * holds whatever tables it pleases. A walk that succeeds must give an address below the physical
 * limit, and must succeed again; one that faults must tell what the access was.
 */
#include "vmm/gpa_space.h"
#include "vmm/guest_walk.h"
#include "vmm/x86_defs.h"

#include <stdlib.h>
#include <string.h>

#include "fake_platform.h"

#define MEMORY_SIZE 0x4000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint64_t linear;
	uint16_t cr3;
	uint8_t access;
	uint8_t mode; /* bits 0-1 PAE and LMA, 2 LA57, 3 NXE, 4 SMEP, 5 SMAP, 6 WP, 7 1 GiB pages */
};

static uint8_t memory[MEMORY_SIZE] __attribute__((aligned(4096)));

/* Instead of a whole gpa_space: the last page is read-only. */
void *gpa_pointer(const struct gpa_space *space, gpa_t gpa, size_t length, unsigned permission)
{
	(void)space;
	if (gpa.value > MEMORY_SIZE - length)
		return NULL;
	if ((permission & GPA_WRITE) && gpa.value >= MEMORY_SIZE - PAGE_SIZE)
		return NULL;
	return &memory[gpa.value];
}

static struct guest_paging paging_of(const struct input *input)
{
	struct guest_paging paging = {
		.cr0 = CR0_PE | CR0_PG | (input->mode & 64 ? CR0_WP : 0),
		.cr3 = input->cr3,
		.physical_bits = 36 + input->access % 17,
		.has_1g_pages = input->mode & 128,
	};

	if (input->mode & 3)
		paging.cr4 |= CR4_PAE;
	if (input->mode & 2)
		paging.efer |= EFER_LMA | EFER_LME;
	if (input->mode & 4)
		paging.cr4 |= CR4_LA57 | CR4_PSE;
	if (input->mode & 8)
		paging.efer |= EFER_NXE;
	if (input->mode & 16)
		paging.cr4 |= CR4_SMEP;
	if (input->mode & 32)
		paging.cr4 |= CR4_SMAP;
	return paging;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_paging paging;
	struct input input;
	uint32_t error_code = 0;
	unsigned access;
	gpa_t gpa, again;

	if (size < sizeof(input))
		return 0;
	memcpy(&input, data, sizeof(input));
	size -= sizeof(input);
	memset(memory, 0, sizeof(memory));
	memcpy(memory, data + sizeof(input), size < MEMORY_SIZE ? size : MEMORY_SIZE);
	paging = paging_of(&input);
	access = input.access & (WALK_WRITE | WALK_USER | WALK_FETCH);
	if (guest_walk(NULL, &paging, input.linear, access, &gpa, &error_code) != 0) {
		if ((error_code & (WALK_WRITE | WALK_USER)) != (access & (WALK_WRITE | WALK_USER)))
			abort();
		return 0;
	}
	/* 32-bit paging has 40 bits at most, which the entries' reserved bits keep to the limit. */
	if (gpa.value >> paging.physical_bits || ((gpa.value ^ input.linear) & 0xfff))
		abort();
	if (guest_walk(NULL, &paging, input.linear, access, &again, &error_code) == 0 &&
	    (again.value & 0xfff) != (gpa.value & 0xfff))
		abort();
	return 0;
}
