/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for the hypervisor's own objects, on top of the page allocator: power-of-two size classes
 * from 16 bytes to 2 KiB, whole page blocks above. Any CPU may call at any time.
 */
#pragma once

#include "vmm/types.h"

/*
 * Returns `size` bytes (1 or more), zeroed, aligned to 16 bytes or, for PAGE_SIZE or more, to a
 * page; NULL where there is no memory left. The caller owns it until hv_free().
 */
HV_MUST_CHECK void *hv_alloc(size_t size);

/* Returns what hv_alloc() gave; NULL is allowed. */
void hv_free(void *pointer);

/* A copy of the string, or NULL where there is no memory left; freed with hv_free(). */
HV_MUST_CHECK char *hv_strdup(const char *string);

/* Bytes handed out and not yet returned, for `host` and for leak checks in tests. */
size_t heap_bytes_used(void);
