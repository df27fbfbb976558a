/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux bzImage, by the 64-bit boot protocol where the kernel has that entry and by the 32-bit one
 * where it has not. Linux Documentation/arch/x86/boot.rst; offsets there count from the start of
 * the file. Other programs use the format too: memtest86+ does.
 */
#include "guest/load/loader.h"

#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#define HEADER_OFFSET	   0x1f1 /* of struct setup_header */
#define BOOT_FLAG_OFFSET   0x1fe
#define MAGIC_OFFSET	   0x202
#define HEADER_MAGIC	   0x53726448 /* "HdrS" */
#define BOOT_FLAG	   0xaa55
#define SECTOR		   512
#define ENTRY_64_OFFSET	   0x200
#define LOADER_UNDEFINED   0xff
#define VIDEO_MODE_NORMAL  0xffff
#define VERSION_MINIMUM	   0x0206 /* kernel 2.6.22: cmdline_size */
#define VERSION_PREFERENCE 0x020a /* pref_address, init_size */
#define VERSION_64	   0x020c /* xloadflags */
#define VERSION_RSDP	   0x020e /* acpi_rsdp_addr */

_Static_assert(offsetof(struct boot_params, hdr) == HEADER_OFFSET, "zero page layout");
_Static_assert(sizeof(struct boot_params) == 4096, "zero page layout");
_Static_assert(sizeof(struct boot_params) <= GUEST_LOW_BOOT_INFO_LENGTH, "room for zero page");

/* What a kernel's setup header comes to. */
struct linux_image {
	struct setup_header header;
	uint64_t code_offset; /* of the protected-mode part, in the file */
	uint64_t code_length;
	uint64_t load; /* where the protected-mode part goes */
	uint64_t memory_length;
};

static bool linux_recognise(const struct guest_image *image)
{
	const uint8_t *flag = image_bytes(image, BOOT_FLAG_OFFSET, 2);
	const uint8_t *magic = image_bytes(image, MAGIC_OFFSET, 4);
	uint16_t flag_value;
	uint32_t magic_value;

	if (!flag || !magic)
		return false;
	memcpy(&flag_value, flag, sizeof(flag_value));
	memcpy(&magic_value, magic, sizeof(magic_value));
	return flag_value == BOOT_FLAG && magic_value == HEADER_MAGIC;
}

/*
 * Copies the header as far as this kernel's version has one: byte 0x201, the operand of the jump at
 * its start, says where it ends. What an older kernel does not have stays 0.
 */
static int linux_read_header(struct loader *loader, struct linux_image *kernel)
{
	const struct guest_image *image = &loader->request->kernel;
	const uint8_t *jump = image_bytes(image, MAGIC_OFFSET - 1, 1);
	uint64_t length = jump ? MAGIC_OFFSET + *jump - (uint64_t)HEADER_OFFSET : 0;
	const void *bytes = image_bytes(image, HEADER_OFFSET, length);

	if (!bytes)
		return loader_fail(loader, -ENOEXEC, "kernel: truncated inside its setup header");
	memcpy(&kernel->header, bytes, min_u64(length, sizeof(kernel->header)));
	if (kernel->header.version < VERSION_MINIMUM)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: speaks boot protocol %u.%02u; 2.06 (Linux 2.6.22) or "
				   "newer is needed",
				   kernel->header.version >> 8, kernel->header.version & 0xff);
	if (!(kernel->header.loadflags & LOADED_HIGH))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: is a zImage, which loads below 640 KiB; a bzImage is "
				   "needed");
	return 0;
}

/* Finds the protected-mode part in the file. */
static int linux_find_code(struct loader *loader, struct linux_image *kernel)
{
	uint64_t file = loader->request->kernel.length;
	unsigned sectors = kernel->header.setup_sects ? kernel->header.setup_sects : 4;
	uint64_t length = (uint64_t)kernel->header.syssize * 16;
	char said[FORMAT_SIZE_MAX], has[FORMAT_SIZE_MAX];

	kernel->code_offset = (uint64_t)(sectors + 1) * SECTOR;
	/* syssize counts a last, partial paragraph as whole. */
	if (length == 0 || kernel->code_offset > file || length > file - kernel->code_offset + 15)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: truncated or corrupt: its setup header says %s, the "
				   "file has %s",
				   format_size(said, kernel->code_offset + length),
				   format_size(has, file));
	kernel->code_length = min_u64(length, file - kernel->code_offset);
	return 0;
}

/*
 * Chooses where the kernel goes: where it prefers to be, else (relocatable kernels) as low as its
 * alignment allows.
 */
