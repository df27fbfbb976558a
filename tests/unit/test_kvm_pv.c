/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/kvm_pv.c: the pages as Linux reads them, and the calls that it makes. */
#include "vmm/cpuid.h"
#include "vmm/kvm_pv.h"
#include "vmm/msr.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_guest.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define RAM MIB(1)

static struct vcpu *vcpu;

static int setup(void **state)
{
	struct vm *vm = fake_guest_create(RAM);

	(void)state;
	fake_backend_install();
	fake_intc_install(vm);
	vcpu = fake_guest_vcpu();
	(void)fake_backend_attach(vcpu);
	vm->start_tick = 1000;
	vm->tsc_offset = 0 - UINT64_C(1000);
	vm->wall_clock_start = 1700000000;
	fake_platform_set_time(6000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_backend_detach(vcpu);
	fake_guest_destroy(vcpu->vm);
	return 0;
}

static uint32_t ram32(uint64_t at)
{
	uint32_t value;

	memcpy(&value, fake_guest_ram() + at, sizeof(value));
	return value;
}

static uint64_t ram64(uint64_t at)
{
	return (uint64_t)ram32(at + 4) << 32 | ram32(at);
}

/* Whether all bytes of guest RAM in [at, at + length) are zero. */
static bool untouched(uint64_t at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (fake_guest_ram()[at + i] != 0)
			return false;
	}
	return true;
}

/* What a guest makes of the clock page when its TSC shows `tsc`: Linux, pvclock.rst. */
static uint64_t guest_clock(uint64_t page, uint64_t tsc)
{
	uint64_t delta = tsc - ram64(page + 8);
	int8_t shift = (int8_t)fake_guest_ram()[page + 28];

	delta = shift < 0 ? delta >> -shift : delta << shift;
	return ram64(page + 16) + (uint64_t)(((unsigned __int128)delta * ram32(page + 24)) >> 32);
}

static void test_features(void **state)
{
	(void)state;
	/* Clock, no I/O delays, clock under the new MSRs, steal time, kick, IPIs, yield, and the
	 * promise that the clock is stable. */
	assert_int_equal(kvm_pv_features(), 0x010028ab);
}

static void test_clock(void **state)
{
	uint64_t value;

	(void)state;
	/* Aligned as little as guests may align it. */
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0x1004 | 1), 0);
	assert_int_equal(ram32(0x1004) & 1, 0);
	assert_int_not_equal(ram32(0x1004), 0);
	assert_int_equal(fake_guest_ram()[0x1004 + 29], 1); /* stable */
	assert_int_equal(guest_clock(0x1004, 5000), 5000);
	assert_int_equal(guest_clock(0x1004, 5000 + 3 * FAKE_TICK_HZ), 3000005000);
	assert_true(untouched(0, 0x1004) && untouched(0x1004 + 32, 64));
	assert_int_equal(kvm_pv_msr_read(vcpu, MSR_KVM_SYSTEM_TIME_NEW, &value), 0);
	assert_int_equal(value, 0x1005);
	assert_int_equal(kvm_pv_msr_read(vcpu, MSR_KVM_SYSTEM_TIME, &value), 0);
	assert_int_equal(value, 0x1005);
}

static void test_clock_goes_on_where_the_tsc_moved(void **state)
{
	uint32_t version;

	(void)state;
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME, 0x1001), 0);
	version = ram32(0x1000);
	fake_platform_advance(500);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_TSC, 77), 0);
	assert_int_equal(guest_clock(0x1000, 77), 5500);
	assert_int_equal(ram32(0x1000), version + 2);
	/* Switched off, the page is the guest's again. */
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME, 0x1000), 0);
	memset(fake_guest_ram() + 0x1000, 0, 32);
	assert_int_equal(vcpu_msr_write(vcpu, MSR_TSC, 78), 0);
	assert_true(untouched(0x1000, 32));
}

static void test_refused_pages(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} cases[] = {
		{MSR_KVM_SYSTEM_TIME_NEW, 0x1002 | 1},	   /* alignment */
		{MSR_KVM_SYSTEM_TIME_NEW, RAM | 1},	   /* not RAM */
		{MSR_KVM_SYSTEM_TIME_NEW, (RAM - 16) | 1}, /* in part */
		{MSR_KVM_SYSTEM_TIME_NEW, UINT64_MAX & ~2ull},
		{MSR_KVM_STEAL_TIME, 0x1000 | 1 << 5 | 1}, /* reserved bits */
		{MSR_KVM_STEAL_TIME, 0x1000 | 1 << 1},
		{MSR_KVM_STEAL_TIME, RAM | 1},
		{MSR_KVM_STEAL_TIME, (UINT64_MAX & ~63ull) | 1},
		{MSR_KVM_WALL_CLOCK_NEW, RAM - 8},
		{MSR_KVM_WALL_CLOCK, UINT64_MAX - 4},
		{0x4b564d02, 1},
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (kvm_pv_msr_write(vcpu, cases[i].msr, cases[i].value) != -EACCES)
			fail_msg("case %zu is taken", i);
	}
	assert_int_equal(vcpu->pv.clock_msr | vcpu->pv.steal_msr, 0);
	assert_true(untouched(0, RAM));
	assert_int_equal(kvm_pv_msr_read(vcpu, 0x4b564d02, &value), -EACCES);
}

