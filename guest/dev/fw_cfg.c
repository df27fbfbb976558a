/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fw_cfg; see fw_cfg.h. All items are made when the device is, and never change. `lock` guards
 * what is selected and how far it has been read.
 */
#include "guest/dev/fw_cfg.h"

#include "vmm/bus.h"
#include "vmm/heap.h"
#include "vmm/spinlock.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "guest/tables/e820.h"

#include <errno.h>
#include <string.h>

#define ITEMS_MAX      16
#define DATA_BYTES     1024
#define FILE_NAME_MAX  56
#define DMA_BYTES      8
#define SELECT_NOTHING 0xffff

/* A request that would keep the CPU busy for longer than this is refused. */
#define DMA_LENGTH_MAX KIB(64)

/* Items with fixed numbers; files count from KEY_FILE_FIRST. */
enum fw_cfg_key {
	KEY_SIGNATURE = 0x00,
	KEY_ID = 0x01,
	KEY_RAM_SIZE = 0x03,
	KEY_CPUS = 0x05,
	KEY_MAX_CPUS = 0x0f,
	KEY_FILES = 0x19,
	KEY_FILE_FIRST = 0x20
};

#define ID_PORTS 1u
#define ID_DMA	 2u

#define DMA_ERROR  (1u << 0)
#define DMA_READ   (1u << 1)
#define DMA_SKIP   (1u << 2)
#define DMA_SELECT (1u << 3)
#define DMA_WRITE  (1u << 4)

struct fw_cfg_item {
	uint16_t key;
	uint16_t offset; /* in data */
	uint16_t length;
};

/* The directory's entries, big-endian. */
struct fw_cfg_file {
	uint32_t size;
	uint16_t key;
	uint16_t reserved;
	char name[FILE_NAME_MAX];
};

_Static_assert(sizeof(struct fw_cfg_file) == 64, "fw_cfg.rst, file directory");

/* The guest's request, big-endian. */
struct fw_cfg_dma {
	uint32_t control;
	uint32_t length;
	uint64_t address;
};

struct fw_cfg {
	struct spinlock lock;
	struct vm *vm;
	uint32_t position; /* in the selected item */
	uint32_t dma_high; /* first half of the request's address */
	uint16_t selected;
	uint16_t data_used;
	unsigned item_count;
	struct fw_cfg_item items[ITEMS_MAX];
	uint8_t data[DATA_BYTES];
};

static const struct vdev_field fw_cfg_fields[] = {
	VDEV_FIELD(struct fw_cfg, position),
	VDEV_FIELD(struct fw_cfg, dma_high),
	VDEV_FIELD(struct fw_cfg, selected),
};

/* ---- items ---- */

static void fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *data, size_t length)
{
	if (fw->item_count == ITEMS_MAX || length > (size_t)(DATA_BYTES - fw->data_used))
		return;
	memcpy(fw->data + fw->data_used, data, length);
	fw->items[fw->item_count++] = (struct fw_cfg_item){key, fw->data_used, (uint16_t)length};
	fw->data_used = (uint16_t)(fw->data_used + length);
}

static uint16_t fw_cfg_add_e820(struct fw_cfg *fw, uint16_t key)
{
	struct {
		uint64_t base, length;
		uint32_t type;
	} HV_PACKED entries[E820_MAX];
	struct e820_map map;

	e820_build(&map, fw->vm->ram_low, fw->vm->ram_high);
	for (unsigned i = 0; i < map.count; i++) {
		entries[i].base = map.entries[i].base;
		entries[i].length = map.entries[i].length;
		entries[i].type = map.entries[i].type;
	}
	fw_cfg_add(fw, key, entries, map.count * sizeof(entries[0]));
	return (uint16_t)(map.count * sizeof(entries[0]));
}

