/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes multiboot2_parse(): whatever the tags say, what comes out must be a boot_info that
 * boot_info_check() takes once there is free memory and a hypervisor.
 */
#include "boot/multiboot2/parse.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS	   0x10000
#define HYPERVISOR 0x200000
#define FREE	   (1ull << 40)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct boot_info info;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;

	memset(&info, 0, sizeof(info));
	info.hypervisor_base = HYPERVISOR;
	info.hypervisor_length = PAGE_SIZE;
	if (boot_info_add_memory(&info, HYPERVISOR, PAGE_SIZE, BOOT_MEMORY_HYPERVISOR) != 0)
		abort();
	if (multiboot2_parse(&info, data, size, ADDRESS, &why) != 0) {
		if (why == NULL)
			abort();
		return 0;
	}
	/* Tags may put something more restrictive over what must be ours; that is for the check. */
	if (boot_info_add_memory(&info, FREE, PAGE_SIZE, BOOT_MEMORY_FREE) == 0 &&
	    boot_info_check(&info, &why) != 0 && why == NULL)
		abort();
	if (info.memory_count > BOOT_MEMORY_MAX || info.image_count > BOOT_IMAGES_MAX)
		abort();
	for (uint32_t i = 1; i < info.memory_count; i++)
		if (info.memory[i - 1].base + info.memory[i - 1].length > info.memory[i].base)
			abort();
	return 0;
}
