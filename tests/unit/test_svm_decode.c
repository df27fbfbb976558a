/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/svm/decode.c: every exit code, with and without the optional features. */
#include "arch/x86/svm/decode.h"

#include "vmm/x86_defs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct svm_features bare;
static const struct svm_features full = {.nrip_save = true, .decode_assists = true};

#define RIP 0x1000ull

/* Decodes an exit with everything else in the VMCB set to what must not be used. */
static struct vm_exit decode(uint64_t code, uint64_t info1, uint64_t info2,
			     const struct svm_features *features, bool *own)
{
	struct vmcb_control control;
	struct vm_exit exit;

	memset(&control, 0xa5, sizeof(control));
	memset(&exit, 0x5a, sizeof(exit));
	control.exitcode = code;
	control.exitinfo1 = info1;
	control.exitinfo2 = info2;
	control.nrip = RIP + 7;
	*own = svm_decode_exit(&control, RIP, 0x1122334455667788, features, &exit);
	assert_int_equal(exit.raw_code, code);
	return exit;
}

/* Codes whose row alone says everything. length: without NRIP save. */
static const struct plain {
	uint16_t first, last;
	enum exit_kind kind;
	uint8_t length;
	bool instruction, own;
} plain[] = {
	{VMEXIT_DR_READ, VMEXIT_DR_WRITE + 15, EXIT_DR_ACCESS, 0, true, false},
	{VMEXIT_INTR, VMEXIT_INIT, EXIT_HOST_EVENT, 0, false, true},
	{VMEXIT_VINTR, VMEXIT_VINTR, EXIT_INTERRUPT_WINDOW, 0, false, true},
	{VMEXIT_RDPMC, VMEXIT_RDPMC, EXIT_RDPMC, 2, true, false},
	{VMEXIT_CPUID, VMEXIT_CPUID, EXIT_CPUID, 2, true, false},
	{VMEXIT_IRET, VMEXIT_IRET, EXIT_NMI_WINDOW, 0, false, true},
	{VMEXIT_INVD, VMEXIT_INVD, EXIT_CACHE_CONTROL, 2, true, false},
	{VMEXIT_PAUSE, VMEXIT_PAUSE, EXIT_PAUSE, 2, true, false},
	{VMEXIT_HLT, VMEXIT_HLT, EXIT_HLT, 1, true, false},
	{VMEXIT_INVLPGA, VMEXIT_INVLPGA, EXIT_FORBIDDEN_INSTRUCTION, 3, true, false},
	{VMEXIT_TASK_SWITCH, VMEXIT_TASK_SWITCH, EXIT_TASK_SWITCH, 0, false, false},
	{VMEXIT_FERR_FREEZE, VMEXIT_FERR_FREEZE, EXIT_PAUSE, 0, false, false},
	{VMEXIT_SHUTDOWN, VMEXIT_SHUTDOWN, EXIT_SHUTDOWN, 0, false, false},
	{VMEXIT_VMRUN, VMEXIT_VMRUN, EXIT_FORBIDDEN_INSTRUCTION, 3, true, false},
	{VMEXIT_VMMCALL, VMEXIT_VMMCALL, EXIT_HYPERCALL, 3, true, false},
	{VMEXIT_VMLOAD, VMEXIT_SKINIT, EXIT_FORBIDDEN_INSTRUCTION, 3, true, false},
	{VMEXIT_WBINVD, VMEXIT_WBINVD, EXIT_CACHE_CONTROL, 0, true, false},
	{VMEXIT_MONITOR, VMEXIT_MWAIT_ARMED, EXIT_FORBIDDEN_INSTRUCTION, 3, true, false},
	{VMEXIT_XSETBV, VMEXIT_XSETBV, EXIT_XSETBV, 3, true, false},
	{VMEXIT_RDPRU, VMEXIT_RDPRU, EXIT_FORBIDDEN_INSTRUCTION, 3, true, false},
	{VMEXIT_MCOMMIT, VMEXIT_MCOMMIT, EXIT_FORBIDDEN_INSTRUCTION, 4, true, false},
};

