/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 2: ELF kernels of either class, or any file whose header gives load addresses. Entered
 * in protected mode with EAX = 36D76289h and EBX = address of the information. Multiboot2
 * Specification 2.0; section numbers are its. A kernel that can be relocated is loaded where it was
 * linked.
 */
#include "guest/load/multiboot.h"

#include "vmm/vm.h"
#include "guest/layout.h"

#include <errno.h>
#include <string.h>

#define HEADER_MAGIC	  0xe85250d6u
#define HEADER_WINDOW	  32768 /* 3.1 */
#define HEADER_ALIGN	  8
#define HEADER_LENGTH	  16
#define ARCHITECTURE_I386 0
#define TAG_HEADER_LENGTH 8
#define TAG_ALIGN	  8
#define TAG_FLAG_OPTIONAL 1u

/* Tags of the header (3.1.3 to 3.1.13). */
enum header_tag {
	HEADER_TAG_END = 0,
	HEADER_TAG_REQUEST = 1,
	HEADER_TAG_ADDRESS = 2,
	HEADER_TAG_ENTRY = 3,
	HEADER_TAG_CONSOLE = 4,
	HEADER_TAG_FRAMEBUFFER = 5,
	HEADER_TAG_MODULE_ALIGN = 6,
	HEADER_TAG_EFI_SERVICES = 7,
	HEADER_TAG_EFI_ENTRY_32 = 8,
	HEADER_TAG_EFI_ENTRY_64 = 9,
	HEADER_TAG_RELOCATABLE = 10
};

#define CONSOLE_REQUIRED 1u

/* Tags of the information (3.6). */
enum info_tag {
	INFO_TAG_END = 0,
	INFO_TAG_CMDLINE = 1,
	INFO_TAG_LOADER_NAME = 2,
	INFO_TAG_MODULE = 3,
	INFO_TAG_MEMORY = 4,
	INFO_TAG_MAP = 6,
	INFO_TAG_ELF_SECTIONS = 9,
	INFO_TAG_ACPI_OLD = 14,
	INFO_TAG_ACPI_NEW = 15,
	INFO_TAG_LOAD_BASE = 21
};

#define ENTRY_EAX	0x36d76289u
#define ACPI_OLD_LENGTH 20 /* of an RSDP of ACPI 1.0 */
#define ACPI_NEW_LENGTH 36

/* What the header asks for. */
struct multiboot2_wishes {
	bool has_addresses;
	bool has_entry;
	struct multiboot_addresses addresses;
	uint32_t entry;
};

static bool multiboot2_valid(const struct guest_image *image, uint64_t offset)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < HEADER_LENGTH; i += 4)
		sum += multiboot_dword(image, offset + i);
	return image_bytes(image, offset, HEADER_LENGTH) && sum == 0;
}

static int64_t multiboot2_find(const struct guest_image *image)
{
	return multiboot_find(image, HEADER_MAGIC, HEADER_WINDOW, HEADER_ALIGN, multiboot2_valid);
}

static bool multiboot2_recognise(const struct guest_image *image)
{
	return multiboot2_find(image) >= 0;
}

/* ---- the header's tags ---- */

/*
 * The kernel lists what it must be told. What this machine does not have (a framebuffer, EFI, APM)
 * there is nothing to tell about; but what is not known at all cannot be promised.
 */
static int multiboot2_check_request(struct loader *loader, uint64_t at, uint32_t size)
{
	for (uint32_t i = TAG_HEADER_LENGTH; i + 4 <= size; i += 4) {
		uint32_t wanted = multiboot_dword(&loader->request->kernel, at + i);

		if (wanted > INFO_TAG_LOAD_BASE || wanted == INFO_TAG_ELF_SECTIONS)
			return loader_fail(loader, -ENOEXEC,
					   "kernel: requires multiboot 2 information of type %u, "
					   "which is not provided",
					   wanted);
	}
	return 0;
}

static int multiboot2_bad_tag(struct loader *loader, unsigned type)
{
	return loader_fail(loader, -ENOEXEC,
			   "kernel: corrupt: tag %u of its multiboot 2 header is too short or "
			   "reaches beyond the header",
			   type);
}

