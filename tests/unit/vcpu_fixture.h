/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU on the fake backend, with a guest that plays a script of exits: for the run loop's tests.
 */
#pragma once

#include "vmm/cpu.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_guest.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SCRIPT_MAX 8

static struct vcpu *vcpu;

/* One exit of the guest, and what happens while it is inside. */
struct step {
	enum exit_kind kind;
	void (*meanwhile)(void);
};

static struct step script[SCRIPT_MAX];
static unsigned script_at;

/* Plays the script; at its end the VM is stopped, so that vcpu_run() returns. */
static void run_guest(struct vcpu *self, struct vm_exit *exit)
{
	const struct step *step = &script[script_at];

	assert_ptr_equal(self, vcpu);
	if (script_at < SCRIPT_MAX && (step->kind != EXIT_HOST_EVENT || step->meanwhile != NULL)) {
		script_at++;
		exit->kind = step->kind;
		exit->length = 1;
		if (step->meanwhile != NULL)
			step->meanwhile();
		return;
	}
	exit->kind = EXIT_HOST_EVENT;
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_STOP);
}

static inline void play(const struct step *steps, size_t count)
{
	memset(script, 0, sizeof(script));
	memcpy(script, steps, count * sizeof(*steps));
	script_at = 0;
}

#define PLAY(...)                                \
	play((const struct step[]){__VA_ARGS__}, \
	     sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static inline struct fake_vcpu *fake(void)
{
	return fake_vcpu(vcpu);
}

static inline int setup(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_backend_install();
	fake_backend_on_run(run_guest);
	fake_intc_install(vm);
	vcpu = fake_guest_vcpu();
	(void)fake_backend_attach(vcpu);
	cpu_init(vcpu->cpu, 0, 0);
	atomic_store(&vm->state, VM_RUNNING);
	atomic_store(&vcpu->state, VCPU_RUNNABLE);
	memset(script, 0, sizeof(script));
	script_at = 0;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	fake_backend_detach(vcpu);
	fake_guest_destroy(vcpu->vm);
	return 0;
}

static inline void check_event(unsigned index, enum event_type type, uint8_t vector)
{
	assert_in_range(index + 1, 1, fake()->event_count);
	assert_int_equal(fake()->events[index].type, type);
	assert_int_equal(fake()->events[index].vector, vector);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
