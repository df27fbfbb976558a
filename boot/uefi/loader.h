/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UEFI loader's parts. BOOTX64.EFI reads the config and the files that it names, takes what the
 * firmware knows of the machine into a struct boot_info, loads the hypervisor that it embeds, and
 * jumps to it. One thread, boot services on until loader_start_hypervisor(). All memory comes from
 * loader_allocate() and is never freed: it becomes BOOT_MEMORY_BOOT.
 */
#pragma once

#include <efi.h>

#include "boot/boot_info.h"
#include "vmm/types.h"

#define LOADER_BELOW_4G 0xffffffffull
#define LOADER_ANYWHERE UINT64_MAX

struct loader {
	EFI_HANDLE image;
	EFI_SYSTEM_TABLE *system;
	EFI_BOOT_SERVICES *services;
	struct boot_info *info;	 /* NULL until it is allocated */
	uint64_t hypervisor;	 /* where it is: physical, 2 MiB-aligned */
	uint64_t hypervisor_va;	 /* its lowest address, rounded down to 2 MiB */
	uint64_t hypervisor_end; /* address behind its last page */
	uint64_t root;		 /* new PML4, physical, below 4 GiB */
};

/* ---- console.c ---- */

/* Prints on the firmware's console. "\n" ends a line. */
HV_PRINTF(2, 3) void loader_print(struct loader *loader, const char *format, ...);

/* Prints, and keeps the text in boot_info.messages for the log and console of the hypervisor. */
HV_PRINTF(2, 3) void loader_message(struct loader *loader, const char *format, ...);

/* Waits for a key, at most `seconds`. */
void loader_wait_key(struct loader *loader, unsigned seconds);

/* The specification's name of a status (UEFI 2.10, appendix D) without its EFI_ prefix. */
const char *efi_status_name(EFI_STATUS status);

/* ---- memory.c ---- */

/*
 * Whole pages for at least `bytes` bytes that end at or below `max_address`. Returns the physical
 * address, which boot services also use, or 0 with *status saying why.
 */
uint64_t loader_allocate(struct loader *loader, uint64_t bytes, uint64_t max_address,
			 EFI_STATUS *status);

/* The same for code that runs under the firmware's page tables, which may not execute data. */
uint64_t loader_allocate_code(struct loader *loader, uint64_t bytes, uint64_t max_address,
			      EFI_STATUS *status);

/* One state of the firmware's memory map; descriptors are `descriptor_size` bytes apart. */
struct efi_map {
	uint8_t *descriptors;
	UINTN capacity; /* bytes */
	UINTN size;	/* bytes used */
	UINTN key;
	UINTN descriptor_size;
};

/* Allocates a buffer with room for a map that grows, and reads the map into it. */
HV_MUST_CHECK EFI_STATUS efi_map_create(struct loader *loader, struct efi_map *map);

/* Reads the map again; allocates nothing, so that it may follow a failed ExitBootServices(). */
HV_MUST_CHECK EFI_STATUS efi_map_read(struct loader *loader, struct efi_map *map);

static inline const EFI_MEMORY_DESCRIPTOR *efi_map_at(const struct efi_map *map, UINTN index)
{
	return (const EFI_MEMORY_DESCRIPTOR *)(const void *)(map->descriptors +
							     index * map->descriptor_size);
}

static inline UINTN efi_map_count(const struct efi_map *map)
{
	return map->size / map->descriptor_size;
}

/* What a descriptor is to the hypervisor. */
enum boot_memory_kind efi_memory_kind(const EFI_MEMORY_DESCRIPTOR *descriptor);

/* Fills info->memory. Needs no boot services. */
void loader_take_memory(struct loader *loader, const struct efi_map *map);

/* ---- files.c ---- */

/* Reads the config and every file that it names. What is missing or broken is said and left out. */
void loader_read_files(struct loader *loader);

/* ---- machine.c ---- */

/* ACPI, SMBIOS, framebuffer and CPUs. */
void loader_take_machine(struct loader *loader);

/* ---- hypervisor.c ---- */

/*
 * Copies the embedded ELF's segments to memory. Returns false after a message.
 * loader_map_hypervisor() maps them.
 */
HV_MUST_CHECK bool loader_load_hypervisor(struct loader *loader, uint64_t *entry);

/* ---- paging.c ---- */

/*
 * Builds the tables that the hypervisor starts on: low 4 GiB and all RAM of `map` identity-mapped,
 * the hypervisor at its linked address with each segment's own permissions. Nothing is writable and
 * executable; of the identity map only `jump_page` is executable. Returns false after a message.
 */
HV_MUST_CHECK bool loader_build_tables(struct loader *loader, const struct efi_map *map,
				       uint64_t jump_page);

/* ---- handover.c ---- */

/* Leaves boot services and enters the hypervisor; returns only where that failed. */
void loader_start_hypervisor(struct loader *loader, uint64_t entry);

/* The hypervisor's stripped ELF (mk/loader.mk). */
extern const uint8_t hypervisor_elf_start[] __attribute__((visibility("hidden")));
extern const uint8_t hypervisor_elf_end[] __attribute__((visibility("hidden")));
