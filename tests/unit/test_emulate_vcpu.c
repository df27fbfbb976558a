/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/emulate_vcpu.c: the emulator on a vCPU with page tables, RAM, ROM, a device. */
#include "emulate_fixture.h"

#include "vmm/heap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GPR(name) fix.vcpu.gpr[GPR_##name]

static int setup(void **state)
{
	(void)state;
	return fix_setup();
}

static int teardown(void **state)
{
	(void)state;
	hv_free(fix.vcpu.emul_cache);
	bus_destroy(&fix.vm.mmio);
	bus_destroy(&fix.vm.ports);
	return 0;
}

static void put_code(uint64_t gpa, const char *bytes, size_t length)
{
	memcpy(guest_memory(gpa), bytes, length);
}

/* The instruction in a string literal, at RIP. */
#define CODE(literal) put_code(fix.vcpu.rip, literal, sizeof(literal) - 1)

static void executes(unsigned length)
{
	uint64_t rip = fix.vcpu.rip;

	assert_int_equal(vcpu_emulate(&fix.vcpu), 0);
	assert_int_equal(fix.injected.count, 0);
	assert_int_equal(fix.vcpu.rip, rip + length);
}

static void faults(uint8_t vector, uint32_t error_code, uint64_t address)
{
	uint64_t rip = fix.vcpu.rip;
	unsigned count = fix.injected.count;

	assert_int_equal(vcpu_emulate(&fix.vcpu), 0);
	assert_int_equal(fix.injected.count, count + 1);
	assert_int_equal(fix.injected.vector, vector);
	assert_int_equal(fix.injected.error_code, error_code);
	assert_int_equal(fix.injected.address, address);
	assert_int_equal(fix.vcpu.rip, rip);
}

static void reads_a_device(void **state)
{
	(void)state;
	CODE("\x8b\x01"); /* mov eax, [rcx] */
	GPR(RAX) = ~0ull;
	GPR(RCX) = DEVICE_BASE + 0x10;
	fix.vcpu.interrupt_shadow = true;
	executes(2);
	assert_int_equal(GPR(RAX), 0x55667798);
	assert_int_equal(fix.device.offset, 0x10);
	assert_int_equal(fix.device.size, 4);
	assert_int_equal(fix.device.reads, 1);
	assert_false(fix.vcpu.interrupt_shadow);
}

static void writes_a_device_in_all_sizes(void **state)
{
	static const struct {
		const char *code;
		unsigned length, size;
	} stores[] = {{"\x88\x01", 2, 1},
		      {"\x66\x89\x01", 3, 2},
		      {"\x89\x01", 2, 4},
		      {"\x48\x89\x01", 3, 8}};

	(void)state;
	GPR(RAX) = 0x8877665544332211;
	GPR(RCX) = DEVICE_BASE + 8;
	for (unsigned i = 0; i < ARRAY_SIZE(stores); i++) {
		put_code(fix.vcpu.rip, stores[i].code, stores[i].length);
		executes(stores[i].length);
		assert_int_equal(fix.device.size, stores[i].size);
		assert_int_equal(fix.device.value, GPR(RAX) & mask_of_bytes(stores[i].size));
		assert_int_equal(fix.device.writes, i + 1);
	}
}

static void modifies_a_device_with_one_read_and_one_write(void **state)
{
	(void)state;
	CODE("\xf0\x81\x09\x01\x00\x00\x00"); /* lock or dword [rcx], 1 */
	GPR(RCX) = DEVICE_BASE;
	executes(7);
	assert_int_equal(fix.device.reads, 1);
	assert_int_equal(fix.device.writes, 1);
	assert_int_equal(fix.device.value, 0x55667789);
}

static void moves_strings_between_memory_and_device(void **state)
{
	(void)state;
	CODE("\xf3\xa5"); /* rep movsd */
	memcpy(guest_memory(DATA_PAGE), "abcdefgh", 8);
	GPR(RSI) = DATA_PAGE;
	GPR(RDI) = DEVICE_BASE;
	GPR(RCX) = 2;
	executes(2);
	assert_int_equal(fix.device.writes, 2);
	assert_int_equal(fix.device.offset, 4);
	assert_memory_equal(&fix.device.value, "efgh", 4);
	CODE("\xa5");
	GPR(RSI) = DEVICE_BASE;
	GPR(RDI) = DATA_PAGE;
	executes(1);
	assert_int_equal(*(uint32_t *)guest_memory(DATA_PAGE), 0x55667788);
}

