/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules around instructions that another emulator does not check: segments, canonical
 * addresses, privilege, LOCK, faults that leave everything as it was, rounds of string
 * instructions, lengths.
 */
#include "vmm/emulate_internal.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_SIZE 0x2000
#define RIP	    0x1000

#define DATA	    0x93 /* present, writable */
#define DATA_RO	    0x91
#define EXPAND_DOWN 0x97
#define CODE	    0x9b /* readable */
#define CODE_XO	    0x99

/* A machine: memory at linear 0, wrapping nowhere; absent, and read-only, from marks on. */
static uint8_t memory[MEMORY_SIZE];
static uint64_t read_only_from, port_denied;
static unsigned exchanges, races; /* atomic writes, and how many of them lose */
static uint64_t gpr[GPR_COUNT], saved_gpr[GPR_COUNT], cr[16], last_linear;
static struct segment segments[SEG_GS + 1];
static struct emulation emulation, saved;

static int fault_page(uint64_t linear)
{
	emulation.fault = (struct emul_fault){.vector = VECTOR_PF, .address = linear};
	return -EFAULT;
}

static int op_read(struct emulation *e, uint64_t linear, unsigned size, uint64_t *value)
{
	(void)e;
	*value = 0;
	last_linear = linear;
	if (linear > MEMORY_SIZE - size)
		return fault_page(linear);
	memcpy(value, memory + linear, size);
	return 0;
}

static int op_probe(struct emulation *e, uint64_t linear, unsigned size)
{
	(void)e;
	last_linear = linear;
	return linear + size > read_only_from ? fault_page(linear) : 0;
}

static int op_write(struct emulation *e, uint64_t linear, unsigned size, uint64_t value)
{
	if (op_probe(e, linear, size) != 0)
		return -EFAULT;
	memcpy(memory + linear, &value, size);
	return 0;
}

static int op_exchange(struct emulation *e, uint64_t linear, unsigned size, uint64_t expected,
		       uint64_t desired)
{
	(void)expected;
	exchanges++;
	if (races > 0) {
		races--;
		return -EAGAIN;
	}
	return op_write(e, linear, size, desired);
}

static int op_port_check(struct emulation *e, uint16_t port, unsigned size)
{
	(void)size;
	return port == port_denied ? emul_fault(e, VECTOR_GP) : 0;
}

static int op_port_in(struct emulation *e, uint16_t port, unsigned size, uint64_t *value)
{
	(void)e;
	*value = (port * 0x01010101u) & mask_of_bytes(size);
	return 0;
}

static int op_port_out(struct emulation *e, uint16_t port, unsigned size, uint64_t value)
{
	(void)e, (void)port, (void)size, (void)value;
	return 0;
}

static int op_cr_read(struct emulation *e, unsigned number, uint64_t *value)
{
	(void)e;
	*value = cr[number];
	return 0;
}

static int op_cr_write(struct emulation *e, unsigned number, uint64_t value)
{
	if (number == 4 && value == ~0ull)
		return emul_fault(e, VECTOR_GP);
	cr[number] = value;
	return 0;
}

static const struct segment *op_segment(struct emulation *e, enum vcpu_seg seg)
{
	(void)e;
	return &segments[seg];
}

static const struct emul_ops ops = {
	.read = op_read,
	.write = op_write,
	.probe_write = op_probe,
	.exchange = op_exchange,
	.port_check = op_port_check,
	.port_in = op_port_in,
	.port_out = op_port_out,
	.cr_read = op_cr_read,
	.cr_write = op_cr_write,
	.segment = op_segment,
};

static void use_width(unsigned width)
{
	uint32_t mode = width == 8 ? SEG_ATTR_LONG : width == 4 ? SEG_ATTR_DEFAULT_32 : 0;

	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		segments[i] = (struct segment){.attributes = DATA | mode, .limit = UINT32_MAX};
	segments[SEG_CS].attributes = CODE | mode;
	emulation.efer = width == 8 ? EFER_LMA : 0;
	emulation.cr0 = CR0_PE;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MEMORY_SIZE; i++)
		memory[i] = (uint8_t)(i * 7);
	memset(gpr, 0, sizeof(gpr));
	memset(cr, 0, sizeof(cr));
	read_only_from = MEMORY_SIZE;
	port_denied = UINT64_MAX;
	exchanges = races = 0;
	emulation = (struct emulation){
		.ops = &ops, .gpr = gpr, .rip = RIP, .rflags = RFLAGS_FIXED | RFLAGS_RF};
	use_width(8);
	return 0;
}

