/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/acpi*.c on tables built here in a small physical memory. */
#include "arch/x86/acpi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MEMORY_BASE 0xbffe0000u
#define MEMORY_SIZE 0x8000u

static uint8_t memory[MEMORY_SIZE];
static uint32_t used;
static uint32_t xsdt_entries[ACPI_TABLES_MAX + 8];
static unsigned xsdt_count;
static struct acpi_info info;

/* Reads get exactly what they map, so that the sanitizer sees a step beyond it. */
static void *mapped[1024];
static unsigned mapped_count;

static const void *map(void *context, uint64_t address, uint64_t length)
{
	void *copy;

	(void)context;
	if (address < MEMORY_BASE || length > MEMORY_SIZE ||
	    address - MEMORY_BASE > MEMORY_SIZE - length)
		return NULL;
	assert_true(mapped_count < 1024);
	copy = malloc(length);
	assert_non_null(copy);
	memcpy(copy, memory + (address - MEMORY_BASE), length);
	mapped[mapped_count++] = copy;
	return copy;
}

static const struct acpi_reader reader = {.map = map};

static int set_up(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	used = 64; /* the RSDP */
	xsdt_count = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	while (mapped_count > 0)
		free(mapped[--mapped_count]);
	return 0;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		memory[at + i] = (uint8_t)(value >> (8 * i));
}

static void seal(uint32_t at, uint32_t length, uint32_t checksum_at)
{
	memory[at + checksum_at] = 0;
	memory[at + checksum_at] = acpi_checksum(memory + at, length);
}

/* Places a table with `body` after its header; returns its offset. */
static uint32_t place(const char *signature, const void *body, uint32_t length)
{
	uint32_t at = used;

	assert_true(at + ACPI_HEADER_SIZE + length <= MEMORY_SIZE);
	memcpy(memory + at, signature, 4);
	put(at + 4, ACPI_HEADER_SIZE + length, 4);
	put(at + 8, 3, 1);
	if (length > 0)
		memcpy(memory + at + ACPI_HEADER_SIZE, body, length);
	seal(at, ACPI_HEADER_SIZE + length, 9);
	used = (uint32_t)align_up(at + ACPI_HEADER_SIZE + length, 16);
	return at;
}

static uint32_t list(const char *signature, const void *body, uint32_t length)
{
	uint32_t at = place(signature, body, length);

	xsdt_entries[xsdt_count++] = MEMORY_BASE + at;
	return at;
}

static uint32_t place_root(const char *signature, unsigned entry_size)
{
	uint8_t body[sizeof(xsdt_entries) * 2] = {0};

	for (unsigned i = 0; i < xsdt_count; i++)
		memcpy(body + i * entry_size, &xsdt_entries[i], 4);
	return place(signature, body, xsdt_count * entry_size);
}

static void place_rsdp(uint8_t revision, uint32_t rsdt, uint32_t xsdt)
{
	memcpy(memory, "RSD PTR ", 8);
	put(15, revision, 1);
	put(16, rsdt ? MEMORY_BASE + rsdt : 0, 4);
	seal(0, 20, 8);
	if (revision >= 2) {
		put(20, 36, 4);
		put(24, xsdt ? MEMORY_BASE + xsdt : 0, 8);
		seal(0, 36, 32);
	}
}

static int parse(void)
{
	return acpi_parse(MEMORY_BASE, &reader, &info);
}

static int parse_with_xsdt(void)
{
	place_rsdp(2, 0, place_root("XSDT", 8));
	return parse();
}

static void is_a_plain_pc_without_acpi(void **state)
{
	(void)state;
	assert_int_equal(acpi_parse(0, &reader, &info), -ENOENT);
	assert_int_equal(info.lapic_address, 0xfee00000);
	assert_int_equal(info.cpu_count, 0);
	assert_true(info.has_8259);
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) {
		assert_int_equal(info.isa[i].gsi, i);
		assert_false(info.isa[i].level);
	}
	assert_int_equal(acpi_parse(0x1000, &reader, &info), -EINVAL);
}

static void follows_the_rsdt_of_revision_0(void **state)
{
	(void)state;
	list("SSDT", "", 0);
	place_rsdp(0, place_root("RSDT", 4), 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.table_count, 1);
	assert_non_null(acpi_find_table(&info, "SSDT", 0));
	assert_null(acpi_find_table(&info, "SSDT", 1));
}

