/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU for tests of vmm/emulate_vcpu.c, with a backend and the vCPU functions that it calls; for
 * one test or fuzz program, which includes this once. Guest-physical space: RAM from 0, ROM, and a
 * device that keeps what it is told and answers from it. Paging maps the low 4 MiB one to one.
 */
#pragma once

#include "vmm/bus.h"
#include "vmm/config.h"
#include "vmm/cpuid.h"
#include "vmm/cr.h"
#include "vmm/emulate.h"
#include "vmm/guest_walk.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/platform.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <string.h>

#include "fake_heap.h"
#include "fake_platform.h"

#define RAM_SIZE    MIB(1)
#define ROM_BASE    0x200000ull
#define ROM_SIZE    0x4000ull
#define DEVICE_BASE 0x300000ull
#define DEVICE_SIZE 0x1000ull

#define PML4_BASE 0x10000u
#define PDPT_BASE 0x11000u
#define PD_BASE	  0x12000u
#define PT_BASE	  0x13000u /* and the next page: 4 MiB */
#define TSS_BASE  0x18000u
#define CODE_PAGE 0x20000u
#define DATA_PAGE 0x22000u

#define PTE_P  1ull
#define PTE_W  2ull
#define PTE_U  4ull
#define PTE_RW (PTE_P | PTE_W | PTE_U)

/* What was last injected, and what the device and the ports were last asked. */
struct injected {
	unsigned count;
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t address;
};

struct device_access {
	unsigned reads, writes;
	uint64_t offset;
	unsigned size;
	uint64_t value;
};

static struct {
	struct vm vm;
	struct vcpu vcpu;
	struct vm_config config;
	struct gpa_region regions[2];
	const struct gpa_region *_Atomic hints[GPA_HINTS];
	uint64_t regs[REG_COUNT];
	struct segment segments[SEG_COUNT];
	struct injected injected;
	struct device_access device, port;
	uint8_t hardware_bytes[15];
	unsigned hardware_length;
	bool refuse_cr;
} fix;

static uint64_t device_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct device_access *access = device;

	(void)vcpu;
	access->reads++;
	access->offset = offset;
	access->size = size;
	return (0x1122334455667788ull + offset) & mask_of_bytes(size);
}

static void device_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
			 uint64_t value)
{
	struct device_access *access = device;

	(void)vcpu;
	*access = (struct device_access){.reads = access->reads,
					 .writes = access->writes + 1,
					 .offset = offset,
					 .size = size,
					 .value = value};
}

static const struct bus_ops device_ops = {.read = device_read, .write = device_write};

/* ---- the backend ---- */

static uint64_t fake_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	(void)vcpu;
	return fix.regs[reg];
}

static void fake_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	(void)vcpu;
	fix.regs[reg] = value;
}

static void fake_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment)
{
	(void)vcpu;
	*segment = fix.segments[seg];
}

static unsigned fake_insn_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
	(void)vcpu;
	memcpy(bytes, fix.hardware_bytes, fix.hardware_length);
	return fix.hardware_length;
}

static const struct vcpu_backend fake_backend = {
	.get_reg = fake_get_reg,
	.set_reg = fake_set_reg,
	.get_seg = fake_get_seg,
	.insn_bytes = fake_insn_bytes,
};

const struct vcpu_backend *backend = &fake_backend;
struct cpuid_policy cpuid_policy = {.physical_bits = 40, .has_1g_pages = true};

/* ---- what vmm/vcpu.c and vmm/cr.c would do ---- */

unsigned vcpu_cpl(struct vcpu *vcpu)
{
	(void)vcpu;
	return SEG_ATTR_DPL(fix.segments[SEG_SS].attributes);
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error_code,
			   uint32_t error_code)
{
	(void)vcpu;
	fix.injected = (struct injected){.count = fix.injected.count + 1,
					 .vector = vector,
					 .has_error_code = has_error_code,
					 .error_code = error_code};
}

void vcpu_inject_gp(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VECTOR_GP, true, 0);
}

void vcpu_inject_ud(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VECTOR_UD, false, 0);
}

void vcpu_inject_pf(struct vcpu *vcpu, uint64_t linear, uint32_t error_code)
{
	vcpu_inject_exception(vcpu, VECTOR_PF, true, error_code);
	fix.injected.address = linear;
}

