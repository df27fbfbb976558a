/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to local APICs, for their tests. */
#pragma once

#include "vmm/x86_defs.h"
#include "guest/dev/lapic.h"
#include "guest/dev/lapic_state.h"

#include "irq_fixture.h"

#include <errno.h>

#define SVR_ENABLED 0x1ff
#define BASE_XAPIC  (APIC_DEFAULT_BASE | APIC_BASE_ENABLE)
#define BASE_X2APIC (BASE_XAPIC | APIC_BASE_X2APIC)

static inline uint32_t apic_read(unsigned vcpu, unsigned reg)
{
	return fixture_mmio_read(vcpu, APIC_DEFAULT_BASE + reg * 16);
}

static inline void apic_write(unsigned vcpu, unsigned reg, uint32_t value)
{
	fixture_mmio_write(vcpu, APIC_DEFAULT_BASE + reg * 16, value);
}

static inline int msr_write(unsigned vcpu, uint32_t msr, uint64_t value)
{
	return lapic_intc.msr_write(&fixture.vcpus[vcpu], msr, value);
}

static inline uint64_t msr_read(unsigned vcpu, uint32_t msr)
{
	uint64_t value = 0;

	assert_int_equal(lapic_intc.msr_read(&fixture.vcpus[vcpu], msr, &value), 0);
	return value;
}

static inline int x2_write(unsigned vcpu, unsigned reg, uint64_t value)
{
	return msr_write(vcpu, MSR_X2APIC_FIRST + reg, value);
}

static inline uint64_t x2_read(unsigned vcpu, unsigned reg)
{
	return msr_read(vcpu, MSR_X2APIC_FIRST + reg);
}

/* A VM whose APICs are software-enabled, in xAPIC mode or all in x2APIC mode. */
static inline void apics_create(unsigned vcpus, bool x2apic)
{
	fixture_create(vcpus);
	fixture_add(&lapic_vdev);
	for (unsigned i = 0; i < vcpus; i++) {
		apic_write(i, LAPIC_SVR, SVR_ENABLED);
		if (x2apic)
			assert_int_equal(msr_write(i, MSR_APIC_BASE, BASE_X2APIC), 0);
		fixture_requests(i);
	}
}

static inline int apics_teardown(void **state)
{
	(void)state;
	return fixture_destroy();
}
