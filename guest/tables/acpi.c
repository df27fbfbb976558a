/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT and MCFG, one behind the other
 * in one block. Section numbers are those of ACPI 6.4.
 */
#include "guest/tables/tables.h"

#include "guest/layout.h"

#include "dsdt.h"

#include <errno.h>
#include <string.h>

/* 5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} HV_PACKED;

/* 5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} HV_PACKED;

/* 5.2.3.2: generic address structure */
struct acpi_address {
	uint8_t space; /* 1: ports */
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1 byte, 2 word, 3 dword */
	uint64_t address;
} HV_PACKED;

/* 5.2.9; fields that stay 0 are lumped together where they touch. */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs;			    /* 36 */
	uint32_t dsdt;			    /* 40 */
	uint8_t reserved_model;		    /* 44 */
	uint8_t preferred_profile;	    /* 45 */
	uint16_t sci_interrupt;		    /* 46 */
	uint32_t smi_command;		    /* 48: 0, so that ACPI mode is always on */
	uint8_t smi_values[4];		    /* 52 */
	uint32_t pm1a_event;		    /* 56 */
	uint32_t pm1b_event;		    /* 60 */
	uint32_t pm1a_control;		    /* 64 */
	uint32_t pm1b_control;		    /* 68 */
	uint32_t pm2_control;		    /* 72 */
	uint32_t pm_timer;		    /* 76 */
	uint32_t gpe0;			    /* 80 */
	uint32_t gpe1;			    /* 84 */
	uint8_t pm1_event_length;	    /* 88 */
	uint8_t pm1_control_length;	    /* 89 */
	uint8_t pm2_control_length;	    /* 90 */
	uint8_t pm_timer_length;	    /* 91 */
	uint8_t gpe_and_cstate[4];	    /* 92 */
	uint16_t c2_latency;		    /* 96: above 100 says there is no C2 */
	uint16_t c3_latency;		    /* 98: above 1000 says there is no C3 */
	uint8_t flush_and_duty[6];	    /* 100 */
	uint8_t rtc_day_alarm;		    /* 106 */
	uint8_t rtc_month_alarm;	    /* 107 */
	uint8_t rtc_century;		    /* 108 */
	uint16_t boot_flags;		    /* 109 */
	uint8_t reserved1;		    /* 111 */
	uint32_t flags;			    /* 112 */
	struct acpi_address reset;	    /* 116 */
	uint8_t reset_value;		    /* 128 */
	uint16_t arm_flags;		    /* 129 */
	uint8_t minor_revision;		    /* 131 */
	uint64_t x_facs;		    /* 132 */
	uint64_t x_dsdt;		    /* 140 */
	struct acpi_address x_pm1a_event;   /* 148 */
	struct acpi_address x_pm1b_event;   /* 160 */
	struct acpi_address x_pm1a_control; /* 172 */
	struct acpi_address x_pm1b_control; /* 184 */
	struct acpi_address x_pm2_control;  /* 196 */
	struct acpi_address x_pm_timer;	    /* 208 */
	struct acpi_address x_gpe0;	    /* 220 */
	struct acpi_address x_gpe1;	    /* 232 */
	struct acpi_address sleep_control;  /* 244 */
	struct acpi_address sleep_status;   /* 256 */
	uint64_t hypervisor_vendor;	    /* 268 */
} HV_PACKED;

_Static_assert(sizeof(struct acpi_header) == 36, "5.2.6");
_Static_assert(sizeof(struct acpi_rsdp) == 36, "5.2.5.3");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_facs) == 132, "5.2.9");
_Static_assert(sizeof(struct acpi_fadt) == 276, "5.2.9");

/* 5.2.9, fixed feature flags */
#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_RTC_NO_WAKE_STATUS (1u << 6)
#define FADT_TIMER_32		(1u << 8)
#define FADT_RESET_REGISTER	(1u << 10)

/* 5.2.9.3: there are ISA devices; there is no keyboard controller (bit 1) and no VGA. */
#define FADT_BOOT_LEGACY_DEVICES (1u << 0)
#define FADT_BOOT_NO_VGA	 (1u << 2)
#define FADT_BOOT_NO_ASPM	 (1u << 4)

#define FADT_REVISION	       6
#define FADT_PROFILE_SERVER    4
#define FACS_LENGTH	       64
#define RSDP_CHECKSUMMED_FIRST 20

/* 5.2.12: structures of the MADT */
#define MADT_PCAT_COMPAT 1 /* there are 8259s too */
#define MADT_LOCAL_APIC	 0
#define MADT_IO_APIC	 1
#define MADT_OVERRIDE	 2
#define MADT_LOCAL_NMI	 4
#define MADT_CPU_ENABLED 1
#define MADT_HIGH_LEVEL	 0xd /* polarity active high, trigger level */
#define MADT_ALL_CPUS	 0xff
#define MADT_LINT1	 1

