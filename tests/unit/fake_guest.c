/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_guest.h. */
#include "fake_guest.h"

#include "vmm/cpu.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "fake_heap.h"
#include "fake_platform.h"

#include <stdlib.h>
#include <string.h>

static struct {
	struct vm vm;
	struct vm_config config;
	struct gpa_region region;
	struct vcpu vcpu;
	struct vcpu *vcpus[1];
	struct cpu cpu;
	const struct gpa_region *_Atomic hints[GPA_HINTS];
} fake;

struct vm *fake_guest_create(uint64_t ram)
{
	fake_platform_reset();
	fake_heap_fail_after(-1);
	memset(&fake, 0, sizeof(fake));
	strcpy(fake.config.name, "test");
	fake.config.vcpus = 1;
	fake.config.memory = ram;
	fake.config.debug_exit = -1;
	fake.region = (struct gpa_region){
		.hpa = hpa_make(FAKE_RAM_BASE),
		.length = ram,
		.permission = GPA_RWX,
	};
	fake.vm.id = 1;
	fake.vm.config = &fake.config;
	fake.vm.space.regions = &fake.region;
	fake.vm.space.hints = fake.hints;
	fake.vm.space.count = 1;
	fake.vm.ram_low = ram;
	fake.vm.vcpus = fake.vcpus;
	fake.vm.vcpu_count = 1;
	fake.vcpus[0] = &fake.vcpu;
	fake.vcpu.vm = &fake.vm;
	fake.vcpu.cpu = &fake.cpu;
	timer_queue_init(&fake.cpu.timers, &fake.cpu);
	bus_init(&fake.vm.ports);
	bus_init(&fake.vm.mmio);
	memset(fake_guest_ram(), 0, ram);
	return &fake.vm;
}

void fake_guest_destroy(struct vm *vm)
{
	fake_guest_remove_devices(vm);
	bus_destroy(&vm->ports);
	bus_destroy(&vm->mmio);
}

struct vm_config *fake_guest_config(void)
{
	return &fake.config;
}

struct vcpu *fake_guest_vcpu(void)
{
	return &fake.vcpu;
}

uint8_t *fake_guest_ram(void)
{
	return platform_ram(hpa_make(FAKE_RAM_BASE));
}

struct vdev *fake_guest_add_device(struct vm *vm, const struct vdev_type *type)
{
	struct vdev *vdev = &vm->vdevs[vm->vdev_count];

	vdev->type = type;
	vdev->vm = vm;
	if (type->create(vdev) != 0)
		abort();
	vm->vdev_count++;
	if (type->reset)
		type->reset(vdev);
	return vdev;
}

void fake_guest_remove_devices(struct vm *vm)
{
	while (vm->vdev_count > 0) {
		struct vdev *vdev = &vm->vdevs[--vm->vdev_count];

		vdev->type->destroy(vdev);
	}
}

uint64_t fake_guest_in(uint16_t port, unsigned size)
{
	return bus_read(&fake.vm.ports, &fake.vcpu, port, size);
}

void fake_guest_out(uint16_t port, unsigned size, uint64_t value)
{
	bus_write(&fake.vm.ports, &fake.vcpu, port, size, value);
}

void fake_guest_pass(uint64_t ticks)
{
	fake_platform_advance(ticks);
	timer_queue_run(&fake.cpu.timers, platform_now());
}

/* So that timers do not bring in the scheduler and, with it, all of the VMM. Weak: where a test has
 * vmm/cpu.c after all, that one does it. */
__attribute__((weak)) void cpu_kick(struct cpu *cpu)
{
	platform_kick_cpu(cpu);
}
