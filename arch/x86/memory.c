/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the host's address space. Until CR3 is switched, tables come from the start of one free
 * range below 4 GiB, which the loader's tables map at its physical address; what they do not take,
 * and all other free memory, then goes to the page allocator, and later tables come from there.
 */
#include "arch/x86/memory.h"

#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/log.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/spinlock.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/mmio.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/percpu.h"
#include "boot/boot_info.h"

#include <errno.h>

/* Firmware uses memory below this behind everybody's back, on real machines: not given away. */
#define LOW_MEMORY_END MIB(1)
/* The trampoline lies below this, where an EBDA of any size should not reach. */
#define TRAMPOLINE_END UINT64_C(0x90000)

/* The image, from linker.ld. */
extern char __image_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[],
	__data_start[], __bss_end[];

static struct {
	struct spinlock lock; /* the tables and the device window; before the pages' lock */
	struct paging paging;
	uint64_t device_next; /* first free address of the device window */
	uint64_t early_next;  /* tables before the page allocator works: physical */
	uint64_t early_end;
	hpa_t trampoline;
} memory = {.device_next = DEVICE_MAP_BASE};

/* ---- where tables come from ---- */

static int early_alloc_table(hpa_t *table)
{
	if (memory.early_next == memory.early_end)
		return -ENOMEM;
	*table = hpa_make(memory.early_next);
	memory.early_next += PAGE_SIZE;
	return 0;
}

static uint64_t *early_table(hpa_t address)
{
	return (uint64_t *)address.value;
}

static int late_alloc_table(hpa_t *table)
{
	return page_alloc(PAGE_ORDER_4K, table);
}

static uint64_t *late_table(hpa_t address)
{
	return platform_ram(address);
}

/* The part of a free range that may be used, as [*base, *end); false where there is none. */
static bool memory_usable(const struct boot_memory *range, uint64_t *base, uint64_t *end)
{
	*base = max_u64(align_up(range->base, PAGE_SIZE), LOW_MEMORY_END);
	*end = align_down(range->base + range->length, PAGE_SIZE);
	return range->kind == BOOT_MEMORY_FREE && *base < *end;
}

/* Chooses the largest free range below 4 GiB: every loader maps that. */
static void early_choose(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->memory_count; i++) {
		uint64_t base, end;

		if (!memory_usable(&info->memory[i], &base, &end) || base >= GIB(4))
			continue;
		end = min_u64(end, GIB(4));
		if (end - base > memory.early_end - memory.early_next) {
			memory.early_next = base;
			memory.early_end = end;
		}
	}
	if (memory.early_end == 0)
		platform_panic("no free memory between 1 MiB and 4 GiB in the memory map");
}

/* ---- building ---- */

static void memory_must_map(uint64_t virtual, hpa_t hpa, uint64_t length, unsigned flags,
			    const char *what)
{
	int error = paging_map(&memory.paging, virtual, hpa, length, flags);

	if (error != 0)
		platform_panic("cannot map %s at 0x%llx (0x%llx bytes from 0x%llx): error %d", what,
			       (unsigned long long)virtual, (unsigned long long)length,
			       (unsigned long long)hpa.value, error);
}

/* The flags that RAM of a kind is mapped with; -1 where it is not. */
static int memory_kind_flags(uint32_t kind)
{
	switch (kind) {
	case BOOT_MEMORY_FREE:
	case BOOT_MEMORY_BOOT:
		return PAGING_WRITE;
	case BOOT_MEMORY_ACPI:
		return 0;
	default:
		return -1;
	}
}

/* Maps all RAM; neighbours of like flags in one piece, so that large leaves can span them. */
static void memory_map_ram(const struct boot_info *info)
{
	unsigned i = 0;

	while (i < info->memory_count) {
		const struct boot_memory *first = &info->memory[i++];
		int flags = memory_kind_flags(first->kind);
		uint64_t end = first->base + first->length;

		while (i < info->memory_count && info->memory[i].base == end &&
		       memory_kind_flags(info->memory[i].kind) == flags)
			end += info->memory[i++].length;
		end = min_u64(end, DEVICE_MAP_BASE - DIRECT_MAP_BASE);
		if (flags >= 0 && first->base < end)
			memory_must_map(DIRECT_MAP_BASE + first->base, hpa_make(first->base),
					end - first->base, (unsigned)flags, "RAM");
	}
}

