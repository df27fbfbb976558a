/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control registers, flags and single instructions of the host CPU. The bits are in
 * vmm/x86_defs.h. Everything that changes how memory or interrupts behave is a compiler barrier.
 */
#pragma once

#include "vmm/types.h"

/* Defines NAME_read() and NAME_write() for a control register. SDM 3A, 2.5. */
#define CONTROL_REGISTER(name)                                                      \
	static inline uint64_t name##_read(void)                                    \
	{                                                                           \
		uint64_t value;                                                     \
                                                                                    \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
		return value;                                                       \
	}                                                                           \
	static inline void name##_write(uint64_t value)                             \
	{                                                                           \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");     \
	}

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(cr8)

#undef CONTROL_REGISTER

/* XCR0; only with CR4.OSXSAVE set. */
static inline uint64_t xcr0_read(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static inline void xcr0_write(uint64_t value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0)
			 : "memory");
}

/* Drops the calling CPU's translation of one page. */
static inline void cpu_invlpg(const void *address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t cpu_rflags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
	return flags;
}

static inline void cpu_sti(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void cpu_cli(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Halts until an interrupt; with interrupts off, until an NMI. */
static inline void cpu_hlt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

/* In every spin loop: emulators that run CPUs in turns, and hyperthreads, depend on it. */
static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}
