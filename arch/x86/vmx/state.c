/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and segments of a vCPU by their vendor-neutral names: fields of the VMCS, or registers
 * that stay in the CPU (live.c). What handlers ask for often is read from the VMCS once and kept
 * until the next entry.
 */
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

/*
 * Bits of CR0 that a guest does not own. NE must be 1 in VMX operation; CD and NW would switch off
 * the host's caches, and all of a guest's memory is coherent anyway. All else the CPU does by
 * itself as it would without a hypervisor, long mode and PAE's PDPTEs included (unrestricted
 * guest; SDM 3C, 25.3 and 26.3.1.1).
 */
#define CR0_HOST_OWNED (CR0_NE | CR0_CD | CR0_NW)

/* Changes that make a CPU drop translations. SDM 3A, 4.10.4.1. */
#define CR0_FLUSHES CR0_PG
#define CR4_FLUSHES                                                                           \
	(CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LA57 | \
	 CR4_CET | CR4_PKS)
#define EFER_FLUSHES (EFER_LME | EFER_LMA | EFER_NXE)

/* Parts of a segment, as slots of the cache and fields of the VMCS. */
enum part {
	PART_SELECTOR,
	PART_LIMIT,
	PART_ATTRIBUTES,
	PART_BASE,
};

#define SEGMENT_FIELDS(seg)                                                                   \
	[VMX_CACHED_SEGMENTS + (seg)*4 +                                                      \
		PART_SELECTOR] = VMCS_GUEST_ES_SELECTOR + (seg)*2,                            \
		[VMX_CACHED_SEGMENTS + (seg)*4 + PART_LIMIT] = VMCS_GUEST_ES_LIMIT + (seg)*2, \
		[VMX_CACHED_SEGMENTS + (seg)*4 + PART_ATTRIBUTES] =                           \
			VMCS_GUEST_ES_ACCESS_RIGHTS + (seg)*2,                                \
		[VMX_CACHED_SEGMENTS + (seg)*4 + PART_BASE] = VMCS_GUEST_ES_BASE + (seg)*2

/* GDTR and IDTR have no selector and no rights; those slots are not used. */
static const uint16_t slot_fields[VMX_CACHED_COUNT] = {
	[VMX_CACHED_CR0] = VMCS_GUEST_CR0,
	[VMX_CACHED_CR3] = VMCS_GUEST_CR3,
	[VMX_CACHED_CR4] = VMCS_GUEST_CR4,
	[VMX_CACHED_EFER] = VMCS_GUEST_IA32_EFER,
	SEGMENT_FIELDS(SEG_ES),
	SEGMENT_FIELDS(SEG_CS),
	SEGMENT_FIELDS(SEG_SS),
	SEGMENT_FIELDS(SEG_DS),
	SEGMENT_FIELDS(SEG_FS),
	SEGMENT_FIELDS(SEG_GS),
	SEGMENT_FIELDS(SEG_LDTR),
	SEGMENT_FIELDS(SEG_TR),
	SEGMENT_FIELDS(SEG_GDTR),
	SEGMENT_FIELDS(SEG_IDTR),
};

static uint64_t field_get(struct vmx_vcpu *vmx, uint32_t field)
{
	uint64_t value;

	if (vmx->loaded)
		return vmcs_read(field);
	vmcs_open(vmx);
	value = vmcs_read(field);
	vmcs_close(vmx);
	return value;
}

static void field_set(struct vmx_vcpu *vmx, uint32_t field, uint64_t value)
{
	if (vmx->loaded) {
		vmcs_write(field, value);
		return;
	}
	vmcs_open(vmx);
	vmcs_write(field, value);
	vmcs_close(vmx);
}

static inline uint64_t slot_bit(unsigned slot)
{
	return 1ull << (slot & 63);
}

static inline uint64_t slot_get(struct vmx_vcpu *vmx, unsigned slot)
{
	if (!(vmx->cached & slot_bit(slot))) {
		vmx->cache[slot] = field_get(vmx, slot_fields[slot]);
		vmx->cached |= slot_bit(slot);
	}
	return vmx->cache[slot];
}

static void slot_set(struct vmx_vcpu *vmx, unsigned slot, uint64_t value)
{
	field_set(vmx, slot_fields[slot], value);
	vmx->cache[slot] = value;
	vmx->cached |= slot_bit(slot);
}

static void flush_on_change(struct vmx_vcpu *vmx, uint64_t changed, uint64_t mask)
{
	if (changed & mask) {
		vmx_tlb_flush_linear(&vmx->tlb);
		vmx->pending |= VMX_PENDING_TLB;
	}
}

/* ---- registers that are more than a field ---- */

static uint64_t get_cr0(struct vmx_vcpu *vmx)
{
	return (slot_get(vmx, VMX_CACHED_CR0) & ~CR0_HOST_OWNED) |
	       (vmx->cr0_shadow & CR0_HOST_OWNED);
}

static void set_cr0(struct vmx_vcpu *vmx, uint64_t value)
{
	uint64_t real = (value & ~(CR0_CD | CR0_NW)) | CR0_NE;

	flush_on_change(vmx, slot_get(vmx, VMX_CACHED_CR0) ^ real, CR0_FLUSHES);
	vmx->pending |= VMX_PENDING_PDPTES;
	vmx->cr0_shadow = value;
	slot_set(vmx, VMX_CACHED_CR0, real);
	field_set(vmx, VMCS_CR0_READ_SHADOW, value);
}

static uint64_t get_cr4(struct vmx_vcpu *vmx)
{
	return (slot_get(vmx, VMX_CACHED_CR4) & ~vmx->cr4_mask) | (vmx->cr4_shadow & vmx->cr4_mask);
}

