/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/tables/smbios.c. */
#include "guest/tables/tables.h"

#include "guest/layout.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static uint8_t block[GUEST_SMBIOS_LENGTH];

static uint64_t get(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

/* Walks the structures as a guest does; returns the first of `type`, and how many there are. */
static const uint8_t *find(uint8_t type, unsigned *count)
{
	const uint8_t *at = block + (get(block + 16, 8) - GUEST_SMBIOS_BASE);
	const uint8_t *end = at + get(block + 12, 4);
	const uint8_t *found = NULL;

	*count = 0;
	while (at < end) {
		const uint8_t *next = at + at[1];

		assert_true(at[1] >= 4);
		while (next[0] != 0 || next[1] != 0)
			next++;
		next += 2;
		assert_true(next <= end);
		if (at[0] == type && (*count)++ == 0)
			found = at;
		if (at[0] == 127)
			assert_ptr_equal(next, end);
		at = next;
	}
	return found;
}

static const char *string(const uint8_t *structure, uint8_t number)
{
	const char *at = (const char *)structure + structure[1];

	while (--number > 0)
		at += strlen(at) + 1;
	return at;
}

static void build(uint64_t memory, unsigned vcpus)
{
	const struct smbios_machine machine = {
		.vm_name = "web", .uuid = {1, 2, 3}, .vcpus = vcpus, .memory = memory};

	memset(block, 0, sizeof(block));
	assert_in_range(smbios_build(block, &machine), 1, sizeof(block));
}

static void entry_point_is_valid(void **state)
{
	uint8_t sum = 0;
	unsigned count;

	(void)state;
	build(MIB(256), 2);
	assert_memory_equal(block, "_SM3_", 5);
	assert_int_equal(block[6], 0x18);
	for (unsigned i = 0; i < 0x18; i++)
		sum = (uint8_t)(sum + block[i]);
	assert_int_equal(sum, 0);
	for (uint8_t type = 0; type < 128; type++) {
		bool there = type == 0 || type == 1 || type == 3 || type == 4 || type == 16 ||
			     type == 17 || type == 19 || type == 32 || type == 127;

		assert_int_equal(find(type, &count) != NULL, there);
		assert_int_equal(count, there);
	}
}

static void tells_the_vm(void **state)
{
	const uint8_t *at;
	unsigned count;

	(void)state;
	build(MIB(256), 3);
	at = find(1, &count);
	assert_string_equal(string(at, at[4]), "Bulkhead");
	assert_string_equal(string(at, at[7]), "web");
	assert_memory_equal(at + 8, "\1\2\3", 3);
	at = find(4, &count);
	assert_int_equal(at[0x23], 3);
	at = find(17, &count);
	assert_int_equal(get(at + 0xc, 2), 256);
	assert_int_equal(get(at + 4, 2), get(find(16, &count) + 2, 2));
}

static void splits_memory_around_4_gib(void **state)
{
	const uint8_t *at;
	unsigned count;

	(void)state;
	build(GIB(40), 1);
	at = find(17, &count);
	assert_int_equal(get(at + 0xc, 2), 0x7fff);
	assert_int_equal(get(at + 0x1c, 4), 40 * 1024);
	at = find(19, &count);
	assert_int_equal(count, 2);
	assert_int_equal(get(at + 0xf, 8), 0);
	assert_int_equal(get(at + 0x17, 8), GIB(3) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_point_is_valid),
		cmocka_unit_test(tells_the_vm),
		cmocka_unit_test(splits_memory_around_4_gib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
