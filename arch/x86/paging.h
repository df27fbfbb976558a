/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four-level page tables of the host (SDM 3A, 4.5; APM 2, 5.3): building and walking them, with no
 * hardware in it. Memory for tables and the way to reach them are the caller's. Tables only grow:
 * what is mapped stays, and no leaf is ever both writable and executable.
 */
#pragma once

#include "vmm/types.h"

/* Flags of a mapping. Without any: read-only data, cached. All are supervisor and global. */
#define PAGING_WRITE	(1u << 0)
#define PAGING_EXECUTE	(1u << 1)
#define PAGING_UNCACHED (1u << 2) /* UC by the power-on PAT: PCD and PWT, entry 3 */

struct paging {
	hpa_t root;
	unsigned max_leaf_level; /* 3: 1 GiB leaves, 2: 2 MiB, 1: 4 KiB */
	/* Stores the address of a page for a table; its content does not matter. -ENOMEM: none. */
	int (*alloc_table)(hpa_t *table);
	/* Where the code reaches a table. */
	uint64_t *(*table)(hpa_t address);
};

/* What a walk finds. */
struct paging_leaf {
	hpa_t hpa;	/* of the address that was asked for, not of the leaf */
	unsigned level; /* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB */
	unsigned flags;
};

/* Gets an empty root; the other members are set. Errors: -ENOMEM. */
HV_MUST_CHECK int paging_init(struct paging *paging);

/*
 * Maps [virtual, virtual + length) to the bytes from hpa on with the largest leaves that alignment
 * allows. All three are multiples of 4 KiB. The caller serialises. No translation has to be
 * flushed: absent entries are not cached. Errors, and then nothing is mapped: -EINVAL (alignment,
 * empty, not canonical, above 2^52, writable and executable), -EEXIST (part of it is mapped),
 * -ENOMEM.
 */
HV_MUST_CHECK int paging_map(const struct paging *paging, uint64_t virtual, hpa_t hpa,
			     uint64_t length, unsigned flags);

/* Finds the leaf that translates `virtual`. Errors: -ENOENT. */
HV_MUST_CHECK int paging_walk(const struct paging *paging, uint64_t virtual,
			      struct paging_leaf *leaf);
