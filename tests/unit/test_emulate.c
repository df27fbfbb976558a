/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator against Unicorn: every instruction form with random operands, registers, flags and
 * prefixes in 16-, 32- and 64-bit code, executed by both on the same memory. What the manuals leave
 * undefined is not compared. Unicorn checks no segments, so those are in test_emulate_rules.c.
 */
#include "vmm/emulate_internal.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "emulate_forms.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#define MEMORY_SIZE 0x20000
#define CODE_BASE   0x1f000
#define ROUNDS	    400 /* of each form in each mode */

/* Unicorn frees little of what it allocates. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn\n";
}

/* ---- random ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned limit)
{
	return (unsigned)((random_u64() >> 32) % limit);
}

static bool percent(unsigned chance)
{
	return below(100) < chance;
}

/* ---- one machine for the emulator ---- */

struct machine {
	struct emulation emulation;
	uint64_t gpr[GPR_COUNT];
	struct segment segments[SEG_GS + 1];
	uint64_t port_log; /* a digest of what was done to ports */
};

static uint8_t our_memory[MEMORY_SIZE];
static uint8_t their_memory[MEMORY_SIZE] __attribute__((aligned(4096)));

/* Both machines' ports: what they answer depends on the port alone, so repeated input varies by
 * nothing but its count, which registers show. */
static uint64_t port_value(uint16_t port, unsigned size)
{
	return (0x9e3779b97f4a7c15ull * (port + 1u) >> 7) & mask_of_bytes(size);
}

static uint64_t digest(uint64_t log, uint16_t port, unsigned size, uint64_t value)
{
	return (log ^ (port + ((uint64_t)size << 16) + (value << 20))) * 0x100000001b3ull;
}

static int fault_page(struct emulation *emulation, uint64_t linear)
{
	emulation->fault = (struct emul_fault){.vector = VECTOR_PF, .address = linear};
	return -EFAULT;
}

static int machine_probe(struct emulation *emulation, uint64_t linear, unsigned size)
{
	if (linear > MEMORY_SIZE - size)
		return fault_page(emulation, linear);
	return 0;
}

static int machine_read(struct emulation *emulation, uint64_t linear, unsigned size,
			uint64_t *value)
{
	*value = 0;
	if (machine_probe(emulation, linear, size) != 0)
		return -EFAULT;
	memcpy(value, our_memory + linear, size);
	return 0;
}

static int machine_write(struct emulation *emulation, uint64_t linear, unsigned size,
			 uint64_t value)
{
	if (machine_probe(emulation, linear, size) != 0)
		return -EFAULT;
	memcpy(our_memory + linear, &value, size);
	return 0;
}

static int machine_exchange(struct emulation *emulation, uint64_t linear, unsigned size,
			    uint64_t expected, uint64_t desired)
{
	uint64_t now;

	assert_int_equal(machine_read(emulation, linear, size, &now), 0);
	assert_int_equal(now, expected);
	return machine_write(emulation, linear, size, desired);
}

static int machine_port_check(struct emulation *emulation, uint16_t port, unsigned size)
{
	(void)emulation, (void)port, (void)size;
	return 0;
}

static int machine_port_in(struct emulation *emulation, uint16_t port, unsigned size,
			   uint64_t *value)
{
	struct machine *machine = emulation->context;

	*value = port_value(port, size);
	machine->port_log = digest(machine->port_log, port, size, 0);
	return 0;
}

static int machine_port_out(struct emulation *emulation, uint16_t port, unsigned size,
			    uint64_t value)
{
	struct machine *machine = emulation->context;

	machine->port_log = digest(machine->port_log, port, size, value);
	return 0;
}

static const struct segment *machine_segment(struct emulation *emulation, enum vcpu_seg seg)
{
	struct machine *machine = emulation->context;

	return &machine->segments[seg];
}

static const struct emul_ops machine_ops = {
	.read = machine_read,
	.write = machine_write,
	.probe_write = machine_probe,
	.exchange = machine_exchange,
	.port_check = machine_port_check,
	.port_in = machine_port_in,
	.port_out = machine_port_out,
	.segment = machine_segment,
};

/* ---- one test case ---- */

struct test_case {
	const struct form *form;
	unsigned width;
	uint8_t bytes[16];
	unsigned length;
	struct insn insn;
	bool rex_w, operand_prefix, address_prefix;
};

static void put(struct test_case *test, uint64_t value, unsigned size)
{
	memcpy(test->bytes + test->length, &value, size);
	test->length += size;
}

