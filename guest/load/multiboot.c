/* SPDX-License-Identifier: BSD-2-Clause */
/* What both versions of multiboot share; see multiboot.h. */
#include "guest/load/multiboot.h"

#include "vmm/vm.h"
#include "guest/layout.h"
#include "guest/load/elf.h"

#include <errno.h>
#include <string.h>

uint32_t multiboot_dword(const struct guest_image *image, uint64_t offset)
{
	const void *at = image_bytes(image, offset, 4);
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

int64_t multiboot_find(const struct guest_image *image, uint32_t magic, uint32_t window,
		       uint32_t align,
		       bool (*valid)(const struct guest_image *image, uint64_t offset))
{
	uint64_t end = min_u64(image->length, window);

	for (uint64_t at = 0; at + 4 <= end; at += align) {
		if (multiboot_dword(image, at) == magic && valid(image, at))
			return (int64_t)at;
	}
	return -1;
}

static int multiboot_bad_addresses(struct loader *loader)
{
	return loader_fail(loader, -ENOEXEC,
			   "kernel: corrupt: the addresses in its multiboot header contradict each "
			   "other or the file's length");
}

int multiboot_load_by_addresses(struct loader *loader, uint64_t offset,
				const struct multiboot_addresses *addresses)
{
	const struct guest_image *image = &loader->request->kernel;
	uint64_t load = addresses->load, start, length, memory;
	const void *bytes;
	int result;

	if (addresses->load == MULTIBOOT_LOAD_WHOLE) {
		if (addresses->header < offset)
			return multiboot_bad_addresses(loader);
		load = addresses->header - offset;
	}
	if (load > addresses->header || addresses->header - load > offset)
		return multiboot_bad_addresses(loader);
	start = offset - (addresses->header - load);
	length = image->length - start;
	if (addresses->load_end != 0) {
		if (addresses->load_end < load)
			return multiboot_bad_addresses(loader);
		length = addresses->load_end - load;
	}
	bytes = image_bytes(image, start, length);
	if (!bytes)
		return multiboot_bad_addresses(loader);
	memory = length;
	if (addresses->bss_end > load + length)
		memory = addresses->bss_end - load;
	result = loader_claim_kernel(loader, load, memory);
	if (result == 0)
		result = loader_write(loader, "kernel", load, bytes, (size_t)length);
	if (result == 0)
		result = loader_zero(loader, "kernel", load + length, memory - length);
	return result;
}

int multiboot_load_elf(struct loader *loader, uint64_t *entry)
{
	struct elf_file elf;
	int result;

	if (!elf_recognise(&loader->request->kernel))
		return loader_fail(loader, -ENOEXEC,
				   "kernel: has a multiboot header without load addresses, but is "
				   "no ELF file");
	result = elf_open(loader, &elf);
	if (result == 0)
		result = elf_load(loader, &elf);
	if (result == 0)
		*entry = elf_physical_entry(&elf);
	return result;
}

uint32_t multiboot_memory_lower(void)
{
	return GUEST_LOW_RAM_END / KIB(1);
}

uint32_t multiboot_memory_upper(const struct loader *loader)
{
	return (uint32_t)((loader->request->vm->ram_low - GUEST_HIGH_BASE) / KIB(1));
}