static void memory_map_section(const struct boot_info *info, const char *start, const char *end,
			       unsigned flags)
{
	uint64_t offset = (uint64_t)(start - __image_start);
	uint64_t length = align_up((uint64_t)(end - start), PAGE_SIZE);

	memory_must_map((uintptr_t)start, hpa_make(info->hypervisor_base + offset), length, flags,
			"the hypervisor");
}

static void memory_map_image(const struct boot_info *info)
{
	memory_map_section(info, __text_start, __text_end, PAGING_EXECUTE);
	memory_map_section(info, __rodata_start, __rodata_end, 0);
	memory_map_section(info, __data_start, __bss_end, PAGING_WRITE);
}

/* The highest page that fits, so that the first 64 KiB, which some firmware spoils, come last. */
static void memory_choose_trampoline(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->memory_count; i++) {
		const struct boot_memory *range = &info->memory[i];
		uint64_t end = min_u64(range->base + range->length, TRAMPOLINE_END);

		if (range->kind == BOOT_MEMORY_FREE && range->base < end &&
		    end - range->base >= PAGE_SIZE && end > PAGE_SIZE)
			memory.trampoline = hpa_make(align_down(end, PAGE_SIZE) - PAGE_SIZE);
	}
	if (memory.trampoline.value != 0)
		memory_must_map(memory.trampoline.value, memory.trampoline, PAGE_SIZE,
				PAGING_EXECUTE, "the trampoline");
}

static void memory_give_free(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->memory_count; i++) {
		uint64_t base, end;

		if (!memory_usable(&info->memory[i], &base, &end))
			continue;
		/* The tables are at the start of their range. */
		if (memory.early_next > base && memory.early_next <= end)
			base = memory.early_next;
		end = min_u64(end, DEVICE_MAP_BASE - DIRECT_MAP_BASE);
		/* Too small for its own bookkeeping: a few pages that nobody misses. */
		if (base < end && page_alloc_add(hpa_make(base), end - base) != 0)
			log_debug("memory: 0x%llx to 0x%llx is not used", (unsigned long long)base,
				  (unsigned long long)end);
	}
}

/* Loaders hand out a physical address, in memory of kind BOOT or in the image's own data. */
static struct boot_info *memory_new_address(const struct boot_info *info)
{
	uint64_t offset = (uintptr_t)info - info->hypervisor_base;

	if (offset < info->hypervisor_length)
		return (struct boot_info *)(__image_start + offset);
	return platform_ram(hpa_make((uintptr_t)info));
}

struct boot_info *memory_init(struct boot_info *info)
{
	struct cpuid_regs features = cpuid_checked(0x80000001, 0);
	struct boot_info *new_info;
	char total[FORMAT_SIZE_MAX];

	memory.paging = (struct paging){
		.max_leaf_level = features.edx & CPUID_80000001_EDX_PAGE_1G ? 3 : 2,
		.alloc_table = early_alloc_table,
		.table = early_table,
	};
	early_choose(info);
	if (paging_init(&memory.paging) != 0)
		platform_panic("no memory for the root page table");
	memory_map_ram(info);
	memory_map_image(info);
	memory_choose_trampoline(info);
	new_info = memory_new_address(info);
	memory_cpu_enable();
	memory.paging.alloc_table = late_alloc_table;
	memory.paging.table = late_table;

	memory_give_free(new_info);
	log_info("memory: %s free", format_size(total, page_alloc_total()));
	return new_info;
}

/* ---- the CPU's side ---- */

