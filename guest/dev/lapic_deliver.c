/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the local APIC requests of its vCPU and what the vCPU has in service: the part that every
 * interrupt passes. SDM 3A, 11.8.
 */
#include "guest/dev/lapic_state.h"

#include "vmm/vm.h"
#include "guest/dev/ioapic.h"
#include "guest/dev/lapic.h"
#include "guest/dev/pic.h"

/* ---- request and in-service bits ---- */

void lapic_update_isr_top(struct lapic *lapic)
{
	unsigned word;

	if (lapic->isr_words == 0) {
		lapic->isr_top = -1;
		return;
	}
	word = 31 - (unsigned)__builtin_clz(lapic->isr_words);
	lapic->isr_top = (int)(word * 64 + 63 - (unsigned)__builtin_clzll(lapic->isr[word]));
}

static inline uint64_t irr_word(const struct lapic *lapic, unsigned word)
{
	return atomic_load_explicit(&lapic->irr[word], memory_order_acquire);
}

/* Unrolled by hand: it runs at every look, and mostly finds the first word set or none. */
static int highest_irr(const struct lapic *lapic)
{
	uint64_t word;

	if ((word = irr_word(lapic, 3)) != 0)
		return 255 - __builtin_clzll(word);
	if ((word = irr_word(lapic, 2)) != 0)
		return 191 - __builtin_clzll(word);
	if ((word = irr_word(lapic, 1)) != 0)
		return 127 - __builtin_clzll(word);
	if ((word = irr_word(lapic, 0)) != 0)
		return 63 - __builtin_clzll(word);
	return -1;
}

bool lapic_set_irr(struct lapic *lapic, uint8_t vector, bool level)
{
	unsigned word = vector / 64;
	uint64_t bit = (uint64_t)1 << (vector % 64);

	/* SDM 3A, 11.4.7.2: software-disabled, it takes nothing new. It is so while disabled, too.
	 */
	if (!(atomic_load_explicit(&lapic->svr, memory_order_relaxed) & LAPIC_SVR_ENABLE))
		return false;
	if (level)
		atomic_fetch_or(&lapic->tmr[word], bit);
	else if (atomic_load_explicit(&lapic->tmr[word], memory_order_relaxed) & bit)
		atomic_fetch_and(&lapic->tmr[word], ~bit);
	return !(atomic_fetch_or(&lapic->irr[word], bit) & bit);
}

void lapic_error(struct lapic *lapic, uint32_t error)
{
	uint32_t before = atomic_fetch_or(&lapic->esr_pending, error);
	uint32_t lvt = lapic_lvt(lapic, LAPIC_LVT_ERROR);

	if ((before & error) || (lvt & LAPIC_LVT_MASKED) || (lvt & 0xff) < 16)
		return;
	if (lapic_set_irr(lapic, (uint8_t)lvt, false))
		vcpu_request(lapic->vcpu, VCPU_REQUEST_EVENT);
}

void lapic_raise_lvt(struct lapic *lapic, enum lapic_register reg)
{
	uint32_t lvt = lapic_lvt(lapic, reg);

	if (lvt & LAPIC_LVT_MASKED)
		return;
	if ((lvt & 0xff) < 16)
		lapic_error(lapic, LAPIC_ESR_RECEIVE_ILLEGAL);
	else if (lapic_set_irr(lapic, (uint8_t)lvt, false))
		lapic_notify_local(lapic);
}

/* ---- priorities and delivery ---- */

/* CR8 is the task priority's class, and hardware lets the guest change it unseen. */
uint32_t lapic_tpr(struct lapic *lapic)
{
	uint32_t cr8 = (uint32_t)vcpu_get_reg(lapic->vcpu, REG_CR8) & 0xf;

	if (lapic->tpr >> 4 != cr8)
		lapic->tpr = cr8 << 4;
	return lapic->tpr;
}

/* SDM 3A, 11.8.3.1. */
uint32_t lapic_ppr(struct lapic *lapic)
{
	uint32_t tpr = lapic_tpr(lapic);
	uint32_t isr = lapic->isr_top < 0 ? 0 : (uint32_t)lapic->isr_top & 0xf0;

	return tpr >> 4 >= isr >> 4 ? tpr : isr;
}

/*
 * Whether the 8259s interrupt this vCPU: through LINT0, by an I/O APIC's message, or by the INTR
 * pin of the boot processor where its APIC is off (SDM 3A, 11.4.3).
 */
static bool takes_extint(const struct lapic *lapic)
{
	uint32_t lint0 = lapic_lvt(lapic, LAPIC_LVT_LINT0);

	if (atomic_load_explicit(&lapic->extint_message, memory_order_relaxed))
		return true;
	if (lapic_mode(lapic) == LAPIC_MODE_DISABLED)
		return lapic->vcpu->id == 0;
	return !(lint0 & LAPIC_LVT_MASKED) && (lint0 >> 8 & 7) == DELIVERY_EXTINT;
}

void lapic_extint_changed(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vm->vcpus[i];

		if (takes_extint(vcpu->lapic))
			vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
}

int lapic_pending(struct vcpu *vcpu, bool *blocked_by_priority)
{
	struct lapic *lapic = vcpu->lapic;
	struct vm_irqs *irqs = &vcpu->vm->irqs;
	int vector;

	*blocked_by_priority = false;
	if (__builtin_expect(atomic_load_explicit(&irqs->extint, memory_order_acquire), 0) &&
	    takes_extint(lapic)) {
		vector = pic_peek(irqs->pic);
		lapic->extint_accepted = vector >= 0;
		if (vector >= 0)
			return vector;
	}
	lapic->extint_accepted = false;
	vector = highest_irr(lapic);
	/* One of this class or higher is being served: its EOI exits, so no window is needed. */
	if (vector < 0 || vector >> 4 <= lapic->isr_top >> 4)
		return -1;
	*blocked_by_priority = (uint64_t)vector >> 4 <= vcpu_get_reg(vcpu, REG_CR8);
	return vector;
}

uint8_t lapic_accept(struct vcpu *vcpu, uint8_t vector)
{
	struct lapic *lapic = vcpu->lapic;
	uint64_t bit = (uint64_t)1 << (vector % 64);

	if (lapic->extint_accepted) {
		atomic_store_explicit(&lapic->extint_message, 0, memory_order_relaxed);
		return pic_acknowledge(vcpu->vm->irqs.pic);
	}
	atomic_fetch_and(&lapic->irr[vector / 64], ~bit);
	lapic->isr[vector / 64] |= bit;
	lapic->isr_words |= 1u << (vector / 64);
	lapic->isr_top = vector;
	return vector;
}

void lapic_eoi(struct lapic *lapic)
{
	int vector = lapic->isr_top;
	unsigned word = (unsigned)vector / 64;
	uint64_t bit = (uint64_t)1 << ((unsigned)vector % 64);

	if (vector < 0)
		return;
	lapic->isr[word] &= ~bit;
	if (lapic->isr[word] == 0)
		lapic->isr_words &= ~(1u << word);
	lapic_update_isr_top(lapic);
	if (__builtin_expect(
		    (atomic_load_explicit(&lapic->tmr[word], memory_order_relaxed) & bit) != 0, 0))
		ioapic_eoi(lapic->vcpu->vm->irqs.ioapic, (uint8_t)vector);
	if (lapic_any_irr(lapic))
		lapic_notify_local(lapic);
}
