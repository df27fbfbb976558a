/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's memory in power-of-two blocks of 4 KiB (order 0) to 1 GiB (order 18): a buddy
 * allocator. Free blocks are kept in lists through their own first bytes. Any CPU may call.
 */
#pragma once

#include "vmm/types.h"

#define PAGE_ORDER_4K  0
#define PAGE_ORDER_2M  9
#define PAGE_ORDER_1G  18
#define PAGE_ORDER_MAX PAGE_ORDER_1G

/*
 * Gives [base, base + length) to the allocator; parts of pages at the ends are left out. Called at
 * boot for each range of free memory, in any order. A block never spans two ranges.
 * Errors: -ENOMEM where the bookkeeping (one byte a page, taken from the range itself) does not
 * fit, -EEXIST (overlaps a range that was given before), -EINVAL (wraps), -ENOSPC (too many
 * ranges).
 */
HV_MUST_CHECK int page_alloc_add(hpa_t base, uint64_t length);

/*
 * Finds a free block of 2^order pages, aligned to its size; its content is undefined. Stores its
 * address. Errors: -ENOMEM, -EINVAL (order above PAGE_ORDER_MAX).
 */
HV_MUST_CHECK int page_alloc(unsigned order, hpa_t *address);

/* The same, zeroed, as a pointer that the hypervisor can use; NULL where there is none. */
HV_MUST_CHECK void *page_alloc_zeroed(unsigned order);

/* Returns a block; `order` is what it was allocated with. Panics where it is no such block. */
void page_free(hpa_t address, unsigned order);
void page_free_pointer(void *pointer, unsigned order);

/* The order of the allocated block that starts at `address`; -ENOENT where none does. */
int page_alloc_order(hpa_t address);

/* Bytes managed and bytes free now. */
uint64_t page_alloc_total(void);
uint64_t page_alloc_free_bytes(void);

/* Forgets every range: for tests. */
void page_alloc_reset(void);