static enum emul_result run(const char *hex)
{
	uint8_t bytes[16];
	unsigned length = 0;

	for (; *hex; hex += *hex == ' ') {
		unsigned value = 0;

		for (; *hex && *hex != ' '; hex++)
			value = value * 16 + (unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
		bytes[length++] = (uint8_t)value;
	}
	memcpy(saved_gpr, gpr, sizeof(gpr));
	saved = emulation;
	return emulate(&emulation, bytes, length);
}

static void done(const char *hex)
{
	assert_int_equal(run(hex), EMUL_DONE);
}

static void unchanged(void)
{
	assert_memory_equal(gpr, saved_gpr, sizeof(gpr));
	assert_int_equal(emulation.rip, saved.rip);
	assert_int_equal(emulation.rflags, saved.rflags);
}

static void faults(const char *hex, uint8_t vector)
{
	assert_int_equal(run(hex), EMUL_FAULT);
	assert_int_equal(emulation.fault.vector, vector);
	if (vector != VECTOR_PF)
		assert_int_equal(emulation.fault.has_error_code,
				 vector != VECTOR_UD && (emulation.cr0 & CR0_PE));
	assert_int_equal(emulation.fault.error_code, 0);
	unchanged();
}

#define LOAD_RAX_RCX  "48 8b 01" /* mov rax, [rcx] */
#define LOAD_EAX_ECX  "8b 01"
#define STORE_ECX_EAX "89 01"
#define LOAD_EAX_EBP  "8b 45 00" /* mov eax, [ebp]: SS */
#define LOAD_AX_BX    "8b 07"	 /* mov ax, [bx] in 16-bit code */

static void clears_rf_and_steps_over(void **state)
{
	(void)state;
	done(LOAD_RAX_RCX);
	assert_int_equal(emulation.rip, RIP + 3);
	assert_int_equal(emulation.rflags, RFLAGS_FIXED);
	use_width(4);
	emulation.rip = 0xffffffff;
	done(LOAD_EAX_ECX);
	assert_int_equal(emulation.rip, 1);
}

static void wants_canonical_addresses(void **state)
{
	(void)state;
	gpr[GPR_RCX] = 0x0000800000000000;
	faults(LOAD_RAX_RCX, VECTOR_GP);
	gpr[GPR_RCX] = 0x00007ffffffffff9; /* the last byte is not */
	faults(LOAD_RAX_RCX, VECTOR_GP);
	gpr[GPR_RCX] = 0x00007ffffffffff8;
	faults(LOAD_RAX_RCX, VECTOR_PF);
	assert_int_equal(emulation.fault.address, 0x00007ffffffffff8);
	gpr[GPR_RCX] = 0xffff800000000000;
	faults(LOAD_RAX_RCX, VECTOR_PF);
	emulation.cr4 = CR4_LA57;
	gpr[GPR_RCX] = 0x00ffffffffffff00;
	faults(LOAD_RAX_RCX, VECTOR_PF);
	gpr[GPR_RCX] = 0x0100000000000000;
	faults(LOAD_RAX_RCX, VECTOR_GP);
	/* By way of the stack it is #SS. */
	gpr[GPR_RBP] = gpr[GPR_RSP] = 0x8000000000000000;
	faults("48 8b 45 00", VECTOR_SS);
	faults("ff 31", VECTOR_SS); /* push [rcx] */
	segments[SEG_FS].base = 0x0080000000000000;
	faults("64 48 8b 45 00", VECTOR_GP);
}

static void ignores_segments_in_64_bit_code(void **state)
{
	(void)state;
	segments[SEG_DS] = segments[SEG_SS] =
		(struct segment){.attributes = SEG_ATTR_UNUSABLE, .limit = 0, .base = 0x1000};
	gpr[GPR_RCX] = 0x10;
	done(LOAD_RAX_RCX);
	assert_int_equal(last_linear, 0x10);
	segments[SEG_GS].base = 0x100;
	done("65 48 8b 01");
	assert_int_equal(last_linear, 0x110);
}

static void checks_limits(void **state)
{
	(void)state;
	use_width(4);
	segments[SEG_DS].limit = 0x103;
	segments[SEG_DS].base = 0x1000;
	gpr[GPR_RCX] = 0x100;
	done(LOAD_EAX_ECX);
	assert_int_equal(last_linear, 0x1100);
	gpr[GPR_RCX] = 0x101;
	faults(LOAD_EAX_ECX, VECTOR_GP);
	faults(STORE_ECX_EAX, VECTOR_GP);
	segments[SEG_SS].limit = 2;
	faults(LOAD_EAX_EBP, VECTOR_SS);
	gpr[GPR_RCX] = 0xfffffffd;
	segments[SEG_DS] = (struct segment){.attributes = DATA, .limit = UINT32_MAX, .base = 8};
	faults(LOAD_EAX_ECX, VECTOR_GP); /* the offset wraps */
	gpr[GPR_RCX] = 0xfffffffc;
	done(LOAD_EAX_ECX); /* the linear address does */
	assert_int_equal(last_linear, 4);
}

static void checks_expand_down_segments(void **state)
{
	(void)state;
	use_width(4);
	segments[SEG_DS] = (struct segment){.attributes = EXPAND_DOWN, .limit = 0xfff};
	gpr[GPR_RCX] = 0xfff;
	faults(LOAD_EAX_ECX, VECTOR_GP);
	gpr[GPR_RCX] = 0x1000;
	done(LOAD_EAX_ECX);
	gpr[GPR_RCX] = 0xfffd; /* up to 64 KiB without the B bit */
	faults(LOAD_EAX_ECX, VECTOR_GP);
	segments[SEG_DS].attributes |= SEG_ATTR_DEFAULT_32;
	faults(LOAD_EAX_ECX, VECTOR_PF);
}

static void checks_types_in_protected_mode(void **state)
{
	(void)state;
	use_width(4);
	gpr[GPR_RCX] = 0x10;
	segments[SEG_DS].attributes = DATA_RO;
	done(LOAD_EAX_ECX);
	faults(STORE_ECX_EAX, VECTOR_GP);
	segments[SEG_CS].attributes = CODE | SEG_ATTR_DEFAULT_32;
	done("2e " LOAD_EAX_ECX);
	faults("2e " STORE_ECX_EAX, VECTOR_GP);
	segments[SEG_CS].attributes = CODE_XO | SEG_ATTR_DEFAULT_32;
	faults("2e " LOAD_EAX_ECX, VECTOR_GP);
	segments[SEG_DS].attributes = DATA | SEG_ATTR_UNUSABLE;
	faults(LOAD_EAX_ECX, VECTOR_GP);
	segments[SEG_DS].attributes = DATA & ~SEG_ATTR_PRESENT;
	faults(LOAD_EAX_ECX, VECTOR_GP);
	segments[SEG_SS].attributes = DATA_RO;
	faults("50", VECTOR_SS);
}

static void checks_limits_alone_in_real_mode(void **state)
{
	(void)state;
	use_width(2);
	emulation.cr0 = 0;
	segments[SEG_DS] = (struct segment){.attributes = DATA_RO, .limit = 0xffff, .base = 0x100};
	gpr[GPR_RBX] = 0x20;
	done(LOAD_AX_BX);
	assert_int_equal(last_linear, 0x120);
	done("89 07");
	gpr[GPR_RBX] = 0xffff;
	faults(LOAD_AX_BX, VECTOR_GP);
	gpr[GPR_RBX] = 0x12340020; /* 16-bit addresses take 16 bits */
	done(LOAD_AX_BX);
	assert_int_equal(last_linear, 0x120);
	emulation.cr0 = CR0_PE;
	emulation.rflags |= RFLAGS_VM;
	segments[SEG_CS].attributes = CODE_XO;
	done("2e 89 07");
}

static void leaves_everything_on_a_page_fault(void **state)
{
	static const char *const instructions[] = {
		"48 01 01", "f0 48 01 01", "48 87 01",	  "48 0f c1 01", "48 0f b1 01",
		"48 ff 01", "48 f7 19",	   "48 0f bb 11", "8f 01",	 "48 89 01",
		"a4",	    "ab",	   "6c",	  "50",		 "48 0f ab 01",
	};

	(void)state;
	read_only_from = 0x100;
	gpr[GPR_RCX] = gpr[GPR_RDI] = 0x200;
	gpr[GPR_RSP] = 0x300;
	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		uint8_t before[MEMORY_SIZE];

		memcpy(before, memory, sizeof(memory));
		faults(instructions[i], VECTOR_PF);
		assert_memory_equal(before, memory, sizeof(memory));
	}
}