static void plain_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		const struct plain *row = &plain[i];

		for (uint64_t code = row->first; code <= row->last; code++) {
			bool own;
			struct vm_exit exit = decode(code, 0, 0, &bare, &own);

			assert_int_equal(exit.kind, row->kind);
			assert_int_equal(exit.length, row->length);
			assert_int_equal(own, row->own);
			exit = decode(code, 0, 0, &full, &own);
			assert_int_equal(exit.kind, row->kind);
			assert_int_equal(exit.length, row->instruction ? 7 : 0);
		}
	}
}

static bool is_known(uint64_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		if (code >= plain[i].first && code <= plain[i].last)
			return true;
	}
	return code < VMEXIT_DR_READ || (code >= VMEXIT_EXCEPTION && code < VMEXIT_INTR) ||
	       code == VMEXIT_CR0_SEL_WRITE || code == VMEXIT_IOIO || code == VMEXIT_MSR ||
	       code == VMEXIT_NPF;
}

static void all_other_codes_are_unknown(void **state)
{
	bool own;

	(void)state;
	for (uint64_t code = 0; code < 0x1000; code++) {
		if (is_known(code))
			continue;
		assert_int_equal(decode(code, 0, 0, &full, &own).kind, EXIT_UNKNOWN);
		assert_false(own);
	}
	assert_int_equal(decode(~1ull, 0, 0, &full, &own).kind, EXIT_UNKNOWN);
}

/* Some implementations leave the high half zero. */
static void a_refused_entry_is_told_by_32_bits(void **state)
{
	bool own;

	(void)state;
	assert_int_equal(decode(~0ull, 0, 0, &bare, &own).kind, EXIT_ENTRY_FAILED);
	assert_int_equal(decode(0xffffffffull, 0, 0, &bare, &own).kind, EXIT_ENTRY_FAILED);
	assert_false(own);
}

static void msr(void **state)
{
	bool own;
	struct vm_exit exit = decode(VMEXIT_MSR, 0, 0, &bare, &own);

	(void)state;
	assert_int_equal(exit.kind, EXIT_MSR_READ);
	assert_int_equal(exit.msr.number, 0x55667788);
	assert_int_equal(exit.length, 2);
	exit = decode(VMEXIT_MSR, 1, 0, &full, &own);
	assert_int_equal(exit.kind, EXIT_MSR_WRITE);
	assert_int_equal(exit.msr.number, 0x55667788);
	assert_int_equal(exit.length, 7);
}

