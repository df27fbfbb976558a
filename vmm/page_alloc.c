/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary buddy allocator over several ranges. A range keeps one byte for each of its pages: what
 * the page is (head of a free block, head of a block in use, neither) and of which order. A block
 * is aligned to its size by physical address, so its buddy's address differs from its own in one
 * bit; blocks of different ranges never join. One lock guards everything: the work under it is
 * bounded by the number of orders.
 */
#include "vmm/page_alloc.h"

#include "vmm/platform.h"
#include "vmm/spinlock.h"

#include <errno.h>
#include <string.h>
#include <bsd/sys/queue.h>

#define PAGE_RANGES_MAX 1024

/* A page's byte: one of these, with the block's order in a head's low bits. */
#define PAGE_STATE_INSIDE     0x00 /* not the first page of a block */
#define PAGE_STATE_FREE	      0x40
#define PAGE_STATE_USED	      0x80
#define PAGE_STATE_ORDER_MASK 0x1f

/* The pages that can be handed out, without those that hold `states`. */
struct page_range {
	uint64_t base;
	uint64_t pages;
	uint8_t *states;
};

/* The first bytes of a free block. */
struct free_block {
	LIST_ENTRY(free_block) link;
};

LIST_HEAD(free_list, free_block);

static struct {
	struct spinlock lock;
	struct page_range ranges[PAGE_RANGES_MAX]; /* sorted by base, disjoint */
	unsigned range_count;
	struct free_list free[PAGE_ORDER_MAX + 1];
	uint64_t total_pages;
	uint64_t free_pages;
} pool;

static uint64_t block_bytes(unsigned order)
{
	return PAGE_SIZE << order;
}

