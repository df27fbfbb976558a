/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of host faults. Everything here assumes that memory may be damaged: what is certain is
 * written first, pointers are followed only by safe_read(), and no lock is taken.
 */
#include "arch/x86/fault.h"

#include "vmm/format.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/ex_table.h"
#include "arch/x86/idt.h"
#include "arch/x86/ksyms.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/panic_serial.h"
#include "arch/x86/percpu.h"

#include <errno.h>
#include <stdatomic.h>

#define FAULT_NOBODY	    UINT32_MAX
#define FAULT_LINE_MAX	    256
#define FAULT_BACKTRACE_MAX 32

static void (*fault_write)(const char *text) = panic_serial_write;
static void (*fault_stop_others)(void);
static void (*fault_end)(void);

/* The id of the CPU that reports. */
static _Atomic uint32_t fault_owner = FAULT_NOBODY;

static const char *const exception_names[] = {
	[VECTOR_DE] = "#DE, divide error",	   [VECTOR_DB] = "#DB, debug exception",
	[VECTOR_BP] = "#BP, breakpoint",	   [VECTOR_OF] = "#OF, overflow",
	[VECTOR_BR] = "#BR, bound range exceeded", [VECTOR_UD] = "#UD, invalid instruction",
	[VECTOR_NM] = "#NM, FPU not available",	   [VECTOR_DF] = "#DF, double fault",
	[VECTOR_TS] = "#TS, invalid TSS",	   [VECTOR_NP] = "#NP, segment not present",
	[VECTOR_SS] = "#SS, stack segment fault",  [VECTOR_GP] = "#GP, general protection fault",
	[VECTOR_PF] = "#PF, page fault",	   [VECTOR_MF] = "#MF, x87 error",
	[VECTOR_AC] = "#AC, misaligned access",	   [VECTOR_MC] = "#MC, machine check",
	[VECTOR_XM] = "#XM, SIMD error",
};

void fault_set_output(void (*write)(const char *text))
{
	fault_write = write;
}

void fault_set_stop_others(void (*stop)(void))
{
	fault_stop_others = stop;
}

void fault_set_end(void (*end)(void))
{
	fault_end = end;
}

bool fault_is_stopping(void)
{
	return atomic_load(&fault_owner) != FAULT_NOBODY;
}

void fault_park(void)
{
	for (;;) {
		cpu_cli();
		cpu_hlt();
	}
}

HV_PRINTF(1, 2) static void fault_print(const char *format, ...)
{
	char line[FAULT_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)hv_vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fault_write(line);
}

/* Reads memory that may not be mapped. Errors: -EFAULT. */
static int safe_read(uint64_t address, uint64_t *value)
{
	int error = -EFAULT;
	uint64_t read = 0;

	__asm__ volatile("1: mov (%[address]), %[read]\n"
			 "xor %[error], %[error]\n"
			 "2:\n" EX_TABLE_ENTRY("1b", "2b")
			 : [error] "+r"(error), [read] "+r"(read)
			 : [address] "r"(address)
			 : "cc", "memory");
	*value = read;
	return error;
}

HV_NORETURN static void fault_finish(void)
{
	if (fault_end)
		fault_end();
	fault_park();
}

static uint32_t fault_cpu_id(void)
{
	struct cpu *cpu = this_cpu();

	return cpu ? cpu->id : 0;
}

static void fault_print_address(uint64_t address, uint64_t lookup)
{
	uint64_t offset;
	const char *name = ksyms_lookup(lookup, &offset);

	offset += address - lookup;
	if (name)
		fault_print("  0x%016llx %s+0x%llx\n", (unsigned long long)address, name,
			    (unsigned long long)offset);
	else
		fault_print("  0x%016llx\n", (unsigned long long)address);
}

/*
 * A fault in the report. It may be the driver's output that faults, so what is left to say goes to
 * the last resort; where that faults, nothing is said, and where the end does, the CPU halts.
 */
HV_NORETURN static void fault_nested(const char *what, uint64_t rip)
{
	static unsigned depth; /* touched by the reporting CPU alone */

	depth++;
	if (depth == 1) {
		fault_write = panic_serial_write;
		fault_write("\nHOST FAULT while reporting a fault\n");
		fault_print("%s\n", what);
		fault_print_address(rip, rip);
	}
	if (depth <= 2)
		fault_finish();
	fault_park();
}

/* Makes this CPU the one that reports; does not return where another is, or where it is already. */
static void fault_begin(const char *what, uint64_t rip)
{
	uint32_t owner = FAULT_NOBODY;
	uint32_t self = fault_cpu_id();

	if (!atomic_compare_exchange_strong(&fault_owner, &owner, self)) {
		if (owner == self)
			fault_nested(what, rip);
		fault_park();
	}
	if (fault_stop_others)
		fault_stop_others();
}

/*
 * Follows the chain of saved frame pointers as long as it goes up in the slot of one stack. The
 * return address stands above each (System V ABI 3.2.2).
 */
