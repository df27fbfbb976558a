/* SPDX-License-Identifier: BSD-2-Clause */
/* The smaller ACPI tables: FADT, HPET, MCFG, SPCR and the one flag of the DMAR. See the header. */
#include "arch/x86/acpi_tables.h"

#include "vmm/log.h"

/* FADT, table 5.9: offsets. The table grew with each revision: fields count where it is long
 * enough. */
#define FADT_DSDT	   40
#define FADT_SCI	   46
#define FADT_SMI_COMMAND   48
#define FADT_ACPI_ENABLE   52
#define FADT_PM1A_CONTROL  64
#define FADT_PM1B_CONTROL  68
#define FADT_PM_TIMER	   76
#define FADT_PM1_CTL_LEN   89
#define FADT_PM_TMR_LEN	   91
#define FADT_CENTURY	   108
#define FADT_BOOT_FLAGS	   109
#define FADT_FLAGS	   112
#define FADT_V1_LENGTH	   116
#define FADT_RESET	   116
#define FADT_RESET_VALUE   128
#define FADT_V2_LENGTH	   129
#define FADT_X_DSDT	   140
#define FADT_X_PM1A	   172
#define FADT_X_PM1B	   184
#define FADT_X_PM_TIMER	   208
#define FADT_SLEEP_CONTROL 244

#define GAS_SIZE 12

static bool has_field(const struct acpi_table *table, uint32_t offset, uint32_t size)
{
	return table->length >= offset + size;
}

/* The 64-bit field's register where the table has it, else the 32-bit field's port. */
static struct acpi_address fadt_register(const struct acpi_table *table, uint32_t offset,
					 uint8_t bytes, uint32_t extended)
{
	struct acpi_address address = {
		.space = ACPI_SPACE_IO,
		.bit_width = (uint8_t)(bytes * 8),
		.address = acpi_read32(table->bytes + offset),
	};

	if (has_field(table, extended, GAS_SIZE) && acpi_read64(table->bytes + extended + 4) != 0)
		return acpi_read_address(table->bytes + extended);
	return address;
}

void acpi_read_fadt(const struct acpi_table *table, struct acpi_info *info, uint64_t *dsdt)
{
	const uint8_t *bytes = table->bytes;
	struct acpi_fadt *fadt = &info->fadt;

	*dsdt = 0;
	if (table->length < FADT_V1_LENGTH) {
		log_warning("acpi: FADT: %u bytes are too short, ignored", table->length);
		return;
	}
	fadt->present = true;
	fadt->sci = acpi_read16(bytes + FADT_SCI);
	fadt->smi_command = acpi_read32(bytes + FADT_SMI_COMMAND);
	fadt->acpi_enable = bytes[FADT_ACPI_ENABLE];
	fadt->century = bytes[FADT_CENTURY];
	fadt->boot_flags = acpi_read16(bytes + FADT_BOOT_FLAGS);
	fadt->flags = acpi_read32(bytes + FADT_FLAGS);
	fadt->pm1a_control =
		fadt_register(table, FADT_PM1A_CONTROL, bytes[FADT_PM1_CTL_LEN], FADT_X_PM1A);
	fadt->pm1b_control =
		fadt_register(table, FADT_PM1B_CONTROL, bytes[FADT_PM1_CTL_LEN], FADT_X_PM1B);
	fadt->pm_timer =
		fadt_register(table, FADT_PM_TIMER, bytes[FADT_PM_TMR_LEN], FADT_X_PM_TIMER);
	if (fadt->flags & ACPI_FADT_RESET_REGISTER && table->length >= FADT_V2_LENGTH) {
		fadt->reset = acpi_read_address(bytes + FADT_RESET);
		fadt->reset_value = bytes[FADT_RESET_VALUE];
	}
	if (has_field(table, FADT_SLEEP_CONTROL, GAS_SIZE))
		fadt->sleep_control = acpi_read_address(bytes + FADT_SLEEP_CONTROL);
	if (has_field(table, FADT_X_DSDT, 8))
		*dsdt = acpi_read64(bytes + FADT_X_DSDT);
	if (*dsdt == 0)
		*dsdt = acpi_read32(bytes + FADT_DSDT);
}

#define HPET_ADDRESS 40

