/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/vmx/decode.c: every exit reason, and each format of qualification. */
#include "arch/x86/vmx/decode.h"

#include "vmm/x86_defs.h"
#include "arch/x86/vmx/vmcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define RCX 0x1122334455667788ull

static struct vm_exit decode(struct vmx_exit_raw raw)
{
	struct vm_exit exit;

	memset(&exit, 0x5a, sizeof(exit));
	vmx_decode_exit(&raw, RCX, &exit);
	assert_int_equal(exit.raw_code, raw.reason);
	return exit;
}

/* Reasons whose row alone says everything. */
static const struct plain {
	enum vmx_exit_reason reason;
	enum exit_kind kind;
	bool instruction, backend;
} plain[] = {
	{REASON_EXTERNAL_INTERRUPT, EXIT_HOST_EVENT, false, true},
	{REASON_TRIPLE_FAULT, EXIT_SHUTDOWN, false, false},
	{REASON_INIT, EXIT_INIT, false, false},
	{REASON_INTERRUPT_WINDOW, EXIT_INTERRUPT_WINDOW, false, true},
	{REASON_NMI_WINDOW, EXIT_NMI_WINDOW, false, true},
	{REASON_TASK_SWITCH, EXIT_TASK_SWITCH, false, false},
	{REASON_CPUID, EXIT_CPUID, true, false},
	{REASON_GETSEC, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_HLT, EXIT_HLT, true, false},
	{REASON_INVD, EXIT_CACHE_CONTROL, true, false},
	{REASON_RDPMC, EXIT_RDPMC, true, false},
	{REASON_VMCALL, EXIT_HYPERCALL, true, false},
	{REASON_VMCLEAR, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMLAUNCH, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMPTRLD, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMPTRST, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMREAD, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMRESUME, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMWRITE, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMXOFF, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_VMXON, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_MOV_DR, EXIT_DR_ACCESS, true, false},
	{REASON_MWAIT, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_MONITOR, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_PAUSE, EXIT_PAUSE, true, false},
	{REASON_TPR_BELOW_THRESHOLD, EXIT_INTERRUPT_WINDOW, false, true},
	{REASON_EPT_MISCONFIGURATION, EXIT_UNKNOWN, false, false},
	{REASON_INVEPT, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_PREEMPTION_TIMER, EXIT_HOST_EVENT, false, true},
	{REASON_INVVPID, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_WBINVD, EXIT_CACHE_CONTROL, true, false},
	{REASON_XSETBV, EXIT_XSETBV, true, false},
	{REASON_VMFUNC, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_ENCLS, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_UMWAIT, EXIT_FORBIDDEN_INSTRUCTION, true, false},
	{REASON_TPAUSE, EXIT_FORBIDDEN_INSTRUCTION, true, false},
};

static void plain_reasons(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		const struct plain *row = &plain[i];
		unsigned needs = vmx_exit_needs(row->reason);
		struct vm_exit exit =
			decode((struct vmx_exit_raw){.reason = row->reason, .length = 3});

		assert_int_equal(exit.kind, row->kind);
		assert_int_equal(exit.length, row->instruction ? 3 : 0);
		assert_int_equal((needs & VMX_NEEDS_LENGTH) != 0, row->instruction);
		assert_int_equal((needs & VMX_NEEDS_BACKEND) != 0, row->backend);
	}
}

/* No control of ours makes these; and reasons of CPUs to come. */
static void unknown_reasons(void **state)
{
	static const uint32_t reasons[] = {REASON_SIPI,
					   5,
					   6,
					   REASON_INVLPG,
					   REASON_RDTSC,
					   REASON_RSM,
					   35,
					   38,
					   REASON_MONITOR_TRAP_FLAG,
					   42,
					   44,
					   45,
					   46,
					   47,
					   REASON_RDTSCP,
					   56,
					   REASON_RDRAND,
					   REASON_INVPCID,
					   REASON_RDSEED,
					   62,
					   REASON_XSAVES,
					   REASON_XRSTORS,
					   REASON_COUNT,
					   200,
					   0xffff,
					   REASON_INVALID_GUEST_STATE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		assert_int_equal(decode((struct vmx_exit_raw){.reason = reasons[i]}).kind,
				 EXIT_UNKNOWN);
}

static void failed_entries(void **state)
{
	static const uint32_t reasons[] = {REASON_INVALID_GUEST_STATE, REASON_MSR_LOADING,
					   REASON_MACHINE_CHECK, REASON_CPUID};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		uint32_t reason = reasons[i] | EXIT_REASON_ENTRY_FAILED;
		bool check = reasons[i] == REASON_MACHINE_CHECK;

		assert_int_equal(decode((struct vmx_exit_raw){.reason = reason}).kind,
				 EXIT_ENTRY_FAILED);
		assert_true(vmx_exit_needs(reason) & VMX_NEEDS_QUALIFICATION);
		assert_int_equal((vmx_exit_needs(reason) & VMX_NEEDS_BACKEND) != 0, check);
		assert_non_null(vmx_entry_failure(reason, 0));
	}
	assert_non_null(strstr(vmx_entry_failure(0x80000021, 2), "PDPTE"));
	assert_non_null(strstr(vmx_entry_failure(0x80000021, 3), "NMI"));
	assert_non_null(strstr(vmx_entry_failure(0x80000021, 4), "link"));
	assert_non_null(strstr(vmx_entry_failure(0x80000022, 1), "MSR"));
	assert_string_equal(vmx_instruction_error(7), "invalid control fields");
	assert_string_equal(vmx_instruction_error(27), vmx_instruction_error(1000));
}

