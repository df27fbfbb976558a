/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's page tables as its CPU walks them. All modes are one loop over a description of the
 * mode's levels. The rules: SDM 3A, 4.3 to 4.8 and table 4-3 to 4-20; APM 2, 5.3 to 5.6.
 *
 * Protection keys are not looked at: guests are not offered them (cpuid_policy).
 */
#include "vmm/guest_walk.h"

#include "vmm/gpa_space.h"
#include "vmm/x86_defs.h"

#include <errno.h>

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7)
#define PTE_NX	     (1ull << 63)

#define WALK_LEVELS_MAX	  5
#define PHYSICAL_BITS_MAX 52

/* How often a walk starts anew because the guest changed an entry while its A or D bit was set. */
#define WALK_ATTEMPTS 8

/* One way to page. */
struct walk_mode {
	unsigned levels;
	unsigned entry_size; /* bytes */
	unsigned index_bits;
	bool pae_root; /* level 3 is the four PDPTEs: no rights, no A bit */
	bool long_mode;
};

/* An entry that was used: where it lies, what it was. */
struct walk_step {
	void *pointer; /* NULL where its memory cannot be written */
	uint64_t entry;
};

struct walk {
	const struct gpa_space *space;
	const struct guest_paging *paging;
	struct walk_mode mode;
	uint64_t address_bits; /* of an entry: the address of a table or of a 4 KiB page */
	uint64_t reserved;     /* bits that must be zero in every entry of 8 bytes */
	uint64_t linear;
	unsigned access;
	unsigned level; /* 1: the last */
	struct walk_step steps[WALK_LEVELS_MAX + 1];
	/* PTE_WRITE, PTE_USER and PTE_ACCESSED where all levels have them, PTE_NX where one has. */
	uint64_t rights;
};

static struct walk_mode mode_of(const struct guest_paging *paging)
{
	if (!(paging->cr4 & CR4_PAE))
		return (struct walk_mode){.levels = 2, .entry_size = 4, .index_bits = 10};
	if (!(paging->efer & EFER_LMA))
		return (struct walk_mode){
			.levels = 3, .entry_size = 8, .index_bits = 9, .pae_root = true};
	return (struct walk_mode){.levels = paging->cr4 & CR4_LA57 ? 5 : 4,
				  .entry_size = 8,
				  .index_bits = 9,
				  .long_mode = true};
}

static unsigned physical_bits(const struct guest_paging *paging)
{
	return paging->physical_bits < PHYSICAL_BITS_MAX ? paging->physical_bits
							 : PHYSICAL_BITS_MAX;
}

/* The bits of an address from `low` up to what the guest has of physical address. */
static uint64_t address_mask(const struct guest_paging *paging, unsigned low)
{
	return (((uint64_t)1 << physical_bits(paging)) - 1) & ~(((uint64_t)1 << low) - 1);
}

static unsigned level_shift(const struct walk *walk, unsigned level)
{
	return PAGE_SHIFT + (level - 1) * walk->mode.index_bits;
}

static uint64_t root_table(const struct walk *walk)
{
	uint64_t cr3 = walk->paging->cr3;

	/* Outside long mode CR3 has 32 bits; the PDPTEs are 32 bytes, aligned so. */
	if (walk->mode.pae_root)
		return cr3 & 0xffffffe0;
	if (!walk->mode.long_mode)
		return cr3 & 0xfffff000;
	return cr3 & walk->address_bits;
}

/* What is the same for all levels. The steps stay as they are: descend() fills them. */
static void prepare(struct walk *walk, const struct gpa_space *space,
		    const struct guest_paging *paging, uint64_t linear, unsigned access)
{
	uint64_t physical = address_mask(paging, 0);

	walk->space = space;
	walk->paging = paging;
	walk->linear = linear;
	walk->access = access;
	walk->mode = mode_of(paging);
	if (walk->mode.entry_size == 4) {
		walk->address_bits = 0xfffff000;
		walk->reserved = 0;
		return;
	}
	walk->address_bits = physical & PAGE_MASK;
	walk->reserved = ~physical & ((1ull << PHYSICAL_BITS_MAX) - 1);
	if (!(paging->efer & EFER_NXE))
		walk->reserved |= PTE_NX;
	if (!walk->mode.long_mode)
		walk->reserved |= 0x7ffull << PHYSICAL_BITS_MAX;
}

