/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts that reach local APICs from elsewhere: other APICs' ICR, devices' messages, the
 * paravirtual IPI. No lock is taken: a fixed interrupt is one atomic bit in the receiver.
 * SDM 3A, 11.6.
 */
#include "guest/dev/lapic_state.h"

#include "vmm/vm.h"

#include <errno.h>

#define ICR_LOGICAL	  (1u << 11)
#define ICR_ASSERT	  (1u << 14)
#define ICR_LEVEL	  (1u << 15)
#define ICR_DELIVERY(icr) ((icr) >> 8 & 7)

enum icr_shorthand {
	SHORTHAND_NONE,
	SHORTHAND_SELF,
	SHORTHAND_ALL,
	SHORTHAND_OTHERS
};
#define ICR_SHORTHAND(icr) ((enum icr_shorthand)((icr) >> 18 & 3))

/* What is delivered, without to whom. */
struct signal {
	uint8_t delivery; /* enum lapic_delivery */
	uint8_t vector;
	bool level;
};

static void take_fixed(struct lapic *lapic, const struct signal *signal)
{
	if (signal->vector < 16)
		lapic_error(lapic, LAPIC_ESR_RECEIVE_ILLEGAL);
	else if (lapic_set_irr(lapic, signal->vector, signal->level))
		vcpu_request(lapic->vcpu, VCPU_REQUEST_EVENT);
}

/* One APIC takes the signal. One that is disabled in APIC_BASE is not on the bus (11.4.3). */
static void take(struct lapic *lapic, const struct signal *signal)
{
	if (lapic_mode(lapic) == LAPIC_MODE_DISABLED)
		return;
	switch (signal->delivery) {
	case DELIVERY_FIXED:
	case DELIVERY_LOWEST:
		take_fixed(lapic, signal);
		break;
	case DELIVERY_NMI:
		vcpu_request(lapic->vcpu, VCPU_REQUEST_NMI);
		break;
	case DELIVERY_INIT:
		vcpu_request(lapic->vcpu, VCPU_REQUEST_INIT);
		break;
	case DELIVERY_SIPI:
		atomic_store(&lapic->vcpu->sipi_vector, signal->vector);
		vcpu_request(lapic->vcpu, VCPU_REQUEST_SIPI);
		break;
	case DELIVERY_EXTINT:
		atomic_store(&lapic->extint_message, 1);
		vcpu_request(lapic->vcpu, VCPU_REQUEST_EVENT);
		break;
	default: /* SMI: there is no SMM; 3 is reserved */
		break;
	}
}

/* SDM 3A, 11.6.2.2 and 11.12.10.2. `destination` is not LAPIC_BROADCAST. */
static bool matches_logical(const struct lapic *lapic, uint32_t destination)
{
	uint32_t ldr = atomic_load_explicit(&lapic->ldr, memory_order_relaxed);
	uint32_t common;

	if (lapic_mode(lapic) == LAPIC_MODE_X2APIC)
		return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff) != 0;
	ldr >>= 24;
	common = ldr & destination;
	if (atomic_load_explicit(&lapic->dfr, memory_order_relaxed) >> 28 == 0xf)
		return common != 0;
	return ldr >> 4 == destination >> 4 && (common & 0xf) != 0;
}

static bool matches(const struct lapic *lapic, bool logical, uint32_t destination)
{
	if (destination == LAPIC_BROADCAST)
		return true;
	return logical ? matches_logical(lapic, destination) : lapic->vcpu->id == destination;
}

static bool accepts_fixed(const struct lapic *lapic)
{
	return (atomic_load_explicit(&lapic->svr, memory_order_relaxed) & LAPIC_SVR_ENABLE) != 0;
}

/*
 * Lowest priority: any one of those addressed may be chosen. The vector chooses, as chipsets do,
 * so that a device's interrupt stays on one CPU and different devices spread.
 */
static void take_lowest(struct vm *vm, bool logical, uint32_t destination,
			const struct signal *signal)
{
	unsigned count = 0;
	unsigned chosen;

	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct lapic *lapic = vm->vcpus[i]->lapic;

		count += matches(lapic, logical, destination) && accepts_fixed(lapic);
	}
	if (count == 0)
		return;
	chosen = signal->vector % count;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct lapic *lapic = vm->vcpus[i]->lapic;

		/* One that was disabled since the first round is no loss: it would have been. */
		if (matches(lapic, logical, destination) && accepts_fixed(lapic) && chosen-- == 0)
			take(lapic, signal);
	}
}

