/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers of the host; their numbers are in vmm/x86_defs.h. */
#pragma once

#include "vmm/types.h"
#include "vmm/x86_defs.h"
#include "arch/x86/ex_table.h"

#include <errno.h>

/* For MSRs that the CPU is known to have: a host fault where it does not. */
static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* For MSRs that may not be there. Stores the value; -EFAULT (and 0) where the CPU raises #GP. */
HV_MUST_CHECK static inline int msr_read_safe(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0;
	int error = -EFAULT;

	__asm__ volatile("1: rdmsr\n"
			 "xor %[error], %[error]\n"
			 "2:\n" EX_TABLE_ENTRY("1b", "2b")
			 : [error] "+r"(error), "+a"(low), "+d"(high)
			 : "c"(msr)
			 : "cc");
	*value = (uint64_t)high << 32 | low;
	return error;
}

/* -EFAULT where the CPU raises #GP: no such MSR, or not such a value. */
HV_MUST_CHECK static inline int msr_write_safe(uint32_t msr, uint64_t value)
{
	int error = -EFAULT;

	__asm__ volatile("1: wrmsr\n"
			 "xor %[error], %[error]\n"
			 "2:\n" EX_TABLE_ENTRY("1b", "2b")
			 : [error] "+r"(error)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "cc", "memory");
	return error;
}