static uint64_t memory_cr4(void)
{
	struct cpuid_regs basic = cpuid(1, 0);
	struct cpuid_regs extended = cpuid_checked(7, 0);
	uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (basic.ecx & CPUID_1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	if (basic.edx & CPUID_1_EDX_MCE)
		cr4 |= CR4_MCE;
	if (basic.edx & CPUID_1_EDX_PGE)
		cr4 |= CR4_PGE;
	if (extended.ebx & CPUID_7_EBX_SMEP)
		cr4 |= CR4_SMEP;
	if (extended.ebx & CPUID_7_EBX_SMAP)
		cr4 |= CR4_SMAP;
	if (extended.ecx & CPUID_7_ECX_UMIP)
		cr4 |= CR4_UMIP;
	return cr4;
}

/* Firmware may have changed memory types by PAT; what paging.h says needs the power-on value. */
static void memory_set_pat(void)
{
	if (msr_read(MSR_PAT) == PAT_DEFAULT)
		return;
	/* Lines cached under the old types go out (SDM 3A, 11.12.4). */
	__asm__ volatile("wbinvd" : : : "memory");
	msr_write(MSR_PAT, PAT_DEFAULT);
	__asm__ volatile("wbinvd" : : : "memory");
}

void memory_cpu_enable(void)
{
	uint64_t cr4 = memory_cr4();

	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
	cr0_write(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	memory_set_pat();
	/* With PGE off, the load of CR3 drops global translations too. */
	cr4_write(cr4 & ~CR4_PGE);
	cr3_write(memory.paging.root.value);
	cr4_write(cr4);
}

hpa_t memory_root(void)
{
	return memory.paging.root;
}

hpa_t memory_trampoline_page(void)
{
	return memory.trampoline;
}

/* ---- later additions ---- */

/* An address in the device window with the same offset in a page (or, for large ranges, in 2 MiB).
 */
static uint64_t device_reserve(hpa_t hpa, uint64_t length)
{
	uint64_t align =
		length >= UINT64_C(1) << PAGE_2M_SHIFT ? UINT64_C(1) << PAGE_2M_SHIFT : PAGE_SIZE;
	uint64_t virtual = align_up(memory.device_next, align) + (hpa.value & (align - 1));

	return length <= STACK_MAP_BASE - virtual ? virtual : 0;
}

static void *device_map(hpa_t hpa, uint64_t length, unsigned flags)
{
	unsigned bits = cpuid_checked(0x80000008, 0).eax & 0xff;
	uint64_t limit = UINT64_C(1) << (bits ? bits : 36);
	hpa_t first = hpa_make(hpa.value & PAGE_MASK);
	uint64_t pages_length, virtual;
	int error = -ENOMEM;

	if (length == 0 || hpa.value >= limit || length > limit - hpa.value)
		return NULL;
	pages_length = align_up(hpa.value + length, PAGE_SIZE) - first.value;
	spin_lock(&memory.lock);
	virtual = device_reserve(first, pages_length);
	if (virtual != 0)
		error = paging_map(&memory.paging, virtual, first, pages_length, flags);
	if (error == 0)
		memory.device_next = virtual + pages_length;
	spin_unlock(&memory.lock);
	return error == 0 ? (char *)virtual + (hpa.value & ~PAGE_MASK) : NULL;
}

volatile void *mmio_map(hpa_t hpa, uint64_t length)
{
	return device_map(hpa, length, PAGING_WRITE | PAGING_UNCACHED);
}

const void *memory_map_firmware(hpa_t hpa, uint64_t length)
{
	return device_map(hpa, length, 0);
}

int memory_map_stack(uint64_t base)
{
	int error = 0;

	spin_lock(&memory.lock);
	for (uint64_t offset = PAGE_SIZE; offset < CPU_STACK_SIZE && error == 0;
	     offset += PAGE_SIZE) {
		hpa_t page;

		error = page_alloc(PAGE_ORDER_4K, &page);
		if (error == 0) {
			error = paging_map(&memory.paging, base + offset, page, PAGE_SIZE,
					   PAGING_WRITE);
			if (error != 0)
				page_free(page, PAGE_ORDER_4K);
		}
	}
	spin_unlock(&memory.lock);
	return error;
}
