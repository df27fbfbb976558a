/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/pic.c, and of how a local APIC takes its output. */
#include "guest/dev/pic.h"

#include "lapic_fixture.h"

#define MASTER 0x20
#define SLAVE  0xa0
#define ELCR   0x4d0

static struct pic *pic(void)
{
	return fixture.vm.irqs.pic;
}

/* As Linux sets them up: vectors 0x30 and 0x38, no automatic EOI; nothing masked. */
static void initialise(uint8_t icw4)
{
	fixture_out(MASTER, 0x11);
	fixture_out(MASTER + 1, 0x30);
	fixture_out(MASTER + 1, 0x04);
	fixture_out(MASTER + 1, icw4);
	fixture_out(SLAVE, 0x11);
	fixture_out(SLAVE + 1, 0x38);
	fixture_out(SLAVE + 1, 0x02);
	fixture_out(SLAVE + 1, icw4);
	fixture_out(MASTER + 1, 0);
	fixture_out(SLAVE + 1, 0);
}

static struct vdev *pic_create(uint8_t icw4)
{
	struct vdev *vdev;

	apics_create(2, false);
	/* The boot APIC as firmware leaves it; software-enabling did not change LINT0. */
	vdev = fixture_add(&pic_vdev);
	initialise(icw4);
	return vdev;
}

static void line(unsigned irq, bool level)
{
	vm_irq_set(&fixture.vm, irq == 0 ? VM_GSI_PIT : irq, level);
}

static void pulse(unsigned irq)
{
	line(irq, true);
	line(irq, false);
}

static void takes_edges(void **state)
{
	(void)state;
	pic_create(1);
	assert_int_equal(pic_peek(pic()), -1);
	line(4, true);
	assert_true(fixture.vm.irqs.extint);
	assert_int_equal(pic_peek(pic()), 0x34);
	assert_int_equal(fixture_in(MASTER), 0x10);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
	assert_false(fixture.vm.irqs.extint);
	assert_int_equal(fixture_in(MASTER), 0);
	fixture_out(MASTER, 0x0b);
	assert_int_equal(fixture_in(MASTER), 0x10);
	/* The line is still up: no second interrupt, nor after the EOI. */
	fixture_out(MASTER, 0x20);
	assert_int_equal(fixture_in(MASTER), 0);
	assert_int_equal(pic_peek(pic()), -1);
	line(4, false);
	pulse(4);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
}

static void the_8254_is_irq0(void **state)
{
	(void)state;
	pic_create(1);
	vm_irq_set(&fixture.vm, 0, true);
	vm_irq_set(&fixture.vm, 16, true);
	assert_int_equal(pic_peek(pic()), -1);
	vm_irq_set(&fixture.vm, VM_GSI_PIT, true);
	assert_int_equal(pic_acknowledge(pic()), 0x30);
}

static void masks(void **state)
{
	(void)state;
	pic_create(1);
	fixture_out(MASTER + 1, 0x10);
	assert_int_equal(fixture_in(MASTER + 1), 0x10);
	pulse(4);
	assert_int_equal(pic_peek(pic()), -1);
	fixture_out(MASTER + 1, 0);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
}

static void nests_by_priority(void **state)
{
	(void)state;
	pic_create(1);
	pulse(4);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
	pulse(5);
	assert_int_equal(pic_peek(pic()), -1);
	pulse(3);
	assert_int_equal(pic_acknowledge(pic()), 0x33);
	fixture_out(MASTER, 0x20);
	assert_int_equal(pic_peek(pic()), -1);
	fixture_out(MASTER, 0x64); /* specific EOI of 4 */
	assert_int_equal(pic_acknowledge(pic()), 0x35);
}

static void cascades(void **state)
{
	(void)state;
	pic_create(1);
	line(8, true);
	line(12, true);
	assert_int_equal(pic_peek(pic()), 0x38);
	assert_int_equal(pic_acknowledge(pic()), 0x38);
	/* The slave serves one; its other request waits, in the master too. */
	assert_int_equal(pic_peek(pic()), -1);
	fixture_out(SLAVE, 0x20);
	fixture_out(MASTER, 0x20);
	assert_int_equal(pic_peek(pic()), 0x3c);
	assert_int_equal(pic_acknowledge(pic()), 0x3c);
	/* Inputs 3 to 7 of the master are below the slave's. */
	pulse(4);
	assert_int_equal(pic_peek(pic()), -1);
	pulse(1);
	assert_int_equal(pic_peek(pic()), 0x31);
}

static void special_fully_nested_lets_the_slave_nest(void **state)
{
	(void)state;
	pic_create(0x11);
	pulse(12);
	assert_int_equal(pic_acknowledge(pic()), 0x3c);
	pulse(8);
	assert_int_equal(pic_acknowledge(pic()), 0x38);
}

