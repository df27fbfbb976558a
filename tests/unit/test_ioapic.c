/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/ioapic.c with local APICs behind it. */
#include "guest/dev/ioapic.h"

#include "lapic_fixture.h"

#define LEVEL	(1u << 15)
#define MASKED	(1u << 16)
#define LOGICAL (1u << 11)
#define REMOTE	(1u << 14)

static struct vdev *ioapic_create(unsigned vcpus)
{
	apics_create(vcpus, false);
	return fixture_add(&ioapic_vdev);
}

static uint32_t reg_read(unsigned reg)
{
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE, reg);
	return fixture_mmio_read(0, IOAPIC_DEFAULT_BASE + 0x10);
}

static void reg_write(unsigned reg, uint32_t value)
{
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE, reg);
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE + 0x10, value);
}

static void set_entry(unsigned pin, uint32_t destination, uint32_t low)
{
	reg_write(0x10 + pin * 2 + 1, destination << 24);
	reg_write(0x10 + pin * 2, low);
}

static uint32_t entry(unsigned pin)
{
	return reg_read(0x10 + pin * 2);
}

static void pulse(unsigned gsi)
{
	vm_irq_set(&fixture.vm, gsi, true);
	vm_irq_set(&fixture.vm, gsi, false);
}

static void has_the_registers_of_a_pc(void **state)
{
	(void)state;
	ioapic_create(1);
	assert_int_equal(reg_read(0), 0);
	reg_write(0, 0xffffffff);
	assert_int_equal(reg_read(0), 0x0f000000);
	assert_int_equal(reg_read(2), 0x0f000000);
	assert_int_equal(reg_read(1), 0x00170020);
	reg_write(1, 0);
	assert_int_equal(reg_read(1), 0x00170020);
	for (unsigned pin = 0; pin < 24; pin++) {
		assert_int_equal(entry(pin), MASKED);
		set_entry(pin, 0xff, 0xffffffff);
		assert_int_equal(entry(pin), 0x1afff);
		assert_int_equal(reg_read(0x11 + pin * 2), 0xff000000);
	}
	assert_int_equal(reg_read(0x40), 0xffffffff);
	assert_int_equal(reg_read(0x0f), 0xffffffff);
	reg_write(0x40, 0);
	reg_write(0xff, 0);
	assert_int_equal(fixture_mmio_read(0, IOAPIC_DEFAULT_BASE), 0xff);
	assert_int_equal(fixture_mmio_read(0, IOAPIC_DEFAULT_BASE + 0x20), 0);
	/* Half a window write does nothing. */
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE, 0x10);
	bus_write(&fixture.vm.mmio, &fixture.vcpus[0], IOAPIC_DEFAULT_BASE + 0x10, 2, 0);
	assert_int_equal(entry(0), 0x1afff);
}

static void sends_edges(void **state)
{
	(void)state;
	ioapic_create(2);
	set_entry(4, 1, 0x51);
	vm_irq_set(&fixture.vm, 4, true);
	assert_int_equal(fixture_pending(0), -1);
	assert_int_equal(fixture_take(1), 0x51);
	apic_write(1, LAPIC_EOI, 0);
	/* A line that stays up, or is raised again, is no edge. */
	vm_irq_set(&fixture.vm, 4, true);
	assert_int_equal(fixture_pending(1), -1);
	vm_irq_set(&fixture.vm, 4, false);
	assert_int_equal(fixture_pending(1), -1);
	pulse(4);
	assert_int_equal(fixture_take(1), 0x51);
}

static void forgets_edges_while_masked(void **state)
{
	(void)state;
	ioapic_create(1);
	set_entry(4, 0, MASKED | 0x51);
	pulse(4);
	vm_irq_set(&fixture.vm, 4, true);
	set_entry(4, 0, 0x51);
	assert_int_equal(fixture_pending(0), -1);
}

static void repeats_levels_until_they_fall(void **state)
{
	(void)state;
	ioapic_create(1);
	set_entry(10, 0, LEVEL | 0x52);
	vm_irq_set(&fixture.vm, 10, true);
	assert_int_equal(entry(10), LEVEL | REMOTE | 0x52);
	assert_int_equal(fixture_take(0), 0x52);
	/* In service; other devices on the line change nothing. */
	vm_irq_set(&fixture.vm, 10, true);
	assert_int_equal(fixture_pending(0), -1);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_take(0), 0x52);
	vm_irq_set(&fixture.vm, 10, false);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(entry(10), LEVEL | 0x52);
	assert_int_equal(fixture_pending(0), -1);
	vm_irq_set(&fixture.vm, 10, true);
	assert_int_equal(fixture_take(0), 0x52);
}