int vcpu_cr_read(struct vcpu *vcpu, unsigned cr, uint64_t *value)
{
	(void)vcpu;
	*value = cr == 0 ? fix.regs[REG_CR0] : cr;
	return 0;
}

int vcpu_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	(void)vcpu;
	if (fix.refuse_cr)
		return -EACCES;
	if (cr == 0)
		fix.regs[REG_CR0] = value;
	return 0;
}

/* Not the real one, which brings clocks, CPUs and the real vCPUs with it. */
void log_write(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

/* ---- the machine ---- */

static void *guest_memory(uint64_t gpa)
{
	return platform_ram(hpa_make(FAKE_RAM_BASE + gpa));
}

static void put_entry(uint64_t table, unsigned index, uint64_t entry)
{
	memcpy((uint8_t *)guest_memory(table) + index * 8, &entry, 8);
}

/* Says how the page at `linear`, below 4 MiB, is mapped. */
static void map_page(uint64_t linear, uint64_t to, uint64_t rights)
{
	put_entry(PT_BASE, (unsigned)(linear >> PAGE_SHIFT), to | rights);
}

static void build_tables(void)
{
	memset(guest_memory(PML4_BASE), 0, 0x5000);
	put_entry(PML4_BASE, 0, PDPT_BASE | PTE_RW);
	put_entry(PDPT_BASE, 0, PD_BASE | PTE_RW);
	put_entry(PD_BASE, 0, PT_BASE | PTE_RW);
	put_entry(PD_BASE, 1, (PT_BASE + PAGE_SIZE) | PTE_RW);
	for (unsigned i = 0; i < 1024; i++)
		map_page(i * PAGE_SIZE, i * PAGE_SIZE, PTE_RW);
}

/* 64-bit code for width 8; else protected mode with flat segments, and no paging. */
static void set_mode(unsigned width, unsigned cpl)
{
	uint32_t attributes = 0x93 | cpl << 5;

	attributes |= width == 8 ? SEG_ATTR_LONG : width == 4 ? SEG_ATTR_DEFAULT_32 : 0;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		fix.segments[i] = (struct segment){.attributes = attributes, .limit = UINT32_MAX};
	fix.segments[SEG_CS].attributes |= 1u << 3;
	fix.segments[SEG_TR] =
		(struct segment){.attributes = 0x8b, .limit = 0x2067, .base = TSS_BASE};
	fix.regs[REG_CR0] = CR0_PE | CR0_WP | (width == 8 ? CR0_PG : 0);
	fix.regs[REG_CR3] = PML4_BASE;
	fix.regs[REG_CR4] = CR4_PAE;
	fix.regs[REG_EFER] = width == 8 ? EFER_LME | EFER_LMA | EFER_NXE : 0;
}

/* Returns 0 or what bus_claim() does. */
static inline int fix_setup(void)
{
	int error;

	memset(&fix, 0, sizeof(fix));
	fake_platform_reset();
	fake_heap_fail_after(-1);
	memset(guest_memory(0), 0, RAM_SIZE + ROM_SIZE);
	strcpy(fix.config.name, "test");
	fix.vm.config = &fix.config;
	fix.vcpu.vm = &fix.vm;
	fix.vcpu.rip = CODE_PAGE;
	fix.vcpu.rflags = RFLAGS_FIXED;
	fix.regions[0] = (struct gpa_region){.gpa = gpa_make(0),
					     .hpa = hpa_make(FAKE_RAM_BASE),
					     .length = RAM_SIZE,
					     .permission = GPA_RWX};
	fix.regions[1] = (struct gpa_region){.gpa = gpa_make(ROM_BASE),
					     .hpa = hpa_make(FAKE_RAM_BASE + RAM_SIZE),
					     .length = ROM_SIZE,
					     .permission = GPA_READ | GPA_EXECUTE};
	fix.vm.space.regions = fix.regions;
	fix.vm.space.hints = fix.hints;
	fix.vm.space.count = ARRAY_SIZE(fix.regions);
	bus_init(&fix.vm.mmio);
	bus_init(&fix.vm.ports);
	build_tables();
	set_mode(8, 0);
	error = bus_claim(&fix.vm.mmio, DEVICE_BASE, DEVICE_SIZE, &device_ops, &fix.device);
	return error != 0 ? error : bus_claim(&fix.vm.ports, 0x80, 4, &device_ops, &fix.port);
}