static void test_wall_clock(void **state)
{
	(void)state;
	/* Zero names no page. */
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_WALL_CLOCK_NEW, 0), 0);
	assert_true(untouched(0, 64));
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_WALL_CLOCK, 0x2000), 0);
	assert_int_equal(ram32(0x2000), 2);
	assert_int_equal(ram32(0x2004), 1700000000);
	assert_int_equal(ram32(0x2008), 0);
	assert_true(untouched(0x200c, 64));
}

static void test_steal_time(void **state)
{
	uint64_t value;
	uint32_t version;

	(void)state;
	vcpu->pv.steal_ticks = 42000;
	kvm_pv_update(vcpu); /* nobody asked yet */
	assert_true(untouched(0, RAM));
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_STEAL_TIME, 0x3000 | 1), 0);
	assert_int_equal(kvm_pv_msr_read(vcpu, MSR_KVM_STEAL_TIME, &value), 0);
	assert_int_equal(value, 0x3001);
	assert_int_equal(ram64(0x3000), 42000);
	version = ram32(0x3008);
	assert_int_equal(version & 1, 0);
	vcpu->pv.steal_ticks = 43000;
	kvm_pv_update(vcpu);
	assert_int_equal(ram64(0x3000), 43000);
	assert_int_equal(ram32(0x3008), version + 2);
	assert_true(untouched(0x3040, 64));
}

/* Off after a reset; what was stolen stays counted. */
static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME, 0x1001), 0);
	assert_int_equal(kvm_pv_msr_write(vcpu, MSR_KVM_STEAL_TIME, 0x3001), 0);
	vcpu->pv.steal_ticks = 5;
	vcpu->pv.kicked = true;
	kvm_pv_reset(vcpu);
	memset(fake_guest_ram(), 0, RAM);
	kvm_pv_update(vcpu);
	kvm_pv_tsc_moved(vcpu);
	assert_true(untouched(0, RAM));
	assert_int_equal(vcpu->pv.steal_ticks, 5);
	assert_false(vcpu->pv.kicked);
}

/* ---- calls ---- */

static int64_t call(uint64_t number, uint64_t rbx, uint64_t rcx, uint64_t rdx, uint64_t rsi)
{
	vcpu->gpr[GPR_RAX] = number;
	vcpu->gpr[GPR_RBX] = rbx;
	vcpu->gpr[GPR_RCX] = rcx;
	vcpu->gpr[GPR_RDX] = rdx;
	vcpu->gpr[GPR_RSI] = rsi;
	kvm_pv_hypercall(vcpu);
	return (int64_t)vcpu->gpr[GPR_RAX];
}

static void test_kick(void **state)
{
	(void)state;
	assert_int_equal(call(5, 0, 0, 0, 0), 0);
	assert_int_equal(atomic_exchange(&vcpu->requests, 0), VCPU_REQUEST_WAKE);
	assert_int_equal(call(5, 0, 1, 0, 0), 0); /* there is no vCPU 1 */
	assert_int_equal(call(5, 0, UINT64_MAX, 0, 0), 0);
	assert_int_equal(atomic_load(&vcpu->requests), 0);
}

static void test_send_ipis(void **state)
{
	(void)state;
	fake_intc.ipi_result = 3;
	assert_int_equal(call(10, 0x8000000000000001, 2, 64, 0xfd), 3);
	assert_int_equal(fake_intc.ipi_mask[0], 0x8000000000000001);
	assert_int_equal(fake_intc.ipi_mask[1], 2);
	assert_int_equal(fake_intc.ipi_first, 64);
	assert_int_equal(fake_intc.ipi_icr, 0xfd);
	fake_intc.ipi_result = -EINVAL;
	assert_int_equal(call(10, 1, 0, 0, 0), -1000);
}

/* Of 32-bit code only the low halves count, and its mask is 64 bits in two registers. */
static void test_calls_of_32_bit_code(void **state)
{
	static const uint64_t junk = 0xdeadbeefull << 32;

	(void)state;
	fake_vcpu_set_mode(vcpu, 4, 0);
	fake_intc.ipi_result = 2;
	assert_int_equal(call(10 | junk, 0x80000001 | junk, 0x40000000 | junk, 8 | junk, 0xfd), 2);
	assert_int_equal(fake_intc.ipi_mask[0], 0x4000000080000001);
	assert_int_equal(fake_intc.ipi_mask[1], 0);
	assert_int_equal(fake_intc.ipi_first, 8);
	assert_int_equal(call(5 | junk, 0, junk, 0, 0), 0);
	assert_int_equal(atomic_load(&vcpu->requests), VCPU_REQUEST_WAKE);
	assert_int_equal(call(99, 0, 0, 0, 0), (uint32_t)-1000);
}

static void test_yield(void **state)
{
	(void)state;
	assert_int_equal(call(11, 0, 0, 0, 0), 0);
	assert_int_equal(atomic_load(&vcpu->requests), VCPU_REQUEST_YIELD);
}

static void test_unknown_and_unprivileged_calls(void **state)
{
	(void)state;
	assert_int_equal(call(0, 0, 0, 0, 0), -1000);
	assert_int_equal(call(UINT64_MAX, 0, 0, 0, 0), -1000);
	fake_vcpu_set_mode(vcpu, 8, 3);
	assert_int_equal(call(11, 0, 0, 0, 0), -1);
	assert_int_equal(atomic_load(&vcpu->requests), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_features, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_goes_on_where_the_tsc_moved, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_refused_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wall_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steal_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kick, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_ipis, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_of_32_bit_code, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yield, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_and_unprivileged_calls, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
