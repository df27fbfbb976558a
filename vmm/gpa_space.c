/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's physical address space: a sorted array of regions, and the nested page tables built
 * from it with the vendor's entry format. Tables that become empty are freed at once, so that a
 * later region finds room for its large leaves.
 */
#include "vmm/gpa_space.h"

#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"

#include <errno.h>
#include <string.h>

#define ROOT_LEVEL	 4
#define TABLE_ENTRIES	 512
#define GPA_LIMIT	 ((uint64_t)1 << 47)
#define FIRST_CAPACITY	 8
#define LEVEL_SHIFT(lvl) (PAGE_SHIFT + 9 * ((lvl)-1))

static unsigned table_index(uint64_t gpa, unsigned level)
{
	return (unsigned)(gpa >> LEVEL_SHIFT(level)) % TABLE_ENTRIES;
}

/* Other CPUs' page walkers read entries at any time: each is written in one piece, after what it
 * points to. */
static void entry_store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static uint64_t *entry_table(const struct gpa_space *space, uint64_t entry)
{
	return platform_ram(space->pte->address(entry));
}

static uint64_t *table_alloc(struct gpa_space *space)
{
	uint64_t *table = page_alloc_zeroed(PAGE_ORDER_4K);

	if (table)
		space->table_pages++;
	return table;
}

static void table_free(struct gpa_space *space, uint64_t *table)
{
	page_free_pointer(table, PAGE_ORDER_4K);
	space->table_pages--;
}

static bool table_is_empty(const struct gpa_space *space, const uint64_t *table)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		if (space->pte->is_present(table[i]))
			return false;
	}
	return true;
}

/* The largest leaf that can start at gpa and hpa and ends within `length` bytes. */
static unsigned leaf_level(const struct pte_ops *pte, uint64_t gpa, uint64_t hpa, uint64_t length)
{
	unsigned level = pte->max_leaf_level;

	while (level > 1) {
		uint64_t size = (uint64_t)1 << LEVEL_SHIFT(level);

		if (is_aligned(gpa | hpa, size) && length >= size)
			break;
		level--;
	}
	return level;
}

/* Finds the entry for gpa at `level`, making the tables above it. NULL: no memory. */
static uint64_t *entry_make(struct gpa_space *space, uint64_t gpa, unsigned level)
{
	uint64_t *table = space->root;

	for (unsigned at = ROOT_LEVEL; at > level; at--) {
		uint64_t *entry = &table[table_index(gpa, at)];
		uint64_t *next;

		if (space->pte->is_present(*entry)) {
			table = entry_table(space, *entry);
			continue;
		}
		next = table_alloc(space);
		if (!next)
			return NULL;
		entry_store(entry, space->pte->make_table(platform_ram_address(next)));
		table = next;
	}
	return &table[table_index(gpa, level)];
}

/*
 * Clears what a table at `level`, whose first entry stands for address `base`, maps of
 * [from, to), and frees the tables below that have become empty. The range begins and ends between
 * leaves. Recursion ends at level 1.
 */
static void table_clear(struct gpa_space *space, uint64_t *table, unsigned level, uint64_t base,
			uint64_t from, uint64_t to)
{
	uint64_t size = (uint64_t)1 << LEVEL_SHIFT(level);
	uint64_t first = max_u64(from, base);
	uint64_t last = min_u64(to - 1, base + size * TABLE_ENTRIES - 1);

	for (unsigned i = table_index(first, level); i <= table_index(last, level); i++) {
		uint64_t entry = table[i];
		uint64_t *below;

		if (!space->pte->is_present(entry))
			continue;
		if (space->pte->is_leaf(entry, level)) {
			entry_store(&table[i], 0);
			continue;
		}
		below = entry_table(space, entry);
		table_clear(space, below, level - 1, base + i * size, from, to);
		if (table_is_empty(space, below)) {
			entry_store(&table[i], 0);
			table_free(space, below);
		}
	}
}

static void space_clear(struct gpa_space *space, uint64_t gpa, uint64_t length)
{
	table_clear(space, space->root, ROOT_LEVEL, 0, gpa, gpa + length);
}