/* IA-PC HPET specification 1.0a, 3.2.4. */
void acpi_read_hpet(const struct acpi_table *table, struct acpi_info *info)
{
	struct acpi_address address;

	if (!has_field(table, HPET_ADDRESS, GAS_SIZE)) {
		log_warning("acpi: HPET: %u bytes are too short, ignored", table->length);
		return;
	}
	address = acpi_read_address(table->bytes + HPET_ADDRESS);
	if (address.space == ACPI_SPACE_MEMORY)
		info->hpet = address.address;
}

#define MCFG_ENTRIES	44
#define MCFG_ENTRY_SIZE 16

/* PCI firmware specification 3.3, 4.1.2. */
void acpi_read_mcfg(const struct acpi_table *table, struct acpi_info *info)
{
	for (uint32_t at = MCFG_ENTRIES; has_field(table, at, MCFG_ENTRY_SIZE);
	     at += MCFG_ENTRY_SIZE) {
		const uint8_t *entry = table->bytes + at;
		struct acpi_mcfg mcfg = {
			.base = acpi_read64(entry),
			.segment = acpi_read16(entry + 8),
			.bus_first = entry[10],
			.bus_last = entry[11],
		};

		if (mcfg.base == 0 || !is_aligned(mcfg.base, MIB(1)) ||
		    mcfg.base > UINT64_MAX - MIB(256) || mcfg.bus_last < mcfg.bus_first ||
		    info->mcfg_count == ACPI_MCFG_MAX) {
			log_warning("acpi: MCFG: segment %u at 0x%llx, buses %u to %u, ignored",
				    mcfg.segment, (unsigned long long)mcfg.base, mcfg.bus_first,
				    mcfg.bus_last);
			continue;
		}
		info->mcfg[info->mcfg_count++] = mcfg;
	}
}

/* Microsoft's "Serial Port Console Redirection Table" 1.10: offsets. */
#define SPCR_INTERFACE	    36
#define SPCR_ADDRESS	    40
#define SPCR_INTERRUPT_TYPE 52
#define SPCR_IRQ	    53
#define SPCR_GSI	    54
#define SPCR_V1_LENGTH	    80
#define SPCR_CLOCK	    76
#define SPCR_CLOCK_REVISION 3
#define HEADER_REVISION	    8

#define SPCR_INTERRUPT_8259   (1u << 0)
#define SPCR_INTERRUPT_IOAPIC (1u << 1)

#define SPCR_16550     0
#define SPCR_16450     1
#define SPCR_16550_GAS 0x12

static bool spcr_is_16550(uint8_t interface)
{
	return interface == SPCR_16550 || interface == SPCR_16450 || interface == SPCR_16550_GAS;
}

void acpi_read_spcr(const struct acpi_table *table, struct acpi_info *info)
{
	const uint8_t *bytes = table->bytes;
	struct acpi_spcr *spcr = &info->spcr;

	if (table->length < SPCR_V1_LENGTH) {
		log_warning("acpi: SPCR: %u bytes are too short, ignored", table->length);
		return;
	}
	spcr->interface = bytes[SPCR_INTERFACE];
	spcr->address = acpi_read_address(bytes + SPCR_ADDRESS);
	/* Address 0 says that console redirection is switched off. */
	if (spcr->address.address == 0)
		return;
	if (!spcr_is_16550(spcr->interface) || spcr->address.space > ACPI_SPACE_IO) {
		log_warning("acpi: SPCR: interface type %u in address space %u is not a 16550, "
			    "ignored",
			    spcr->interface, spcr->address.space);
		return;
	}
	spcr->present = true;
	spcr->has_irq = bytes[SPCR_INTERRUPT_TYPE] & SPCR_INTERRUPT_8259;
	spcr->irq = bytes[SPCR_IRQ];
	spcr->has_gsi = bytes[SPCR_INTERRUPT_TYPE] & SPCR_INTERRUPT_IOAPIC;
	spcr->gsi = acpi_read32(bytes + SPCR_GSI);
	if (bytes[HEADER_REVISION] >= SPCR_CLOCK_REVISION)
		spcr->clock_hz = acpi_read32(bytes + SPCR_CLOCK);
}

#define DMAR_FLAGS		37
#define DMAR_FLAG_X2APIC_OPTOUT (1u << 1)

/* Intel VT for directed I/O, revision 4.0, 8.1. */
void acpi_read_dmar(const struct acpi_table *table, struct acpi_info *info)
{
	if (has_field(table, DMAR_FLAGS, 1))
		info->x2apic_opt_out = table->bytes[DMAR_FLAGS] & DMAR_FLAG_X2APIC_OPTOUT;
}
