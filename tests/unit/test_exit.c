/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/exit.c: what each kind of exit does to registers, devices and the VM. */
#include "vmm/exit.h"

#include "vmm/bus.h"
#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/heap.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_guest.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define JUNK 0x1122334455667788ull
#define RIP  0x4000

static struct vcpu *vcpu;

static int setup(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_backend_install();
	fake_intc_install(vm);
	vcpu = fake_guest_vcpu();
	(void)fake_backend_attach(vcpu);
	cpu_init(vcpu->cpu, 0, 0);
	atomic_store(&vm->state, VM_RUNNING);
	vcpu->rip = RIP;
	cpuid_policy = (struct cpuid_policy){
		.cr4_allowed = CR4_PAE | CR4_PGE,
		.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA,
		.xcr0_allowed = 7,
		.physical_bits = 40,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cpuid_policy = (struct cpuid_policy){0};
	hv_free(vcpu->emul_cache);
	fake_backend_detach(vcpu);
	fake_guest_destroy(vcpu->vm);
	return 0;
}

static void dispatch(struct vm_exit exit)
{
	exit_dispatch(vcpu, &exit);
}

#define DISPATCH(...) dispatch((struct vm_exit){__VA_ARGS__})

/* The instruction was completed: RIP is behind it and nothing else happens. */
static void assert_stepped(unsigned length)
{
	assert_int_equal(vcpu->rip, RIP + length);
	assert_false(vcpu->event_valid);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_RUNNING);
}

/* It faulted: RIP is still there. */
static void assert_faulted(uint8_t vector)
{
	assert_int_equal(vcpu->rip, RIP);
	assert_true(vcpu->event_valid);
	assert_int_equal(vcpu->event.type, EVENT_EXCEPTION);
	assert_int_equal(vcpu->event.vector, vector);
	assert_int_equal(vcpu->event.error_code, 0);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_RUNNING);
	vcpu->event_valid = false;
}

static void assert_stopped(const char *reason)
{
	assert_string_equal(vcpu->vm->stop_reason, reason);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_STOPPING);
	assert_true(atomic_load(&vcpu->requests) & VCPU_REQUEST_STOP);
}

/* ---- ports ---- */

static uint64_t port_value;
static unsigned port_size;

static uint64_t port_read(struct vcpu *self, void *device, uint64_t offset, unsigned size)
{
	(void)device;
	assert_ptr_equal(self, vcpu);
	assert_int_equal(offset, 0);
	port_size = size;
	return port_value;
}

static void port_write(struct vcpu *self, void *device, uint64_t offset, unsigned size,
		       uint64_t value)
{
	(void)device;
	assert_ptr_equal(self, vcpu);
	assert_int_equal(offset, 0);
	port_size = size;
	port_value = value;
}

static void add_port(void)
{
	static const struct bus_ops ops = {.read = port_read, .write = port_write};

	assert_int_equal(bus_claim(&vcpu->vm->ports, 0x60, 4, &ops, NULL), 0);
}

/* 32-bit results clear the upper half of RAX, smaller ones leave the rest. */
static void test_port_in(void **state)
{
	static const struct {
		uint8_t size;
		uint64_t rax;
	} cases[] = {{1, 0x11223344556677a4}, {2, 0x112233445566a3a4}, {4, 0xa1a2a3a4}};

	(void)state;
	add_port();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->rip = RIP;
		vcpu->gpr[GPR_RAX] = JUNK;
		port_value = 0xa1a2a3a4;
		DISPATCH(.kind = EXIT_PORT_IO, .length = 1,
			 .port_io = {.port = 0x60, .size = cases[i].size, .in = true});
		assert_int_equal(port_size, cases[i].size);
		assert_int_equal(vcpu->gpr[GPR_RAX], cases[i].rax);
		assert_stepped(1);
	}
}

static void test_port_out(void **state)
{
	static const struct {
		uint8_t size;
		uint64_t value;
	} cases[] = {{1, 0x88}, {2, 0x7788}, {4, 0x55667788}};

	(void)state;
	add_port();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->rip = RIP;
		vcpu->gpr[GPR_RAX] = JUNK;
		DISPATCH(.kind = EXIT_PORT_IO, .length = 2,
			 .port_io = {.port = 0x60, .size = cases[i].size});
		assert_int_equal(port_size, cases[i].size);
		assert_int_equal(port_value, cases[i].value);
		assert_int_equal(vcpu->gpr[GPR_RAX], JUNK);
		assert_stepped(2);
	}
}

static void test_port_without_a_device(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RAX] = 0;
	DISPATCH(.kind = EXIT_PORT_IO, .length = 1,
		 .port_io = {.port = 0x1234, .size = 1, .in = true});
	assert_int_equal(vcpu->gpr[GPR_RAX], 0xff);
	assert_stepped(1);
}

