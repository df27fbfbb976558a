/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two 8259As. The first one's output is vm->irqs.extint, which the local APICs take through LINT0.
 */
#include "guest/dev/pic.h"

#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/vm.h"
#include "guest/dev/lapic.h"

#include <errno.h>

#define PIC_MASTER_PORT	  0x20
#define PIC_SLAVE_PORT	  0xa0
#define PIC_ELCR_PORT	  0x4d0
#define PIC_CASCADE	  2
#define PIC_SPURIOUS	  7
#define PIC_IRQS_PER_CHIP 8
#define PIC_ISA_IRQS	  16

/* Interrupts that can be level-triggered: not 0, 1, 2, 8, 13. */
#define ELCR_WRITABLE_MASTER 0xf8
#define ELCR_WRITABLE_SLAVE  0xde

#define ICW1_INIT   (1u << 4) /* in a byte to the first port: ICW1, else OCW2 or OCW3 */
#define ICW1_NEED4  (1u << 0)
#define ICW1_SINGLE (1u << 1)
#define ICW1_LEVEL  (1u << 3)
#define ICW4_AEOI   (1u << 1)
#define ICW4_SFNM   (1u << 4)
#define OCW3	    (1u << 3)

/* Which initialisation word the second port waits for. */
enum pic_init {
	INIT_DONE,
	INIT_ICW2,
	INIT_ICW3,
	INIT_ICW4
};

struct pic_chip {
	struct pic *pic;
	uint8_t lines;
	uint8_t irr;
	uint8_t isr;
	uint8_t imr;
	uint8_t elcr;
	uint8_t elcr_writable;
	uint8_t icw1;
	uint8_t icw4;
	uint8_t base;	/* vector of input 0 */
	uint8_t lowest; /* input of lowest priority */
	uint8_t init;	/* enum pic_init */
	uint8_t rotate_on_aeoi;
	uint8_t special_mask;
	uint8_t read_isr; /* what the first port reads */
	uint8_t poll;	  /* its next read is an acknowledge */
};

struct pic {
	struct spinlock lock; /* all below */
	struct vm *vm;
	struct pic_chip master;
	struct pic_chip slave;
};

/* ---- priorities ---- */

/* The input of highest priority in `bits`, or -1. Its distance from the highest is *rank (8: none).
 */
static int highest(const struct pic_chip *chip, uint8_t bits, unsigned *rank)
{
	for (*rank = 0; *rank < PIC_IRQS_PER_CHIP; ++*rank) {
		unsigned input = (chip->lowest + 1u + *rank) & 7;

		if (bits >> input & 1)
			return (int)input;
	}
	return -1;
}

/* The input that requests service and may have it, or -1. */
static int requested(const struct pic_chip *chip)
{
	uint8_t blocking = chip->isr;
	unsigned request_rank, service_rank;
	int input = highest(chip, chip->irr & (uint8_t)~chip->imr, &request_rank);

	if (input < 0)
		return -1;
	/* Special mask mode: what is masked does not block. */
	if (chip->special_mask)
		blocking &= (uint8_t)~chip->imr;
	/* Special fully nested mode: the slave may interrupt itself. */
	if ((chip->icw4 & ICW4_SFNM) && chip == &chip->pic->master)
		blocking &= (uint8_t) ~(1u << PIC_CASCADE);
	(void)highest(chip, blocking, &service_rank);
	return request_rank < service_rank ? input : -1;
}

static bool is_level(const struct pic_chip *chip, unsigned input)
{
	return (chip->icw1 & ICW1_LEVEL) || (chip->elcr >> input & 1);
}

static void set_input(struct pic_chip *chip, unsigned input, bool level)
{
	uint8_t bit = (uint8_t)(1u << input);
	bool rises = level && !(chip->lines & bit);

	chip->lines = level ? chip->lines | bit : chip->lines & (uint8_t)~bit;
	if (rises)
		chip->irr |= bit;
	else if (!level && is_level(chip, input))
		chip->irr &= (uint8_t)~bit;
}

