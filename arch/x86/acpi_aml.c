/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds \_S5 in ACPI byte code without an interpreter. Firmware writes it as
 * Name (_S5, Package () {a, b, ...}) with constants, since the sleep types are wired in the
 * chipset. ACPI 6.5, 20.2: NameOp [root] "_S5_" PackageOp PkgLength NumElements elements.
 */
#include "arch/x86/acpi_tables.h"

#include "vmm/log.h"

#include <errno.h>
#include <string.h>

#define AML_ZERO	 0x00
#define AML_ONE		 0x01
#define AML_NAME	 0x08
#define AML_BYTE_PREFIX	 0x0a
#define AML_WORD_PREFIX	 0x0b
#define AML_DWORD_PREFIX 0x0c
#define AML_QWORD_PREFIX 0x0e
#define AML_PACKAGE	 0x12
#define AML_ROOT	 0x5c
#define AML_ONES	 0xff

/* SLP_TYPx has 3 bits (4.8.3.2.1). */
#define SLEEP_TYPE_MAX 7

/* Bytes still to be read; taking more than there are fails. */
struct aml {
	const uint8_t *at;
	const uint8_t *end;
};

static int take_byte(struct aml *aml, uint8_t *byte)
{
	if (aml->at == aml->end)
		return -ENOENT;
	*byte = *aml->at++;
	return 0;
}

static int take_bytes(struct aml *aml, unsigned count, uint64_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < count; i++) {
		uint8_t byte;

		if (take_byte(aml, &byte))
			return -ENOENT;
		*value |= (uint64_t)byte << (8 * i);
	}
	return 0;
}

/* PkgLength, 20.2.4: limits *aml to the package, whose length counts its own encoding. */
static int enter_package(struct aml *aml)
{
	const uint8_t *start = aml->at;
	uint64_t length, more;
	uint8_t lead;
	unsigned follow;

	if (take_byte(aml, &lead))
		return -ENOENT;
	follow = lead >> 6;
	if (follow == 0) {
		length = lead & 0x3f;
	} else {
		if (take_bytes(aml, follow, &more))
			return -ENOENT;
		length = (lead & 0x0f) | more << 4;
	}
	if (length > (uint64_t)(aml->end - start) || length < (uint64_t)(aml->at - start))
		return -ENOENT;
	aml->end = start + length;
	return 0;
}

/* A constant integer, 20.2.3. */
static int take_integer(struct aml *aml, uint64_t *value)
{
	uint8_t op;

	if (take_byte(aml, &op))
		return -ENOENT;
	switch (op) {
	case AML_ZERO:
	case AML_ONE:
		*value = op;
		return 0;
	case AML_ONES:
		*value = UINT64_MAX;
		return 0;
	case AML_BYTE_PREFIX:
		return take_bytes(aml, 1, value);
	case AML_WORD_PREFIX:
		return take_bytes(aml, 2, value);
	case AML_DWORD_PREFIX:
		return take_bytes(aml, 4, value);
	case AML_QWORD_PREFIX:
		return take_bytes(aml, 8, value);
	default:
		return -ENOENT;
	}
}

/* *aml is behind the name: reads the package. */
static int take_sleep_types(struct aml aml, struct acpi_fadt *fadt)
{
	uint64_t a, b = 0;
	uint8_t op, count;

	if (take_byte(&aml, &op) || op != AML_PACKAGE || enter_package(&aml) ||
	    take_byte(&aml, &count) || count == 0 || take_integer(&aml, &a))
		return -ENOENT;
	/* One element that holds both (a byte each) was allowed by old firmware. */
	if (count == 1) {
		b = a >> 8 & 0xff;
		a &= 0xff;
	} else if (take_integer(&aml, &b)) {
		return -ENOENT;
	}
	if (a > SLEEP_TYPE_MAX || b > SLEEP_TYPE_MAX)
		return -ENOENT;
	fadt->sleep_type_a = (uint8_t)a;
	fadt->sleep_type_b = (uint8_t)b;
	fadt->has_sleep_types = true;
	return 0;
}

/* True where the 4-byte name at `at` is the object of a Name operator. */
static bool is_named(const uint8_t *start, const uint8_t *at)
{
	if (at - start >= 2 && at[-1] == AML_ROOT)
		at--;
	return at - start >= 1 && at[-1] == AML_NAME;
}

int acpi_find_soft_off(const struct acpi_table *table, struct acpi_fadt *fadt)
{
	const uint8_t *start = table->bytes + ACPI_HEADER_SIZE;
	const uint8_t *end = table->bytes + table->length;

	for (const uint8_t *at = start; end - at > 4; at++) {
		if (at[0] == '_' && memcmp(at, "_S5_", 4) == 0 && is_named(start, at) &&
		    take_sleep_types((struct aml){at + 4, end}, fadt) == 0)
			return 0;
	}
	return -ENOENT;
}