/* One tag, which lies in the file. Tags that only give leave to the boot loader need nothing. */
static int multiboot2_read_tag(struct loader *loader, uint64_t at, uint32_t size, bool optional,
			       struct multiboot2_wishes *wishes)
{
	const struct guest_image *image = &loader->request->kernel;
	unsigned type = multiboot_dword(image, at) & 0xffff;

	switch (type) {
	case HEADER_TAG_REQUEST:
		return optional ? 0 : multiboot2_check_request(loader, at, size);
	case HEADER_TAG_ADDRESS:
		if (size < 24)
			return multiboot2_bad_tag(loader, type);
		wishes->has_addresses = true;
		wishes->addresses = (struct multiboot_addresses){
			multiboot_dword(image, at + 8), multiboot_dword(image, at + 12),
			multiboot_dword(image, at + 16), multiboot_dword(image, at + 20)};
		return 0;
	case HEADER_TAG_ENTRY:
		if (size < 12)
			return multiboot2_bad_tag(loader, type);
		wishes->has_entry = true;
		wishes->entry = multiboot_dword(image, at + 8);
		return 0;
	case HEADER_TAG_CONSOLE:
		if (!optional && size >= 12 && (multiboot_dword(image, at + 8) & CONSOLE_REQUIRED))
			return loader_fail(
				loader, -ENOEXEC,
				"kernel: requires a screen; a VM has a serial port only");
		return 0;
	case HEADER_TAG_FRAMEBUFFER:
	case HEADER_TAG_MODULE_ALIGN:
	case HEADER_TAG_EFI_ENTRY_32:
	case HEADER_TAG_EFI_ENTRY_64:
	case HEADER_TAG_RELOCATABLE:
		return 0;
	default: /* EFI boot services among them */
		if (optional)
			return 0;
		return loader_fail(loader, -ENOEXEC,
				   "kernel: its multiboot 2 header requires feature %u, which is "
				   "not there",
				   type);
	}
}

static int multiboot2_read_header(struct loader *loader, uint64_t header,
				  struct multiboot2_wishes *wishes)
{
	const struct guest_image *image = &loader->request->kernel;
	uint64_t at = header + HEADER_LENGTH;
	uint64_t end = header + multiboot_dword(image, header + 8);
	int result;

	if (multiboot_dword(image, header + 4) != ARCHITECTURE_I386)
		return loader_fail(loader, -ENOEXEC, "kernel: a multiboot 2 kernel for MIPS");
	while (at + TAG_HEADER_LENGTH <= end) {
		uint32_t word = multiboot_dword(image, at);
		uint32_t size = multiboot_dword(image, at + 4);

		if (size < TAG_HEADER_LENGTH || size > end - at || !image_bytes(image, at, size))
			return multiboot2_bad_tag(loader, word & 0xffff);
		if ((word & 0xffff) == HEADER_TAG_END)
			return 0;
		result = multiboot2_read_tag(loader, at, size, word >> 16 & TAG_FLAG_OPTIONAL,
					     wishes);
		if (result != 0)
			return result;
		at += align_up(size, TAG_ALIGN);
	}
	return 0;
}

static int multiboot2_load_image(struct loader *loader, uint64_t *entry)
{
	uint64_t header = (uint64_t)multiboot2_find(&loader->request->kernel);
	struct multiboot2_wishes wishes = {0};
	int result = multiboot2_read_header(loader, header, &wishes);

	if (result != 0)
		return result;
	if (wishes.has_addresses && !wishes.has_entry)
		return loader_fail(loader, -ENOEXEC,
				   "kernel: its multiboot 2 header has load addresses but no "
				   "entry address");
	if (wishes.has_addresses)
		result = multiboot_load_by_addresses(loader, header, &wishes.addresses);
	else
		result = multiboot_load_elf(loader, entry);
	if (wishes.has_entry)
		*entry = wishes.entry;
	return result == 0 ? loader_check_entry(loader, *entry) : result;
}

/* ---- the information ---- */

/* Appends a tag: its head, `fixed`, and `rest` behind it. */
static int multiboot2_append(struct loader *loader, enum info_tag type, const void *fixed,
			     size_t fixed_length, const void *rest, size_t rest_length)
{
	const uint32_t head[] = {type, (uint32_t)(TAG_HEADER_LENGTH + fixed_length + rest_length)};
	uint32_t at;
	int result = loader_append_info(loader, head, sizeof(head), TAG_ALIGN, &at);

	if (result == 0)
		result = loader_append_info(loader, fixed, fixed_length, 1, &at);
	if (result == 0)
		result = loader_append_info(loader, rest, rest_length, 1, &at);
	return result;
}

