/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF executables; see elf.h. */
#include "guest/load/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

bool elf_recognise(const struct guest_image *image)
{
	const void *magic = image_bytes(image, 0, SELFMAG);

	return magic && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* Takes the fields that matter out of either header; false where the file is shorter than one. */
static bool elf_read_header(struct elf_file *elf, uint16_t *type, uint16_t *machine)
{
	const void *bytes =
		image_bytes(elf->image, 0, elf->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	if (!bytes)
		return false;
	if (elf->is_64) {
		memcpy(&wide, bytes, sizeof(wide));
		*type = wide.e_type;
		*machine = wide.e_machine;
		elf->entry = wide.e_entry;
		elf->headers = wide.e_phoff;
		elf->segment_count = wide.e_phnum;
		elf->segment_size = wide.e_phentsize;
	} else {
		memcpy(&narrow, bytes, sizeof(narrow));
		*type = narrow.e_type;
		*machine = narrow.e_machine;
		elf->entry = narrow.e_entry;
		elf->headers = narrow.e_phoff;
		elf->segment_count = narrow.e_phnum;
		elf->segment_size = narrow.e_phentsize;
	}
	return true;
}

int elf_open(struct loader *loader, struct elf_file *elf)
{
	const struct guest_image *image = &loader->request->kernel;
	const uint8_t *ident = image_bytes(image, 0, EI_NIDENT);
	uint16_t type, machine;

	*elf = (struct elf_file){.image = image};
	if (!ident)
		return loader_fail(loader, -ENOEXEC, "kernel: truncated inside its ELF header");
	elf->is_64 = ident[EI_CLASS] == ELFCLASS64;
	if ((!elf->is_64 && ident[EI_CLASS] != ELFCLASS32) || ident[EI_DATA] != ELFDATA2LSB)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: corrupt, or an ELF file for another kind of machine");
	if (!elf_read_header(elf, &type, &machine))
		return loader_fail(loader, -ENOEXEC, "kernel: truncated inside its ELF header");
	if (machine != (elf->is_64 ? EM_X86_64 : EM_386))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: an ELF file for machine number %u; x86 (3 or 62) is "
				   "needed",
				   machine);
	if (type != ET_EXEC && type != ET_DYN)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: an ELF file, but not an executable (type %u)", type);
	if (elf->segment_size < (elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
	    !image_bytes(image, elf->headers, (uint64_t)elf->segment_count * elf->segment_size))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: truncated or corrupt: its ELF program headers lie "
				   "outside the file");
	return 0;
}

void elf_get_segment(const struct elf_file *elf, unsigned index, struct elf_segment *segment)
{
	const void *at = image_bytes(elf->image, elf->headers + (uint64_t)index * elf->segment_size,
				     elf->segment_size);
	Elf64_Phdr wide;
	Elf32_Phdr narrow;

	if (elf->is_64) {
		memcpy(&wide, at, sizeof(wide));
		*segment = (struct elf_segment){wide.p_type,  (uint32_t)wide.p_align, wide.p_offset,
						wide.p_vaddr, wide.p_paddr,	      wide.p_filesz,
						wide.p_memsz};
	} else {
		memcpy(&narrow, at, sizeof(narrow));
		*segment = (struct elf_segment){narrow.p_type,	narrow.p_align, narrow.p_offset,
						narrow.p_vaddr, narrow.p_paddr, narrow.p_filesz,
						narrow.p_memsz};
	}
}

static bool segment_is_loaded(const struct elf_segment *segment)
{
	return segment->type == PT_LOAD && segment->memory_length != 0;
}

static int elf_check_segment(struct loader *loader, const struct elf_file *elf, unsigned index,
			     const struct elf_segment *segment)
{
	if (segment->file_length > segment->memory_length ||
	    segment->physical_address > UINT64_MAX - segment->memory_length)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: corrupt: its ELF segment %u has impossible sizes",
				   index);
	if (!image_bytes(elf->image, segment->offset, segment->file_length))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: truncated: its ELF segment %u lies outside the file",
				   index);
	return 0;
}

/* What all loadable segments together take. */
static int elf_claim(struct loader *loader, const struct elf_file *elf)
{
	uint64_t lowest = UINT64_MAX, end = 0;
	struct elf_segment segment;
	int result;

	for (unsigned i = 0; i < elf->segment_count; i++) {
		elf_get_segment(elf, i, &segment);
		if (!segment_is_loaded(&segment))
			continue;
		result = elf_check_segment(loader, elf, i, &segment);
		if (result != 0)
			return result;
		lowest = min_u64(lowest, segment.physical_address);
		end = max_u64(end, segment.physical_address + segment.memory_length);
	}
	if (end == 0)
		return loader_fail(loader, -ENOEXEC, "kernel: an ELF file with nothing to load");
	return loader_claim_kernel(loader, lowest, end - lowest);
}

int elf_load(struct loader *loader, const struct elf_file *elf)
{
	struct elf_segment segment;
	int result = elf_claim(loader, elf);

	for (unsigned i = 0; i < elf->segment_count && result == 0; i++) {
		elf_get_segment(elf, i, &segment);
		if (!segment_is_loaded(&segment))
			continue;
		result = loader_write(loader, "kernel", segment.physical_address,
				      image_bytes(elf->image, segment.offset, segment.file_length),
				      (size_t)segment.file_length);
		if (result == 0)
			result = loader_zero(loader, "kernel",
					     segment.physical_address + segment.file_length,
					     segment.memory_length - segment.file_length);
	}
	return result;
}

uint64_t elf_physical_entry(const struct elf_file *elf)
{
	struct elf_segment segment;

	for (unsigned i = 0; i < elf->segment_count; i++) {
		elf_get_segment(elf, i, &segment);
		if (segment_is_loaded(&segment) && elf->entry >= segment.virtual_address &&
		    elf->entry - segment.virtual_address < segment.memory_length)
			return elf->entry - segment.virtual_address + segment.physical_address;
	}
	return elf->entry;
}

/* ---- notes ---- */

/* Looks through one PT_NOTE segment. A broken note ends the search. */
static bool notes_find(const uint8_t *notes, uint64_t length, uint64_t align, const char *name,
		       uint32_t type, uint64_t *value)
{
	uint64_t at = 0;
	Elf32_Nhdr note; /* the same in both classes */

	while (at <= length && length - at >= sizeof(note)) {
		uint64_t name_at = at + sizeof(note), descriptor_at;

		memcpy(&note, notes + at, sizeof(note));
		descriptor_at = align_up(name_at + note.n_namesz, align);
		if (descriptor_at > length || note.n_descsz > length - descriptor_at)
			return false;
		if (note.n_type == type && note.n_namesz == strlen(name) + 1 &&
		    memcmp(notes + name_at, name, note.n_namesz) == 0) {
			*value = 0;
			memcpy(value, notes + descriptor_at,
			       min_u64(note.n_descsz, sizeof(*value)));
			return true;
		}
		at = align_up(descriptor_at + note.n_descsz, align);
	}
	return false;
}

bool elf_find_note(const struct elf_file *elf, const char *name, uint32_t type, uint64_t *value)
{
	struct elf_segment segment;

	for (unsigned i = 0; i < elf->segment_count; i++) {
		const uint8_t *notes;

		elf_get_segment(elf, i, &segment);
		if (segment.type != PT_NOTE)
			continue;
		notes = image_bytes(elf->image, segment.offset, segment.file_length);
		if (notes && notes_find(notes, segment.file_length, segment.align == 8 ? 8 : 4,
					name, type, value))
			return true;
	}
	return false;
}
