/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other CPUs are started one after the other, since they share the trampoline's page and the
 * offered stack. One that does not come is sent back by INIT, so that it cannot take the next one's
 * stack.
 */
#include "arch/x86/smp.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/control.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/tsc.h"
#include "boot/boot_info.h"
#include "vmm/cpu.h"
#include "vmm/log.h"
#include "vmm/platform.h"
#include "vmm/timer.h"

#include <stdatomic.h>
#include <string.h>

#define INIT_WAIT_US	10000
#define STARTUP_WAIT_US 200
#define COME_WAIT_US	2000000 /* emulators are slow */

#define WARP_ROUNDS 200

/* arch/x86/trampoline.asm */
extern uint8_t trampoline_start[], trampoline_end[], trampoline_cr3[], trampoline_gdt_base[];
extern uint8_t trampoline_target32[], trampoline_target64[];

/* Offered to the CPU that is being started; it takes it and leaves 0. */
_Atomic uint64_t smp_starting_stack;
void smp_main(void);

static struct {
	void (*main)(struct cpu *cpu);
	_Atomic bool come;	  /* the CPU is up; written by it */
	_Atomic bool tested;	  /* it has left test_warp() */
	_Atomic unsigned go;	  /* CPUs with an id below this may go on; never gets less */
	_Atomic unsigned testing; /* CPUs in test_warp() */
	struct spinlock lock;	  /* guards: */
	uint64_t last_tsc;
	uint64_t warp;
} starting;

/*
 * Both CPUs read their TSC in turns; one that is behind what the other has read before is out of
 * step by that much at least.
 */
static void test_warp(void)
{
	atomic_fetch_add(&starting.testing, 1);
	while (atomic_load(&starting.testing) < 2)
		cpu_pause();
	for (int i = 0; i < WARP_ROUNDS; i++) {
		uint64_t now;

		spin_lock(&starting.lock);
		now = tsc_read_ordered();
		if (now < starting.last_tsc)
			starting.warp = max_u64(starting.warp, starting.last_tsc - now);
		else
			starting.last_tsc = now;
		spin_unlock(&starting.lock);
		cpu_pause();
	}
}

/* Called by smp_enter on the started CPU's own stack. */
void smp_main(void)
{
	struct cpu *cpu = this_cpu();

	memory_cpu_enable();
	percpu_load(cpu);
	apic_enable();
	atomic_store(&starting.come, true);
	test_warp();
	atomic_store(&starting.tested, true);
	while (atomic_load(&starting.go) <= cpu->id)
		cpu_pause();
	starting.main(cpu);
}

static void put_word(uint8_t *page, const uint8_t *field, uint32_t value)
{
	memcpy(page + (field - trampoline_start), &value, sizeof(value));
}

static void add_word(uint8_t *page, const uint8_t *field, uint32_t value)
{
	uint32_t old;

	memcpy(&old, field, sizeof(old));
	put_word(page, field, old + value);
}

static void fill_trampoline(hpa_t address)
{
	uint8_t *page = platform_ram(address);
	uint32_t base = (uint32_t)address.value;

	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	add_word(page, trampoline_gdt_base, base);
	add_word(page, trampoline_target32, base);
	add_word(page, trampoline_target64, base);
	put_word(page, trampoline_cr3, (uint32_t)memory_root().value);
}

/* Waits until *flag or the time is over; true where it is set. */
static bool wait_for(const _Atomic bool *flag, uint64_t microseconds)
{
	uint64_t end = tsc_read() + timer_muldiv(microseconds, tsc_hz(), 1000000);

	while (!atomic_load(flag)) {
		if (tsc_read() >= end)
			return false;
		cpu_pause();
	}
	return true;
}

