/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the management shell: bytes as they are typed, through the console, the line editor and
 * every command, with two VMs whose guests halt. A 0x00 lets the CPUs run, so that VMs are started
 * and reaped. At the end all is stopped, and nothing may be left.
 */
#include "vmm/console.h"
#include "vmm/page_alloc.h"
#include "vmm/vm.h"

#include "fake_backend.h"
#include "fake_cpu.h"
#include "fake_intc.h"
#include "fake_line.h"
#include "fake_platform.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vm_config configs[2];
static struct vm *vms[2];

static int devices_create(struct vm *vm)
{
	fake_intc_install(vm);
	return 0;
}

static void devices_destroy(struct vm *vm)
{
	(void)vm;
}

static int load(struct vm *vm, char *why, size_t why_size)
{
	(void)vm;
	(void)why;
	(void)why_size;
	return 0;
}

static void halt(struct vcpu *vcpu, struct vm_exit *exit)
{
	vm_console_put(&vcpu->vm->console, '.');
	exit->kind = EXIT_HLT;
	exit->length = 1;
}

static void make_machine(void)
{
	static const struct guest_ops ops = {devices_create, devices_destroy, load};
	static const char *const names[] = {"web", "db"};

	fake_platform_reset();
	fake_platform_give_ram();
	fake_backend_install();
	fake_backend_on_run(halt);
	fake_cpus_create(2);
	fake_line_install();
	guest_ops = &ops;
	for (unsigned i = 0; i < 2; i++) {
		configs[i] = (struct vm_config){.vcpus = 1 + i, .memory = MIB(1)};
		strlcpy(configs[i].name, names[i], sizeof(configs[i].name));
		memset(&configs[i].cpus, 0xff, sizeof(configs[i].cpus));
		if (vm_create(&configs[i], &vms[i]) != 0)
			abort();
	}
	console_start_shell();
}

/* Long enough for a VM that restarts. */
static void run_cpus(void)
{
	fake_platform_advance(FAKE_TICK_HZ);
	for (unsigned i = 0; i < 4; i++)
		fake_cpu_run(cpus[i % 2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t memory;

	if (vms[0] == NULL) {
		make_machine();
		memory = page_alloc_free_bytes();
	}
	for (size_t i = 0; i < size && i < 4096; i++) {
		const char typed[2] = {(char)data[i], '\0'};

		if (data[i] == 0) {
			run_cpus();
			continue;
		}
		fake_line_type(typed);
		console_pump();
		(void)fake_line_sent();
	}
	console_detach();
	/* Out of an escape sequence, a line, and a question. */
	fake_line_type("\x1b\x1b~\x15\r");
	console_pump();
	vm_stop(vms[0], "end");
	vm_stop(vms[1], "end");
	run_cpus();
	(void)fake_line_sent();
	if (vm_running_count() != 0 || fake_backend_vcpus() != 0 ||
	    page_alloc_free_bytes() != memory)
		abort();
	return 0;
}