/* ---- emulated instructions ---- */

static void set_insn(const char *bytes)
{
	fake_backend_set_insn((const uint8_t *)bytes, (unsigned)strlen(bytes));
}

static void test_string_port_access_is_emulated(void **state)
{
	(void)state;
	add_port();
	fake_vcpu_set_mode(vcpu, 2, 0); /* no page tables */
	set_insn("\x6e");		/* OUTSB */
	fake_guest_ram()[0x1000] = 0x5a;
	vcpu->gpr[GPR_RSI] = 0x1000;
	vcpu->gpr[GPR_RDX] = 0x60;
	fake_vcpu(vcpu)->segments[SEG_DS] = fake_vcpu(vcpu)->segments[SEG_SS];
	DISPATCH(.kind = EXIT_PORT_IO, .port_io = {.port = 0x60, .size = 1, .string = true});
	assert_int_equal(port_value, 0x5a);
	assert_int_equal(vcpu->gpr[GPR_RSI], 0x1001);
	assert_stepped(1);
}

static void test_instruction_that_is_not_emulated(void **state)
{
	(void)state;
	fake_vcpu_set_mode(vcpu, 4, 0);
	set_insn("\x0f\xae\x00"); /* FXSAVE [EAX] */
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0xfee00000), .write = true});
	assert_stopped("device memory access by an instruction that is not emulated, at rip "
		       "0x4000");
}

/* A user process cannot stop its VM so. */
static void test_instruction_that_is_not_emulated_in_user_mode(void **state)
{
	(void)state;
	fake_vcpu_set_mode(vcpu, 4, 3);
	set_insn("\x0f\xae\x00");
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0xfee00000), .write = true});
	assert_faulted(VECTOR_UD);
}

/* RAM that the CPU took for missing is tried again, without emulating anything. */
static void test_memory_that_is_there(void **state)
{
	(void)state;
	set_insn("\x0f\xae\x00");
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0x2000), .write = true});
	assert_stepped(0);
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0x2000), .execute = true});
	assert_stepped(0);
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0x2000), .table_walk = true});
	assert_stepped(0);
}

static void test_nothing_to_execute(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0x12345678), .execute = true});
	assert_stopped("instruction at physical address 0x12345678, where no memory is; rip "
		       "0x4000");
}

static void test_page_table_that_is_not_there(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_MEMORY, .memory = {.gpa = gpa_make(0xfffff000), .table_walk = true});
	assert_stopped("page table at physical address 0xfffff000, where no memory is; rip "
		       "0x4000");
}

/* ---- instructions ---- */

static void test_cpuid(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GPR_COUNT; i++)
		vcpu->gpr[i] = UINT64_MAX;
	vcpu->gpr[GPR_RAX] = 0xdead000040000000;
	DISPATCH(.kind = EXIT_CPUID, .length = 2);
	assert_int_equal(vcpu->gpr[GPR_RAX], 0x40000001);
	assert_int_equal(vcpu->gpr[GPR_RBX], 0x4b4d564b);
	assert_int_equal(vcpu->gpr[GPR_RCX], 0x564b4d56);
	assert_int_equal(vcpu->gpr[GPR_RDX], 0x4d);
	assert_int_equal(vcpu->gpr[GPR_RSI], UINT64_MAX);
	assert_stepped(2);
}

/* Where the hardware gives no length, the instruction is decoded. */
static void test_length_is_decoded(void **state)
{
	(void)state;
	set_insn("\x66\x0f\xa2");
	DISPATCH(.kind = EXIT_CPUID);
	assert_stepped(3);
}

/* Bytes that another vCPU changed meanwhile to none of an instruction fault. */
static void test_length_cannot_be_decoded(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RAX] = JUNK;
	set_insn("\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0");
	DISPATCH(.kind = EXIT_CACHE_CONTROL);
	assert_int_equal(vcpu->rip, RIP);
	assert_true(vcpu->event_valid);
}

static void test_msr_read(void **state)
{
	(void)state;
	fake_vcpu(vcpu)->regs[REG_LSTAR] = 0xffffffff81000000;
	vcpu->gpr[GPR_RAX] = vcpu->gpr[GPR_RDX] = JUNK;
	DISPATCH(.kind = EXIT_MSR_READ, .length = 2, .msr = {MSR_LSTAR});
	assert_int_equal(vcpu->gpr[GPR_RAX], 0x81000000);
	assert_int_equal(vcpu->gpr[GPR_RDX], 0xffffffff);
	assert_stepped(2);
}

