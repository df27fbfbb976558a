/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One handler for each kind of exit. A handler that steps over its instruction asks for the length
 * only once it knows that the instruction completes.
 */
#include "vmm/exit.h"

#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/cr.h"
#include "vmm/emulate.h"
#include "vmm/kvm_pv.h"
#include "vmm/msr.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

static const char *const kind_names[EXIT_KINDS] = {
	[EXIT_HOST_EVENT] = "host-event",
	[EXIT_PORT_IO] = "port-io",
	[EXIT_MEMORY] = "memory",
	[EXIT_CPUID] = "cpuid",
	[EXIT_MSR_READ] = "msr-read",
	[EXIT_MSR_WRITE] = "msr-write",
	[EXIT_CR_ACCESS] = "cr-access",
	[EXIT_DR_ACCESS] = "dr-access",
	[EXIT_HYPERCALL] = "hypercall",
	[EXIT_HLT] = "hlt",
	[EXIT_PAUSE] = "pause",
	[EXIT_INTERRUPT_WINDOW] = "interrupt-window",
	[EXIT_NMI_WINDOW] = "nmi-window",
	[EXIT_XSETBV] = "xsetbv",
	[EXIT_CACHE_CONTROL] = "cache-control",
	[EXIT_RDPMC] = "rdpmc",
	[EXIT_FORBIDDEN_INSTRUCTION] = "forbidden",
	[EXIT_EXCEPTION] = "exception",
	[EXIT_TASK_SWITCH] = "task-switch",
	[EXIT_INIT] = "init",
	[EXIT_SHUTDOWN] = "shutdown",
	[EXIT_ENTRY_FAILED] = "entry-failed",
	[EXIT_UNKNOWN] = "unknown",
};

const char *exit_kind_name(enum exit_kind kind)
{
	return kind_names[kind];
}

/* Where the hardware gave no length the instruction has to be decoded. */
static void decode_and_step_over(struct vcpu *vcpu)
{
	unsigned length = vcpu_instruction_length(vcpu);

	if (length != 0)
		vcpu_advance(vcpu, length);
}

/* Steps over the instruction that caused the exit. */
static inline void step_over(struct vcpu *vcpu, const struct vm_exit *exit)
{
	if (__builtin_expect(exit->length != 0, 1))
		vcpu_advance(vcpu, exit->length);
	else
		decode_and_step_over(vcpu);
}

static void handle_nothing(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	/* The interrupt may have been this CPU's timer or a kick: the run loop looks. */
	atomic_store_explicit(&vcpu->cpu->attention, true, memory_order_relaxed);
}

static void set_cpuid_regs(struct vcpu *vcpu, const struct cpuid_regs *regs)
{
	vcpu_set_gpr32(vcpu, GPR_RAX, regs->eax);
	vcpu_set_gpr32(vcpu, GPR_RBX, regs->ebx);
	vcpu_set_gpr32(vcpu, GPR_RCX, regs->ecx);
	vcpu_set_gpr32(vcpu, GPR_RDX, regs->edx);
}

static void work_out_cpuid(struct vcpu *vcpu)
{
	struct cpuid_regs regs =
		vcpu_cpuid(vcpu, vcpu_gpr32(vcpu, GPR_RAX), vcpu_gpr32(vcpu, GPR_RCX));

	set_cpuid_regs(vcpu, &regs);
}

static void handle_cpuid(struct vcpu *vcpu, const struct vm_exit *exit)
{
	const struct cpuid_regs *fixed;

	step_over(vcpu, exit);
	fixed = cpuid_fixed(vcpu_gpr32(vcpu, GPR_RAX));
	if (__builtin_expect(fixed != NULL, 1))
		set_cpuid_regs(vcpu, fixed);
	else
		work_out_cpuid(vcpu);
}

static void handle_msr_read(struct vcpu *vcpu, const struct vm_exit *exit)
{
	uint64_t value;

	if (vcpu_msr_read(vcpu, exit->msr.number, &value) != 0) {
		vcpu_inject_gp(vcpu);
		return;
	}
	vcpu_set_gpr32(vcpu, GPR_RAX, (uint32_t)value);
	vcpu_set_gpr32(vcpu, GPR_RDX, (uint32_t)(value >> 32));
	step_over(vcpu, exit);
}

static uint64_t edx_eax(const struct vcpu *vcpu)
{
	return (uint64_t)vcpu_gpr32(vcpu, GPR_RDX) << 32 | vcpu_gpr32(vcpu, GPR_RAX);
}

