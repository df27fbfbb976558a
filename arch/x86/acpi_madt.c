/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiple APIC description table: CPUs and interrupt controllers. ACPI 6.5, 5.2.12. */
#include "arch/x86/acpi_tables.h"

#include "vmm/log.h"

#define MADT_LAPIC_ADDRESS 36
#define MADT_FLAGS	   40
#define MADT_ENTRIES	   44

#define MADT_FLAG_8259 (1u << 0)

#define CPU_ENABLED	   (1u << 0)
#define CPU_ONLINE_CAPABLE (1u << 1)

/* xAPIC mode: everybody. */
#define APIC_ID_BROADCAST   0xffu
#define X2APIC_ID_BROADCAST 0xffffffffu
#define UID8_ALL	    0xffu

/* Polarity and trigger mode, 5.2.12.5, table 5.26. */
#define MPS_POLARITY(flags) ((flags)&3)
#define MPS_POLARITY_LOW    3
#define MPS_TRIGGER(flags)  ((flags) >> 2 & 3)
#define MPS_TRIGGER_LEVEL   3
#define MPS_CONFORMS	    0

static void add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	if (!(flags & CPU_ENABLED)) {
		info->cpus_hot_pluggable += (flags & CPU_ONLINE_CAPABLE) != 0;
		return;
	}
	/* Some firmware lists a CPU both as local APIC and as local x2APIC. */
	for (unsigned i = 0; i < info->cpu_count; i++) {
		if (info->cpus[i].apic_id == apic_id)
			return;
	}
	if (info->cpu_count == CPUS_MAX) {
		info->cpus_left_out++;
		return;
	}
	info->cpus[info->cpu_count++] = (struct acpi_cpu){.apic_id = apic_id, .uid = uid};
}

static void read_lapic(struct acpi_info *info, const uint8_t *entry)
{
	if (entry[3] != APIC_ID_BROADCAST)
		add_cpu(info, entry[3], entry[2], acpi_read32(entry + 4));
}

static void read_x2apic(struct acpi_info *info, const uint8_t *entry)
{
	uint32_t apic_id = acpi_read32(entry + 4);

	if (apic_id != X2APIC_ID_BROADCAST)
		add_cpu(info, apic_id, acpi_read32(entry + 12), acpi_read32(entry + 8));
}

static void read_ioapic(struct acpi_info *info, const uint8_t *entry)
{
	if (info->ioapic_count == ACPI_IOAPICS_MAX) {
		log_warning("acpi: MADT: more than %u I/O APICs, id %u ignored", ACPI_IOAPICS_MAX,
			    entry[2]);
		return;
	}
	info->ioapics[info->ioapic_count++] = (struct acpi_ioapic){
		.id = entry[2],
		.address = acpi_read32(entry + 4),
		.gsi_base = acpi_read32(entry + 8),
	};
}

static void read_override(struct acpi_info *info, const uint8_t *entry)
{
	uint8_t bus = entry[2], irq = entry[3];
	uint16_t flags = acpi_read16(entry + 8);

	if (bus != 0 || irq >= ACPI_ISA_IRQS) {
		log_warning("acpi: MADT: override for bus %u interrupt %u ignored", bus, irq);
		return;
	}
	info->isa[irq].gsi = acpi_read32(entry + 4);
	/* "Conforms to the bus" leaves what set_isa_defaults() chose. */
	if (MPS_POLARITY(flags) != MPS_CONFORMS)
		info->isa[irq].low = MPS_POLARITY(flags) == MPS_POLARITY_LOW;
	if (MPS_TRIGGER(flags) != MPS_CONFORMS)
		info->isa[irq].level = MPS_TRIGGER(flags) == MPS_TRIGGER_LEVEL;
}

static void add_lapic_nmi(struct acpi_info *info, uint32_t uid, uint16_t flags, uint8_t lint)
{
	if (lint > 1 || info->lapic_nmi_count == ACPI_LAPIC_NMI_MAX) {
		log_warning("acpi: MADT: NMI at LINT%u of processor %u ignored", lint, uid);
		return;
	}
	info->lapic_nmis[info->lapic_nmi_count++] = (struct acpi_lapic_nmi){
		.uid = uid,
		.lint = lint,
		.low = MPS_POLARITY(flags) == MPS_POLARITY_LOW,
	};
}

static void read_lapic_nmi(struct acpi_info *info, const uint8_t *entry)
{
	uint32_t uid = entry[2] == UID8_ALL ? ACPI_UID_ALL : entry[2];

	add_lapic_nmi(info, uid, acpi_read16(entry + 3), entry[5]);
}

static void read_x2apic_nmi(struct acpi_info *info, const uint8_t *entry)
{
	add_lapic_nmi(info, acpi_read32(entry + 4), acpi_read16(entry + 2), entry[8]);
}

static void read_nmi_source(struct acpi_info *info, const uint8_t *entry)
{
	(void)entry;
	info->nmi_source_count++;
}

static void read_lapic_address(struct acpi_info *info, const uint8_t *entry)
{
	info->lapic_address = acpi_read64(entry + 4);
}

/* Entry types that matter here, with their length. */
static const struct {
	uint8_t type;
	uint8_t length;
	void (*read)(struct acpi_info *info, const uint8_t *entry);
} entry_types[] = {
	{0, 8, read_lapic},	 {1, 12, read_ioapic},	    {2, 10, read_override},
	{3, 8, read_nmi_source}, {4, 6, read_lapic_nmi},    {5, 12, read_lapic_address},
	{9, 16, read_x2apic},	 {10, 12, read_x2apic_nmi},
};

static void read_entry(struct acpi_info *info, const uint8_t *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(entry_types); i++) {
		if (entry_types[i].type != entry[0])
			continue;
		if (entry[1] >= entry_types[i].length)
			entry_types[i].read(info, entry);
		else
			log_warning("acpi: MADT: entry of type %u with %u bytes ignored", entry[0],
				    entry[1]);
		return;
	}
}

/* The SCI, where it is an ISA interrupt, is a level-triggered active-low one (5.2.9, SCI_INT). */
static void set_isa_defaults(struct acpi_info *info)
{
	if (info->fadt.present && info->fadt.sci < ACPI_ISA_IRQS) {
		info->isa[info->fadt.sci].level = true;
		info->isa[info->fadt.sci].low = true;
	}
}

void acpi_read_madt(const struct acpi_table *table, struct acpi_info *info)
{
	const uint8_t *bytes = table->bytes;
	uint32_t at = MADT_ENTRIES;

	if (table->length < MADT_ENTRIES) {
		log_warning("acpi: MADT: %u bytes are too short, ignored", table->length);
		return;
	}
	info->has_madt = true;
	info->has_8259 = acpi_read32(bytes + MADT_FLAGS) & MADT_FLAG_8259;
	info->lapic_address = acpi_read32(bytes + MADT_LAPIC_ADDRESS);
	set_isa_defaults(info);
	while (table->length - at >= 2) {
		uint8_t length = bytes[at + 1];

		if (length < 2 || length > table->length - at) {
			log_warning("acpi: MADT: entry at %u has impossible length %u, the rest "
				    "ignored",
				    at, length);
			return;
		}
		read_entry(info, bytes + at);
		at += length;
	}
}
