/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory from the firmware, and its map for the hypervisor. UEFI 2.10, 7.2. */
#include "boot/uefi/loader.h"

#include <errno.h>

/* Descriptors that may come with allocations and events after the map was first sized. */
#define MAP_SPARE_DESCRIPTORS 64

static uint64_t allocate(struct loader *loader, EFI_MEMORY_TYPE type, uint64_t bytes,
			 uint64_t max_address, EFI_STATUS *status)
{
	EFI_PHYSICAL_ADDRESS address = max_address;

	if (bytes == 0 || bytes > UINT64_MAX - PAGE_SIZE) {
		*status = EFI_OUT_OF_RESOURCES;
		return 0;
	}
	*status = loader->services->AllocatePages(
		max_address == LOADER_ANYWHERE ? AllocateAnyPages : AllocateMaxAddress, type,
		align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT, &address);
	return EFI_ERROR(*status) ? 0 : address;
}

uint64_t loader_allocate(struct loader *loader, uint64_t bytes, uint64_t max_address,
			 EFI_STATUS *status)
{
	return allocate(loader, EfiLoaderData, bytes, max_address, status);
}

uint64_t loader_allocate_code(struct loader *loader, uint64_t bytes, uint64_t max_address,
			      EFI_STATUS *status)
{
	return allocate(loader, EfiLoaderCode, bytes, max_address, status);
}

EFI_STATUS efi_map_read(struct loader *loader, struct efi_map *map)
{
	UINT32 version;

	map->size = map->capacity;
	return loader->services->GetMemoryMap(&map->size,
					      (EFI_MEMORY_DESCRIPTOR *)(void *)map->descriptors,
					      &map->key, &map->descriptor_size, &version);
}

EFI_STATUS efi_map_create(struct loader *loader, struct efi_map *map)
{
	EFI_STATUS status;

	*map = (struct efi_map){.descriptors = NULL};
	status = efi_map_read(loader, map);
	if (status != EFI_BUFFER_TOO_SMALL || map->descriptor_size < sizeof(EFI_MEMORY_DESCRIPTOR))
		return EFI_ERROR(status) ? status : EFI_LOAD_ERROR;
	map->capacity =
		align_up(map->size + MAP_SPARE_DESCRIPTORS * map->descriptor_size, PAGE_SIZE);
	map->descriptors =
		(uint8_t *)loader_allocate(loader, map->capacity, LOADER_ANYWHERE, &status);
	return EFI_ERROR(status) ? status : efi_map_read(loader, map);
}

enum boot_memory_kind efi_memory_kind(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
	switch (descriptor->Type) {
	case EfiConventionalMemory:
	case EfiBootServicesCode:
	case EfiBootServicesData:
		/* RAM that cannot be cached is no use to guests. */
		return (descriptor->Attribute & EFI_MEMORY_WB) != 0 ? BOOT_MEMORY_FREE
								    : BOOT_MEMORY_RESERVED;
	case EfiLoaderCode:
	case EfiLoaderData:
		return BOOT_MEMORY_BOOT;
	case EfiACPIReclaimMemory:
	case EfiACPIMemoryNVS:
		return BOOT_MEMORY_ACPI;
	default:
		return BOOT_MEMORY_RESERVED;
	}
}

void loader_take_memory(struct loader *loader, const struct efi_map *map)
{
	struct boot_info *info = loader->info;
	unsigned lost = 0;

	/* First, so that it has a place in the map whatever the firmware's looks like. */
	if (boot_info_add_memory(info, info->hypervisor_base, info->hypervisor_length,
				 BOOT_MEMORY_HYPERVISOR) != 0)
		lost++;
	for (UINTN i = 0; i < efi_map_count(map); i++) {
		const EFI_MEMORY_DESCRIPTOR *range = efi_map_at(map, i);

		if (range->NumberOfPages == 0)
			continue;
		if (boot_info_add_memory(info, range->PhysicalStart,
					 range->NumberOfPages << PAGE_SHIFT,
					 efi_memory_kind(range)) == -ENOSPC)
			lost++;
	}
	if (lost > 0)
		boot_info_add_message(info, "loader: the firmware's memory map is too long or "
					    "broken: some memory is not used\n");
}