static void handle_msr_write(struct vcpu *vcpu, const struct vm_exit *exit)
{
	if (vcpu_msr_write(vcpu, exit->msr.number, edx_eax(vcpu)) != 0)
		vcpu_inject_gp(vcpu);
	else
		step_over(vcpu, exit);
}

/* Emulates the whole instruction; one that is not known stops the VM, with its bytes' place in the
 * reason. */
static void emulate_or_stop(struct vcpu *vcpu, const char *what)
{
	if (vcpu_emulate(vcpu) != 0)
		vm_stop(vcpu->vm, "%s by an instruction that is not emulated, at rip 0x%llx", what,
			(unsigned long long)vcpu->rip);
}

static void handle_port_io(struct vcpu *vcpu, const struct vm_exit *exit)
{
	const struct exit_port_io *io = &exit->port_io;
	struct bus *ports = &vcpu->vm->ports;
	uint64_t *rax = &vcpu->gpr[GPR_RAX];
	uint64_t value;

	if (io->string) {
		emulate_or_stop(vcpu, "string port access");
		return;
	}
	if (io->in) {
		value = bus_read(ports, vcpu, io->port, io->size);
		if (io->size == 1)
			*rax = (*rax & ~(uint64_t)UINT8_MAX) | value;
		else if (io->size == 2)
			*rax = (*rax & ~(uint64_t)UINT16_MAX) | value;
		else
			*rax = value;
	} else {
		bus_write(ports, vcpu, io->port, io->size, *rax);
	}
	step_over(vcpu, exit);
}

/* Whether the nested tables give the guest what it was refused. */
static bool is_mapped(const struct vcpu *vcpu, const struct exit_memory *memory)
{
	unsigned wanted =
		GPA_READ | (memory->write ? GPA_WRITE : 0u) | (memory->execute ? GPA_EXECUTE : 0u);
	const struct gpa_region *region = gpa_space_find(&vcpu->vm->space, memory->gpa);

	return region != NULL && (region->permission & wanted) == wanted;
}

static void handle_memory(struct vcpu *vcpu, const struct vm_exit *exit)
{
	const struct exit_memory *memory = &exit->memory;

	/* The CPU saw the tables as they were, or a stale translation: it looks again. */
	if (is_mapped(vcpu, memory))
		return;
	/* Instructions and page tables in device memory, or nowhere: nothing could be fetched. */
	if (memory->execute || memory->table_walk) {
		vm_stop(vcpu->vm, "%s at physical address 0x%llx, where no memory is; rip 0x%llx",
			memory->execute ? "instruction" : "page table",
			(unsigned long long)memory->gpa.value, (unsigned long long)vcpu->rip);
		return;
	}
	emulate_or_stop(vcpu, "device memory access");
}

/* Control registers are moved whole in 64-bit code, else their low half. SDM 2B, MOV CRn. */
static uint64_t cr_operand(struct vcpu *vcpu, uint64_t value)
{
	return value > UINT32_MAX && vcpu_code_width(vcpu) != 8 ? (uint32_t)value : value;
}

static void handle_cr_access(struct vcpu *vcpu, const struct vm_exit *exit)
{
	const struct exit_cr *cr = &exit->cr;
	uint64_t value;

	if (!cr->decoded) {
		emulate_or_stop(vcpu, "control register access");
		return;
	}
	if (cr->write) {
		value = cr_operand(vcpu, vcpu->gpr[cr->gpr]);
		if (vcpu_cr_write(vcpu, cr->number, value) != 0) {
			vcpu_inject_gp(vcpu);
			return;
		}
	} else if (vcpu_cr_read(vcpu, cr->number, &value) == 0) {
		vcpu->gpr[cr->gpr] = cr_operand(vcpu, value);
	} else {
		vcpu_inject_gp(vcpu);
		return;
	}
	step_over(vcpu, exit);
}

static void handle_hypercall(struct vcpu *vcpu, const struct vm_exit *exit)
{
	kvm_pv_hypercall(vcpu);
	step_over(vcpu, exit);
}

static void handle_hlt(struct vcpu *vcpu, const struct vm_exit *exit)
{
	step_over(vcpu, exit);
	vcpu->activity = VCPU_HALTED;
	/* An interrupt that is pending already ends the halt before it began. */
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
}