static void changes_memory_under_lock(void **state)
{
	uint64_t *word = guest_memory(DATA_PAGE);

	(void)state;
	*word = 0x1111111111111111;
	CODE("\xf0\x66\x01\x01"); /* lock add [rcx], ax: inside a word of eight bytes */
	GPR(RAX) = 0x0202;
	GPR(RCX) = DATA_PAGE + 3;
	executes(4);
	assert_int_equal(*word, 0x1111111313111111);
	CODE("\x48\x87\x01"); /* xchg [rcx], rax across two */
	GPR(RAX) = 0xa5a5a5a5a5a5a5a5;
	executes(3);
	assert_int_equal(*word, 0xa5a5a5a5a5111111);
	assert_int_equal(GPR(RAX), 0x0000001111111313);
	CODE("\x66\x87\x01"); /* one byte in each */
	GPR(RAX) = 0x1234;
	GPR(RCX) = DATA_PAGE + 7;
	executes(3);
	assert_int_equal(word[0] >> 56, 0x34);
	assert_int_equal(word[1] & 0xff, 0x12);
}

static void gives_rom_writes_to_the_bus(void **state)
{
	(void)state;
	CODE("\x88\x01");
	GPR(RCX) = ROM_BASE;
	executes(2);
	assert_int_equal(fix.vm.mmio.unclaimed_writes, 1);
	CODE("\x8b\x01");
	memcpy(guest_memory(RAM_SIZE), "ROM!", 4);
	executes(2);
	assert_memory_equal(&GPR(RAX), "ROM!\0\0\0", 8);
	GPR(RCX) = 0x280000; /* nothing */
	CODE("\x8b\x01");
	executes(2);
	assert_int_equal(GPR(RAX), 0xffffffff);
}

static void splits_accesses_at_pages(void **state)
{
	(void)state;
	CODE("\x48\x89\x01");
	GPR(RAX) = 0x8877665544332211;
	GPR(RCX) = DATA_PAGE + 0xffd; /* three bytes in memory, five in the device */
	map_page(DATA_PAGE + PAGE_SIZE, DEVICE_BASE, PTE_RW);
	executes(3);
	assert_memory_equal((uint8_t *)guest_memory(DATA_PAGE) + 0xffd, "\x11\x22\x33", 3);
	assert_int_equal(fix.device.writes, 5);
	assert_int_equal(fix.device.offset, 4);
	assert_int_equal(fix.device.value, 0x88);
	CODE("\x48\x8b\x01");
	executes(3);
	assert_int_equal(GPR(RAX) & 0xffffffff, 0x88332211);
	/* Where the second page faults, the first is not written. */
	map_page(DATA_PAGE + PAGE_SIZE, 0, 0);
	CODE("\x48\x89\x01");
	GPR(RAX) = 0;
	faults(VECTOR_PF, WALK_WRITE, DATA_PAGE + PAGE_SIZE);
	assert_memory_equal((uint8_t *)guest_memory(DATA_PAGE) + 0xffd, "\x11\x22\x33", 3);
}

static void keeps_user_code_to_its_rights(void **state)
{
	(void)state;
	set_mode(8, 3);
	map_page(DATA_PAGE, DEVICE_BASE, PTE_P | PTE_W);
	GPR(RCX) = DATA_PAGE + 4;
	CODE("\x8b\x01");
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_USER, DATA_PAGE + 4);
	CODE("\x89\x01");
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_USER | WALK_WRITE, DATA_PAGE + 4);
	map_page(DATA_PAGE, DEVICE_BASE, PTE_P | PTE_U);
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_USER | WALK_WRITE, DATA_PAGE + 4);
	CODE("\x8b\x01");
	assert_int_equal(fix.device.reads + fix.device.writes, 0);
	assert_int_equal(vcpu_emulate(&fix.vcpu), 0);
	assert_int_equal(fix.device.reads, 1);
	/* The kernel is kept from writing by CR0.WP. */
	set_mode(8, 0);
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x89\x01");
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_WRITE, DATA_PAGE + 4);
}

