/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page tables that the hypervisor starts on, until it has made its own. SDM 3A, 4.5.
 *
 * The identity map is writable. It is executable only in its lowest 512 GiB, for the jump from
 * below 4 GiB: hv_entry (boot/entry.asm) takes that away at once.
 */
#include "boot/uefi/loader.h"

#include "arch/x86/cpuid.h"
#include "boot/uefi/elf_image.h"

#include <string.h>

#define PTE_PRESENT	 (1ull << 0)
#define PTE_WRITE	 (1ull << 1)
#define PTE_LARGE	 (1ull << 7)
#define PTE_NX		 (1ull << 63)
#define PTE_ADDRESS	 0x000ffffffffff000ull
#define PTE_COUNT	 512
#define IDENTITY_GIB_MAX (PTE_COUNT / 2 * PTE_COUNT) /* the lower half: 128 TiB */

struct table_builder {
	struct loader *loader;
	uint64_t *root;
	bool pages_1g;
	EFI_STATUS status; /* the first failure */
};

static uint64_t *new_table(struct table_builder *builder)
{
	EFI_STATUS status;
	uint64_t page = loader_allocate(builder->loader, PAGE_SIZE, LOADER_BELOW_4G, &status);

	if (page == 0)
		builder->status = status;
	else
		memset((void *)page, 0, PAGE_SIZE);
	return (uint64_t *)page;
}

/* The table below `entry`, made where there is none; NULL where memory is out. */
static uint64_t *next_table(struct table_builder *builder, uint64_t *entry)
{
	uint64_t *table;

	if ((*entry & PTE_PRESENT) != 0)
		return (uint64_t *)(*entry & PTE_ADDRESS);
	table = new_table(builder);
	if (table != NULL)
		*entry = (uint64_t)table | PTE_PRESENT | PTE_WRITE;
	return table;
}

static void map_gib(struct table_builder *builder, uint64_t gib)
{
	uint64_t *root_entry = &builder->root[gib / PTE_COUNT];
	uint64_t *pointers = next_table(builder, root_entry);
	uint64_t *directory;

	if (pointers == NULL || (pointers[gib % PTE_COUNT] & PTE_PRESENT) != 0)
		return;
	if (gib >= PTE_COUNT)
		*root_entry |= PTE_NX;
	if (builder->pages_1g) {
		pointers[gib % PTE_COUNT] = GIB(gib) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
		return;
	}
	directory = next_table(builder, &pointers[gib % PTE_COUNT]);
	for (unsigned i = 0; directory != NULL && i < PTE_COUNT; i++)
		directory[i] = (GIB(gib) + MIB(2) * i) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static void map_identity(struct table_builder *builder, uint64_t base, uint64_t end)
{
	uint64_t last = min_u64(end - 1, GIB(IDENTITY_GIB_MAX) - 1) >> PAGE_1G_SHIFT;

	for (uint64_t gib = base >> PAGE_1G_SHIFT; gib <= last && !EFI_ERROR(builder->status);
	     gib++)
		map_gib(builder, gib);
}

static void map_ram(struct table_builder *builder, const struct efi_map *map)
{
	map_identity(builder, 0, GIB(4));
	for (UINTN i = 0; i < efi_map_count(map); i++) {
		const EFI_MEMORY_DESCRIPTOR *range = efi_map_at(map, i);

		if (efi_memory_kind(range) != BOOT_MEMORY_RESERVED && range->NumberOfPages > 0)
			map_identity(builder, range->PhysicalStart,
				     range->PhysicalStart + (range->NumberOfPages << PAGE_SHIFT));
	}
}

static void map_page(struct table_builder *builder, uint64_t virtual, uint64_t entry)
{
	uint64_t *table = builder->root;

	for (unsigned shift = 39; shift > PAGE_SHIFT && table != NULL; shift -= 9)
		table = next_table(builder, &table[(virtual >> shift) % PTE_COUNT]);
	if (table != NULL)
		table[(virtual >> PAGE_SHIFT) % PTE_COUNT] = entry;
}

static void map_hypervisor(struct table_builder *builder)
{
	struct loader *loader = builder->loader;

	for (const Elf64_Phdr *segment = elf_next_segment(NULL); segment != NULL;
	     segment = elf_next_segment(segment)) {
		uint64_t flags = PTE_PRESENT;
		uint64_t end = segment->p_vaddr + segment->p_memsz;

		if ((segment->p_flags & PF_W) != 0)
			flags |= PTE_WRITE;
		if ((segment->p_flags & PF_X) == 0)
			flags |= PTE_NX;
		for (uint64_t at = segment->p_vaddr; at < end; at += PAGE_SIZE)
			map_page(builder, at,
				 (loader->hypervisor + (at - loader->hypervisor_va)) | flags);
	}
}

bool loader_build_tables(struct loader *loader, const struct efi_map *map)
{
	struct table_builder builder = {
		.loader = loader,
		.pages_1g = (cpuid_checked(0x80000001, 0).edx & CPUID_80000001_EDX_PAGE_1G) != 0,
	};

	builder.root = new_table(&builder);
	if (builder.root != NULL) {
		map_ram(&builder, map);
		map_hypervisor(&builder);
	}
	if (EFI_ERROR(builder.status)) {
		loader_message(loader, "loader: no memory for page tables (%s)\n",
			       efi_status_name(builder.status));
		return false;
	}
	loader->root = (uint64_t)builder.root;
	return true;
}
