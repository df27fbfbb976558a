/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/vm.c: the life of a VM with a fake guest/, a fake backend and real CPUs' loops,
 * and that nothing is left behind wherever it ends.
 */
#include "vmm/vm.h"
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"

#include "fake_backend.h"
#include "fake_cpu.h"
#include "fake_heap.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct vm_config configs[2];
static struct vm *vms[2]; /* made once: VMs live as long as the hypervisor */

/* ---- guest/ ---- */

static struct {
	bool devices; /* exist */
	int devices_error;
	int load_error;
	unsigned loads;
} guest;

static int devices_create(struct vm *vm)
{
	assert_int_equal(vm->vcpu_count, vm->config->vcpus);
	if (guest.devices_error != 0)
		return guest.devices_error;
	fake_intc_install(vm);
	guest.devices = true;
	return 0;
}

static void devices_destroy(struct vm *vm)
{
	/* Before the vCPUs that they belong to. */
	assert_true(!guest.devices || vm->vcpu_count == vm->config->vcpus);
	guest.devices = false;
}

static int load(struct vm *vm, char *why, size_t why_size)
{
	assert_true(guest.devices);
	assert_int_equal(fake_vcpu(vm->vcpus[0])->resets, 1);
	guest.loads++;
	if (guest.load_error != 0)
		strncpy(why, "no such kernel", why_size);
	return guest.load_error;
}

static const struct guest_ops ops = {devices_create, devices_destroy, load};

/* The guest halts at once. */
static void halt(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	exit->kind = EXIT_HLT;
	exit->length = 1;
}

static struct vm *stopped;
static unsigned stops;

static void on_stopped(struct vm *vm)
{
	assert_int_equal(atomic_load(&vm->state), VM_STOPPED);
	assert_int_equal(vm->ram_block_count, 0);
	stopped = vm;
	stops++;
}

/* ---- ---- */

static size_t heap_before;
static uint64_t memory_before;

static void make_vms(void)
{
	static const char *const names[] = {"one", "two"};

	for (unsigned i = 0; i < 2; i++) {
		strlcpy(configs[i].name, names[i], sizeof(configs[i].name));
		assert_int_equal(vm_create(&configs[i], &vms[i]), 0);
	}
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_platform_give_ram();
	fake_platform_set_time(5000);
	fake_platform_set_wall_clock(1700000000);
	fake_heap_fail_after(-1);
	fake_backend_install();
	fake_backend_on_run(halt);
	fake_cpus_create(3);
	memset(&guest, 0, sizeof(guest));
	guest_ops = &ops;
	stopped = NULL;
	stops = 0;
	vm_set_stopped_hook(on_stopped);
	if (vms[0] == NULL)
		make_vms();
	for (unsigned i = 0; i < 2; i++) {
		configs[i].vcpus = 2;
		configs[i].memory = MIB(3);
		memset(&configs[i].cpus, 0xff, sizeof(configs[i].cpus));
	}
	heap_before = heap_bytes_used();
	memory_before = page_alloc_free_bytes();
	return 0;
}

/* Everything that a VM took is free again. */
static void assert_nothing_left(void)
{
	fake_heap_fail_after(-1);
	assert_int_equal(heap_bytes_used(), heap_before);
	assert_int_equal(page_alloc_free_bytes(), memory_before);
	assert_int_equal(fake_backend_vms(), 0);
	assert_int_equal(fake_backend_vcpus(), 0);
	assert_false(guest.devices);
	for (unsigned i = 0; i < cpu_count; i++) {
		assert_int_equal(cpus[i]->placed, 0);
		assert_int_equal(atomic_load(&cpus[i]->run_queue.count), 0);
	}
	assert_int_equal(vm_running_count(), 0);
}

static int start(struct vm *vm, char why[160])
{
	why[0] = '\0';
	return vm_start(vm, why, 160);
}

static void start_well(struct vm *vm)
{
	char why[160];

	assert_int_equal(start(vm, why), 0);
	assert_string_equal(why, "");
}

/* All CPUs run until they have nothing to do. */
static void run_cpus(void)
{
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < cpu_count; i++)
			fake_cpu_run(cpus[i]);
	}
}

static int teardown(void **state)
{
	(void)state;
	vm_stop(vms[0], "test ends");
	vm_stop(vms[1], "test ends");
	run_cpus();
	assert_nothing_left();
	return 0;
}

