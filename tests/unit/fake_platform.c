/* SPDX-License-Identifier: BSD-2-Clause */
/* The host side of vmm/platform.h for unit tests and fuzz targets. */
#include "fake_platform.h"

#include "vmm/page_alloc.h"
#include "vmm/platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Aligned as strictly as anything that asks for an aligned block inside it may need. */
static uint8_t fake_ram[FAKE_RAM_SIZE] __attribute__((aligned(1 << PAGE_2M_SHIFT)));

struct fake_cpuid {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t registers[4];
};

static struct {
	uint64_t now;
	uint64_t wall_clock;
	uint64_t timer;
	unsigned kicks;
	struct cpu *last_kicked;
	unsigned power_offs;
	unsigned resets;
	unsigned cpuids;
	struct fake_cpuid cpuid[FAKE_CPUID_MAX];
	void (*on_panic)(const char *message);
	void (*on_idle)(void);
} fake = {.timer = UINT64_MAX};

void fake_platform_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.timer = UINT64_MAX;
	memset(fake_ram, 0xa5, sizeof(fake_ram));
}

void fake_platform_give_ram(void)
{
	page_alloc_reset();
	if (page_alloc_add(hpa_make(FAKE_RAM_BASE), FAKE_RAM_SIZE) != 0)
		platform_panic("the page allocator refused the fake RAM");
}

void fake_platform_set_time(uint64_t ticks)
{
	fake.now = ticks;
}

void fake_platform_advance(uint64_t ticks)
{
	fake.now += ticks;
}

void fake_platform_set_wall_clock(uint64_t seconds)
{
	fake.wall_clock = seconds;
}

unsigned fake_platform_kicks(void)
{
	return fake.kicks;
}

struct cpu *fake_platform_last_kicked(void)
{
	return fake.last_kicked;
}

uint64_t fake_platform_timer(void)
{
	return fake.timer;
}

unsigned fake_platform_power_offs(void)
{
	return fake.power_offs;
}

unsigned fake_platform_resets(void)
{
	return fake.resets;
}

static struct fake_cpuid *find_cpuid(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < fake.cpuids; i++)
		if (fake.cpuid[i].leaf == leaf && fake.cpuid[i].subleaf == subleaf)
			return &fake.cpuid[i];
	return NULL;
}

void fake_platform_set_cpuid(uint32_t leaf, uint32_t subleaf, const uint32_t registers[4])
{
	struct fake_cpuid *entry = find_cpuid(leaf, subleaf);

	if (!entry && fake.cpuids == FAKE_CPUID_MAX)
		platform_panic("more than %d fake CPUID leaves", FAKE_CPUID_MAX);
	if (!entry)
		entry = &fake.cpuid[fake.cpuids++];
	entry->leaf = leaf;
	entry->subleaf = subleaf;
	memcpy(entry->registers, registers, sizeof(entry->registers));
}

void fake_platform_on_panic(void (*hook)(const char *message))
{
	fake.on_panic = hook;
}

uint64_t platform_now(void)
{
	return fake.now;
}

uint64_t platform_tick_hz(void)
{
	return FAKE_TICK_HZ;
}

void platform_kick_cpu(struct cpu *cpu)
{
	fake.kicks++;
	fake.last_kicked = cpu;
}

void platform_set_timer(uint64_t deadline)
{
	fake.timer = deadline;
}

void fake_platform_on_idle(void (*hook)(void))
{
	fake.on_idle = hook;
}

void platform_idle(void)
{
	if (fake.on_idle)
		fake.on_idle();
}

void platform_poll_interrupts(void)
{
}

void *platform_ram(hpa_t hpa)
{
	if (hpa.value < FAKE_RAM_BASE || hpa.value - FAKE_RAM_BASE >= FAKE_RAM_SIZE)
		platform_panic("0x%llx is not RAM", (unsigned long long)hpa.value);
	return &fake_ram[hpa.value - FAKE_RAM_BASE];
}

hpa_t platform_ram_address(const void *pointer)
{
	uintptr_t offset = (uintptr_t)pointer - (uintptr_t)fake_ram;

	if (offset >= FAKE_RAM_SIZE)
		platform_panic("%p did not come from the page allocator", pointer);
	return hpa_make(FAKE_RAM_BASE + offset);
}

void platform_panic(const char *format, ...)
{
	char message[256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (fake.on_panic)
		fake.on_panic(message);
	(void)fprintf(stderr, "platform_panic: %s\n", message);
	abort();
}

uint64_t platform_wall_clock(void)
{
	return fake.wall_clock;
}

void platform_power_off(void)
{
	fake.power_offs++;
}

void platform_reset(void)
{
	fake.resets++;
}

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
	const struct fake_cpuid *entry = find_cpuid(leaf, subleaf);

	memset(registers, 0, 4 * sizeof(registers[0]));
	if (entry)
		memcpy(registers, entry->registers, sizeof(entry->registers));
}
