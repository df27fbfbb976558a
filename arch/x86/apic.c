/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APICs: modes, set-up, IPIs. The timer is in apic_timer.c. See the header. */
#include "arch/x86/apic.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic_timer.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/idt.h"
#include "arch/x86/mmio.h"
#include "arch/x86/msr.h"
#include "arch/x86/vectors.h"
#include "vmm/log.h"
#include "vmm/platform.h"

#define XAPIC_LENGTH   0x1000
#define XAPIC_ID_SHIFT 24
#define XAPIC_ID_MAX   0xfe /* 0xff is everybody */

#define X2APIC_MSR(offset) (MSR_X2APIC_FIRST + ((offset) >> 4))

#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

#define SPURIOUS_ENABLE (1u << 8)

#define LVT_MASKED	       (1u << 16)
#define LVT_NMI		       (4u << 8)
#define LVT_LOW		       (1u << 13)
#define VERSION_MAX_LVT(v)     ((v) >> 16 & 0xff)
#define LVT_COUNT_WITH_PERF    4
#define LVT_COUNT_WITH_THERMAL 5
#define LVT_COUNT_WITH_CMCI    6

/* Interrupt command register, SDM 3A, figure 11-12. */
#define ICR_NMI	    (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_PENDING (1u << 12)
#define ICR_ASSERT  (1u << 14)
#define ICR_LEVEL   (1u << 15)
#define ICR_OTHERS  (3u << 18)

/* Delivery takes microseconds; a CPU that hangs must not hang the sender. */
#define ICR_WAIT_READS 1000000

/* In-service bits that firmware may have left, at most one for each vector. */
#define ISR_WORDS    8
#define ISR_ENDS_MAX 256

static const struct acpi_info *firmware;
static volatile uint8_t *registers; /* xAPIC mode */
static uint64_t registers_base;
static bool x2apic;
static _Atomic uint32_t errors_logged;

#define ERRORS_LOGGED_MAX 16

bool apic_is_x2apic(void)
{
	return x2apic;
}

