/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the way of booting leaves for hv_main(): the UEFI loader and the multiboot2 entry fill the
 * same struct. All addresses are physical. Everything it points to lies in memory of kind
 * BOOT_MEMORY_BOOT, which stays: a VM that restarts is loaded from its images again.
 */
#pragma once

#include "vmm/types.h"

#define BOOT_INFO_MAGIC	  0x424b4844544f4f42 /* "BOOTDHKB" */
#define BOOT_MEMORY_MAX	  1024
#define BOOT_IMAGES_MAX	  256
#define BOOT_CPUS_MAX	  256
#define BOOT_PATH_MAX	  128
#define BOOT_MESSAGES_MAX 4096

enum boot_memory_kind {
	BOOT_MEMORY_FREE, /* RAM for us and for guests */
	BOOT_MEMORY_BOOT, /* RAM that holds this struct, images, config, page tables of the loader
			   */
	BOOT_MEMORY_HYPERVISOR, /* the loaded ELF */
	BOOT_MEMORY_ACPI,	/* ACPI tables: RAM, to be kept */
	BOOT_MEMORY_RESERVED,	/* the firmware's, devices: never touched */
};

struct boot_memory {
	uint64_t base; /* page-aligned */
	uint64_t length;
	uint32_t kind; /* enum boot_memory_kind */
	uint32_t reserved;
};

struct boot_image {
	char path[BOOT_PATH_MAX]; /* as the config names it, '/' separators */
	uint64_t base;
	uint64_t length;
};

struct boot_framebuffer {
	uint64_t base;		/* 0: none */
	uint32_t width, height; /* pixels */
	uint32_t pitch;		/* pixels a line */
	uint32_t format;	/* 0: bytes R G B x, 1: B G R x, in memory order */
};

struct boot_info {
	uint64_t magic;
	uint64_t size;	 /* sizeof(struct boot_info): both sides are one build */
	char loader[32]; /* "UEFI", "multiboot2: GRUB 2.06" */
	uint32_t memory_count;
	uint32_t image_count;
	uint32_t cpu_count; /* 0: look in the MADT */
	uint32_t reserved;
	struct boot_memory
		memory[BOOT_MEMORY_MAX]; /* sorted, disjoint, no two neighbours of one kind touch */
	struct boot_image images[BOOT_IMAGES_MAX];
	uint32_t cpu_apic_ids[BOOT_CPUS_MAX]; /* from MP Services; the first is the boot CPU */
	uint64_t rsdp;			      /* 0: no ACPI */
	uint64_t smbios;		      /* entry point, 0: none */
	uint64_t config;		      /* text, 0: no config was found */
	uint64_t config_length;
	char config_path[BOOT_PATH_MAX]; /* where it was found, or where it was looked for */
	struct boot_framebuffer framebuffer;
	uint64_t hypervisor_base; /* physical address of the linked __image_start */
	uint64_t hypervisor_length;
	char messages[BOOT_MESSAGES_MAX]; /* what the loader had to say (missing files ...), lines
					     with newlines */
};

/*
 * Checks everything that hv_main() will rely on, and sorts and joins the memory map. Pure. Returns
 * 0, or -EINVAL after storing a sentence in *why.
 */
HV_MUST_CHECK int boot_info_check(struct boot_info *info, const char **why);

/*
 * Adds a range to the map, cutting out what it overlaps: the later call wins over BOOT_MEMORY_FREE,
 * the more restrictive kind (the larger number) wins otherwise. Errors: -ENOSPC, -EINVAL (empty,
 * wraps).
 */
HV_MUST_CHECK int boot_info_add_memory(struct boot_info *info, uint64_t base, uint64_t length,
				       enum boot_memory_kind kind);

/* The image with this path (leading '/' and case do not matter, as on FAT), or NULL. */
const struct boot_image *boot_info_find_image(const struct boot_info *info, const char *path);

/* Whether two paths name one file: leading '/', case and '\\' for '/' do not matter, as on FAT. */
bool boot_path_equal(const char *a, const char *b);

/* Appends `text` (whole lines, each with its newline) to info->messages, cut where they are full.
 */
void boot_info_add_message(struct boot_info *info, const char *text);
