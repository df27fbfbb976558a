/* SPDX-License-Identifier: BSD-2-Clause */
/* What both versions of the multiboot specification share. */
#pragma once

#include "guest/load/loader.h"

#define MULTIBOOT_LOADER_NAME "Bulkhead"

/* Where a header says its image goes, for files that are not ELF. */
struct multiboot_addresses {
	uint32_t header;   /* where the header itself is to lie */
	uint32_t load;	   /* where loading starts */
	uint32_t load_end; /* 0: at the file's end */
	uint32_t bss_end;  /* 0: no zeroed memory behind */
};

/* `load`: from the beginning of the file (version 2). */
#define MULTIBOOT_LOAD_WHOLE UINT32_MAX

/*
 * Finds a header: a dword `magic` in the first `window` bytes at a multiple of `align`, for which
 * `valid` is true of what follows. Returns its offset, or -1.
 */
int64_t multiboot_find(const struct guest_image *image, uint32_t magic, uint32_t window,
		       uint32_t align,
		       bool (*valid)(const struct guest_image *image, uint64_t offset));

/* The dword at `offset`, or 0 behind the end. */
uint32_t multiboot_dword(const struct guest_image *image, uint64_t offset);

/* Loads an image by its header's addresses; `offset` is where the header was found. */
HV_MUST_CHECK int multiboot_load_by_addresses(struct loader *loader, uint64_t offset,
					      const struct multiboot_addresses *addresses);

/* Loads an ELF image and stores its entry. Errors: also -ENOEXEC where it is none. */
HV_MUST_CHECK int multiboot_load_elf(struct loader *loader, uint64_t *entry);

/* KiB of RAM below 640 KiB and from 1 MiB up to the first hole. */
uint32_t multiboot_memory_lower(void);
uint32_t multiboot_memory_upper(const struct loader *loader);