static void ports(void **state)
{
	static const struct {
		uint64_t qualification;
		struct exit_port_io io;
	} rows[] = {
		{0x03f80000, {0x3f8, 1, false, false, false}},
		{0x0cf8000b, {0xcf8, 4, true, false, false}},
		{0x01f00039, {0x1f0, 2, true, true, true}},
		{0xffff0050, {0xffff, 1, false, true, false}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_exit exit = decode((struct vmx_exit_raw){
			.reason = REASON_IO, .length = 2, .qualification = rows[i].qualification});

		assert_int_equal(exit.kind, EXIT_PORT_IO);
		assert_int_equal(exit.length, 2);
		assert_int_equal(exit.port_io.port, rows[i].io.port);
		assert_int_equal(exit.port_io.size, rows[i].io.size);
		assert_int_equal(exit.port_io.in, rows[i].io.in);
		assert_int_equal(exit.port_io.string, rows[i].io.string);
		assert_int_equal(exit.port_io.rep, rows[i].io.rep);
	}
}

static void control_registers(void **state)
{
	static const struct {
		uint64_t qualification;
		struct exit_cr cr;
	} rows[] = {
		{0x0000, {0, true, true, 0}},	   {0x0f04, {4, true, true, 15}},
		{0x0318, {8, false, true, 3}},	   {0x0020, {0, true, false, 0}},
		{0x00060030, {0, true, false, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_exit exit =
			decode((struct vmx_exit_raw){.reason = REASON_CR_ACCESS,
						     .length = 3,
						     .qualification = rows[i].qualification});

		assert_int_equal(exit.kind, EXIT_CR_ACCESS);
		assert_int_equal(exit.cr.number, rows[i].cr.number);
		assert_int_equal(exit.cr.write, rows[i].cr.write);
		assert_int_equal(exit.cr.decoded, rows[i].cr.decoded);
		if (exit.cr.decoded)
			assert_int_equal(exit.cr.gpr, rows[i].cr.gpr);
	}
}

/* The short cut says the same as the whole decoding, and of no exit that needs more. */
static void short_cut(void **state)
{
	(void)state;
	for (uint32_t reason = 0; reason < 0x100; reason++) {
		struct vm_exit exit = {.length = 0};
		struct vm_exit whole = decode((struct vmx_exit_raw){.reason = reason});

		if (!vmx_decode_plain(reason, RCX, &exit)) {
			assert_int_not_equal(vmx_exit_needs(reason), VMX_NEEDS_LENGTH);
			continue;
		}
		assert_int_equal(vmx_exit_needs(reason), VMX_NEEDS_LENGTH);
		assert_int_equal(exit.kind, whole.kind);
		assert_int_equal(exit.raw_code, reason);
		if (exit.kind == EXIT_MSR_READ || exit.kind == EXIT_MSR_WRITE)
			assert_int_equal(exit.msr.number, whole.msr.number);
	}
	assert_false(vmx_decode_plain(EXIT_REASON_ENTRY_FAILED | REASON_CPUID, RCX,
				      &(struct vm_exit){.length = 0}));
}

static void msrs(void **state)
{
	struct vm_exit exit = decode((struct vmx_exit_raw){.reason = REASON_RDMSR, .length = 2});

	(void)state;
	assert_int_equal(exit.kind, EXIT_MSR_READ);
	assert_int_equal(exit.msr.number, 0x55667788);
	exit = decode((struct vmx_exit_raw){.reason = REASON_WRMSR, .length = 2});
	assert_int_equal(exit.kind, EXIT_MSR_WRITE);
	assert_int_equal(exit.length, 2);
}

static void exceptions(void **state)
{
	struct vm_exit exit;

	(void)state;
	exit = decode((struct vmx_exit_raw){.event = 0x80000202});
	assert_int_equal(exit.kind, EXIT_HOST_EVENT);
	exit = decode((struct vmx_exit_raw){.event = 0x80000b11, .event_error = 0x1234});
	assert_int_equal(exit.kind, EXIT_EXCEPTION);
	assert_int_equal(exit.exception.vector, VECTOR_AC);
	assert_true(exit.exception.has_error_code);
	assert_int_equal(exit.exception.error_code, 0x1234);
	exit = decode((struct vmx_exit_raw){.event = 0x80000301, .qualification = 0x4001});
	assert_int_equal(exit.exception.vector, VECTOR_DB);
	assert_false(exit.exception.has_error_code);
	assert_int_equal(exit.length, 0);
}

static void nested_faults(void **state)
{
	static const struct {
		uint64_t qualification;
		bool write, execute, walk;
	} rows[] = {
		{0x181, false, false, false}, {0x182, true, false, false},
		{0x184, false, true, false},  {0x083, true, false, true},
		{0x081, false, false, true},  {0x001, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_exit exit =
			decode((struct vmx_exit_raw){.reason = REASON_EPT_VIOLATION,
						     .qualification = rows[i].qualification,
						     .address = 0xfee000b0});

		assert_int_equal(exit.kind, EXIT_MEMORY);
		assert_int_equal(exit.memory.gpa.value, 0xfee000b0);
		assert_int_equal(exit.memory.write, rows[i].write);
		assert_int_equal(exit.memory.execute, rows[i].execute);
		assert_int_equal(exit.memory.table_walk, rows[i].walk);
		assert_int_equal(exit.length, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_reasons),     cmocka_unit_test(unknown_reasons),
		cmocka_unit_test(failed_entries),    cmocka_unit_test(ports),
		cmocka_unit_test(control_registers), cmocka_unit_test(msrs),
		cmocka_unit_test(short_cut),	     cmocka_unit_test(exceptions),
		cmocka_unit_test(nested_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
