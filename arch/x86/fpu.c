/* SPDX-License-Identifier: BSD-2-Clause */
/* Saves and restores guests' vector state with XSAVE, or FXSAVE on CPUs without it. */
#include "arch/x86/fpu.h"

#include "vmm/page_alloc.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"

#include <errno.h>
#include <string.h>

#define VENDOR_AMD		  0x68747541u /* "Auth", of AuthenticAMD */
#define VENDOR_HYGON		  0x6f677948u /* "Hygo", of HygonGenuine */
#define CPUID_EXT8_EBX_XSAVEERPTR (1u << 2)

#define XCR0_X87	    1ull
#define XCR0_SSE	    2ull
#define CPUID_D1_EAX_OPT    (1u << 0) /* XSAVEOPT */
#define CPUID_D1_EAX_XSAVES (1u << 3)
#define FXSAVE_SIZE	    512
#define XSAVE_HEADER	    512 /* its first 8 bytes: components that are not in initial state */
#define FXSAVE_FCW	    0
#define FXSAVE_FTW	    4
#define FXSAVE_MXCSR	    24
#define POWER_ON_FCW	    0x0040
#define POWER_ON_FTW	    0xff /* abridged: all registers hold (zero) values */
#define POWER_ON_MXCSR	    0x1f80

/* The same on every CPU; written by the first. */
static uint64_t fpu_xcr0;
static bool fpu_has_xsaveopt;
static uint32_t fpu_area_size = FXSAVE_SIZE;
static bool fpu_keeps_pointers;

/*
 * AMD's CPUs restore the x87 instruction and data pointers only with a pending exception, unless
 * they say otherwise (APM 3, CPUID 8000_0008 EBX bit 2).
 */
static bool keeps_pointers(void)
{
	uint32_t vendor = cpuid(0, 0).ebx;

	return (vendor == VENDOR_AMD || vendor == VENDOR_HYGON) &&
	       !(cpuid_checked(0x80000008, 0).ebx & CPUID_EXT8_EBX_XSAVEERPTR);
}

/* An x87 instruction of our own takes the place of the last guest's in the pointers. */
static void forget_pointers(void)
{
	static const uint32_t operand;

	/* After the first two FILD meets neither a pending exception nor a full stack. */
	__asm__ volatile("fnclex\n\temms\n\tfildl %0" : : "m"(operand));
}

void fpu_cpu_enable(void)
{
	uint64_t cr4 = cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT;
	struct cpuid_regs leaf;

	cr0_write((cr0_read() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
	fpu_keeps_pointers = keeps_pointers();
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
		cr4_write(cr4);
		return;
	}
	cr4_write(cr4 | CR4_OSXSAVE);
	leaf = cpuid_checked(0xd, 0);
	fpu_xcr0 = (uint64_t)leaf.edx << 32 | leaf.eax;
	fpu_area_size = leaf.ecx; /* for all of them, whatever is enabled now */
	xcr0_write(fpu_xcr0);
	leaf = cpuid_checked(0xd, 1);
	fpu_has_xsaveopt = leaf.eax & CPUID_D1_EAX_OPT;
	/* Supervisor components are offered to nobody. */
	if (leaf.eax & CPUID_D1_EAX_XSAVES)
		msr_write(MSR_XSS, 0);
}

uint64_t fpu_host_xcr0(void)
{
	return fpu_xcr0;
}

int fpu_create(struct fpu *fpu)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < fpu_area_size)
		order++;
	*fpu = (struct fpu){.area = page_alloc_zeroed(order), .order = order};
	if (!fpu->area)
		return -ENOMEM;
	fpu_reset(fpu);
	return 0;
}

void fpu_destroy(struct fpu *fpu)
{
	if (fpu->area)
		page_free_pointer(fpu->area, fpu->order);
	fpu->area = NULL;
}

void fpu_reset(struct fpu *fpu)
{
	uint8_t *area = fpu->area;
	uint16_t fcw = POWER_ON_FCW;
	uint32_t mxcsr = POWER_ON_MXCSR;
	uint64_t present = XCR0_X87 | XCR0_SSE;

	memset(area, 0, PAGE_SIZE << fpu->order);
	memcpy(area + FXSAVE_FCW, &fcw, sizeof(fcw));
	area[FXSAVE_FTW] = POWER_ON_FTW;
	memcpy(area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	if (fpu_xcr0)
		memcpy(area + XSAVE_HEADER, &present, sizeof(present));
	fpu->xcr0 = XCR0_X87;
}

void fpu_load(struct fpu *fpu)
{
	uint32_t low = (uint32_t)fpu_xcr0, high = (uint32_t)(fpu_xcr0 >> 32);

	fpu->loaded = true;
	if (fpu_keeps_pointers)
		forget_pointers();
	if (!fpu_xcr0) {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(fpu->area) : "memory");
		return;
	}
	/* XCR0 has all components here: unloading left it so. */
	__asm__ volatile("xrstor64 (%0)" : : "r"(fpu->area), "a"(low), "d"(high) : "memory");
	if (fpu->xcr0 != fpu_xcr0)
		xcr0_write(fpu->xcr0);
}

void fpu_unload(struct fpu *fpu)
{
	uint32_t low = (uint32_t)fpu_xcr0, high = (uint32_t)(fpu_xcr0 >> 32);

	fpu->loaded = false;
	if (!fpu_xcr0) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(fpu->area) : "memory");
		return;
	}
	/* Not all emulators let XSETBV exit: the CPU knows best. */
	fpu->xcr0 = xcr0_read();
	if (fpu->xcr0 != fpu_xcr0)
		xcr0_write(fpu_xcr0);
	if (fpu_has_xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)"
				 :
				 : "r"(fpu->area), "a"(low), "d"(high)
				 : "memory");
	else
		__asm__ volatile("xsave64 (%0)" : : "r"(fpu->area), "a"(low), "d"(high) : "memory");
}

uint64_t fpu_get_xcr0(const struct fpu *fpu)
{
	return fpu->loaded && fpu_xcr0 ? xcr0_read() : fpu->xcr0;
}

void fpu_set_xcr0(struct fpu *fpu, uint64_t xcr0)
{
	fpu->xcr0 = xcr0;
	if (fpu->loaded && fpu_xcr0)
		xcr0_write(xcr0);
}