/* It spins: let another vCPU of this CPU go first, if one waits. */
static void handle_pause(struct vcpu *vcpu, const struct vm_exit *exit)
{
	if (exit->length != 0)
		vcpu_advance(vcpu, exit->length);
	if (atomic_load(&vcpu->cpu->run_queue.count) != 0)
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_YIELD);
}

static void handle_window(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	vcpu->window_requested = false;
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
}

/* AMD-V exits before the privilege level is checked. */
static void handle_xsetbv(struct vcpu *vcpu, const struct vm_exit *exit)
{
	if (vcpu_cpl(vcpu) != 0 || vcpu_gpr32(vcpu, GPR_RCX) != 0 ||
	    vcpu_xcr0_write(vcpu, edx_eax(vcpu)) != 0)
		vcpu_inject_gp(vcpu);
	else
		step_over(vcpu, exit);
}

/* Guests have no non-coherent devices yet: their caches need no flush, and must not drop others'
 * lines. */
static void handle_cache_control(struct vcpu *vcpu, const struct vm_exit *exit)
{
	step_over(vcpu, exit);
}

static void handle_rdpmc(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	vcpu_inject_gp(vcpu);
}

static void handle_forbidden(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	vcpu_inject_ud(vcpu);
}

/* An exception that is intercepted only so that the CPU cannot be held in its delivery: it is the
 * guest's. */
static void handle_exception(struct vcpu *vcpu, const struct vm_exit *exit)
{
	const struct exit_exception *exception = &exit->exception;

	if (exception->vector == VECTOR_MC)
		return; /* the host's, which has taken it */
	if (exception->vector == VECTOR_PF)
		vcpu_set_reg(vcpu, REG_CR2, exception->address);
	vcpu_inject_exception(vcpu, exception->vector, exception->has_error_code,
			      exception->error_code);
}

static void handle_task_switch(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	vm_stop(vcpu->vm, "hardware task switch at rip 0x%llx, which is not supported",
		(unsigned long long)vcpu->rip);
}

static void handle_shutdown(struct vcpu *vcpu, const struct vm_exit *exit)
{
	(void)exit;
	vm_stop(vcpu->vm, "triple fault at rip 0x%llx", (unsigned long long)vcpu->rip);
}

static void handle_entry_failed(struct vcpu *vcpu, const struct vm_exit *exit)
{
	backend->dump(vcpu);
	vm_stop(vcpu->vm, "the CPU refused the guest's state (code 0x%llx) at rip 0x%llx",
		(unsigned long long)exit->raw_code, (unsigned long long)vcpu->rip);
}

static void handle_unknown(struct vcpu *vcpu, const struct vm_exit *exit)
{
	backend->dump(vcpu);
	vm_stop(vcpu->vm, "unexpected exit 0x%llx at rip 0x%llx",
		(unsigned long long)exit->raw_code, (unsigned long long)vcpu->rip);
}

exit_handler *const exit_handlers[EXIT_KINDS] = {
	[EXIT_HOST_EVENT] = handle_nothing,
	[EXIT_PORT_IO] = handle_port_io,
	[EXIT_MEMORY] = handle_memory,
	[EXIT_CPUID] = handle_cpuid,
	[EXIT_MSR_READ] = handle_msr_read,
	[EXIT_MSR_WRITE] = handle_msr_write,
	[EXIT_CR_ACCESS] = handle_cr_access,
	[EXIT_DR_ACCESS] = handle_unknown,
	[EXIT_HYPERCALL] = handle_hypercall,
	[EXIT_HLT] = handle_hlt,
	[EXIT_PAUSE] = handle_pause,
	[EXIT_INTERRUPT_WINDOW] = handle_window,
	[EXIT_NMI_WINDOW] = handle_window,
	[EXIT_XSETBV] = handle_xsetbv,
	[EXIT_CACHE_CONTROL] = handle_cache_control,
	[EXIT_RDPMC] = handle_rdpmc,
	[EXIT_FORBIDDEN_INSTRUCTION] = handle_forbidden,
	[EXIT_EXCEPTION] = handle_exception,
	[EXIT_TASK_SWITCH] = handle_task_switch,
	[EXIT_INIT] = handle_unknown,
	[EXIT_SHUTDOWN] = handle_shutdown,
	[EXIT_ENTRY_FAILED] = handle_entry_failed,
	[EXIT_UNKNOWN] = handle_unknown,
};
