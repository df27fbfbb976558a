/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flat binaries: the file is the program, for payloads that want no more than to run. Loaded at 1
 * MiB and entered at its first byte in 64-bit mode, with the low 4 GiB mapped one to one, a stack,
 * and RSI = address of the RSDP. Any file could be one, so what is clearly something else is
 * refused.
 */
#include "guest/load/loader.h"

#include "guest/layout.h"

#include <string.h>

#define LOOKED_AT_MAX 64

/* What people hand over by mistake. */
static const struct {
	const char *magic;
	uint8_t length;
	uint16_t offset;
} not_flat[] = {
	{"\x7f"
	 "ELF",
	 4, 0},
	{"MZ", 2, 0},
	{"\x55\xaa", 2, 510}, /* boot sector */
	{"\x1f\x8b", 2, 0},   /* gzip */
	{"\xfd"
	 "7zXZ",
	 5, 0},
	{"\x28\xb5\x2f\xfd", 4, 0}, /* zstd */
	{"BZh", 3, 0},
	{"PK\3\4", 4, 0},
	{"070701", 6, 0}, /* cpio: an initrd */
	{"!<arch>", 7, 0},
};

static bool flat_is_text(const struct guest_image *image)
{
	const uint8_t *bytes = image->data;
	size_t length = (size_t)min_u64(image->length, LOOKED_AT_MAX);

	for (size_t i = 0; i < length; i++) {
		bool blank = bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';

		if (!blank && (bytes[i] < ' ' || bytes[i] > '~'))
			return false;
	}
	return true;
}

static bool flat_is_blank(const struct guest_image *image)
{
	const uint8_t *bytes = image->data;
	size_t length = (size_t)min_u64(image->length, LOOKED_AT_MAX);

	for (size_t i = 1; i < length; i++) {
		if (bytes[i] != bytes[0])
			return false;
	}
	return bytes[0] == 0 || bytes[0] == 0xff;
}

static bool flat_recognise(const struct guest_image *image)
{
	for (unsigned i = 0; i < ARRAY_SIZE(not_flat); i++) {
		const void *at = image_bytes(image, not_flat[i].offset, not_flat[i].length);

		if (at && memcmp(at, not_flat[i].magic, not_flat[i].length) == 0)
			return false;
	}
	return !flat_is_text(image) && !flat_is_blank(image);
}

static int flat_load(struct loader *loader, struct load_entry *entry)
{
	const struct guest_image *image = &loader->request->kernel;
	int result = loader_claim_kernel(loader, GUEST_HIGH_BASE, image->length);

	if (result != 0)
		return result;
	*entry = (struct load_entry){
		.mode = LOAD_LONG64,
		.rip = GUEST_HIGH_BASE,
		.rsp = GUEST_LOW_STACK_TOP,
		.rsi = loader->rsdp.value,
		.protocol = "flat binary",
	};
	return loader_write(loader, "kernel", GUEST_HIGH_BASE, image->data, image->length);
}

const struct image_format flat_format = {
	.name = "flat binary",
	.recognise = flat_recognise,
	.load = flat_load,
};
