/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/lapic.c and lapic_deliver.c: registers, modes, priorities. */
#include "lapic_fixture.h"

#include "fake_heap.h"

static void set_cr8(unsigned vcpu, uint64_t value)
{
	fixture.regs[vcpu][REG_CR8] = value;
}

/* ---- registers ---- */

static void starts_as_the_manual_says(void **state)
{
	(void)state;
	fixture_create(2);
	fixture_add(&lapic_vdev);
	assert_int_equal(apic_read(0, LAPIC_ID), 0);
	assert_int_equal(apic_read(1, LAPIC_ID), 0x01000000);
	assert_int_equal(apic_read(0, LAPIC_VERSION), 0x00050014);
	assert_int_equal(apic_read(0, LAPIC_SVR), 0xff);
	assert_int_equal(apic_read(0, LAPIC_DFR), 0xffffffff);
	assert_int_equal(apic_read(0, LAPIC_LDR), 0);
	assert_int_equal(apic_read(0, LAPIC_TPR), 0);
	assert_int_equal(apic_read(0, LAPIC_LVT_TIMER), LAPIC_LVT_MASKED);
	assert_int_equal(apic_read(0, LAPIC_LVT_LINT0), 0x700);
	assert_int_equal(apic_read(1, LAPIC_LVT_LINT0), LAPIC_LVT_MASKED);
	assert_int_equal(msr_read(0, MSR_APIC_BASE), BASE_XAPIC | APIC_BASE_BSP);
	assert_int_equal(msr_read(1, MSR_APIC_BASE), BASE_XAPIC);
}

static void keeps_only_writable_bits(void **state)
{
	static const struct {
		unsigned reg;
		uint32_t reads;
	} expected[] = {
		{LAPIC_ID, 0},
		{LAPIC_VERSION, 0x00050014},
		{LAPIC_TPR, 0xff},
		{LAPIC_LDR, 0xff000000},
		{LAPIC_DFR, 0xffffffff},
		{LAPIC_ICR_HIGH, 0xff000000},
		{LAPIC_LVT_TIMER, 0x700ff},
		{LAPIC_LVT_THERMAL, 0x107ff},
		{LAPIC_LVT_PERF, 0x107ff},
		{LAPIC_LVT_LINT0, 0x1a7ff},
		{LAPIC_LVT_LINT1, 0x1a7ff},
		{LAPIC_LVT_ERROR, 0x100ff},
		{LAPIC_TIMER_DIVIDE, 0xb},
		{LAPIC_SVR, 0x1ff},
	};

	(void)state;
	apics_create(1, false);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		apic_write(0, expected[i].reg, 0xffffffff);
		assert_int_equal(apic_read(0, expected[i].reg), expected[i].reads);
	}
}

static void takes_words_only(void **state)
{
	struct vcpu *vcpu = &fixture.vcpus[0];
	uint64_t tpr = APIC_DEFAULT_BASE + LAPIC_TPR * 16;

	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_TPR, 0x35);
	bus_write(&fixture.vm.mmio, vcpu, tpr, 1, 0x99);
	bus_write(&fixture.vm.mmio, vcpu, tpr + 4, 4, 0x99);
	assert_int_equal(bus_read(&fixture.vm.mmio, vcpu, tpr, 1), 0x35);
	assert_int_equal(bus_read(&fixture.vm.mmio, vcpu, tpr, 8), 0x35);
	assert_int_equal(bus_read(&fixture.vm.mmio, vcpu, tpr + 4, 4), 0);
	assert_int_equal(bus_read(&fixture.vm.mmio, vcpu, tpr - 0x80 + 0x80 + 1, 1), 0);
	assert_int_equal(bus_read(&fixture.vm.mmio, vcpu, APIC_DEFAULT_BASE + 0x32, 2), 0x0005);
}

static void reports_illegal_registers(void **state)
{
	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_LVT_ERROR, 0x44);
	assert_int_equal(apic_read(0, 0x3a), 0);
	assert_int_equal(fixture_take(0), 0x44);
	/* The register shows errors when it is written, those since the write before. */
	assert_int_equal(apic_read(0, LAPIC_ESR), 0);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), LAPIC_ESR_ILLEGAL_REGISTER);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), 0);
	apic_write(0, 0xff, 1);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), LAPIC_ESR_ILLEGAL_REGISTER);
	/* Read-only registers are no error. */
	apic_write(0, LAPIC_VERSION, 0);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), 0);
}