/* The number of ranges that begin at or below `address`. */
static unsigned range_count_below(uint64_t address)
{
	unsigned low = 0, high = pool.range_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (pool.ranges[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The range that holds the page at `address`, or NULL. */
static const struct page_range *range_find(uint64_t address)
{
	unsigned index = range_count_below(address);
	const struct page_range *range = index > 0 ? &pool.ranges[index - 1] : NULL;

	if (!range || address - range->base >= range->pages << PAGE_SHIFT)
		return NULL;
	return range;
}

/* The byte of the page at `address`, which is in the range. */
static uint8_t *range_state(const struct page_range *range, uint64_t address)
{
	return &range->states[(address - range->base) >> PAGE_SHIFT];
}

static void block_insert(const struct page_range *range, uint64_t address, unsigned order)
{
	struct free_block *block = platform_ram(hpa_make(address));

	*range_state(range, address) = (uint8_t)(PAGE_STATE_FREE | order);
	LIST_INSERT_HEAD(&pool.free[order], block, link);
}

static void block_remove(const struct page_range *range, uint64_t address)
{
	struct free_block *block = platform_ram(hpa_make(address));

	*range_state(range, address) = PAGE_STATE_INSIDE;
	LIST_REMOVE(block, link);
}

/* Whether the block's buddy is in the range, free and whole. */
static bool block_can_join(const struct page_range *range, uint64_t buddy, unsigned order)
{
	return buddy >= range->base && buddy - range->base < range->pages << PAGE_SHIFT &&
	       *range_state(range, buddy) == (PAGE_STATE_FREE | order);
}

/* Makes a block free and joins it with its buddies as far as they are free. */
static void block_release(const struct page_range *range, uint64_t address, unsigned order)
{
	/* It may end up inside a larger one. */
	*range_state(range, address) = PAGE_STATE_INSIDE;
	while (order < PAGE_ORDER_MAX) {
		uint64_t buddy = address ^ block_bytes(order);

		if (!block_can_join(range, buddy, order))
			break;
		block_remove(range, buddy);
		address = min_u64(address, buddy);
		order++;
	}
	block_insert(range, address, order);
}

/* Cuts a range that has no blocks yet into the largest ones that alignment allows. */
static void range_fill(const struct page_range *range)
{
	uint64_t address = range->base;
	uint64_t end = range->base + (range->pages << PAGE_SHIFT);

	while (address < end) {
		unsigned order = PAGE_ORDER_MAX;

		while (!is_aligned(address, block_bytes(order)) ||
		       block_bytes(order) > end - address)
			order--;
		block_insert(range, address, order);
		address += block_bytes(order);
	}
	pool.total_pages += range->pages;
	pool.free_pages += range->pages;
}

/*
 * Divides [base, base + pages) between the bytes that describe pages and the pages they describe.
 * The bytes go to the end that is aligned worse: large blocks fit the other one.
 */
static struct page_range range_make(uint64_t base, uint64_t pages)
{
	uint64_t state_pages = (pages + PAGE_SIZE) / (PAGE_SIZE + 1);
	uint64_t end = base + (pages << PAGE_SHIFT);
	uint64_t states_at = end - (state_pages << PAGE_SHIFT);

	if ((base & -base) <= (end & -end)) {
		states_at = base;
		base += state_pages << PAGE_SHIFT;
	}
	return (struct page_range){
		.base = base,
		.pages = pages - state_pages,
		.states = platform_ram(hpa_make(states_at)),
	};
}

/* Under the lock: finds room in the sorted list and fills it in. */
static int range_insert(uint64_t base, uint64_t pages)
{
	unsigned index = range_count_below(base);
	struct page_range *at = &pool.ranges[index];

	if (pool.range_count == PAGE_RANGES_MAX)
		return -ENOSPC;
	if (range_find(base) || (index < pool.range_count && at->base - base < pages << PAGE_SHIFT))
		return -EEXIST;
	memmove(at + 1, at, (pool.range_count - index) * sizeof(*at));
	pool.range_count++;
	*at = range_make(base, pages);
	memset(at->states, PAGE_STATE_INSIDE, at->pages);
	range_fill(at);
	return 0;
}

int page_alloc_add(hpa_t base, uint64_t length)
{
	uint64_t first = align_up(base.value, PAGE_SIZE);
	uint64_t end = align_down(base.value + length, PAGE_SIZE);
	int error;

	if (base.value + length < base.value || first < base.value)
		return -EINVAL;
	if (end < first || end - first < 2 * PAGE_SIZE)
		return -ENOMEM;
	spin_lock(&pool.lock);
	error = range_insert(first, (end - first) >> PAGE_SHIFT);
	spin_unlock(&pool.lock);
	return error;
}

/* Under the lock: takes a free block of at least `order` and gives back what is too much of it. */
static int block_take(unsigned order, uint64_t *address)
{
	const struct page_range *range;
	unsigned found = order;

	while (found <= PAGE_ORDER_MAX && LIST_EMPTY(&pool.free[found]))
		found++;
	if (found > PAGE_ORDER_MAX)
		return -ENOMEM;
	*address = platform_ram_address(LIST_FIRST(&pool.free[found])).value;
	range = range_find(*address);
	if (!range || *range_state(range, *address) != (PAGE_STATE_FREE | found))
		platform_panic("page allocator: the list of free blocks of order %u is damaged at "
			       "0x%llx",
			       found, (unsigned long long)*address);
	block_remove(range, *address);
	while (found > order) {
		found--;
		block_insert(range, *address + block_bytes(found), found);
	}
	*range_state(range, *address) = (uint8_t)(PAGE_STATE_USED | order);
	pool.free_pages -= (uint64_t)1 << order;
	return 0;
}

int page_alloc(unsigned order, hpa_t *address)
{
	int error;

	if (order > PAGE_ORDER_MAX)
		return -EINVAL;
	spin_lock(&pool.lock);
	error = block_take(order, &address->value);
	spin_unlock(&pool.lock);
	return error;
}

void *page_alloc_zeroed(unsigned order)
{
	hpa_t address;

	if (page_alloc(order, &address) != 0)
		return NULL;
	return memset(platform_ram(address), 0, block_bytes(order));
}

/* The state of the page at `address`; PAGE_STATE_INSIDE where nobody manages it. */
static uint8_t page_state(uint64_t address)
{
	const struct page_range *range = range_find(address);

	if (!range || !is_aligned(address, PAGE_SIZE))
		return PAGE_STATE_INSIDE;
	return *range_state(range, address);
}

void page_free(hpa_t address, unsigned order)
{
	uint8_t state;

	spin_lock(&pool.lock);
	state = page_state(address.value);
	if (order > PAGE_ORDER_MAX || state != (PAGE_STATE_USED | order)) {
		/* The panic may want memory: leave the lock to it. */
		spin_unlock(&pool.lock);
		platform_panic("page allocator: 0x%llx of order %u is freed, but %s",
			       (unsigned long long)address.value, order,
			       state & PAGE_STATE_USED	 ? "was allocated with another order"
			       : state & PAGE_STATE_FREE ? "is free already"
							 : "is no allocated block");
	}
	block_release(range_find(address.value), address.value, order);
	pool.free_pages += (uint64_t)1 << order;
	spin_unlock(&pool.lock);
}

void page_free_pointer(void *pointer, unsigned order)
{
	page_free(platform_ram_address(pointer), order);
}

int page_alloc_order(hpa_t address)
{
	uint8_t state;

	spin_lock(&pool.lock);
	state = page_state(address.value);
	spin_unlock(&pool.lock);
	return state & PAGE_STATE_USED ? state & PAGE_STATE_ORDER_MASK : -ENOENT;
}

uint64_t page_alloc_total(void)
{
	return pool.total_pages << PAGE_SHIFT;
}

uint64_t page_alloc_free_bytes(void)
{
	uint64_t pages;

	spin_lock(&pool.lock);
	pages = pool.free_pages;
	spin_unlock(&pool.lock);
	return pages << PAGE_SHIFT;
}

void page_alloc_reset(void)
{
	memset(&pool, 0, sizeof(pool));
}
