/* SPDX-License-Identifier: BSD-2-Clause */
/* How a boot vCPU starts in a loaded guest: the registers of load_entry. */
#include "guest/load/load.h"

#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "guest/layout.h"

#include <string.h>

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define GDT_LIMIT     (4 * 8 - 1)

/* Present, S, granularity; see struct segment. */
#define ATTR_CODE     0x809b
#define ATTR_DATA     0xc093
#define ATTR_TSS_BUSY 0x008b

static void entry_set_segments(struct vcpu *vcpu, enum load_mode mode)
{
	const struct segment code = {
		.selector = SELECTOR_CODE,
		.attributes =
			ATTR_CODE | (mode == LOAD_LONG64 ? SEG_ATTR_LONG : SEG_ATTR_DEFAULT_32),
		.limit = UINT32_MAX,
	};
	const struct segment data = {
		.selector = SELECTOR_DATA,
		.attributes = ATTR_DATA,
		.limit = UINT32_MAX,
	};
	/* A CPU has a task register at all times; VM entry checks it (SDM 3C, 27.3.1.2). */
	const struct segment task = {.attributes = ATTR_TSS_BUSY, .limit = 0xffff};
	const struct segment gdt = {.base = GUEST_LOW_GDT, .limit = GDT_LIMIT};
	const struct segment idt = {0};

	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		backend->set_seg(vcpu, (enum vcpu_seg)seg, seg == SEG_CS ? &code : &data);
	backend->set_seg(vcpu, SEG_TR, &task);
	backend->set_seg(vcpu, SEG_GDTR, &gdt);
	backend->set_seg(vcpu, SEG_IDTR, &idt);
}

static void entry_set_mode(struct vcpu *vcpu, enum load_mode mode)
{
	uint64_t cr0 = CR0_PE | CR0_ET | CR0_NE;

	if (mode == LOAD_LONG64) {
		vcpu_set_reg(vcpu, REG_CR4, CR4_PAE);
		vcpu_set_reg(vcpu, REG_CR3, GUEST_LOW_PAGE_TABLES);
		vcpu_set_reg(vcpu, REG_EFER, EFER_LME | EFER_LMA);
		cr0 |= CR0_PG;
	} else {
		vcpu_set_reg(vcpu, REG_CR4, 0);
		vcpu_set_reg(vcpu, REG_EFER, 0);
	}
	vcpu_set_reg(vcpu, REG_CR0, cr0);
}

void load_apply_entry(struct vcpu *vcpu, const struct load_entry *entry)
{
	entry_set_mode(vcpu, entry->mode);
	entry_set_segments(vcpu, entry->mode);
	memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
	vcpu->gpr[GPR_RAX] = entry->rax;
	vcpu->gpr[GPR_RBX] = entry->rbx;
	vcpu->gpr[GPR_RSI] = entry->rsi;
	vcpu->gpr[GPR_RSP] = entry->rsp;
	vcpu->rip = entry->rip;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->interrupt_shadow = false;
}
