/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PM1 and the PM timer; see acpi_pm.h. Section numbers are those of ACPI 6.4.
 *
 * The timer is computed from the host's clock at each read, with one multiplication and without the
 * lock, since guests read it often. `lock` guards the rest.
 */
#include "guest/dev/acpi_pm.h"

#include "vmm/bus.h"
#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/platform.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/layout.h"

#include <errno.h>

#define PM_TIMER_HZ    3579545 /* 4.8.2.1 */
#define PM_TIMER_BYTES 4
#define PM1_BYTES      6

/* Ticks of the host times this, shifted right by that, are ticks of the PM timer; the error is
 * below one in 10^9. */
#define PM_FRACTION_BITS 40

/* The timer's status bit is set each time its bit 31 changes (4.8.3.3.1). */
#define PM_CARRY_BITS 31

#define PM1_TIMER	 (1u << 0)
#define PM1_GLOBAL	 (1u << 5)
#define PM1_POWER_BUTTON (1u << 8)
#define PM1_RTC		 (1u << 10)
#define PM1_STATUS_MASK	 (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC | 1u << 15)
#define PM1_ENABLE_MASK	 (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC)

#define CONTROL_SCI_ENABLED	    (1u << 0)
#define CONTROL_SLEEP_TYPE(control) ((control) >> 10 & 7)
#define CONTROL_SLEEP_ENABLE	    (1u << 13)
#define CONTROL_KEPT		    (7u << 10 | 1u << 1) /* SLP_TYP, BM_RLD; the rest reads 0 */

_Static_assert(PORT_PM1_CONTROL == PORT_PM1_EVENT + 4, "one range of ports");

enum pm1_register {
	PM1_STATUS,
	PM1_ENABLE,
	PM1_CONTROL
};

struct acpi_pm {
	struct spinlock lock;
	struct vm *vm;
	uint64_t multiplier;
	struct timer timer; /* the next carry, where its interrupt is enabled */
	uint64_t carries;   /* of the timer, that the status has counted */
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	uint8_t line_level;
};

static const struct vdev_field pm_fields[] = {
	VDEV_FIELD(struct acpi_pm, carries),
	VDEV_FIELD(struct acpi_pm, status),
	VDEV_FIELD(struct acpi_pm, enable),
	VDEV_FIELD(struct acpi_pm, control),
};

/* The timer since the VM started, wider than the guest sees it. */
static uint64_t pm_timer_count(const struct acpi_pm *pm)
{
	uint64_t elapsed = platform_now() - pm->vm->start_tick;

	return (uint64_t)((unsigned __int128)elapsed * pm->multiplier >> PM_FRACTION_BITS);
}

/* ---- with the lock held ---- */

static void pm_count_carries(struct acpi_pm *pm)
{
	uint64_t carries = pm_timer_count(pm) >> PM_CARRY_BITS;

	if (carries != pm->carries)
		pm->status |= PM1_TIMER;
	pm->carries = carries;
}

/* Gives the SCI line its level and has the next carry looked at. */
static void pm_update(struct acpi_pm *pm)
{
	bool level = (pm->status & pm->enable) != 0;
	uint64_t next;

	if (level != pm->line_level) {
		pm->line_level = level;
		vm_irq_set(pm->vm, GSI_SCI, level);
	}
	if (!(pm->enable & PM1_TIMER) || (pm->status & PM1_TIMER)) {
		timer_cancel(&pm->timer);
		return;
	}
	/* A tick of the PM timer late, so that it has come whichever way this was rounded. */
	next = timer_muldiv(((pm->carries + 1) << PM_CARRY_BITS) + 1, platform_tick_hz(),
			    PM_TIMER_HZ);
	timer_arm(&pm->vm->vcpus[0]->cpu->timers, &pm->timer, pm->vm->start_tick + next + 1);
}

static uint16_t pm_read_register(struct acpi_pm *pm, enum pm1_register reg)
{
	switch (reg) {
	case PM1_STATUS:
		pm_count_carries(pm);
		return pm->status;
	case PM1_ENABLE:
		return pm->enable;
	case PM1_CONTROL:
		return pm->control | CONTROL_SCI_ENABLED;
	}
	return 0;
}

/* Writes the bits of `mask`; returns true where the guest has switched itself off. */
static bool pm_write_register(struct acpi_pm *pm, enum pm1_register reg, uint16_t value,
			      uint16_t mask)
{
	switch (reg) {
	case PM1_STATUS: /* ones clear */
		pm_count_carries(pm);
		pm->status &= (uint16_t) ~(value & mask & PM1_STATUS_MASK);
		break;
	case PM1_ENABLE:
		pm_count_carries(pm);
		pm->enable = (uint16_t)((pm->enable & ~mask) | (value & mask & PM1_ENABLE_MASK));
		break;
	case PM1_CONTROL:
		pm->control = (uint16_t)((pm->control & ~mask) | (value & mask & CONTROL_KEPT));
		return (value & mask & CONTROL_SLEEP_ENABLE) &&
		       CONTROL_SLEEP_TYPE(pm->control) == ACPI_SLEEP_TYPE_S5;
	}
	return false;
}