static void test_msr_write(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RAX] = 0xdead000081000000;
	vcpu->gpr[GPR_RDX] = 0xdead0000ffffffff;
	DISPATCH(.kind = EXIT_MSR_WRITE, .length = 2, .msr = {MSR_LSTAR});
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_LSTAR], 0xffffffff81000000);
	assert_stepped(2);
}

static void test_msr_that_is_not_there(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RAX] = JUNK;
	DISPATCH(.kind = EXIT_MSR_READ, .length = 2, .msr = {0xdead});
	assert_int_equal(vcpu->gpr[GPR_RAX], JUNK);
	assert_faulted(VECTOR_GP);
	DISPATCH(.kind = EXIT_MSR_WRITE, .length = 2, .msr = {0xdead});
	assert_faulted(VECTOR_GP);
}

static void test_control_registers(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RBX] = CR4_PAE | CR4_PGE;
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 4, .write = true, .decoded = true, .gpr = GPR_RBX});
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_CR4], CR4_PAE | CR4_PGE);
	assert_stepped(3);
	vcpu->rip = RIP;
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 4, .decoded = true, .gpr = GPR_R15});
	assert_int_equal(vcpu->gpr[GPR_R15], CR4_PAE | CR4_PGE);
	assert_stepped(3);
}

static void test_control_register_faults(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RBX] = CR4_VMXE;
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 4, .write = true, .decoded = true, .gpr = GPR_RBX});
	assert_faulted(VECTOR_GP);
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 5, .decoded = true, .gpr = GPR_RBX});
	assert_faulted(VECTOR_GP);
}

/* In 32-bit code a control register is moved from and to the low half: what was above from 64-bit
 * times does not count. SDM 2B, MOV to control registers. */
static void test_control_registers_of_32_bit_code(void **state)
{
	(void)state;
	fake_vcpu_set_mode(vcpu, 4, 0);
	vcpu->gpr[GPR_RBX] = 0xdead00000000ull << 16 | CR0_PE | CR0_TS;
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 0, .write = true, .decoded = true, .gpr = GPR_RBX});
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_CR0], CR0_PE | CR0_TS | CR0_ET);
	assert_stepped(3);
	fake_vcpu(vcpu)->regs[REG_CR2] = 0xffff800000001000;
	vcpu->gpr[GPR_RCX] = JUNK;
	vcpu->rip = RIP;
	DISPATCH(.kind = EXIT_CR_ACCESS, .length = 3,
		 .cr = {.number = 2, .decoded = true, .gpr = GPR_RCX});
	assert_int_equal(vcpu->gpr[GPR_RCX], 0x1000);
	assert_stepped(3);
}

static void test_hypercall(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RAX] = 12345;
	DISPATCH(.kind = EXIT_HYPERCALL, .length = 3);
	assert_int_equal(vcpu->gpr[GPR_RAX], (uint64_t)-1000);
	assert_stepped(3);
}

static void test_hlt(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_HLT, .length = 1);
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	assert_int_equal(atomic_load(&vcpu->requests), VCPU_REQUEST_EVENT);
	assert_stepped(1);
}

static void test_pause_gives_way_only_to_who_waits(void **state)
{
	static struct vcpu other;

	(void)state;
	DISPATCH(.kind = EXIT_PAUSE, .length = 2);
	assert_int_equal(atomic_load(&vcpu->requests), 0);
	assert_stepped(2);
	other = (struct vcpu){.cpu = vcpu->cpu};
	assert_true(sched_enqueue(&vcpu->cpu->run_queue, &other));
	vcpu->rip = RIP;
	DISPATCH(.kind = EXIT_PAUSE, .length = 2);
	assert_int_equal(atomic_load(&vcpu->requests), VCPU_REQUEST_YIELD);
	assert_stepped(2);
}

static void test_xsetbv(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RCX] = 0xdead00000000;
	vcpu->gpr[GPR_RAX] = 7;
	DISPATCH(.kind = EXIT_XSETBV, .length = 3);
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_XCR0], 7);
	assert_stepped(3);
	vcpu->rip = RIP;
	vcpu->gpr[GPR_RAX] = 5; /* AVX without SSE */
	DISPATCH(.kind = EXIT_XSETBV, .length = 3);
	assert_faulted(VECTOR_GP);
	vcpu->gpr[GPR_RAX] = 7;
	vcpu->gpr[GPR_RDX] = 1;
	DISPATCH(.kind = EXIT_XSETBV, .length = 3);
	assert_faulted(VECTOR_GP);
	vcpu->gpr[GPR_RDX] = 0;
	vcpu->gpr[GPR_RCX] = 1; /* XCR1 */
	DISPATCH(.kind = EXIT_XSETBV, .length = 3);
	assert_faulted(VECTOR_GP);
	vcpu->gpr[GPR_RCX] = 0;
	vcpu->gpr[GPR_RAX] = 3;
	fake_vcpu_set_mode(vcpu, 8, 3); /* a process */
	DISPATCH(.kind = EXIT_XSETBV, .length = 3);
	assert_faulted(VECTOR_GP);
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_XCR0], 7);
}

