/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark's guest: measures what an operation that leaves the guest costs, and prints a line
 * `name value` for each on its serial port. The unit is the TSC's; run with QEMU's -icount shift=0
 * it counts instructions, of the guest and of the hypervisor. A value is the fastest of BATCHES
 * batches, divided by the rounds in it, with the loop around the operation.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCHES 8
#define ROUNDS	64

#define PORT_COM1	0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define PORT_PM_TIMER	0x608

#define MSR_APIC_BASE	 0x1b
#define MSR_PAT		 0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_EOI	 0x80b
#define MSR_X2APIC_SVR	 0x80f
#define MSR_X2APIC_ICR	 0x830
#define MSR_X2APIC_TIMER 0x832
#define MSR_X2APIC_SELF	 0x83f

#define APIC_BASE_X2APIC (1u << 10)
#define SVR_ENABLE	 (1u << 8 | 0xff)
#define ICR_INIT	 0x4500u
#define ICR_SIPI	 0x4600u
#define ICR_FIXED	 0x4000u
#define TIMER_TSC	 (2u << 17)
#define AP_PAGE		 0x8000u

#define LAPIC_VERSION ((volatile uint32_t *)0xfee00030)
#define IOAPIC_SELECT ((volatile uint32_t *)0xfec00000)
#define IOAPIC_WINDOW ((volatile uint32_t *)0xfec00010)

enum vector {
	VECTOR_COUNT = 0x40, /* counts and ends the interrupt */
	VECTOR_PING,
	VECTORS,
};

#define CODE_SELECTOR  0x08
#define INTERRUPT_GATE 0x8e00u

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct interrupt_frame;

void bench_main(void);
void bench_second(void);

static struct gate idt[VECTORS];
static volatile uint32_t interrupts; /* that VECTOR_COUNT has taken */
static volatile bool second_is_up;

/* ---- instructions ---- */

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpuid(void)
{
	uint32_t eax = 0, ecx = 0;

	__asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "rbx", "rdx", "memory");
}

