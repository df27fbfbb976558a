/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Size classes on slabs. A slab is a page block whose first bytes describe it; the rest is objects
 * of one class, each aligned to its size. Which objects are in use stands in a bitmap of the
 * header, not in the objects: a write after free cannot lead the heap astray, and a double free is
 * seen. A slab goes back to the page allocator with its last object. Larger requests are page
 * blocks, which the page allocator knows the size of. One lock, held for bounded work.
 */
#include "vmm/heap.h"

#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/spinlock.h"

#include <string.h>
#include <bsd/sys/queue.h>

#define HEAP_SHIFT_MIN	4  /* 16 bytes */
#define HEAP_SHIFT_MAX	11 /* 2 KiB */
#define HEAP_CLASSES	(HEAP_SHIFT_MAX - HEAP_SHIFT_MIN + 1)
#define HEAP_SLAB_ORDER 2 /* large enough for seven objects of the largest class */
#define HEAP_SLAB_BYTES (PAGE_SIZE << HEAP_SLAB_ORDER)
#define HEAP_SLOTS_MAX	(HEAP_SLAB_BYTES >> HEAP_SHIFT_MIN)
#define HEAP_MAGIC	0x62616c7370616568 /* "heapslab" */

struct heap_slab {
	uint64_t magic;
	LIST_ENTRY(heap_slab) link; /* in its class's list while an object is free */
	uint16_t shift;		    /* objects have 2^shift bytes */
	uint16_t first;		    /* the slots before it hold this header */
	uint16_t slots;
	uint16_t free;
	uint64_t used[HEAP_SLOTS_MAX / 64]; /* a bit for each slot, set for those before `first` */
};

LIST_HEAD(heap_list, heap_slab);

static struct {
	struct spinlock lock;
	struct heap_list partial[HEAP_CLASSES];
	size_t bytes_used;
} heap;

/* The smallest shift with size <= 2^shift, from `least` up. */
static unsigned shift_for_size(size_t size, unsigned least)
{
	unsigned shift = least;

	while (size > (size_t)1 << shift)
		shift++;
	return shift;
}

static struct heap_slab *slab_create(unsigned shift)
{
	struct heap_slab *slab = page_alloc_zeroed(HEAP_SLAB_ORDER);

	if (!slab)
		return NULL;
	slab->magic = HEAP_MAGIC;
	slab->shift = (uint16_t)shift;
	slab->slots = (uint16_t)(HEAP_SLAB_BYTES >> shift);
	slab->first = (uint16_t)(align_up(sizeof(*slab), (uint64_t)1 << shift) >> shift);
	slab->free = (uint16_t)(slab->slots - slab->first);
	for (unsigned slot = 0; slot < slab->first; slot++)
		slab->used[slot / 64] |= (uint64_t)1 << (slot % 64);
	LIST_INSERT_HEAD(&heap.partial[shift - HEAP_SHIFT_MIN], slab, link);
	return slab;
}

/* Takes the first free slot of a slab that has one. */
static void *slab_take(struct heap_slab *slab)
{
	unsigned word = 0, slot;

	while (slab->used[word] == UINT64_MAX)
		word++;
	slot = word * 64 + (unsigned)__builtin_ctzll(~slab->used[word]);
	slab->used[word] |= (uint64_t)1 << (slot % 64);
	if (--slab->free == 0)
		LIST_REMOVE(slab, link);
	return (char *)slab + ((size_t)slot << slab->shift);
}

static void *heap_alloc_small(size_t size)
{
	unsigned shift = shift_for_size(size, HEAP_SHIFT_MIN);
	struct heap_slab *slab;
	void *object = NULL;

	spin_lock(&heap.lock);
	slab = LIST_FIRST(&heap.partial[shift - HEAP_SHIFT_MIN]);
	if (!slab)
		slab = slab_create(shift);
	if (slab) {
		object = slab_take(slab);
		heap.bytes_used += (size_t)1 << shift;
	}
	spin_unlock(&heap.lock);
	return object ? memset(object, 0, (size_t)1 << shift) : NULL;
}

/* Adds to the bytes in use, or with a negative number takes away. */
static void heap_count(int64_t bytes)
{
	spin_lock(&heap.lock);
	heap.bytes_used += (size_t)bytes;
	spin_unlock(&heap.lock);
}

static void *heap_alloc_pages(size_t size)
{
	unsigned shift;
	void *block;

	if (size > PAGE_SIZE << PAGE_ORDER_MAX)
		return NULL;
	shift = shift_for_size(size, PAGE_SHIFT);
	block = page_alloc_zeroed(shift - PAGE_SHIFT);
	if (block)
		heap_count((int64_t)1 << shift);
	return block;
}

void *hv_alloc(size_t size)
{
	return size <= (size_t)1 << HEAP_SHIFT_MAX ? heap_alloc_small(size)
						   : heap_alloc_pages(size);
}

/* Under the lock: returns an object to its slab. False where it is none that is in use. */
static bool slab_give(struct heap_slab *slab, size_t offset)
{
	size_t slot = offset >> slab->shift;
	uint64_t bit = (uint64_t)1 << (slot % 64);

	if (!is_aligned(offset, (uint64_t)1 << slab->shift) || slot < slab->first ||
	    !(slab->used[slot / 64] & bit))
		return false;
	slab->used[slot / 64] &= ~bit;
	heap.bytes_used -= (size_t)1 << slab->shift;
	if (slab->free++ == 0)
		LIST_INSERT_HEAD(&heap.partial[slab->shift - HEAP_SHIFT_MIN], slab, link);
	if (slab->free == slab->slots - slab->first) {
		LIST_REMOVE(slab, link);
		slab->magic = 0;
		page_free_pointer(slab, HEAP_SLAB_ORDER);
	}
	return true;
}

static void heap_free_small(void *pointer)
{
	size_t offset = (uintptr_t)pointer & (HEAP_SLAB_BYTES - 1);
	struct heap_slab *slab = (struct heap_slab *)((char *)pointer - offset);
	bool ok = false;

	spin_lock(&heap.lock);
	if (page_alloc_order(platform_ram_address(slab)) == HEAP_SLAB_ORDER &&
	    slab->magic == HEAP_MAGIC)
		ok = slab_give(slab, offset);
	spin_unlock(&heap.lock);
	if (!ok)
		platform_panic("heap: %p is freed, but is not in use", pointer);
}

void hv_free(void *pointer)
{
	int order = -1;

	if (!pointer)
		return;
	/* A slab's own first byte is never given out, so the head of a block is a large object. */
	if (is_aligned((uintptr_t)pointer, PAGE_SIZE))
		order = page_alloc_order(platform_ram_address(pointer));
	if (order < 0) {
		heap_free_small(pointer);
		return;
	}
	page_free_pointer(pointer, (unsigned)order);
	heap_count(-((int64_t)PAGE_SIZE << order));
}

char *hv_strdup(const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = hv_alloc(size);

	return copy ? memcpy(copy, string, size) : NULL;
}

size_t heap_bytes_used(void)
{
	size_t bytes;

	spin_lock(&heap.lock);
	bytes = heap.bytes_used;
	spin_unlock(&heap.lock);
	return bytes;
}
