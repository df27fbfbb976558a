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

/* The CPU that executes this. */
static inline struct cpu *this_cpu(void)
{
	uint64_t rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)((rsp | (CPU_STACK_SIZE - 1)) - 7);
}
