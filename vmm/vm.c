/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs are made, started and reaped by the boot CPU alone, between two rounds of its cpu_main();
 * only stopping is asked for from elsewhere.
 */
#include "vmm/vm.h"

#include "vmm/cpu.h"
#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/log.h"
#include "vmm/msr.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

#include <errno.h>
#include <string.h>

/* Guest memory that is cleared between two turns of vCPUs: a few milliseconds. */
#define ZERO_STEP MIB(16)

const struct guest_ops *guest_ops;

static struct vm *first_vm;
static unsigned last_id;
static uint64_t zeroed_since_turn;
static void (*stopped_hook)(struct vm *vm);

struct vm *vm_first(void)
{
	return first_vm;
}

struct vm *vm_find(const char *name)
{
	for (struct vm *vm = first_vm; vm != NULL; vm = vm->next) {
		if (strcmp(vm->config->name, name) == 0)
			return vm;
	}
	return NULL;
}

void vm_set_stopped_hook(void (*hook)(struct vm *vm))
{
	stopped_hook = hook;
}

unsigned vm_running_count(void)
{
	unsigned count = 0;

	for (struct vm *vm = first_vm; vm != NULL; vm = vm->next) {
		if (atomic_load(&vm->state) != VM_STOPPED)
			count++;
	}
	return count;
}

const char *vm_state_name(const struct vm *vm)
{
	static const char *const names[] = {"stopped", "running", "stopping"};

	return names[atomic_load(&vm->state)];
}

int vm_create(const struct vm_config *config, struct vm **out)
{
	struct vm *vm = hv_alloc(sizeof(*vm));
	struct vm **end = &first_vm;

	if (vm == NULL)
		return -ENOMEM;
	if (vm_console_init(&vm->console) != 0) {
		hv_free(vm);
		return -ENOMEM;
	}
	vm->id = ++last_id;
	vm->config = config;
	vm->lock = (struct spinlock)SPINLOCK_INIT;
	while (*end != NULL)
		end = &(*end)->next;
	*end = vm;
	*out = vm;
	return 0;
}

/* ---- memory ---- */

static void free_ram(struct vm *vm)
{
	for (unsigned i = 0; i < vm->ram_block_count; i++)
		page_free(vm->ram_blocks[i].hpa, vm->ram_blocks[i].order);
	hv_free(vm->ram_blocks);
	vm->ram_blocks = NULL;
	vm->ram_block_count = 0;
	vm->ram_block_capacity = 0;
	vm->ram_low = 0;
	vm->ram_high = 0;
}

/* Takes the largest block that fits into what is left, is aligned at `gpa`, and is to be had. */
static int take_block(uint64_t gpa, uint64_t left, struct vm_ram_block *block)
{
	static const unsigned orders[] = {PAGE_ORDER_1G, PAGE_ORDER_2M, PAGE_ORDER_4K};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		uint64_t size = PAGE_SIZE << orders[i];

		if (size > left || !is_aligned(gpa, size))
			continue;
		if (page_alloc(orders[i], &block->hpa) == 0) {
			block->order = orders[i];
			return 0;
		}
	}
	return -ENOMEM;
}

/* Makes room for one more block in the list. */
static int grow_blocks(struct vm *vm)
{
	unsigned capacity = vm->ram_block_capacity == 0 ? 64 : vm->ram_block_capacity * 2;
	struct vm_ram_block *blocks;

	if (vm->ram_block_count < vm->ram_block_capacity)
		return 0;
	blocks = hv_alloc(capacity * sizeof(*blocks));
	if (blocks == NULL)
		return -ENOMEM;
	if (vm->ram_blocks != NULL)
		memcpy(blocks, vm->ram_blocks, vm->ram_block_count * sizeof(*blocks));
	hv_free(vm->ram_blocks);
	vm->ram_blocks = blocks;
	vm->ram_block_capacity = capacity;
	return 0;
}

/* The boot CPU's vCPUs and timers do not wait until gigabytes are clear: a guest that resets itself
 * again and again would stop its neighbours. */
static void zero_block(const struct vm_ram_block *block)
{
	uint64_t size = PAGE_SIZE << block->order;
	char *at = platform_ram(block->hpa);

	for (uint64_t done = 0; done < size; done += ZERO_STEP) {
		memset(at + done, 0, min_u64(size, ZERO_STEP));
		zeroed_since_turn += min_u64(size, ZERO_STEP);
		if (zeroed_since_turn < ZERO_STEP)
			continue;
		zeroed_since_turn = 0;
		cpu_lend_turn(cpus[0]);
	}
}