static void fetches_across_pages_only_where_it_must(void **state)
{
	(void)state;
	GPR(RCX) = DEVICE_BASE;
	map_page(CODE_PAGE + PAGE_SIZE, 0, 0);
	fix.vcpu.rip = CODE_PAGE + 0xffe;
	CODE("\x8b\x01");
	executes(2);
	fix.vcpu.rip = CODE_PAGE + 0xffe;
	CODE("\x8b\x41"); /* mov eax, [rcx + 8], with its last byte in the next page */
	faults(VECTOR_PF, WALK_FETCH, CODE_PAGE + PAGE_SIZE);
	assert_int_equal(vcpu_instruction_length(&fix.vcpu), 0);
	assert_int_equal(fix.injected.count, 2);
	fix.injected.count = 0;
	map_page(CODE_PAGE + PAGE_SIZE, DATA_PAGE, PTE_RW);
	*(uint8_t *)guest_memory(DATA_PAGE) = 8;
	executes(3);
	assert_int_equal(fix.device.offset, 8);
}

static void takes_the_bytes_that_hardware_saved(void **state)
{
	(void)state;
	GPR(RCX) = DEVICE_BASE;
	CODE("\xcc");
	memcpy(fix.hardware_bytes, "\x8b\x01\xcc", 3);
	fix.hardware_length = 3;
	executes(2);
	/* Too few: the rest comes from memory. */
	CODE("\xcc\x41\x20");
	fix.hardware_length = 1;
	executes(3);
	assert_int_equal(fix.device.offset, 0x20);
}

static void checks_the_code_segment(void **state)
{
	(void)state;
	set_mode(4, 0);
	GPR(RCX) = DEVICE_BASE;
	fix.segments[SEG_CS].base = CODE_PAGE;
	fix.segments[SEG_CS].limit = 0x101;
	put_code(CODE_PAGE + 0x100, "\x8b\x41\x04", 3);
	fix.vcpu.rip = 0x100;
	faults(VECTOR_GP, 0, 0);
	fix.injected.count = 0;
	fix.segments[SEG_CS].limit = 0x102;
	executes(3);
	assert_int_equal(fix.device.offset, 4);
	put_code(CODE_PAGE + 0x102, "\xee", 1); /* out dx, al */
	fix.vcpu.rip = 0x102;
	executes(1);
	faults(VECTOR_GP, 0, 0);
}

static void wraps_linear_addresses_outside_64_bit_code(void **state)
{
	(void)state;
	set_mode(4, 0);
	put_code(CODE_PAGE, "\x8b\x01", 2);
	memcpy(guest_memory(0), "\x33\x44", 2);
	GPR(RCX) = 0xffffffe;
	fix.segments[SEG_DS].base = 0xf0000000;
	executes(2); /* two bytes below 4 GiB, where nobody answers, and two from 0 up */
	assert_int_equal(GPR(RAX), 0x4433ffff);
}

static void stops_for_unknown_instructions_of_the_kernel_alone(void **state)
{
	(void)state;
	CODE("\x0f\x10\x01"); /* movups */
	GPR(RCX) = DEVICE_BASE;
	assert_int_equal(vcpu_emulate(&fix.vcpu), -ENOTSUP);
	assert_int_equal(fix.injected.count, 0);
	assert_int_equal(fix.vcpu.rip, CODE_PAGE);
	set_mode(8, 3);
	faults(VECTOR_UD, 0, 0);
	set_mode(8, 0);
	fix.vcpu.rip = DEVICE_BASE; /* no memory to execute */
	assert_int_equal(vcpu_emulate(&fix.vcpu), -ENOTSUP);
}

static void traps_after_a_single_step(void **state)
{
	(void)state;
	CODE("\x8b\x01");
	GPR(RCX) = DEVICE_BASE;
	fix.vcpu.rflags |= RFLAGS_TF;
	fix.regs[REG_DR6] = 0xffff0ff0;
	assert_int_equal(vcpu_emulate(&fix.vcpu), 0);
	assert_int_equal(fix.injected.count, 1);
	assert_int_equal(fix.injected.vector, VECTOR_DB);
	assert_int_equal(fix.vcpu.rip, CODE_PAGE + 2);
	assert_int_equal(fix.regs[REG_DR6], 0xffff4ff0);
}

static void moves_strings_through_ports(void **state)
{
	(void)state;
	CODE("\xf3\x6e"); /* rep outsb */
	memcpy(guest_memory(DATA_PAGE), "xyz", 3);
	GPR(RDX) = 0x81;
	GPR(RSI) = DATA_PAGE;
	GPR(RCX) = 3;
	executes(2);
	assert_int_equal(fix.port.writes, 3);
	assert_int_equal(fix.port.value, 'z');
	assert_int_equal(fix.port.offset, 1);
	CODE("\x66\x6d"); /* insw */
	GPR(RDI) = DATA_PAGE;
	executes(2);
	assert_int_equal(*(uint16_t *)guest_memory(DATA_PAGE), 0x7789);
	/* A port is not read where its value could not be stored. */
	CODE("\x6d");
	map_page(DATA_PAGE, 0, 0);
	faults(VECTOR_PF, WALK_WRITE, DATA_PAGE + 2);
	assert_int_equal(fix.port.reads, 1);
}

