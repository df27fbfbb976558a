/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates and loads what each host CPU has of its own. */
#include "arch/x86/percpu.h"

#include "vmm/heap.h"
#include "vmm/platform.h"
#include "arch/x86/gdt.h"
#include "arch/x86/idt.h"
#include "arch/x86/memory.h"

/* Stacks of a CPU, in the order of their slots. The later ones are its interrupt stacks. */
#define CPU_STACKS 4

static const char *const stack_names[CPU_STACKS] = {
	[IST_NONE] = "normal",
	[IST_NMI] = "NMI",
	[IST_DOUBLE_FAULT] = "double fault",
	[IST_MACHINE_CHECK] = "machine check",
};

/* A page of its own, so that the TSS does not cross one (SDM 3A, 8.2.1). */
struct x86_cpu {
	struct tss tss;
	struct gdt gdt;
	struct cpu cpu;
	uint64_t nmi_count;
} HV_ALIGNED(PAGE_SIZE);

/* The lowest address of a stack's slot: its guard page. */
static uint64_t stack_slot(unsigned cpu_id, unsigned stack)
{
	return STACK_MAP_BASE + ((uint64_t)cpu_id * CPU_STACKS + stack) * CPU_STACK_SIZE;
}

/* The first 16 bytes hold the pointer for this_cpu() and keep the alignment. */
static uint64_t stack_top(unsigned cpu_id, unsigned stack)
{
	return stack_slot(cpu_id, stack) + CPU_STACK_SIZE - 16;
}

static bool percpu_create_stacks(struct cpu *cpu)
{
	for (unsigned stack = 0; stack < CPU_STACKS; stack++) {
		if (memory_map_stack(stack_slot(cpu->id, stack)) != 0)
			return false;
		*(struct cpu **)(stack_top(cpu->id, stack) + 8) = cpu;
	}
	return true;
}

struct cpu *percpu_create(unsigned id, uint32_t apic_id)
{
	struct x86_cpu *x86 = hv_alloc(sizeof(*x86));

	if (!x86)
		return NULL;
	cpu_init(&x86->cpu, id, apic_id);
	x86->cpu.arch = x86;
	/* Stacks that were made stay: their addresses are this CPU's alone. */
	if (!percpu_create_stacks(&x86->cpu)) {
		hv_free(x86);
		return NULL;
	}
	x86->tss.rsp[0] = stack_top(id, IST_NONE);
	for (unsigned ist = IST_NMI; ist < CPU_STACKS; ist++)
		x86->tss.ist[ist - 1] = stack_top(id, ist);
	return &x86->cpu;
}

void percpu_load(struct cpu *cpu)
{
	struct x86_cpu *x86 = cpu->arch;

	gdt_load(&x86->gdt, &x86->tss);
	idt_load();
}

uint64_t percpu_stack_top(const struct cpu *cpu)
{
	return stack_top(cpu->id, IST_NONE);
}

void percpu_switch_stack(struct cpu *cpu, void (*function)(struct cpu *cpu))
{
	__asm__ volatile("mov %[top], %%rsp\n"
			 "xor %%ebp, %%ebp\n"
			 "call *%[function]\n"
			 "ud2"
			 :
			 : [top] "r"(percpu_stack_top(cpu)), [function] "r"(function), "D"(cpu)
			 : "memory");
	__builtin_unreachable();
}

uint64_t percpu_nmi_count(const struct cpu *cpu)
{
	const struct x86_cpu *x86 = cpu->arch;

	return x86->nmi_count;
}

void percpu_count_nmi(struct cpu *cpu)
{
	struct x86_cpu *x86 = cpu->arch;

	x86->nmi_count++;
}

const char *percpu_guard_page(uint64_t address, unsigned *cpu_id)
{
	uint64_t slot = (address - STACK_MAP_BASE) / CPU_STACK_SIZE;

	if (address < STACK_MAP_BASE || slot >= (uint64_t)CPUS_MAX * CPU_STACKS ||
	    address % CPU_STACK_SIZE >= PAGE_SIZE)
		return NULL;
	*cpu_id = (unsigned)(slot / CPU_STACKS);
	return stack_names[slot % CPU_STACKS];
}
