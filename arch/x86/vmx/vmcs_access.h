/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX instructions. All but VMXON work on or need the current VMCS of the calling CPU. SDM 3C,
 * chapter 30.
 */
#pragma once

#include "vmm/types.h"

#include <errno.h>

/* Ends the machine: a field that does not exist, or no current VMCS. */
HV_NORETURN void vmcs_write_failed(uint32_t field, uint64_t value);

/* The field must exist on this CPU. */
static inline uint64_t vmcs_read(uint32_t field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
	return value;
}

static inline uint32_t vmcs_read32(uint32_t field)
{
	return (uint32_t)vmcs_read(field);
}

static inline void vmcs_write(uint32_t field, uint64_t value)
{
	__asm__ goto("vmwrite %1, %0\n\tjna %l[failed]"
		     :
		     : "r"((uint64_t)field), "r"(value)
		     : "cc", "memory"
		     : failed);
	return;
failed:
	vmcs_write_failed(field, value);
}

/* Errors: -EINVAL where the CPU refused. */
#define VMX_POINTER_INSTRUCTION(name)                        \
	HV_MUST_CHECK static inline int vmx_##name(hpa_t pa) \
	{                                                    \
		__asm__ goto(#name " %0\n\tjna %l[failed]"   \
			     :                               \
			     : "m"(pa.value)                 \
			     : "cc", "memory"                \
			     : failed);                      \
		return 0;                                    \
	failed:                                              \
		return -EINVAL;                              \
	}

VMX_POINTER_INSTRUCTION(vmxon)
VMX_POINTER_INSTRUCTION(vmclear)
VMX_POINTER_INSTRUCTION(vmptrld)

#undef VMX_POINTER_INSTRUCTION

static inline void vmx_vmxoff(void)
{
	__asm__ volatile("vmxoff" : : : "cc", "memory");
}

enum vmx_invalidation {
	VMX_INV_SINGLE = 1,
	VMX_INV_ALL = 2,
};

static inline void vmx_invept(enum vmx_invalidation type, uint64_t eptp)
{
	const uint64_t descriptor[2] = {eptp, 0};

	__asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"((uint64_t)type) : "cc", "memory");
}

static inline void vmx_invvpid(enum vmx_invalidation type, uint32_t vpid)
{
	const uint64_t descriptor[2] = {vpid, 0};

	__asm__ volatile("invvpid %0, %1"
			 :
			 : "m"(descriptor), "r"((uint64_t)type)
			 : "cc", "memory");
}
