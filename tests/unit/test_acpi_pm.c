/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/acpi_pm.c. Interrupt line and vm_stop() are fakes of this file. */
#include "guest/dev/acpi_pm.h"

#include "vmm/heap.h"
#include "vmm/platform.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "fake_guest.h"
#include "fake_platform.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define SECOND	 UINT64_C(1000000000)
#define TIMER_HZ 3579545

static struct vm *vm;
static bool line;
static const char *stopped;

void vm_irq_set(struct vm *which, unsigned gsi, bool level)
{
	assert_ptr_equal(which, vm);
	assert_int_equal(gsi, GSI_SCI);
	assert_int_not_equal(level, line);
	line = level;
}

void vm_stop(struct vm *which, const char *reason, ...)
{
	assert_ptr_equal(which, vm);
	stopped = reason;
}

static int setup(void **state)
{
	(void)state;
	line = false;
	stopped = NULL;
	vm = fake_guest_create(MIB(1));
	fake_platform_set_time(5 * SECOND);
	vm->start_tick = platform_now();
	fake_guest_add_device(vm, &acpi_pm_vdev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static void timer_counts_at_its_rate(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_in(PORT_PM_TIMER, 4), 0);
	fake_guest_pass(SECOND);
	assert_in_range(fake_guest_in(PORT_PM_TIMER, 4), TIMER_HZ - 1, TIMER_HZ);
	/* After a day it is not a tick and a half off. */
	fake_guest_pass(86399 * SECOND);
	assert_in_range(fake_guest_in(PORT_PM_TIMER, 4),
			(uint32_t)(UINT64_C(86400) * TIMER_HZ) - 200,
			(uint32_t)(UINT64_C(86400) * TIMER_HZ));
	fake_guest_out(PORT_PM_TIMER, 4, 0);
	assert_int_not_equal(fake_guest_in(PORT_PM_TIMER, 4), 0);
	assert_int_equal(fake_guest_in(PORT_PM_TIMER + 1, 2),
			 fake_guest_in(PORT_PM_TIMER, 4) >> 8 & 0xffff);
}

static void acpi_mode_is_on(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_in(PORT_PM1_CONTROL, 2), 1);
	fake_guest_out(PORT_PM1_CONTROL, 2, 0);
	assert_int_equal(fake_guest_in(PORT_PM1_CONTROL, 2), 1);
}

static void switches_off(void **state)
{
	(void)state;
	fake_guest_out(PORT_PM1_CONTROL, 2, ACPI_SLEEP_TYPE_S5 << 10);
	assert_null(stopped);
	fake_guest_out(PORT_PM1_CONTROL, 2, 1 << 10 | 1 << 13);
	assert_null(stopped);
	fake_guest_out(PORT_PM1_CONTROL, 2, ACPI_SLEEP_TYPE_S5 << 10 | 1 << 13);
	assert_string_equal(stopped, "powered off");
}

static void switches_off_by_a_byte(void **state)
{
	(void)state;
	fake_guest_out(PORT_PM1_CONTROL + 1, 1, ACPI_SLEEP_TYPE_S5 << 2 | 1 << 5);
	assert_string_equal(stopped, "powered off");
}

static void power_button_raises_sci(void **state)
{
	(void)state;
	acpi_pm_press_power_button(vm);
	assert_false(line);
	assert_int_equal(fake_guest_in(PORT_PM1_EVENT, 2), 0x100);
	fake_guest_out(PORT_PM1_EVENT + 2, 2, 0x100);
	assert_true(line);
	assert_int_equal(fake_guest_in(PORT_PM1_EVENT, 4), 0x01000100);
	fake_guest_out(PORT_PM1_EVENT, 2, 0x001);
	assert_true(line);
	fake_guest_out(PORT_PM1_EVENT + 1, 1, 0x01);
	assert_false(line);
	assert_int_equal(fake_guest_in(PORT_PM1_EVENT, 2), 0);
}

/* Bit 31 changes every 2^31 ticks, which is a little less than 600 seconds. */
static void timer_carry_raises_sci(void **state)
{
	const uint64_t half = (UINT64_C(1) << 31) * SECOND / TIMER_HZ;

	(void)state;
	fake_guest_out(PORT_PM1_EVENT + 2, 2, 1);
	fake_guest_pass(half - 1000);
	assert_false(line);
	fake_guest_pass(2000);
	assert_true(line);
	fake_guest_out(PORT_PM1_EVENT, 2, 1);
	assert_false(line);
	fake_guest_pass(half - 2000);
	assert_false(line);
	fake_guest_pass(3000);
	assert_true(line);
}

static void timer_status_comes_without_interrupt(void **state)
{
	(void)state;
	fake_guest_pass(601 * SECOND);
	assert_int_equal(fake_guest_in(PORT_PM1_EVENT, 2), 1);
	fake_guest_out(PORT_PM1_EVENT, 2, 1);
	assert_int_equal(fake_guest_in(PORT_PM1_EVENT, 2), 0);
	assert_int_equal(fake_platform_timer(), UINT64_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timer_counts_at_its_rate),
		TEST(acpi_mode_is_on),
		TEST(switches_off),
		TEST(switches_off_by_a_byte),
		TEST(power_button_raises_sci),
		TEST(timer_carry_raises_sci),
		TEST(timer_status_comes_without_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
