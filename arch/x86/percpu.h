/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a host CPU needs of its own: stacks, GDT, TSS. The current CPU is found from the stack
 * pointer: every stack is CPU_STACK_SIZE long and aligned to it, and its highest 8 bytes (of its
 * address space slot) hold the pointer. So guests' GS and TR may stay loaded while the hypervisor
 * runs.
 */
#pragma once

#include "vmm/cpu.h"
#include "vmm/types.h"

#define CPU_STACK_SIZE ((uint64_t)16384) /* virtual slot; its lowest page is the guard page */

struct x86_cpu; /* arch/x86/percpu.c */

/* The CPU that executes this; NULL on the boot stack. */
static inline struct cpu *this_cpu(void)
{
	uint64_t rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)((rsp | (CPU_STACK_SIZE - 1)) - 7);
}

/*
 * Makes a CPU's struct, stacks, GDT and TSS; `id` is below CPUS_MAX and was not used before. It
 * lives for ever. NULL where there is no memory. On the boot CPU, after memory_init().
 */
struct cpu *percpu_create(unsigned id, uint32_t apic_id);

/*
 * Makes the calling CPU use what percpu_create() made for it, and the IDT: after this its faults
 * are reported, stack overflows too. It may still be on another stack.
 */
void percpu_load(struct cpu *cpu);

/* Where the CPU's own stack starts, as a stack pointer before a call (16-byte aligned). */
uint64_t percpu_stack_top(const struct cpu *cpu);

/* Leaves the current stack for good: calls `function`, which does not return, on the CPU's own. */
HV_NORETURN void percpu_switch_stack(struct cpu *cpu, void (*function)(struct cpu *cpu));

/* NMIs that the CPU took, for `host`. The second is called by the NMI entry alone. */
uint64_t percpu_nmi_count(const struct cpu *cpu);
void percpu_count_nmi(struct cpu *cpu);

/*
 * If `address` lies in a guard page: the name of the stack above it ("normal", "NMI", ...), and in
 * *cpu_id whose it is. NULL otherwise.
 */
const char *percpu_guard_page(uint64_t address, unsigned *cpu_id);