static void asks_the_tss_about_ports(void **state)
{
	uint8_t *tss = guest_memory(TSS_BASE);

	(void)state;
	set_mode(8, 3);
	CODE("\xec"); /* in al, dx */
	GPR(RDX) = 0x81;
	map_page(TSS_BASE, TSS_BASE, PTE_P); /* the kernel's: an access of the processor's own */
	tss[0x66] = 0x68;
	tss[0x68 + 0x10] = 0x02;
	faults(VECTOR_GP, 0, 0);
	fix.vcpu.rflags |= 3 << 12; /* IOPL 3 */
	fix.injected.count = 0;
	executes(1);
	fix.vcpu.rflags &= ~RFLAGS_IOPL;
	tss[0x68 + 0x10] = 0xfd;
	fix.vcpu.rip = CODE_PAGE;
	executes(1);
	fix.segments[SEG_TR].limit = 0x78; /* the second byte is beyond */
	fix.vcpu.rip = CODE_PAGE;
	faults(VECTOR_GP, 0, 0);
	fix.segments[SEG_TR].limit = 0x2067;
	fix.segments[SEG_TR].attributes = 0x83; /* a 16-bit TSS has no map */
	faults(VECTOR_GP, 0, 0);
	fix.segments[SEG_TR].attributes = 0x8b;
	/* The processor's own reads respect SMAP, whatever AC says. */
	fix.regs[REG_CR4] |= CR4_SMAP;
	fix.vcpu.rflags |= RFLAGS_AC;
	map_page(TSS_BASE, TSS_BASE, PTE_P | PTE_U);
	faults(VECTOR_PF, PF_ERROR_PRESENT, TSS_BASE + 0x66);
	map_page(TSS_BASE, 0, 0);
	faults(VECTOR_PF, 0, TSS_BASE + 0x66);
}

static void asks_the_tss_in_virtual_8086_mode_whatever_iopl_is(void **state)
{
	uint8_t *tss = guest_memory(TSS_BASE);

	(void)state;
	set_mode(2, 3);
	fix.vcpu.rflags |= RFLAGS_VM | RFLAGS_IOPL;
	CODE("\xec");
	GPR(RDX) = 0x81;
	tss[0x66] = 0x68;
	tss[0x68 + 0x10] = 0x02;
	faults(VECTOR_GP, 0, 0);
	fix.injected.count = 0;
	tss[0x68 + 0x10] = 0;
	executes(1);
}

/* A page that was read may not be written for that. */
static void checks_the_right_to_write_in_each_round(void **state)
{
	uint8_t *memory = guest_memory(DATA_PAGE);

	(void)state;
	CODE("\xf3\xa4"); /* from a page that cannot be written into it, by way of the one before */
	memory[PAGE_SIZE] = 'a';
	memory[PAGE_SIZE + 1] = 'b';
	map_page(DATA_PAGE + PAGE_SIZE, DATA_PAGE + PAGE_SIZE, PTE_P);
	GPR(RSI) = DATA_PAGE + PAGE_SIZE;
	GPR(RDI) = DATA_PAGE + PAGE_SIZE - 1;
	GPR(RCX) = 2;
	executes(0);
	assert_int_equal(GPR(RCX), 1);
	assert_int_equal(memory[PAGE_SIZE - 1], 'a');
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_WRITE, DATA_PAGE + PAGE_SIZE);
	assert_int_equal(memory[PAGE_SIZE], 'a');
}

/* What the processor may read for itself stays closed to the instruction. */
static void forgets_the_kernels_translations(void **state)
{
	(void)state;
	set_mode(8, 3);
	CODE("\x6e"); /* outsb from the TSS's page */
	GPR(RDX) = 0x80;
	GPR(RSI) = TSS_BASE + 0x100;
	map_page(TSS_BASE, TSS_BASE, PTE_P);
	((uint8_t *)guest_memory(TSS_BASE))[0x66] = 0x68;
	faults(VECTOR_PF, PF_ERROR_PRESENT | WALK_USER, TSS_BASE + 0x100);
	assert_int_equal(fix.port.writes, 0);
}