static void fw_cfg_add_files(struct fw_cfg *fw)
{
	/* Of S0 to S5: bit 7, it exists; low bits, its SLP_TYP. */
	const uint8_t states[] = {0x80, 0, 0, 0, 0, 0x80 | ACPI_SLEEP_TYPE_S5};
	struct {
		uint32_t count;
		struct fw_cfg_file files[2];
	} directory = {
		.count = __builtin_bswap32(2),
		.files = {{.key = __builtin_bswap16(KEY_FILE_FIRST), .name = "etc/e820"},
			  {.key = __builtin_bswap16(KEY_FILE_FIRST + 1),
			   .name = "etc/system-states"}},
	};

	directory.files[0].size = __builtin_bswap32(fw_cfg_add_e820(fw, KEY_FILE_FIRST));
	directory.files[1].size = __builtin_bswap32(sizeof(states));
	fw_cfg_add(fw, KEY_FILE_FIRST + 1, states, sizeof(states));
	fw_cfg_add(fw, KEY_FILES, &directory, sizeof(directory));
}

static void fw_cfg_fill(struct fw_cfg *fw)
{
	const uint32_t id = ID_PORTS | ID_DMA;
	const uint64_t ram = fw->vm->ram_low + fw->vm->ram_high;
	const uint16_t cpus = (uint16_t)fw->vm->config->vcpus;

	fw_cfg_add(fw, KEY_SIGNATURE, "QEMU", 4);
	fw_cfg_add(fw, KEY_ID, &id, sizeof(id));
	fw_cfg_add(fw, KEY_RAM_SIZE, &ram, sizeof(ram));
	fw_cfg_add(fw, KEY_CPUS, &cpus, sizeof(cpus));
	fw_cfg_add(fw, KEY_MAX_CPUS, &cpus, sizeof(cpus));
	fw_cfg_add_files(fw);
}

/* ---- with the lock held ---- */

static void fw_cfg_select(struct fw_cfg *fw, uint16_t key)
{
	fw->selected = key;
	fw->position = 0;
}

/* What of the selected item has not been read: stores how many bytes. */
static const uint8_t *fw_cfg_rest(const struct fw_cfg *fw, uint32_t *length)
{
	*length = 0;
	for (unsigned i = 0; i < fw->item_count; i++) {
		const struct fw_cfg_item *item = &fw->items[i];

		if (item->key != fw->selected || fw->position >= item->length)
			continue;
		*length = item->length - fw->position;
		return fw->data + item->offset + fw->position;
	}
	return fw->data;
}

static void fw_cfg_skip(struct fw_cfg *fw, uint32_t length)
{
	fw->position = (uint32_t)min_u64((uint64_t)fw->position + length, UINT32_MAX);
}

static uint8_t fw_cfg_next(struct fw_cfg *fw)
{
	uint32_t rest;
	const uint8_t *at = fw_cfg_rest(fw, &rest);

	if (rest == 0)
		return 0;
	fw_cfg_skip(fw, 1);
	return *at;
}

/* Copies the item's rest to the guest, and zeros behind its end. */
static int fw_cfg_copy(struct fw_cfg *fw, uint64_t address, uint32_t length)
{
	const struct gpa_space *space = &fw->vm->space;
	uint32_t rest, copied;
	const uint8_t *at = fw_cfg_rest(fw, &rest);
	int result = 0;

	copied = (uint32_t)min_u64(rest, length);
	if (length > DMA_LENGTH_MAX || address > UINT64_MAX - length)
		return -EFAULT;
	if (copied > 0)
		result = gpa_write(space, gpa_make(address), at, copied);
	if (result == 0 && length > copied)
		result = gpa_zero(space, gpa_make(address + copied), length - copied);
	return result;
}

