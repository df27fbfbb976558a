/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the emulator on a vCPU: the input chooses mode, registers, the instruction's bytes and
 * entries of the page tables. Beside memory errors it looks for what must hold for any instruction:
 * user code reaches no device through a supervisor page, a fault leaves the registers, and RIP
 * moves by no more than an instruction's length.
 */
#include "emulate_fixture.h"

#include <stdlib.h>

/* A page directory pointer table for PAE without long mode: aligned to 32 bytes. */
#define PAE_ROOT (PML4_BASE + 0x800)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t mode;  /* bits 0-1 width, 2 user, 3 paging, 4 hardware bytes, 5 real mode, 6 SMAP */
	uint8_t flags; /* of RFLAGS bits 0 to 7 */
	uint8_t flags_2;  /* bits 8 to 15 */
	uint8_t regs[16]; /* each chooses a value for a register */
	uint8_t page_rights[4];
	uint16_t offset; /* of RIP in its page */
	uint8_t bytes[15];
};

static const uint64_t interesting[] = {
	0,
	1,
	8,
	0x40,
	0xffff,
	0xffffffff,
	UINT64_MAX,
	0x0000800000000000,
	0x00007ffffffffff9,
	DATA_PAGE,
	DATA_PAGE + 0xffd,
	DEVICE_BASE,
	DEVICE_BASE + 0xffe,
	ROM_BASE,

	CODE_PAGE,
	RAM_SIZE - 3,
	0x80,
	0x82,
};

static void choose_mode(const struct input *input)
{
	static const unsigned widths[] = {8, 4, 2, 8};

	set_mode(widths[input->mode & 3], input->mode & 4 ? 3 : 0);
	if (input->mode & 8)
		fix.regs[REG_CR0] |= CR0_PG;
	if (!(fix.regs[REG_EFER] & EFER_LMA)) {
		put_entry(PAE_ROOT, 0, PD_BASE | PTE_P);
		fix.regs[REG_CR3] = PAE_ROOT;
	}
	if ((input->mode & 32) && widths[input->mode & 3] == 2)
		fix.regs[REG_CR0] = 0;
	if (input->mode & 64)
		fix.regs[REG_CR4] |= CR4_SMAP | CR4_SMEP;
	for (unsigned i = 0; i < 4; i++)
		map_page(DATA_PAGE + i * PAGE_SIZE, DATA_PAGE + i * PAGE_SIZE,
			 input->page_rights[i]);
	map_page(CODE_PAGE + PAGE_SIZE, CODE_PAGE + PAGE_SIZE, input->page_rights[0] | PTE_RW);
	/* The device is the kernel's. */
	map_page(DEVICE_BASE, DEVICE_BASE, PTE_P | PTE_W);
}

static void load(const struct input *input)
{
	choose_mode(input);
	fix.vcpu.rflags = (input->flags | (uint64_t)input->flags_2 << 8 | RFLAGS_FIXED) & 0x7fd7;
	for (unsigned i = 0; i < 16; i++)
		fix.vcpu.gpr[i] = interesting[input->regs[i] % ARRAY_SIZE(interesting)] +
				  (input->regs[i] >> 6);
	fix.vcpu.rip = CODE_PAGE + (input->offset & 0xfff);
	memcpy(guest_memory(fix.vcpu.rip), input->bytes, sizeof(input->bytes));
	if (input->mode & 16) {
		memcpy(fix.hardware_bytes, input->bytes, sizeof(input->bytes));
		fix.hardware_length = input->offset >> 12 < 15 ? input->offset >> 12 : 15;
	}
}

static void check(const struct vcpu *before, int result)
{
	bool user = vcpu_cpl(&fix.vcpu) == 3;
	bool faulted = fix.injected.count > 0 && fix.injected.vector != VECTOR_DB;

	if (faulted && memcmp(before->gpr, fix.vcpu.gpr, sizeof(before->gpr)) != 0)
		abort();
	if ((faulted || result != 0) && before->rip != fix.vcpu.rip)
		abort();
	if (fix.vcpu.rip - before->rip > 15)
		abort();
	if (result != 0 && user)
		abort();
	if (user && (fix.regs[REG_CR0] & CR0_PG) && fix.device.reads + fix.device.writes > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct input input;
	struct vcpu before;

	if (size < sizeof(input))
		return 0;
	memcpy(&input, data, sizeof(input));
	if (!ready && fix_setup() != 0)
		abort();
	ready = true;
	fix.injected.count = 0;
	fix.device.reads = fix.device.writes = 0;
	fix.hardware_length = 0;
	fix.vcpu.event_valid = false;
	build_tables();
	load(&input);
	before = fix.vcpu;
	check(&before, vcpu_emulate(&fix.vcpu));
	fix.vcpu.rip = before.rip;
	if (vcpu_instruction_length(&fix.vcpu) > 15)
		abort();
	return 0;
}