static void takes_lock_where_it_is_legal(void **state)
{
	(void)state;
	gpr[GPR_RCX] = 0x40;
	done("f0 01 01");
	done("87 01"); /* XCHG locks by itself */
	done("f0 0f b1 01");
	assert_int_equal(exchanges, 3);
	done("01 01");
	assert_int_equal(exchanges, 3);
	faults("f0 01 c1", VECTOR_UD);	  /* a register */
	faults("f0 8b 01", VECTOR_UD);	  /* MOV */
	faults("f0 39 01", VECTOR_UD);	  /* CMP */
	faults("f0 0f a3 01", VECTOR_UD); /* BT */
	faults("f0 a4", VECTOR_UD);
}

static void executes_again_after_a_lost_race(void **state)
{
	(void)state;
	gpr[GPR_RCX] = 0x40;
	races = 1;
	assert_int_equal(run("f0 48 ff 01"), EMUL_CONTINUE);
	unchanged();
	done("f0 48 ff 01");
}

static void tells_illegal_from_unknown(void **state)
{
	(void)state;
	faults("0f 22 c8", VECTOR_UD); /* CR1 */
	faults("06", VECTOR_UD);       /* PUSH ES in 64-bit code */
	assert_int_equal(run("0f a2"), EMUL_UNSUPPORTED);
	assert_int_equal(run("f2 0f 10 01"), EMUL_UNSUPPORTED); /* MOVSD of SSE */
	assert_int_equal(run("0f 10 01"), EMUL_UNSUPPORTED);
	assert_int_equal(run("8e d8"), EMUL_UNSUPPORTED); /* MOV to DS */
	assert_int_equal(run("48 8b"), EMUL_UNSUPPORTED); /* cut off */
	faults("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", VECTOR_GP);
	unchanged();
}