/* The block that is being written. */
struct acpi_block {
	uint8_t *bytes;
	uint32_t used;
	bool overflow;
};

/* Takes `length` bytes aligned to `align`; what does not fit goes nowhere and sets overflow. */
static uint32_t block_take(struct acpi_block *block, uint32_t length, uint32_t align)
{
	uint32_t at = (uint32_t)align_up(block->used, align);

	if (at > GUEST_ACPI_LENGTH || length > GUEST_ACPI_LENGTH - at) {
		block->overflow = true;
		return 0;
	}
	block->used = at + length;
	return at;
}

static uint32_t block_append(struct acpi_block *block, const void *from, uint32_t length,
			     uint32_t align)
{
	uint32_t at = block_take(block, length, align);

	if (!block->overflow)
		memcpy(block->bytes + at, from, length);
	return at;
}

static uint8_t acpi_checksum(const uint8_t *bytes, uint32_t length)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static struct acpi_header acpi_header_make(const char *signature, uint8_t revision, uint32_t length)
{
	struct acpi_header header = {
		.length = length,
		.revision = revision,
		.oem_id = {'B', 'L', 'K', 'H', 'D', ' '},
		.oem_table_id = {'B', 'U', 'L', 'K', 'H', 'E', 'A', 'D'},
		.oem_revision = 1,
		.creator_id = {'B', 'L', 'K', 'H'},
		.creator_revision = 1,
	};

	memcpy(header.signature, signature, sizeof(header.signature));
	return header;
}

/* Completes the table that begins at `at` and ends at the block's end: length and checksum. */
static void acpi_finish(struct acpi_block *block, uint32_t at)
{
	struct acpi_header *header = (struct acpi_header *)(block->bytes + at);

	if (block->overflow)
		return;
	header->length = block->used - at;
	header->checksum = 0;
	header->checksum = acpi_checksum(block->bytes + at, header->length);
}

static struct acpi_address acpi_port(uint16_t port, uint8_t bits)
{
	return (struct acpi_address){
		.space = 1,
		.bits = bits,
		.access = bits == 8    ? 1
			  : bits == 16 ? 2
				       : 3,
		.address = port,
	};
}

/* 5.2.10: only its size and version matter; no guest shares the global lock with firmware here. */
static uint32_t acpi_add_facs(struct acpi_block *block)
{
	uint8_t facs[FACS_LENGTH] = {'F', 'A', 'C', 'S', FACS_LENGTH};

	facs[32] = 2;
	return block_append(block, facs, sizeof(facs), 64);
}

static uint32_t acpi_add_dsdt(struct acpi_block *block)
{
	return block_append(block, dsdt_aml_code, sizeof(dsdt_aml_code), 16);
}

static uint32_t acpi_add_fadt(struct acpi_block *block, uint32_t facs, uint32_t dsdt)
{
	struct acpi_fadt fadt = {
		.header = acpi_header_make("FACP", FADT_REVISION, sizeof(fadt)),
		.facs = GUEST_ACPI_BASE + facs,
		.dsdt = GUEST_ACPI_BASE + dsdt,
		.preferred_profile = FADT_PROFILE_SERVER,
		.sci_interrupt = GSI_SCI,
		.pm1a_event = PORT_PM1_EVENT,
		.pm1a_control = PORT_PM1_CONTROL,
		.pm_timer = PORT_PM_TIMER,
		.pm1_event_length = 4,
		.pm1_control_length = 2,
		.pm_timer_length = 4,
		.c2_latency = UINT16_MAX,
		.c3_latency = UINT16_MAX,
		.rtc_century = CMOS_CENTURY,
		.boot_flags = FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_NO_VGA | FADT_BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON |
			 FADT_RTC_NO_WAKE_STATUS | FADT_TIMER_32 | FADT_RESET_REGISTER,
		.reset = acpi_port(PORT_RESET_CONTROL, 8),
		.reset_value = RESET_CONTROL_RESET,
		.x_facs = GUEST_ACPI_BASE + facs,
		.x_dsdt = GUEST_ACPI_BASE + dsdt,
		.x_pm1a_event = acpi_port(PORT_PM1_EVENT, 32),
		.x_pm1a_control = acpi_port(PORT_PM1_CONTROL, 16),
		.x_pm_timer = acpi_port(PORT_PM_TIMER, 32),
	};
	uint32_t at;

	/* PM1 event registers are accessed as words although the block is a dword. */
	fadt.x_pm1a_event.access = 2;
	at = block_append(block, &fadt, sizeof(fadt), 16);
	acpi_finish(block, at);
	return at;
}

