/* SPDX-License-Identifier: BSD-2-Clause */
/* Recognises what a VM is to run and has it loaded; see load.h. */
#include "guest/load/load.h"

#include "vmm/format.h"
#include "vmm/log.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "guest/load/loader.h"
#include "guest/tables/tables.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* By falling certainty: a flat binary is whatever is nothing else. */
static const struct image_format *const formats[] = {
	&linux_format, &multiboot2_format, &multiboot1_format, &pvh_format, &flat_format,
};

int loader_fail(struct loader *loader, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(loader->error, LOAD_ERROR_MAX, format, arguments);
	va_end(arguments);
	return result;
}

const void *image_bytes(const struct guest_image *image, uint64_t offset, uint64_t length)
{
	if (offset > image->length || length > image->length - offset)
		return NULL;
	return (const char *)image->data + offset;
}

static int loader_fail_memory(struct loader *loader, int result, const char *what, uint64_t gpa)
{
	if (result == 0)
		return 0;
	return loader_fail(loader, result, "%s: the guest has no memory at 0x%llx", what,
			   (unsigned long long)gpa);
}

int loader_write(struct loader *loader, const char *what, uint64_t gpa, const void *from,
		 size_t length)
{
	int result = 0;

	/* Nothing has no place: it may come to lie just behind the end of memory. */
	if (length != 0)
		result = gpa_write(&loader->request->vm->space, gpa_make(gpa), from, length);
	return loader_fail_memory(loader, result, what, gpa);
}

int loader_zero(struct loader *loader, const char *what, uint64_t gpa, uint64_t length)
{
	int result = 0;

	if (length != 0)
		result = gpa_zero(&loader->request->vm->space, gpa_make(gpa), length);
	return loader_fail_memory(loader, result, what, gpa);
}

int loader_claim_kernel(struct loader *loader, uint64_t base, uint64_t length)
{
	uint64_t ram_end = loader->request->vm->ram_low;
	char need[FORMAT_SIZE_MAX], have[FORMAT_SIZE_MAX];

	if (base < GUEST_HIGH_BASE)
		return loader_fail(loader, -ENOSPC,
				   "kernel: wants to be at 0x%llx; it has to be at 0x%x or above",
				   (unsigned long long)base, GUEST_HIGH_BASE);
	if (base > ram_end || length > ram_end - base)
		return loader_fail(loader, -ENOSPC,
				   "kernel: needs %s at 0x%llx, but the guest has %s of memory "
				   "below 4 GiB",
				   format_size(need, length), (unsigned long long)base,
				   format_size(have, ram_end));
	loader->kernel_base = base;
	loader->kernel_end = base + length;
	return 0;
}

int loader_place_high(struct loader *loader, const char *what, const struct guest_image *image,
		      uint64_t limit, uint64_t *at)
{
	uint64_t end = align_down(min_u64(limit, loader->top), PAGE_SIZE);
	uint64_t start = end - align_up(image->length, PAGE_SIZE);
	uint64_t lowest = align_up(loader->kernel_end, PAGE_SIZE);
	char need[FORMAT_SIZE_MAX], have[FORMAT_SIZE_MAX];
	int result;

	if (end < lowest || end - lowest < image->length)
		return loader_fail(loader, -ENOSPC,
				   "%s: is %s, but beside the kernel and what else is loaded there "
				   "is room for %s: give the VM more memory",
				   what, format_size(need, image->length),
				   format_size(have, end < lowest ? 0 : end - lowest));
	result = loader_write(loader, what, start, image->data, image->length);
	if (result != 0)
		return result;
	loader->top = start;
	*at = start;
	return 0;
}

int loader_write_cmdline(struct loader *loader, size_t max)
{
	size_t length = strlen(loader->request->cmdline);

	max = (size_t)min_u64(max, GUEST_LOW_CMDLINE_LENGTH - 1);
	if (length > max)
		return loader_fail(loader, -E2BIG,
				   "cmdline: has %zu characters; this kernel takes at most %zu",
				   length, max);
	return loader_write(loader, "cmdline", GUEST_LOW_CMDLINE, loader->request->cmdline,
			    length + 1);
}

int loader_check_entry(struct loader *loader, uint64_t entry)
{
	if (entry >= loader->kernel_base && entry < loader->kernel_end)
		return 0;
	return loader_fail(loader, -ENOEXEC,
			   "kernel: corrupt: its entry 0x%llx lies outside of what is loaded "
			   "(0x%llx to 0x%llx)",
			   (unsigned long long)entry, (unsigned long long)loader->kernel_base,
			   (unsigned long long)loader->kernel_end);
}