static void refuses_a_wrong_rsdp(void **state)
{
	(void)state;
	assert_int_equal(parse_with_xsdt(), 0);
	memory[0] = 'X';
	assert_int_equal(parse(), -EINVAL);
	memory[0] = 'R';
	memory[9]++;
	assert_int_equal(parse(), -EINVAL);
}

static void falls_back_to_the_rsdt(void **state)
{
	uint32_t rsdt, xsdt;

	(void)state;
	list("SSDT", "", 0);
	rsdt = place_root("RSDT", 4);
	xsdt = place_root("XSDT", 8);
	place_rsdp(2, rsdt, xsdt);
	memory[33]++; /* in the extended part only */
	assert_int_equal(parse(), 0);
	assert_int_equal(info.table_count, 1);
	place_rsdp(2, rsdt, xsdt);
	memory[xsdt + 20]++;
	assert_int_equal(parse(), 0);
	assert_int_equal(info.table_count, 1);
	memory[rsdt + 20]++;
	assert_int_equal(parse(), -EINVAL);
}

static void refuses_another_table_as_root(void **state)
{
	(void)state;
	place_rsdp(2, 0, place_root("RSDT", 8));
	assert_int_equal(parse(), -EINVAL);
}

static void passes_over_broken_tables(void **state)
{
	uint32_t bad_sum, bad_short, bad_long;

	(void)state;
	bad_sum = list("AAAA", "1234", 4);
	bad_short = list("BBBB", "1234", 4);
	bad_long = list("CCCC", "1234", 4);
	list("DDDD", "1234", 4);
	xsdt_entries[xsdt_count++] = 0x10; /* not memory */
	xsdt_entries[xsdt_count++] = MEMORY_BASE + MEMORY_SIZE - 8;
	xsdt_entries[xsdt_count++] = 0; /* empty */
	memory[bad_sum + 37]++;
	put(bad_short + 4, ACPI_HEADER_SIZE - 1, 4);
	put(bad_long + 4, 0xffffffff, 4);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.table_count, 1);
	assert_string_equal(info.tables[0].signature, "DDDD");
	assert_int_equal(info.tables[0].length, 40);
}

static void limits_the_number_of_tables(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACPI_TABLES_MAX + 3; i++)
		list("SSDT", "", 0);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.table_count, ACPI_TABLES_MAX);
}