static void sends_a_level_when_unmasked(void **state)
{
	(void)state;
	ioapic_create(1);
	set_entry(10, 0, LEVEL | MASKED | 0x52);
	vm_irq_set(&fixture.vm, 10, true);
	assert_int_equal(fixture_pending(0), -1);
	set_entry(10, 0, LEVEL | 0x52);
	assert_int_equal(fixture_take(0), 0x52);
	/* Masked while in service: the EOI ends it, and unmasking sends it again. */
	set_entry(10, 0, LEVEL | MASKED | 0x52);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_pending(0), -1);
	assert_int_equal(entry(10), LEVEL | MASKED | 0x52);
	set_entry(10, 0, LEVEL | 0x52);
	assert_int_equal(fixture_take(0), 0x52);
}

static void has_two_ways_to_end_a_level_by_hand(void **state)
{
	(void)state;
	ioapic_create(1);
	set_entry(10, 0, LEVEL | 0x52);
	vm_irq_set(&fixture.vm, 10, true);
	vm_irq_set(&fixture.vm, 10, false);
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE + 0x40, 0x53);
	assert_int_equal(entry(10), LEVEL | REMOTE | 0x52);
	fixture_mmio_write(0, IOAPIC_DEFAULT_BASE + 0x40, 0x52);
	assert_int_equal(entry(10), LEVEL | 0x52);
	vm_irq_set(&fixture.vm, 10, true);
	vm_irq_set(&fixture.vm, 10, false);
	assert_int_equal(entry(10), LEVEL | REMOTE | 0x52);
	/* Edge for a moment. */
	set_entry(10, 0, MASKED | 0x52);
	set_entry(10, 0, LEVEL | 0x52);
	assert_int_equal(entry(10), LEVEL | 0x52);
}

static void obeys_destination_and_mode(void **state)
{
	(void)state;
	ioapic_create(4);
	for (unsigned i = 0; i < 4; i++)
		apic_write(i, LAPIC_LDR, 1u << (24 + i));
	set_entry(5, 0x0c, LOGICAL | 0x61);
	pulse(5);
	assert_int_equal(fixture_take(2), 0x61);
	assert_int_equal(fixture_take(3), 0x61);
	assert_int_equal(fixture_pending(0), -1);
	set_entry(6, 0xff, 0x62);
	pulse(6);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fixture_take(i), i < 2 ? 0x62 : -1);
	/* An NMI has no EOI, so that a level-triggered one is an edge. */
	set_entry(7, 1, LEVEL | 0x400);
	fixture_requests(1);
	pulse(7);
	assert_int_equal(fixture_requests(1), VCPU_REQUEST_NMI);
	assert_int_equal(entry(7), LEVEL | 0x400);
}

static void lines_share_a_vector(void **state)
{
	(void)state;
	ioapic_create(1);
	set_entry(10, 0, LEVEL | 0x52);
	set_entry(11, 0, LEVEL | 0x52);
	vm_irq_set(&fixture.vm, 10, true);
	vm_irq_set(&fixture.vm, 11, true);
	assert_int_equal(fixture_take(0), 0x52);
	vm_irq_set(&fixture.vm, 10, false);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(entry(10), LEVEL | 0x52);
	assert_int_equal(entry(11), LEVEL | REMOTE | 0x52);
	assert_int_equal(fixture_take(0), 0x52);
}

static void survives_saving(void **state)
{
	struct vdev *vdev = ioapic_create(1);

	(void)state;
	set_entry(10, 0, LEVEL | 0x52);
	set_entry(3, 1, MASKED | 0x33);
	vm_irq_set(&fixture.vm, 10, true);
	assert_int_equal(fixture_take(0), 0x52);
	fixture_save_and_restore(vdev);
	apic_write(0, LAPIC_EOI, 0);
	assert_int_equal(fixture_take(0), 0x52);
	assert_int_equal(vdev_restore_line(vdev, "ioapic.lines = ffffffff"), 0);
	vdev->type->restored(vdev);
	vm_irq_set(&fixture.vm, 23, false);
}

#define TEST(name) cmocka_unit_test_teardown(name, apics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_the_registers_of_a_pc),
		TEST(sends_edges),
		TEST(forgets_edges_while_masked),
		TEST(repeats_levels_until_they_fall),
		TEST(sends_a_level_when_unmasked),
		TEST(has_two_ways_to_end_a_level_by_hand),
		TEST(obeys_destination_and_mode),
		TEST(lines_share_a_vector),
		TEST(survives_saving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
