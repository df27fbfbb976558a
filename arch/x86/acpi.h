/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor wants to know from the firmware's ACPI tables: CPUs, interrupt controllers,
 * clocks, serial port, PCI configuration space, and how to switch the machine off. Pure: memory is
 * reached through a reader. Tables are firmware's, so every length and checksum is looked at, and a
 * broken table is named in the log and passed over. ACPI specification 6.5, chapter 5.
 */
#pragma once

#include "vmm/cpu_mask.h"
#include "vmm/types.h"

#define ACPI_TABLES_MAX	   64
#define ACPI_IOAPICS_MAX   32
#define ACPI_ISA_IRQS	   16
#define ACPI_LAPIC_NMI_MAX 64
#define ACPI_MCFG_MAX	   16

/* The size of the header that every table but the RSDP and the FACS begins with. */
#define ACPI_HEADER_SIZE 36

/* How acpi_parse() reaches physical memory. */
struct acpi_reader {
	/*
	 * Returns where [address, address + length) can be read, for the hypervisor's life, or NULL
	 * where that is not memory that may hold tables. length is not 0; the range may wrap.
	 */
	const void *(*map)(void *context, uint64_t address, uint64_t length);
	void *context;
};

/* Generic address structure, 5.2.3.2. */
enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
	ACPI_SPACE_PCI = 2, /* bus 0: device in bits 32-47, function 16-31, offset 0-15 */
};

struct acpi_address {
	uint64_t address; /* 0: there is none */
	uint8_t space;	  /* enum acpi_space, or one that we do not know */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size; /* 0 undefined, 1 byte, 2 word, 3 double word, 4 quad word */
};

/* A checked table: [bytes, bytes + length) with its header. */
struct acpi_table {
	char signature[5]; /* with a NUL */
	uint64_t address;
	const uint8_t *bytes;
	uint32_t length;
};

struct acpi_cpu {
	uint32_t apic_id;
	uint32_t uid; /* what the LAPIC NMI entries name it by */
};

struct acpi_ioapic {
	uint64_t address;
	uint32_t gsi_base;
	uint8_t id;
};

/* Where an interrupt arrives and how its line signals. */
struct acpi_gsi {
	uint32_t gsi;
	bool level; /* else edge */
	bool low;   /* else active high */
};

#define ACPI_UID_ALL 0xffffffffu

struct acpi_lapic_nmi {
	uint32_t uid; /* ACPI_UID_ALL: every CPU */
	uint8_t lint; /* 0 or 1 */
	bool low;
};

/* Bits of acpi_fadt.flags and boot_flags, 5.2.9. */
#define ACPI_FADT_TIMER_32_BIT	   (1u << 8)
#define ACPI_FADT_RESET_REGISTER   (1u << 10)
#define ACPI_FADT_HARDWARE_REDUCED (1u << 20)
#define ACPI_FADT_BOOT_8042	   (1u << 1)

struct acpi_fadt {
	bool present;
	bool has_sleep_types; /* \_S5 was found: */
	uint8_t sleep_type_a, sleep_type_b;
	uint8_t acpi_enable; /* what to write to smi_command to enter ACPI mode */
	uint8_t century;     /* CMOS index, 0: none */
	uint8_t reset_value;
	uint16_t sci;
	uint16_t boot_flags;
	uint32_t flags;
	uint32_t smi_command; /* port, 0: always in ACPI mode */
	struct acpi_address pm1a_control, pm1b_control;
	struct acpi_address pm_timer;
	struct acpi_address reset;
	struct acpi_address sleep_control; /* of hardware-reduced machines */
};

/* Memory-mapped PCI configuration space; bus_first's registers are at base + (bus_first << 20). */
struct acpi_mcfg {
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

/* The firmware's serial console (Serial Port Console Redirection table). */
struct acpi_spcr {
	bool present;
	uint8_t interface; /* 0: 16550, 1: 16450, 0x12: 16550 with registers as the address says */
	bool has_irq;	   /* PC interrupt: */
	uint8_t irq;
	bool has_gsi; /* I/O APIC interrupt: */
	uint32_t gsi;
	uint32_t clock_hz; /* 0: not told */
	struct acpi_address address;
};

struct acpi_info {
	struct acpi_table tables[ACPI_TABLES_MAX]; /* all good ones, XSDT order, the DSDT last */
	unsigned table_count;

	bool has_madt;
	bool has_8259;			/* a PC-compatible 8259 pair, to be masked */
	uint64_t lapic_address;		/* xAPIC registers */
	struct acpi_cpu cpus[CPUS_MAX]; /* enabled ones, MADT order */
	unsigned cpu_count;
	unsigned cpus_left_out;	     /* enabled ones that did not fit */
	unsigned cpus_hot_pluggable; /* absent, may be plugged */
	struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
	unsigned ioapic_count;
	struct acpi_gsi isa[ACPI_ISA_IRQS]; /* overrides applied */
	struct acpi_lapic_nmi lapic_nmis[ACPI_LAPIC_NMI_MAX];
	unsigned lapic_nmi_count;
	unsigned nmi_source_count; /* I/O APIC inputs wired as NMI */

	bool x2apic_opt_out; /* firmware asks to stay in xAPIC mode (DMAR flags) */
	uint64_t hpet;	     /* registers, 0: none */
	struct acpi_fadt fadt;
	struct acpi_spcr spcr;
	struct acpi_mcfg mcfg[ACPI_MCFG_MAX];
	unsigned mcfg_count;
};

/*
 * Reads all tables that the RSDP at physical address `rsdp` leads to into *info. Broken ones are
 * logged and left out. *info is always filled: with the defaults of a PC without ACPI where it
 * fails. Errors: -ENOENT (rsdp is 0), -EINVAL (no usable RSDP, XSDT or RSDT).
 */
HV_MUST_CHECK int acpi_parse(uint64_t rsdp, const struct acpi_reader *reader,
			     struct acpi_info *info);

/* The index-th good table with this signature, or NULL. */
const struct acpi_table *acpi_find_table(const struct acpi_info *info, const char *signature,
					 unsigned index);

/* 0x00 to 0xff: what must be added to make all bytes' sum 0 modulo 256. */
uint8_t acpi_checksum(const uint8_t *bytes, uint64_t length);
