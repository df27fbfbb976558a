/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the RSDP to all tables: finds them, checks length and checksum of each, and hands them to
 * the readers in acpi_madt.c, acpi_tables.c and acpi_aml.c. See the header.
 */
#include "arch/x86/acpi.h"

#include "arch/x86/acpi_tables.h"
#include "vmm/log.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <string.h>

/* Root system description pointer, 5.2.5.3: offsets. */
#define RSDP_REVISION	   15
#define RSDP_RSDT	   16
#define RSDP_V1_LENGTH	   20
#define RSDP_LENGTH	   20
#define RSDP_XSDT	   24
#define RSDP_V2_LENGTH	   36
#define RSDP_V2_LENGTH_MAX 4096

#define HEADER_LENGTH 4

/* No firmware has tables beyond this; a length that says so is garbage. */
#define TABLE_LENGTH_MAX (16u << 20)

uint8_t acpi_checksum(const uint8_t *bytes, uint64_t length)
{
	uint8_t sum = 0;

	for (uint64_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

struct acpi_address acpi_read_address(const uint8_t *bytes)
{
	return (struct acpi_address){
		.space = bytes[0],
		.bit_width = bytes[1],
		.bit_offset = bytes[2],
		.access_size = bytes[3],
		.address = acpi_read64(bytes + 4),
	};
}

/* For messages: a signature from a broken table may hold anything. */
static void copy_signature(char to[5], const uint8_t *from)
{
	for (int i = 0; i < 4; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? (char)from[i] : '?';
	to[4] = '\0';
}

/* Checks the table at `address`. Errors: -EINVAL, after saying why. */
static int check_table(const struct acpi_reader *reader, uint64_t address, struct acpi_table *table)
{
	const uint8_t *header = reader->map(reader->context, address, ACPI_HEADER_SIZE);
	uint32_t length;

	if (!header) {
		log_warning("acpi: table at 0x%llx: not in memory, ignored",
			    (unsigned long long)address);
		return -EINVAL;
	}
	copy_signature(table->signature, header);
	length = acpi_read32(header + HEADER_LENGTH);
	table->address = address;
	table->length = length;
	table->bytes = NULL;
	if (length >= ACPI_HEADER_SIZE && length <= TABLE_LENGTH_MAX)
		table->bytes = reader->map(reader->context, address, length);
	if (!table->bytes) {
		log_warning("acpi: %s at 0x%llx: impossible length %u, ignored", table->signature,
			    (unsigned long long)address, length);
		return -EINVAL;
	}
	if (acpi_checksum(table->bytes, length) != 0) {
		log_warning("acpi: %s at 0x%llx: wrong checksum, ignored", table->signature,
			    (unsigned long long)address);
		return -EINVAL;
	}
	return 0;
}

/* Adds the table at `address` to info->tables where it is good. */
static void add_table(const struct acpi_reader *reader, uint64_t address, struct acpi_info *info)
{
	struct acpi_table table;

	if (info->table_count == ACPI_TABLES_MAX) {
		log_warning("acpi: more than %u tables, the one at 0x%llx ignored", ACPI_TABLES_MAX,
			    (unsigned long long)address);
		return;
	}
	if (check_table(reader, address, &table) == 0)
		info->tables[info->table_count++] = table;
}

/* Adds every table that an XSDT (entries of 8 bytes) or RSDT (4) lists. */
static void add_listed_tables(const struct acpi_reader *reader, const struct acpi_table *root,
			      unsigned entry_size, struct acpi_info *info)
{
	for (uint32_t at = ACPI_HEADER_SIZE; root->length - at >= entry_size; at += entry_size) {
		const uint8_t *entry = root->bytes + at;
		uint64_t address = entry_size == 8 ? acpi_read64(entry) : acpi_read32(entry);

		/* Firmware leaves empty entries behind. */
		if (address != 0)
			add_table(reader, address, info);
	}
}

static int add_root(const struct acpi_reader *reader, uint64_t address, const char *signature,
		    struct acpi_info *info)
{
	struct acpi_table root;

	if (address == 0 || check_table(reader, address, &root))
		return -EINVAL;
	if (strcmp(root.signature, signature) != 0) {
		log_warning("acpi: %s expected at 0x%llx, found %s", signature,
			    (unsigned long long)address, root.signature);
		return -EINVAL;
	}
	add_listed_tables(reader, &root, signature[0] == 'X' ? 8 : 4, info);
	return 0;
}

/* The XSDT's address where the RSDP is a good one of ACPI 2.0 or later, else 0. */
static uint64_t rsdp_xsdt(const struct acpi_reader *reader, uint64_t address, const uint8_t *rsdp)
{
	uint32_t length;

	if (rsdp[RSDP_REVISION] < 2)
		return 0;
	rsdp = reader->map(reader->context, address, RSDP_V2_LENGTH);
	if (!rsdp)
		return 0;
	length = acpi_read32(rsdp + RSDP_LENGTH);
	if (length < RSDP_V2_LENGTH || length > RSDP_V2_LENGTH_MAX)
		length = 0;
	else
		rsdp = reader->map(reader->context, address, length);
	if (length == 0 || !rsdp || acpi_checksum(rsdp, length) != 0) {
		log_warning("acpi: RSDP at 0x%llx: broken extended part, its RSDT is used",
			    (unsigned long long)address);
		return 0;
	}
	return acpi_read64(rsdp + RSDP_XSDT);
}

static int find_tables(uint64_t address, const struct acpi_reader *reader, struct acpi_info *info)
{
	const uint8_t *rsdp;
	uint64_t xsdt;

	if (address == 0)
		return -ENOENT;
	rsdp = reader->map(reader->context, address, RSDP_V1_LENGTH);
	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8) != 0 || acpi_checksum(rsdp, RSDP_V1_LENGTH) != 0) {
		log_warning("acpi: no good RSDP at 0x%llx", (unsigned long long)address);
		return -EINVAL;
	}
	xsdt = rsdp_xsdt(reader, address, rsdp);
	if (xsdt != 0 && add_root(reader, xsdt, "XSDT", info) == 0)
		return 0;
	return add_root(reader, acpi_read32(rsdp + RSDP_RSDT), "RSDT", info);
}

/* A PC: ISA interrupts at the same number of the first I/O APIC, edge, active high. */
static void set_defaults(struct acpi_info *info)
{
	memset(info, 0, sizeof(*info));
	info->lapic_address = APIC_DEFAULT_BASE;
	info->has_8259 = true;
	for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
		info->isa[irq].gsi = irq;
}

const struct acpi_table *acpi_find_table(const struct acpi_info *info, const char *signature,
					 unsigned index)
{
	for (unsigned i = 0; i < info->table_count; i++) {
		if (strcmp(info->tables[i].signature, signature) == 0 && index-- == 0)
			return &info->tables[i];
	}
	return NULL;
}

/* \_S5 from the DSDT, or else from an SSDT. */
static void find_soft_off(struct acpi_info *info)
{
	static const char *const signatures[] = {"DSDT", "SSDT"};

	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		const struct acpi_table *table;

		for (unsigned n = 0; (table = acpi_find_table(info, signatures[i], n)); n++) {
			if (acpi_find_soft_off(table, &info->fadt) == 0)
				return;
		}
	}
	log_warning("acpi: no \\_S5 with constant values in the DSDT or an SSDT");
}