static void software_disable_masks_and_takes_nothing(void **state)
{
	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_LVT_ERROR, 0x44);
	apic_write(0, LAPIC_ICR_LOW, 0x40050); /* self */
	apic_write(0, LAPIC_SVR, 0xff);
	assert_int_equal(apic_read(0, LAPIC_LVT_ERROR), 0x10044);
	apic_write(0, LAPIC_LVT_ERROR, 0x44);
	assert_int_equal(apic_read(0, LAPIC_LVT_ERROR), 0x10044);
	/* What was requested stays, what comes is dropped. */
	apic_write(0, LAPIC_ICR_LOW, 0x40060);
	assert_int_equal(fixture_take(0), 0x50);
	assert_int_equal(fixture_pending(0), -1);
}

/* ---- modes ---- */

static void changes_modes_as_allowed(void **state)
{
	(void)state;
	fixture_create(1);
	fixture_add(&lapic_vdev);
	/* From xAPIC: other addresses, reserved bits and X2APIC alone fault. */
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC + 0x1000), -EACCES);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC | 1), -EACCES);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC | 1ull << 40), -EACCES);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, APIC_DEFAULT_BASE | APIC_BASE_X2APIC),
			 -EACCES);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	/* Off to x2APIC is not allowed, only through xAPIC. */
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_X2APIC), -EACCES);
	assert_int_equal(msr_read(0, MSR_APIC_BASE), APIC_DEFAULT_BASE);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC), 0);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_X2APIC), 0);
	/* And not back. */
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC), -EACCES);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_X2APIC), 0);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	assert_int_equal(msr_write(0, 0x12345, 0), -EACCES);
}

static void disabling_forgets_the_registers(void **state)
{
	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_LDR, 0x01000000);
	apic_write(0, LAPIC_ICR_LOW, 0x40050);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	assert_int_equal(apic_read(0, LAPIC_LDR), 0xffffffff);
	assert_int_equal(fixture_pending(0), -1);
	assert_int_equal(msr_write(0, MSR_APIC_BASE, BASE_XAPIC), 0);
	assert_int_equal(apic_read(0, LAPIC_LDR), 0);
	assert_int_equal(apic_read(0, LAPIC_SVR), 0xff);
}

static void has_registers_in_msrs_in_x2apic_mode_alone(void **state)
{
	uint64_t value;

	(void)state;
	apics_create(20, false);
	assert_int_equal(x2_write(19, LAPIC_TPR, 0), -EACCES);
	assert_int_equal(
		lapic_intc.msr_read(&fixture.vcpus[19], MSR_X2APIC_FIRST + LAPIC_ID, &value),
		-EACCES);
	assert_int_equal(msr_write(19, MSR_APIC_BASE, BASE_X2APIC), 0);
	assert_int_equal(x2_read(19, LAPIC_ID), 19);
	assert_int_equal(x2_read(19, LAPIC_LDR), 0x00010008);
	/* MMIO is gone. */
	assert_int_equal(apic_read(19, LAPIC_VERSION), 0xffffffff);
	apic_write(19, LAPIC_TPR, 0x50);
	assert_int_equal(x2_read(19, LAPIC_TPR), 0);
}

static void faults_on_reserved_bits_in_x2apic_mode(void **state)
{
	static const struct {
		unsigned reg;
		uint64_t value;
	} bad[] = {
		{LAPIC_ID, 0},
		{LAPIC_VERSION, 0},
		{LAPIC_TPR, 0x100},
		{LAPIC_PPR, 0},
		{LAPIC_EOI, 1},
		{LAPIC_EOI, 1ull << 32},
		{LAPIC_LDR, 0},
		{LAPIC_DFR, 0},
		{LAPIC_SVR, 0x200},
		{LAPIC_IRR, 0},
		{LAPIC_ESR, 1},
		{LAPIC_ICR_LOW, 1 << 13},
		{LAPIC_ICR_LOW, 1 << 20},
		{LAPIC_ICR_HIGH, 0},
		{LAPIC_LVT_TIMER, 1 << 8},
		{LAPIC_LVT_ERROR, 1 << 17},
		{LAPIC_SELF_IPI, 256},
		{LAPIC_TIMER_CURRENT, 0},
		{LAPIC_TIMER_DIVIDE, 4},
		{0x2f, 0},
		{0x40, 0},
		{0xff, 0},
		{LAPIC_TIMER_INITIAL, 1ull << 32},
	};
	static const unsigned unreadable[] = {LAPIC_EOI,      LAPIC_DFR,      LAPIC_APR, 0,
					      LAPIC_ICR_HIGH, LAPIC_SELF_IPI, 0x2f,	 0x40};
	uint64_t value;

	(void)state;
	apics_create(1, true);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(x2_write(0, bad[i].reg, bad[i].value), -EACCES);
	for (unsigned i = 0; i < ARRAY_SIZE(unreadable); i++)
		assert_int_equal(lapic_intc.msr_read(&fixture.vcpus[0],
						     MSR_X2APIC_FIRST + unreadable[i], &value),
				 -EACCES);
	assert_int_equal(x2_write(0, LAPIC_ESR, 0), 0);
	assert_int_equal(x2_write(0, LAPIC_EOI, 0), 0);
	/* CPUs ignore the delivery status bit in the ICR. */
	assert_int_equal(x2_write(0, LAPIC_ICR_LOW, 0x1200041041), 0);
	assert_int_equal(x2_read(0, LAPIC_ICR_LOW), 0x1200040041);
}