/*
 * VMXE must be 1 in VMX operation; MCE stays 1, or a machine check while the guest runs would shut
 * the CPU down (SDM 3B, 15.3). The guest sees neither.
 */
static void set_cr4(struct vmx_vcpu *vmx, uint64_t value)
{
	uint64_t real = value | CR4_VMXE | CR4_MCE;

	flush_on_change(vmx, slot_get(vmx, VMX_CACHED_CR4) ^ real, CR4_FLUSHES);
	vmx->pending |= VMX_PENDING_PDPTES;
	vmx->cr4_shadow = value;
	slot_set(vmx, VMX_CACHED_CR4, real);
	field_set(vmx, VMCS_CR4_READ_SHADOW, value);
}

/* The CPU keeps LMA in an entry control, too, and changes it there at exits. SDM 3C, 27.2.2. */
static void set_efer(struct vmx_vcpu *vmx, uint64_t value)
{
	uint64_t entry;

	flush_on_change(vmx, slot_get(vmx, VMX_CACHED_EFER) ^ value, EFER_FLUSHES);
	vmx->pending |= VMX_PENDING_PDPTES;
	slot_set(vmx, VMX_CACHED_EFER, value);
	entry = field_get(vmx, VMCS_ENTRY_CONTROLS) & ~(uint64_t)ENTRY_CTL_IA32E_GUEST;
	if (value & EFER_LMA)
		entry |= ENTRY_CTL_IA32E_GUEST;
	field_set(vmx, VMCS_ENTRY_CONTROLS, entry);
}

static void set_cr3(struct vmx_vcpu *vmx, uint64_t value)
{
	flush_on_change(vmx, 1, 1);
	vmx->pending |= VMX_PENDING_PDPTES;
	slot_set(vmx, VMX_CACHED_CR3, value);
}

static uint64_t get_cr8(const struct vmx_vcpu *vmx)
{
	return vmx->vapic ? vmx->vapic[VMX_VAPIC_TPR] >> 4 : vmx->cr8;
}

static void set_cr8(struct vmx_vcpu *vmx, uint64_t value)
{
	if (!vmx->vapic) {
		vmx->cr8 = value & 0xf;
		return;
	}
	vmx->vapic[VMX_VAPIC_TPR] = (uint8_t)((value & 0xf) << 4);
	vmx_threshold_follow(vmx);
}

/* Registers that are plainly a field; 0: not. */
static uint32_t reg_field(enum vcpu_reg reg)
{
	switch (reg) {
	case REG_DR7:
		return VMCS_GUEST_DR7;
	case REG_PAT:
		return VMCS_GUEST_IA32_PAT;
	case REG_SYSENTER_CS:
		return VMCS_GUEST_IA32_SYSENTER_CS;
	case REG_SYSENTER_ESP:
		return VMCS_GUEST_IA32_SYSENTER_ESP;
	case REG_SYSENTER_EIP:
		return VMCS_GUEST_IA32_SYSENTER_EIP;
	default:
		return 0;
	}
}

uint64_t vmx_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	uint32_t field;

	switch (reg) {
	case REG_CR0:
		return get_cr0(vmx);
	case REG_CR3:
		return slot_get(vmx, VMX_CACHED_CR3);
	case REG_CR4:
		return get_cr4(vmx);
	case REG_EFER:
		return slot_get(vmx, VMX_CACHED_EFER);
	case REG_CR8:
		return get_cr8(vmx);
	default:
		field = reg_field(reg);
		return field ? field_get(vmx, field) : vmx_live_get(vmx, reg);
	}
}

void vmx_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	uint32_t field;

	switch (reg) {
	case REG_CR0:
		set_cr0(vmx, value);
		return;
	case REG_CR3:
		set_cr3(vmx, value);
		return;
	case REG_CR4:
		set_cr4(vmx, value);
		return;
	case REG_EFER:
		set_efer(vmx, value);
		return;
	case REG_CR8:
		set_cr8(vmx, value);
		return;
	default:
		field = reg_field(reg);
		if (field)
			field_set(vmx, field, value);
		else
			vmx_live_set(vmx, reg, value);
		return;
	}
}

/* ---- segments: struct segment has the VMCS's own format of access rights ---- */

static unsigned seg_slot(enum vcpu_seg seg, enum part part)
{
	return VMX_CACHED_SEGMENTS + (unsigned)seg * 4 + (unsigned)part;
}

static bool is_table(enum vcpu_seg seg)
{
	return seg == SEG_GDTR || seg == SEG_IDTR;
}

void vmx_get_seg(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	*segment = (struct segment){
		.limit = (uint32_t)slot_get(vmx, seg_slot(seg, PART_LIMIT)),
		.base = slot_get(vmx, seg_slot(seg, PART_BASE)),
	};
	if (!is_table(seg)) {
		segment->selector = (uint16_t)slot_get(vmx, seg_slot(seg, PART_SELECTOR));
		segment->attributes = (uint32_t)slot_get(vmx, seg_slot(seg, PART_ATTRIBUTES));
	}
}

void vmx_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	vmcs_open(vmx);
	slot_set(vmx, seg_slot(seg, PART_LIMIT), segment->limit);
	slot_set(vmx, seg_slot(seg, PART_BASE), segment->base);
	if (!is_table(seg)) {
		slot_set(vmx, seg_slot(seg, PART_SELECTOR), segment->selector);
		slot_set(vmx, seg_slot(seg, PART_ATTRIBUTES), segment->attributes);
	}
	vmcs_close(vmx);
}
