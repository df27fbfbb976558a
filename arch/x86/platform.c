/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of vmm/platform.h that memory, faults and CPUID answer; time, interrupts and power are
 * in platform_time.c.
 */
#include "vmm/platform.h"

#include "vmm/format.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/fault.h"
#include "arch/x86/memory.h"

#include <stdarg.h>

#define PANIC_MESSAGE_MAX 256

void *platform_ram(hpa_t hpa)
{
	return (char *)DIRECT_MAP_BASE + hpa.value;
}

hpa_t platform_ram_address(const void *pointer)
{
	uint64_t address = (uintptr_t)pointer;

	if (address < DIRECT_MAP_BASE || address >= DEVICE_MAP_BASE)
		platform_panic("%p does not point into RAM", pointer);
	return hpa_make(address - DIRECT_MAP_BASE);
}

void platform_panic(const char *format, ...)
{
	char message[PANIC_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)hv_vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fault_panic(message);
}

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
	struct cpuid_regs regs = cpuid(leaf, subleaf);

	registers[0] = regs.eax;
	registers[1] = regs.ebx;
	registers[2] = regs.ecx;
	registers[3] = regs.edx;
}