/* ---- creation ---- */

static void test_vms_are_found(void **state)
{
	(void)state;
	assert_ptr_equal(vm_first(), vms[0]);
	assert_ptr_equal(vms[0]->next, vms[1]);
	assert_null(vms[1]->next);
	assert_ptr_equal(vm_find("two"), vms[1]);
	assert_null(vm_find("three"));
	assert_int_not_equal(vms[0]->id, vms[1]->id);
	assert_string_equal(vm_state_name(vms[0]), "stopped");
}

static void test_create_without_memory(void **state)
{
	struct vm *vm = NULL;

	(void)state;
	for (int successes = 0; successes < 2; successes++) {
		fake_heap_fail_after(successes);
		assert_int_equal(vm_create(&configs[0], &vm), -ENOMEM);
		assert_nothing_left();
	}
	assert_null(vms[1]->next);
}

/* ---- start ---- */

static void test_start_makes_a_machine(void **state)
{
	struct vm *vm = vms[0];
	uint8_t bytes[16];

	(void)state;
	start_well(vm);
	assert_int_equal(atomic_load(&vm->state), VM_RUNNING);
	assert_string_equal(vm_state_name(vm), "running");
	assert_int_equal(vm_running_count(), 1);
	assert_int_equal(guest.loads, 1);
	/* Its clocks begin now. */
	assert_int_equal(vm->start_tick, 5000);
	assert_int_equal(vm->tsc_offset + platform_now(), 0);
	assert_int_equal(vm->wall_clock_start, 1700000000);
	/* RAM is zeroed, and ends where it should. */
	assert_int_equal(vm->ram_low, MIB(3));
	assert_int_equal(vm->ram_high, 0);
	assert_int_equal(gpa_read(&vm->space, gpa_make(MIB(3) - 16), bytes, 16), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(gpa_read(&vm->space, gpa_make(MIB(3) - 15), bytes, 16), -EFAULT);
	assert_true(vm_table_bytes(vm) >= 4 * PAGE_SIZE);
	/* Its vCPUs wait for their turn: the boot vCPU runs, the other waits for SIPI. */
	assert_int_equal(vm->vcpu_count, 2);
	assert_int_equal(vm->vcpus[0]->activity, VCPU_ACTIVE);
	assert_int_equal(vm->vcpus[1]->activity, VCPU_WAIT_SIPI);
	assert_int_equal(fake_vcpu(vm->vcpus[0])->tsc_offset, vm->tsc_offset);
	run_cpus();
	assert_int_equal(fake_vcpu(vm->vcpus[0])->runs, 1);
	assert_int_equal(fake_vcpu(vm->vcpus[1])->runs, 0);
	assert_int_equal(vm->vcpus[0]->activity, VCPU_HALTED);
}

static void test_start_twice(void **state)
{
	char why[160];

	(void)state;
	start_well(vms[0]);
	assert_int_equal(start(vms[0], why), -EBUSY);
	assert_string_equal(why, "it is running");
	vm_stop(vms[0], "x");
	assert_int_equal(start(vms[0], why), -EBUSY);
	assert_string_equal(why, "it is stopping");
}

/* vCPUs go to the least used of the CPUs that the config allows. */
static void test_placement(void **state)
{
	(void)state;
	configs[0].cpus = (struct cpu_mask){{1u << 1 | 1u << 2}};
	configs[0].vcpus = 3;
	configs[1].vcpus = 2;
	start_well(vms[0]);
	assert_int_equal(cpus[0]->placed, 0);
	assert_int_equal(cpus[1]->placed + cpus[2]->placed, 3);
	assert_ptr_equal(vms[0]->vcpus[0]->cpu, cpus[1]);
	assert_ptr_equal(vms[0]->vcpus[1]->cpu, cpus[2]);
	guest.devices = false;
	start_well(vms[1]);
	assert_ptr_equal(vms[1]->vcpus[0]->cpu, cpus[0]);
	assert_in_range(cpus[2]->placed, 1, 2);
	guest.devices = false; /* one flag for both VMs */
}

static void test_no_cpu_allowed(void **state)
{
	char why[160];

	(void)state;
	configs[0].cpus = (struct cpu_mask){{1u << 7}};
	assert_int_equal(start(vms[0], why), -ENODEV);
	assert_non_null(strstr(why, "vCPUs"));
	assert_nothing_left();
}

/* ---- failures ---- */

/* Starts with a failure after 0, 1, 2... successes, until it works; each leaves nothing behind. */
static unsigned fail_everywhere(void (*fail_after)(int successes))
{
	char why[160];

	for (unsigned successes = 0;; successes++) {
		int error;

		fail_after((int)successes);
		error = start(vms[0], why);
		fail_after(-1);
		if (error == 0)
			return successes;
		assert_int_equal(error, -ENOMEM);
		assert_non_null(strstr(why, "no memory for its "));
		assert_int_equal(atomic_load(&vms[0]->state), VM_STOPPED);
		assert_nothing_left();
	}
}

static void test_heap_fails_anywhere(void **state)
{
	(void)state;
	/* Regions, the list of blocks, the vCPUs' list and two vCPUs at least. */
	assert_in_range(fail_everywhere(fake_heap_fail_after), 5, 1000);
}

static void test_backend_fails_anywhere(void **state)
{
	(void)state;
	/* vm_create, ten MSRs, two vCPUs. */
	assert_int_equal(fail_everywhere(fake_backend_fail_after), 13);
}

/* With ever more free pages, few at a time, until it has RAM and tables. */
static void test_pages_run_out_anywhere(void **state)
{
	static hpa_t blocks[64], pages[1024];
	unsigned block_count = 0, page_count = 0, failures = 0;
	char why[160];

	(void)state;
	configs[0].memory = MIB(1);
	while (page_alloc_free_bytes() >= MIB(4))
		assert_int_equal(page_alloc(PAGE_ORDER_2M, &blocks[block_count++]), 0);
	while (page_alloc(PAGE_ORDER_4K, &pages[page_count]) == 0)
		page_count++;
	memory_before = 0;
	while (start(vms[0], why) != 0) {
		assert_non_null(strstr(why, "no memory for its "));
		assert_nothing_left();
		failures++;
		for (unsigned i = 0; i < 7; i++)
			page_free(pages[--page_count], PAGE_ORDER_4K);
		memory_before = page_alloc_free_bytes();
	}
	assert_in_range(failures, MIB(1) / PAGE_SIZE / 7, MIB(1) / PAGE_SIZE / 7 + 3);
	vm_stop(vms[0], "enough");
	run_cpus();
	assert_nothing_left();
	while (page_count > 0)
		page_free(pages[--page_count], PAGE_ORDER_4K);
	while (block_count > 0)
		page_free(blocks[--block_count], PAGE_ORDER_2M);
	memory_before = page_alloc_free_bytes();
}

static void test_devices_fail(void **state)
{
	char why[160];

	(void)state;
	guest.devices_error = -EEXIST;
	assert_int_equal(start(vms[0], why), -EEXIST);
	assert_string_equal(why, "its devices cannot be made (error 17)");
	assert_nothing_left();
}

static void test_load_fails_with_its_own_words(void **state)
{
	char why[160];

	(void)state;
	guest.load_error = -ENOENT;
	assert_int_equal(start(vms[0], why), -ENOENT);
	assert_string_equal(why, "no such kernel");
	assert_nothing_left();
	assert_int_equal(stops, 0);
	guest.load_error = 0;
	start_well(vms[0]);
}

/* ---- stop ---- */

static void test_stop_frees_everything(void **state)
{
	struct vm *vm = vms[0];

	(void)state;
	start_well(vm);
	run_cpus();
	vm_stop(vm, "destroyed by %s", "user");
	assert_string_equal(vm_state_name(vm), "stopping");
	assert_int_equal(vm_running_count(), 1);
	vm_stop(vm, "second reason");
	vm_restart(vm, "third");
	run_cpus();
	assert_ptr_equal(stopped, vm);
	assert_int_equal(stops, 1);
	assert_string_equal(vm->stop_reason, "destroyed by user");
	assert_false(vm->restart);
	assert_nothing_left();
	vm_stop(vm, "stopped already");
	assert_string_equal(vm->stop_reason, "destroyed by user");
}

/* It is reaped when the last of its vCPUs has left, on the boot CPU, and not before. */
static void test_last_vcpu_has_it_reaped(void **state)
{
	(void)state;
	configs[0].cpus = (struct cpu_mask){{1u << 1 | 1u << 2}};
	start_well(vms[0]);
	vm_stop(vms[0], "x");
	fake_cpu_run(cpus[1]);
	fake_cpu_run(cpus[0]);
	assert_int_equal(stops, 0);
	assert_int_equal(vms[0]->vcpu_count, 2);
	fake_cpu_run(cpus[2]);
	assert_int_equal(stops, 0);
	fake_cpu_run(cpus[0]);
	assert_int_equal(stops, 1);
	assert_nothing_left();
}

static void test_restart(void **state)
{
	(void)state;
	start_well(vms[0]);
	fake_platform_advance(timer_ns_to_ticks(VM_RESTART_MIN_NS));
	vm_restart(vms[0], "rebooted");
	run_cpus();
	assert_int_equal(stops, 1);
	assert_true(vms[0]->restart);
	start_well(vms[0]);
	assert_false(vms[0]->restart);
	assert_string_equal(vms[0]->stop_reason, "");
}

/* A guest that resets itself right after its start has to wait. */
static void test_restarts_have_a_distance(void **state)
{
	uint64_t distance = timer_ns_to_ticks(VM_RESTART_MIN_NS);

	(void)state;
	start_well(vms[0]);
	fake_platform_advance(1000);
	vm_restart(vms[0], "reset by the guest");
	run_cpus();
	fake_platform_advance(distance - 1001);
	run_cpus();
	assert_int_equal(stops, 0);
	assert_int_equal(atomic_load(&vms[0]->state), VM_STOPPING);
	fake_platform_advance(1);
	run_cpus();
	assert_int_equal(stops, 1);
	assert_nothing_left();
}

/* One that waits for its next start is ended for good by its user, but not by itself. */
static void test_destroy_ends_a_restart(void **state)
{
	(void)state;
	start_well(vms[0]);
	vm_restart(vms[0], "reset by the guest");
	run_cpus();
	vm_stop(vms[0], "powered off");
	assert_true(vms[0]->restart);
	vm_destroy(vms[0]);
	assert_false(vms[0]->restart);
	assert_string_equal(vms[0]->stop_reason, "destroyed");
	fake_platform_advance(timer_ns_to_ticks(VM_RESTART_MIN_NS));
	run_cpus();
	assert_int_equal(stops, 1);
	assert_nothing_left();
}

static void test_destroy(void **state)
{
	(void)state;
	start_well(vms[0]);
	vm_stop(vms[0], "powered off");
	vm_destroy(vms[0]);
	assert_string_equal(vms[0]->stop_reason, "powered off");
	run_cpus();
	start_well(vms[0]);
	vm_destroy(vms[0]);
	run_cpus();
	assert_int_equal(stops, 2);
	assert_string_equal(vms[0]->stop_reason, "destroyed");
	assert_nothing_left();
}

/* What the guest printed is still there after it stopped. */
static void test_console_outlives_the_guest(void **state)
{
	uint64_t from = 0, lost;
	uint8_t byte;

	(void)state;
	start_well(vms[0]);
	vm_console_put(&vms[0]->console, 'p');
	vm_stop(vms[0], "x");
	run_cpus();
	assert_int_equal(vm_console_read(&vms[0]->console, &from, &byte, 1, &lost), 1);
	assert_int_equal(byte, 'p');
}

static void test_long_reason_is_cut(void **state)
{
	(void)state;
	start_well(vms[0]);
	vm_stop(vms[0], "%0200d", 1);
	assert_int_equal(strlen(vms[0]->stop_reason), VM_STOP_REASON_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vms_are_found),
		TEST(test_create_without_memory),
		TEST(test_start_makes_a_machine),
		TEST(test_start_twice),
		TEST(test_placement),
		TEST(test_no_cpu_allowed),
		TEST(test_heap_fails_anywhere),
		TEST(test_backend_fails_anywhere),
		TEST(test_pages_run_out_anywhere),
		TEST(test_devices_fail),
		TEST(test_load_fails_with_its_own_words),
		TEST(test_stop_frees_everything),
		TEST(test_last_vcpu_has_it_reaped),
		TEST(test_restart),
		TEST(test_restarts_have_a_distance),
		TEST(test_destroy_ends_a_restart),
		TEST(test_destroy),
		TEST(test_console_outlives_the_guest),
		TEST(test_long_reason_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
