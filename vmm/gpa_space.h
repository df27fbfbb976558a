/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's physical address space: the regions of host memory that it is made of, and the nested
 * page tables that tell the CPU. The format of an entry (NPT, EPT) comes as a struct of ops; all
 * logic of building tables is here. Accessors for the hypervisor look at the regions alone, so they
 * need no table and no CPU.
 *
 * Changes are made while no vCPU of the VM runs, or under a stop of all of them, and the caller
 * flushes TLBs where an entry lost rights. So accessors take no lock. Only write-back regions are
 * memory to them; a region of another type is a device's and reads as not backed.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/types.h"

enum gpa_permission {
	GPA_READ = 1 << 0,
	GPA_WRITE = 1 << 1,
	GPA_EXECUTE = 1 << 2,
	GPA_RWX = GPA_READ | GPA_WRITE | GPA_EXECUTE,
};

enum memory_type {
	MEMORY_WB,
	MEMORY_UC,
	MEMORY_WC,
	MEMORY_WT,
	MEMORY_WP
};

/* How one vendor writes an entry of its nested page tables. Levels: 1 is 4 KiB, 2 is 2 MiB, 3 is 1
 * GiB, 4 the root. */
struct pte_ops {
	unsigned max_leaf_level; /* 3 where the CPU has 1 GiB pages, else 2 */
	uint64_t (*make_table)(hpa_t table);
	uint64_t (*make_leaf)(hpa_t page, unsigned level, unsigned permission,
			      enum memory_type type);
	bool (*is_present)(uint64_t entry);
	bool (*is_leaf)(uint64_t entry, unsigned level);
	hpa_t (*address)(uint64_t entry);
	unsigned (*permission)(uint64_t entry);
};

struct gpa_region {
	gpa_t gpa;
	hpa_t hpa;
	uint64_t length;
	unsigned permission; /* enum gpa_permission bits */
	enum memory_type type;
};

#define GPA_HINTS 64

struct gpa_space {
	const struct pte_ops *pte;
	uint64_t *root;		    /* level-4 table */
	struct gpa_region *regions; /* sorted by gpa, disjoint */
	unsigned count;
	unsigned capacity;
	uint64_t table_pages; /* pages that the tables take, for `host` */
	/* Where an address was found last, by its high bits: compared before it is used, so that it
	 * may be any region, or NULL. */
	const struct gpa_region *_Atomic *hints; /* GPA_HINTS of them */
};

/* Makes an empty space. Errors: -ENOMEM. */
HV_MUST_CHECK int gpa_space_init(struct gpa_space *space, const struct pte_ops *pte);

/* Frees the tables; the memory that regions name belongs to the caller. */
void gpa_space_destroy(struct gpa_space *space);

/*
 * Adds a region and maps it with the largest leaves that alignment allows. Everything is
 * page-aligned. Errors: -EINVAL (alignment, empty, wraps, above 2^47, not readable, unknown
 * permission), -EEXIST (overlap), -ENOMEM (nothing is added).
 */
HV_MUST_CHECK int gpa_space_map(struct gpa_space *space, const struct gpa_region *region);

/* Takes a whole region (named by its first address) away again. Errors: -ENOENT. */
HV_MUST_CHECK int gpa_space_unmap(struct gpa_space *space, gpa_t gpa);

/* The region that holds gpa, or NULL. */
const struct gpa_region *gpa_space_find(const struct gpa_space *space, gpa_t gpa);

/*
 * Copy between guest memory and the hypervisor's. All or nothing: -EFAULT where any byte of the
 * range is not backed (or, for writes, not writable), and then nothing was copied.
 */
HV_MUST_CHECK int gpa_read(const struct gpa_space *space, gpa_t gpa, void *to, size_t length);
HV_MUST_CHECK int gpa_write(const struct gpa_space *space, gpa_t gpa, const void *from,
			    size_t length);

/* Sets `length` bytes to zero. Errors: -EFAULT as above. */
HV_MUST_CHECK int gpa_zero(const struct gpa_space *space, gpa_t gpa, uint64_t length);

/*
 * A pointer to `length` bytes of guest memory that lie in one region, or NULL. For atomic accesses
 * and long-lived shared pages (the guest may change the bytes at any time: read each once).
 */
void *gpa_pointer(const struct gpa_space *space, gpa_t gpa, size_t length, unsigned permission);

/*
 * Walks the nested tables as the CPU would: stores the host address that gpa stands for, the level
 * of its leaf and the rights that all entries on the way leave. Errors: -ENOENT where nothing is
 * mapped. For tests, `host check` and diagnosis.
 */
HV_MUST_CHECK int gpa_space_walk(const struct gpa_space *space, gpa_t gpa, hpa_t *hpa,
				 unsigned *level, unsigned *permission);