static bool large_allowed(const struct walk *walk, unsigned level)
{
	if (level == 2)
		return walk->mode.entry_size == 8 || (walk->paging->cr4 & CR4_PSE);
	return level == 3 && walk->mode.long_mode && walk->paging->has_1g_pages;
}

static bool is_leaf(const struct walk *walk, unsigned level, uint64_t entry)
{
	return level == 1 || ((entry & PTE_LARGE) && large_allowed(walk, level));
}

/* A page of 4 MiB has bits 39:32 of its address in bits 20:13 (PSE-36); bit 21 is reserved. */
static uint64_t reserved_of_4m(const struct guest_paging *paging)
{
	unsigned bits = physical_bits(paging);
	uint64_t high = 0;

	if (bits < 40)
		high = (0xffull << 13) & ~((1ull << (bits > 32 ? bits - 19 : 13)) - 1);
	return high | 1ull << 21;
}

static uint64_t reserved_bits(const struct walk *walk, unsigned level, bool leaf)
{
	if (walk->mode.entry_size == 4)
		return leaf && level == 2 ? reserved_of_4m(walk->paging) : 0;
	if (level == 1)
		return walk->reserved;
	if (walk->mode.pae_root && level == 3)
		return walk->reserved | PTE_NX | 0x1e6;
	if (leaf)
		return walk->reserved | ((1ull << level_shift(walk, level)) - (1ull << 13));
	/* Where a large page cannot be, its bit is reserved. */
	return walk->reserved | PTE_LARGE;
}

static uint32_t error_code_of(const struct walk *walk, uint32_t cause)
{
	const struct guest_paging *paging = walk->paging;
	uint32_t code = cause | (walk->access & (WALK_WRITE | WALK_USER));
	bool tells_fetch =
		((paging->cr4 & CR4_PAE) && (paging->efer & EFER_NXE)) || (paging->cr4 & CR4_SMEP);

	if ((walk->access & WALK_FETCH) && tells_fetch)
		code |= WALK_FETCH;
	return code;
}

/* Reads an entry, once. What is no memory reads as ones, as from a bus where nobody answers. */
static void read_entry(const struct walk *walk, uint64_t address, struct walk_step *step)
{
	unsigned size = walk->mode.entry_size;
	const void *pointer;

	step->pointer = gpa_pointer(walk->space, gpa_make(address), size, GPA_READ | GPA_WRITE);
	pointer = step->pointer;
	if (!pointer)
		pointer = gpa_pointer(walk->space, gpa_make(address), size, GPA_READ);
	if (!pointer)
		step->entry = mask_of_bytes(size);
	else if (size == 8)
		step->entry = __atomic_load_n((const uint64_t *)pointer, __ATOMIC_RELAXED);
	else
		step->entry = __atomic_load_n((const uint32_t *)pointer, __ATOMIC_RELAXED);
}

static uint64_t entry_address(const struct walk *walk, uint64_t table, unsigned level)
{
	uint64_t index =
		walk->linear >> level_shift(walk, level) & ((1ull << walk->mode.index_bits) - 1);

	/* Only two bits choose among the PDPTEs. */
	if (walk->mode.pae_root && level == 3)
		index &= 3;
	return table + index * walk->mode.entry_size;
}

/* Goes down to the leaf. Returns 0, or -EFAULT with the cause of the fault. */
static int descend(struct walk *walk, uint32_t *cause)
{
	uint64_t table = root_table(walk);

	walk->rights = PTE_WRITE | PTE_USER | PTE_ACCESSED;
	for (unsigned level = walk->mode.levels; level > 0; level--) {
		struct walk_step *step = &walk->steps[level];
		uint64_t entry;
		bool leaf;

		read_entry(walk, entry_address(walk, table, level), step);
		entry = step->entry;
		*cause = 0;
		if (!(entry & PTE_PRESENT))
			return -EFAULT;
		*cause = PF_ERROR_PRESENT | PF_ERROR_RESERVED;
		leaf = is_leaf(walk, level, entry);
		if (entry & reserved_bits(walk, level, leaf))
			return -EFAULT;
		if (!(walk->mode.pae_root && level == 3))
			walk->rights = (walk->rights & (entry | PTE_NX)) | (entry & PTE_NX);
		walk->level = level;
		if (leaf)
			return 0;
		table = entry & walk->address_bits;
	}
	return -EFAULT;
}

