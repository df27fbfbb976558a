/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's address space: one set of page tables that every CPU uses, built at boot from the
 * memory map and only added to afterwards. Nothing in it is both writable and executable.
 *
 *   0xffff800000000000  RAM of the memory map at its physical address plus this, no execute; but
 *                       not the hypervisor's image, so that its text has no writable alias
 *   0xffffc00000000000  devices and firmware tables, handed out in the order of mmio_map()
 *   0xffffd00000000000  stacks: slots of CPU_STACK_SIZE, the lowest page of each is not mapped
 *   0xffffffff80000000  the image where it is linked, by section: text RX, rodata R, data and bss
 * RW
 *
 * The lower half is empty but for the SMP trampoline's page, so a NULL dereference faults.
 */
#pragma once

#include "vmm/types.h"

struct boot_info;

#define DIRECT_MAP_BASE UINT64_C(0xffff800000000000)
#define DEVICE_MAP_BASE UINT64_C(0xffffc00000000000)
#define STACK_MAP_BASE	UINT64_C(0xffffd00000000000)
#define STACK_MAP_END	UINT64_C(0xffffe00000000000)

/*
 * Builds the tables, switches the boot CPU to them, and gives the free memory to the page
 * allocator. Called once, on the loader's tables, with an IDT loaded; panics where the machine has
 * no memory to begin with. Returns where `info` is from now on; what info points to is reached by
 * platform_ram().
 */
struct boot_info *memory_init(struct boot_info *info);

/*
 * Makes the calling CPU use the tables, with every protection that it has: NX, write protection for
 * ring 0, SMEP, SMAP, UMIP, machine-check exceptions; and sets OSFXSR and OSXSAVE for guest state.
 * CR0, CR3, CR4, EFER.NXE and PAT have defined values afterwards. memory_init() does it for the
 * boot CPU; other CPUs call it on their way up, EFER.NXE set before their paging was switched on.
 */
void memory_cpu_enable(void);

/* The root of the tables, for CR3: below 4 GiB, since CPUs load it before they are in 64-bit mode.
 */
hpa_t memory_root(void);

/*
 * A page below 1 MiB that is mapped at its physical address too, there read and execute only (write
 * to it through platform_ram()), for CPUs on their way up; 0 where the machine has none.
 */
hpa_t memory_trampoline_page(void);

/*
 * Maps [hpa, hpa + length) for reading, cached as the MTRRs say: firmware tables that may lie in
 * ROM or reserved memory. For the hypervisor's life. NULL where the range wraps, is beyond the
 * CPU's physical addresses, or memory is short.
 */
HV_MUST_CHECK const void *memory_map_firmware(hpa_t hpa, uint64_t length);

/*
 * Backs the stack slot that starts at `base` with memory, all but its guard page. Errors: -ENOMEM,
 * -EEXIST.
 */
HV_MUST_CHECK int memory_map_stack(uint64_t base);
