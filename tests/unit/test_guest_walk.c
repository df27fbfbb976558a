/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/guest_walk.c. Guest memory is an array behind a gpa_pointer() of our own, which
 * can also play the guest's other CPU and change an entry just after it was read.
 */
#include "vmm/guest_walk.h"

#include "vmm/gpa_space.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE 0x10000
#define P	    1ull
#define W	    2ull
#define U	    4ull
#define A	    0x20ull
#define D	    0x40ull
#define PS	    0x80ull
#define NX	    (1ull << 63)

#define PRESENT	 PF_ERROR_PRESENT
#define RESERVED PF_ERROR_RESERVED

/* Where the tests' tables lie. */
#define ROOT   0x1000ull /* PML5 or PML4 or page directory */
#define PML4   0x2000ull
#define PDPT   0x3000ull
#define PD     0x4000ull
#define PT     0x5000ull
#define PAGE   0x9000ull
#define ABSENT 0x100000ull /* no memory */

static uint8_t memory[MEMORY_SIZE] __attribute__((aligned(4096)));
static bool read_only;	 /* tables are in ROM */
static unsigned changes; /* how often the guest still changes the entry of PD */
static unsigned reads;	 /* of entries */
static struct guest_paging paging;

void *gpa_pointer(const struct gpa_space *space, gpa_t gpa, size_t length, unsigned permission)
{
	(void)space;
	if (gpa.value > MEMORY_SIZE - length)
		return NULL;
	if (!(permission & GPA_WRITE))
		return &memory[gpa.value];
	reads++;
	/* The walk has read the watched entry, one level up, by now. */
	if (changes > 0 && gpa.value == PT + 4 * 8) {
		changes--;
		memory[PD + 3 * 8 + 1] ^= 0x02; /* a bit that is the guest's own */
	}
	return read_only ? NULL : &memory[gpa.value];
}

static void put64(uint64_t table, unsigned index, uint64_t entry)
{
	memcpy(&memory[table + index * 8], &entry, 8);
}

static uint64_t get64(uint64_t table, unsigned index)
{
	uint64_t entry;

	memcpy(&entry, &memory[table + index * 8], 8);
	return entry;
}

static void put32(uint64_t table, unsigned index, uint32_t entry)
{
	memcpy(&memory[table + index * 4], &entry, 4);
}

static uint32_t get32(uint64_t table, unsigned index)
{
	uint32_t entry;

	memcpy(&entry, &memory[table + index * 4], 4);
	return entry;
}

/* The linear address that the 4-level tables below translate: indices 1, 2, 3, 4, offset 0x567. */
#define LINEAR (1ull << 39 | 2ull << 30 | 3ull << 21 | 4ull << 12 | 0x567)

/* 4-level paging with LINEAR mapped to PAGE, user and writable. */
static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	read_only = false;
	changes = reads = 0;
	paging = (struct guest_paging){
		.cr0 = CR0_PE | CR0_PG | CR0_WP,
		.cr3 = ROOT,
		.cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA | EFER_NXE,
		.physical_bits = 40,
		.has_1g_pages = true,
	};
	put64(ROOT, 1, PDPT | P | W | U);
	put64(PDPT, 2, PD | P | W | U);
	put64(PD, 3, PT | P | W | U);
	put64(PT, 4, PAGE | P | W | U);
	return 0;
}

static void walks_to(uint64_t linear, unsigned access, uint64_t expected)
{
	uint32_t error_code = 0xdead;
	gpa_t gpa = {0};

	if (guest_walk(NULL, &paging, linear, access, &gpa, &error_code) != 0)
		fail_msg("fault with error code 0x%x", error_code);
	assert_int_equal(gpa.value, expected);
}

static void faults(uint64_t linear, unsigned access, uint32_t expected)
{
	uint32_t error_code = 0xdead;
	gpa_t gpa;

	assert_int_equal(guest_walk(NULL, &paging, linear, access, &gpa, &error_code), -EFAULT);
	assert_int_equal(error_code, expected);
}

static void passes_addresses_through_without_paging(void **state)
{
	(void)state;
	paging.cr0 = CR0_PE;
	walks_to(0xfffff123, WALK_WRITE, 0xfffff123);
	assert_int_equal(reads, 0);
}

static void translates_4_kib_pages(void **state)
{
	(void)state;
	walks_to(LINEAR, WALK_READ, PAGE + 0x567);
	assert_int_equal(reads, 4);
	/* PCID and the no-flush bit are no part of the root's address. */
	paging.cr3 |= 0xfff | 1ull << 63;
	walks_to(LINEAR | 0xffffull << 48, WALK_READ, PAGE + 0x567);
}

