/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts inside a VM: devices raise lines (GSIs) or send messages; interrupt controllers in
 * guest/dev take them. The VMM asks a vCPU's local APIC what to deliver through one ops struct.
 */
#pragma once

#include <stdatomic.h>

#include "vmm/types.h"

#define VM_GSIS 24

/*
 * The lines are numbered as the I/O APIC's pins. ISA interrupt n is line n, but for the 8254's
 * IRQ0, which a PC wires to pin 2 (and the MADT says so); the 8259s take it as their input 0.
 */
#define VM_GSI_PIT 2

struct ioapic;
struct pic;
struct vcpu;
struct vm;

/* An interrupt message, as an I/O APIC or an MSI makes it (SDM 3A, 11.11). */
struct irq_message {
	uint32_t destination; /* APIC ID or logical ID; UINT32_MAX: everybody */
	bool logical;
	uint8_t delivery_mode; /* 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 ExtINT */
	uint8_t vector;
	bool level;
};

/* A controller that listens to lines: the pair of 8259s, the I/O APIC. */
struct irq_chip_ops {
	void (*set_line)(void *chip, unsigned gsi, bool level);
};

/* The local APICs of a VM. */
struct intc_ops {
	/*
	 * The interrupt that should be delivered to the vCPU now or when its priority allows:
	 * returns its vector, or -1. *blocked_by_priority: the task priority forbids it for now (a
	 * window is needed).
	 */
	int (*pending)(struct vcpu *vcpu, bool *blocked_by_priority);
	/*
	 * The vCPU takes the interrupt that pending() just returned: request to in-service, or the
	 * 8259's acknowledge. Returns the vector to deliver, which an 8259 may have changed
	 * meanwhile.
	 */
	uint8_t (*accept)(struct vcpu *vcpu, uint8_t vector);
	/* INIT or power-on. */
	void (*reset)(struct vcpu *vcpu, bool power_on);
	/* MSRs: APIC_BASE, TSC_DEADLINE, x2APIC 0x800-0x8ff. Errors: -EACCES (the guest gets #GP).
	 */
	int (*msr_read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
	int (*msr_write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
	/* Delivers a message to the vCPUs that it names. */
	void (*deliver)(struct vm *vm, const struct irq_message *message);
	/*
	 * Sends the interrupt that `icr` (as written to the ICR's low half) describes to the APIC
	 * IDs first + n for which bit n of the 128-bit mask is set: KVM's PV IPI. Returns how many
	 * it reached, or -EINVAL where the delivery mode is not fixed or NMI.
	 */
	int (*send_ipis)(struct vm *vm, const uint64_t mask[2], uint32_t first, uint32_t icr);
};

struct vm_irqs {
	const struct intc_ops *intc;
	struct {
		const struct irq_chip_ops *ops;
		void *chip;
	} chips[2];
	unsigned chip_count;
	struct pic *pic;       /* guest/dev/pic.c, or NULL */
	struct ioapic *ioapic; /* guest/dev/ioapic.c, or NULL */
	_Atomic bool extint;   /* the 8259s' INTR output; needs `pic` */
};

/* Makes a chip hear all lines of the VM. At most two. */
void vm_irq_add_chip(struct vm *vm, const struct irq_chip_ops *ops, void *chip);

/* Sets the level of a line, 0 to VM_GSIS - 1. Any CPU. An edge device raises and lowers. */
void vm_irq_set(struct vm *vm, unsigned gsi, bool level);

/* Sends a message-signalled interrupt as a device's write of `data` to `address` (SDM 3A, 11.11).
 */
void vm_irq_msi(struct vm *vm, uint64_t address, uint32_t data);