static uint32_t acpi_add_madt(struct acpi_block *block, unsigned vcpus)
{
	struct {
		struct acpi_header header;
		uint32_t lapic, flags;
	} HV_PACKED head = {acpi_header_make("APIC", 4, 0), GUEST_LAPIC_BASE, MADT_PCAT_COMPAT};
	const struct {
		uint8_t type, length, id, reserved;
		uint32_t address, first_gsi;
	} HV_PACKED ioapic = {MADT_IO_APIC, 12, 0, 0, GUEST_IOAPIC_BASE, 0};
	const struct {
		uint8_t type, length, bus, irq;
		uint32_t gsi;
		uint16_t flags;
	} HV_PACKED overrides[] = {
		{MADT_OVERRIDE, 10, 0, 0, GSI_PIT, 0},
		{MADT_OVERRIDE, 10, 0, GSI_SCI, GSI_SCI, MADT_HIGH_LEVEL},
	};
	const uint8_t nmi[] = {MADT_LOCAL_NMI, 6, MADT_ALL_CPUS, 0, 0, MADT_LINT1};
	uint32_t at = block_append(block, &head, sizeof(head), 16);

	for (unsigned i = 0; i < vcpus; i++) {
		const uint8_t lapic[8] = {MADT_LOCAL_APIC, 8, (uint8_t)i, (uint8_t)i,
					  MADT_CPU_ENABLED};

		block_append(block, lapic, sizeof(lapic), 1);
	}
	block_append(block, &ioapic, sizeof(ioapic), 1);
	block_append(block, overrides, sizeof(overrides), 1);
	block_append(block, nmi, sizeof(nmi), 1);
	acpi_finish(block, at);
	return at;
}

/* PCI Firmware 3.3, 4.1.2 */
static uint32_t acpi_add_mcfg(struct acpi_block *block)
{
	const struct {
		struct acpi_header header;
		uint64_t reserved;
		uint64_t base;
		uint16_t segment;
		uint8_t first_bus, last_bus;
		uint32_t reserved2;
	} HV_PACKED mcfg = {
		.header = acpi_header_make("MCFG", 1, 0),
		.base = GUEST_ECAM_BASE,
		.last_bus = GUEST_ECAM_LENGTH / MIB(1) - 1,
	};
	uint32_t at = block_append(block, &mcfg, sizeof(mcfg), 16);

	acpi_finish(block, at);
	return at;
}

/* RSDT (entries of 4 bytes, 5.2.7) or XSDT (8 bytes, 5.2.8). */
static uint32_t acpi_add_root(struct acpi_block *block, const char *signature, uint32_t entry_size,
			      const uint32_t *tables, unsigned count)
{
	const struct acpi_header header = acpi_header_make(signature, 1, 0);
	uint32_t at = block_append(block, &header, sizeof(header), 16);

	for (unsigned i = 0; i < count; i++) {
		uint64_t address = GUEST_ACPI_BASE + tables[i];

		block_append(block, &address, entry_size, 1);
	}
	acpi_finish(block, at);
	return at;
}

static void acpi_write_rsdp(struct acpi_block *block, uint32_t at, uint32_t rsdt, uint32_t xsdt)
{
	struct acpi_rsdp rsdp = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem_id = {'B', 'L', 'K', 'H', 'D', ' '},
		.revision = 2,
		.rsdt = GUEST_ACPI_BASE + rsdt,
		.length = sizeof(rsdp),
		.xsdt = GUEST_ACPI_BASE + xsdt,
	};

	rsdp.checksum = acpi_checksum((const uint8_t *)&rsdp, RSDP_CHECKSUMMED_FIRST);
	rsdp.extended_checksum = acpi_checksum((const uint8_t *)&rsdp, sizeof(rsdp));
	if (!block->overflow)
		memcpy(block->bytes + at, &rsdp, sizeof(rsdp));
}

int acpi_build(uint8_t *buffer, unsigned vcpus)
{
	struct acpi_block block = {.bytes = buffer};
	uint32_t rsdp = block_take(&block, sizeof(struct acpi_rsdp), 16);
	uint32_t facs = acpi_add_facs(&block);
	uint32_t dsdt = acpi_add_dsdt(&block);
	const uint32_t tables[] = {
		acpi_add_fadt(&block, facs, dsdt),
		acpi_add_madt(&block, vcpus),
		acpi_add_mcfg(&block),
	};
	uint32_t rsdt = acpi_add_root(&block, "RSDT", 4, tables, ARRAY_SIZE(tables));
	uint32_t xsdt = acpi_add_root(&block, "XSDT", 8, tables, ARRAY_SIZE(tables));

	acpi_write_rsdp(&block, rsdp, rsdt, xsdt);
	return block.overflow ? -ENOSPC : (int)block.used;
}