static void reports_spurious_interrupts(void **state)
{
	(void)state;
	pic_create(1);
	/* The request goes between output and acknowledge. */
	pulse(4);
	fixture_out(MASTER + 1, 0xff);
	assert_int_equal(pic_acknowledge(pic()), 0x37);
	fixture_out(MASTER, 0x0b);
	assert_int_equal(fixture_in(MASTER), 0);
	fixture_out(MASTER + 1, 0);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
	fixture_out(MASTER, 0x20);
	/* The slave's: the master has it in service. */
	pulse(12);
	fixture_out(SLAVE + 1, 0xff);
	assert_int_equal(pic_peek(pic()), 0x3f);
	assert_int_equal(pic_acknowledge(pic()), 0x3f);
	assert_int_equal(fixture_in(MASTER), 0x04);
	fixture_out(SLAVE, 0x0b);
	assert_int_equal(fixture_in(SLAVE), 0);
}

static void takes_levels_where_elcr_says(void **state)
{
	(void)state;
	pic_create(1);
	fixture_out(ELCR, 0xff);
	fixture_out(ELCR + 1, 0xff);
	assert_int_equal(fixture_in(ELCR), 0xf8);
	assert_int_equal(fixture_in(ELCR + 1), 0xde);
	line(10, true);
	assert_int_equal(pic_acknowledge(pic()), 0x3a);
	fixture_out(SLAVE, 0x20);
	fixture_out(MASTER, 0x20);
	assert_int_equal(pic_acknowledge(pic()), 0x3a);
	line(10, false);
	fixture_out(SLAVE, 0x20);
	fixture_out(MASTER, 0x20);
	assert_int_equal(pic_peek(pic()), -1);
	/* A level that falls before it is taken is gone from the slave. */
	line(5, true);
	assert_int_equal(pic_peek(pic()), 0x35);
	line(5, false);
	assert_int_equal(pic_peek(pic()), -1);
}

static void ends_by_itself(void **state)
{
	(void)state;
	pic_create(3);
	fixture_out(MASTER, 0x80); /* and rotates */
	pulse(4);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
	fixture_out(MASTER, 0x0b);
	assert_int_equal(fixture_in(MASTER), 0);
	/* 4 has lowest priority now, so 5 highest. */
	line(4, true);
	line(5, true);
	assert_int_equal(pic_acknowledge(pic()), 0x35);
	fixture_out(MASTER, 0x00);
	assert_int_equal(pic_acknowledge(pic()), 0x34);
	/* The slave's second request is a new edge for the master. */
	line(8, true);
	line(12, true);
	assert_int_equal(pic_acknowledge(pic()), 0x38);
	assert_int_equal(pic_acknowledge(pic()), 0x3c);
	assert_int_equal(pic_peek(pic()), -1);
}

static void rotates_priorities(void **state)
{
	(void)state;
	pic_create(1);
	fixture_out(MASTER, 0xc3); /* 3 lowest: 4 highest */
	pulse(0);
	pulse(3);
	pulse(6);
	assert_int_equal(pic_acknowledge(pic()), 0x36);
	fixture_out(MASTER, 0xa0); /* EOI, and 6 is lowest */
	pulse(6);
	assert_int_equal(pic_acknowledge(pic()), 0x30);
	fixture_out(MASTER, 0xe0); /* EOI of 0, which is lowest */
	assert_int_equal(pic_acknowledge(pic()), 0x33);
}

static void special_mask_mode_lets_lower_ones_in(void **state)
{
	(void)state;
	pic_create(1);
	pulse(3);
	assert_int_equal(pic_acknowledge(pic()), 0x33);
	pulse(6);
	fixture_out(MASTER + 1, 0x08);
	assert_int_equal(pic_peek(pic()), -1);
	fixture_out(MASTER, 0x68);
	assert_int_equal(pic_acknowledge(pic()), 0x36);
	/* A non-specific EOI passes over what is masked. */
	fixture_out(MASTER, 0x20);
	fixture_out(MASTER, 0x0b);
	assert_int_equal(fixture_in(MASTER), 0x08);
	fixture_out(MASTER, 0x48);
	assert_int_equal(pic_peek(pic()), -1);
}

static void answers_polls(void **state)
{
	(void)state;
	pic_create(1);
	fixture_out(MASTER, 0x0c);
	assert_int_equal(fixture_in(MASTER), 0);
	pulse(4);
	fixture_out(MASTER, 0x0c);
	assert_int_equal(fixture_in(MASTER), 0x84);
	assert_false(fixture.vm.irqs.extint);
	/* One read; then the register again. */
	assert_int_equal(fixture_in(MASTER), 0);
	fixture_out(MASTER, 0x20);
	line(12, true);
	fixture_out(SLAVE, 0x0c);
	assert_int_equal(fixture_in(SLAVE), 0x84);
	assert_int_equal(pic_acknowledge(pic()), 0x3f);
}

