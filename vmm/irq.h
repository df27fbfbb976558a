/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts inside a VM: devices raise lines (GSIs) or send messages; interrupt controllers in
 * guest/dev take them. The VMM asks a vCPU's local APIC what to deliver through one ops struct.
 */
#pragma once

#include "vmm/types.h"

#define VM_GSIS 24

struct vcpu;
struct vm;

/* An interrupt message, as an I/O APIC or an MSI makes it (SDM 3A, 11.11). */
struct irq_message {
	uint32_t destination; /* APIC ID or logical ID */
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
	/* The vCPU takes `vector`, which pending() just returned: request to in-service, or the
	 * 8259's acknowledge. */
	void (*accept)(struct vcpu *vcpu, uint8_t vector);
	/* INIT or power-on. */
	void (*reset)(struct vcpu *vcpu, bool power_on);
	/* MSRs: APIC_BASE, TSC_DEADLINE, x2APIC 0x800-0x8ff. Errors: -EACCES (the guest gets #GP).
	 */
	int (*msr_read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
	int (*msr_write)(struct vcpu *vcpu, uint32_t msr, uint64_t value);
	/* Delivers a message to the vCPUs that it names. */
	void (*deliver)(struct vm *vm, const struct irq_message *message);
};

struct vm_irqs {
	const struct intc_ops *intc;
	struct {
		const struct irq_chip_ops *ops;
		void *chip;
	} chips[2];
	unsigned chip_count;
};

/* Makes a chip hear all lines of the VM. At most two. */
void vm_irq_add_chip(struct vm *vm, const struct irq_chip_ops *ops, void *chip);

/* Sets the level of a line, 0 to VM_GSIS - 1. Any CPU. An edge device raises and lowers. */
void vm_irq_set(struct vm *vm, unsigned gsi, bool level);

/* Sends a message-signalled interrupt as a device's write of `data` to `address` (SDM 3A, 11.11).
 */
void vm_irq_msi(struct vm *vm, uint64_t address, uint32_t data);