static void port_io(void **state)
{
	static const struct {
		uint32_t info;
		uint16_t port;
		uint8_t size;
		bool in, string, rep;
	} rows[] = {
		{0x03f80010, 0x3f8, 1, false, false, false},
		{0x03fd0011, 0x3fd, 1, true, false, false},
		{0x0cf80040, 0xcf8, 4, false, false, false},
		{0xffff0021, 0xffff, 2, true, false, false},
		{0x01f0002d, 0x1f0, 2, true, true, true},
		{0x01f00e14, 0x1f0, 1, false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool own;
		struct vm_exit exit = decode(VMEXIT_IOIO, rows[i].info, RIP + 3, &bare, &own);

		assert_int_equal(exit.kind, EXIT_PORT_IO);
		assert_int_equal(exit.length, 3);
		assert_int_equal(exit.port_io.port, rows[i].port);
		assert_int_equal(exit.port_io.size, rows[i].size);
		assert_int_equal(exit.port_io.in, rows[i].in);
		assert_int_equal(exit.port_io.string, rows[i].string);
		assert_int_equal(exit.port_io.rep, rows[i].rep);
		assert_false(own);
	}
}

/* In 16 and 32-bit code the next IP starts at 0 again. */
static void lengths_survive_wrapping(void **state)
{
	struct vmcb_control control = {.exitcode = VMEXIT_IOIO, .exitinfo1 = 0x800010};
	struct vm_exit exit;

	(void)state;
	control.exitinfo2 = 1;
	(void)svm_decode_exit(&control, 0xffff, 0, &bare, &exit);
	assert_int_equal(exit.length, 2);
	(void)svm_decode_exit(&control, 0xfffffff8, 0, &bare, &exit);
	assert_int_equal(exit.length, 9);
	control.exitcode = VMEXIT_CPUID;
	control.nrip = 0;
	(void)svm_decode_exit(&control, 0xfffffffe, 0, &full, &exit);
	assert_int_equal(exit.length, 2);
}

static void control_registers(void **state)
{
	bool own;

	(void)state;
	for (uint64_t code = 0; code < 32; code++) {
		struct vm_exit exit = decode(code, VMEXIT_CR_MOV | 11, 0, &full, &own);

		assert_int_equal(exit.kind, EXIT_CR_ACCESS);
		assert_int_equal(exit.cr.number, code & 15);
		assert_int_equal(exit.cr.write, code >= 16);
		assert_true(exit.cr.decoded);
		assert_int_equal(exit.cr.gpr, 11);
		assert_int_equal(exit.length, 7);
		/* Not a MOV (CLTS, LMSW, SMSW), or a CPU that does not say. */
		assert_false(decode(code, 0, 0, &full, &own).cr.decoded);
		exit = decode(code, VMEXIT_CR_MOV | 11, 0, &bare, &own);
		assert_false(exit.cr.decoded);
		assert_int_equal(exit.length, 0);
	}
}

static void selective_cr0_writes(void **state)
{
	bool own;
	struct vm_exit exit = decode(VMEXIT_CR0_SEL_WRITE, VMEXIT_CR_MOV | 3, 0, &full, &own);

	(void)state;
	assert_int_equal(exit.kind, EXIT_CR_ACCESS);
	assert_int_equal(exit.cr.number, 0);
	assert_true(exit.cr.write);
	assert_true(exit.cr.decoded);
	assert_int_equal(exit.cr.gpr, 3);
}

static void exceptions(void **state)
{
	const uint32_t with_code = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 |
				   1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;
	bool own;

	(void)state;
	for (uint8_t vector = 0; vector < 32; vector++) {
		struct vm_exit exit =
			decode(VMEXIT_EXCEPTION + vector, 0x1234, 0xabcdef, &bare, &own);

		assert_int_equal(exit.kind, EXIT_EXCEPTION);
		assert_int_equal(exit.exception.vector, vector);
		assert_int_equal(exit.exception.has_error_code, with_code >> vector & 1);
		assert_int_equal(exit.exception.error_code, 0x1234);
		assert_int_equal(exit.exception.address, vector == VECTOR_PF ? 0xabcdef : 0);
		assert_int_equal(exit.length, 0);
		assert_true(own);
	}
}

static void nested_page_faults(void **state)
{
	static const struct {
		uint64_t info;
		bool write, execute, table_walk;
	} rows[] = {
		{0x100000004, false, false, false}, {0x100000006, true, false, false},
		{0x100000014, false, true, false},  {0x200000006, true, false, true},
		{0x200000005, false, false, true},
	};
	bool own;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_exit exit = decode(VMEXIT_NPF, rows[i].info, 0xfee000b0, &full, &own);

		assert_int_equal(exit.kind, EXIT_MEMORY);
		assert_int_equal(exit.memory.gpa.value, 0xfee000b0);
		assert_int_equal(exit.memory.write, rows[i].write);
		assert_int_equal(exit.memory.execute, rows[i].execute);
		assert_int_equal(exit.memory.table_walk, rows[i].table_walk);
		/* NRIP is not saved for faults. */
		assert_int_equal(exit.length, 0);
		assert_false(own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_codes),
		cmocka_unit_test(all_other_codes_are_unknown),
		cmocka_unit_test(a_refused_entry_is_told_by_32_bits),
		cmocka_unit_test(msr),
		cmocka_unit_test(port_io),
		cmocka_unit_test(lengths_survive_wrapping),
		cmocka_unit_test(control_registers),
		cmocka_unit_test(selective_cr0_writes),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(nested_page_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