/* Propagates the outputs: of the slave to the master, of the master to the vCPUs. */
static void update(struct pic *pic)
{
	struct vm *vm = pic->vm;
	bool before = atomic_load_explicit(&vm->irqs.extint, memory_order_relaxed);
	bool output;

	set_input(&pic->master, PIC_CASCADE, requested(&pic->slave) >= 0);
	output = requested(&pic->master) >= 0;
	if (output == before)
		return;
	atomic_store(&vm->irqs.extint, output);
	if (output)
		lapic_extint_changed(vm);
}

/* ---- acknowledge ---- */

static void take_into_service(struct pic_chip *chip, unsigned input)
{
	uint8_t bit = (uint8_t)(1u << input);

	if (!is_level(chip, input))
		chip->irr &= (uint8_t)~bit;
	if (!(chip->icw4 & ICW4_AEOI))
		chip->isr |= bit;
	else if (chip->rotate_on_aeoi)
		chip->lowest = (uint8_t)input;
}

int pic_peek(struct pic *pic)
{
	int vector = -1;
	int input;

	spin_lock(&pic->lock);
	input = requested(&pic->master);
	if (input == PIC_CASCADE) {
		input = requested(&pic->slave);
		vector = pic->slave.base + (input < 0 ? PIC_SPURIOUS : input);
	} else if (input >= 0) {
		vector = pic->master.base + input;
	}
	spin_unlock(&pic->lock);
	return vector;
}

static uint8_t acknowledge_slave(struct pic *pic)
{
	int input = requested(&pic->slave);

	if (input < 0)
		return pic->slave.base + PIC_SPURIOUS;
	take_into_service(&pic->slave, (unsigned)input);
	/* Its output falls meanwhile: if it has another request, the master sees a new edge. */
	set_input(&pic->master, PIC_CASCADE, false);
	return (uint8_t)(pic->slave.base + input);
}

uint8_t pic_acknowledge(struct pic *pic)
{
	uint8_t vector;
	int input;

	spin_lock(&pic->lock);
	input = requested(&pic->master);
	if (input < 0) {
		vector = pic->master.base + PIC_SPURIOUS;
	} else {
		take_into_service(&pic->master, (unsigned)input);
		vector = input == PIC_CASCADE ? acknowledge_slave(pic)
					      : (uint8_t)(pic->master.base + input);
	}
	update(pic);
	spin_unlock(&pic->lock);
	return vector;
}

/* ---- command words ---- */

/* Initialisation starts: what the data sheet's ICW1 resets. Inputs must rise anew. */
static void write_icw1(struct pic_chip *chip, uint8_t value)
{
	chip->icw1 = value;
	chip->icw4 = 0;
	chip->irr = chip->icw1 & ICW1_LEVEL ? chip->lines : chip->lines & chip->elcr;
	chip->isr = 0;
	chip->imr = 0;
	chip->lowest = 7;
	chip->rotate_on_aeoi = false;
	chip->special_mask = false;
	chip->read_isr = false;
	chip->poll = false;
	chip->init = INIT_ICW2;
}

static void end_of_interrupt(struct pic_chip *chip, int input, bool rotate)
{
	if (input < 0)
		return;
	chip->isr &= (uint8_t) ~(1u << input);
	if (rotate)
		chip->lowest = (uint8_t)input;
}

/* The input in service that a non-specific EOI means, or -1. */
static int served(const struct pic_chip *chip)
{
	uint8_t isr = chip->isr;
	unsigned rank;

	if (chip->special_mask)
		isr &= (uint8_t)~chip->imr;
	return highest(chip, isr, &rank);
}

static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
	unsigned input = value & 7;

	switch (value >> 5) {
	case 0:
	case 4: /* rotate in automatic EOI mode: clear, set */
		chip->rotate_on_aeoi = value >> 7;
		break;
	case 1:
	case 5: /* non-specific EOI, with rotation */
		end_of_interrupt(chip, served(chip), value >> 7);
		break;
	case 3:
	case 7: /* specific EOI, with rotation */
		end_of_interrupt(chip, (int)input, value >> 7);
		break;
	case 6: /* set priority */
		chip->lowest = (uint8_t)input;
		break;
	default: /* no operation */
		break;
	}
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
	if (value & 0x40)
		chip->special_mask = value >> 5 & 1;
	chip->poll = value >> 2 & 1;
	if (value & 2)
		chip->read_isr = value & 1;
}