/* Fills [gpa, gpa + length) with zeroed host memory; blocks that happen to adjoin become one
 * region. */
static int add_ram(struct vm *vm, uint64_t gpa, uint64_t length)
{
	struct gpa_region region = {.permission = GPA_RWX, .type = MEMORY_WB};
	int error;

	while (length != 0) {
		struct vm_ram_block *block;
		uint64_t size;

		if ((error = grow_blocks(vm)) != 0)
			return error;
		block = &vm->ram_blocks[vm->ram_block_count];
		if ((error = take_block(gpa, length, block)) != 0)
			return error;
		vm->ram_block_count++;
		size = PAGE_SIZE << block->order;
		zero_block(block);
		if (region.length != 0 && region.hpa.value + region.length == block->hpa.value) {
			region.length += size;
		} else {
			if (region.length != 0 && (error = gpa_space_map(&vm->space, &region)) != 0)
				return error;
			region.gpa = gpa_make(gpa);
			region.hpa = block->hpa;
			region.length = size;
		}
		gpa += size;
		length -= size;
	}
	return region.length != 0 ? gpa_space_map(&vm->space, &region) : 0;
}

static int create_ram(struct vm *vm)
{
	uint64_t memory = vm->config->memory;
	uint64_t low = min_u64(memory, VM_RAM_LOW_MAX);
	int error;

	error = add_ram(vm, 0, low);
	if (error == 0 && memory > low)
		error = add_ram(vm, VM_RAM_HIGH_BASE, memory - low);
	vm->ram_low = low;
	vm->ram_high = memory - low;
	return error;
}

uint64_t vm_table_bytes(const struct vm *vm)
{
	return vm->space.table_pages * PAGE_SIZE;
}

/* ---- vCPUs ---- */

/* The allowed CPU with the fewest vCPUs on it. */
static struct cpu *choose_cpu(const struct cpu_mask *allowed)
{
	struct cpu *best = NULL;

	for (unsigned i = 0; i < cpu_count; i++) {
		if (cpu_mask_test(allowed, i) && (best == NULL || cpus[i]->placed < best->placed))
			best = cpus[i];
	}
	return best;
}

static void destroy_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		vm->vcpus[i]->cpu->placed--;
		vcpu_destroy(vm->vcpus[i]);
	}
	hv_free(vm->vcpus);
	vm->vcpus = NULL;
	vm->vcpu_count = 0;
}

static int create_vcpus(struct vm *vm)
{
	vm->vcpus = hv_alloc(vm->config->vcpus * sizeof(struct vcpu *));
	if (vm->vcpus == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < vm->config->vcpus; i++) {
		struct cpu *cpu = choose_cpu(&vm->config->cpus);
		int error = cpu == NULL ? -ENODEV : vcpu_create(vm, i, cpu, &vm->vcpus[i]);

		if (error != 0)
			return error;
		cpu->placed++;
		vm->vcpu_count++;
	}
	return 0;
}

/* ---- life ---- */

/* Takes apart whatever vm_start() has built, also half of it. */
static void take_down(struct vm *vm)
{
	guest_ops->devices_destroy(vm);
	destroy_vcpus(vm);
	if (vm->backend != NULL)
		backend->vm_destroy(vm);
	vm->backend = NULL;
	gpa_space_destroy(&vm->space);
	free_ram(vm);
	bus_destroy(&vm->ports);
	bus_destroy(&vm->mmio);
	memset(&vm->irqs, 0, sizeof(vm->irqs));
}

struct build_step {
	int (*run)(struct vm *vm);
	const char *what;
};

static int create_space(struct vm *vm)
{
	return gpa_space_init(&vm->space, backend->pte_ops());
}

static int create_backend(struct vm *vm)
{
	int error = backend->vm_create(vm);

	return error != 0 ? error : vm_msr_setup(vm);
}

/* The guest's clocks start when its memory is ready, which takes a while, and before anything reads
 * them. */
static void start_clocks(struct vm *vm)
{
	vm->start_tick = platform_now();
	vm->tsc_offset = 0 - vm->start_tick;
	vm->wall_clock_start = platform_wall_clock();
}