static void sets_accessed_and_dirty(void **state)
{
	(void)state;
	walks_to(LINEAR, WALK_READ | WALK_USER, PAGE + 0x567);
	assert_int_equal(get64(ROOT, 1), PDPT | P | W | U | A);
	assert_int_equal(get64(PDPT, 2), PD | P | W | U | A);
	assert_int_equal(get64(PD, 3), PT | P | W | U | A);
	assert_int_equal(get64(PT, 4), PAGE | P | W | U | A);
	walks_to(LINEAR, WALK_WRITE, PAGE + 0x567);
	assert_int_equal(get64(PD, 3), PT | P | W | U | A);
	assert_int_equal(get64(PT, 4), PAGE | P | W | U | A | D);
}

static void leaves_tables_alone_on_a_fault(void **state)
{
	(void)state;
	put64(PT, 4, PAGE | P | U);
	faults(LINEAR, WALK_WRITE, PRESENT | WALK_WRITE);
	assert_int_equal(get64(ROOT, 1), PDPT | P | W | U);
	assert_int_equal(get64(PT, 4), PAGE | P | U);
}

static void translates_large_pages(void **state)
{
	(void)state;
	put64(PD, 3, 0x40200000 | P | W | U | PS);
	walks_to(LINEAR, WALK_WRITE, 0x40200000 + (LINEAR & 0x1fffff));
	assert_int_equal(get64(PD, 3), 0x40200000 | P | W | U | PS | A | D);
	put64(PDPT, 2, 0x40000000 | P | W | U | PS | 1ull << 12); /* with the PAT bit */
	walks_to(LINEAR, WALK_READ, 0x40000000 + (LINEAR & 0x3fffffff));
	paging.has_1g_pages = false;
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
}

static void faults_where_nothing_is_present(void **state)
{
	static const struct {
		uint64_t table;
		unsigned index;
	} levels[] = {{ROOT, 1}, {PDPT, 2}, {PD, 3}, {PT, 4}};

	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		setup(state);
		put64(levels[i].table, levels[i].index, ~1ull);
		faults(LINEAR, WALK_READ, 0);
		faults(LINEAR, WALK_WRITE | WALK_USER, WALK_WRITE | WALK_USER);
		faults(LINEAR, WALK_FETCH, WALK_FETCH);
	}
	/* Without NX and SMEP the error code does not tell a fetch. */
	paging.efer &= ~EFER_NXE;
	faults(LINEAR, WALK_FETCH, 0);
	paging.cr4 |= CR4_SMEP;
	faults(LINEAR, WALK_FETCH, WALK_FETCH);
}

/* Rights of the page; what the registers say; the access; whether it is allowed. */
static const struct rights_case {
	uint64_t rights;
	uint64_t cr0, cr4, rflags;
	unsigned access;
	bool allowed;
} rights_cases[] = {
	{0, CR0_WP, 0, 0, WALK_READ, true},
	{0, CR0_WP, 0, 0, WALK_READ | WALK_USER, false},
	{U, CR0_WP, 0, 0, WALK_READ | WALK_USER, true},
	{W, CR0_WP, 0, 0, WALK_WRITE, true},
	{0, CR0_WP, 0, 0, WALK_WRITE, false},
	{0, 0, 0, 0, WALK_WRITE, true},
	{U, 0, 0, 0, WALK_WRITE, true},
	{U, 0, 0, 0, WALK_WRITE | WALK_USER, false},
	{U | W, CR0_WP, 0, 0, WALK_WRITE | WALK_USER, true},
	{W, CR0_WP, 0, 0, WALK_WRITE | WALK_USER, false},
	{0, CR0_WP, 0, 0, WALK_FETCH, true},
	{NX, CR0_WP, 0, 0, WALK_FETCH, false},
	{NX, CR0_WP, 0, 0, WALK_READ, true},
	{U | NX, CR0_WP, 0, 0, WALK_FETCH | WALK_USER, false},
	{U, CR0_WP, CR4_SMEP, 0, WALK_FETCH | WALK_USER, true},
	{U, CR0_WP, 0, 0, WALK_FETCH, true},
	{U, CR0_WP, CR4_SMEP, 0, WALK_FETCH, false},
	{0, CR0_WP, CR4_SMEP, 0, WALK_FETCH, true},
	{U, CR0_WP, CR4_SMAP, 0, WALK_READ, false},
	{U, CR0_WP, CR4_SMAP, RFLAGS_AC, WALK_READ, true},
	{U | W, 0, CR4_SMAP, 0, WALK_WRITE, false},
	{W, CR0_WP, CR4_SMAP, 0, WALK_WRITE, true},
	{U, CR0_WP, CR4_SMAP, 0, WALK_READ | WALK_USER, true},
	{U, CR0_WP, CR4_SMAP, 0, WALK_FETCH, true}, /* SMAP is for data */
};

