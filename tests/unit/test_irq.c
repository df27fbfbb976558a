/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/irq.c. How messages reach local APICs is in test_lapic_ipi.c. */
#include "irq_fixture.h"

static struct irq_message last;
static unsigned messages;

static void deliver(struct vm *vm, const struct irq_message *message)
{
	assert_ptr_equal(vm, &fixture.vm);
	last = *message;
	messages++;
}

static const struct intc_ops recording_intc = {.deliver = deliver};

static void set_line(void *chip, unsigned gsi, bool level)
{
	uint32_t *lines = chip;

	*lines = (*lines & ~(1u << gsi)) | (uint32_t)level << gsi;
}

static const struct irq_chip_ops recording_chip = {.set_line = set_line};

static int setup(void **state)
{
	(void)state;
	fixture_create(1);
	fixture.vm.irqs.intc = &recording_intc;
	messages = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return fixture_destroy();
}

static void lines_reach_all_chips(void **state)
{
	uint32_t a = 0, b = 0;

	(void)state;
	vm_irq_set(&fixture.vm, 3, true);
	vm_irq_add_chip(&fixture.vm, &recording_chip, &a);
	vm_irq_add_chip(&fixture.vm, &recording_chip, &b);
	vm_irq_set(&fixture.vm, 5, true);
	vm_irq_set(&fixture.vm, VM_GSIS - 1, true);
	assert_int_equal(a, 1 << 5 | 1 << (VM_GSIS - 1));
	assert_int_equal(b, a);
	vm_irq_set(&fixture.vm, 5, false);
	assert_int_equal(a, 1 << (VM_GSIS - 1));
}

static jmp_buf panicked;

static void on_panic(const char *message)
{
	(void)message;
	longjmp(panicked, 1);
}

static void a_third_chip_is_a_mistake(void **state)
{
	uint32_t lines = 0;
	volatile int added = 0;

	(void)state;
	fake_platform_on_panic(on_panic);
	if (setjmp(panicked) == 0) {
		for (; added < 3; added++)
			vm_irq_add_chip(&fixture.vm, &recording_chip, &lines);
	}
	assert_int_equal(added, 2);
	fake_platform_on_panic(NULL);
}

static void messages_are_decoded(void **state)
{
	(void)state;
	vm_irq_msi(&fixture.vm, 0xfee12000, 0xffffc051);
	assert_int_equal(messages, 1);
	assert_int_equal(last.destination, 0x12);
	assert_false(last.logical);
	assert_int_equal(last.delivery_mode, 0);
	assert_int_equal(last.vector, 0x51);
	assert_true(last.level);
	vm_irq_msi(&fixture.vm, 0xfeeff004, 0x0461);
	assert_int_equal(last.destination, UINT32_MAX);
	assert_true(last.logical);
	assert_int_equal(last.delivery_mode, 4);
	assert_false(last.level);
	/* The hint turns fixed into lowest priority, and only for logical destinations. */
	vm_irq_msi(&fixture.vm, 0xfee0300c, 0x0061);
	assert_int_equal(last.delivery_mode, 1);
	vm_irq_msi(&fixture.vm, 0xfee03008, 0x0061);
	assert_int_equal(last.delivery_mode, 0);
}

static void other_addresses_are_no_interrupts(void **state)
{
	(void)state;
	vm_irq_msi(&fixture.vm, 0, 0x51);
	vm_irq_msi(&fixture.vm, 0xfec00000, 0x51);
	vm_irq_msi(&fixture.vm, 0xfef00000, 0x51);
	vm_irq_msi(&fixture.vm, 0x1fee00000, 0x51);
	assert_int_equal(messages, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_reach_all_chips, setup, teardown),
		cmocka_unit_test_setup_teardown(a_third_chip_is_a_mistake, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_are_decoded, setup, teardown),
		cmocka_unit_test_setup_teardown(other_addresses_are_no_interrupts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
