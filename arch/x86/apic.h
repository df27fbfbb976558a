/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host CPUs' local APICs, in xAPIC or x2APIC mode, and their one-shot timers. SDM 3A, chapter
 * 11; APM 2, chapter 16.
 */
#pragma once

#include "vmm/types.h"

struct acpi_info;

/* Registers, as offsets in xAPIC mode; the x2APIC MSR is 0x800 + offset / 16. */
#define APIC_ID		   0x020
#define APIC_VERSION	   0x030
#define APIC_TPR	   0x080
#define APIC_EOI	   0x0b0
#define APIC_SPURIOUS	   0x0f0
#define APIC_ISR	   0x100
#define APIC_ESR	   0x280
#define APIC_LVT_CMCI	   0x2f0
#define APIC_ICR	   0x300
#define APIC_ICR_HIGH	   0x310
#define APIC_LVT_TIMER	   0x320
#define APIC_LVT_THERMAL   0x330
#define APIC_LVT_PERF	   0x340
#define APIC_LVT_LINT0	   0x350
#define APIC_LVT_LINT1	   0x360
#define APIC_LVT_ERROR	   0x370
#define APIC_TIMER_COUNT   0x380 /* initial */
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0

/*
 * Chooses the mode (x2APIC where the CPU has it, unless the firmware asks not to), sets the
 * vectors' handlers, and enables the boot CPU's local APIC. `acpi` must stay where it is. After
 * memory_init() and with the IDT loaded; interrupts off.
 */
void apic_init(const struct acpi_info *acpi);

/* Measures the timer where it counts by itself. Boot CPU, after tsc_init() and apic_init(). */
void apic_timer_init(void);

/* Enables the calling CPU's local APIC and timer: on each other CPU, interrupts off. */
void apic_enable(void);

bool apic_is_x2apic(void);

/* The calling CPU's APIC id. */
uint32_t apic_id(void);

/* True where IPIs can reach this id in the chosen mode. */
bool apic_can_reach(uint32_t id);

/* One register of the calling CPU. */
uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);

/* Ends the interrupt in service. By every handler of a vector that came through the APIC. */
void apic_eoi(void);

/* The highest vector that the calling CPU has in service, -1 where there is none. */
int apic_vector_in_service(void);

/*
 * Interprocessor interrupts (SDM 3A, 11.6). What the caller wrote before is visible to the target
 * when it takes the interrupt. They do not fail: an id without a CPU is ignored by the hardware.
 */
void apic_send_ipi(uint32_t id, uint8_t vector);
void apic_send_nmi(uint32_t id);
void apic_send_nmi_others(void);
void apic_send_init(uint32_t id);
/* `page`: the physical address, below 1 MiB, where the CPU begins in real mode. */
void apic_send_startup(uint32_t id, uint64_t page);

/* Programs the calling CPU's timer; see platform_set_timer(). */
void apic_timer_set(uint64_t deadline);
