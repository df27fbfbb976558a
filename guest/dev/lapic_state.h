/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files lapic*.c share: the state of one local APIC and how it is changed.
 *
 * No lock. Any CPU may set bits of irr, tmr and esr_pending and reads svr, ldr, dfr and mode; all
 * else belongs to the CPU where the vCPU is placed, which also runs the timer's function.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/cpu.h"
#include "vmm/irq.h"
#include "vmm/timer.h"
#include "vmm/types.h"
#include "vmm/vcpu.h"

/* Register numbers: MMIO offset / 16, or MSR - 0x800. SDM 3A, tables 11-1 and 11-6. */
enum lapic_register {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09,
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e,
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10, /* 8 of each */
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR_LOW = 0x30,
	LAPIC_ICR_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PERF = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_CURRENT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f,
	LAPIC_REGISTERS = 0x40,
};

#define LAPIC_LVT_COUNT	    6
#define LAPIC_LVT_MASKED    (1u << 16)
#define LAPIC_TIMER_MODE(l) ((l) >> 17 & 3)
#define LAPIC_SVR_ENABLE    (1u << 8)

#define LAPIC_ESR_SEND_ILLEGAL	   (1u << 5)
#define LAPIC_ESR_RECEIVE_ILLEGAL  (1u << 6)
#define LAPIC_ESR_ILLEGAL_REGISTER (1u << 7)

/* Delivery modes of ICR, LVT and messages. SDM 3A, 11.6.1. */
enum lapic_delivery {
	DELIVERY_FIXED = 0,
	DELIVERY_LOWEST = 1,
	DELIVERY_SMI = 2,
	DELIVERY_NMI = 4,
	DELIVERY_INIT = 5,
	DELIVERY_SIPI = 6,
	DELIVERY_EXTINT = 7,
};

enum lapic_mode {
	LAPIC_MODE_DISABLED,
	LAPIC_MODE_XAPIC,
	LAPIC_MODE_X2APIC
};

/* A destination that means every APIC; 0xff of 8-bit destinations is turned into it. */
#define LAPIC_BROADCAST UINT32_MAX

/*
 * The timer counts down from `first` at base_ns, and in periodic mode then from `initial` again and
 * again; a count lasts 1 << shift nanoseconds (the bus clock is 1 GHz).
 */
struct lapic_timer {
	struct timer timer;
	uint64_t base_ns;
	uint64_t fired; /* periods since base_ns that are over and done */
	uint64_t tsc_deadline;
	uint32_t initial;
	uint32_t first;
	uint32_t divide; /* register */
	uint8_t running; /* an expiry is ahead (not in TSC-deadline mode) */
};

struct lapic {
	/* At every interrupt. */
	_Atomic uint64_t irr[4];
	uint64_t isr[4];
	_Atomic uint64_t tmr[4];
	struct vcpu *vcpu;
	int32_t isr_top;    /* highest bit of isr, -1: none; derived */
	uint32_t isr_words; /* bit n: isr[n] is not 0; derived */
	uint32_t tpr;	    /* the class follows CR8: read with lapic_tpr() */
	_Atomic uint32_t svr;
	_Atomic uint8_t mode;	 /* enum lapic_mode; derived from base */
	uint8_t extint_accepted; /* what pending() last returned came from the 8259s */
	_Atomic uint8_t extint_message;

	uint64_t base; /* MSR IA32_APIC_BASE */
	_Atomic uint32_t ldr;
	_Atomic uint32_t dfr;
	_Atomic uint32_t esr_pending;
	uint32_t esr;
	uint32_t icr_low;
	uint32_t icr_high;
	_Atomic uint32_t lvt[LAPIC_LVT_COUNT]; /* from LAPIC_LVT_TIMER up */
	struct lapic_timer timer;
};

static inline uint32_t lapic_lvt(const struct lapic *lapic, enum lapic_register reg)
{
	return atomic_load_explicit(&lapic->lvt[reg - LAPIC_LVT_TIMER], memory_order_relaxed);
}

static inline uint8_t lapic_mode(const struct lapic *lapic)
{
	return atomic_load_explicit(&lapic->mode, memory_order_relaxed);
}

/* ---- lapic_deliver.c ---- */

/*
 * Makes the vCPU look at its interrupts. On its own CPU only: where it is running, the run loop
 * sees the bit before the next entry and nobody has to be kicked.
 */
static inline void lapic_notify_local(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	if (atomic_load_explicit(&vcpu->cpu->running, memory_order_relaxed) == vcpu)
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
	else
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
}

/*
 * Sets `vector` in the IRR, from any CPU. Returns true where the vCPU has to be told: not where
 * the APIC is disabled or the bit was set already, as then somebody told it.
 */
bool lapic_set_irr(struct lapic *lapic, uint8_t vector, bool level);

/* Records an error (LAPIC_ESR_*) and raises the error interrupt. From any CPU. */
void lapic_error(struct lapic *lapic, uint32_t error);

/* The rest on the vCPU's CPU. */

/* Raises a local interrupt source. */
void lapic_raise_lvt(struct lapic *lapic, enum lapic_register reg);

/* Derives isr_top from isr and isr_words. */
void lapic_update_isr_top(struct lapic *lapic);

/* Whether anything is requested, deliverable or not. */
static inline bool lapic_any_irr(const struct lapic *lapic)
{
	return (atomic_load_explicit(&lapic->irr[0], memory_order_relaxed) |
		atomic_load_explicit(&lapic->irr[1], memory_order_relaxed) |
		atomic_load_explicit(&lapic->irr[2], memory_order_relaxed) |
		atomic_load_explicit(&lapic->irr[3], memory_order_relaxed)) != 0;
}

/* Task and processor priority, 0 to 255. */
uint32_t lapic_tpr(struct lapic *lapic);
uint32_t lapic_ppr(struct lapic *lapic);

/* As in struct intc_ops. */
int lapic_pending(struct vcpu *vcpu, bool *blocked_by_priority);
uint8_t lapic_accept(struct vcpu *vcpu, uint8_t vector);

/* The guest ends the interrupt in service that has the highest priority. */
void lapic_eoi(struct lapic *lapic);

/* ---- lapic_ipi.c ---- */

/* The guest's write of the ICR; `destination` is widened, LAPIC_BROADCAST for everybody. */
void lapic_send_icr(struct lapic *lapic, uint32_t icr, uint32_t destination);
void lapic_self_ipi(struct lapic *lapic, uint8_t vector);
void lapic_deliver(struct vm *vm, const struct irq_message *message);
int lapic_send_ipi_mask(struct vm *vm, const uint64_t mask[2], uint32_t first, uint32_t icr);

/* ---- lapic_timer.c: all on the vCPU's CPU, or while it does not run ---- */

void lapic_timer_init(struct lapic *lapic);
void lapic_timer_reset(struct lapic *lapic);
void lapic_timer_destroy(struct lapic *lapic);
void lapic_timer_restored(struct lapic *lapic);
void lapic_timer_write_initial(struct lapic *lapic, uint32_t count);
void lapic_timer_write_divide(struct lapic *lapic, uint32_t divide);
/* After a write to the timer's LVT entry, which was `before`. */
void lapic_timer_lvt_changed(struct lapic *lapic, uint32_t before);
uint32_t lapic_timer_current(const struct lapic *lapic);
uint64_t lapic_timer_read_deadline(const struct lapic *lapic);
void lapic_timer_write_deadline(struct lapic *lapic, uint64_t deadline);