uint32_t apic_read(uint32_t offset)
{
	return x2apic ? (uint32_t)msr_read(X2APIC_MSR(offset)) : mmio_read32(registers + offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
	if (x2apic)
		msr_write(X2APIC_MSR(offset), value);
	else
		mmio_write32(registers + offset, value);
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return x2apic ? id : id >> XAPIC_ID_SHIFT;
}

bool apic_can_reach(uint32_t id)
{
	return x2apic || id <= XAPIC_ID_MAX;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void wait_for_delivery(void)
{
	for (int i = 0; i < ICR_WAIT_READS; i++) {
		if (!(mmio_read32(registers + APIC_ICR) & ICR_PENDING))
			return;
		cpu_pause();
	}
}

/*
 * In x2APIC mode the write does not wait for earlier stores (SDM 3A, 11.12.3); in xAPIC mode the
 * uncached store does, but the register must be free.
 */
static void send(uint32_t id, uint32_t command)
{
	if (x2apic) {
		__asm__ volatile("mfence\n\tlfence" : : : "memory");
		msr_write(X2APIC_MSR(APIC_ICR), (uint64_t)id << 32 | command);
		return;
	}
	wait_for_delivery();
	mmio_write32(registers + APIC_ICR_HIGH, id << XAPIC_ID_SHIFT);
	mmio_write32(registers + APIC_ICR, command);
}

void apic_send_ipi(uint32_t id, uint8_t vector)
{
	send(id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
	send(id, ICR_NMI | ICR_ASSERT);
}

void apic_send_nmi_others(void)
{
	send(0, ICR_OTHERS | ICR_NMI | ICR_ASSERT);
}

void apic_send_init(uint32_t id)
{
	send(id, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	/* De-assert: for the 82489DX alone; later ones ignore it, and x2APIC has no such thing. */
	if (!x2apic)
		send(id, ICR_INIT | ICR_LEVEL);
}

void apic_send_startup(uint32_t id, uint64_t page)
{
	send(id, ICR_STARTUP | ICR_ASSERT | (uint32_t)(page >> PAGE_SHIFT));
}

/* A kick has done its work by arriving. */
static void handle_kick(void)
{
	apic_eoi();
}

static void handle_error(void)
{
	uint32_t status;

	/* Latches the register. SDM 3A, 11.5.3. */
	apic_write(APIC_ESR, 0);
	status = apic_read(APIC_ESR);
	apic_eoi();
	if (errors_logged++ < ERRORS_LOGGED_MAX)
		log_warning("apic: error status 0x%x on APIC id %u", status, apic_id());
}

/* A vector that nobody connected: firmware's devices may have left one pending. */
static void handle_unexpected(void)
{
	int vector = apic_vector_in_service();

	apic_eoi();
	if (errors_logged++ < ERRORS_LOGGED_MAX)
		log_warning("apic: unexpected interrupt, vector %d", vector);
}

/* No EOI: nothing is in service. SDM 3A, 11.9. */
static void handle_spurious(void)
{
}

/* x2APIC has to be reached through xAPIC mode, and left through "off". SDM 3A, 11.12.5. */
static void enter_mode(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);
	uint64_t bsp = base & APIC_BASE_BSP;

	if (x2apic) {
		if (!(base & APIC_BASE_ENABLE))
			msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
		if (!(base & APIC_BASE_X2APIC))
			msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
		return;
	}
	if (base & APIC_BASE_X2APIC)
		msr_write(MSR_APIC_BASE, bsp | registers_base);
	msr_write(MSR_APIC_BASE, bsp | registers_base | APIC_BASE_ENABLE);
}

/* LINT pins as the MADT says; masked where it says nothing, since the 8259s are masked too. */
static void set_lint(void)
{
	uint32_t id = apic_id(), uid = ACPI_UID_ALL;
	uint32_t lvt[2] = {LVT_MASKED, LVT_MASKED};

	for (unsigned i = 0; i < firmware->cpu_count; i++) {
		if (firmware->cpus[i].apic_id == id)
			uid = firmware->cpus[i].uid;
	}
	for (unsigned i = 0; i < firmware->lapic_nmi_count; i++) {
		const struct acpi_lapic_nmi *nmi = &firmware->lapic_nmis[i];

		if (nmi->uid == ACPI_UID_ALL || nmi->uid == uid)
			lvt[nmi->lint] = LVT_NMI | (nmi->low ? LVT_LOW : 0);
	}
	apic_write(APIC_LVT_LINT0, lvt[0]);
	apic_write(APIC_LVT_LINT1, lvt[1]);
}

static void mask_other_lvts(void)
{
	uint32_t count = VERSION_MAX_LVT(apic_read(APIC_VERSION)) + 1;

	if (count >= LVT_COUNT_WITH_PERF)
		apic_write(APIC_LVT_PERF, LVT_MASKED);
	/* Firmware may have given the thermal interrupt to SMM: then it must keep its mode. */
	if (count >= LVT_COUNT_WITH_THERMAL)
		apic_write(APIC_LVT_THERMAL, apic_read(APIC_LVT_THERMAL) | LVT_MASKED);
	if (count > LVT_COUNT_WITH_CMCI)
		apic_write(APIC_LVT_CMCI, LVT_MASKED);
}

int apic_vector_in_service(void)
{
	for (int word = ISR_WORDS - 1; word >= 0; word--) {
		uint32_t bits = apic_read(APIC_ISR + (uint32_t)word * 16);

		if (bits != 0)
			return word * 32 + 31 - __builtin_clz(bits);
	}
	return -1;
}

/* What firmware left in service would block everything of lower priority. */
static void end_old_interrupts(void)
{
	for (int ends = 0; ends < ISR_ENDS_MAX && apic_vector_in_service() >= 0; ends++)
		apic_eoi();
}

void apic_enable(void)
{
	enter_mode();
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	mask_other_lvts();
	set_lint();
	apic_write(APIC_ESR, 0);
	apic_write(APIC_LVT_ERROR, VECTOR_APIC_ERROR);
	end_old_interrupts();
	apic_timer_enable();
}

static void choose_mode(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);
	bool has_x2apic = cpuid_checked(1, 0).ecx & CPUID_1_ECX_X2APIC;

	x2apic = has_x2apic && ((base & APIC_BASE_X2APIC) || !firmware->x2apic_opt_out);
	if (x2apic)
		return;
	registers_base = base & APIC_BASE_ADDRESS;
	if (registers_base == 0)
		registers_base = firmware->lapic_address;
	registers = mmio_map(hpa_make(registers_base), XAPIC_LENGTH);
	if (!registers)
		platform_panic("no room to map the local APIC at 0x%llx",
			       (unsigned long long)registers_base);
}

void apic_init(const struct acpi_info *acpi)
{
	firmware = acpi;
	choose_mode();
	for (unsigned vector = VECTOR_PIC_FIRST; vector <= VECTOR_SPURIOUS; vector++)
		interrupt_set_handler((uint8_t)vector, handle_unexpected);
	interrupt_set_handler(VECTOR_KICK, handle_kick);
	interrupt_set_handler(VECTOR_APIC_ERROR, handle_error);
	interrupt_set_handler(VECTOR_SPURIOUS, handle_spurious);
	interrupt_set_handler(VECTOR_TIMER, apic_timer_handle);
	apic_enable();
	log_info("apic: %s mode, boot CPU has APIC id %u", x2apic ? "x2APIC" : "xAPIC", apic_id());
}
