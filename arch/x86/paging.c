/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks and builds the host's page tables. Levels count from 1 (the table of 4 KiB leaves) to 4
 * (the root), as in the nested tables of vmm/gpa_space.c.
 */
#include "arch/x86/paging.h"

#include <errno.h>
#include <string.h>

#define PAGING_LEVELS	  4
#define PAGING_INDEX_BITS 9

#define PTE_PRESENT  (UINT64_C(1) << 0)
#define PTE_WRITE    (UINT64_C(1) << 1)
#define PTE_PWT	     (UINT64_C(1) << 3)
#define PTE_PCD	     (UINT64_C(1) << 4)
#define PTE_ACCESSED (UINT64_C(1) << 5)
#define PTE_DIRTY    (UINT64_C(1) << 6)
#define PTE_LARGE    (UINT64_C(1) << 7) /* levels 2 and 3 */
#define PTE_GLOBAL   (UINT64_C(1) << 8)
#define PTE_NX	     (UINT64_C(1) << 63)
#define PTE_ADDRESS  UINT64_C(0x000ffffffffff000)

#define PHYSICAL_LIMIT (UINT64_C(1) << 52)

/* Bytes that an entry of this level covers. */
static uint64_t level_bytes(unsigned level)
{
	return PAGE_SIZE << (PAGING_INDEX_BITS * (level - 1));
}

static unsigned level_index(uint64_t virtual, unsigned level)
{
	return (unsigned)(virtual / level_bytes(level)) & ((1u << PAGING_INDEX_BITS) - 1);
}

static bool pte_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (entry & PTE_LARGE);
}

/* Accessed and dirty from the start, so that the CPU never writes to the tables. */
static uint64_t pte_make_leaf(hpa_t hpa, unsigned level, unsigned flags)
{
	uint64_t entry = hpa.value | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;

	if (level > 1)
		entry |= PTE_LARGE;
	if (flags & PAGING_WRITE)
		entry |= PTE_WRITE;
	if (!(flags & PAGING_EXECUTE))
		entry |= PTE_NX;
	if (flags & PAGING_UNCACHED)
		entry |= PTE_PCD | PTE_PWT;
	return entry;
}

static unsigned pte_flags(uint64_t entry)
{
	return (entry & PTE_WRITE ? PAGING_WRITE : 0) | (entry & PTE_NX ? 0 : PAGING_EXECUTE) |
	       (entry & PTE_PCD ? PAGING_UNCACHED : 0);
}

static bool is_canonical(uint64_t virtual)
{
	return (uint64_t)((int64_t)(virtual << 16) >> 16) == virtual;
}

static int paging_new_table(const struct paging *paging, hpa_t *table)
{
	int error = paging->alloc_table(table);

	if (error == 0)
		memset(paging->table(*table), 0, PAGE_SIZE);
	return error;
}

int paging_init(struct paging *paging)
{
	return paging_new_table(paging, &paging->root);
}

/*
 * The entry for `virtual` at the lowest level from `level` up that the tables have: a leaf, or one
 * that is not present, or, at `level` itself, a table.
 */
static uint64_t *paging_find(const struct paging *paging, uint64_t virtual, unsigned level,
			     unsigned *found)
{
	uint64_t *entries = paging->table(paging->root);
	uint64_t *entry;

	for (*found = PAGING_LEVELS;; --*found) {
		entry = &entries[level_index(virtual, *found)];
		if (*found == level || !(*entry & PTE_PRESENT) || pte_is_leaf(*entry, *found))
			return entry;
		entries = paging->table(hpa_make(*entry & PTE_ADDRESS));
	}
}

int paging_walk(const struct paging *paging, uint64_t virtual, struct paging_leaf *leaf)
{
	uint64_t entry = *paging_find(paging, virtual, 1, &leaf->level);

	if (!is_canonical(virtual) || !(entry & PTE_PRESENT))
		return -ENOENT;
	leaf->hpa.value = (entry & PTE_ADDRESS & ~(level_bytes(leaf->level) - 1)) |
			  (virtual & (level_bytes(leaf->level) - 1));
	leaf->flags = pte_flags(entry);
	return 0;
}

/* Whether nothing in [virtual, end) is mapped; skips whole absent tables. */
static bool paging_is_empty(const struct paging *paging, uint64_t virtual, uint64_t last)
{
	for (;;) {
		unsigned level;
		uint64_t step;

		if (*paging_find(paging, virtual, 1, &level) & PTE_PRESENT)
			return false;
		step = level_bytes(level) - (virtual & (level_bytes(level) - 1));
		if (last - virtual < step)
			return true;
		virtual += step;
	}
}

/* Writes one leaf; makes the tables above it. */
static int paging_set_leaf(const struct paging *paging, uint64_t virtual, uint64_t entry,
			   unsigned level)
{
	for (;;) {
		unsigned found;
		uint64_t *at = paging_find(paging, virtual, level, &found);
		hpa_t table;
		int error;

		if (found == level) {
			*at = entry;
			return 0;
		}
		error = paging_new_table(paging, &table);
		if (error != 0)
			return error;
		*at = table.value | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
	}
}

/* The level of the largest leaf that can start at `virtual`, where nothing is mapped. */
static unsigned paging_leaf_level(const struct paging *paging, uint64_t virtual, hpa_t hpa,
				  uint64_t length)
{
	unsigned level = paging->max_leaf_level;
	unsigned found;

	while (level > 1) {
		if (is_aligned(virtual | hpa.value, level_bytes(level)) &&
		    length >= level_bytes(level) &&
		    !(*paging_find(paging, virtual, level, &found) & PTE_PRESENT))
			break;
		level--;
	}
	return level;
}

/* Takes back the leaves of a mapping that failed half-way. */
static void paging_clear(const struct paging *paging, uint64_t virtual, uint64_t length)
{
	while (length > 0) {
		unsigned level;
		uint64_t *entry = paging_find(paging, virtual, 1, &level);

		*entry = 0;
		virtual += level_bytes(level);
		length -= level_bytes(level);
	}
}

/* Whether the arguments of paging_map() make sense. */
static bool paging_can_map(uint64_t virtual, hpa_t hpa, uint64_t length, unsigned flags)
{
	uint64_t last = virtual + length - 1;

	if (length == 0 || !is_aligned(virtual | hpa.value | length, PAGE_SIZE))
		return false;
	if (last < virtual || !is_canonical(virtual) || !is_canonical(last) ||
	    (virtual ^ last) >> 63 != 0)
		return false;
	if (hpa.value >= PHYSICAL_LIMIT || length > PHYSICAL_LIMIT - hpa.value)
		return false;
	return !(flags & PAGING_WRITE) || !(flags & PAGING_EXECUTE);
}

int paging_map(const struct paging *paging, uint64_t virtual, hpa_t hpa, uint64_t length,
	       unsigned flags)
{
	uint64_t done = 0;

	if (!paging_can_map(virtual, hpa, length, flags))
		return -EINVAL;
	if (!paging_is_empty(paging, virtual, virtual + length - 1))
		return -EEXIST;
	while (done < length) {
		hpa_t page = hpa_add(hpa, done);
		unsigned level = paging_leaf_level(paging, virtual + done, page, length - done);
		int error = paging_set_leaf(paging, virtual + done,
					    pte_make_leaf(page, level, flags), level);

		if (error != 0) {
			paging_clear(paging, virtual, done);
			return error;
		}
		done += level_bytes(level);
	}
	return 0;
}