/* SDM 3A, 4.6. NX is reserved, so never set here, where EFER does not enable it. */
static bool is_allowed(const struct walk *walk)
{
	const struct guest_paging *paging = walk->paging;
	bool user_page = walk->rights & PTE_USER;
	bool user = walk->access & WALK_USER;

	if (user && !user_page)
		return false;
	if (walk->access & WALK_FETCH) {
		if (walk->rights & PTE_NX)
			return false;
		return user || !user_page || !(paging->cr4 & CR4_SMEP);
	}
	if (!user && user_page && (paging->cr4 & CR4_SMAP) && !(paging->rflags & RFLAGS_AC))
		return false;
	if (!(walk->access & WALK_WRITE) || (walk->rights & PTE_WRITE))
		return true;
	return !user && !(paging->cr0 & CR0_WP);
}

static bool set_bits(const struct walk *walk, const struct walk_step *step, uint64_t bits)
{
	uint64_t expected = step->entry;
	uint32_t expected_32 = (uint32_t)step->entry;

	if ((expected & bits) == bits || !step->pointer)
		return true;
	if (walk->mode.entry_size == 8)
		return __atomic_compare_exchange_n((uint64_t *)step->pointer, &expected,
						   expected | bits, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((uint32_t *)step->pointer, &expected_32,
					   expected_32 | (uint32_t)bits, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* Sets A on the way and A, D in the leaf. False where an entry is not what it was any more. */
static bool mark_accessed(const struct walk *walk)
{
	bool dirty = !(walk->access & WALK_WRITE) || (walk->steps[walk->level].entry & PTE_DIRTY);

	if ((walk->rights & PTE_ACCESSED) && dirty)
		return true;
	for (unsigned level = walk->mode.levels; level >= walk->level; level--) {
		uint64_t bits = PTE_ACCESSED;

		if (walk->mode.pae_root && level == 3)
			continue;
		if (level == walk->level && (walk->access & WALK_WRITE))
			bits |= PTE_DIRTY;
		if (!set_bits(walk, &walk->steps[level], bits))
			return false;
	}
	return true;
}

static uint64_t leaf_address(const struct walk *walk)
{
	uint64_t entry = walk->steps[walk->level].entry;
	unsigned shift = level_shift(walk, walk->level);
	uint64_t offset = walk->linear & ((1ull << shift) - 1);

	if (walk->mode.entry_size == 4 && walk->level == 2)
		return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | offset;
	if (walk->mode.entry_size == 4)
		return (entry & walk->address_bits) | offset;
	return (entry & walk->address_bits & ~((1ull << shift) - 1)) | offset;
}

int guest_walk(const struct gpa_space *space, const struct guest_paging *paging, uint64_t linear,
	       unsigned access, gpa_t *gpa, uint32_t *error_code)
{
	uint32_t cause = 0;
	struct walk walk;

	if (!(paging->cr0 & CR0_PG)) {
		*gpa = gpa_make(linear);
		return 0;
	}
	prepare(&walk, space, paging, linear, access);
	for (unsigned attempt = 0; attempt < WALK_ATTEMPTS; attempt++) {
		if (descend(&walk, &cause) != 0)
			break;
		cause = PF_ERROR_PRESENT;
		if (!is_allowed(&walk))
			break;
		if (mark_accessed(&walk)) {
			*gpa = gpa_make(leaf_address(&walk));
			return 0;
		}
		/* After the last attempt this is a fault for a right that is there: the guest
		 * finds nothing wrong and executes again. */
	}
	*error_code = error_code_of(&walk, cause);
	return -EFAULT;
}