static void reads_the_madt(void **state)
{
	static const uint8_t body[] = {
		0,    0,  0xe0, 0xfe, 1,  0,	0,    0, /* LAPIC address, PC-AT compatible */
		0,    8,  0,	0,    1,  0,	0,    0, /* CPU uid 0, APIC id 0, enabled */
		0,    8,  1,	2,    1,  0,	0,    0, /* uid 1, id 2 */
		0,    8,  2,	4,    0,  0,	0,    0, /* disabled */
		0,    8,  3,	6,    2,  0,	0,    0, /* online capable */
		0,    8,  4,	0xff, 1,  0,	0,    0, /* no such id */
		9,    16, 0,	0,    2,  0,	0,    0,    1,	0, 0, 0,
		1,    0,  0,	0, /* id 2 again */
		9,    16, 0,	0,    0,  1,	0,    0,    1,	0, 0, 0,
		7,    0,  0,	0,					 /* id 256, uid 7 */
		1,    12, 5,	0,    0,  0,	0xc0, 0xfe, 0,	0, 0, 0, /* I/O APIC */
		1,    12, 6,	0,    0,  0x10, 0xc0, 0xfe, 24, 0, 0, 0, /* another */
		2,    10, 0,	0,    2,  0,	0,    0,    0,	0,	 /* IRQ 0 is GSI 2 */
		2,    10, 0,	5,    5,  0,	0,    0,    15, 0,	 /* IRQ 5 level low */
		2,    10, 0,	9,    20, 0,	0,    0,    5,	0,	 /* IRQ 9 edge high */
		2,    10, 0,	16,   1,  0,	0,    0,    0,	0,	 /* no ISA IRQ */
		2,    10, 1,	6,    1,  0,	0,    0,    0,	0,	 /* no ISA bus */
		3,    8,  0,	0,    7,  0,	0,    0,		 /* NMI source */
		4,    6,  0xff, 3,    0,  1,				 /* LINT1 of all */
		4,    6,  3,	0,    0,  2,				 /* no such LINT */
		10,   12, 1,	0,    7,  0,	0,    0,    0,	0, 0, 0, /* LINT0 of uid 7 */
		5,    12, 0,	0,    0,  0,	0xd0, 0xfe, 0,	0, 0, 0, /* LAPIC address */
		0x80, 4,  0,	0,					 /* unknown: skipped */
		0,    4,  9,	9,					 /* too short: skipped */
		0,    8,  8,	8,    1,  0,	0,    0,		 /* uid 8, id 8 */
		0,    9,  1,	10,   1,  0,	0,    0,		 /* beyond the end */
	};

	(void)state;
	list("APIC", body, sizeof(body));
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.has_madt);
	assert_int_equal(info.cpu_count, 4);
	assert_int_equal(info.cpus[1].apic_id, 2);
	assert_int_equal(info.cpus[2].apic_id, 256);
	assert_int_equal(info.cpus[2].uid, 7);
	assert_int_equal(info.cpus[3].apic_id, 8);
	assert_int_equal(info.cpus_hot_pluggable, 1);
	assert_int_equal(info.ioapic_count, 2);
	assert_int_equal(info.ioapics[1].address, 0xfec01000);
	assert_int_equal(info.ioapics[1].gsi_base, 24);
	assert_int_equal(info.ioapics[1].id, 6);
	assert_int_equal(info.isa[0].gsi, 2);
	assert_false(info.isa[0].level || info.isa[0].low);
	assert_true(info.isa[5].level && info.isa[5].low);
	assert_int_equal(info.isa[9].gsi, 20);
	assert_false(info.isa[9].level || info.isa[9].low);
	assert_int_equal(info.nmi_source_count, 1);
	assert_int_equal(info.lapic_nmi_count, 2);
	assert_int_equal(info.lapic_nmis[0].uid, ACPI_UID_ALL);
	assert_int_equal(info.lapic_nmis[0].lint, 1);
	assert_true(info.lapic_nmis[0].low);
	assert_int_equal(info.lapic_nmis[1].uid, 7);
	assert_int_equal(info.lapic_nmis[1].lint, 0);
	assert_int_equal(info.lapic_address, 0xfed00000);
}

static void counts_cpus_that_do_not_fit(void **state)
{
	uint8_t body[8 + (CPUS_MAX + 2) * 16] = {0};

	(void)state;
	for (uint32_t i = 0; i < CPUS_MAX + 2; i++) {
		uint8_t *entry = body + 8 + i * 16;

		entry[0] = 9, entry[1] = 16, entry[8] = 1;
		memcpy(entry + 4, &i, 4);
	}
	list("APIC", body, sizeof(body));
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.cpu_count, CPUS_MAX);
	assert_int_equal(info.cpus_left_out, 2);
}

static void refuses_a_madt_without_entries_part(void **state)
{
	(void)state;
	list("APIC", "\0\0\xe0\xfe", 4);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_false(info.has_madt);
}

/* A FADT of `length` bytes in all, of a PC with the DSDT `dsdt`. */
static uint32_t list_fadt(uint32_t length, uint32_t dsdt)
{
	uint8_t body[276 - ACPI_HEADER_SIZE] = {0};
	uint32_t at = list("FACP", body, length - ACPI_HEADER_SIZE);

	put(at + 40, dsdt ? MEMORY_BASE + dsdt : 0, 4);
	put(at + 46, 9, 2);
	put(at + 48, 0xb2, 4);
	put(at + 52, 0xf1, 1);
	put(at + 64, 0x604, 4);
	put(at + 76, 0x608, 4);
	put(at + 89, 2, 1);
	put(at + 91, 4, 1);
	put(at + 108, 0x32, 1);
	put(at + 112, ACPI_FADT_RESET_REGISTER | ACPI_FADT_TIMER_32_BIT, 4);
	seal(at, length, 9);
	return at;
}