static int linux_choose_place(struct loader *loader, struct linux_image *kernel)
{
	const struct setup_header *header = &kernel->header;
	uint64_t alignment = header->kernel_alignment;
	uint64_t ram_end = loader->request->vm->ram_low;
	uint64_t lowest = GUEST_HIGH_BASE;

	kernel->load = GUEST_HIGH_BASE;
	kernel->memory_length = kernel->code_length;
	if (header->version >= VERSION_PREFERENCE) {
		kernel->load = header->pref_address;
		kernel->memory_length = max_u64(kernel->code_length, header->init_size);
	}
	if (header->relocatable_kernel) {
		if (alignment == 0 || (alignment & (alignment - 1)) != 0)
			return loader_fail(loader, -ENOEXEC,
					   "kernel: corrupt: its alignment 0x%llx is no power of "
					   "two",
					   (unsigned long long)alignment);
		lowest = align_up(lowest, alignment);
		if (kernel->load < GUEST_HIGH_BASE || kernel->load > ram_end ||
		    kernel->memory_length > ram_end - kernel->load)
			kernel->load = lowest;
	}
	return loader_claim_kernel(loader, kernel->load, kernel->memory_length);
}

static int linux_load_initrd(struct loader *loader, struct linux_image *kernel)
{
	const struct guest_image *initrd = &loader->request->initrd;
	uint64_t limit = (uint64_t)kernel->header.initrd_addr_max + 1;
	uint64_t at;
	int result;

	if (initrd->length == 0)
		return 0;
	result = loader_place_high(loader, "initrd", initrd, limit, &at);
	if (result != 0)
		return result;
	/* Below 4 GiB, as low RAM is. */
	kernel->header.ramdisk_image = (uint32_t)at;
	kernel->header.ramdisk_size = (uint32_t)initrd->length;
	return 0;
}

static void linux_fill_e820(struct boot_params *params, const struct e820_map *map)
{
	_Static_assert(E820_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "the map fits the zero page");
	for (unsigned i = 0; i < map->count; i++) {
		params->e820_table[i].addr = map->entries[i].base;
		params->e820_table[i].size = map->entries[i].length;
		params->e820_table[i].type = map->entries[i].type;
	}
	params->e820_entries = (uint8_t)map->count;
}

static int linux_write_params(struct loader *loader, struct linux_image *kernel)
{
	struct boot_params *params = hv_alloc(sizeof(*params));
	struct setup_header *header = &kernel->header;
	int result;

	if (!params)
		return loader_fail(loader, -ENOMEM, "kernel: no memory left to load it");
	header->type_of_loader = LOADER_UNDEFINED;
	header->vid_mode = VIDEO_MODE_NORMAL;
	header->code32_start = (uint32_t)kernel->load;
	header->cmd_line_ptr = GUEST_LOW_CMDLINE;
	header->loadflags &= (uint8_t)~CAN_USE_HEAP;
	header->setup_data = 0;
	params->hdr = *header;
	if (header->version >= VERSION_RSDP)
		params->acpi_rsdp_addr = loader->rsdp.value;
	linux_fill_e820(params, &loader->map);
	result = loader_write(loader, "boot parameters", GUEST_LOW_BOOT_INFO, params,
			      sizeof(*params));
	hv_free(params);
	return result;
}

static int linux_load(struct loader *loader, struct load_entry *entry)
{
	struct linux_image kernel = {0};
	const struct guest_image *image = &loader->request->kernel;
	bool has_64;
	int result;

	if (loader->request->module_count > 0)
		return loader_fail(loader, -EINVAL,
				   "module: a Linux kernel takes none (use initrd); they are for "
				   "multiboot and PVH kernels");
	result = linux_read_header(loader, &kernel);
	if (result == 0)
		result = linux_find_code(loader, &kernel);
	if (result == 0)
		result = linux_choose_place(loader, &kernel);
	if (result == 0)
		result = loader_write(loader, "kernel", kernel.load,
				      image_bytes(image, kernel.code_offset, kernel.code_length),
				      kernel.code_length);
	if (result == 0)
		result = linux_load_initrd(loader, &kernel);
	if (result == 0)
		result = loader_write_cmdline(
			loader, kernel.header.cmdline_size ? kernel.header.cmdline_size : 255);
	if (result == 0)
		result = linux_write_params(loader, &kernel);
	has_64 = kernel.header.version >= VERSION_64 && (kernel.header.xloadflags & XLF_KERNEL_64);
	entry->mode = has_64 ? LOAD_LONG64 : LOAD_PROTECTED32;
	entry->rip = kernel.load + (has_64 ? ENTRY_64_OFFSET : 0);
	entry->rsp = GUEST_LOW_STACK_TOP;
	entry->rsi = GUEST_LOW_BOOT_INFO;
	entry->protocol = has_64 ? "Linux, 64-bit" : "Linux, 32-bit";
	return result;
}

const struct image_format linux_format = {
	.name = "Linux bzImage",
	.recognise = linux_recognise,
	.load = linux_load,
};
