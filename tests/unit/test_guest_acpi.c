/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/tables/acpi.c: the tables are found and checked as a guest would. */
#define _GNU_SOURCE /* memmem() */

#include "guest/tables/tables.h"

#include "guest/layout.h"
#include "dsdt.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static uint8_t block[GUEST_ACPI_LENGTH];

static uint64_t get(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static uint8_t sum(const uint8_t *at, size_t length)
{
	uint8_t total = 0;

	while (length-- > 0)
		total = (uint8_t)(total + *at++);
	return total;
}

static const uint8_t *at_address(uint64_t address)
{
	assert_in_range(address, GUEST_ACPI_BASE, GUEST_ACPI_BASE + GUEST_ACPI_LENGTH - 1);
	return block + (address - GUEST_ACPI_BASE);
}

/* The table with that signature among those of the XSDT, checked. */
static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = at_address(get(block + 24, 8));
	uint64_t count = (get(xsdt + 4, 4) - 36) / 8;

	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(sum(xsdt, get(xsdt + 4, 4)), 0);
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *table = at_address(get(xsdt + 36 + 8 * i, 8));

		if (memcmp(table, signature, 4) == 0) {
			assert_int_equal(sum(table, get(table + 4, 4)), 0);
			return table;
		}
	}
	return NULL;
}

static void build(unsigned vcpus)
{
	memset(block, 0, sizeof(block));
	assert_in_range(acpi_build(block, vcpus), 1, sizeof(block));
}

static void has_a_valid_rsdp(void **state)
{
	(void)state;
	build(1);
	assert_memory_equal(block, "RSD PTR ", 8);
	assert_int_equal(sum(block, 20), 0);
	assert_int_equal(sum(block, 36), 0);
	assert_int_equal(block[15], 2);
	assert_int_equal(get(block + 20, 4), 36);
}

