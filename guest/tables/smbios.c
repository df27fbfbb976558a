/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's SMBIOS: the 64-bit entry point and the structures that a conforming machine has and a
 * virtual one can tell the truth in. Section numbers are those of DMTF DSP0134 3.3.
 */
#include "guest/tables/tables.h"

#include "guest/layout.h"

#include <errno.h>
#include <string.h>

/* 5.2.2 */
struct smbios_entry_point {
	char anchor[5];
	uint8_t checksum;
	uint8_t length;
	uint8_t major, minor, docrev;
	uint8_t revision;
	uint8_t reserved;
	uint32_t maximum_size;
	uint64_t address;
} HV_PACKED;

/* 6.1.2 */
struct smbios_header {
	uint8_t type;
	uint8_t length;
	uint16_t handle;
} HV_PACKED;

/* 7.1 */
struct smbios_firmware {
	struct smbios_header header;
	uint8_t vendor, version;
	uint16_t start_segment;
	uint8_t release_date;
	uint8_t rom_size;
	uint64_t characteristics;
	uint8_t extension[2];
	uint8_t major, minor, controller_major, controller_minor;
	uint16_t extended_rom_size;
} HV_PACKED;

/* 7.2 */
struct smbios_system {
	struct smbios_header header;
	uint8_t manufacturer, product, version, serial;
	uint8_t uuid[16];
	uint8_t wake_up, sku, family;
} HV_PACKED;

/* 7.4 */
struct smbios_chassis {
	struct smbios_header header;
	uint8_t manufacturer, type, version, serial, asset;
	uint8_t boot_state, power_state, thermal_state, security;
	uint32_t oem;
	uint8_t height, power_cords, element_count, element_length, sku;
} HV_PACKED;

/* 7.5 */
struct smbios_processor {
	struct smbios_header header;
	uint8_t socket, type, family, manufacturer;
	uint64_t id;
	uint8_t version, voltage;
	uint16_t clock, maximum_speed, current_speed;
	uint8_t status, upgrade;
	uint16_t caches[3];
	uint8_t serial, asset, part;
	uint8_t cores, cores_enabled, threads;
	uint16_t characteristics, family2;
	uint16_t cores2, cores_enabled2, threads2;
} HV_PACKED;

/* 7.17 */
struct smbios_memory_array {
	struct smbios_header header;
	uint8_t location, use, correction;
	uint32_t maximum_kib;
	uint16_t error_handle, devices;
	uint64_t maximum_bytes;
} HV_PACKED;

/* 7.18, as of SMBIOS 2.8 */
struct smbios_memory_device {
	struct smbios_header header;
	uint16_t array_handle, error_handle, total_width, data_width, size;
	uint8_t form, set, locator, bank, type;
	uint16_t detail, speed;
	uint8_t manufacturer, serial, asset, part, attributes;
	uint32_t extended_mib;
	uint16_t configured_speed, voltages[3];
} HV_PACKED;

/* 7.20 */
struct smbios_memory_mapping {
	struct smbios_header header;
	uint32_t start_kib, end_kib;
	uint16_t array_handle;
	uint8_t width;
	uint64_t start, end;
} HV_PACKED;

/* 7.33 */
struct smbios_boot_status {
	struct smbios_header header;
	uint8_t reserved[6];
	uint8_t status;
} HV_PACKED;

_Static_assert(sizeof(struct smbios_entry_point) == 0x18, "5.2.2");
_Static_assert(sizeof(struct smbios_firmware) == 0x1a, "7.1");
_Static_assert(sizeof(struct smbios_system) == 0x1b, "7.2");
_Static_assert(sizeof(struct smbios_chassis) == 0x16, "7.4");
_Static_assert(sizeof(struct smbios_processor) == 0x30, "7.5");
_Static_assert(sizeof(struct smbios_memory_array) == 0x17, "7.17");
_Static_assert(sizeof(struct smbios_memory_device) == 0x28, "7.18");
_Static_assert(sizeof(struct smbios_memory_mapping) == 0x1f, "7.20");
_Static_assert(sizeof(struct smbios_boot_status) == 0x0b, "7.33");