/* A number that no hypervisor gives a meaning to. */
static inline void vmmcall(void)
{
	uint64_t rax = 0x7fffffff;

	__asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("out %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* ---- interrupts ---- */

__attribute__((interrupt)) static void count_interrupt(struct interrupt_frame *frame)
{
	(void)frame;
	interrupts++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* On the second processor: answers the first. */
__attribute__((interrupt)) static void answer_ping(struct interrupt_frame *frame)
{
	(void)frame;
	wrmsr(MSR_X2APIC_EOI, 0);
	wrmsr(MSR_X2APIC_ICR, ICR_FIXED | VECTOR_COUNT);
}

static void set_gate(unsigned vector, void (*handler)(struct interrupt_frame *))
{
	uint64_t offset = (uint64_t)handler;

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)offset,
		.selector = CODE_SELECTOR,
		.flags = INTERRUPT_GATE,
		.offset_middle = (uint16_t)(offset >> 16),
		.offset_high = (uint32_t)(offset >> 32),
	};
}

static void load_idt(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void enable_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	wrmsr(MSR_X2APIC_SVR, SVR_ENABLE);
}

/* Halts until one more interrupt than `before` was taken. Called with interrupts off. */
static inline void halt_past(uint32_t before)
{
	while (interrupts == before)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Waits with interrupts on. */
static inline void spin_past(uint32_t before)
{
	while (interrupts == before)
		__builtin_ia32_pause();
}

/* ---- rows ---- */

/* The operation is part of the loop's body, so that no call adds to it. */
#define ROW(name, operation)                                                \
	static uint64_t measure_##name(void)                                \
	{                                                                   \
		uint64_t best = UINT64_MAX;                                 \
                                                                            \
		for (unsigned batch = 0; batch < BATCHES; batch++) {        \
			uint64_t start = rdtsc();                           \
                                                                            \
			for (unsigned round = 0; round < ROUNDS; round++) { \
				operation;                                  \
			}                                                   \
			start = rdtsc() - start;                            \
			best = start < best ? start : best;                 \
		}                                                           \
		return (best + ROUNDS / 2) / ROUNDS;                        \
	}

ROW(cpuid, cpuid())
ROW(vmmcall, vmmcall())
ROW(rdmsr_apicbase, (void)rdmsr(MSR_APIC_BASE))
ROW(wrmsr_pat, wrmsr(MSR_PAT, 0x0007040600070406))
ROW(in_21, (void)in8(0x21))
ROW(in_cf8, (void)in32(0xcf8))
ROW(in_3fd, (void)in8(PORT_COM1 + 5))
ROW(in_pmtimer, (void)in32(PORT_PM_TIMER))
ROW(lapic_mmio_read, (void)*LAPIC_VERSION)
ROW(ioapic_read, (void)*IOAPIC_WINDOW)

ROW(self_ipi_x2apic, {
	uint32_t before = interrupts;

	wrmsr(MSR_X2APIC_SELF, VECTOR_COUNT);
	spin_past(before);
})

/* Interrupts are off from CLI (in halt_past) until after HLT has begun. */
ROW(self_ipi_hlt_x2apic, {
	uint32_t before = interrupts;

	wrmsr(MSR_X2APIC_SELF, VECTOR_COUNT);
	halt_past(before);
})

/* A deadline that is now: from the write until the interrupt was handled. */
ROW(tsc_deadline, {
	uint32_t before = interrupts;

	wrmsr(MSR_TSC_DEADLINE, rdtsc());
	spin_past(before);
})

/* Both halt until the other's interrupt comes. */
ROW(ipi_roundtrip, {
	uint32_t before = interrupts;

	wrmsr(MSR_X2APIC_ICR, (uint64_t)1 << 32 | ICR_FIXED | VECTOR_PING);
	halt_past(before);
})

/* ---- the run ---- */

static void print(const char *text)
{
	while (*text != '\0')
		out8(PORT_COM1, (uint8_t)*text++);
}

static void print_number(uint64_t number)
{
	char digits[21];
	unsigned at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	print(digits + at);
}

struct row {
	const char *name;
	uint64_t (*measure)(void);
};

static void run_rows(const struct row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t value = rows[i].measure();

		print(rows[i].name);
		print(" ");
		print_number(value);
		print("\r\n");
	}
}

#define RUN_ROWS(rows) run_rows(rows, sizeof(rows) / sizeof((rows)[0]))
#define NAMED(name)                   \
	{                             \
#name, measure_##name \
	}

static void run_exits(void)
{
	static const struct row rows[] = {
		NAMED(cpuid),		NAMED(vmmcall),	   NAMED(rdmsr_apicbase),
		NAMED(wrmsr_pat),	NAMED(in_21),	   NAMED(in_cf8),
		NAMED(in_3fd),		NAMED(in_pmtimer), NAMED(ioapic_read),
		NAMED(lapic_mmio_read),
	};

	*IOAPIC_SELECT = 1;
	RUN_ROWS(rows);
}

static void run_interrupts(void)
{
	static const struct row spinning[] = {NAMED(self_ipi_x2apic), NAMED(tsc_deadline)};
	static const struct row halting[] = {NAMED(self_ipi_hlt_x2apic)};

	enable_x2apic();
	wrmsr(MSR_X2APIC_TIMER, TIMER_TSC | VECTOR_COUNT);
	__asm__ volatile("sti");
	RUN_ROWS(spinning);
	__asm__ volatile("cli");
	RUN_ROWS(halting);
}

static void start_second(void)
{
	wrmsr(MSR_X2APIC_ICR, (uint64_t)1 << 32 | ICR_INIT);
	wrmsr(MSR_X2APIC_ICR, (uint64_t)1 << 32 | ICR_SIPI | AP_PAGE >> 12);
	while (!second_is_up)
		__builtin_ia32_pause();
}

static void run_second(void)
{
	static const struct row rows[] = {NAMED(ipi_roundtrip)};

	start_second();
	RUN_ROWS(rows);
}

void bench_second(void)
{
	load_idt();
	enable_x2apic();
	second_is_up = true;
	for (;;)
		__asm__ volatile("sti; hlt" : : : "memory");
}

/* For tests/bench/trace, which compiles this file with the name of one row: over and over. */
#ifndef TRACED_ROW
#define TRACED_ROW NULL
#endif

static void repeat(uint64_t (*measure)(void))
{
	*IOAPIC_SELECT = 1;
	if (measure != measure_lapic_mmio_read)
		enable_x2apic();
	if (measure == measure_ipi_roundtrip)
		start_second();
	if (measure == measure_tsc_deadline)
		wrmsr(MSR_X2APIC_TIMER, TIMER_TSC | VECTOR_COUNT);
	if (measure == measure_tsc_deadline || measure == measure_self_ipi_x2apic)
		__asm__ volatile("sti");
	for (;;)
		measure();
}

void bench_main(void)
{
	uint64_t (*traced)(void) = TRACED_ROW;

	set_gate(VECTOR_COUNT, count_interrupt);
	set_gate(VECTOR_PING, answer_ping);
	load_idt();
	if (traced != NULL)
		repeat(traced);
	run_exits();
	run_interrupts();
	run_second();
	out8(PORT_DEBUG_EXIT, 0);
}
