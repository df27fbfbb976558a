/* SPDX-License-Identifier: BSD-2-Clause */
/* The last steps: page tables, ExitBootServices(), the jump. UEFI 2.10, 7.4.6. */
#include "boot/uefi/loader.h"

#include "boot/uefi/jump.h"

#include <string.h>

/* The map may change between reading it and leaving, by timers of the firmware; it settles. */
#define EXIT_ATTEMPTS 16

/* Copies the jump's code to a page that 32-bit code can reach; NULL after a message. */
static struct jump_page *make_jump_page(struct loader *loader, uint64_t entry)
{
	EFI_STATUS status;
	struct jump_page *page = (struct jump_page *)loader_allocate_code(loader, sizeof(*page),
									  LOADER_BELOW_4G, &status);

	if (page == NULL) {
		loader_message(loader, "loader: no page below 4 GiB (%s)\n",
			       efi_status_name(status));
		return NULL;
	}
	memset(page, 0, sizeof(*page));
	memcpy(page->code, jump_code_start, (size_t)(jump_code_end - jump_code_start));
	page->entry = entry;
	page->info = (uint64_t)loader->info;
	return page;
}

/*
 * Where the map went stale the firmware refuses with EFI_INVALID_PARAMETER; then only the memory
 * map may be read again. Nothing is allocated or printed between the two calls.
 */
static EFI_STATUS exit_boot_services(struct loader *loader, struct efi_map *map)
{
	EFI_STATUS status = EFI_INVALID_PARAMETER;

	for (unsigned i = 0; i < EXIT_ATTEMPTS && status == EFI_INVALID_PARAMETER; i++) {
		status = efi_map_read(loader, map);
		if (EFI_ERROR(status))
			return status;
		status = loader->services->ExitBootServices(loader->image, map->key);
	}
	return status;
}

void loader_start_hypervisor(struct loader *loader, uint64_t entry)
{
	struct jump_page *page;
	struct efi_map map;
	EFI_STATUS status;

	status = efi_map_create(loader, &map);
	if (EFI_ERROR(status)) {
		loader_message(loader, "loader: the memory map cannot be read (%s)\n",
			       efi_status_name(status));
		return;
	}
	page = make_jump_page(loader, entry);
	if (page == NULL || !loader_build_tables(loader, &map, (uint64_t)page))
		return;
	page->root = loader->root;
	loader_print(loader, "Starting the hypervisor.\n");
	status = exit_boot_services(loader, &map);
	if (EFI_ERROR(status)) {
		loader_message(loader, "loader: the firmware does not leave boot services (%s)\n",
			       efi_status_name(status));
		return;
	}
	loader_take_memory(loader, &map);
	jump_enter(page);
}