static void put_address(uint32_t at, uint8_t space, uint8_t width, uint64_t address)
{
	put(at, space, 1);
	put(at + 1, width, 1);
	put(at + 4, address, 8);
}

static void reads_an_old_fadt(void **state)
{
	uint32_t at, other;

	(void)state;
	other = place("DSDT", "", 0);
	at = list_fadt(116, other);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.fadt.present);
	assert_int_equal(info.fadt.pm1a_control.address, 0x604);
	assert_int_equal(info.fadt.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(info.fadt.pm1a_control.bit_width, 16);
	assert_int_equal(info.fadt.pm1b_control.address, 0);
	assert_int_equal(info.fadt.pm_timer.address, 0x608);
	assert_int_equal(info.fadt.pm_timer.bit_width, 32);
	assert_int_equal(info.fadt.smi_command, 0xb2);
	assert_int_equal(info.fadt.acpi_enable, 0xf1);
	assert_int_equal(info.fadt.century, 0x32);
	assert_int_equal(info.fadt.sci, 9);
	assert_int_equal(info.fadt.reset.address, 0);
	assert_false(info.fadt.has_sleep_types);
	assert_non_null(acpi_find_table(&info, "DSDT", 0));
	put(at + 4, 115, 4);
	seal(at, 115, 9);
	assert_int_equal(parse(), 0);
	assert_false(info.fadt.present);
}

static void prefers_the_64_bit_fields_of_the_fadt(void **state)
{
	uint32_t at, dsdt;

	(void)state;
	dsdt = place("DSDT", "", 0);
	at = list_fadt(276, 0);
	put_address(at + 116, ACPI_SPACE_IO, 8, 0xcf9);
	put(at + 128, 0xf, 1);
	put(at + 140, MEMORY_BASE + dsdt, 8);
	put_address(at + 172, ACPI_SPACE_MEMORY, 16, 0xfed80804);
	put_address(at + 208, ACPI_SPACE_MEMORY, 32, 0xfed80808);
	put_address(at + 244, ACPI_SPACE_IO, 8, 0x620);
	seal(at, 276, 9);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.fadt.reset.address, 0xcf9);
	assert_int_equal(info.fadt.reset_value, 0xf);
	assert_int_equal(info.fadt.pm1a_control.address, 0xfed80804);
	assert_int_equal(info.fadt.pm1a_control.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.fadt.pm_timer.address, 0xfed80808);
	assert_int_equal(info.fadt.sleep_control.address, 0x620);
	assert_non_null(acpi_find_table(&info, "DSDT", 0));
}

static void takes_the_sci_for_level_low(void **state)
{
	static const uint8_t madt[] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0};

	(void)state;
	list("APIC", madt, sizeof(madt));
	list_fadt(116, 0);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.isa[9].level && info.isa[9].low);
	assert_false(info.isa[4].level || info.isa[4].low);
	assert_false(info.has_8259);
}

static void looks_for_soft_off_in_ssdts(void **state)
{
	static const uint8_t code[] = {8, '_', 'S', '5', '_', 0x12, 5, 2, 10, 5, 0};

	(void)state;
	list_fadt(116, place("DSDT", "", 0));
	list("SSDT", "", 0);
	list("SSDT", code, sizeof(code));
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.fadt.has_sleep_types);
	assert_int_equal(info.fadt.sleep_type_a, 5);
}

static void reads_the_hpet(void **state)
{
	uint8_t body[20] = {0};
	uint32_t at = list("HPET", body, sizeof(body));

	(void)state;
	put_address(at + 40, ACPI_SPACE_MEMORY, 64, 0xfed00000);
	seal(at, 56, 9);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.hpet, 0xfed00000);
	put_address(at + 40, ACPI_SPACE_IO, 64, 0x100);
	seal(at, 56, 9);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.hpet, 0);
	put(at + 4, 51, 4);
	seal(at, 51, 9);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.hpet, 0);
}

static void put_mcfg(uint32_t at, uint64_t base, uint16_t segment, uint8_t first, uint8_t last)
{
	put(at, base, 8);
	put(at + 8, segment, 2);
	put(at + 10, first, 1);
	put(at + 11, last, 1);
}