static void test_small_ones(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_CACHE_CONTROL, .length = 2);
	assert_stepped(2);
	vcpu->rip = RIP;
	DISPATCH(.kind = EXIT_RDPMC, .length = 2);
	assert_faulted(VECTOR_GP);
	DISPATCH(.kind = EXIT_FORBIDDEN_INSTRUCTION, .length = 3);
	assert_faulted(VECTOR_UD);
	DISPATCH(.kind = EXIT_HOST_EVENT);
	assert_stepped(0);
	assert_true(atomic_load(&vcpu->cpu->attention));
	vcpu->window_requested = true;
	DISPATCH(.kind = EXIT_INTERRUPT_WINDOW);
	assert_false(vcpu->window_requested);
	assert_int_equal(atomic_load(&vcpu->requests), VCPU_REQUEST_EVENT);
}

/* ---- events that the guest cannot go on from, or only through its handler ---- */

static void test_intercepted_exceptions(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_EXCEPTION,
		 .exception = {.vector = VECTOR_AC, .has_error_code = true});
	assert_faulted(VECTOR_AC);
	DISPATCH(.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_PF,
						       .has_error_code = true,
						       .error_code = 6,
						       .address = 0xabc000});
	assert_int_equal(fake_vcpu(vcpu)->regs[REG_CR2], 0xabc000);
	assert_int_equal(vcpu->event.error_code, 6);
	vcpu->event_valid = false;
	/* The host's machine check is not the guest's. */
	DISPATCH(.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_MC});
	assert_stepped(0);
}

static void test_triple_fault(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_SHUTDOWN);
	assert_stopped("triple fault at rip 0x4000");
}

static void test_task_switch(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_TASK_SWITCH);
	assert_stopped("hardware task switch at rip 0x4000, which is not supported");
}

static void test_entry_failed(void **state)
{
	(void)state;
	DISPATCH(.kind = EXIT_ENTRY_FAILED, .raw_code = 0xffffffff);
	assert_stopped("the CPU refused the guest's state (code 0xffffffff) at rip 0x4000");
	assert_int_equal(fake_vcpu(vcpu)->dumps, 1);
}

/* Exits that are never asked for: the VM stops, and the log has all there is to know. */
static void test_unexpected_exits(void **state)
{
	static const enum exit_kind kinds[] = {EXIT_UNKNOWN, EXIT_INIT, EXIT_DR_ACCESS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		atomic_store(&vcpu->vm->state, VM_RUNNING);
		vcpu->vm->stop_reason[0] = '\0';
		DISPATCH(.kind = kinds[i], .raw_code = 0x77);
		assert_int_equal(atomic_load(&vcpu->vm->state), VM_STOPPING);
		assert_non_null(strstr(vcpu->vm->stop_reason, "unexpected exit 0x77"));
		assert_int_equal(fake_vcpu(vcpu)->dumps, i + 1);
	}
}

static void test_every_kind_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXIT_KINDS; i++) {
		assert_non_null(exit_kind_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(exit_kind_name(i), exit_kind_name(j));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_port_in),
		TEST(test_port_out),
		TEST(test_port_without_a_device),
		TEST(test_string_port_access_is_emulated),
		TEST(test_instruction_that_is_not_emulated),
		TEST(test_instruction_that_is_not_emulated_in_user_mode),
		TEST(test_memory_that_is_there),
		TEST(test_nothing_to_execute),
		TEST(test_page_table_that_is_not_there),
		TEST(test_cpuid),
		TEST(test_length_is_decoded),
		TEST(test_length_cannot_be_decoded),
		TEST(test_msr_read),
		TEST(test_msr_write),
		TEST(test_msr_that_is_not_there),
		TEST(test_control_registers),
		TEST(test_control_register_faults),
		TEST(test_control_registers_of_32_bit_code),
		TEST(test_hypercall),
		TEST(test_hlt),
		TEST(test_pause_gives_way_only_to_who_waits),
		TEST(test_xsetbv),
		TEST(test_small_ones),
		TEST(test_intercepted_exceptions),
		TEST(test_triple_fault),
		TEST(test_task_switch),
		TEST(test_entry_failed),
		TEST(test_unexpected_exits),
		TEST(test_every_kind_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