static void moves_control_registers(void **state)
{
	(void)state;
	CODE("\x0f\x20\xe0"); /* mov rax, cr4 */
	executes(3);
	assert_int_equal(GPR(RAX), 4);
	CODE("\x0f\x22\xe0");
	fix.refuse_cr = true;
	faults(VECTOR_GP, 0, 0);
	assert_true(fix.injected.has_error_code);
	fix.refuse_cr = false;
	set_mode(8, 3);
	faults(VECTOR_GP, 0, 0);
}

static void measures_instructions(void **state)
{
	(void)state;
	CODE("\x0f\xa2"); /* cpuid */
	assert_int_equal(vcpu_instruction_length(&fix.vcpu), 2);
	CODE("\x48\x0f\xc7\x30"); /* any instruction has a length */
	assert_int_equal(vcpu_instruction_length(&fix.vcpu), 4);
	assert_int_equal(fix.injected.count, 0);
	CODE("\xf0\x90");
	assert_int_equal(vcpu_instruction_length(&fix.vcpu), 0);
	assert_int_equal(fix.injected.vector, VECTOR_UD);
}

/* Decoded instructions are kept; what counts is what stands at RIP now. */
static void executes_the_bytes_of_now(void **state)
{
	(void)state;
	GPR(RCX) = DEVICE_BASE;
	CODE("\x48\x8b\x01"); /* mov rax, [rcx] */
	executes(3);
	assert_int_equal(fix.device.size, 8);
	fix.vcpu.rip = CODE_PAGE;
	executes(3);
	assert_int_equal(fix.device.reads, 2);
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\x8b\x41\x10");
	executes(4);
	assert_int_equal(fix.device.offset, 0x10);
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\x8b\x41\x18");
	executes(4);
	assert_int_equal(fix.device.offset, 0x18);
	/* The ninth byte and later count as well. */
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\xc7\x81\x20\x00\x00\x00\x01\x00\x00\x00"); /* mov qword [rcx + 32], 1 */
	executes(11);
	assert_int_equal(fix.device.value, 1);
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\xc7\x81\x20\x00\x00\x00\x01\x00\x00\x01");
	executes(11);
	assert_int_equal(fix.device.value, 0x1000001);
	/* A byte that was not fetched yet is none. */
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\x8b\x41\x00");
	executes(4);
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\x8b\x41\x30");
	memcpy(fix.hardware_bytes, "\x48\x8b\x41", 3);
	fix.hardware_length = 3;
	executes(4);
	assert_int_equal(fix.device.offset, 0x30);
	fix.hardware_length = 0;
	/* The same bytes in 32-bit code are two instructions. */
	fix.vcpu.rip = CODE_PAGE;
	CODE("\x48\x8b\x01");
	executes(3);
	fix.vcpu.rip = CODE_PAGE;
	set_mode(4, 0);
	executes(1);
	assert_int_equal(GPR(RAX), 0x55667787);
}

static void does_without_memory_for_decoded_instructions(void **state)
{
	(void)state;
	GPR(RCX) = DEVICE_BASE;
	fake_heap_fail_after(0);
	for (unsigned i = 0; i < 3; i++) {
		fix.vcpu.rip = CODE_PAGE;
		CODE("\x8b\x01");
		executes(2);
	}
	assert_int_equal(fix.device.reads, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_a_device),
		TEST(writes_a_device_in_all_sizes),
		TEST(modifies_a_device_with_one_read_and_one_write),
		TEST(moves_strings_between_memory_and_device),
		TEST(changes_memory_under_lock),
		TEST(gives_rom_writes_to_the_bus),
		TEST(splits_accesses_at_pages),
		TEST(keeps_user_code_to_its_rights),
		TEST(fetches_across_pages_only_where_it_must),
		TEST(takes_the_bytes_that_hardware_saved),
		TEST(checks_the_code_segment),
		TEST(wraps_linear_addresses_outside_64_bit_code),
		TEST(stops_for_unknown_instructions_of_the_kernel_alone),
		TEST(traps_after_a_single_step),
		TEST(moves_strings_through_ports),
		TEST(asks_the_tss_about_ports),
		TEST(asks_the_tss_in_virtual_8086_mode_whatever_iopl_is),
		TEST(checks_the_right_to_write_in_each_round),
		TEST(forgets_the_kernels_translations),
		TEST(moves_control_registers),
		TEST(measures_instructions),
		TEST(executes_the_bytes_of_now),
		TEST(does_without_memory_for_decoded_instructions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