static unsigned operand_size(const struct test_case *test)
{
	bool wide = test->width != 2;

	if (test->rex_w)
		return 8;
	return wide != test->operand_prefix ? 4 : 2;
}

static unsigned address_size(const struct test_case *test)
{
	if (test->width == 8)
		return test->address_prefix ? 4 : 8;
	return (test->width == 4) != test->address_prefix ? 4 : 2;
}

static void put_prefixes(struct test_case *test, bool lock)
{
	static const uint8_t segments[] = {0x26, 0x36, 0x3e, 0x64, 0x65};

	test->operand_prefix = !(test->form->traits & NO_66) && percent(30);
	test->address_prefix = percent(20);
	if (test->operand_prefix)
		put(test, 0x66, 1);
	if (test->address_prefix)
		put(test, 0x67, 1);
	if (percent(25))
		put(test, segments[test->width == 8 ? 3 + below(2) : below(5)], 1);
	if (lock)
		put(test, 0xf0, 1);
	if ((test->form->traits & STRING) && percent(60))
		put(test, 0xf2 + below(2), 1);
	if (test->width == 8 && percent(60)) {
		uint8_t rex = (uint8_t)(0x40 | below(16));

		/* Unicorn minds REX.R beside an opcode extension, a processor does not. */
		if (test->form->digit >= 0)
			rex &= ~4;
		test->rex_w = rex & 8;
		put(test, rex, 1);
	}
}

static void put_displacement(struct test_case *test, unsigned size, bool rip_relative)
{
	uint64_t value = below(0x1000);

	if (rip_relative)
		value -= CODE_BASE - 0x2000;
	put(test, value, size);
}

static void put_modrm(struct test_case *test, bool memory)
{
	bool wide = address_size(test) != 2;
	unsigned mod = memory ? below(3) : 3, rm = below(8);
	unsigned reg = test->form->digit >= 0 ? (unsigned)test->form->digit : below(8);
	unsigned base = rm;

	put(test, mod << 6 | reg << 3 | rm, 1);
	if (mod == 3)
		return;
	if (wide && rm == 4) {
		base = below(8);
		put(test, (below(256) & ~7u) | base, 1);
	}
	if (mod == 1)
		put(test, below(256), 1);
	else if (mod == 2)
		put_displacement(test, wide ? 4 : 2, false);
	else if (wide && base == 5)
		put_displacement(test, 4, test->width == 8 && rm == 5);
	else if (!wide && rm == 6)
		put_displacement(test, 2, false);
}

static void encode(struct test_case *test, const struct form *form, unsigned width)
{
	bool memory = percent(80) || (form->traits & MEMORY);
	bool lock = memory && (form->traits & LOCK) && percent(25);

	*test = (struct test_case){.form = form, .width = width};
	put_prefixes(test, lock);
	if (form->opcode > 0xff)
		put(test, 0x0f, 1);
	put(test, form->opcode & 0xff, 1);
	if (!(form->traits & PLAIN))
		put_modrm(test, memory);
	if (form->traits & MOFFS)
		put_displacement(test, address_size(test), false);
	if (form->traits & IMM8)
		put(test, random_u64(), 1);
	if (form->traits & IMM)
		put(test, random_u64(), operand_size(test) == 2 ? 2 : 4);
}

/* ---- state for both ---- */

/* Makes the address-sized part of a register point into memory; the rest stays garbage. */
static void point(struct machine *machine, unsigned gpr, unsigned size, uint64_t to)
{
	uint64_t mask = mask_of_bytes(size);

	if (gpr < GPR_COUNT)
		machine->gpr[gpr] = (machine->gpr[gpr] & ~mask) | (to & mask);
}

static void aim_registers(struct machine *machine, const struct test_case *test)
{
	const struct insn *insn = &test->insn;
	unsigned stack = test->width;

	if (test->form->traits & STRING) {
		point(machine, GPR_RSI, insn->address, 0x4000 + below(0x1000));
		point(machine, GPR_RDI, insn->address, 0x5000 + below(0x1000));
		point(machine, GPR_RCX, insn->address, below(percent(50) ? 4 : 150));
		return;
	}
	if (test->form->traits & BIT)
		point(machine, insn->operands[1].index, insn->size, below(0x8000) - 0x4000ull);
	point(machine, GPR_RSP, stack, 0x3000 + below(0x100));
	if (insn->operands[0].kind != OPERAND_MEMORY && insn->operands[1].kind != OPERAND_MEMORY)
		return;
	point(machine, insn->base, insn->address, 0x1000 + below(0x1000));
	point(machine, insn->index, insn->address, 0x1000 + below(0x1000));
}