static void check_rights(const struct rights_case *test)
{
	paging.cr0 = CR0_PE | CR0_PG | test->cr0;
	paging.cr4 = CR4_PAE | test->cr4;
	paging.rflags = test->rflags;
	if (test->allowed)
		walks_to(LINEAR, test->access, PAGE + 0x567);
	else
		faults(LINEAR, test->access, PRESENT | test->access);
}

static void checks_rights_of_all_levels(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rights_cases); i++) {
		const struct rights_case *test = &rights_cases[i];

		setup(state);
		put64(PT, 4, PAGE | P | test->rights);
		check_rights(test);
		/* The same where an upper level takes the rights away. */
		setup(state);
		put64(ROOT, 1, PDPT | P | test->rights);
		check_rights(test);
		setup(state);
		put64(PDPT, 2, PD | P | test->rights);
		check_rights(test);
	}
}

static void refuses_reserved_bits(void **state)
{
	put64(PT, 4, PAGE | P | 1ull << 40);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	put64(PT, 4, PAGE | P | 1ull << 51);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	put64(PT, 4, PAGE | P | 0x7ffull << 52); /* ignored, all of them */
	walks_to(LINEAR, WALK_READ, PAGE + 0x567);
	put64(ROOT, 1, PDPT | P | PS);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	setup(state);
	put64(PD, 3, 0x40200000 | P | PS | 1ull << 13);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	setup(state);
	put64(PDPT, 2, 0x40000000 | P | PS | 1ull << 29);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	setup(state);
	put64(PD, 3, PT | P | W | U | NX);
	paging.efer &= ~EFER_NXE;
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
}

static void translates_5_levels(void **state)
{
	(void)state;
	paging.cr4 |= CR4_LA57;
	put64(PML4, 1, PDPT | P | W | U);
	put64(ROOT, 1, 0);
	put64(ROOT, 7, PML4 | P | W | U);
	walks_to(7ull << 48 | LINEAR, WALK_READ, PAGE + 0x567);
	assert_int_equal(get64(ROOT, 7), PML4 | P | W | U | A);
	faults(LINEAR, WALK_READ, 0);
}

static void setup_32_bit(void)
{
	memset(memory, 0, sizeof(memory));
	paging.cr4 = CR4_PSE;
	paging.efer = 0;
	put32(ROOT, 0x301, PT | P | W | U);
	put32(PT, 5, PAGE | P | W | U);
}

#define LINEAR_32 (0x301ull << 22 | 5ull << 12 | 0x123)

static void translates_32_bit_paging(void **state)
{
	(void)state;
	setup_32_bit();
	walks_to(LINEAR_32, WALK_WRITE | WALK_USER, PAGE + 0x123);
	assert_int_equal(get32(ROOT, 0x301), PT | P | W | U | A);
	assert_int_equal(get32(PT, 5), PAGE | P | W | U | A | D);
	assert_int_equal(get32(PT, 6), 0);
	put32(PT, 5, PAGE | P | U);
	faults(LINEAR_32, WALK_WRITE, PRESENT | WALK_WRITE);
	put32(ROOT, 0x301, PT | W);
	faults(LINEAR_32, WALK_READ, 0);
}

static void translates_4_mib_pages(void **state)
{
	(void)state;
	setup_32_bit();
	put32(ROOT, 0x301, 0x80400000 | P | W | PS);
	walks_to(LINEAR_32, WALK_WRITE, 0x80400000 + (LINEAR_32 & 0x3fffff));
	assert_int_equal(get32(ROOT, 0x301), 0x80400000 | P | W | PS | A | D);
	/* PSE-36: bits 39:32 in 20:13, as far as there is physical address. */
	put32(ROOT, 0x301, 0x80400000 | P | PS | 0xa5u << 13 | 1u << 12);
	walks_to(LINEAR_32, WALK_READ, 0xa580400000 + (LINEAR_32 & 0x3fffff));
	paging.physical_bits = 39;
	faults(LINEAR_32, WALK_READ, PRESENT | RESERVED);
	put32(ROOT, 0x301, 0x80400000 | P | PS | 0x65u << 13);
	walks_to(LINEAR_32, WALK_READ, 0x6580400000 + (LINEAR_32 & 0x3fffff));
	put32(ROOT, 0x301, 0x80400000 | P | PS | 1u << 21);
	faults(LINEAR_32, WALK_READ, PRESENT | RESERVED);
	/* Without PSE the bit means nothing. */
	paging.cr4 = 0;
	put32(ROOT, 0x301, PT | P | PS);
	walks_to(LINEAR_32, WALK_READ, PAGE + 0x123);
}

#define LINEAR_PAE (2ull << 30 | 3ull << 21 | 4ull << 12 | 0x567)

