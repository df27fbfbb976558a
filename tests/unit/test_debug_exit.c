/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/debug_exit.c. */
#include "guest/dev/debug_exit.h"

#include "vmm/format.h"
#include "vmm/vm.h"
#include "fake_guest.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static char stopped[VM_STOP_REASON_MAX];

void vm_stop(struct vm *vm, const char *reason, ...)
{
	va_list arguments;

	(void)vm;
	va_start(arguments, reason);
	hv_vsnprintf(stopped, sizeof(stopped), reason, arguments);
	va_end(arguments);
}

static void stops_the_vm_with_the_byte(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_guest_config()->debug_exit = 0xf4;
	fake_guest_add_device(vm, &debug_exit_vdev);
	assert_int_equal(fake_guest_in(0xf4, 1), 0xff);
	assert_string_equal(stopped, "");
	fake_guest_out(0xf4, 1, 3);
	assert_string_equal(stopped, "debug exit 3");
	fake_guest_destroy(vm);
}

static void is_not_there_unless_asked_for(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_guest_add_device(vm, &debug_exit_vdev);
	assert_int_equal(vm->ports.count, 0);
	fake_guest_destroy(vm);
}

static void refuses_a_port_in_use(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));
	struct vdev second = {.type = &debug_exit_vdev, .vm = vm};

	(void)state;
	fake_guest_config()->debug_exit = 0x3f8;
	fake_guest_add_device(vm, &debug_exit_vdev);
	assert_int_equal(debug_exit_vdev.create(&second), -EEXIST);
	fake_guest_destroy(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_the_vm_with_the_byte),
		cmocka_unit_test(is_not_there_unless_asked_for),
		cmocka_unit_test(refuses_a_port_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