/* INIT has been sent and its time has passed. True where the CPU is up and waits for `go`. */
static bool start(struct cpu *cpu, uint64_t page)
{
	starting.last_tsc = 0;
	starting.warp = 0;
	atomic_store(&starting.come, false);
	atomic_store(&starting.tested, false);
	atomic_store(&starting.testing, 0);
	atomic_store(&smp_starting_stack, percpu_stack_top(cpu));
	apic_send_startup(cpu->apic_id, page);
	if (!wait_for(&starting.come, STARTUP_WAIT_US))
		apic_send_startup(cpu->apic_id, page);
	if (wait_for(&starting.come, COME_WAIT_US))
		return true;
	apic_send_init(cpu->apic_id);
	tsc_delay_us(INIT_WAIT_US);
	atomic_store(&smp_starting_stack, 0);
	return false;
}

static void report_warp(const struct cpu *cpu)
{
	if (starting.warp != 0)
		log_warning("smp: the TSC of CPU %u (APIC id %u) is %llu ticks behind: guests' "
			    "clocks may go back",
			    cpu->id, cpu->apic_id, (unsigned long long)starting.warp);
}

/* A stack and id that were made for a CPU that did not come go to the next one. */
static struct cpu *start_next(struct cpu *spare, uint32_t id, uint64_t page)
{
	struct cpu *cpu = spare;

	if (cpu)
		cpu->apic_id = id;
	else
		cpu = percpu_create(cpu_count, id);
	if (!cpu) {
		log_error("smp: no memory for the CPU with APIC id %u", id);
		return NULL;
	}
	if (!start(cpu, page)) {
		log_warning("smp: the CPU with APIC id %u does not come up, left out", id);
		return cpu;
	}
	test_warp();
	while (!atomic_load(&starting.tested))
		cpu_pause();
	report_warp(cpu);
	cpus[cpu_count++] = cpu;
	atomic_store(&starting.go, cpu_count);
	return NULL;
}

static bool is_wanted(uint32_t id)
{
	if (id == apic_id())
		return false;
	if (apic_can_reach(id))
		return true;
	log_warning("smp: APIC id %u needs x2APIC mode, left out", id);
	return false;
}

/* Ids from the MADT, or those that the boot loader found. */
static unsigned list_ids(const struct acpi_info *acpi, const struct boot_info *boot,
			 uint32_t ids[CPUS_MAX])
{
	unsigned total = acpi->has_madt ? acpi->cpu_count : boot->cpu_count;
	unsigned wanted = 0, left_out = 0;

	for (unsigned i = 0; i < total; i++) {
		uint32_t id = acpi->has_madt ? acpi->cpus[i].apic_id : boot->cpu_apic_ids[i];

		if (!is_wanted(id))
			continue;
		if (wanted < CPUS_MAX - 1)
			ids[wanted++] = id;
		else
			left_out++;
	}
	left_out += acpi->cpus_left_out;
	if (left_out != 0)
		log_warning("smp: %u CPUs more than the %u that this build supports, left out",
			    left_out, CPUS_MAX);
	return wanted;
}

void smp_start_all(const struct acpi_info *acpi, const struct boot_info *boot,
		   void (*ap_main)(struct cpu *cpu))
{
	static uint32_t ids[CPUS_MAX];
	unsigned count = list_ids(acpi, boot, ids);
	hpa_t page = memory_trampoline_page();
	struct cpu *spare = NULL;

	cpus[0] = this_cpu();
	cpus[0]->apic_id = apic_id();
	cpu_count = 1;
	if (count != 0 && page.value == 0) {
		log_error("smp: no memory below 1 MiB: only the boot CPU is used");
		return;
	}
	if (count != 0)
		fill_trampoline(page);
	starting.main = ap_main;
	for (unsigned i = 0; i < count; i++)
		apic_send_init(ids[i]);
	tsc_delay_us(INIT_WAIT_US);
	for (unsigned i = 0; i < count; i++)
		spare = start_next(spare, ids[i], page.value);
	log_info("smp: %u of %u CPUs are up", cpu_count, count + 1);
}
