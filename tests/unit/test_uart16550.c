/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/uart16550.c. The console and the interrupt line are fakes of this file.
 */
#include "guest/dev/uart16550.h"

#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/layout.h"
#include "fake_guest.h"

#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static struct vm *vm;
static struct vdev *uart;

static struct {
	bool level;
	unsigned rises;
	char printed[64];
	size_t printed_count;
	const char *typed;
	void (*input_ready)(void *device);
	void *device;
} fake;

void vm_irq_set(struct vm *which, unsigned gsi, bool level)
{
	assert_ptr_equal(which, vm);
	assert_int_equal(gsi, GSI_COM1);
	assert_int_not_equal(level, fake.level);
	fake.rises += level;
	fake.level = level;
}

void vm_console_put(struct vm_console *console, uint8_t byte)
{
	assert_ptr_equal(console, &vm->console);
	assert_true(fake.printed_count < sizeof(fake.printed) - 1);
	fake.printed[fake.printed_count++] = (char)byte;
}

int vm_console_get(struct vm_console *console)
{
	assert_ptr_equal(console, &vm->console);
	return fake.typed && *fake.typed != '\0' ? (uint8_t)*fake.typed++ : -1;
}

void vm_console_set_device(struct vm_console *console, void (*input_ready)(void *), void *device)
{
	assert_ptr_equal(console, &vm->console);
	fake.input_ready = input_ready;
	fake.device = device;
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	vm = fake_guest_create(MIB(1));
	uart = fake_guest_add_device(vm, &uart16550_vdev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_null(fake.input_ready);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static uint8_t in(unsigned reg)
{
	return (uint8_t)fake_guest_in((uint16_t)(PORT_COM1 + reg), 1);
}

static void out(unsigned reg, uint8_t value)
{
	fake_guest_out((uint16_t)(PORT_COM1 + reg), 1, value);
}

static void type(const char *text)
{
	fake.typed = text;
	fake.input_ready(fake.device);
}

static void has_the_registers_of_a_16550a(void **state)
{
	(void)state;
	assert_int_equal(in(5), 0x60);
	assert_int_equal(in(6), 0xb0);
	assert_int_equal(in(2), 0x01);
	out(7, 0x5a);
	assert_int_equal(in(7), 0x5a);
	out(2, 0x01);
	assert_int_equal(in(2), 0xc1);
	out(1, 0xff);
	assert_int_equal(in(1), 0x0f);
	out(3, 0x80);
	assert_int_equal(in(0), 12);
	out(0, 1);
	out(1, 2);
	assert_int_equal(in(0), 1);
	assert_int_equal(in(1), 2);
	out(3, 0x03);
	assert_int_equal(in(1), 0x0f);
	assert_int_equal(in(3), 0x03);
	out(4, 0xff);
	assert_int_equal(in(4), 0x1f);
}

static void sends_at_once(void **state)
{
	(void)state;
	out(0, 'h');
	assert_int_equal(in(5), 0x60);
	out(0, 'i');
	assert_string_equal(fake.printed, "hi");
	assert_int_equal(fake.rises, 0);
}

/* What Linux does: allow the interrupt, and refill each time it comes. */
static void transmits_by_interrupt(void **state)
{
	(void)state;
	out(2, 0x01);
	out(4, 0x0b);
	out(1, 0x02);
	assert_true(fake.level);
	assert_int_equal(in(2), 0xc2);
	assert_false(fake.level);
	assert_int_equal(in(2), 0xc1);
	out(0, 'a');
	assert_true(fake.level);
	out(0, 'b');
	assert_int_equal(in(2), 0xc2);
	assert_int_equal(in(2), 0xc1);
	assert_false(fake.level);
	out(1, 0x00);
	out(0, 'c');
	assert_false(fake.level);
	/* Allowing it again while the register is empty tells it again. */
	out(1, 0x02);
	assert_int_equal(in(2), 0xc2);
	/* Writing the same value does not. */
	out(1, 0x02);
	assert_int_equal(in(2), 0xc1);
	assert_string_equal(fake.printed, "abc");
}

static void receives_by_interrupt(void **state)
{
	(void)state;
	out(4, 0x08);
	out(1, 0x01);
	type("xy");
	assert_true(fake.level);
	assert_int_equal(in(5), 0x61);
	assert_int_equal(in(2), 0x04);
	assert_int_equal(in(0), 'x');
	/* Without FIFOs the second byte waited in the console. */
	assert_true(fake.level);
	assert_int_equal(in(0), 'y');
	assert_false(fake.level);
	assert_int_equal(in(5), 0x60);
	assert_int_equal(in(0), 0);
}

static void fills_its_fifo_and_no_more(void **state)
{
	const char *text = "0123456789abcdefghij";

	(void)state;
	out(2, 0x81); /* trigger at 8 */
	out(4, 0x08);
	out(1, 0x01);
	type("xyz");
	assert_int_equal(in(2), 0xcc); /* below the trigger: time-out */
	in(0), in(0), in(0);
	assert_false(fake.level);
	type(text);
	assert_int_equal(fake.typed - text, 16);
	assert_int_equal(in(2), 0xc4);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(in(0), text[i]);
	assert_int_equal(in(5), 0x60);
	assert_false(fake.level);
}

static void resets_its_fifo(void **state)
{
	(void)state;
	out(2, 0x01);
	out(4, 0x08);
	out(1, 0x01);
	type("abc");
	out(2, 0x03);
	assert_false(fake.level);
	assert_int_equal(in(5), 0x60);
	assert_int_equal(in(2), 0xc1);
}

static void needs_out2_for_its_interrupt(void **state)
{
	(void)state;
	out(1, 0x02);
	assert_int_equal(fake.rises, 0);
	out(4, 0x08);
	assert_true(fake.level);
	out(4, 0x18);
	assert_false(fake.level);
}

static void loops_back(void **state)
{
	(void)state;
	out(4, 0x10);
	assert_int_equal(in(6) & 0xf0, 0x00);
	out(0, 'q');
	assert_int_equal(fake.printed_count, 0);
	assert_int_equal(in(5), 0x61);
	assert_int_equal(in(0), 'q');
	type("x"); /* not connected */
	assert_int_equal(in(5), 0x60);
	out(0, '1');
	out(0, '2');
	assert_int_equal(in(5), 0x63);
	assert_int_equal(in(5), 0x61); /* overrun was told */
	assert_int_equal(in(0), '2');
	out(4, 0x00);
	assert_int_equal(in(0), 'x');
}

static void tells_line_errors_first(void **state)
{
	(void)state;
	out(4, 0x10);
	out(1, 0x05);
	out(0, '1');
	assert_int_equal(in(2), 0x04);
	out(0, '2');
	assert_int_equal(in(2), 0x06);
	in(5);
	assert_int_equal(in(2), 0x04);
}

static void follows_the_modem_lines(void **state)
{
	(void)state;
	out(4, 0x10);
	in(6);
	out(1, 0x08);
	out(4, 0x1f);
	assert_int_equal(in(2), 0x00);
	assert_int_equal(in(6), 0xfb); /* all up; a rising RI is not told */
	assert_int_equal(in(6), 0xf0);
	assert_int_equal(in(2), 0x01);
	out(4, 0x1b);
	assert_int_equal(in(6), 0xb4); /* a falling one is */
}

static void takes_wide_accesses_byte_by_byte(void **state)
{
	(void)state;
	fake_guest_out(PORT_COM1 + 6, 2, 0x4200);
	assert_int_equal(in(7), 0x42);
	assert_int_equal(fake_guest_in(PORT_COM1 + 4, 4), 0x42b06000);
}

static void forgets_all_at_reset(void **state)
{
	(void)state;
	out(4, 0x08);
	out(1, 0x03);
	type("a");
	assert_true(fake.level);
	uart->type->reset(uart);
	assert_false(fake.level);
	assert_int_equal(in(1), 0);
	assert_int_equal(in(5), 0x60);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_the_registers_of_a_16550a),	TEST(sends_at_once),
		TEST(transmits_by_interrupt),		TEST(receives_by_interrupt),
		TEST(fills_its_fifo_and_no_more),	TEST(resets_its_fifo),
		TEST(needs_out2_for_its_interrupt),	TEST(loops_back),
		TEST(tells_line_errors_first),		TEST(follows_the_modem_lines),
		TEST(takes_wide_accesses_byte_by_byte), TEST(forgets_all_at_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
