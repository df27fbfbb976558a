/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/pit.c: its ports, its interrupts and port 0x61. */
#include "guest/dev/pit.h"

#include "irq_fixture.h"

static struct {
	unsigned rises;
	unsigned falls;
} heard;

static void hear(void *chip, unsigned gsi, bool level)
{
	(void)chip;
	assert_int_equal(gsi, VM_GSI_PIT);
	if (level)
		heard.rises++;
	else
		heard.falls++;
}

static const struct irq_chip_ops listener = {.set_line = hear};

static struct vdev *pit_create(void)
{
	memset(&heard, 0, sizeof(heard));
	fixture_create(1);
	vm_irq_add_chip(&fixture.vm, &listener, NULL);
	return fixture_add(&pit_vdev);
}

static int teardown(void **state)
{
	(void)state;
	return fixture_destroy();
}

static void program(uint8_t control, uint16_t count)
{
	fixture_out(0x43, control);
	fixture_out((uint16_t)(0x40 + (control >> 6)), (uint8_t)count);
	fixture_out((uint16_t)(0x40 + (control >> 6)), (uint8_t)(count >> 8));
}

static unsigned rises(void)
{
	unsigned count = heard.rises;

	assert_int_equal(heard.falls, heard.rises);
	memset(&heard, 0, sizeof(heard));
	return count;
}

static void ticks_without_drift(void **state)
{
	unsigned ticks = 0;

	(void)state;
	pit_create();
	/* 11932 clocks: 99.998 Hz; served up to 4 us late, for 20 s. */
	program(0x34, 11932);
	for (unsigned i = 0; i < 5000000; i++) {
		fixture_pass(4000);
		ticks += rises();
	}
	assert_int_equal(ticks, 20ull * PIT_HZ / 11932);
}

static void missed_ticks_are_one(void **state)
{
	(void)state;
	pit_create();
	program(0x36, 11932); /* 10.0001 ms */
	fixture_pass(55000000);
	assert_int_equal(rises(), 1);
	fixture_pass(4900000);
	assert_int_equal(rises(), 0);
	fixture_pass(200000);
	assert_int_equal(rises(), 1);
}

static void tiny_periods_do_not_storm(void **state)
{
	unsigned ticks = 0;

	(void)state;
	pit_create();
	program(0x34, 1);
	for (unsigned i = 0; i < 10000; i++) {
		fixture_pass(1000);
		ticks += rises();
	}
	assert_in_range(ticks, 400, 500);
}

static void interrupts_once_in_mode_0(void **state)
{
	(void)state;
	pit_create();
	program(0x30, 1193);
	fixture_pass(999000);
	assert_int_equal(rises(), 0);
	fixture_pass(3000);
	assert_int_equal(rises(), 1);
	fixture_pass(FAKE_TICK_HZ);
	assert_int_equal(rises(), 0);
	/* Other channels do not interrupt. */
	program(0xb4, 1193);
	program(0x74, 1193);
	fixture_pass(FAKE_TICK_HZ);
	assert_int_equal(rises(), 0);
}

static void a_control_word_stops_it(void **state)
{
	(void)state;
	pit_create();
	program(0x34, 1193);
	fixture_out(0x43, 0x30);
	fixture_pass(FAKE_TICK_HZ);
	assert_int_equal(rises(), 0);
}

static void reads_back_several_at_once(void **state)
{
	(void)state;
	pit_create();
	program(0x34, 1000);
	program(0x74, 2000);
	fixture_out(0x43, 0xc6); /* count and status of channels 0 and 1 */
	fixture_pass(50000);
	assert_int_equal(fixture_in(0x40) & 0x3f, 0x34);
	assert_int_equal(fixture_in(0x40), 1000 & 0xff);
	assert_int_equal(fixture_in(0x40), 1000 >> 8);
	assert_int_equal(fixture_in(0x41) & 0x3f, 0x34);
	assert_int_equal(fixture_in(0x41), 2000 & 0xff);
	assert_int_equal(fixture_in(0x41), 2000 >> 8);
	assert_int_equal(fixture_in(0x43), 0xff);
	/* 50 us are 59 clocks. */
	assert_in_range(fixture_in(0x40), (1000 - 60) & 0xff, (1000 - 57) & 0xff);
}

/* How Linux measures the TSC: channel 2 in mode 0, waiting for its output in port 0x61. */
static void port_61_gates_and_shows_channel_2(void **state)
{
	(void)state;
	pit_create();
	fixture_out(0x61, 0x00);
	program(0xb0, 11932);
	fixture_pass(50000000);
	assert_int_equal(fixture_in(0x61) & 0x21, 0);
	fixture_out(0x61, 0x01);
	assert_int_equal(fixture_in(0x61) & 0x21, 0x01);
	fixture_pass(9998000);
	assert_int_equal(fixture_in(0x61) & 0x20, 0);
	fixture_pass(4000);
	assert_int_equal(fixture_in(0x61) & 0x21, 0x21);
	fixture_out(0x61, 0xff);
	assert_int_equal(fixture_in(0x61) & 0x8f, 0x0f);
}

static void port_61_toggles_refresh(void **state)
{
	unsigned first;

	(void)state;
	pit_create();
	first = fixture_in(0x61) & 0x10;
	fixture_pass(15085);
	assert_int_not_equal(fixture_in(0x61) & 0x10, first);
	fixture_pass(15085);
	assert_int_equal(fixture_in(0x61) & 0x10, first);
}

static void words_are_two_bytes(void **state)
{
	(void)state;
	pit_create();
	fixture_out(0x43, 0x14);
	fixture_out(0x43, 0x54);
	bus_write(&fixture.vm.ports, &fixture.vcpus[0], 0x40, 2, 0x2010);
	assert_int_equal(bus_read(&fixture.vm.ports, &fixture.vcpus[0], 0x40, 2), 0x2010);
}

static void survives_saving(void **state)
{
	struct vdev *vdev = pit_create();

	(void)state;
	program(0x34, 11932);
	fixture_out(0x61, 0x01);
	program(0xb0, 59659);
	fixture_pass(15000000);
	assert_int_equal(rises(), 1);
	fixture_save_and_restore(vdev);
	fixture_pass(4900000);
	assert_int_equal(rises(), 0);
	fixture_pass(200000);
	assert_int_equal(rises(), 1);
	assert_int_equal(fixture_in(0x61) & 0x20, 0);
	fixture_pass(30000000);
	assert_int_equal(fixture_in(0x61) & 0x20, 0x20);
}

static void reset_stops_it(void **state)
{
	struct vdev *vdev = pit_create();

	(void)state;
	program(0x34, 1193);
	vdev->type->reset(vdev);
	fixture_pass(FAKE_TICK_HZ);
	assert_int_equal(rises(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ticks_without_drift, teardown),
		cmocka_unit_test_teardown(missed_ticks_are_one, teardown),
		cmocka_unit_test_teardown(tiny_periods_do_not_storm, teardown),
		cmocka_unit_test_teardown(interrupts_once_in_mode_0, teardown),
		cmocka_unit_test_teardown(a_control_word_stops_it, teardown),
		cmocka_unit_test_teardown(reads_back_several_at_once, teardown),
		cmocka_unit_test_teardown(port_61_gates_and_shows_channel_2, teardown),
		cmocka_unit_test_teardown(port_61_toggles_refresh, teardown),
		cmocka_unit_test_teardown(words_are_two_bytes, teardown),
		cmocka_unit_test_teardown(survives_saving, teardown),
		cmocka_unit_test_teardown(reset_stops_it, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
