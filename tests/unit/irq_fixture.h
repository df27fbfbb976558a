/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM with several vCPUs, each on a CPU of its own, and whichever devices a test adds: for the
 * interrupt controllers and timers. vcpu_request() only sets the bits, and registers are an array.
 */
#pragma once

#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include "fake_platform.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FIXTURE_VCPUS 20

static struct {
	struct vm vm;
	struct vm_config config;
	struct cpu cpus[FIXTURE_VCPUS];
	struct vcpu vcpus[FIXTURE_VCPUS];
	struct vcpu *pointers[FIXTURE_VCPUS];
	uint64_t regs[FIXTURE_VCPUS][REG_COUNT];
} fixture;

static uint64_t fixture_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	return fixture.regs[vcpu->id][reg];
}

static void fixture_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	fixture.regs[vcpu->id][reg] = value;
}

static const struct vcpu_backend fixture_backend = {
	.name = "fixture",
	.get_reg = fixture_get_reg,
	.set_reg = fixture_set_reg,
};

/* Weak: where a test pulls in vmm/vcpu.c after all, the real ones do as well. */
__attribute__((weak)) const struct vcpu_backend *backend;

__attribute__((weak)) void vcpu_request(struct vcpu *vcpu, uint32_t bits)
{
	atomic_fetch_or(&vcpu->requests, bits);
}

__attribute__((weak)) void cpu_kick(struct cpu *cpu)
{
	platform_kick_cpu(cpu);
}

/* A VM with `vcpus` vCPUs that are all in their run loop. Time stands at 1 s after its start. */
static inline struct vm *fixture_create(unsigned vcpus)
{
	memset(&fixture, 0, sizeof(fixture));
	backend = &fixture_backend;
	memcpy(fixture.config.name, "test", sizeof("test"));
	fixture.vm.config = &fixture.config;
	fixture.vm.vcpus = fixture.pointers;
	fixture.vm.vcpu_count = vcpus;
	fixture.vm.start_tick = 5000;
	fixture.vm.tsc_offset = 0 - fixture.vm.start_tick;
	fake_platform_set_time(5000 + FAKE_TICK_HZ);
	bus_init(&fixture.vm.ports);
	bus_init(&fixture.vm.mmio);
	for (unsigned i = 0; i < vcpus; i++) {
		struct vcpu *vcpu = &fixture.vcpus[i];

		fixture.pointers[i] = vcpu;
		vcpu->vm = &fixture.vm;
		vcpu->id = i;
		vcpu->cpu = &fixture.cpus[i];
		timer_queue_init(&vcpu->cpu->timers, vcpu->cpu);
		atomic_store(&vcpu->cpu->running, vcpu);
	}
	return &fixture.vm;
}

static inline struct vdev *fixture_add(const struct vdev_type *type)
{
	struct vdev *vdev = &fixture.vm.vdevs[fixture.vm.vdev_count++];

	vdev->type = type;
	vdev->vm = &fixture.vm;
	assert_int_equal(type->create(vdev), 0);
	return vdev;
}

/* Destroys what was made; -1 where memory was leaked. */
static inline int fixture_destroy(void)
{
	struct vm *vm = &fixture.vm;

	while (vm->vdev_count > 0) {
		struct vdev *vdev = &vm->vdevs[--vm->vdev_count];

		vdev->type->destroy(vdev);
	}
	bus_destroy(&vm->ports);
	bus_destroy(&vm->mmio);
	return heap_bytes_used() == 0 ? 0 : -1;
}

/* What was requested of a vCPU, and forgets it. */
static inline uint32_t fixture_requests(unsigned vcpu)
{
	return atomic_exchange(&fixture.vcpus[vcpu].requests, 0);
}

/* Time goes on, and all CPUs run their timers. */
static inline void fixture_pass(uint64_t nanoseconds)
{
	fake_platform_advance(nanoseconds);
	for (unsigned i = 0; i < fixture.vm.vcpu_count; i++)
		timer_queue_run(&fixture.cpus[i].timers, platform_now());
}

/* The vector that a vCPU would take now: -1 none. */
static inline int fixture_pending(unsigned vcpu)
{
	bool blocked;
	int vector = fixture.vm.irqs.intc->pending(&fixture.vcpus[vcpu], &blocked);

	return blocked ? -1 : vector;
}

/* Takes what is pending: its vector, or -1. */
static inline int fixture_take(unsigned vcpu)
{
	int vector = fixture_pending(vcpu);

	if (vector >= 0)
		vector = fixture.vm.irqs.intc->accept(&fixture.vcpus[vcpu], (uint8_t)vector);
	return vector;
}

static inline uint64_t fixture_in(uint16_t port)
{
	return bus_read(&fixture.vm.ports, &fixture.vcpus[0], port, 1);
}

static inline void fixture_out(uint16_t port, uint8_t value)
{
	bus_write(&fixture.vm.ports, &fixture.vcpus[0], port, 1, value);
}

static inline uint32_t fixture_mmio_read(unsigned vcpu, uint64_t address)
{
	return (uint32_t)bus_read(&fixture.vm.mmio, &fixture.vcpus[vcpu], address, 4);
}

static inline void fixture_mmio_write(unsigned vcpu, uint64_t address, uint32_t value)
{
	bus_write(&fixture.vm.mmio, &fixture.vcpus[vcpu], address, 4, value);
}

/* Saves a device, resets it, restores it from that, and calls restored(). */
#define FIXTURE_SAVED_LINES 256
struct fixture_saved {
	unsigned count;
	char *lines[FIXTURE_SAVED_LINES];
};

static inline void fixture_put(void *context, const char *line)
{
	struct fixture_saved *saved = context;

	assert_true(saved->count < FIXTURE_SAVED_LINES);
	saved->lines[saved->count] = hv_strdup(line);
	assert_non_null(saved->lines[saved->count]);
	saved->count++;
}

static inline void fixture_save_and_restore(struct vdev *vdev)
{
	struct fixture_saved before = {0}, after = {0};

	vdev_save(vdev, fixture_put, &before);
	vdev->type->reset(vdev);
	for (unsigned i = 0; i < before.count; i++)
		assert_int_equal(vdev_restore_line(vdev, before.lines[i]), 0);
	vdev->type->restored(vdev);
	vdev_save(vdev, fixture_put, &after);
	assert_int_equal(before.count, after.count);
	for (unsigned i = 0; i < before.count; i++) {
		assert_string_equal(before.lines[i], after.lines[i]);
		hv_free(before.lines[i]);
		hv_free(after.lines[i]);
	}
}