static void read_power_tables(const struct acpi_reader *reader, struct acpi_info *info)
{
	const struct acpi_table *fadt = acpi_find_table(info, "FACP", 0);
	uint64_t dsdt = 0;

	if (!fadt) {
		log_warning("acpi: no good FADT: the machine cannot be switched off");
		return;
	}
	acpi_read_fadt(fadt, info, &dsdt);
	if (dsdt != 0)
		add_table(reader, dsdt, info);
	if (info->fadt.present)
		find_soft_off(info);
}

int acpi_parse(uint64_t rsdp, const struct acpi_reader *reader, struct acpi_info *info)
{
	static const struct {
		const char *signature;
		void (*read)(const struct acpi_table *table, struct acpi_info *info);
	} readers[] = {
		{"APIC", acpi_read_madt}, {"HPET", acpi_read_hpet}, {"MCFG", acpi_read_mcfg},
		{"SPCR", acpi_read_spcr}, {"DMAR", acpi_read_dmar},
	};
	int error;

	set_defaults(info);
	error = find_tables(rsdp, reader, info);
	if (error)
		return error;
	read_power_tables(reader, info);
	/* After the FADT: the MADT's defaults depend on the SCI. */
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		const struct acpi_table *table = acpi_find_table(info, readers[i].signature, 0);

		if (table)
			readers[i].read(table, info);
	}
	return 0;
}