static int multiboot2_append_map(struct loader *loader)
{
	/* An entry is struct e820_entry to the byte. */
	const uint32_t version[] = {sizeof(struct e820_entry), 0};

	return multiboot2_append(loader, INFO_TAG_MAP, version, sizeof(version),
				 loader->map.entries,
				 loader->map.count * sizeof(loader->map.entries[0]));
}

static int multiboot2_append_modules(struct loader *loader)
{
	int result = 0;

	for (unsigned i = 0; i < loader_module_count(loader) && result == 0; i++) {
		uint64_t at = 0, length = 0;
		const char *arguments;

		result = loader_place_module(loader, i, &at, &length, &arguments);
		if (result == 0) {
			const uint32_t range[] = {(uint32_t)at, (uint32_t)(at + length)};

			result = multiboot2_append(loader, INFO_TAG_MODULE, range, sizeof(range),
						   arguments, strlen(arguments) + 1);
		}
	}
	return result;
}

static int multiboot2_append_acpi(struct loader *loader)
{
	uint8_t rsdp[ACPI_NEW_LENGTH];
	int result = gpa_read(&loader->request->vm->space, loader->rsdp, rsdp, sizeof(rsdp));

	if (result != 0)
		return loader_fail(loader, result, "the ACPI tables cannot be read back");
	result = multiboot2_append(loader, INFO_TAG_ACPI_OLD, rsdp, ACPI_OLD_LENGTH, NULL, 0);
	if (result == 0)
		result = multiboot2_append(loader, INFO_TAG_ACPI_NEW, rsdp, ACPI_NEW_LENGTH, NULL,
					   0);
	return result;
}

static int multiboot2_write_info(struct loader *loader)
{
	const uint32_t memory[] = {multiboot_memory_lower(), multiboot_memory_upper(loader)};
	const uint32_t base = (uint32_t)loader->kernel_base;
	const char *cmdline = loader->request->cmdline;
	uint32_t total[] = {0, 0}, at;
	int result = loader_append_info(loader, total, sizeof(total), TAG_ALIGN, &at);

	if (result == 0)
		result = multiboot2_append(loader, INFO_TAG_CMDLINE, cmdline, strlen(cmdline) + 1,
					   NULL, 0);
	if (result == 0)
		result = multiboot2_append(loader, INFO_TAG_LOADER_NAME, MULTIBOOT_LOADER_NAME,
					   sizeof(MULTIBOOT_LOADER_NAME), NULL, 0);
	if (result == 0)
		result =
			multiboot2_append(loader, INFO_TAG_MEMORY, memory, sizeof(memory), NULL, 0);
	if (result == 0)
		result =
			multiboot2_append(loader, INFO_TAG_LOAD_BASE, &base, sizeof(base), NULL, 0);
	if (result == 0)
		result = multiboot2_append_map(loader);
	if (result == 0)
		result = multiboot2_append_acpi(loader);
	if (result == 0)
		result = multiboot2_append_modules(loader);
	if (result == 0)
		result = multiboot2_append(loader, INFO_TAG_END, NULL, 0, NULL, 0);
	if (result != 0)
		return result;
	total[0] = loader->info_used;
	return loader_write(loader, "boot information", at, total, sizeof(total));
}

static int multiboot2_load(struct loader *loader, struct load_entry *entry)
{
	uint64_t start = 0;
	int result = multiboot2_load_image(loader, &start);

	if (result == 0)
		result = multiboot2_write_info(loader);
	*entry = (struct load_entry){
		.mode = LOAD_PROTECTED32,
		.rip = start,
		.rsp = GUEST_LOW_STACK_TOP,
		.rax = ENTRY_EAX,
		.rbx = GUEST_LOW_BOOT_INFO,
		.protocol = "multiboot 2",
	};
	return result;
}

const struct image_format multiboot2_format = {
	.name = "multiboot 2",
	.recognise = multiboot2_recognise,
	.load = multiboot2_load,
};