/* ---- ports ---- */

static uint64_t pm1_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct acpi_pm *pm = device;
	uint64_t all = 0;

	(void)vcpu;
	spin_lock(&pm->lock);
	for (int reg = PM1_STATUS; reg <= PM1_CONTROL; reg++)
		all |= (uint64_t)pm_read_register(pm, (enum pm1_register)reg) << 16 * reg;
	pm_update(pm);
	spin_unlock(&pm->lock);
	return all >> 8 * offset & mask_of_bytes(size);
}

static void pm1_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		      uint64_t value)
{
	struct acpi_pm *pm = device;
	uint64_t mask = mask_of_bytes(size) << 8 * offset;
	bool off = false;

	(void)vcpu;
	value = value << 8 * offset & mask;
	spin_lock(&pm->lock);
	for (int reg = PM1_STATUS; reg <= PM1_CONTROL; reg++) {
		if ((uint16_t)(mask >> 16 * reg) != 0)
			off |= pm_write_register(pm, (enum pm1_register)reg,
						 (uint16_t)(value >> 16 * reg),
						 (uint16_t)(mask >> 16 * reg));
	}
	pm_update(pm);
	spin_unlock(&pm->lock);
	/* Not under our lock: it takes the VM's. */
	if (off)
		vm_stop(pm->vm, "powered off");
}

static uint64_t pm_timer_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	uint32_t count = (uint32_t)pm_timer_count(device);

	(void)vcpu;
	return count >> 8 * offset & mask_of_bytes(size);
}

static void pm_timer_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			   uint64_t value)
{
	(void)vcpu, (void)device, (void)offset, (void)size, (void)value; /* it is read-only */
}

static const struct bus_ops pm1_bus_ops = {.read = pm1_read, .write = pm1_write};
static const struct bus_ops pm_timer_bus_ops = {.read = pm_timer_read, .write = pm_timer_write};

/* ---- events ---- */

static void pm_expired(struct timer *timer)
{
	struct acpi_pm *pm = CONTAINER_OF(timer, struct acpi_pm, timer);

	spin_lock(&pm->lock);
	pm_count_carries(pm);
	pm_update(pm);
	spin_unlock(&pm->lock);
}

void acpi_pm_press_power_button(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vdev_count; i++) {
		struct acpi_pm *pm = vm->vdevs[i].state;

		if (vm->vdevs[i].type != &acpi_pm_vdev)
			continue;
		spin_lock(&pm->lock);
		pm->status |= PM1_POWER_BUTTON;
		pm_update(pm);
		spin_unlock(&pm->lock);
	}
}

/* ---- life ---- */

static void pm_reset(struct vdev *vdev)
{
	struct acpi_pm *pm = vdev->state;

	spin_lock(&pm->lock);
	pm->carries = pm_timer_count(pm) >> PM_CARRY_BITS;
	pm->status = 0;
	pm->enable = 0;
	pm->control = 0;
	pm_update(pm);
	spin_unlock(&pm->lock);
}

static int pm_create(struct vdev *vdev)
{
	struct acpi_pm *pm = hv_alloc(sizeof(*pm));
	struct bus *ports = &vdev->vm->ports;
	int result;

	if (!pm)
		return -ENOMEM;
	pm->vm = vdev->vm;
	pm->multiplier =
		timer_muldiv(PM_TIMER_HZ, UINT64_C(1) << PM_FRACTION_BITS, platform_tick_hz());
	timer_init(&pm->timer, pm_expired);
	result = bus_claim(ports, PORT_PM1_EVENT, PM1_BYTES, &pm1_bus_ops, pm);
	if (result == 0)
		result = bus_claim(ports, PORT_PM_TIMER, PM_TIMER_BYTES, &pm_timer_bus_ops, pm);
	if (result != 0) {
		hv_free(pm);
		return result;
	}
	vdev->state = pm;
	pm_reset(vdev);
	return 0;
}

static void pm_destroy(struct vdev *vdev)
{
	struct acpi_pm *pm = vdev->state;

	timer_cancel_sync(&pm->timer);
	hv_free(pm);
	vdev->state = NULL;
}

static void pm_restored(struct vdev *vdev)
{
	struct acpi_pm *pm = vdev->state;

	spin_lock(&pm->lock);
	pm->line_level = 0;
	pm_update(pm);
	spin_unlock(&pm->lock);
}

const struct vdev_type acpi_pm_vdev = {
	.name = "acpi_pm",
	.create = pm_create,
	.reset = pm_reset,
	.destroy = pm_destroy,
	.fields = pm_fields,
	.field_count = ARRAY_SIZE(pm_fields),
	.restored = pm_restored,
};
