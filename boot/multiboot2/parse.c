/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot information tags to struct boot_info. Everything is checked against the tag's own size. */
#include "boot/multiboot2/parse.h"

#include "vmm/format.h"

#include <errno.h>
#include <string.h>

#define CONFIG_PATH   "/bulkhead/bulkhead.ini"
#define CONFIG_NAME   "bulkhead.ini"
#define CONFIG_LENGTH MIB(1)

enum tag_type {
	TAG_END = 0,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_MEMORY_MAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_SMBIOS = 13,
	TAG_ACPI_OLD = 14,
	TAG_ACPI_NEW = 15,
};

#define INFO_HEADER 8 /* total size, reserved */
#define TAG_HEADER  8 /* type, size */
#define TAG_ALIGN   8

/* Bytes before the variable part of each tag, header included. */
#define MODULE_STRING	16
#define MAP_ENTRIES	16
#define MAP_ENTRY_MIN	24
#define SMBIOS_ENTRY	16
#define FRAMEBUFFER_RGB 38 /* with the six bytes that describe the colours */

struct tag {
	uint32_t type;
	uint32_t size;	     /* with its header; at least TAG_HEADER */
	const uint8_t *data; /* from its header on */
	uint64_t address;    /* physical */
};

static uint32_t read_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

HV_PRINTF(2, 3) static void report(struct boot_info *info, const char *format, ...)
{
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	boot_info_add_message(info, line);
}

/* Copies the tag's string from `offset` on, cut to what fits; the string may lack its NUL. */
static void copy_string(char *to, size_t size, const struct tag *tag, uint32_t offset)
{
	size_t length = 0;

	if (tag->size > offset)
		length = strnlen((const char *)tag->data + offset, tag->size - offset);
	if (length > size - 1)
		length = size - 1;
	memcpy(to, tag->data + offset, length);
	to[length] = 0;
}

static void take_loader_name(struct boot_info *info, const struct tag *tag)
{
	char name[sizeof(info->loader)];

	copy_string(name, sizeof(name), tag, TAG_HEADER);
	hv_snprintf(info->loader, sizeof(info->loader), "multiboot2: %s", name);
}

static bool is_config(const char *path)
{
	size_t length = strlen(path);
	size_t name = sizeof(CONFIG_NAME) - 1;

	return length >= name && boot_path_equal(path + length - name, CONFIG_NAME) &&
	       (length == name || path[length - name - 1] == '/');
}

static void take_config(struct boot_info *info, const char *path, uint64_t base, uint64_t length)
{
	if (length > CONFIG_LENGTH) {
		report(info, "loader: %s: no config is longer than 1 MiB\n", path);
		return;
	}
	info->config = base;
	info->config_length = length;
	hv_snprintf(info->config_path, sizeof(info->config_path), "%s", path);
}

/* A module's command line: the first word is its path as the config names it. */
static bool take_path(struct boot_info *info, const struct tag *tag, char path[BOOT_PATH_MAX])
{
	char line[BOOT_PATH_MAX + 1];
	size_t length = 0;

	copy_string(line, sizeof(line), tag, MODULE_STRING);
	while (line[length] != 0 && line[length] != ' ')
		length++;
	if (length == 0 || length >= BOOT_PATH_MAX) {
		report(info,
		       "loader: a module is left out: give the path that the config has for it "
		       "behind its file name (module2 FILE PATH; at most %d characters)\n",
		       BOOT_PATH_MAX - 1);
		return false;
	}
	memcpy(path, line, length);
	path[length] = 0;
	return true;
}

static void take_module(struct boot_info *info, const struct tag *tag)
{
	struct boot_image *image = &info->images[info->image_count];
	char path[BOOT_PATH_MAX];
	uint64_t base, end;

	if (tag->size < MODULE_STRING)
		return;
	base = read_u32(tag->data + 8);
	end = read_u32(tag->data + 12);
	if (!take_path(info, tag, path))
		return;
	if (base > end ||
	    (base < end && boot_info_add_memory(info, base, end - base, BOOT_MEMORY_BOOT) != 0)) {
		report(info, "loader: %s: left out: its memory makes no sense\n", path);
		return;
	}
	if (is_config(path)) {
		take_config(info, path, base, end - base);
		return;
	}
	if (info->image_count == BOOT_IMAGES_MAX) {
		report(info, "loader: %s: left out: at most %d files are loaded\n", path,
		       BOOT_IMAGES_MAX);
		return;
	}
	hv_snprintf(image->path, sizeof(image->path), "%s", path);
	image->base = base;
	image->length = end - base;
	info->image_count++;
}

