/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM to load guests into and to plug devices into: RAM at guest address 0 that is the fake
 * platform's RAM, empty buses, a config. No vCPU runs. One a process.
 */
#pragma once

#include "vmm/vm.h"

struct vcpu;

/*
 * A new VM with `ram` bytes (whole pages, at most FAKE_RAM_SIZE) of zeroed RAM from address 0 up,
 * and one vCPU on a CPU with a timer queue. The fake platform is reset.
 */
struct vm *fake_guest_create(uint64_t ram);

/* Frees what it allocated: devices that the test made must be gone. */
void fake_guest_destroy(struct vm *vm);

/* Its config, to be changed before devices are made. */
struct vm_config *fake_guest_config(void);

/* The vCPU (vm->vcpus[0]): general registers are zero, and the timers of its CPU are empty. */
struct vcpu *fake_guest_vcpu(void);

/* Its RAM. */
uint8_t *fake_guest_ram(void);

/* Creates a device of the VM, resets it, and returns it; aborts where that fails. */
struct vdev *fake_guest_add_device(struct vm *vm, const struct vdev_type *type);
/* Takes all devices away again, last one first. */
void fake_guest_remove_devices(struct vm *vm);

/* Port accesses as its vCPU makes them. */
uint64_t fake_guest_in(uint16_t port, unsigned size);
void fake_guest_out(uint16_t port, unsigned size, uint64_t value);

/* Moves the clock and lets the timers of the CPU run. */
void fake_guest_pass(uint64_t ticks);
