/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the page tables that the hypervisor starts on, while there are still boot services. */
#include "boot/uefi/loader.h"

#include "boot/boot_tables.h"
#include "boot/uefi/elf_image.h"

#include <errno.h>

/* For alloc_table(), which has no argument to take it from. */
static struct loader *table_loader;

/* Below 4 GiB, since 32-bit code loads the root into CR3. */
static int alloc_table(hpa_t *table)
{
	EFI_STATUS status;

	table->value = loader_allocate(table_loader, PAGE_SIZE, LOADER_BELOW_4G, &status);
	return table->value == 0 ? -ENOMEM : 0;
}

/* The page that the jump runs from is the one executable page of the identity map. */
static int map_jump(const struct paging *tables, uint64_t page)
{
	uint64_t gib = align_down(page, GIB(1));
	int error = paging_map(tables, page, hpa_make(page), PAGE_SIZE, PAGING_EXECUTE);

	if (error == 0 && page > gib)
		error = paging_map(tables, gib, hpa_make(gib), page - gib, PAGING_WRITE);
	page += PAGE_SIZE;
	if (error == 0 && page < gib + GIB(1))
		error = paging_map(tables, page, hpa_make(page), gib + GIB(1) - page, PAGING_WRITE);
	return error;
}

static int map_ram(const struct paging *tables, const struct efi_map *map)
{
	int error = boot_tables_map_ram(tables, 0, GIB(4));

	for (UINTN i = 0; error == 0 && i < efi_map_count(map); i++) {
		const EFI_MEMORY_DESCRIPTOR *range = efi_map_at(map, i);

		if (efi_memory_kind(range) != BOOT_MEMORY_RESERVED)
			error = boot_tables_map_ram(tables, range->PhysicalStart,
						    range->PhysicalStart +
							    (range->NumberOfPages << PAGE_SHIFT));
	}
	return error;
}

static int map_hypervisor(const struct paging *tables, const struct loader *loader)
{
	int error = 0;

	for (const Elf64_Phdr *segment = elf_next_segment(NULL); error == 0 && segment != NULL;
	     segment = elf_next_segment(segment)) {
		uint64_t offset = segment->p_vaddr - loader->hypervisor_va;
		unsigned flags = ((segment->p_flags & PF_W) != 0 ? PAGING_WRITE : 0) |
				 ((segment->p_flags & PF_X) != 0 ? PAGING_EXECUTE : 0);

		error = paging_map(tables, segment->p_vaddr, hpa_make(loader->hypervisor + offset),
				   align_up(segment->p_memsz, PAGE_SIZE), flags);
	}
	return error;
}

bool loader_build_tables(struct loader *loader, const struct efi_map *map, uint64_t jump_page)
{
	struct paging tables;
	int error;

	table_loader = loader;
	error = boot_tables_init(&tables, alloc_table);
	if (error == 0)
		error = map_jump(&tables, jump_page);
	if (error == 0)
		error = map_ram(&tables, map);
	if (error == 0)
		error = map_hypervisor(&tables, loader);
	if (error != 0) {
		loader_message(loader, "loader: page tables cannot be built (%s)\n",
			       error == -ENOMEM ? "no memory" : "overlapping segments");
		return false;
	}
	loader->root = tables.root.value;
	return true;
}
