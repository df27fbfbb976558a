/* SPDX-License-Identifier: BSD-2-Clause */
/* The UEFI application's main function: the order of the steps. */
#include "boot/uefi/loader.h"

#include "arch/x86/cpuid.h"
#include "version.h"

#include <string.h>

#define KEY_SECONDS    30
#define MEMORY_MINIMUM MIB(32)

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static bool make_boot_info(struct loader *loader)
{
	EFI_STATUS status;
	struct boot_info *info = (struct boot_info *)loader_allocate(loader, sizeof(*info),
								     LOADER_ANYWHERE, &status);

	if (info == NULL) {
		loader_print(loader, "loader: no memory for boot_info (%s)\n",
			     efi_status_name(status));
		return false;
	}
	memset(info, 0, sizeof(*info));
	info->magic = BOOT_INFO_MAGIC;
	info->size = sizeof(*info);
	strlcpy(info->loader, "UEFI", sizeof(info->loader));
	loader->info = info;
	return true;
}

/* What the hypervisor cannot do without, and the firmware does not guarantee. */
static bool check_machine(struct loader *loader)
{
	uint64_t free = 0;
	struct efi_map map;
	EFI_STATUS status;

	if ((cpuid_checked(0x80000001, 0).edx & CPUID_80000001_EDX_NX) == 0) {
		loader_message(loader, "loader: this CPU has no execute-disable (NX), or the "
				       "firmware's setup turned it off: turn it on there\n");
		return false;
	}
	status = efi_map_create(loader, &map);
	if (EFI_ERROR(status)) {
		loader_message(loader, "loader: the memory map cannot be read (%s)\n",
			       efi_status_name(status));
		return false;
	}
	for (UINTN i = 0; i < efi_map_count(&map); i++)
		if (efi_memory_kind(efi_map_at(&map, i)) == BOOT_MEMORY_FREE)
			free += efi_map_at(&map, i)->NumberOfPages << PAGE_SHIFT;
	if (free < MEMORY_MINIMUM) {
		loader_message(loader,
			       "loader: %llu MiB of memory are free: the hypervisor itself needs "
			       "%llu MiB\n",
			       (unsigned long long)(free >> 20),
			       (unsigned long long)(MEMORY_MINIMUM >> 20));
		return false;
	}
	return true;
}

/* Returns only where the hypervisor could not be started, after a message. */
static void boot(struct loader *loader)
{
	uint64_t entry;

	if (!make_boot_info(loader) || !check_machine(loader))
		return;
	/* Before the guests' images, which may leave no room. */
	if (!loader_load_hypervisor(loader, &entry))
		return;
	loader_read_files(loader);
	loader_take_machine(loader);
	loader_start_hypervisor(loader, entry);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	struct loader loader = {
		.image = image,
		.system = system,
		.services = system->BootServices,
	};

	/* Reading large images may take longer than the firmware's five minutes. */
	loader.services->SetWatchdogTimer(0, 0, 0, NULL);
	loader_print(&loader, "\nBulkhead %s\n", BULKHEAD_VERSION);
	boot(&loader);
	loader_print(&loader, "The hypervisor was not started.\n");
	loader_wait_key(&loader, KEY_SECONDS);
	return EFI_LOAD_ERROR;
}
