/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports, lock and timer of the 8254; its counters are in pit_channel.c. Each rise of channel 0's
 * output is a pulse on its line. Rises that went by while the VM did not run are one pulse: a guest
 * that was away gets no burst, and the next rise comes when it would have come anyway.
 */
#include "guest/dev/pit.h"

#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/dev/dev_time.h"
#include "guest/dev/pit_channel.h"

#include <errno.h>

#define PIT_CHANNELS	 3
#define PIT_PORT	 0x40
#define PIT_CONTROL_PORT 0x43
#define PIT_PORT_B	 0x61

/* Port 0x61. */
#define PORT_B_GATE2	(1u << 0)
#define PORT_B_SPEAKER	(1u << 1)
#define PORT_B_REFRESH	(1u << 4)
#define PORT_B_OUT2	(1u << 5)
#define PORT_B_WRITABLE 0x0f

/* The refresh bit changes at each memory refresh, about every 15.1 us. */
#define REFRESH_NS 15085

#define NS_PER_SECOND 1000000000u

/* Counts below it last less than DEV_TIMER_MIN_NS, and then not every rise is served. */
#define SHORT_COUNT (DEV_TIMER_MIN_NS * (uint64_t)PIT_HZ / NS_PER_SECOND + 1)

/* What the bus hands to a counter's port. */
struct pit_port {
	struct pit *pit;
	unsigned channel;
};

struct pit {
	struct spinlock lock; /* all below but the ports */
	struct vm *vm;
	struct pit_port ports[PIT_CHANNELS];
	struct timer timer;
	struct pit_channel channels[PIT_CHANNELS];
	uint64_t served; /* clock up to which rises of channel 0 are done */
	uint8_t port_b;
};

/* ---- time ---- */

static uint64_t pit_now(const struct pit *pit)
{
	return timer_muldiv(dev_time_ns(pit->vm), PIT_HZ, NS_PER_SECOND);
}

/* The first nanosecond in which pit_now() is `clock` or more. */
static uint64_t clock_to_ns(uint64_t clock)
{
	return timer_muldiv(clock, NS_PER_SECOND, PIT_HZ) + 1;
}

/* Arms the timer for the next interrupt. The lock is held. */
static void arm(struct pit *pit)
{
	uint64_t rise = pit_channel_next_rise(&pit->channels[0], pit->served);
	uint64_t ns;

	if (rise == PIT_NEVER) {
		timer_cancel(&pit->timer);
		return;
	}
	ns = clock_to_ns(rise);
	if (pit->channels[0].count < SHORT_COUNT)
		ns = max_u64(ns, clock_to_ns(pit->served) + DEV_TIMER_MIN_NS);
	timer_arm(&pit->vm->vcpus[0]->cpu->timers, &pit->timer, dev_time_to_tick(pit->vm, ns));
}

static void expired(struct timer *timer)
{
	struct pit *pit = CONTAINER_OF(timer, struct pit, timer);
	uint64_t now;

	spin_lock(&pit->lock);
	now = pit_now(pit);
	if (pit_channel_next_rise(&pit->channels[0], pit->served) <= now) {
		vm_irq_set(pit->vm, VM_GSI_PIT, true);
		vm_irq_set(pit->vm, VM_GSI_PIT, false);
		pit->served = now;
	}
	arm(pit);
	spin_unlock(&pit->lock);
}

/* ---- ports ---- */

static uint64_t channel_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	const struct pit_port *port = device;
	struct pit *pit = port->pit;
	uint8_t value;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&pit->lock);
	value = pit_channel_read(&pit->channels[port->channel], pit_now(pit));
	spin_unlock(&pit->lock);
	return value;
}

static void channel_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			  uint64_t value)
{
	const struct pit_port *port = device;
	struct pit *pit = port->pit;
	uint64_t now;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&pit->lock);
	now = pit_now(pit);
	pit_channel_write(&pit->channels[port->channel], (uint8_t)value, now);
	if (port->channel == 0) {
		pit->served = now;
		arm(pit);
	}
	spin_unlock(&pit->lock);
}

/* Read-back: bits 1 to 3 choose counters, bits 5 and 4 low latch count and status. */
static void read_back(struct pit *pit, uint8_t command, uint64_t now)
{
	for (unsigned i = 0; i < PIT_CHANNELS; i++) {
		if (!(command >> (i + 1) & 1))
			continue;
		if (!(command & 0x20))
			pit_channel_latch_count(&pit->channels[i], now);
		if (!(command & 0x10))
			pit_channel_latch_status(&pit->channels[i], now);
	}
}

static void control_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			  uint64_t value)
{
	struct pit *pit = device;
	unsigned channel = value >> 6 & 3;
	uint64_t now;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&pit->lock);
	now = pit_now(pit);
	if (channel == PIT_CHANNELS)
		read_back(pit, (uint8_t)value, now);
	else
		pit_channel_control(&pit->channels[channel], (uint8_t)value, now);
	if (channel == 0)
		arm(pit);
	spin_unlock(&pit->lock);
}