/* The second port: initialisation words in their order, then the mask (OCW1). */
static void write_data(struct pic_chip *chip, uint8_t value)
{
	switch (chip->init) {
	case INIT_ICW2:
		chip->base = value & 0xf8;
		if (!(chip->icw1 & ICW1_SINGLE))
			chip->init = INIT_ICW3;
		else
			chip->init = chip->icw1 & ICW1_NEED4 ? INIT_ICW4 : INIT_DONE;
		break;
	case INIT_ICW3: /* the cascade is wired as it is */
		chip->init = chip->icw1 & ICW1_NEED4 ? INIT_ICW4 : INIT_DONE;
		break;
	case INIT_ICW4:
		chip->icw4 = value;
		chip->init = INIT_DONE;
		break;
	default:
		chip->imr = value;
		break;
	}
}

/* ---- ports ---- */

static void command_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			  uint64_t value)
{
	struct pic_chip *chip = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&chip->pic->lock);
	if (value & ICW1_INIT)
		write_icw1(chip, (uint8_t)value);
	else if (value & OCW3)
		write_ocw3(chip, (uint8_t)value);
	else
		write_ocw2(chip, (uint8_t)value);
	update(chip->pic);
	spin_unlock(&chip->pic->lock);
}

/* The poll command makes the next read an acknowledge: bit 7 says that there was a request. */
static uint8_t read_poll(struct pic_chip *chip)
{
	int input = requested(chip);

	chip->poll = false;
	if (input < 0)
		return 0;
	take_into_service(chip, (unsigned)input);
	if (chip == &chip->pic->slave)
		set_input(&chip->pic->master, PIC_CASCADE, false);
	update(chip->pic);
	return (uint8_t)(0x80 | input);
}

static uint64_t command_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct pic_chip *chip = device;
	uint8_t value;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&chip->pic->lock);
	if (chip->poll)
		value = read_poll(chip);
	else
		value = chip->read_isr ? chip->isr : chip->irr;
	spin_unlock(&chip->pic->lock);
	return value;
}

static void data_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct pic_chip *chip = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&chip->pic->lock);
	write_data(chip, (uint8_t)value);
	update(chip->pic);
	spin_unlock(&chip->pic->lock);
}

static uint64_t data_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	const struct pic_chip *chip = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	/* One byte, which only writes to this port change: no lock. */
	return chip->imr;
}

static void elcr_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct pic_chip *chip = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&chip->pic->lock);
	chip->elcr = (uint8_t)value & chip->elcr_writable;
	chip->irr |= chip->lines & chip->elcr;
	update(chip->pic);
	spin_unlock(&chip->pic->lock);
}

static uint64_t elcr_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	const struct pic_chip *chip = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	return chip->elcr;
}

static const struct bus_ops command_ops = {.read = command_read, .write = command_write};
static const struct bus_ops data_ops = {.read = data_read, .write = data_write};
static const struct bus_ops elcr_ops = {.read = elcr_read, .write = elcr_write};

static void pic_set_line(void *device, unsigned gsi, bool level)
{
	struct pic *pic = device;
	unsigned irq = gsi == VM_GSI_PIT ? 0 : gsi;

	/* Line 0 is not wired here: IRQ0 is line 2. */
	if (irq >= PIC_ISA_IRQS || gsi == 0)
		return;
	spin_lock(&pic->lock);
	set_input(irq < PIC_IRQS_PER_CHIP ? &pic->master : &pic->slave, irq % PIC_IRQS_PER_CHIP,
		  level);
	update(pic);
	spin_unlock(&pic->lock);
}

static const struct irq_chip_ops pic_chip_ops = {.set_line = pic_set_line};

/* ---- the device ---- */

static void reset_chip(struct pic_chip *chip)
{
	chip->lines = 0;
	chip->elcr = 0;
	chip->base = 0;
	write_icw1(chip, 0);
	/* Nothing is delivered before software has initialised the chip. */
	chip->imr = 0xff;
	chip->init = INIT_DONE;
}