/* Index of the first region that ends above gpa: the one that holds it, or else the next one. */
static unsigned region_index(const struct gpa_space *space, uint64_t gpa)
{
	unsigned low = 0, high = space->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct gpa_region *region = &space->regions[middle];

		if (region->gpa.value + region->length > gpa)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static const struct gpa_region *_Atomic *hint_of(const struct gpa_space *space, uint64_t gpa)
{
	return &space->hints[(gpa >> PAGE_2M_SHIFT) % GPA_HINTS];
}

/* Where regions move. */
static void hints_clear(struct gpa_space *space)
{
	for (unsigned i = 0; i < GPA_HINTS; i++)
		atomic_store_explicit(&space->hints[i], NULL, memory_order_relaxed);
}

static int region_check(const struct gpa_space *space, const struct gpa_region *region)
{
	uint64_t gpa = region->gpa.value, hpa = region->hpa.value;
	unsigned next;

	if (region->length == 0 || !is_aligned(gpa | hpa | region->length, PAGE_SIZE))
		return -EINVAL;
	if (gpa >= GPA_LIMIT || region->length > GPA_LIMIT - gpa || hpa + region->length < hpa)
		return -EINVAL;
	if (!(region->permission & GPA_READ) || (region->permission & ~(unsigned)GPA_RWX))
		return -EINVAL;
	next = region_index(space, gpa);
	if (next < space->count && space->regions[next].gpa.value < gpa + region->length)
		return -EEXIST;
	return 0;
}

/* Makes room for one region more. */
static int regions_grow(struct gpa_space *space)
{
	unsigned capacity = space->capacity ? space->capacity * 2 : FIRST_CAPACITY;
	struct gpa_region *regions;

	if (space->count < space->capacity)
		return 0;
	regions = hv_alloc(capacity * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	if (space->count)
		memcpy(regions, space->regions, space->count * sizeof(*regions));
	hv_free(space->regions);
	space->regions = regions;
	space->capacity = capacity;
	hints_clear(space);
	return 0;
}

int gpa_space_init(struct gpa_space *space, const struct pte_ops *pte)
{
	*space = (struct gpa_space){.pte = pte};
	space->hints = hv_alloc(GPA_HINTS * sizeof(*space->hints));
	if (space->hints)
		space->root = table_alloc(space);
	if (space->root)
		return 0;
	hv_free(space->hints);
	space->hints = NULL;
	return -ENOMEM;
}

void gpa_space_destroy(struct gpa_space *space)
{
	if (space->root) {
		space_clear(space, 0, (uint64_t)1 << (LEVEL_SHIFT(ROOT_LEVEL) + 9));
		table_free(space, space->root);
	}
	hv_free(space->regions);
	hv_free(space->hints);
	*space = (struct gpa_space){.pte = NULL};
}

int gpa_space_map(struct gpa_space *space, const struct gpa_region *region)
{
	uint64_t gpa = region->gpa.value, hpa = region->hpa.value;
	uint64_t done = 0;
	unsigned at;
	int error = region_check(space, region);

	if (error == 0)
		error = regions_grow(space);
	if (error)
		return error;
	while (done < region->length) {
		unsigned level =
			leaf_level(space->pte, gpa + done, hpa + done, region->length - done);
		uint64_t *entry = entry_make(space, gpa + done, level);

		if (!entry) {
			/* This also frees the tables made for the leaf that failed. */
			space_clear(space, gpa, region->length);
			return -ENOMEM;
		}
		entry_store(entry, space->pte->make_leaf(hpa_make(hpa + done), level,
							 region->permission, region->type));
		done += (uint64_t)1 << LEVEL_SHIFT(level);
	}
	at = region_index(space, gpa);
	memmove(&space->regions[at + 1], &space->regions[at],
		(space->count - at) * sizeof(*region));
	space->regions[at] = *region;
	space->count++;
	hints_clear(space);
	return 0;
}

int gpa_space_unmap(struct gpa_space *space, gpa_t gpa)
{
	unsigned at = region_index(space, gpa.value);
	struct gpa_region *region;

	if (at == space->count || space->regions[at].gpa.value != gpa.value)
		return -ENOENT;
	region = &space->regions[at];
	space_clear(space, gpa.value, region->length);
	space->count--;
	memmove(region, region + 1, (space->count - at) * sizeof(*region));
	hints_clear(space);
	return 0;
}

static const struct gpa_region *search(const struct gpa_space *space, uint64_t gpa)
{
	unsigned at = region_index(space, gpa);

	if (at == space->count || space->regions[at].gpa.value > gpa)
		return NULL;
	atomic_store_explicit(hint_of(space, gpa), &space->regions[at], memory_order_relaxed);
	return &space->regions[at];
}

const struct gpa_region *gpa_space_find(const struct gpa_space *space, gpa_t gpa)
{
	const struct gpa_region *region =
		atomic_load_explicit(hint_of(space, gpa.value), memory_order_relaxed);

	if (__builtin_expect(region && gpa.value - region->gpa.value < region->length, 1))
		return region;
	return search(space, gpa.value);
}

/*
 * The region's memory at gpa as a pointer, and in *available how much of it follows; NULL where
 * there is none with these rights. Memory that is not write-back is a device's: not ours to touch.
 */
static void *memory_at(const struct gpa_space *space, uint64_t gpa, unsigned permission,
		       uint64_t *available)
{
	const struct gpa_region *region = gpa_space_find(space, gpa_make(gpa));
	uint64_t offset;

	if (!region || region->type != MEMORY_WB || (region->permission & permission) != permission)
		return NULL;
	offset = gpa - region->gpa.value;
	*available = region->length - offset;
	return platform_ram(hpa_add(region->hpa, offset));
}

/* Whether memory with these rights backs every byte of [gpa, gpa + length). */
static bool memory_is_backed(const struct gpa_space *space, uint64_t gpa, uint64_t length,
			     unsigned permission)
{
	uint64_t available;

	while (length > 0) {
		if (!memory_at(space, gpa, permission, &available))
			return false;
		if (available >= length)
			return true;
		gpa += available;
		length -= available;
	}
	return true;
}

int gpa_read(const struct gpa_space *space, gpa_t gpa, void *to, size_t length)
{
	uint64_t at = gpa.value, available;
	uint8_t *out = to;
	const void *whole = gpa_pointer(space, gpa, length, GPA_READ);

	if (__builtin_expect(whole != NULL, 1)) {
		memcpy(to, whole, length);
		return 0;
	}
	if (!memory_is_backed(space, at, length, GPA_READ))
		return -EFAULT;
	while (length > 0) {
		const void *from = memory_at(space, at, GPA_READ, &available);
		size_t count;

		if (from == NULL) /* it was there: no vCPU may run while regions change */
			return -EFAULT;
		count = (size_t)min_u64(length, available);
		memcpy(out, from, count);
		out += count;
		at += count;
		length -= count;
	}
	return 0;
}

int gpa_write(const struct gpa_space *space, gpa_t gpa, const void *from, size_t length)
{
	uint64_t at = gpa.value, available;
	const uint8_t *in = from;
	void *whole = gpa_pointer(space, gpa, length, GPA_WRITE);

	if (__builtin_expect(whole != NULL, 1)) {
		memcpy(whole, from, length);
		return 0;
	}
	if (!memory_is_backed(space, at, length, GPA_WRITE))
		return -EFAULT;
	while (length > 0) {
		void *to = memory_at(space, at, GPA_WRITE, &available);
		size_t count;

		if (to == NULL)
			return -EFAULT;
		count = (size_t)min_u64(length, available);
		memcpy(to, in, count);
		in += count;
		at += count;
		length -= count;
	}
	return 0;
}

int gpa_zero(const struct gpa_space *space, gpa_t gpa, uint64_t length)
{
	uint64_t at = gpa.value, available;

	if (!memory_is_backed(space, at, length, GPA_WRITE))
		return -EFAULT;
	while (length > 0) {
		void *to = memory_at(space, at, GPA_WRITE, &available);
		uint64_t count;

		if (to == NULL)
			return -EFAULT;
		count = min_u64(length, available);
		memset(to, 0, count);
		at += count;
		length -= count;
	}
	return 0;
}

void *gpa_pointer(const struct gpa_space *space, gpa_t gpa, size_t length, unsigned permission)
{
	uint64_t available;
	void *pointer = memory_at(space, gpa.value, permission, &available);

	return pointer && available >= length ? pointer : NULL;
}

int gpa_space_walk(const struct gpa_space *space, gpa_t gpa, hpa_t *hpa, unsigned *level,
		   unsigned *permission)
{
	const uint64_t *table = space->root;

	*permission = GPA_RWX;
	if (gpa.value >> (LEVEL_SHIFT(ROOT_LEVEL) + 9))
		return -ENOENT;
	for (unsigned at = ROOT_LEVEL; at > 0; at--) {
		uint64_t entry = table[table_index(gpa.value, at)];

		if (!space->pte->is_present(entry))
			return -ENOENT;
		*permission &= space->pte->permission(entry);
		if (space->pte->is_leaf(entry, at)) {
			uint64_t offset = gpa.value & (((uint64_t)1 << LEVEL_SHIFT(at)) - 1);

			*hpa = hpa_add(space->pte->address(entry), offset);
			*level = at;
			return 0;
		}
		table = entry_table(space, entry);
	}
	return -ENOENT;
}
