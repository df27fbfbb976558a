/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVH: an ELF kernel whose Xen note names a 32-bit entry (XEN_ELFNOTE_PHYS32_ENTRY). It is entered
 * in protected mode with paging off and EBX = address of struct hvm_start_info. Xen
 * docs/misc/pvh.pandoc; the layout is in Xen's public headers. Linux (vmlinux), FreeBSD, NetBSD and
 * small kernels have it.
 */
#include "guest/load/elf.h"

#include "guest/layout.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#define XEN_NOTE_NAME	       "Xen"
#define XEN_NOTE_PHYS32_ENTRY  18
#define PVH_START_INFO_VERSION 1

_Static_assert(sizeof(struct hvm_start_info) == 56, "version 1");

static int pvh_append_map(struct loader *loader, struct hvm_start_info *info)
{
	struct hvm_memmap_table_entry entries[E820_MAX];
	uint32_t at;
	int result;

	for (unsigned i = 0; i < loader->map.count; i++) {
		const struct e820_entry *from = &loader->map.entries[i];

		entries[i] = (struct hvm_memmap_table_entry){
			.addr = from->base, .size = from->length, .type = from->type};
	}
	result =
		loader_append_info(loader, entries, loader->map.count * sizeof(entries[0]), 8, &at);
	info->memmap_paddr = at;
	info->memmap_entries = loader->map.count;
	return result;
}

/* The list's entries and then, behind it, their strings. */
static int pvh_append_modules(struct loader *loader, struct hvm_start_info *info)
{
	static const struct hvm_modlist_entry blank;
	uint32_t list = 0, string, ignored;
	int result = 0;

	info->nr_modules = loader_module_count(loader);
	for (unsigned i = 0; i < info->nr_modules && result == 0; i++)
		result = loader_append_info(loader, &blank, sizeof(blank), 8,
					    i == 0 ? &list : &ignored);
	info->modlist_paddr = list;
	for (unsigned i = 0; i < info->nr_modules && result == 0; i++) {
		struct hvm_modlist_entry entry = {0};
		const char *arguments;

		result = loader_place_module(loader, i, &entry.paddr, &entry.size, &arguments);
		if (result == 0)
			result = loader_append_info(loader, arguments, strlen(arguments) + 1, 1,
						    &string);
		if (result != 0)
			break;
		entry.cmdline_paddr = string;
		result = loader_write(loader, "module list", list + i * sizeof(entry), &entry,
				      sizeof(entry));
	}
	return result;
}

static int pvh_write_info(struct loader *loader)
{
	struct hvm_start_info info = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = PVH_START_INFO_VERSION,
		.cmdline_paddr = GUEST_LOW_CMDLINE,
		.rsdp_paddr = loader->rsdp.value,
	};
	uint32_t at;
	int result = loader_append_info(loader, &info, sizeof(info), 8, &at);

	if (result == 0)
		result = pvh_append_map(loader, &info);
	if (result == 0)
		result = pvh_append_modules(loader, &info);
	if (result == 0)
		result = loader_write(loader, "start info", at, &info, sizeof(info));
	return result;
}

static int pvh_load(struct loader *loader, struct load_entry *entry)
{
	struct elf_file elf;
	uint64_t start = 0;
	int result = elf_open(loader, &elf);

	if (result == 0 && !elf_find_note(&elf, XEN_NOTE_NAME, XEN_NOTE_PHYS32_ENTRY, &start))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: an ELF file with neither a PVH entry note nor a "
				   "multiboot header");
	if (result == 0)
		result = elf_load(loader, &elf);
	if (result == 0)
		result = loader_check_entry(loader, start);
	if (result == 0)
		result = loader_write_cmdline(loader, SIZE_MAX);
	if (result == 0)
		result = pvh_write_info(loader);
	*entry = (struct load_entry){
		.mode = LOAD_PROTECTED32,
		.rip = start,
		.rsp = GUEST_LOW_STACK_TOP,
		.rbx = GUEST_LOW_BOOT_INFO,
		.protocol = "PVH",
	};
	return result;
}

const struct image_format pvh_format = {
	.name = "PVH ELF",
	.recognise = elf_recognise,
	.load = pvh_load,
};