static void stops_string_instructions_between_rounds(void **state)
{
	(void)state;
	gpr[GPR_RCX] = EMUL_MAX_ROUNDS + 3;
	gpr[GPR_RDI] = 0x100;
	assert_int_equal(run("f3 aa"), EMUL_CONTINUE);
	assert_int_equal(gpr[GPR_RCX], 3);
	assert_int_equal(gpr[GPR_RDI], 0x100 + EMUL_MAX_ROUNDS);
	assert_int_equal(emulation.rip, RIP);
	done("f3 aa");
	assert_int_equal(gpr[GPR_RCX], 0);
	assert_int_equal(emulation.rip, RIP + 2);
	/* A fault in a later round: first what was done, then, executed again, the fault. */
	gpr[GPR_RCX] = 8;
	gpr[GPR_RDI] = MEMORY_SIZE - 3;
	assert_int_equal(run("f3 aa"), EMUL_CONTINUE);
	assert_int_equal(gpr[GPR_RCX], 5);
	faults("f3 aa", VECTOR_PF);
	assert_int_equal(emulation.fault.address, MEMORY_SIZE);
}

static void checks_ports(void **state)
{
	(void)state;
	port_denied = 0x70;
	gpr[GPR_RDX] = 0x70;
	faults("ec", VECTOR_GP);
	faults("ee", VECTOR_GP);
	faults("e4 70", VECTOR_GP);
	faults("6c", VECTOR_GP);
	faults("f3 6e", VECTOR_GP);
	gpr[GPR_RAX] = ~0ull;
	done("e4 71");
	assert_int_equal(gpr[GPR_RAX], 0xffffffffffffff71);
	done("e5 71");
	assert_int_equal(gpr[GPR_RAX], 0x71717171);
}

static void moves_control_registers(void **state)
{
	(void)state;
	cr[3] = 0x123456789000;
	done("0f 20 d9"); /* mov rcx, cr3 */
	assert_int_equal(gpr[GPR_RCX], 0x123456789000);
	done("44 0f 22 c1"); /* mov cr8, rcx */
	assert_int_equal(cr[8], 0x123456789000);
	gpr[GPR_RAX] = ~0ull;
	faults("0f 22 e0", VECTOR_GP); /* what the other side refuses */
	use_width(4);
	cr[0] = CR0_PE | CR0_TS;
	gpr[GPR_RAX] = 0xffffffff80000011;
	done("0f 22 c0");
	assert_int_equal(cr[0], 0x80000011);
	emulation.cpl = 3;
	faults("0f 20 c0", VECTOR_GP);
	faults("0f 22 c0", VECTOR_GP);
	faults("0f 06", VECTOR_GP);
	faults("0f 01 f0", VECTOR_GP);
	assert_int_equal(cr[0], 0x80000011);
}

