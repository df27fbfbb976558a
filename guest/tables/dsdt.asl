/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a guest's PC that it cannot find by itself. Addresses repeat guest/layout.h;
 * tests/unit/test_guest_acpi.c compares the two.
 */
DefinitionBlock ("", "DSDT", 2, "BLKHD", "BULKHEAD", 1)
{
	/* Soft off: what is written to SLP_TYP (ACPI_SLEEP_TYPE_S5). */
	Name (\_S5, Package () { 0x05, 0x05, 0x00, 0x00 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0x0000, 0x00FF, 0, 0x0100)
				IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0000, 0x0CF7, 0, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0D00, 0xFFFF, 0, 0xF300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xC0000000, 0xDFFFFFFF, 0, 0x20000000)
			})

			/* The guest has all of PCI Express to itself: nothing is kept back. */
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, CDW1)
				If (LEqual (Arg0, ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766")))
				{
					CreateDWordField (Arg3, 8, CDW3)
					/* No hot plug by ACPI, no SHPC; capability structures stay. */
					And (CDW3, 0x1D, CDW3)
				}
				Else
				{
					Or (CDW1, 4, CDW1)
				}
				Return (Arg3)
			}
		}

		/* What belongs to the board: the ECAM and the ports of power management and reset. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xE0000000, 0x10000000)
				IO (Decode16, 0x0600, 0x0600, 1, 0x0C)
				IO (Decode16, 0x0092, 0x0092, 1, 1)
			})
		}

		Device (PIC)
		{
			Name (_HID, EisaId ("PNP0000"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0020, 0x0020, 1, 2)
				IO (Decode16, 0x00A0, 0x00A0, 1, 2)
				IO (Decode16, 0x04D0, 0x04D0, 1, 2)
				IRQNoFlags () { 2 }
			})
		}

		Device (PIT)
		{
			Name (_HID, EisaId ("PNP0100"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0040, 0x0040, 1, 4)
				IRQNoFlags () { 0 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0070, 0x0070, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x03F8, 0x03F8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}
	}
}
