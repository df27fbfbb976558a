/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 1: ELF kernels of either class, or any file whose header gives load addresses. Entered
 * in protected mode with EAX = 2BADB002h and EBX = address of the information. Multiboot
 * Specification 0.6.96; section numbers are its.
 */
#include "guest/load/multiboot.h"

#include "guest/layout.h"

#include <errno.h>
#include <string.h>

#define HEADER_MAGIC  0x1badb002u
#define HEADER_WINDOW 8192 /* 3.1 */
#define HEADER_ALIGN  4
#define HEADER_LENGTH 12

/* Flags of the header (3.1.2). Modules are always page-aligned and memory is always told. A video
 * mode (bit 2) may be wished for; there is no screen. Of the low 16 bits, others are required
 * features that nobody knows. */
#define HEADER_UNKNOWN	 0xfff8u
#define HEADER_ADDRESSES (1u << 16)

#define ENTRY_EAX 0x2badb002u

/* Flags of the information (3.3). */
#define INFO_MEMORY  (1u << 0)
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MAP     (1u << 6)
#define INFO_NAME    (1u << 9)

struct multiboot1_info {
	uint32_t flags;
	uint32_t memory_lower, memory_upper;
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t module_count, modules;
	uint32_t symbols[4];
	uint32_t map_length, map;
	uint32_t drives_length, drives;
	uint32_t config_table;
	uint32_t loader_name;
	uint32_t apm_table;
	uint32_t video[11];
};

struct multiboot1_module {
	uint32_t start, end, string, reserved;
};

struct multiboot1_map_entry {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} HV_PACKED;

_Static_assert(offsetof(struct multiboot1_info, loader_name) == 64, "3.3");
_Static_assert(sizeof(struct multiboot1_info) == 116, "3.3");

static bool multiboot1_valid(const struct guest_image *image, uint64_t offset)
{
	return image_bytes(image, offset, HEADER_LENGTH) &&
	       (uint32_t)(HEADER_MAGIC + multiboot_dword(image, offset + 4) +
			  multiboot_dword(image, offset + 8)) == 0;
}

static int64_t multiboot1_find(const struct guest_image *image)
{
	return multiboot_find(image, HEADER_MAGIC, HEADER_WINDOW, HEADER_ALIGN, multiboot1_valid);
}

static bool multiboot1_recognise(const struct guest_image *image)
{
	return multiboot1_find(image) >= 0;
}

static int multiboot1_load_image(struct loader *loader, uint64_t *entry)
{
	const struct guest_image *image = &loader->request->kernel;
	uint64_t at = (uint64_t)multiboot1_find(image);
	uint32_t flags = multiboot_dword(image, at + 4);
	int result;

	if (flags & HEADER_UNKNOWN)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: its multiboot header requires features that do not "
				   "exist (flags 0x%x)",
				   flags);
	if (flags & HEADER_ADDRESSES) {
		const struct multiboot_addresses addresses = {
			.header = multiboot_dword(image, at + 12),
			.load = multiboot_dword(image, at + 16),
			.load_end = multiboot_dword(image, at + 20),
			.bss_end = multiboot_dword(image, at + 24),
		};

		*entry = multiboot_dword(image, at + 28);
		result = multiboot_load_by_addresses(loader, at, &addresses);
	} else {
		result = multiboot_load_elf(loader, entry);
	}
	return result == 0 ? loader_check_entry(loader, *entry) : result;
}

static int multiboot1_append_modules(struct loader *loader, struct multiboot1_info *info)
{
	static const struct multiboot1_module blank;
	uint32_t ignored;
	int result = 0;

	info->module_count = loader_module_count(loader);
	for (unsigned i = 0; i < info->module_count && result == 0; i++)
		result = loader_append_info(loader, &blank, sizeof(blank), 4,
					    i == 0 ? &info->modules : &ignored);
	for (unsigned i = 0; i < info->module_count && result == 0; i++) {
		struct multiboot1_module module = {0};
		uint64_t at = 0, length = 0;
		const char *arguments;

		result = loader_place_module(loader, i, &at, &length, &arguments);
		if (result == 0)
			result = loader_append_info(loader, arguments, strlen(arguments) + 1, 1,
						    &module.string);
		if (result != 0)
			break;
		module.start = (uint32_t)at;
		module.end = (uint32_t)(at + length);
		result = loader_write(loader, "module list", info->modules + i * sizeof(module),
				      &module, sizeof(module));
	}
	return result;
}

static int multiboot1_append_map(struct loader *loader, struct multiboot1_info *info)
{
	struct multiboot1_map_entry entries[E820_MAX];

	for (unsigned i = 0; i < loader->map.count; i++) {
		const struct e820_entry *from = &loader->map.entries[i];

		entries[i] = (struct multiboot1_map_entry){sizeof(entries[i]) - 4, from->base,
							   from->length, from->type};
	}
	info->map_length = (uint32_t)(loader->map.count * sizeof(entries[0]));
	return loader_append_info(loader, entries, info->map_length, 4, &info->map);
}

static int multiboot1_write_info(struct loader *loader)
{
	struct multiboot1_info info = {
		.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_NAME,
		.memory_lower = multiboot_memory_lower(),
		.memory_upper = multiboot_memory_upper(loader),
		.cmdline = GUEST_LOW_CMDLINE,
	};
	uint32_t at;
	int result = loader_append_info(loader, &info, sizeof(info), 4, &at);

	if (result == 0)
		result = multiboot1_append_map(loader, &info);
	if (result == 0)
		result = multiboot1_append_modules(loader, &info);
	if (result == 0)
		result = loader_append_info(loader, MULTIBOOT_LOADER_NAME,
					    sizeof(MULTIBOOT_LOADER_NAME), 1, &info.loader_name);
	if (result == 0)
		result = loader_write(loader, "boot information", at, &info, sizeof(info));
	return result;
}

static int multiboot1_load(struct loader *loader, struct load_entry *entry)
{
	uint64_t start = 0;
	int result = multiboot1_load_image(loader, &start);

	if (result == 0)
		result = loader_write_cmdline(loader, SIZE_MAX);
	if (result == 0)
		result = multiboot1_write_info(loader);
	*entry = (struct load_entry){
		.mode = LOAD_PROTECTED32,
		.rip = start,
		.rsp = GUEST_LOW_STACK_TOP,
		.rax = ENTRY_EAX,
		.rbx = GUEST_LOW_BOOT_INFO,
		.protocol = "multiboot 1",
	};
	return result;
}

const struct image_format multiboot1_format = {
	.name = "multiboot 1",
	.recognise = multiboot1_recognise,
	.load = multiboot1_load,
};
