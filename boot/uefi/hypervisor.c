/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads the embedded hypervisor: the segments of its ELF that are linked into the higher half. The
 * low ones are the multiboot2 entry, which only other boot loaders use.
 */
#include "boot/uefi/loader.h"

#include "boot/uefi/elf_image.h"

#include <string.h>

static const char *check_segment(const Elf64_Phdr *segment, uint64_t file_size)
{
	uint64_t end = segment->p_vaddr + segment->p_memsz;

	if (segment->p_filesz > segment->p_memsz || segment->p_offset > file_size ||
	    segment->p_filesz > file_size - segment->p_offset)
		return "a segment lies outside the file";
	if (end < segment->p_vaddr || !is_aligned(segment->p_vaddr, PAGE_SIZE))
		return "a segment is not page-aligned or wraps";
	if ((segment->p_flags & PF_W) != 0 && (segment->p_flags & PF_X) != 0)
		return "a segment is both writable and executable";
	return NULL;
}

const Elf64_Phdr *elf_next_segment(const Elf64_Phdr *after)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)hypervisor_elf_start;
	const Elf64_Phdr *segments =
		(const Elf64_Phdr *)(const void *)(hypervisor_elf_start + header->e_phoff);
	const Elf64_Phdr *segment = after == NULL ? segments : after + 1;

	for (; segment < segments + header->e_phnum; segment++)
		if (segment->p_type == PT_LOAD && segment->p_memsz > 0 &&
		    segment->p_vaddr >= HYPERVISOR_HALF)
			return segment;
	return NULL;
}

/* Checks the ELF and takes the range of addresses that it wants; the reason where it is no good. */
static const char *measure_elf(struct loader *loader)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)hypervisor_elf_start;
	uint64_t size = (uint64_t)(hypervisor_elf_end - hypervisor_elf_start);
	uint64_t low = UINT64_MAX, high = 0;

	if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
		return "no 64-bit x86 ELF";
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > size ||
	    header->e_phnum > (size - header->e_phoff) / sizeof(Elf64_Phdr))
		return "its segment table is broken";
	for (const Elf64_Phdr *segment = elf_next_segment(NULL); segment != NULL;
	     segment = elf_next_segment(segment)) {
		const char *why = check_segment(segment, size);

		if (why != NULL)
			return why;
		low = min_u64(low, segment->p_vaddr);
		high = max_u64(high, segment->p_vaddr + segment->p_memsz);
	}
	if (low > high || header->e_entry < low || header->e_entry >= high)
		return "it has no entry point";
	loader->hypervisor_va = align_down(low, MIB(2));
	loader->hypervisor_end = align_up(high, PAGE_SIZE);
	return NULL;
}

static void copy_segments(struct loader *loader)
{
	uint8_t *base = (uint8_t *)loader->hypervisor;

	memset(base, 0, loader->hypervisor_end - loader->hypervisor_va);
	for (const Elf64_Phdr *segment = elf_next_segment(NULL); segment != NULL;
	     segment = elf_next_segment(segment))
		memcpy(base + (segment->p_vaddr - loader->hypervisor_va),
		       hypervisor_elf_start + segment->p_offset, segment->p_filesz);
}

bool loader_load_hypervisor(struct loader *loader, uint64_t *entry)
{
	const char *why = measure_elf(loader);
	uint64_t length, block;
	EFI_STATUS status;

	if (why != NULL) {
		loader_message(loader,
			       "loader: the hypervisor inside this loader is broken (%s): copy "
			       "BOOTX64.EFI again\n",
			       why);
		return false;
	}
	length = loader->hypervisor_end - loader->hypervisor_va;
	block = loader_allocate(loader, length + MIB(2), LOADER_BELOW_4G, &status);
	if (block == 0)
		block = loader_allocate(loader, length + MIB(2), LOADER_ANYWHERE, &status);
	if (block == 0) {
		loader_message(loader,
			       "loader: no %llu KiB of memory in one piece for the hypervisor "
			       "(%s)\n",
			       (unsigned long long)(length + MIB(2)) / 1024,
			       efi_status_name(status));
		return false;
	}
	loader->hypervisor = align_up(block, MIB(2));
	copy_segments(loader);
	loader->info->hypervisor_base = loader->hypervisor;
	loader->info->hypervisor_length = length;
	*entry = ((const Elf64_Ehdr *)(const void *)hypervisor_elf_start)->e_entry;
	return true;
}