static void setup_pae(void)
{
	paging.efer = EFER_NXE;
	paging.cr3 = ROOT + 0x20; /* aligned to 32 bytes, no more */
	put64(ROOT + 0x20, 2, PD | P);
}

static void translates_pae_paging(void **state)
{
	(void)state;
	setup_pae();
	walks_to(LINEAR_PAE, WALK_WRITE | WALK_USER, PAGE + 0x567);
	assert_int_equal(get64(ROOT + 0x20, 2), PD | P);
	assert_int_equal(get64(PD, 3), PT | P | W | U | A);
	assert_int_equal(get64(PT, 4), PAGE | P | W | U | A | D);
	put64(PD, 3, 0x40200000 | P | PS | NX);
	walks_to(LINEAR_PAE, WALK_READ, 0x40200000 + (LINEAR_PAE & 0x1fffff));
	faults(LINEAR_PAE, WALK_FETCH, PRESENT | WALK_FETCH);
	put64(ROOT + 0x20, 2, 0);
	faults(LINEAR_PAE, WALK_READ, 0);
}

static void refuses_reserved_bits_of_pae(void **state)
{
	static const uint64_t reserved[] = {W, U, A, D, PS, 0x100, 1ull << 40, 1ull << 52, NX};

	(void)state;
	setup_pae();
	for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
		put64(ROOT + 0x20, 2, PD | P | reserved[i]);
		faults(LINEAR_PAE, WALK_READ, PRESENT | RESERVED);
	}
	put64(ROOT + 0x20, 2, PD | P | 0xe18); /* PWT, PCD, ignored */
	walks_to(LINEAR_PAE, WALK_READ, PAGE + 0x567);
	put64(PT, 4, PAGE | P | 1ull << 52); /* not ignored, as in long mode */
	faults(LINEAR_PAE, WALK_READ, PRESENT | RESERVED);
}

static void reads_absent_memory_as_ones(void **state)
{
	(void)state;
	put64(PD, 3, ABSENT | P | W | U);
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
	paging.cr3 = ABSENT;
	faults(LINEAR, WALK_READ, PRESENT | RESERVED);
}

static void reads_tables_in_rom(void **state)
{
	(void)state;
	read_only = true;
	walks_to(LINEAR, WALK_WRITE, PAGE + 0x567);
	assert_int_equal(get64(PT, 4), PAGE | P | W | U);
}

static void follows_a_recursive_table(void **state)
{
	(void)state;
	put64(ROOT, 511, ROOT | P | W);
	walks_to(511ull << 39 | 511ull << 30 | 511ull << 21 | 511ull << 12 | 8, WALK_READ,
		 ROOT + 8);
	/* Setting A changed the entry under the walk's feet: it went down once more. */
	assert_int_equal(reads, 8);
	assert_int_equal(get64(ROOT, 511), ROOT | P | W | A);
}

static void starts_anew_when_an_entry_changes(void **state)
{
	(void)state;
	changes = 1;
	walks_to(LINEAR, WALK_WRITE, PAGE + 0x567);
	assert_int_equal(reads, 8);
	/* The change survives. */
	assert_int_equal(get64(PD, 3), PT | P | W | U | A | 0x200);
	assert_int_equal(get64(PT, 4), PAGE | P | W | U | A | D);
}

static void gives_up_on_an_entry_that_always_changes(void **state)
{
	(void)state;
	changes = 1000000;
	faults(LINEAR, WALK_WRITE, PRESENT | WALK_WRITE);
	assert_in_range(reads, 4, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(passes_addresses_through_without_paging, setup),
		cmocka_unit_test_setup(translates_4_kib_pages, setup),
		cmocka_unit_test_setup(sets_accessed_and_dirty, setup),
		cmocka_unit_test_setup(leaves_tables_alone_on_a_fault, setup),
		cmocka_unit_test_setup(translates_large_pages, setup),
		cmocka_unit_test_setup(faults_where_nothing_is_present, setup),
		cmocka_unit_test_setup(checks_rights_of_all_levels, setup),
		cmocka_unit_test_setup(refuses_reserved_bits, setup),
		cmocka_unit_test_setup(translates_5_levels, setup),
		cmocka_unit_test_setup(translates_32_bit_paging, setup),
		cmocka_unit_test_setup(translates_4_mib_pages, setup),
		cmocka_unit_test_setup(translates_pae_paging, setup),
		cmocka_unit_test_setup(refuses_reserved_bits_of_pae, setup),
		cmocka_unit_test_setup(reads_absent_memory_as_ones, setup),
		cmocka_unit_test_setup(reads_tables_in_rom, setup),
		cmocka_unit_test_setup(follows_a_recursive_table, setup),
		cmocka_unit_test_setup(starts_anew_when_an_entry_changes, setup),
		cmocka_unit_test_setup(gives_up_on_an_entry_that_always_changes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