static void initialisation_forgets(void **state)
{
	(void)state;
	pic_create(1);
	pulse(1);
	pulse(4);
	assert_int_equal(pic_acknowledge(pic()), 0x31);
	fixture_out(MASTER + 1, 0xf0);
	line(5, true);
	initialise(1);
	fixture_out(MASTER, 0x0b);
	assert_int_equal(fixture_in(MASTER), 0);
	assert_int_equal(fixture_in(MASTER + 1), 0);
	/* Lines have to rise anew. */
	assert_int_equal(pic_peek(pic()), -1);
	line(5, false);
	line(5, true);
	assert_int_equal(pic_acknowledge(pic()), 0x35);
	/* Single mode has no ICW3, and without ICW4 the mask is next. */
	fixture_out(MASTER, 0x12);
	fixture_out(MASTER + 1, 0x48);
	fixture_out(MASTER + 1, 0xfe);
	assert_int_equal(fixture_in(MASTER + 1), 0xfe);
	pulse(0);
	assert_int_equal(pic_acknowledge(pic()), 0x48);
}

static void starts_masked(void **state)
{
	(void)state;
	fixture_create(1);
	fixture_add(&lapic_vdev);
	fixture_add(&pic_vdev);
	assert_int_equal(fixture_in(MASTER + 1), 0xff);
	pulse(4);
	assert_int_equal(pic_peek(pic()), -1);
}

/* ---- with the local APIC ---- */

static void reaches_the_boot_cpu_through_lint0(void **state)
{
	(void)state;
	pic_create(1);
	fixture_requests(0);
	line(4, true);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_int_equal(fixture_requests(1), 0);
	assert_int_equal(fixture_pending(1), -1);
	/* Whatever the task priority. */
	fixture.regs[0][REG_CR8] = 15;
	assert_int_equal(fixture_take(0), 0x34);
	assert_int_equal(fixture_pending(0), -1);
	/* It is not the APIC's: an EOI there does nothing. */
	apic_write(0, LAPIC_EOI, 0);
	fixture_out(MASTER, 0x20);
	apic_write(0, LAPIC_LVT_LINT0, 0x10700);
	pulse(5);
	assert_int_equal(fixture_pending(0), -1);
	apic_write(0, LAPIC_LVT_LINT0, 0x700);
	assert_int_equal(fixture_requests(0), VCPU_REQUEST_EVENT);
	assert_int_equal(fixture_take(0), 0x35);
	fixture_out(MASTER, 0x20);
	/* With the APIC off, the boot CPU has an INTR pin. */
	assert_int_equal(msr_write(0, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	assert_int_equal(msr_write(1, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	pulse(6);
	assert_int_equal(fixture_pending(1), -1);
	assert_int_equal(fixture_take(0), 0x36);
}

static void reaches_a_cpu_by_message(void **state)
{
	(void)state;
	pic_create(1);
	apic_write(0, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	line(4, true);
	assert_int_equal(fixture_pending(1), -1);
	vm_irq_msi(&fixture.vm, 0xfee01000, 0x0700);
	assert_int_equal(fixture_take(1), 0x34);
	assert_int_equal(fixture_pending(1), -1);
}

static void survives_saving(void **state)
{
	struct vdev *vdev = pic_create(1);

	(void)state;
	pulse(3);
	assert_int_equal(pic_acknowledge(pic()), 0x33);
	fixture_out(ELCR + 1, 0x04);
	fixture_out(MASTER, 0xc1);
	line(10, true);
	fixture_out(MASTER, 0x11); /* in the middle of initialisation */
	fixture_out(MASTER + 1, 0x50);
	fixture_save_and_restore(vdev);
	fixture_out(MASTER + 1, 0x04);
	fixture_out(MASTER + 1, 0x01);
	/* The slave's output stayed up meanwhile; its next request makes an edge. */
	fixture_out(SLAVE + 1, 0xff);
	fixture_out(SLAVE + 1, 0x00);
	assert_int_equal(pic_acknowledge(pic()), 0x3a);
	pulse(5);
	fixture_out(MASTER, 0x20);
	assert_int_equal(pic_acknowledge(pic()), 0x55);
}

#define TEST(name) cmocka_unit_test_teardown(name, apics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_edges),
		TEST(the_8254_is_irq0),
		TEST(masks),
		TEST(nests_by_priority),
		TEST(cascades),
		TEST(special_fully_nested_lets_the_slave_nest),
		TEST(reports_spurious_interrupts),
		TEST(takes_levels_where_elcr_says),
		TEST(ends_by_itself),
		TEST(rotates_priorities),
		TEST(special_mask_mode_lets_lower_ones_in),
		TEST(answers_polls),
		TEST(initialisation_forgets),
		TEST(starts_masked),
		TEST(reaches_the_boot_cpu_through_lint0),
		TEST(reaches_a_cpu_by_message),
		TEST(survives_saving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