static uint64_t control_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	(void)vcpu;
	(void)device;
	(void)offset;
	(void)size;
	/* Write-only; nothing drives the bus. */
	return 0xff;
}

static uint64_t port_b_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct pit *pit = device;
	uint8_t value;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&pit->lock);
	value = pit->port_b;
	if (dev_time_ns(pit->vm) / REFRESH_NS & 1)
		value |= PORT_B_REFRESH;
	if (pit_channel_output(&pit->channels[2], pit_now(pit)))
		value |= PORT_B_OUT2;
	spin_unlock(&pit->lock);
	return value;
}

static void port_b_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			 uint64_t value)
{
	struct pit *pit = device;

	(void)vcpu;
	(void)offset;
	(void)size;
	spin_lock(&pit->lock);
	pit->port_b = value & PORT_B_WRITABLE;
	pit_channel_set_gate(&pit->channels[2], value & PORT_B_GATE2, pit_now(pit));
	spin_unlock(&pit->lock);
}

static const struct bus_ops channel_ops = {.read = channel_read, .write = channel_write};
static const struct bus_ops control_ops = {.read = control_read, .write = control_write};
static const struct bus_ops port_b_ops = {.read = port_b_read, .write = port_b_write};

/* ---- the device ---- */

static void pit_reset(struct vdev *vdev)
{
	struct pit *pit = vdev->state;

	timer_cancel(&pit->timer);
	for (unsigned i = 0; i < PIT_CHANNELS; i++)
		pit_channel_reset(&pit->channels[i], i != 2);
	pit->served = 0;
	pit->port_b = 0;
}

/* A port a range, so that the bus splits wider accesses into bytes as ISA does. */
static int claim_ports(struct bus *ports, struct pit *pit)
{
	int error = 0;

	for (unsigned i = 0; i < PIT_CHANNELS && !error; i++) {
		pit->ports[i] = (struct pit_port){.pit = pit, .channel = i};
		error = bus_claim(ports, PIT_PORT + i, 1, &channel_ops, &pit->ports[i]);
	}
	if (!error)
		error = bus_claim(ports, PIT_CONTROL_PORT, 1, &control_ops, pit);
	if (!error)
		error = bus_claim(ports, PIT_PORT_B, 1, &port_b_ops, pit);
	return error;
}

static int pit_create(struct vdev *vdev)
{
	struct pit *pit = hv_alloc(sizeof(*pit));
	int error;

	if (!pit)
		return -ENOMEM;
	error = claim_ports(&vdev->vm->ports, pit);
	if (error) {
		hv_free(pit);
		return error;
	}
	pit->vm = vdev->vm;
	timer_init(&pit->timer, expired);
	vdev->state = pit;
	pit_reset(vdev);
	return 0;
}

static void pit_destroy(struct vdev *vdev)
{
	struct pit *pit = vdev->state;

	timer_cancel_sync(&pit->timer);
	hv_free(pit);
	vdev->state = NULL;
}

static void pit_restored(struct vdev *vdev)
{
	struct pit *pit = vdev->state;
	uint64_t now = pit_now(pit);

	pit->port_b &= PORT_B_WRITABLE;
	for (unsigned i = 0; i < PIT_CHANNELS; i++)
		pit_channel_restored(&pit->channels[i], now);
	/* Only channel 2 has a gate. */
	pit->channels[0].gate = true;
	pit->channels[1].gate = true;
	pit->served = min_u64(pit->served, now);
	arm(pit);
}

#define CHANNEL_FIELD(n, member) VDEV_FIELD(struct pit, channels[n].member)
#define CHANNEL_FIELDS(n)                                                                     \
	CHANNEL_FIELD(n, base), CHANNEL_FIELD(n, held), CHANNEL_FIELD(n, count),              \
		CHANNEL_FIELD(n, next_count), CHANNEL_FIELD(n, control),                      \
		CHANNEL_FIELD(n, counting), CHANNEL_FIELD(n, loaded), CHANNEL_FIELD(n, gate), \
		CHANNEL_FIELD(n, write_high), CHANNEL_FIELD(n, read_high),                    \
		CHANNEL_FIELD(n, write_low_byte), CHANNEL_FIELD(n, count_latched),            \
		CHANNEL_FIELD(n, latch), CHANNEL_FIELD(n, status_latched),                    \
		CHANNEL_FIELD(n, status)

static const struct vdev_field pit_fields[] = {
	CHANNEL_FIELDS(0),
	CHANNEL_FIELDS(1),
	CHANNEL_FIELDS(2),
	VDEV_FIELD(struct pit, served),
	VDEV_FIELD(struct pit, port_b),
};

const struct vdev_type pit_vdev = {
	.name = "pit",
	.create = pit_create,
	.reset = pit_reset,
	.destroy = pit_destroy,
	.fields = pit_fields,
	.field_count = ARRAY_SIZE(pit_fields),
	.restored = pit_restored,
};