static void make_segments(struct machine *machine, unsigned width)
{
	static const uint16_t selectors[] = {0x180, CODE_BASE / 16, 0x80, 0x100, 0x200, 0x280};
	uint32_t attributes = 0x93;

	if (width == 8)
		attributes |= SEG_ATTR_LONG;
	if (width == 4)
		attributes |= SEG_ATTR_DEFAULT_32;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		struct segment *segment = &machine->segments[i];

		*segment = (struct segment){.attributes = attributes, .limit = UINT32_MAX};
		if (width == 2)
			*segment = (struct segment){.selector = selectors[i],
						    .attributes = attributes,
						    .limit = 0xffff,
						    .base = selectors[i] * 16ull};
	}
	machine->segments[SEG_CS].attributes |= 1u << 3;
	if (width == 8) {
		machine->segments[SEG_FS].base = 0x2000;
		machine->segments[SEG_GS].base = 0x3000;
	}
}

static void make_machine(struct machine *machine, const struct test_case *test)
{
	memset(machine, 0, sizeof(*machine));
	for (unsigned i = 0; i < GPR_COUNT; i++)
		machine->gpr[i] = test->width == 8 ? random_u64() : (uint32_t)random_u64();
	make_segments(machine, test->width);
	aim_registers(machine, test);
	machine->emulation = (struct emulation){
		.ops = &machine_ops,
		.context = machine,
		.gpr = machine->gpr,
		.rip = test->width == 2 ? 0 : CODE_BASE,
		.rflags = RFLAGS_FIXED | (random_u64() & FLAGS_SET),
		.cr0 = test->width == 2 ? 0 : CR0_PE,
		.efer = test->width == 8 ? EFER_LMA : 0,
	};
}

/* ---- Unicorn ---- */

static const int uc_gprs[GPR_COUNT] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
	UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
	UC_X86_REG_R8,	UC_X86_REG_R9,	UC_X86_REG_R10, UC_X86_REG_R11,
	UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

static const int uc_gprs_32[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
	UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI,
};

static uint64_t uc_port_log;

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
	(void)uc, (void)data;
	uc_port_log = digest(uc_port_log, (uint16_t)port, (unsigned)size, 0);
	return (uint32_t)port_value((uint16_t)port, (unsigned)size);
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
	(void)uc, (void)data;
	uc_port_log = digest(uc_port_log, (uint16_t)port, (unsigned)size, value);
}

static uc_engine *open_unicorn(unsigned width)
{
	uc_mode mode = width == 8 ? UC_MODE_64 : width == 4 ? UC_MODE_32 : UC_MODE_16;
	uc_engine *uc;
	uc_hook hook;

	assert_int_equal(uc_open(UC_ARCH_X86, mode, &uc), UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(uc, 0, MEMORY_SIZE, UC_PROT_ALL, their_memory), UC_ERR_OK);
	uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_in, NULL, 1, 0, UC_X86_INS_IN);
	uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_out, NULL, 1, 0, UC_X86_INS_OUT);
	return uc;
}

static void load_unicorn(uc_engine *uc, const struct machine *machine, unsigned width)
{
	static const int segments[] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
				       UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};

	for (unsigned i = 0; i < (width == 8 ? 16u : 8u); i++)
		uc_reg_write(uc, width == 8 ? uc_gprs[i] : uc_gprs_32[i], &machine->gpr[i]);
	uc_reg_write(uc, UC_X86_REG_EFLAGS, &machine->emulation.rflags);
	if (width == 2) {
		for (unsigned i = SEG_ES; i <= SEG_GS; i++)
			uc_reg_write(uc, segments[i], &machine->segments[i].selector);
	} else if (width == 8) {
		uc_reg_write(uc, UC_X86_REG_FS_BASE, &machine->segments[SEG_FS].base);
		uc_reg_write(uc, UC_X86_REG_GS_BASE, &machine->segments[SEG_GS].base);
	}
	uc_port_log = machine->port_log;
}

/* ---- comparison ---- */

static void describe(const struct test_case *test, const struct machine *before)
{
	print_error("%s in %u-bit code:", test->form->name, test->width * 8);
	for (unsigned i = 0; i < test->length; i++)
		print_error(" %02x", test->bytes[i]);
	print_error("\nflags %llx", (unsigned long long)before->emulation.rflags);
	for (unsigned i = 0; i < GPR_COUNT; i++)
		print_error(" r%u=%llx", i, (unsigned long long)before->gpr[i]);
	print_error("\n");
}