/* For guests that know ACPI 1.0 only. */
static void rsdt_lists_what_the_xsdt_lists(void **state)
{
	const uint8_t *rsdt, *xsdt;

	(void)state;
	build(1);
	rsdt = at_address(get(block + 16, 4));
	xsdt = at_address(get(block + 24, 8));
	assert_memory_equal(rsdt, "RSDT", 4);
	assert_int_equal(sum(rsdt, get(rsdt + 4, 4)), 0);
	assert_int_equal((get(rsdt + 4, 4) - 36) * 2, get(xsdt + 4, 4) - 36);
	for (uint64_t i = 0; i < (get(rsdt + 4, 4) - 36) / 4; i++)
		assert_int_equal(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
}

static void fadt_names_the_devices(void **state)
{
	const uint8_t *fadt, *facs, *dsdt;

	(void)state;
	build(1);
	fadt = find("FACP");
	assert_non_null(fadt);
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(get(fadt + 46, 2), GSI_SCI);
	assert_int_equal(get(fadt + 56, 4), PORT_PM1_EVENT);
	assert_int_equal(get(fadt + 64, 4), PORT_PM1_CONTROL);
	assert_int_equal(get(fadt + 76, 4), PORT_PM_TIMER);
	assert_int_equal(get(fadt + 108, 1), CMOS_CENTURY);
	/* The reset register: a byte-wide port and its value. */
	assert_int_equal(get(fadt + 116, 1), 1);
	assert_int_equal(get(fadt + 117, 1), 8);
	assert_int_equal(get(fadt + 120, 8), PORT_RESET_CONTROL);
	assert_int_equal(get(fadt + 128, 1), RESET_CONTROL_RESET);
	assert_true(get(fadt + 112, 4) & 1u << 10);
	/* No keyboard controller, or guests would wait for it. */
	assert_false(get(fadt + 109, 2) & 2);
	facs = at_address(get(fadt + 36, 4));
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(get(fadt + 36, 4) % 64, 0);
	assert_int_equal(get(fadt + 36, 4), get(fadt + 132, 8));
	dsdt = at_address(get(fadt + 140, 8));
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
}

static unsigned count_madt(const uint8_t *madt, uint8_t type)
{
	unsigned found = 0;

	for (uint64_t at = 44; at < get(madt + 4, 4); at += madt[at + 1]) {
		assert_in_range(madt[at + 1], 2, get(madt + 4, 4) - at);
		found += madt[at] == type;
	}
	return found;
}

static void madt_lists_every_vcpu(void **state)
{
	const uint8_t *madt;

	(void)state;
	for (unsigned vcpus = 1; vcpus <= 64; vcpus += 21) {
		build(vcpus);
		madt = find("APIC");
		assert_non_null(madt);
		assert_int_equal(get(madt + 36, 4), GUEST_LAPIC_BASE);
		assert_int_equal(count_madt(madt, 0), vcpus);
		assert_int_equal(count_madt(madt, 1), 1);
		assert_int_equal(count_madt(madt, 2), 2);
		assert_int_equal(madt[44 + 8 * (vcpus - 1) + 3], vcpus - 1);
	}
}

static void mcfg_gives_the_ecam(void **state)
{
	const uint8_t *mcfg;

	(void)state;
	build(1);
	mcfg = find("MCFG");
	assert_non_null(mcfg);
	assert_int_equal(get(mcfg + 4, 4), 60);
	assert_int_equal(get(mcfg + 44, 8), GUEST_ECAM_BASE);
	assert_int_equal(mcfg[54], 0);
	assert_int_equal(mcfg[55], 255);
}

static bool dsdt_contains(const void *bytes, size_t length)
{
	return memmem(dsdt_aml_code, sizeof(dsdt_aml_code), bytes, length) != NULL;
}

/* ACPI 6.4, 6.4.2.5: an I/O port descriptor, 16-bit decoding. */
static void assert_dsdt_has_ports(uint16_t port, uint8_t count)
{
	const uint8_t descriptor[] = {0x47,
				      1,
				      (uint8_t)port,
				      (uint8_t)(port >> 8),
				      (uint8_t)port,
				      (uint8_t)(port >> 8),
				      1,
				      count};

	assert_true(dsdt_contains(descriptor, sizeof(descriptor)));
}

/* 6.4.2.1: an IRQ descriptor without flags. */
static void assert_dsdt_has_irq(unsigned irq)
{
	const uint8_t descriptor[] = {0x22, (uint8_t)(1u << irq), (uint8_t)(1u << irq >> 8)};

	assert_true(dsdt_contains(descriptor, sizeof(descriptor)));
}

/* The DSDT's source cannot include layout.h: this is what keeps them the same. */
static void dsdt_agrees_with_the_layout(void **state)
{
	/* 6.4.3.4: a fixed 32-bit memory range. */
	struct {
		uint8_t tag;
		uint16_t length;
		uint8_t writable;
		uint32_t base, size;
	} HV_PACKED ecam = {0x86, 9, 1, GUEST_ECAM_BASE, GUEST_ECAM_LENGTH};
	/* 6.4.3.5.2: granularity, minimum, maximum, translation, length */
	const uint32_t window[] = {0, GUEST_PCI_MMIO_BASE,
				   GUEST_PCI_MMIO_BASE + GUEST_PCI_MMIO_LENGTH - 1, 0,
				   GUEST_PCI_MMIO_LENGTH};
	/* Name (_S5, Package (4) {5, ... */
	const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, ACPI_SLEEP_TYPE_S5};

	(void)state;
	assert_true(dsdt_contains(&ecam, sizeof(ecam)));
	assert_true(dsdt_contains(window, sizeof(window)));
	assert_true(dsdt_contains(s5, sizeof(s5)));
	assert_dsdt_has_ports(PORT_COM1, 8);
	assert_dsdt_has_irq(GSI_COM1);
	assert_dsdt_has_ports(PORT_CMOS, 2);
	assert_dsdt_has_irq(GSI_RTC);
	assert_dsdt_has_ports(PORT_PM1_EVENT, 12);
	assert_dsdt_has_ports(PORT_PCI_ADDRESS, 8);
	assert_dsdt_has_ports(PORT_SYSTEM_CONTROL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rsdt_lists_what_the_xsdt_lists),
		cmocka_unit_test(has_a_valid_rsdp),
		cmocka_unit_test(fadt_names_the_devices),
		cmocka_unit_test(madt_lists_every_vcpu),
		cmocka_unit_test(mcfg_gives_the_ecam),
		cmocka_unit_test(dsdt_agrees_with_the_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
