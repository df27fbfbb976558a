/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C half of the multiboot2 entry: boot information to boot_info, and page tables with W^X for
 * hv_main(). Runs on start.asm's tables: low 4 GiB at 0, all of it writable.
 */
#include "arch/x86/control.h"
#include "arch/x86/io.h"
#include "boot/boot_tables.h"
#include "boot/multiboot2/parse.h"

#include <errno.h>
#include <string.h>

#define KERNEL_BASE	0xffffffff80000000ull /* linker.ld */
#define LOW_MEMORY_END	MIB(1)
#define IDENTITY_END	GIB(4)
#define COM1		0x3f8
#define COM1_STATUS	(COM1 + 5)
#define COM1_READY	0x20
#define COM1_ATTEMPTS	100000
#define VGA_TEXT	((volatile uint16_t *)0xb8000)
#define VGA_WHITE	0x0f00
#define INFO_LENGTH_MAX MIB(16)

extern const char __image_start[], __image_end[];
extern const char __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern const char __data_start[], __bss_end[];

uint64_t multiboot2_entry(uint32_t magic, uint32_t address);

static struct boot_info boot_info;

/* On the VGA text screen and COM1; there is nothing else yet. */
static void fail(const char *why)
{
	static const char prefix[] = "Bulkhead: cannot start: ";
	volatile uint16_t *screen = VGA_TEXT;

	for (const char *part = prefix; part != NULL; part = part == prefix ? why : NULL) {
		for (const char *c = part; *c != 0; c++) {
			*screen++ = (uint16_t)(VGA_WHITE | (uint8_t)*c);
			for (unsigned i = 0; i < COM1_ATTEMPTS; i++)
				if ((io_in8(COM1_STATUS) & COM1_READY) != 0)
					break;
			io_out8(COM1, (uint8_t)*c);
		}
	}
	for (;;)
		cpu_hlt();
}

/* The highest free page that start.asm's tables reach. */
static int alloc_table(hpa_t *table)
{
	for (uint32_t i = boot_info.memory_count; i > 0; i--) {
		const struct boot_memory *range = &boot_info.memory[i - 1];
		uint64_t end = min_u64(range->base + range->length, IDENTITY_END);

		if (range->kind != BOOT_MEMORY_FREE ||
		    end < max_u64(range->base, LOW_MEMORY_END) + PAGE_SIZE)
			continue;
		*table = hpa_make(end - PAGE_SIZE);
		return boot_info_add_memory(&boot_info, table->value, PAGE_SIZE, BOOT_MEMORY_BOOT);
	}
	return -ENOMEM;
}

static int map_section(const struct paging *tables, const char *start, const char *end,
		       unsigned flags)
{
	uint64_t base = align_down((uint64_t)start, PAGE_SIZE);

	if (start == end)
		return 0;
	return paging_map(tables, base, hpa_make(base - KERNEL_BASE),
			  align_up((uint64_t)end, PAGE_SIZE) - base, flags);
}

static int map_ram(const struct paging *tables)
{
	int error = boot_tables_map_ram(tables, 0, IDENTITY_END);

	/* The map changes while tables are taken from it: what that adds is mapped already. */
	for (uint32_t i = 0; error == 0 && i < boot_info.memory_count; i++) {
		struct boot_memory range = boot_info.memory[i];

		if (range.kind != BOOT_MEMORY_RESERVED && range.base + range.length > IDENTITY_END)
			error = boot_tables_map_ram(tables, range.base, range.base + range.length);
	}
	return error;
}

static int make_tables(struct paging *tables)
{
	int error = boot_tables_init(tables, alloc_table);

	if (error == 0)
		error = map_ram(tables);
	if (error == 0)
		error = map_section(tables, __text_start, __text_end, PAGING_EXECUTE);
	if (error == 0)
		error = map_section(tables, __rodata_start, __rodata_end, 0);
	if (error == 0)
		error = map_section(tables, __data_start, __bss_end, PAGING_WRITE);
	return error;
}

/*
 * `address` is that of the boot information. Returns the physical address of the boot_info, with
 * CR3 on the new tables.
 */
uint64_t multiboot2_entry(uint32_t magic, uint32_t address)
{
	const uint8_t *data = (const uint8_t *)(uint64_t)address;
	struct paging tables;
	const char *why = "the image lies at no valid address";

	if (magic != MULTIBOOT2_MAGIC)
		fail("it was not started by a multiboot2 boot loader (in GRUB: multiboot2, "
		     "module2)");
	boot_info.hypervisor_base = (uint64_t)__image_start - KERNEL_BASE;
	boot_info.hypervisor_length = (uint64_t)(__image_end - __image_start);
	if (boot_info_add_memory(&boot_info, boot_info.hypervisor_base, boot_info.hypervisor_length,
				 BOOT_MEMORY_HYPERVISOR) != 0 ||
	    multiboot2_parse(&boot_info, data, INFO_LENGTH_MAX, address, &why) != 0)
		fail(why);
	if (make_tables(&tables) != 0)
		fail("no memory for page tables: the boot loader's memory map is short or broken");
	cr3_write(tables.root.value);
	return (uint64_t)&boot_info - KERNEL_BASE;
}
