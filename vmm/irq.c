/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines and messages from devices to the interrupt controllers of their VM. */
#include "vmm/irq.h"

#include "vmm/platform.h"
#include "vmm/vm.h"

/* An MSI's address and data: SDM 3A, 11.11. */
#define MSI_ADDRESS_BASE      0xfee00000u
#define MSI_ADDRESS_FIELDS    0x000fffffu
#define MSI_DESTINATION_SHIFT 12
#define MSI_REDIRECT	      (1u << 3)
#define MSI_LOGICAL	      (1u << 2)
#define MSI_LEVEL	      (1u << 15)

void vm_irq_add_chip(struct vm *vm, const struct irq_chip_ops *ops, void *chip)
{
	struct vm_irqs *irqs = &vm->irqs;

	if (irqs->chip_count == ARRAY_SIZE(irqs->chips))
		platform_panic("a third interrupt controller that listens to lines");
	irqs->chips[irqs->chip_count].ops = ops;
	irqs->chips[irqs->chip_count].chip = chip;
	irqs->chip_count++;
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	struct vm_irqs *irqs = &vm->irqs;

	for (unsigned i = 0; i < irqs->chip_count; i++)
		irqs->chips[i].ops->set_line(irqs->chips[i].chip, gsi, level);
}

void vm_irq_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	struct irq_message message = {
		.destination = (uint8_t)(address >> MSI_DESTINATION_SHIFT),
		.logical = (address & MSI_LOGICAL) != 0,
		.delivery_mode = data >> 8 & 7,
		.vector = (uint8_t)data,
		.level = (data & MSI_LEVEL) != 0,
	};

	/* Another address is no interrupt, and nothing that a device model may write to. */
	if ((address & ~(uint64_t)MSI_ADDRESS_FIELDS) != MSI_ADDRESS_BASE)
		return;
	if (message.destination == 0xff)
		message.destination = UINT32_MAX;
	/* The redirection hint of a logical message asks for one of those addressed. */
	if (message.logical && (address & MSI_REDIRECT) && message.delivery_mode == 0)
		message.delivery_mode = 1;
	vm->irqs.intc->deliver(vm, &message);
}
