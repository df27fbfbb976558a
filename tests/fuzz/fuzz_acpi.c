/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes acpi_parse(). The first byte chooses: even, the rest is memory with the RSDP at its start
 * and nothing in it repaired; odd, the rest is a list of tables {length, 16 bits; bytes}, which get
 * lengths, checksums, an RSDP and an XSDT, so that the fuzzer meets the readers behind the checks.
 * The last table of a list is what the FADT points to as the DSDT.
 */
#include "arch/x86/acpi.h"
#include "vmm/log.h"

#include <stdlib.h>
#include <string.h>

#define BASE	    0x10000u
#define MEMORY_SIZE 0x10000u
#define LISTED_MAX  32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[MEMORY_SIZE];
static size_t memory_used;
static void *mapped[4 * ACPI_TABLES_MAX];
static unsigned mapped_count;

/* A copy of its own for each mapping, so that reads beyond it are seen. */
static const void *map(void *context, uint64_t address, uint64_t length)
{
	void *copy;

	(void)context;
	if (address < BASE || length > memory_used || address - BASE > memory_used - length ||
	    mapped_count == ARRAY_SIZE(mapped))
		return NULL;
	copy = malloc(length);
	if (!copy)
		abort();
	memcpy(copy, memory + (address - BASE), length);
	mapped[mapped_count++] = copy;
	return copy;
}

static void put32(size_t at, size_t value)
{
	for (unsigned i = 0; i < 4; i++)
		memory[at + i] = (uint8_t)(value >> (8 * i));
}

static void seal(size_t at, size_t length, size_t checksum_at)
{
	memory[at + checksum_at] = 0;
	memory[at + checksum_at] = acpi_checksum(memory + at, length);
}

/* Copies the listed tables to memory; stores where each is. Returns how many. */
static unsigned lay_tables(const uint8_t *data, size_t size, size_t tables[LISTED_MAX])
{
	size_t at = 1024;
	unsigned count = 0;

	while (size >= 2 && count < LISTED_MAX) {
		size_t length = (size_t)(data[0] | data[1] << 8);

		data += 2, size -= 2;
		if (length > size)
			length = size;
		if (length < ACPI_HEADER_SIZE || length > MEMORY_SIZE - at)
			break;
		memcpy(memory + at, data, length);
		put32(at + 4, length);
		seal(at, length, 9);
		tables[count++] = at;
		at += length;
		data += length, size -= length;
	}
	memory_used = at;
	return count;
}

/* The addresses are ours: an arbitrary one would nearly never hit. */
static void point_to_dsdt(size_t fadt, size_t dsdt)
{
	size_t length = (size_t)(memory[fadt + 4] | memory[fadt + 5] << 8);

	if (memcmp(memory + fadt, "FACP", 4) != 0 || length < 44)
		return;
	put32(fadt + 40, BASE + dsdt);
	if (length >= 148) {
		put32(fadt + 140, 0);
		put32(fadt + 144, 0);
	}
	seal(fadt, length, 9);
}

static void build(const uint8_t *data, size_t size)
{
	size_t tables[LISTED_MAX];
	unsigned count = lay_tables(data, size, tables);

	memcpy(memory, "RSD PTR ", 8);
	memory[15] = 2;
	seal(0, 20, 8);
	put32(20, 36);
	put32(24, BASE + 64);
	seal(0, 36, 32);
	memcpy(memory + 64, "XSDT", 4);
	put32(64 + 4, ACPI_HEADER_SIZE + count * 8);
	for (unsigned i = 0; i < count; i++) {
		put32(64 + ACPI_HEADER_SIZE + i * 8, BASE + tables[i]);
		point_to_dsdt(tables[i], tables[count - 1]);
	}
	seal(64, ACPI_HEADER_SIZE + count * 8, 9);
}

static void check(const struct acpi_info *info)
{
	if (info->cpu_count > CPUS_MAX || info->table_count > ACPI_TABLES_MAX ||
	    info->ioapic_count > ACPI_IOAPICS_MAX || info->mcfg_count > ACPI_MCFG_MAX ||
	    info->lapic_nmi_count > ACPI_LAPIC_NMI_MAX || info->fadt.sleep_type_a > 7 ||
	    info->fadt.sleep_type_b > 7)
		abort();
	for (unsigned i = 0; i < info->table_count; i++) {
		if (acpi_checksum(info->tables[i].bytes, info->tables[i].length) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct acpi_reader reader = {.map = map};
	static struct acpi_info info;

	if (size < 1)
		return 0;
	memset(memory, 0, sizeof(memory));
	memory_used = size - 1 < MEMORY_SIZE ? size - 1 : MEMORY_SIZE;
	if (data[0] & 1)
		build(data + 1, size - 1);
	else
		memcpy(memory, data + 1, memory_used);
	if (acpi_parse(BASE, &reader, &info) == 0)
		check(&info);
	while (mapped_count > 0)
		free(mapped[--mapped_count]);
	return 0;
}