static void changes_the_machine_status_word(void **state)
{
	(void)state;
	cr[0] = CR0_PE | CR0_PG | CR0_TS;
	done("0f 06");
	assert_int_equal(cr[0], CR0_PE | CR0_PG);
	gpr[GPR_RAX] = 0xfffe; /* PE cannot be cleared */
	done("0f 01 f0");
	assert_int_equal(cr[0], CR0_PE | CR0_PG | CR0_MP | CR0_EM | CR0_TS);
	emulation.cpl = 3;
	gpr[GPR_RAX] = ~0ull;
	done("66 0f 01 e0"); /* smsw ax */
	assert_int_equal(gpr[GPR_RAX], 0xffffffffffff000f);
	gpr[GPR_RCX] = 0x80;
	done("48 0f 01 21"); /* memory takes 16 bits */
	assert_int_equal(memory[0x80] | memory[0x81] << 8, 0x000f);
	assert_int_equal(memory[0x82], (uint8_t)(0x82 * 7));
	emulation.cr4 = CR4_UMIP;
	faults("0f 01 e0", VECTOR_GP);
}

static void measures_lengths(void **state)
{
	static const uint8_t cpuid[] = {0x0f, 0xa2}, mov[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t vmmcall[] = {0x0f, 0x01, 0xd9}, bad[] = {0xf0, 0x90};

	(void)state;
	assert_int_equal(emulate_length(cpuid, 2, 8), 2);
	assert_int_equal(emulate_length(mov, 10, 8), 10);
	assert_int_equal(emulate_length(mov, 9, 8), -EINVAL);
	assert_int_equal(emulate_length(mov, 10, 4), 1); /* DEC EAX */
	assert_int_equal(emulate_length(mov + 1, 9, 2), 3);
	assert_int_equal(emulate_length(vmmcall, 3, 8), 3);
	assert_int_equal(emulate_length(bad, 2, 8), -EINVAL);
	assert_int_equal(emul_decode_length(mov, 9, 8), -ENODATA);
}

/* Zydis 4.0.0 reads this SIB form wrongly where REX.B is set: it has no base. */
static void decodes_sib_without_base(void **state)
{
	(void)state;
	gpr[GPR_R13] = gpr[GPR_RBP] = 0x1000;
	gpr[GPR_RCX] = 0x10;
	done("49 8b 04 8d 40 00 00 00"); /* mov rax, [rcx*4 + 0x40] */
	assert_int_equal(last_linear, 0x80);
	done("48 8b 04 8d 40 00 00 00");
	assert_int_equal(last_linear, 0x80);
	done("49 8b 44 8d 40"); /* with a byte it has one */
	assert_int_equal(last_linear, 0x1080);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(clears_rf_and_steps_over, setup),
		cmocka_unit_test_setup(wants_canonical_addresses, setup),
		cmocka_unit_test_setup(ignores_segments_in_64_bit_code, setup),
		cmocka_unit_test_setup(checks_limits, setup),
		cmocka_unit_test_setup(checks_expand_down_segments, setup),
		cmocka_unit_test_setup(checks_types_in_protected_mode, setup),
		cmocka_unit_test_setup(checks_limits_alone_in_real_mode, setup),
		cmocka_unit_test_setup(leaves_everything_on_a_page_fault, setup),
		cmocka_unit_test_setup(takes_lock_where_it_is_legal, setup),
		cmocka_unit_test_setup(executes_again_after_a_lost_race, setup),
		cmocka_unit_test_setup(tells_illegal_from_unknown, setup),
		cmocka_unit_test_setup(stops_string_instructions_between_rounds, setup),
		cmocka_unit_test_setup(checks_ports, setup),
		cmocka_unit_test_setup(moves_control_registers, setup),
		cmocka_unit_test_setup(changes_the_machine_status_word, setup),
		cmocka_unit_test_setup(measures_lengths, setup),
		cmocka_unit_test_setup(decodes_sib_without_base, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