static int create_devices(struct vm *vm)
{
	start_clocks(vm);
	return guest_ops->devices_create(vm);
}

static int build(struct vm *vm, char *why, size_t why_size)
{
	static const struct build_step steps[] = {
		{create_space, "page tables"},	     {create_ram, "guest memory"},
		{create_backend, "permission maps"}, {create_vcpus, "vCPUs"},
		{create_devices, "devices"},
	};

	bus_init(&vm->ports);
	bus_init(&vm->mmio);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int error = steps[i].run(vm);

		if (error != 0) {
			hv_snprintf(why, why_size,
				    error == -ENOMEM ? "no memory for its %s"
						     : "its %s cannot be made (error %d)",
				    steps[i].what, -error);
			return error;
		}
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_power_on(vm->vcpus[i]);
	return guest_ops->load(vm, why, why_size);
}

static void release_vcpus(struct vm *vm)
{
	atomic_store(&vm->vcpus_alive, vm->vcpu_count);
	atomic_store(&vm->state, VM_RUNNING);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vm->vcpus[i];

		vcpu->pv.runnable_since = platform_now();
		atomic_store(&vcpu->state, VCPU_RUNNABLE);
		sched_enqueue(&vcpu->cpu->run_queue, vcpu);
		cpu_kick(vcpu->cpu);
	}
}

int vm_start(struct vm *vm, char *why, size_t why_size)
{
	int error;

	if (atomic_load(&vm->state) != VM_STOPPED) {
		hv_snprintf(why, why_size, "it is %s", vm_state_name(vm));
		return -EBUSY;
	}
	vm->restart = false;
	error = build(vm, why, why_size);
	if (error != 0) {
		take_down(vm);
		return error;
	}
	vm->stop_reason[0] = '\0';
	release_vcpus(vm);
	return 0;
}

static void reap(struct cpu_work *work)
{
	struct vm *vm = CONTAINER_OF(work, struct vm, reap_work);

	take_down(vm);
	atomic_store(&vm->state, VM_STOPPED);
	if (stopped_hook != NULL)
		stopped_hook(vm);
}

static void reap_soon(struct timer *timer)
{
	cpu_post(cpus[0], &CONTAINER_OF(timer, struct vm, reap_timer)->reap_work);
}

void vm_vcpu_left(struct vm *vm)
{
	uint64_t earliest = vm->start_tick + timer_ns_to_ticks(VM_RESTART_MIN_NS);

	if (atomic_fetch_sub(&vm->vcpus_alive, 1) != 1)
		return;
	vm->reap_work.function = reap;
	if (!vm->restart || platform_now() >= earliest) {
		cpu_post(cpus[0], &vm->reap_work);
		return;
	}
	timer_init(&vm->reap_timer, reap_soon);
	timer_arm(&cpus[0]->timers, &vm->reap_timer, earliest);
}

static void stop(struct vm *vm, bool restart, const char *reason, va_list arguments)
{
	bool first;

	spin_lock(&vm->lock);
	first = atomic_load(&vm->state) == VM_RUNNING;
	if (first) {
		hv_vsnprintf(vm->stop_reason, sizeof(vm->stop_reason), reason, arguments);
		vm->restart = restart;
		atomic_store(&vm->state, VM_STOPPING);
	}
	spin_unlock(&vm->lock);
	if (!first)
		return;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_request(vm->vcpus[i], VCPU_REQUEST_STOP);
}

void vm_stop(struct vm *vm, const char *reason, ...)
{
	va_list arguments;

	va_start(arguments, reason);
	stop(vm, false, reason, arguments);
	va_end(arguments);
}

void vm_restart(struct vm *vm, const char *reason, ...)
{
	va_list arguments;

	va_start(arguments, reason);
	stop(vm, true, reason, arguments);
	va_end(arguments);
}

void vm_destroy(struct vm *vm)
{
	/* A guest that resets itself in a loop spends nearly all of its time between two starts.
	 * Whether it gets the second is read when it is reaped, on this CPU. */
	spin_lock(&vm->lock);
	if (atomic_load(&vm->state) == VM_STOPPING && vm->restart) {
		vm->restart = false;
		hv_snprintf(vm->stop_reason, sizeof(vm->stop_reason), "destroyed");
	}
	spin_unlock(&vm->lock);
	vm_stop(vm, "destroyed");
}
