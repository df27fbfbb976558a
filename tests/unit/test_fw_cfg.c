/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/fw_cfg.c. */
#include "guest/dev/fw_cfg.h"

#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "fake_guest.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define REQUEST 0x1000
#define BUFFER	0x2000

static struct vm *vm;

static int setup(void **state)
{
	(void)state;
	vm = fake_guest_create(MIB(2));
	vm->ram_high = GIB(1);
	fake_guest_config()->vcpus = 5;
	fake_guest_add_device(vm, &fw_cfg_vdev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static void read_bytes(void *to, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		((uint8_t *)to)[i] = (uint8_t)fake_guest_in(PORT_FW_CFG + 1, 1);
}

static uint64_t read_item(uint16_t key, unsigned length)
{
	uint64_t value = 0;

	fake_guest_out(PORT_FW_CFG, 2, key);
	read_bytes(&value, length);
	return value;
}

static void answers_by_ports(void **state)
{
	uint64_t value = read_item(0, 5);

	(void)state;
	assert_memory_equal(&value, "QEMU\0", 5);
	assert_int_equal(read_item(1, 4), 3);
	assert_int_equal(read_item(3, 8), MIB(2) + GIB(1));
	assert_int_equal(read_item(5, 2), 5);
	assert_int_equal(read_item(0xf, 2), 5);
	assert_int_equal(read_item(0x7777, 8), 0);
	assert_int_equal(fake_guest_in(PORT_FW_CFG, 2), 0);
}

/* Looks a file up in the directory; returns its key and size, 0 where it is not there. */
static uint16_t find_file(const char *name, uint32_t *size)
{
	uint32_t count;
	uint16_t found = 0;
	char entry[64];

	fake_guest_out(PORT_FW_CFG, 2, 0x19);
	read_bytes(&count, 4);
	for (unsigned i = 0; i < __builtin_bswap32(count); i++) {
		read_bytes(entry, sizeof(entry));
		if (strcmp(entry + 8, name) != 0)
			continue;
		memcpy(size, entry, 4);
		*size = __builtin_bswap32(*size);
		memcpy(&found, entry + 4, 2);
	}
	return __builtin_bswap16(found);
}

static void has_files(void **state)
{
	struct {
		uint64_t base, length;
		uint32_t type;
	} HV_PACKED entry;
	uint64_t ram = 0;
	uint32_t size = 0;

	(void)state;
	fake_guest_out(PORT_FW_CFG, 2, find_file("etc/e820", &size));
	assert_int_equal(size % sizeof(entry), 0);
	for (unsigned i = 0; i < size / sizeof(entry); i++) {
		fake_guest_out(PORT_FW_CFG, 2, find_file("etc/e820", &size));
		for (unsigned j = 0; j <= i; j++)
			read_bytes(&entry, sizeof(entry));
		ram += entry.type == 1 ? entry.length : 0;
	}
	assert_int_equal(ram, GIB(1) + MIB(1) + 0x9fc00);
	assert_int_equal(read_item(find_file("etc/system-states", &size), 6), 0x850000000080);
	assert_int_equal(size, 6);
	assert_int_equal(find_file("etc/nothing", &size), 0);
}

static uint32_t transfer(uint32_t control, uint32_t length, uint64_t address)
{
	const uint32_t words[] = {__builtin_bswap32(control), __builtin_bswap32(length),
				  __builtin_bswap32((uint32_t)(address >> 32)),
				  __builtin_bswap32((uint32_t)address)};
	uint32_t answer;

	memcpy(fake_guest_ram() + REQUEST, words, sizeof(words));
	fake_guest_out(PORT_FW_CFG_DMA, 4, 0);
	fake_guest_out(PORT_FW_CFG_DMA + 4, 4, __builtin_bswap32(REQUEST));
	memcpy(&answer, fake_guest_ram() + REQUEST, sizeof(answer));
	return __builtin_bswap32(answer);
}

static void answers_by_dma(void **state)
{
	uint64_t ram = MIB(2) + GIB(1);

	(void)state;
	assert_int_equal(fake_guest_in(PORT_FW_CFG_DMA, 4), 0x554d4551);
	assert_int_equal(fake_guest_in(PORT_FW_CFG_DMA + 4, 4), 0x47464320);
	memset(fake_guest_ram() + BUFFER, 0xcc, 32);
	assert_int_equal(transfer(3 << 16 | 8 | 2, 16, BUFFER), 0);
	assert_memory_equal(fake_guest_ram() + BUFFER, &ram, 8);
	assert_memory_equal(fake_guest_ram() + BUFFER + 8, "\0\0\0\0\0\0\0\0\xcc", 9);
	/* Skip, then read on. */
	assert_int_equal(transfer(3 << 16 | 8 | 4, 2, 0), 0);
	assert_int_equal(transfer(2, 1, BUFFER), 0);
	assert_int_equal(fake_guest_ram()[BUFFER], 0x20);
}

static void refuses_bad_dma(void **state)
{
	(void)state;
	assert_int_equal(transfer(3 << 16 | 8 | 16, 8, BUFFER), 1);
	assert_int_equal(transfer(3 << 16 | 8 | 2, 8, MIB(2) - 4), 1);
	assert_int_equal(transfer(3 << 16 | 8 | 2, 8, UINT64_MAX - 3), 1);
	assert_int_equal(transfer(3 << 16 | 8 | 2, UINT32_MAX, BUFFER), 1);
	/* A request that is not in memory is not answered. */
	fake_guest_out(PORT_FW_CFG_DMA, 4, UINT32_MAX);
	fake_guest_out(PORT_FW_CFG_DMA + 4, 4, UINT32_MAX);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(transfer(3 << 16 | 4, UINT32_MAX, 0), 0);
	assert_int_equal(fake_guest_in(PORT_FW_CFG + 1, 1), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_by_ports),
		TEST(has_files),
		TEST(answers_by_dma),
		TEST(refuses_bad_dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
