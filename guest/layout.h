/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are in a guest's PC: memory, ports and interrupt lines. The devices claim them from
 * here and the tables that describe them to the guest (ACPI, SMBIOS, e820) quote them from here, so
 * that the two cannot disagree. guest/tables/dsdt.asl repeats some of them: test_guest_acpi.c
 * compares.
 */
#pragma once

#include "vmm/types.h"

/*
 * The first MiB. What the loaders leave there lies in memory that the e820 map calls usable: a
 * guest takes what it needs of it and then reuses the space.
 */
#define GUEST_BDA_BASE		   0x400 /* BIOS data area */
#define GUEST_LOW_GDT		   0x1000
#define GUEST_LOW_PAGE_TABLES	   0x2000 /* six pages: PML4, PDPT, four page directories */
#define GUEST_LOW_BOOT_INFO	   0x10000
#define GUEST_LOW_BOOT_INFO_LENGTH 0x10000
#define GUEST_LOW_CMDLINE	   0x20000
#define GUEST_LOW_CMDLINE_LENGTH   0x10000
#define GUEST_LOW_STACK_TOP	   0x80000 /* grows down; nothing but free memory above 0x30000 */
#define GUEST_LOW_RAM_END	   0x9fc00 /* from here the extended BIOS data area */
#define GUEST_VGA_BASE		   0xa0000
#define GUEST_ACPI_BASE		   0xe0000
#define GUEST_ACPI_LENGTH	   0x10000
#define GUEST_SMBIOS_BASE	   0xf0000
#define GUEST_SMBIOS_LENGTH	   0x10000
#define GUEST_HIGH_BASE		   0x100000 /* kernels are loaded from here up */

/* Between the end of low RAM (at most 3 GiB) and 4 GiB. */
#define GUEST_PCI_MMIO_BASE   0xc0000000
#define GUEST_PCI_MMIO_LENGTH 0x20000000
#define GUEST_ECAM_BASE	      0xe0000000
#define GUEST_ECAM_LENGTH     0x10000000 /* buses 0 to 255 */
#define GUEST_IOAPIC_BASE     0xfec00000
#define GUEST_LAPIC_BASE      0xfee00000

/* Ports. */
#define PORT_KBD_DATA	    0x60
#define PORT_KBD_COMMAND    0x64
#define PORT_CMOS	    0x70
#define PORT_SYSTEM_CONTROL 0x92
#define PORT_COM1	    0x3f8
#define PORT_FW_CFG	    0x510
#define PORT_FW_CFG_DMA	    0x514
#define PORT_PM1_EVENT	    0x600 /* four bytes: status, enable */
#define PORT_PM1_CONTROL    0x604 /* two bytes */
#define PORT_PM_TIMER	    0x608 /* four bytes */
#define PORT_PCI_ADDRESS    0xcf8
#define PORT_RESET_CONTROL  0xcf9
#define PORT_PCI_DATA	    0xcfc

/* Interrupt lines (GSIs). */
#define GSI_PIT	 2
#define GSI_COM1 4
#define GSI_RTC	 8
#define GSI_SCI	 9

/* What the guest writes to sleep states' SLP_TYP: \_S5 of the DSDT. */
#define ACPI_SLEEP_TYPE_S5 5

/* What is written to PORT_RESET_CONTROL: full reset of the system. */
#define RESET_CONTROL_RESET 0x06

/* CMOS byte that holds the century; the FADT says so. */
#define CMOS_CENTURY 0x32