static bool same_state(uc_engine *uc, const struct machine *after, const struct test_case *test)
{
	uint64_t mask = FLAGS_SET & ~test->form->undefined;
	uint64_t flags = 0, rip = 0;
	bool same = true;

	for (unsigned i = 0; i < (test->width == 8 ? 16u : 8u); i++) {
		uint64_t value = 0;

		uc_reg_read(uc, test->width == 8 ? uc_gprs[i] : uc_gprs_32[i], &value);
		if (value != after->gpr[i]) {
			print_error("r%u is %llx, expected %llx\n", i,
				    (unsigned long long)after->gpr[i], (unsigned long long)value);
			same = false;
		}
	}
	uc_reg_read(uc, UC_X86_REG_EFLAGS, &flags);
	uc_reg_read(uc, test->width == 8 ? UC_X86_REG_RIP : UC_X86_REG_EIP, &rip);
	if ((flags ^ after->emulation.rflags) & mask || rip != after->emulation.rip) {
		print_error("flags %llx rip %llx, expected %llx %llx\n",
			    (unsigned long long)after->emulation.rflags,
			    (unsigned long long)after->emulation.rip, (unsigned long long)flags,
			    (unsigned long long)rip);
		same = false;
	}
	if (memcmp(our_memory, their_memory, MEMORY_SIZE) != 0 || uc_port_log != after->port_log) {
		print_error("memory or ports differ\n");
		same = false;
	}
	return same;
}

static enum emul_result run_ours(struct machine *machine, const struct test_case *test)
{
	enum emul_result result;
	unsigned calls = 0;

	do {
		result = emulate(&machine->emulation, test->bytes, test->length);
		assert_in_range(++calls, 1, 10);
	} while (result == EMUL_CONTINUE);
	return result;
}

/* Returns whether the instruction completed in both. */
static bool run_case(uc_engine *uc, const struct test_case *test)
{
	struct machine before, after;
	enum emul_result result;
	uc_err error;

	make_machine(&before, test);
	memcpy(our_memory + CODE_BASE, test->bytes, sizeof(test->bytes));
	memcpy(their_memory + CODE_BASE, test->bytes, sizeof(test->bytes));
	uc_ctl_remove_cache(uc, CODE_BASE, CODE_BASE + 64);
	after = before;
	after.emulation.gpr = after.gpr;
	after.emulation.context = &after;
	result = run_ours(&after, test);
	if (result == EMUL_FAULT && after.emulation.fault.vector != VECTOR_PF) {
		/* A limit or a canonical check, of which Unicorn makes none. */
		assert_int_not_equal(after.emulation.fault.vector, VECTOR_UD);
		memcpy(our_memory, their_memory, MEMORY_SIZE);
		return false;
	}
	load_unicorn(uc, &before, test->width);
	error = uc_emu_start(uc, CODE_BASE, CODE_BASE + test->length, 0, 0);
	if (result == EMUL_FAULT && error != UC_ERR_OK) {
		memcpy(their_memory, our_memory, MEMORY_SIZE);
		return false;
	}
	if (result != EMUL_DONE || error != UC_ERR_OK || !same_state(uc, &after, test)) {
		print_error("result %d, Unicorn: %s\n", (int)result, uc_strerror(error));
		describe(test, &before);
		fail();
	}
	return true;
}

static void run_mode(unsigned width)
{
	uc_engine *uc = open_unicorn(width);

	random_state = 0x1234567 + width;
	for (unsigned i = 0; i < MEMORY_SIZE; i++)
		our_memory[i] = (uint8_t)random_u64();
	memcpy(their_memory, our_memory, MEMORY_SIZE);
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		unsigned completed = 0;

		if ((forms[i].traits & LONG) && width != 8)
			continue;
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct test_case test;

			do {
				encode(&test, &forms[i], width);
			} while (test.length > 15);
			if (emul_decode(&test.insn, test.bytes, test.length, width) != 0) {
				struct machine none = {0};

				describe(&test, &none);
				fail_msg("not decoded");
			}
			completed += run_case(uc, &test);
		}
		/* Most must get through, or nothing was compared. */
		if (completed < ROUNDS / 2)
			fail_msg("%s: %u of %u completed", forms[i].name, completed, ROUNDS);
	}
	uc_close(uc);
}

static void agrees_in_16_bit_code(void **state)
{
	(void)state;
	run_mode(2);
}

static void agrees_in_32_bit_code(void **state)
{
	(void)state;
	run_mode(4);
}

static void agrees_in_64_bit_code(void **state)
{
	(void)state;
	run_mode(8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_in_16_bit_code),
		cmocka_unit_test(agrees_in_32_bit_code),
		cmocka_unit_test(agrees_in_64_bit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
