/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building and checking struct boot_info. Pure: shared by the UEFI loader, the multiboot2 entry,
 * hv_main() and the tests.
 */
#include "boot/boot_info.h"

#include <errno.h>
#include <string.h>

static uint64_t memory_end(const struct boot_memory *memory)
{
	return memory->base + memory->length;
}

static void memory_insert(struct boot_info *info, uint32_t index, uint64_t base, uint64_t end,
			  uint32_t kind)
{
	struct boot_memory *at = &info->memory[index];

	memmove(at + 1, at, (info->memory_count - index) * sizeof(*at));
	*at = (struct boot_memory){.base = base, .length = end - base, .kind = kind};
	info->memory_count++;
}

/* Index of the first range that ends above `address`; memory_count where there is none. */
static uint32_t memory_find(const struct boot_info *info, uint64_t address)
{
	uint32_t i = 0;

	while (i < info->memory_count && memory_end(&info->memory[i]) <= address)
		i++;
	return i;
}

/* Makes `address` a boundary: the range that has it inside becomes two. */
static void memory_split(struct boot_info *info, uint64_t address)
{
	uint32_t i = memory_find(info, address);
	struct boot_memory *range = &info->memory[i];

	if (i == info->memory_count || range->base >= address)
		return;
	memory_insert(info, i + 1, address, memory_end(range), range->kind);
	range->length = address - range->base;
}

/* Joins neighbours of one kind that touch. */
static void memory_join(struct boot_info *info)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < info->memory_count; i++) {
		struct boot_memory *last = &info->memory[kept];
		const struct boot_memory *next = &info->memory[i];

		if (memory_end(last) == next->base && last->kind == next->kind)
			last->length += next->length;
		else
			info->memory[++kept] = *next;
	}
	if (info->memory_count > 0)
		info->memory_count = kept + 1;
}

/* How many holes of the map lie in [base, end). */
static uint32_t memory_count_holes(const struct boot_info *info, uint64_t base, uint64_t end)
{
	uint32_t holes = 0;
	uint64_t at = base;

	for (uint32_t i = memory_find(info, base); i < info->memory_count && at < end; i++) {
		if (info->memory[i].base > at)
			holes++;
		at = memory_end(&info->memory[i]);
	}
	return holes + (at < end ? 1 : 0);
}

int boot_info_add_memory(struct boot_info *info, uint64_t base, uint64_t length,
			 enum boot_memory_kind kind)
{
	uint64_t end = base + length;
	uint32_t i;