#define SMBIOS_MAJOR	     3
#define SMBIOS_MINOR	     3
#define SMBIOS_NO_HANDLE     0xfffe /* of errors: none provided */
#define SMBIOS_NO_CACHE	     0xffff
#define SMBIOS_UNKNOWN_16    0xffff
#define FIRMWARE_PCI	     (1u << 7)
#define FIRMWARE_VIRTUAL     (1u << 4) /* extension byte 2 */
#define FIRMWARE_ACPI	     (1u << 0) /* extension byte 1 */
#define PROCESSOR_64_BIT     (1u << 2)
#define ARRAY_LIMIT_EXTENDED 0x80000000u
#define DEVICE_SIZE_EXTENDED 0x7fff

#define MANUFACTURER "Bulkhead"

/* The structures that are being written; handles count from 0. */
struct smbios_block {
	uint8_t *bytes;
	size_t used;
	uint16_t handles;
	bool overflow;
};

static void block_append(struct smbios_block *block, const void *from, size_t length)
{
	if (block->overflow || length > GUEST_SMBIOS_LENGTH - block->used) {
		block->overflow = true;
		return;
	}
	memcpy(block->bytes + block->used, from, length);
	block->used += length;
}

/*
 * Appends a structure of the given type and the strings that its fields number from 1. The set of
 * strings ends with an empty one and is never shorter than two NULs (6.1.3). Returns its handle.
 */
static uint16_t smbios_add(struct smbios_block *block, uint8_t type, void *structure, uint8_t size,
			   const char *const *strings, unsigned count)
{
	struct smbios_header *header = structure;

	*header = (struct smbios_header){.type = type, .length = size, .handle = block->handles};
	block_append(block, structure, size);
	for (unsigned i = 0; i < count; i++)
		block_append(block, strings[i], strlen(strings[i]) + 1);
	block_append(block, "\0", count == 0 ? 2 : 1);
	return block->handles++;
}

static void smbios_add_system(struct smbios_block *block, const struct smbios_machine *machine)
{
	const char *const firmware_strings[] = {MANUFACTURER, "1", "01/01/2025"};
	const char *const system_strings[] = {MANUFACTURER, "Virtual Machine", "1",
					      machine->vm_name};
	const char *const chassis_strings[] = {MANUFACTURER};
	struct smbios_firmware firmware = {
		.vendor = 1,
		.version = 2,
		.release_date = 3,
		.start_segment = GUEST_SMBIOS_BASE >> 4,
		.characteristics = FIRMWARE_PCI,
		.extension = {FIRMWARE_ACPI, FIRMWARE_VIRTUAL},
		.major = 1,
		.controller_major = 0xff,
		.controller_minor = 0xff,
	};
	struct smbios_system system = {
		.manufacturer = 1,
		.product = 2,
		.version = 3,
		.serial = 4,
		.wake_up = 6, /* power switch */
	};
	struct smbios_chassis chassis = {
		.manufacturer = 1,
		.type = 1, /* other */
		.boot_state = 3,
		.power_state = 3,
		.thermal_state = 3,
		.security = 2, /* unknown */
	};

	memcpy(system.uuid, machine->uuid, sizeof(system.uuid));
	smbios_add(block, 0, &firmware, sizeof(firmware), firmware_strings, 3);
	smbios_add(block, 1, &system, sizeof(system), system_strings, 4);
	smbios_add(block, 3, &chassis, sizeof(chassis), chassis_strings, 1);
}

