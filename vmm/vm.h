/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine: made from its configuration, run by its vCPUs, stopped with a reason.
 *
 * Life: vm_create() (stopped) → vm_start() (memory, devices, loaded guest, vCPUs; running) →
 * vm_stop() from anywhere (stopping: vCPUs leave) → the boot CPU reaps it (stopped, its memory is
 * free) → vm_start() again.
 */
#pragma once

#include <stdarg.h>
#include <stdatomic.h>

#include "vmm/bus.h"
#include "vmm/config.h"
#include "vmm/vm_console.h"
#include "vmm/cpu.h"
#include "vmm/gpa_space.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/types.h"
#include "vmm/vdev.h"

#define VM_STOP_REASON_MAX 96

/* From one start of a VM to the next: making it takes the boot CPU's time and fills its log, so
 * that a guest that resets itself at once, for ever, would do so at its neighbours' cost. */
#define VM_RESTART_MIN_NS 500000000

struct vcpu;

enum vm_state {
	VM_STOPPED,
	VM_RUNNING,
	VM_STOPPING
};

/* A block of host pages that is the VM's RAM. */
struct vm_ram_block {
	hpa_t hpa;
	unsigned order;
};

struct vm {
	unsigned id; /* 1 and up, never used again */
	const struct vm_config *config;
	struct spinlock lock;		      /* state changes; see spinlock.h for the order */
	_Atomic uint32_t state;		      /* enum vm_state */
	char stop_reason[VM_STOP_REASON_MAX]; /* empty where it never stopped */
	bool restart;			      /* start again when it has stopped: reboot */
	_Atomic uint32_t vcpus_alive;	      /* vCPUs that have not yet noticed VM_STOPPING */

	struct gpa_space space;
	struct vm_ram_block *ram_blocks;
	unsigned ram_block_count;
	unsigned ram_block_capacity;
	uint64_t ram_low;  /* bytes of RAM from address 0 up */
	uint64_t ram_high; /* bytes of RAM from 4 GiB up */

	struct bus ports;
	struct bus mmio;
	struct vm_irqs irqs;
	struct vdev vdevs[VDEVS_MAX];
	unsigned vdev_count;
	struct vm_console console; /* outlives restarts */

	struct vcpu **vcpus;
	unsigned vcpu_count;
	void *backend; /* the vendor's block: permission maps */
	uint64_t tsc_offset;
	uint64_t start_tick;	   /* platform_now() when it started: its clocks' zero */
	uint64_t wall_clock_start; /* seconds since 1970 then */
	struct cpu_work reap_work;
	struct timer reap_timer; /* of a restart that has to wait */
	struct vm *next;
};

/* Where guests' RAM leaves room for devices below 4 GiB: RAM above goes to 4 GiB and up. */
#define VM_RAM_LOW_MAX	 GIB(3)
#define VM_RAM_HIGH_BASE GIB(4)

/*
 * What makes a VM a machine, from guest/: set once by boot/main.c, since vmm/ does not know guest/.
 */
struct guest_ops {
	/* Makes the devices of a VM (whose vCPUs exist) and resets them. Errors: negative errno. */
	int (*devices_create)(struct vm *vm);
	void (*devices_destroy)(struct vm *vm);
	/* Puts the guest's images, tables and the boot vCPU's registers in place. Errors: negative
	 * errno after storing a sentence. */
	int (*load)(struct vm *vm, char *why, size_t why_size);
};

extern const struct guest_ops *guest_ops;

/* Makes a VM from its configuration, stopped. Boot CPU only, as are all but the last three here.
 * Errors: -ENOMEM. */
HV_MUST_CHECK int vm_create(const struct vm_config *config, struct vm **out);

/*
 * Gives a stopped VM memory, devices, a loaded guest and running vCPUs. Errors: -EBUSY (it is not
 * stopped), -ENOMEM, those of loading; a sentence in `why`; nothing is left behind.
 */
HV_MUST_CHECK int vm_start(struct vm *vm, char *why, size_t why_size);

/* The first of all VMs, in the order of creation; follow ->next. */
struct vm *vm_first(void);

/* The VM of that name, or NULL. */
struct vm *vm_find(const char *name);

/* Who hears that a VM has stopped (its memory is free, its reason is set), on the boot CPU. */
void vm_set_stopped_hook(void (*hook)(struct vm *vm));

/* VMs that are not stopped. */
unsigned vm_running_count(void);

/* "stopped", "running", "stopping". */
const char *vm_state_name(const struct vm *vm);

/* Host memory that a VM costs beside its RAM, in bytes: nested tables and all else. */
uint64_t vm_table_bytes(const struct vm *vm);

/* Asks a VM to stop, now and for the first reason given: may be called by any CPU, in any handler.
 */
HV_PRINTF(2, 3) void vm_stop(struct vm *vm, const char *reason, ...);

/* The same, but it starts again afterwards, at least VM_RESTART_MIN_NS after its last start: the
 * guest's or the user's reset. */
HV_PRINTF(2, 3) void vm_restart(struct vm *vm, const char *reason, ...);

/* The user's end of a VM, which also one that is about to start again obeys. On the boot CPU. */
void vm_destroy(struct vm *vm);

/* A vCPU has left for good. The last one has the VM reaped on the boot CPU. By vcpu_run() only. */
void vm_vcpu_left(struct vm *vm);
