/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/heap.h on top of malloc, with failures to order. */
#include "fake_heap.h"

#include "vmm/heap.h"

#include <stdlib.h>
#include <string.h>

/* In front of each block; 16 bytes keep the alignment that hv_alloc() promises. */
struct fake_heap_header {
	void *block; /* what malloc's family gave */
	size_t size;
};

static size_t fake_heap_used;
static int fake_heap_countdown = -1;

void fake_heap_fail_after(int successes)
{
	fake_heap_countdown = successes;
}

void *hv_alloc(size_t size)
{
	/* Whole pages are promised to start on one. The header then takes the end of a page before.
	 */
	size_t align = size >= PAGE_SIZE ? PAGE_SIZE : sizeof(struct fake_heap_header);
	struct fake_heap_header *header;
	void *block;

	if (fake_heap_countdown >= 0 && fake_heap_countdown-- == 0)
		return NULL;
	if (size > SIZE_MAX / 2 || posix_memalign(&block, align, align + size) != 0)
		return NULL;
	memset(block, 0, align + size);
	header = (struct fake_heap_header *)((char *)block + align) - 1;
	*header = (struct fake_heap_header){.block = block, .size = size};
	fake_heap_used += size;
	return header + 1;
}

void hv_free(void *pointer)
{
	struct fake_heap_header *header;

	if (!pointer)
		return;
	header = (struct fake_heap_header *)pointer - 1;
	fake_heap_used -= header->size;
	free(header->block);
}

char *hv_strdup(const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = hv_alloc(size);

	return copy ? memcpy(copy, string, size) : NULL;
}

size_t heap_bytes_used(void)
{
	return fake_heap_used;
}
