/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loaders of the image formats share: one file a format, each with a way to recognise its
 * images and a way to load them. Only guest/load includes this.
 */
#pragma once

#include "guest/load/load.h"
#include "guest/tables/e820.h"

/* One load in progress. */
struct loader {
	const struct load_request *request;
	char *error; /* LOAD_ERROR_MAX bytes */
	struct e820_map map;
	gpa_t rsdp;
	/* What the kernel occupies; everything else goes between its end and `top`. */
	uint64_t kernel_base;
	uint64_t kernel_end;
	uint64_t top;	    /* lowest address taken from the end of low RAM downwards */
	uint32_t info_used; /* of GUEST_LOW_BOOT_INFO_LENGTH */
};

struct image_format {
	const char *name;
	/* Looks at no more than the image's bytes; true also for a broken image of the format. */
	bool (*recognise)(const struct guest_image *image);
	int (*load)(struct loader *loader, struct load_entry *entry);
};

extern const struct image_format linux_format;
extern const struct image_format multiboot1_format;
extern const struct image_format multiboot2_format;
extern const struct image_format pvh_format;
extern const struct image_format flat_format;

/* Writes the sentence and returns `result`, a negative errno. */
HV_PRINTF(3, 4) int loader_fail(struct loader *loader, int result, const char *format, ...);

/* [offset, offset + length) of an image, or NULL where the image is shorter. */
const void *image_bytes(const struct guest_image *image, uint64_t offset, uint64_t length);

/* gpa_write() and gpa_zero() with a sentence where they fail; `what` names the thing. */
HV_MUST_CHECK int loader_write(struct loader *loader, const char *what, uint64_t gpa,
			       const void *from, size_t length);
HV_MUST_CHECK int loader_zero(struct loader *loader, const char *what, uint64_t gpa,
			      uint64_t length);

/*
 * Notes that the kernel takes [base, base + length). Errors: -ENOSPC where that is not between 1
 * MiB and the end of low RAM.
 */
HV_MUST_CHECK int loader_claim_kernel(struct loader *loader, uint64_t base, uint64_t length);

/*
 * Copies an image page-aligned to the highest free place below `limit` and stores where. Errors:
 * -ENOSPC where it does not fit above the kernel.
 */
HV_MUST_CHECK int loader_place_high(struct loader *loader, const char *what,
				    const struct guest_image *image, uint64_t limit, uint64_t *at);

/* Writes the command line to GUEST_LOW_CMDLINE. Errors: -E2BIG where it is longer than `max`. */
HV_MUST_CHECK int loader_write_cmdline(struct loader *loader, size_t max);

/* Checks that the kernel is entered inside itself. Errors: -ENOEXEC. */
HV_MUST_CHECK int loader_check_entry(struct loader *loader, uint64_t entry);

/*
 * Appends boot information at GUEST_LOW_BOOT_INFO, aligned to `align` (a power of two), and stores
 * its address. Errors: -E2BIG where there is no room left.
 */
HV_MUST_CHECK int loader_append_info(struct loader *loader, const void *from, size_t length,
				     unsigned align, uint32_t *at);

/*
 * For protocols with any number of modules: the initrd, where there is one, is module 0 and the
 * request's own follow.
 */
unsigned loader_module_count(const struct loader *loader);
HV_MUST_CHECK int loader_place_module(struct loader *loader, unsigned index, uint64_t *at,
				      uint64_t *length, const char **arguments);