/* To those that `destination` names, but not to `except` (which may be NULL). */
static void take_addressed(struct vm *vm, bool logical, uint32_t destination,
			   const struct lapic *except, const struct signal *signal)
{
	if (!logical && destination != LAPIC_BROADCAST) {
		if (destination < vm->vcpu_count)
			take(vm->vcpus[destination]->lapic, signal);
	} else if (signal->delivery == DELIVERY_LOWEST) {
		take_lowest(vm, logical, destination, signal);
	} else {
		for (unsigned i = 0; i < vm->vcpu_count; i++) {
			struct lapic *lapic = vm->vcpus[i]->lapic;

			if (lapic != except && matches(lapic, logical, destination))
				take(lapic, signal);
		}
	}
}

void lapic_self_ipi(struct lapic *lapic, uint8_t vector)
{
	if (vector < 16)
		lapic_error(lapic, LAPIC_ESR_SEND_ILLEGAL | LAPIC_ESR_RECEIVE_ILLEGAL);
	else if (lapic_set_irr(lapic, vector, false))
		lapic_notify_local(lapic);
}

void lapic_send_icr(struct lapic *lapic, uint32_t icr, uint32_t destination)
{
	struct vm *vm = lapic->vcpu->vm;
	/* IPIs are edge-triggered, whatever bit 15 says (11.6.1). */
	struct signal signal = {.delivery = ICR_DELIVERY(icr), .vector = (uint8_t)icr};
	bool fixed = signal.delivery <= DELIVERY_LOWEST;

	/* INIT level de-assert only synchronised arbitration IDs, long ago. ExtINT is no IPI. */
	if (signal.delivery == DELIVERY_EXTINT ||
	    (signal.delivery == DELIVERY_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT)))
		return;
	if (fixed && signal.vector < 16) {
		lapic_error(lapic, LAPIC_ESR_SEND_ILLEGAL);
		return;
	}
	switch (ICR_SHORTHAND(icr)) {
	case SHORTHAND_NONE:
		if (fixed && !(icr & ICR_LOGICAL) && destination == lapic->vcpu->id)
			lapic_self_ipi(lapic, signal.vector);
		else
			take_addressed(vm, icr & ICR_LOGICAL, destination, NULL, &signal);
		break;
	case SHORTHAND_SELF: /* allowed with fixed delivery alone: table 11-3 */
		if (signal.delivery == DELIVERY_FIXED)
			lapic_self_ipi(lapic, signal.vector);
		break;
	case SHORTHAND_ALL:
		take_addressed(vm, false, LAPIC_BROADCAST, NULL, &signal);
		break;
	case SHORTHAND_OTHERS:
		take_addressed(vm, false, LAPIC_BROADCAST, lapic, &signal);
		break;
	}
}

void lapic_deliver(struct vm *vm, const struct irq_message *message)
{
	struct signal signal = {
		.delivery = message->delivery_mode,
		.vector = message->vector,
		.level = message->level && message->delivery_mode <= DELIVERY_LOWEST,
	};

	if (signal.delivery != DELIVERY_SIPI)
		take_addressed(vm, message->logical, message->destination, NULL, &signal);
}

int lapic_send_ipi_mask(struct vm *vm, const uint64_t mask[2], uint32_t first, uint32_t icr)
{
	struct signal signal = {.delivery = ICR_DELIVERY(icr), .vector = (uint8_t)icr};
	int sent = 0;

	if (signal.delivery != DELIVERY_FIXED && signal.delivery != DELIVERY_NMI)
		return -EINVAL;
	for (unsigned word = 0; word < 2; word++) {
		for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
			uint64_t id = (uint64_t)first + word * 64 + (unsigned)__builtin_ctzll(bits);

			if (id >= vm->vcpu_count)
				continue;
			take(vm->vcpus[id]->lapic, &signal);
			sent++;
		}
	}
	return sent;
}