static void fault_print_callers(uint64_t rbp, uint64_t rsp)
{
	uint64_t top = (rsp | (CPU_STACK_SIZE - 1)) - 15;
	uint64_t below = rsp;

	for (unsigned i = 0; i < FAULT_BACKTRACE_MAX; i++) {
		uint64_t caller;

		if (rbp < below || rbp >= top || !is_aligned(rbp, 8) ||
		    safe_read(rbp + 8, &caller) != 0 || caller == 0)
			return;
		/* The call is before the address that it returns to, maybe in another function. */
		fault_print_address(caller, caller - 1);
		below = rbp + 16;
		if (safe_read(rbp, &rbp) != 0)
			return;
	}
	fault_print("  ...\n");
}

/* The VM and vCPU in whose service this CPU was. */
static void fault_print_vcpu(void)
{
	struct cpu *cpu = this_cpu();
	struct vcpu *vcpu = cpu ? atomic_load(&cpu->running) : NULL;
	uint64_t probe;

	if (!vcpu) {
		fault_print("no VM was running\n");
		return;
	}
	if (safe_read((uintptr_t)vcpu, &probe) != 0 ||
	    safe_read((uintptr_t)vcpu->vm, &probe) != 0 ||
	    safe_read((uintptr_t)vcpu->vm->config, &probe) != 0) {
		fault_print("the running vCPU's data is damaged\n");
		return;
	}
	fault_print("vm %.*s, vCPU %u was running; its rip 0x%llx\n", CONFIG_NAME_MAX,
		    vcpu->vm->config->name, vcpu->id, (unsigned long long)vcpu->rip);
}

static void fault_print_registers(const struct interrupt_frame *frame)
{
	const struct {
		const char *name;
		uint64_t value;
	} registers[] = {
		{"rax", frame->rax}, {"rbx", frame->rbx}, {"rcx", frame->rcx},
		{"rdx", frame->rdx}, {"rsi", frame->rsi}, {"rdi", frame->rdi},
		{"rbp", frame->rbp}, {"rsp", frame->rsp}, {"r8 ", frame->r8},
		{"r9 ", frame->r9},  {"r10", frame->r10}, {"r11", frame->r11},
		{"r12", frame->r12}, {"r13", frame->r13}, {"r14", frame->r14},
		{"r15", frame->r15}, {"rip", frame->rip}, {"rfl", frame->rflags},
		{"cr0", cr0_read()}, {"cr2", cr2_read()}, {"cr3", cr3_read()},
		{"cr4", cr4_read()}, {"cs ", frame->cs},  {"ss ", frame->ss},
	};

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		fault_print("%s %016llx%s", registers[i].name,
			    (unsigned long long)registers[i].value, i % 3 == 2 ? "\n" : "  ");
}

/* SDM 3A, 4.7. */
static void fault_print_page_fault(const struct interrupt_frame *frame)
{
	const char *access = frame->error_code & 1 << 4	  ? "execute"
			     : frame->error_code & 1 << 1 ? "write"
							  : "read";

	fault_print("attempt to %s 0x%llx, which %s\n", access, (unsigned long long)cr2_read(),
		    frame->error_code & 1 << 3 ? "has reserved bits in its page tables"
		    : frame->error_code & 1    ? "does not allow it"
					       : "is not mapped");
}

/* A push into a guard page raises #PF, whose own pushes raise #DF: CR2 still holds the address. */
static void fault_print_overflow(const struct interrupt_frame *frame)
{
	unsigned cpu_id = 0;
	const char *stack = NULL;

	if (frame->vector == VECTOR_PF || frame->vector == VECTOR_DF)
		stack = percpu_guard_page(cr2_read(), &cpu_id);
	if (stack)
		fault_print("stack overflow: guard page of CPU %u's %s stack\n", cpu_id, stack);
}

void fault_exception(const struct interrupt_frame *frame)
{
	const char *name =
		frame->vector < ARRAY_SIZE(exception_names) ? exception_names[frame->vector] : NULL;

	if (!name)
		name = "reserved exception";
	fault_begin(name, frame->rip);
	fault_print("\nHOST FAULT on CPU %u: %s (vector %u, error code 0x%llx)\n", fault_cpu_id(),
		    name, (unsigned)frame->vector, (unsigned long long)frame->error_code);
	if (frame->vector == VECTOR_PF)
		fault_print_page_fault(frame);
	fault_print_overflow(frame);
	fault_print_registers(frame);
	fault_print("backtrace:\n");
	fault_print_address(frame->rip, frame->rip);
	fault_print_callers(frame->rbp, frame->rsp);
	if (frame->vector == VECTOR_MC)
		machine_check_report(fault_print);
	fault_print_vcpu();
	fault_finish();
}

void fault_panic(const char *message)
{
	uint64_t rbp = (uintptr_t)__builtin_frame_address(0);

	cpu_cli();
	fault_begin("panic", (uintptr_t)__builtin_return_address(0));
	fault_print("\nHOST FAULT on CPU %u: panic\n", fault_cpu_id());
	fault_write(message);
	fault_write("\nbacktrace:\n");
	fault_print_callers(rbp, rbp);
	fault_print_vcpu();
	fault_finish();
}
