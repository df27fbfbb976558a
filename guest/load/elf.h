/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF executables of either class for the protocols that load them: PVH, multiboot 1 and 2. System
 * V ABI, chapters 4 and 5.
 */
#pragma once

#include "guest/load/loader.h"

/* A program header, whatever the class. */
struct elf_segment {
	uint32_t type;
	uint32_t align;
	uint64_t offset;
	uint64_t virtual_address;
	uint64_t physical_address;
	uint64_t file_length;
	uint64_t memory_length;
};

/* A file whose header was checked. */
struct elf_file {
	const struct guest_image *image;
	bool is_64;
	uint64_t entry;
	uint64_t headers; /* offset of the program headers, all of which the file has */
	unsigned segment_count;
	unsigned segment_size;
};

/* Whether the file begins as an ELF file does. */
bool elf_recognise(const struct guest_image *image);

/* Checks the header. Errors: -ENOEXEC (truncated, of another machine, no executable). */
HV_MUST_CHECK int elf_open(struct loader *loader, struct elf_file *elf);

/* The program header with number `index` < segment_count. */
void elf_get_segment(const struct elf_file *elf, unsigned index, struct elf_segment *segment);

/* Claims what the loadable segments take and copies them there. Errors: -ENOEXEC, -ENOSPC. */
HV_MUST_CHECK int elf_load(struct loader *loader, const struct elf_file *elf);

/* The entry point as a physical address, where a segment's virtual addresses hold it. */
uint64_t elf_physical_entry(const struct elf_file *elf);

/*
 * Copies the descriptor of the note with that name and type, zero-extended or cut to 8 bytes.
 * Returns false where there is none.
 */
bool elf_find_note(const struct elf_file *elf, const char *name, uint32_t type, uint64_t *value);