static void init_keeps_the_mode(void **state)
{
	(void)state;
	apics_create(3, true);
	assert_int_equal(x2_write(2, LAPIC_TIMER_INITIAL, 1000), 0);
	assert_int_equal(x2_write(2, LAPIC_SELF_IPI, 0x77), 0);
	lapic_intc.reset(&fixture.vcpus[2], false);
	assert_int_equal(msr_read(2, MSR_APIC_BASE), BASE_X2APIC);
	assert_int_equal(x2_read(2, LAPIC_LDR), 4);
	assert_int_equal(x2_read(2, LAPIC_SVR), 0xff);
	assert_int_equal(x2_read(2, LAPIC_TIMER_INITIAL), 0);
	assert_int_equal(fixture_pending(2), -1);
	lapic_intc.reset(&fixture.vcpus[2], true);
	assert_int_equal(msr_read(2, MSR_APIC_BASE), BASE_XAPIC);
}

/* ---- priorities ---- */

static void self_ipi(uint8_t vector)
{
	apic_write(0, LAPIC_ICR_LOW, 0x40000u | vector);
}

static void delivers_the_highest_first(void **state)
{
	(void)state;
	apics_create(1, false);
	self_ipi(0x31);
	self_ipi(0xfe);
	self_ipi(0x40);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_int_equal(apic_read(0, LAPIC_IRR + 1), 1 << 0x11);
	assert_int_equal(apic_read(0, LAPIC_IRR + 7), 1 << 0x1e);
	assert_int_equal(fixture_take(0), 0xfe);
	assert_int_equal(apic_read(0, LAPIC_IRR + 7), 0);
	assert_int_equal(apic_read(0, LAPIC_ISR + 7), 1 << 0x1e);
	assert_int_equal(apic_read(0, LAPIC_PPR), 0xf0);
	assert_int_equal(fixture_pending(0), -1);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_int_equal(fixture_take(0), 0x40);
	apic_write(0, LAPIC_EOI, 0);
	fixture_requests(0);
	assert_int_equal(fixture_take(0), 0x31);
	apic_write(0, LAPIC_EOI, 0);
	/* The last EOI leaves nothing to look at. */
	assert_int_equal(fixture_requests(0), 0);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_pending(0), -1);
}

static void nests_by_class(void **state)
{
	(void)state;
	apics_create(1, false);
	self_ipi(0x45);
	assert_int_equal(fixture_take(0), 0x45);
	self_ipi(0x4f);
	assert_int_equal(fixture_pending(0), -1);
	self_ipi(0x50);
	assert_int_equal(fixture_take(0), 0x50);
	assert_int_equal(apic_read(0, LAPIC_PPR), 0x50);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(apic_read(0, LAPIC_PPR), 0x40);
	assert_int_equal(fixture_pending(0), -1);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_take(0), 0x4f);
}

static void task_priority_blocks_with_a_window(void **state)
{
	bool blocked;

	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_TPR, 0x52);
	assert_int_equal(fixture.regs[0][REG_CR8], 5);
	self_ipi(0x5f);
	assert_int_equal(lapic_intc.pending(&fixture.vcpus[0], &blocked), 0x5f);
	assert_true(blocked);
	self_ipi(0x60);
	assert_int_equal(lapic_intc.pending(&fixture.vcpus[0], &blocked), 0x60);
	assert_false(blocked);
	assert_int_equal(fixture_take(0), 0x60);
	/* In service, it blocks without a window: its EOI exits. */
	assert_int_equal(lapic_intc.pending(&fixture.vcpus[0], &blocked), -1);
	assert_false(blocked);
	apic_write(0, LAPIC_EOI, 0);
	fixture_requests(0);
	apic_write(0, LAPIC_TPR, 0x4f);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_int_equal(fixture_take(0), 0x5f);
}

