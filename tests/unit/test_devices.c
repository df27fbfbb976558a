/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/devices.c: a PC's devices are all there, fit together and go again. */
#include "guest/dev/devices.h"

#include "fake_heap.h"
#include "irq_fixture.h"

static int setup(void **state)
{
	(void)state;
	fixture_create(2);
	return vm_console_init(&fixture.vm.console);
}

static int teardown(void **state)
{
	(void)state;
	devices_destroy(&fixture.vm);
	vm_console_destroy(&fixture.vm.console);
	return fixture_destroy();
}

static void makes_a_pc(void **state)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x61, 0x4d0, 0x4d1};
	struct vm *vm = &fixture.vm;

	(void)state;
	assert_int_equal(devices_create(vm), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		assert_non_null(bus_find(&vm->ports, ports[i]));
	assert_non_null(bus_find(&vm->mmio, 0xfee00000));
	assert_non_null(bus_find(&vm->mmio, 0xfec00000));
	assert_non_null(vm->irqs.intc);
	assert_int_equal(vm->irqs.chip_count, 2);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		assert_non_null(vm->vcpus[i]->lapic);
}

static void ignore_line(void *context, const char *line)
{
	(void)context;
	assert_non_null(line);
}

static void all_can_be_reset_and_saved(void **state)
{
	struct vm *vm = &fixture.vm;

	(void)state;
	assert_int_equal(devices_create(vm), 0);
	fixture_pass(1000000);
	devices_reset(vm);
	for (unsigned i = 0; i < vm->vdev_count; i++) {
		/* Names are what a saved state goes by. */
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(vm->vdevs[i].type->name, vm->vdevs[j].type->name);
		vdev_save(&vm->vdevs[i], ignore_line, NULL);
		if (vm->vdevs[i].type->restored)
			vm->vdevs[i].type->restored(&vm->vdevs[i]);
	}
}

static void leaves_nothing_behind_where_one_fails(void **state)
{
	struct vm *vm = &fixture.vm;
	size_t before = heap_bytes_used();
	int error = -1;

	(void)state;
	for (int i = 0; error != 0; i++) {
		assert_int_equal(vm->vdev_count, 0);
		assert_int_equal(heap_bytes_used(), before);
		fake_heap_fail_after(i);
		error = devices_create(vm);
		fake_heap_fail_after(-1);
		if (error != 0) {
			bus_destroy(&vm->ports);
			bus_destroy(&vm->mmio);
		}
	}
	assert_true(vm->vdev_count > 0);
}

static void can_be_made_again(void **state)
{
	struct vm *vm = &fixture.vm;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(devices_create(vm), 0);
		devices_destroy(vm);
		bus_destroy(&vm->ports);
		bus_destroy(&vm->mmio);
	}
	assert_int_equal(vm->irqs.chip_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(makes_a_pc, setup, teardown),
		cmocka_unit_test_setup_teardown(all_can_be_reset_and_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_nothing_behind_where_one_fails, setup,
						teardown),
		cmocka_unit_test_setup_teardown(can_be_made_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
