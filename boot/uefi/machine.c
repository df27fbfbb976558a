/* SPDX-License-Identifier: BSD-2-Clause */
/* What the firmware knows of the machine: ACPI, SMBIOS, framebuffer, CPUs. */
#include "boot/uefi/loader.h"

#include <string.h>

/* UEFI 2.10, 4.6; the later version of each is preferred. */
static const EFI_GUID acpi_20_guid = {
	0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static const EFI_GUID acpi_10_guid = {
	0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
static const EFI_GUID smbios_3_guid = {
	0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};
static const EFI_GUID smbios_guid = {
	0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};

static uint64_t find_table(struct loader *loader, const EFI_GUID *guid)
{
	for (UINTN i = 0; i < loader->system->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *table = &loader->system->ConfigurationTable[i];

		if (memcmp(&table->VendorGuid, guid, sizeof(*guid)) == 0)
			return (uint64_t)table->VendorTable;
	}
	return 0;
}

static void take_tables(struct loader *loader)
{
	struct boot_info *info = loader->info;

	info->rsdp = find_table(loader, &acpi_20_guid);
	if (info->rsdp == 0)
		info->rsdp = find_table(loader, &acpi_10_guid);
	info->smbios = find_table(loader, &smbios_3_guid);
	if (info->smbios == 0)
		info->smbios = find_table(loader, &smbios_guid);
}

/* The active console's framebuffer, else any; only the two formats that boot_info has. */
static void take_framebuffer(struct loader *loader)
{
	static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	struct boot_framebuffer *framebuffer = &loader->info->framebuffer;
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
	EFI_STATUS status;

	status = loader->services->HandleProtocol(loader->system->ConsoleOutHandle, &guid,
						  (void **)&gop);
	if (EFI_ERROR(status))
		status = loader->services->LocateProtocol(&guid, NULL, (void **)&gop);
	if (EFI_ERROR(status) || gop->Mode == NULL || gop->Mode->Info == NULL)
		return;
	mode = gop->Mode->Info;
	if (mode->PixelFormat != PixelRedGreenBlueReserved8BitPerColor &&
	    mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor)
		return;
	*framebuffer = (struct boot_framebuffer){
		.base = gop->Mode->FrameBufferBase,
		.width = mode->HorizontalResolution,
		.height = mode->VerticalResolution,
		.pitch = mode->PixelsPerScanLine,
		.format = mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor ? 1 : 0,
	};
}

/* The MP services protocol, as far as it is used: PI 1.8, volume 2, 13.3. */
#define MP_STATUS_BSP	  (1u << 0)
#define MP_STATUS_ENABLED (1u << 1)

struct mp_processor {
	uint64_t id; /* local APIC id */
	uint32_t status;
	uint32_t package, core, thread;
	uint32_t extended[6];
};

struct mp_services {
	EFI_STATUS(EFIAPI *get_count)
	(struct mp_services *services, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_processor)
	(struct mp_services *services, UINTN number, struct mp_processor *processor);
};

/* Appends a CPU; the boot CPU goes to the front. False where there is no room. */
static bool add_cpu(struct boot_info *info, const struct mp_processor *processor)
{
	uint32_t at = info->cpu_count;

	if (at == BOOT_CPUS_MAX)
		return false;
	info->cpu_count++;
	if ((processor->status & MP_STATUS_BSP) != 0) {
		info->cpu_apic_ids[at] = info->cpu_apic_ids[0];
		at = 0;
	}
	info->cpu_apic_ids[at] = (uint32_t)processor->id;
	return true;
}

static void take_cpus(struct loader *loader)
{
	static EFI_GUID guid = {
		0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
	struct mp_services *services;
	UINTN count, enabled;

	if (EFI_ERROR(loader->services->LocateProtocol(&guid, NULL, (void **)&services)) ||
	    EFI_ERROR(services->get_count(services, &count, &enabled)))
		return;
	for (UINTN i = 0; i < count; i++) {
		struct mp_processor processor;

		if (EFI_ERROR(services->get_processor(services, i, &processor)) ||
		    (processor.status & (MP_STATUS_BSP | MP_STATUS_ENABLED)) == 0)
			continue;
		if (!add_cpu(loader->info, &processor)) {
			loader_message(loader,
				       "loader: the firmware lists more than %d CPUs: the others "
				       "are left out of its list\n",
				       BOOT_CPUS_MAX);
			return;
		}
	}
}

void loader_take_machine(struct loader *loader)
{
	take_tables(loader);
	take_framebuffer(loader);
	take_cpus(loader);
}