	if (length == 0 || end < base || end > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	/* Half a page is not ours to use; of what others use, every page that it touches is kept.
	 */
	base = kind == BOOT_MEMORY_FREE ? align_up(base, PAGE_SIZE) : align_down(base, PAGE_SIZE);
	end = kind == BOOT_MEMORY_FREE ? align_down(end, PAGE_SIZE) : align_up(end, PAGE_SIZE);
	if (base >= end)
		return 0;
	/* Two splits and the holes: nothing below can fail. */
	if (info->memory_count + 2 + memory_count_holes(info, base, end) > BOOT_MEMORY_MAX)
		return -ENOSPC;
	memory_split(info, base);
	memory_split(info, end);
	for (i = memory_find(info, base); base < end; i++) {
		struct boot_memory *range = &info->memory[i];

		if (i == info->memory_count || range->base > base) {
			uint64_t next = i == info->memory_count ? end : range->base;

			memory_insert(info, i, base, min_u64(next, end), kind);
		} else if (range->kind < (uint32_t)kind) {
			range->kind = kind;
		}
		base = memory_end(&info->memory[i]);
	}
	memory_join(info);
	return 0;
}

static void memory_sort(struct boot_info *info)
{
	for (uint32_t i = 1; i < info->memory_count; i++) {
		struct boot_memory range = info->memory[i];
		uint32_t at = i;

		for (; at > 0 && info->memory[at - 1].base > range.base; at--)
			info->memory[at] = info->memory[at - 1];
		info->memory[at] = range;
	}
}

static const char *check_memory(struct boot_info *info)
{
	bool free = false;

	if (info->memory_count == 0 || info->memory_count > BOOT_MEMORY_MAX)
		return "the memory map is empty or too long";
	memory_sort(info);
	for (uint32_t i = 0; i < info->memory_count; i++) {
		const struct boot_memory *range = &info->memory[i];

		if (!is_aligned(range->base | range->length, PAGE_SIZE))
			return "a memory range is not page-aligned";
		if (range->length == 0 || memory_end(range) < range->base)
			return "a memory range is empty or wraps";
		if (range->kind > BOOT_MEMORY_RESERVED)
			return "a memory range has an unknown kind";
		if (i > 0 && memory_end(&info->memory[i - 1]) > range->base)
			return "memory ranges overlap";
		free = free || range->kind == BOOT_MEMORY_FREE;
	}
	memory_join(info);
	return free ? NULL : "no free memory";
}

/* True where [base, base + length) lies in one range of `kind`; the map is sorted and joined. */
static bool memory_has(const struct boot_info *info, uint64_t base, uint64_t length, uint32_t kind)
{
	uint32_t i = memory_find(info, base);
	const struct boot_memory *range = &info->memory[i];

	return i < info->memory_count && range->kind == kind && range->base <= base &&
	       length <= memory_end(range) - base;
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static const char *check_images(const struct boot_info *info)
{
	if (info->image_count > BOOT_IMAGES_MAX)
		return "too many images";
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct boot_image *image = &info->images[i];

		if (!is_terminated(image->path, sizeof(image->path)))
			return "an image's path has no end";
		if (image->length > 0 &&
		    !memory_has(info, image->base, image->length, BOOT_MEMORY_BOOT))
			return "an image lies outside the boot memory";
	}
	if (info->config != 0 && info->config_length > 0 &&
	    !memory_has(info, info->config, info->config_length, BOOT_MEMORY_BOOT))
		return "the config lies outside the boot memory";
	return NULL;
}

static const char *check_framebuffer(const struct boot_framebuffer *framebuffer)
{
	uint64_t bytes = (uint64_t)framebuffer->pitch * framebuffer->height * 4;

	if (framebuffer->base == 0)
		return NULL;
	if (framebuffer->width == 0 || framebuffer->height == 0 ||
	    framebuffer->pitch < framebuffer->width || framebuffer->format > 1 ||
	    framebuffer->base + bytes < framebuffer->base)
		return "the framebuffer's description makes no sense";
	return NULL;
}

static const char *check_header(const struct boot_info *info)
{
	if (info->magic != BOOT_INFO_MAGIC)
		return "the magic number is wrong";
	if (info->size != sizeof(*info))
		return "the size is wrong: loader and hypervisor are of different builds";
	if (info->cpu_count > BOOT_CPUS_MAX)
		return "too many CPUs";
	if (!is_terminated(info->loader, sizeof(info->loader)) ||
	    !is_terminated(info->config_path, sizeof(info->config_path)) ||
	    !is_terminated(info->messages, sizeof(info->messages)))
		return "a text has no end";
	return NULL;
}

int boot_info_check(struct boot_info *info, const char **why)
{
	*why = check_header(info);
	if (*why == NULL)
		*why = check_memory(info);
	if (*why == NULL)
		*why = check_images(info);
	if (*why == NULL)
		*why = check_framebuffer(&info->framebuffer);
	if (*why == NULL && !memory_has(info, info->hypervisor_base, info->hypervisor_length,
					BOOT_MEMORY_HYPERVISOR))
		*why = "the hypervisor lies outside its memory range";
	return *why == NULL ? 0 : -EINVAL;
}

static char path_character(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '\\' ? '/' : c;
}

bool boot_path_equal(const char *a, const char *b)
{
	while (path_character(*a) == '/')
		a++;
	while (path_character(*b) == '/')
		b++;
	while (*a != 0 && path_character(*a) == path_character(*b)) {
		a++;
		b++;
	}
	return path_character(*a) == path_character(*b);
}

const struct boot_image *boot_info_find_image(const struct boot_info *info, const char *path)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		if (boot_path_equal(info->images[i].path, path))
			return &info->images[i];
	return NULL;
}

void boot_info_add_message(struct boot_info *info, const char *text)
{
	size_t used = strnlen(info->messages, sizeof(info->messages) - 1);
	size_t length = strlen(text);

	if (length > sizeof(info->messages) - 1 - used)
		length = sizeof(info->messages) - 1 - used;
	memcpy(info->messages + used, text, length);
	info->messages[used + length] = 0;
}