/* Does what the request at `at` says, and answers it in its control word. */
static void fw_cfg_transfer(struct fw_cfg *fw, uint64_t at)
{
	const struct gpa_space *space = &fw->vm->space;
	struct fw_cfg_dma dma;
	uint32_t control, length;
	int result = 0;

	if (gpa_read(space, gpa_make(at), &dma, sizeof(dma)) != 0)
		return;
	control = __builtin_bswap32(dma.control);
	length = __builtin_bswap32(dma.length);
	if (control & DMA_SELECT)
		fw_cfg_select(fw, (uint16_t)(control >> 16));
	if (control & DMA_READ)
		result = fw_cfg_copy(fw, __builtin_bswap64(dma.address), length);
	else if (control & DMA_WRITE) /* no item may be written */
		result = -EACCES;
	if (result == 0 && (control & (DMA_READ | DMA_SKIP)))
		fw_cfg_skip(fw, length);
	dma.control = __builtin_bswap32(result == 0 ? 0 : DMA_ERROR);
	/* It could be read a moment ago; where it cannot be written the guest gets no answer. */
	(void)!gpa_write(space, gpa_make(at), &dma.control, sizeof(dma.control));
}

/* ---- ports ---- */

/* The selector is a word at 0x510; the data port is the byte behind, inside that word. */
static uint64_t fw_cfg_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct fw_cfg *fw = device;
	uint64_t value;

	(void)vcpu;
	if (offset != 1 || size != 1)
		return 0;
	spin_lock(&fw->lock);
	value = fw_cfg_next(fw);
	spin_unlock(&fw->lock);
	return value;
}

static void fw_cfg_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			 uint64_t value)
{
	struct fw_cfg *fw = device;

	(void)vcpu;
	if (offset != 0 || size != 2)
		return;
	spin_lock(&fw->lock);
	fw_cfg_select(fw, (uint16_t)value);
	spin_unlock(&fw->lock);
}

static uint64_t fw_cfg_dma_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	uint64_t value;

	(void)vcpu, (void)device;
	memcpy(&value, "QEMU CFG", sizeof(value));
	return value >> 8 * offset & mask_of_bytes(size);
}

/* The address comes in two big-endian halves; the second one starts the transfer. */
static void fw_cfg_dma_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			     uint64_t value)
{
	struct fw_cfg *fw = device;
	uint32_t half = __builtin_bswap32((uint32_t)value);

	(void)vcpu;
	if (size != 4 || (offset != 0 && offset != 4))
		return;
	spin_lock(&fw->lock);
	if (offset == 0) {
		fw->dma_high = half;
	} else {
		fw_cfg_transfer(fw, (uint64_t)fw->dma_high << 32 | half);
		fw->dma_high = 0;
	}
	spin_unlock(&fw->lock);
}

static const struct bus_ops fw_cfg_ops = {fw_cfg_read, fw_cfg_write};
static const struct bus_ops fw_cfg_dma_ops = {fw_cfg_dma_read, fw_cfg_dma_write};

/* ---- life ---- */

static void fw_cfg_reset(struct vdev *vdev)
{
	struct fw_cfg *fw = vdev->state;

	fw_cfg_select(fw, SELECT_NOTHING);
	fw->dma_high = 0;
}

static int fw_cfg_create(struct vdev *vdev)
{
	struct fw_cfg *fw = hv_alloc(sizeof(*fw));
	struct bus *ports = &vdev->vm->ports;
	int result;

	if (!fw)
		return -ENOMEM;
	fw->vm = vdev->vm;
	fw_cfg_fill(fw);
	result = bus_claim(ports, PORT_FW_CFG, 2, &fw_cfg_ops, fw);
	if (result == 0)
		result = bus_claim(ports, PORT_FW_CFG_DMA, DMA_BYTES, &fw_cfg_dma_ops, fw);
	if (result != 0) {
		hv_free(fw);
		return result;
	}
	vdev->state = fw;
	fw_cfg_reset(vdev);
	return 0;
}

static void fw_cfg_destroy(struct vdev *vdev)
{
	hv_free(vdev->state);
	vdev->state = NULL;
}

const struct vdev_type fw_cfg_vdev = {
	.name = "fw_cfg",
	.create = fw_cfg_create,
	.reset = fw_cfg_reset,
	.destroy = fw_cfg_destroy,
	.fields = fw_cfg_fields,
	.field_count = ARRAY_SIZE(fw_cfg_fields),
};
