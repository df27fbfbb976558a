/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of vmm/platform.h that has to do with time, waiting, kicks and power. */
#include "vmm/platform.h"

#include "arch/x86/acpi_power.h"
#include "arch/x86/apic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/rtc.h"
#include "arch/x86/tsc.h"
#include "arch/x86/vectors.h"

uint64_t platform_now(void)
{
	return tsc_read();
}

uint64_t platform_tick_hz(void)
{
	return tsc_hz();
}

void platform_kick_cpu(struct cpu *cpu)
{
	if (cpu != this_cpu())
		apic_send_ipi(cpu->apic_id, VECTOR_KICK);
}

void platform_set_timer(uint64_t deadline)
{
	apic_timer_set(deadline);
}

/* STI takes effect after the next instruction: nothing comes between it and HLT. SDM 2B, STI. */
void platform_idle(void)
{
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

void platform_poll_interrupts(void)
{
	__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
}

uint64_t platform_wall_clock(void)
{
	return rtc_now();
}

void platform_power_off(void)
{
	acpi_power_off();
}

void platform_reset(void)
{
	acpi_power_reset();
}