static void pic_reset(struct vdev *vdev)
{
	struct pic *pic = vdev->state;

	reset_chip(&pic->master);
	reset_chip(&pic->slave);
	update(pic);
}

/* A port a range, so that the bus splits wider accesses into bytes as ISA does. */
static int claim_ports(struct bus *ports, struct pic *pic)
{
	const struct {
		uint16_t port;
		const struct bus_ops *ops;
		struct pic_chip *chip;
	} ranges[] = {
		{PIC_MASTER_PORT, &command_ops, &pic->master},
		{PIC_MASTER_PORT + 1, &data_ops, &pic->master},
		{PIC_SLAVE_PORT, &command_ops, &pic->slave},
		{PIC_SLAVE_PORT + 1, &data_ops, &pic->slave},
		{PIC_ELCR_PORT, &elcr_ops, &pic->master},
		{PIC_ELCR_PORT + 1, &elcr_ops, &pic->slave},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
		int error = bus_claim(ports, ranges[i].port, 1, ranges[i].ops, ranges[i].chip);

		if (error)
			return error;
	}
	return 0;
}

static int pic_create(struct vdev *vdev)
{
	struct pic *pic = hv_alloc(sizeof(*pic));
	int error;

	if (!pic)
		return -ENOMEM;
	error = claim_ports(&vdev->vm->ports, pic);
	if (error) {
		hv_free(pic);
		return error;
	}
	pic->vm = vdev->vm;
	pic->master.pic = pic;
	pic->master.elcr_writable = ELCR_WRITABLE_MASTER;
	pic->slave.pic = pic;
	pic->slave.elcr_writable = ELCR_WRITABLE_SLAVE;
	vdev->state = pic;
	vdev->vm->irqs.pic = pic;
	pic_reset(vdev);
	vm_irq_add_chip(vdev->vm, &pic_chip_ops, pic);
	return 0;
}

static void pic_destroy(struct vdev *vdev)
{
	atomic_store(&vdev->vm->irqs.extint, false);
	vdev->vm->irqs.pic = NULL;
	hv_free(vdev->state);
	vdev->state = NULL;
}

static void restored_chip(struct pic_chip *chip)
{
	chip->elcr &= chip->elcr_writable;
	chip->base &= 0xf8;
	chip->lowest &= 7;
	if (chip->init > INIT_ICW4)
		chip->init = INIT_DONE;
}

static void pic_restored(struct vdev *vdev)
{
	struct pic *pic = vdev->state;

	restored_chip(&pic->master);
	restored_chip(&pic->slave);
	atomic_store(&vdev->vm->irqs.extint, false);
	update(pic);
}

#define CHIP_FIELDS(chip)                                                                         \
	VDEV_FIELD(struct pic, chip.lines), VDEV_FIELD(struct pic, chip.irr),                     \
		VDEV_FIELD(struct pic, chip.isr), VDEV_FIELD(struct pic, chip.imr),               \
		VDEV_FIELD(struct pic, chip.elcr), VDEV_FIELD(struct pic, chip.icw1),             \
		VDEV_FIELD(struct pic, chip.icw4), VDEV_FIELD(struct pic, chip.base),             \
		VDEV_FIELD(struct pic, chip.lowest), VDEV_FIELD(struct pic, chip.init),           \
		VDEV_FIELD(struct pic, chip.rotate_on_aeoi),                                      \
		VDEV_FIELD(struct pic, chip.special_mask), VDEV_FIELD(struct pic, chip.read_isr), \
		VDEV_FIELD(struct pic, chip.poll)

static const struct vdev_field pic_fields[] = {CHIP_FIELDS(master), CHIP_FIELDS(slave)};

const struct vdev_type pic_vdev = {
	.name = "pic",
	.create = pic_create,
	.reset = pic_reset,
	.destroy = pic_destroy,
	.fields = pic_fields,
	.field_count = ARRAY_SIZE(pic_fields),
	.restored = pic_restored,
};