static void task_priority_is_cr8(void **state)
{
	(void)state;
	apics_create(1, false);
	apic_write(0, LAPIC_TPR, 0x5a);
	assert_int_equal(apic_read(0, LAPIC_TPR), 0x5a);
	assert_int_equal(apic_read(0, LAPIC_PPR), 0x5a);
	/* The guest moved to CR8 without an exit; the low bits are then zero. */
	set_cr8(0, 9);
	assert_int_equal(apic_read(0, LAPIC_TPR), 0x90);
	set_cr8(0, 0);
	assert_int_equal(apic_read(0, LAPIC_TPR), 0);
}

static void tells_nobody_twice(void **state)
{
	(void)state;
	apics_create(1, false);
	self_ipi(0x50);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	self_ipi(0x50);
	assert_int_equal(fixture_requests(0), 0);
	assert_int_equal(fixture_take(0), 0x50);
	self_ipi(0x50);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
}

/* ---- life ---- */

static void survives_saving(void **state)
{
	struct vdev *vdev = &fixture.vm.vdevs[0];

	(void)state;
	apics_create(3, false);
	apic_write(1, LAPIC_LDR, 0x02000000);
	apic_write(1, LAPIC_LVT_TIMER, 0x20031);
	apic_write(1, LAPIC_TIMER_DIVIDE, 0xb);
	apic_write(1, LAPIC_TIMER_INITIAL, 1000000);
	apic_write(1, LAPIC_ICR_LOW, 0x40050);
	assert_int_equal(fixture_take(1), 0x50);
	apic_write(1, LAPIC_ICR_LOW, 0x40091);
	fixture_pass(300000);
	fixture_save_and_restore(vdev);
	assert_int_equal(apic_read(1, LAPIC_TIMER_CURRENT), 700000);
	assert_int_equal(fixture_take(1), 0x91);
	apic_write(1, LAPIC_EOI, 0);
	apic_write(1, LAPIC_EOI, 0);
	fixture_pass(700001);
	assert_int_equal(fixture_take(1), 0x31);
}

static void survives_nonsense_restored(void **state)
{
	static const char *const lines[] = {
		"lapic.0.base = 400",
		"lapic.0.isr = ffffffffffffffff 0 0 0",
		"lapic.0.svr = ffffffff",
		"lapic.0.timer.base_ns = ffffffffffffffff",
		"lapic.0.timer.running = ff",
		"lapic.0.timer.divide = ffffffff",
		"lapic.0.lvt = ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff",
	};
	struct vdev *vdev = &fixture.vm.vdevs[0];

	(void)state;
	apics_create(1, false);
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(vdev_restore_line(vdev, lines[i]), 0);
	vdev->type->restored(vdev);
	/* X2APIC without ENABLE is off, and then nothing is delivered. */
	assert_int_equal(msr_read(0, MSR_APIC_BASE), APIC_DEFAULT_BASE);
	self_ipi(0x50);
	assert_int_equal(fixture_pending(0), -1);
	assert_int_equal(vdev_restore_line(vdev, "lapic.1.base = 0"), -ENOENT);
}

static void survives_a_full_heap(void **state)
{
	struct vdev vdev = {.type = &lapic_vdev, .vm = fixture_create(1)};

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake_heap_fail_after(i);
		assert_int_equal(lapic_vdev.create(&vdev), -ENOMEM);
	}
	fake_heap_fail_after(-1);
	fixture_add(&lapic_vdev);
}

#define TEST(name) cmocka_unit_test_teardown(name, apics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_as_the_manual_says),
		TEST(keeps_only_writable_bits),
		TEST(takes_words_only),
		TEST(reports_illegal_registers),
		TEST(software_disable_masks_and_takes_nothing),
		TEST(changes_modes_as_allowed),
		TEST(disabling_forgets_the_registers),
		TEST(has_registers_in_msrs_in_x2apic_mode_alone),
		TEST(faults_on_reserved_bits_in_x2apic_mode),
		TEST(init_keeps_the_mode),
		TEST(delivers_the_highest_first),
		TEST(nests_by_class),
		TEST(task_priority_blocks_with_a_window),
		TEST(task_priority_is_cr8),
		TEST(tells_nobody_twice),
		TEST(survives_saving),
		TEST(survives_nonsense_restored),
		TEST(survives_a_full_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
