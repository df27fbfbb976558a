/* SPDX-License-Identifier: BSD-2-Clause */
/* Each write is checked whole before anything is stored. */
#include "vmm/cr.h"

#include "vmm/cpuid.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <errno.h>

#define CR0_WRITABLE \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

int vcpu_cr_read(struct vcpu *vcpu, unsigned cr, uint64_t *value)
{
	switch (cr) {
	case 0:
		*value = vcpu_get_reg(vcpu, REG_CR0);
		return 0;
	case 2:
		*value = vcpu_get_reg(vcpu, REG_CR2);
		return 0;
	case 3:
		*value = vcpu_get_reg(vcpu, REG_CR3);
		return 0;
	case 4:
		*value = vcpu_get_reg(vcpu, REG_CR4);
		return 0;
	case 8:
		*value = vcpu_get_reg(vcpu, REG_CR8);
		return 0;
	default:
		return -EACCES;
	}
}

/* Long mode is entered and left by CR0.PG while EFER.LME is set: APM 2, 14.6; SDM 3A, 9.8.5. */
static int update_long_mode(struct vcpu *vcpu, uint64_t old, uint64_t new)
{
	uint64_t efer = vcpu_get_reg(vcpu, REG_EFER);
	struct segment cs;

	if (((old ^ new) & CR0_PG) == 0 || (efer & EFER_LME) == 0)
		return 0;
	backend->get_seg(vcpu, SEG_CS, &cs);
	if (new &CR0_PG) {
		if ((vcpu_get_reg(vcpu, REG_CR4) & CR4_PAE) == 0 ||
		    (cs.attributes & SEG_ATTR_LONG) != 0)
			return -EACCES;
		vcpu_set_reg(vcpu, REG_EFER, efer | EFER_LMA);
	} else {
		if ((cs.attributes & SEG_ATTR_LONG) != 0 ||
		    (vcpu_get_reg(vcpu, REG_CR4) & CR4_PCIDE) != 0)
			return -EACCES;
		vcpu_set_reg(vcpu, REG_EFER, efer & ~EFER_LMA);
	}
	return 0;
}

static int write_cr0(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu_get_reg(vcpu, REG_CR0);
	int error;

	if (value >> 32 != 0)
		return -EACCES;
	/* Reserved bits below 32 are ignored; ET reads as one. */
	value = (value & CR0_WRITABLE) | CR0_ET;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return -EACCES;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return -EACCES;
	error = update_long_mode(vcpu, old, value);
	if (error != 0)
		return error;
	vcpu_set_reg(vcpu, REG_CR0, value);
	return 0;
}

static int write_cr3(struct vcpu *vcpu, uint64_t value)
{
	uint64_t reserved = 0;

	if (vcpu_get_reg(vcpu, REG_EFER) & EFER_LMA)
		reserved = ~(((uint64_t)1 << cpuid_policy.physical_bits) - 1);
	/* With PCIDs the highest bit says "keep the translations" and is not stored. */
	if (vcpu_get_reg(vcpu, REG_CR4) & CR4_PCIDE) {
		reserved &= ~((uint64_t)1 << 63);
		value &= ~((uint64_t)1 << 63);
	}
	if (value & reserved)
		return -EACCES;
	vcpu_set_reg(vcpu, REG_CR3, value);
	return 0;
}

static int write_cr4(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu_get_reg(vcpu, REG_CR4);
	bool long_mode = (vcpu_get_reg(vcpu, REG_EFER) & EFER_LMA) != 0;

	if (value & ~cpuid_policy.cr4_allowed)
		return -EACCES;
	if (long_mode && (!(value & CR4_PAE) || ((value ^ old) & CR4_LA57)))
		return -EACCES;
	if ((value & ~old & CR4_PCIDE) &&
	    (!long_mode || (vcpu_get_reg(vcpu, REG_CR3) & 0xfff) != 0))
		return -EACCES;
	vcpu_set_reg(vcpu, REG_CR4, value);
	return 0;
}

static int write_cr8(struct vcpu *vcpu, uint64_t value)
{
	if (value >> 4 != 0)
		return -EACCES;
	vcpu_set_reg(vcpu, REG_CR8, value);
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
	return 0;
}

int vcpu_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	switch (cr) {
	case 0:
		return write_cr0(vcpu, value);
	case 2:
		vcpu_set_reg(vcpu, REG_CR2, value);
		return 0;
	case 3:
		return write_cr3(vcpu, value);
	case 4:
		return write_cr4(vcpu, value);
	case 8:
		return write_cr8(vcpu, value);
	default:
		return -EACCES;
	}
}

int vcpu_efer_write(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vcpu_get_reg(vcpu, REG_EFER);
	bool paging = (vcpu_get_reg(vcpu, REG_CR0) & CR0_PG) != 0;

	if (value & ~cpuid_policy.efer_allowed)
		return -EACCES;
	if (paging && ((value ^ old) & EFER_LME))
		return -EACCES;
	/* LMA is the CPU's. */
	vcpu_set_reg(vcpu, REG_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return 0;
}

int vcpu_xcr0_write(struct vcpu *vcpu, uint64_t value)
{
	uint64_t avx512 = value & 0xe0;

	if (cpuid_policy.xcr0_allowed == 0 || (value & ~cpuid_policy.xcr0_allowed))
		return -EACCES;
	if (!(value & 1) || ((value & 4) && !(value & 2)))
		return -EACCES;
	if (avx512 != 0 && (avx512 != 0xe0 || !(value & 4)))
		return -EACCES;
	vcpu_set_reg(vcpu, REG_XCR0, value);
	return 0;
}