int loader_append_info(struct loader *loader, const void *from, size_t length, unsigned align,
		       uint32_t *at)
{
	uint64_t offset = align_up(loader->info_used, align);

	if (offset > GUEST_LOW_BOOT_INFO_LENGTH || length > GUEST_LOW_BOOT_INFO_LENGTH - offset)
		return loader_fail(loader, -E2BIG,
				   "module: command lines of kernel and modules are too long");
	*at = (uint32_t)(GUEST_LOW_BOOT_INFO + offset);
	loader->info_used = (uint32_t)(offset + length);
	return loader_write(loader, "boot information", *at, from, length);
}

unsigned loader_module_count(const struct loader *loader)
{
	return loader->request->module_count + (loader->request->initrd.length != 0);
}

int loader_place_module(struct loader *loader, unsigned index, uint64_t *at, uint64_t *length,
			const char **arguments)
{
	const struct load_request *request = loader->request;
	const struct guest_image *image = &request->initrd;
	char name[sizeof("module 4294967295")] = "initrd";

	*arguments = "";
	if (request->initrd.length == 0 || index > 0) {
		unsigned module = index - (request->initrd.length != 0);

		image = &request->modules[module].image;
		*arguments = request->modules[module].arguments;
		hv_snprintf(name, sizeof(name), "module %u", module + 1);
	}
	*length = image->length;
	return loader_place_high(loader, name, image, VM_RAM_HIGH_BASE, at);
}

/* GDT and page tables for the modes of load_entry. */
static int load_descriptors(struct loader *loader, enum load_mode mode)
{
	const uint64_t gdt[] = {
		0,
		0,
		mode == LOAD_LONG64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff,
		0x00cf93000000ffff,
	};

	return loader_write(loader, "GDT", GUEST_LOW_GDT, gdt, sizeof(gdt));
}

/* Four page directories of 2 MiB pages that map the low 4 GiB one to one. SDM 3A, 4.5. */
static int load_page_tables(struct loader *loader)
{
	const uint64_t pdpt = GUEST_LOW_PAGE_TABLES + PAGE_SIZE;
	const uint64_t directories = pdpt + PAGE_SIZE;
	const uint64_t present_writable = 3, large = 1 << 7;
	uint64_t entry = pdpt | present_writable;
	int result = loader_zero(loader, "page tables", GUEST_LOW_PAGE_TABLES, 6 * PAGE_SIZE);

	if (result == 0)
		result = loader_write(loader, "page tables", GUEST_LOW_PAGE_TABLES, &entry, 8);
	for (unsigned i = 0; i < 4 && result == 0; i++) {
		entry = (directories + i * PAGE_SIZE) | present_writable;
		result = loader_write(loader, "page tables", pdpt + i * 8, &entry, 8);
	}
	for (uint64_t i = 0; i < 4 * 512 && result == 0; i++) {
		entry = i << PAGE_2M_SHIFT | present_writable | large;
		result = loader_write(loader, "page tables", directories + i * 8, &entry, 8);
	}
	return result;
}

static const struct image_format *load_recognise(const struct guest_image *image)
{
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i]->recognise(image))
			return formats[i];
	}
	return NULL;
}

static int load_prepare(struct loader *loader)
{
	const struct vm *vm = loader->request->vm;

	for (unsigned i = 0; i < loader->request->module_count; i++) {
		if (loader->request->modules[i].image.length == 0)
			return loader_fail(loader, -ENOEXEC, "module %u: the file is empty", i + 1);
	}
	if (vm->ram_low < GUEST_HIGH_BASE)
		return loader_fail(loader, -ENOSPC, "memory: a VM needs at least 1 MiB");
	loader->top = vm->ram_low;
	e820_build(&loader->map, vm->ram_low, vm->ram_high);
	return tables_install(vm, &loader->rsdp, loader->error, LOAD_ERROR_MAX);
}

int load_guest(const struct load_request *request, struct load_entry *entry,
	       char error[LOAD_ERROR_MAX])
{
	struct loader loader = {.request = request, .error = error};
	const struct image_format *format;
	int result;

	*entry = (struct load_entry){0};
	error[0] = '\0';
	if (request->kernel.length == 0)
		return loader_fail(&loader, -ENOEXEC, "kernel: the file is empty");
	format = load_recognise(&request->kernel);
	if (!format)
		return loader_fail(&loader, -ENOEXEC,
				   "kernel: not a format that can be run: bzImage, PVH ELF, "
				   "multiboot 1 or 2, or a flat binary");
	result = load_prepare(&loader);
	if (result == 0)
		result = format->load(&loader, entry);
	if (result == 0)
		result = load_descriptors(&loader, entry->mode);
	if (result == 0 && entry->mode == LOAD_LONG64)
		result = load_page_tables(&loader);
	return result;
}