/* Types as in the ACPI specification 6.5, 15.3. */
static enum boot_memory_kind memory_kind(uint32_t type)
{
	switch (type) {
	case 1:
		return BOOT_MEMORY_FREE;
	case 3: /* ACPI tables */
	case 4: /* ACPI NVS */
		return BOOT_MEMORY_ACPI;
	default:
		return BOOT_MEMORY_RESERVED;
	}
}

static void take_memory_map(struct boot_info *info, const struct tag *tag)
{
	uint32_t entry_size, lost = 0;

	if (tag->size < MAP_ENTRIES)
		return;
	entry_size = read_u32(tag->data + 8);
	if (entry_size < MAP_ENTRY_MIN)
		return;
	for (uint32_t left = tag->size - MAP_ENTRIES; left >= entry_size; left -= entry_size) {
		const uint8_t *entry = tag->data + (tag->size - left);
		uint64_t length = read_u64(entry + 8);

		if (length > 0 && boot_info_add_memory(info, read_u64(entry), length,
						       memory_kind(read_u32(entry + 16))) != 0)
			lost++;
	}
	if (lost > 0)
		report(info, "loader: %u ranges of the memory map are broken or too many\n", lost);
}

/*
 * Only what boot_info can describe: 32 bits a pixel, direct colour, whole pixels a line, and 8 bits
 * for each colour in one of the two usual orders.
 */
static void take_framebuffer(struct boot_info *info, const struct tag *tag)
{
	static const uint8_t rgb[6] = {0, 8, 8, 8, 16, 8}, bgr[6] = {16, 8, 8, 8, 0, 8};
	const uint8_t *data = tag->data;
	uint32_t pitch;
	bool is_bgr;

	if (tag->size < FRAMEBUFFER_RGB)
		return;
	pitch = read_u32(data + 16);
	is_bgr = memcmp(data + 32, bgr, sizeof(bgr)) == 0;
	if (data[28] != 32 || data[29] != 1 || pitch % 4 != 0 ||
	    (!is_bgr && memcmp(data + 32, rgb, sizeof(rgb)) != 0))
		return;
	info->framebuffer = (struct boot_framebuffer){
		.base = read_u64(data + 8),
		.width = read_u32(data + 20),
		.height = read_u32(data + 24),
		.pitch = pitch / 4,
		.format = is_bgr ? 1 : 0,
	};
}

static void take_tag(struct boot_info *info, const struct tag *tag)
{
	switch (tag->type) {
	case TAG_LOADER_NAME:
		take_loader_name(info, tag);
		break;
	case TAG_MODULE:
		take_module(info, tag);
		break;
	case TAG_MEMORY_MAP:
		take_memory_map(info, tag);
		break;
	case TAG_FRAMEBUFFER:
		take_framebuffer(info, tag);
		break;
	case TAG_SMBIOS: /* the tag has a copy of the entry point */
		if (tag->size > SMBIOS_ENTRY)
			info->smbios = tag->address + SMBIOS_ENTRY;
		break;
	case TAG_ACPI_OLD: /* 20 bytes of RSDP: ACPI 1.0 */
		if (tag->size >= TAG_HEADER + 20 && info->rsdp == 0)
			info->rsdp = tag->address + TAG_HEADER;
		break;
	case TAG_ACPI_NEW:
		if (tag->size >= TAG_HEADER + 36)
			info->rsdp = tag->address + TAG_HEADER;
		break;
	default:
		break;
	}
}

int multiboot2_parse(struct boot_info *info, const uint8_t *data, size_t size, uint64_t address,
		     const char **why)
{
	uint32_t total = size >= INFO_HEADER ? read_u32(data) : 0;
	uint32_t at = INFO_HEADER;

	info->magic = BOOT_INFO_MAGIC;
	info->size = sizeof(*info);
	hv_snprintf(info->loader, sizeof(info->loader), "%s", "multiboot2");
	hv_snprintf(info->config_path, sizeof(info->config_path), "%s", CONFIG_PATH);
	*why = "the boot information has no valid size";
	if (total < INFO_HEADER || total > size ||
	    boot_info_add_memory(info, address, total, BOOT_MEMORY_BOOT) != 0)
		return -EINVAL;
	while (total - at >= TAG_HEADER) {
		struct tag tag = {
			.type = read_u32(data + at),
			.size = read_u32(data + at + 4),
			.data = data + at,
			.address = address + at,
		};

		*why = "a tag of the boot information is longer than all of it";
		if (tag.size < TAG_HEADER || tag.size > total - at)
			return -EINVAL;
		if (tag.type == TAG_END)
			break;
		take_tag(info, &tag);
		/* The last tag need not be padded. */
		at += (uint32_t)min_u64(align_up(tag.size, TAG_ALIGN), total - at);
	}
	if (info->config == 0)
		report(info, "loader: no config: no module is named %s (module2 FILE %s)\n",
		       CONFIG_NAME, CONFIG_PATH);
	return 0;
}