static void smbios_add_processor(struct smbios_block *block, unsigned vcpus)
{
	const char *const strings[] = {"CPU 0", MANUFACTURER};
	struct smbios_processor processor = {
		.socket = 1,
		.type = 3,   /* central processor */
		.family = 1, /* other */
		.manufacturer = 2,
		.status = 0x41, /* populated, enabled */
		.upgrade = 1,	/* other */
		.caches = {SMBIOS_NO_CACHE, SMBIOS_NO_CACHE, SMBIOS_NO_CACHE},
		.cores = (uint8_t)vcpus,
		.cores_enabled = (uint8_t)vcpus,
		.threads = (uint8_t)vcpus,
		.characteristics = PROCESSOR_64_BIT,
		.family2 = 1,
		.cores2 = (uint16_t)vcpus,
		.cores_enabled2 = (uint16_t)vcpus,
		.threads2 = (uint16_t)vcpus,
	};

	smbios_add(block, 4, &processor, sizeof(processor), strings, 2);
}

static void smbios_add_mapping(struct smbios_block *block, uint16_t array, uint64_t start,
			       uint64_t length)
{
	struct smbios_memory_mapping mapping = {
		.start_kib = UINT32_MAX, /* see start and end */
		.array_handle = array,
		.width = 1,
		.start = start,
		.end = start + length - 1,
	};

	if (length != 0)
		smbios_add(block, 19, &mapping, sizeof(mapping), NULL, 0);
}

static void smbios_add_memory(struct smbios_block *block, const struct smbios_machine *machine)
{
	const char *const strings[] = {"DIMM 0"};
	uint64_t mib = machine->memory >> 20;
	struct smbios_memory_array array = {
		.location = 1,	 /* other */
		.use = 3,	 /* system memory */
		.correction = 2, /* unknown */
		.maximum_kib = ARRAY_LIMIT_EXTENDED,
		.error_handle = SMBIOS_NO_HANDLE,
		.devices = 1,
		.maximum_bytes = machine->memory,
	};
	struct smbios_memory_device device = {
		.error_handle = SMBIOS_NO_HANDLE,
		.total_width = SMBIOS_UNKNOWN_16,
		.data_width = SMBIOS_UNKNOWN_16,
		.size = mib < DEVICE_SIZE_EXTENDED ? (uint16_t)mib : DEVICE_SIZE_EXTENDED,
		.form = 9, /* DIMM */
		.locator = 1,
		.type = 7,   /* RAM */
		.detail = 2, /* other */
		.extended_mib = mib < DEVICE_SIZE_EXTENDED ? 0 : (uint32_t)mib,
	};
	uint64_t low = min_u64(machine->memory, GUEST_PCI_MMIO_BASE);

	device.array_handle = smbios_add(block, 16, &array, sizeof(array), NULL, 0);
	smbios_add(block, 17, &device, sizeof(device), strings, 1);
	smbios_add_mapping(block, device.array_handle, 0, low);
	smbios_add_mapping(block, device.array_handle, GIB(4), machine->memory - low);
}

static uint8_t smbios_checksum(const void *from, size_t length)
{
	const uint8_t *bytes = from;
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

int smbios_build(uint8_t *buffer, const struct smbios_machine *machine)
{
	const size_t first = 0x20; /* the entry point, rounded up */
	struct smbios_block block = {.bytes = buffer, .used = first};
	struct smbios_boot_status boot = {.status = 0};
	struct smbios_header end;
	struct smbios_entry_point entry = {
		.anchor = {'_', 'S', 'M', '3', '_'},
		.length = sizeof(entry),
		.major = SMBIOS_MAJOR,
		.minor = SMBIOS_MINOR,
		.revision = 1,
		.address = GUEST_SMBIOS_BASE + first,
	};

	smbios_add_system(&block, machine);
	smbios_add_processor(&block, machine->vcpus);
	smbios_add_memory(&block, machine);
	smbios_add(&block, 32, &boot, sizeof(boot), NULL, 0);
	smbios_add(&block, 127, &end, sizeof(end), NULL, 0);
	if (block.overflow)
		return -ENOSPC;
	entry.maximum_size = (uint32_t)(block.used - first);
	entry.checksum = smbios_checksum(&entry, sizeof(entry));
	memcpy(buffer, &entry, sizeof(entry));
	return (int)block.used;
}