static void reads_the_mcfg(void **state)
{
	uint8_t body[8 + 4 * 16 + 3] = {0};
	uint32_t at = list("MCFG", body, sizeof(body));

	(void)state;
	put_mcfg(at + 44, 0xb0000000, 0, 0, 255);
	put_mcfg(at + 60, 0xb0000010, 1, 0, 255); /* not aligned */
	put_mcfg(at + 76, 0xb0000000, 2, 3, 2);	  /* no bus */
	put_mcfg(at + 92, 0xc0000000, 3, 1, 4);
	seal(at, ACPI_HEADER_SIZE + sizeof(body), 9);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_int_equal(info.mcfg_count, 2);
	assert_int_equal(info.mcfg[0].base, 0xb0000000);
	assert_int_equal(info.mcfg[1].segment, 3);
	assert_int_equal(info.mcfg[1].bus_first, 1);
	assert_int_equal(info.mcfg[1].bus_last, 4);
}

static void reads_the_spcr(void **state)
{
	uint8_t body[44] = {0};
	uint32_t at = list("SPCR", body, sizeof(body));

	(void)state;
	put_address(at + 40, ACPI_SPACE_IO, 8, 0x2f8);
	put(at + 52, 3, 1);
	put(at + 53, 3, 1);
	put(at + 54, 19, 4);
	put(at + 76, 1843200, 4);
	seal(at, 80, 9);
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.spcr.present && info.spcr.has_irq && info.spcr.has_gsi);
	assert_int_equal(info.spcr.address.address, 0x2f8);
	assert_int_equal(info.spcr.irq, 3);
	assert_int_equal(info.spcr.gsi, 19);
	assert_int_equal(info.spcr.clock_hz, 1843200);
}

static void leaves_out_a_spcr_that_it_cannot_use(void **state)
{
	uint8_t body[44] = {0};
	uint32_t at = list("SPCR", body, sizeof(body));

	(void)state;
	assert_int_equal(parse_with_xsdt(), 0); /* address 0: redirection off */
	assert_false(info.spcr.present);
	put_address(at + 40, ACPI_SPACE_MEMORY, 32, 0xfedc9000);
	put(at + 36, 3, 1); /* ARM PL011 */
	seal(at, 80, 9);
	assert_int_equal(parse(), 0);
	assert_false(info.spcr.present);
	put(at + 36, 0x12, 1);
	seal(at, 80, 9);
	assert_int_equal(parse(), 0);
	assert_true(info.spcr.present);
	put_address(at + 40, ACPI_SPACE_PCI, 32, 0xfedc9000);
	seal(at, 80, 9);
	assert_int_equal(parse(), 0);
	assert_false(info.spcr.present);
	put(at + 4, 79, 4);
	seal(at, 79, 9);
	assert_int_equal(parse(), 0);
	assert_false(info.spcr.present);
}

static void reads_the_opt_out_of_the_dmar(void **state)
{
	uint8_t body[12] = {46, 2};

	(void)state;
	list("DMAR", body, sizeof(body));
	assert_int_equal(parse_with_xsdt(), 0);
	assert_true(info.x2apic_opt_out);
	set_up(NULL);
	body[1] = 1;
	list("DMAR", body, sizeof(body));
	assert_int_equal(parse_with_xsdt(), 0);
	assert_false(info.x2apic_opt_out);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_a_plain_pc_without_acpi),
		TEST(follows_the_rsdt_of_revision_0),
		TEST(refuses_a_wrong_rsdp),
		TEST(falls_back_to_the_rsdt),
		TEST(refuses_another_table_as_root),
		TEST(passes_over_broken_tables),
		TEST(limits_the_number_of_tables),
		TEST(reads_the_madt),
		TEST(counts_cpus_that_do_not_fit),
		TEST(refuses_a_madt_without_entries_part),
		TEST(reads_an_old_fadt),
		TEST(prefers_the_64_bit_fields_of_the_fadt),
		TEST(takes_the_sci_for_level_low),
		TEST(looks_for_soft_off_in_ssdts),
		TEST(reads_the_hpet),
		TEST(reads_the_mcfg),
		TEST(reads_the_spcr),
		TEST(leaves_out_a_spcr_that_it_cannot_use),
		TEST(reads_the_opt_out_of_the_dmar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
