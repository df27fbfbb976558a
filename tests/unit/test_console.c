/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/console.c with a line that can be full, and the real shell behind it. */
#include "vmm/console.h"
#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/vm.h"

#include "fake_line.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT	      "\033[Kbulkhead> "
#define RIGHT_BRACKET "\x1d"

static struct vm_config config = {.name = "web"};
static struct vm vm = {.config = &config};

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	fake_line_install();
	memset(&vm.console, 0, sizeof(vm.console));
	return vm_console_init(&vm.console);
}

/* Nothing is left for the next test: nobody is attached, and both rings are empty. */
static int teardown(void **state)
{
	(void)state;
	fake_line_set_room(SIZE_MAX);
	console_detach();
	fake_line_type("\x15");
	console_pump();
	console_pump();
	vm_console_destroy(&vm.console);
	return console_busy() || heap_bytes_used() != 0 ? -1 : 0;
}

static void guest_prints(const char *text)
{
	for (; *text != '\0'; text++)
		vm_console_put(&vm.console, (uint8_t)*text);
}

/* Attaches, and throws away what is shown of it. */
static void attach(void)
{
	console_attach(&vm);
	(void)fake_line_sent();
}

/* ---- before the shell starts ---- */

/* No prompt is drawn, nothing typed is taken, and notices come in order. */
static void test_without_a_shell(void **state)
{
	(void)state;
	fake_line_type("help\r");
	console_notice("one");
	console_printf("t%s\n", "wo");
	console_pump();
	assert_string_equal(fake_line_sent(), "one\ntwo\n");
	assert_false(console_busy());
	console_start_shell();
	assert_string_equal(fake_line_sent(), PROMPT);
	assert_true(console_busy());
	console_pump();
	assert_non_null(strstr(fake_line_sent(), "dmesg"));
}

/* ---- text ---- */

static void test_lines_end_with_cr_lf(void **state)
{
	(void)state;
	console_write("a\nb");
	assert_int_equal(fake_line_count(), 4);
	assert_string_equal(fake_line_sent(), "a\nb");
}

static void test_full_line_keeps_text_until_there_is_room(void **state)
{
	(void)state;
	fake_line_set_room(3);
	console_write("hello ");
	console_write("world");
	assert_string_equal(fake_line_sent(), "hel");
	/* It is not given a few bytes at a time. */
	fake_line_set_room(255);
	assert_false(console_busy());
	fake_line_set_room(256);
	assert_true(console_busy());
	console_pump();
	assert_string_equal(fake_line_sent(), "lo world");
	assert_false(console_busy());
}

/* More than the ring holds: the newest is kept. */
static void test_text_beyond_the_ring(void **state)
{
	const char *sent;

	(void)state;
	fake_line_set_room(0);
	for (unsigned i = 0; i < 20000; i++)
		console_printf("%05u\n", i);
	fake_line_set_room(SIZE_MAX);
	console_pump();
	assert_int_equal(fake_line_count(), 64 * 1024);
	sent = fake_line_sent();
	assert_string_equal(sent + strlen(sent) - 6, "19999\n");
}

/* Before the machine goes off all is sent, however little the line takes at a time. */
static void test_flush_sends_everything(void **state)
{
	(void)state;
	fake_line_set_room(0);
	for (unsigned i = 0; i < 100; i++)
		console_write("0123456789");
	fake_line_set_flush(64);
	console_flush();
	assert_int_equal(fake_line_count(), 1000);
}

static void test_flush_of_a_dead_line_ends(void **state)
{
	(void)state;
	fake_line_set_room(0);
	console_write("never");
	console_flush();
	assert_int_equal(fake_line_count(), 0);
}

/* A command that flushes must not run what was typed behind it. */
static void test_flush_takes_no_input(void **state)
{
	(void)state;
	fake_line_type("x");
	console_flush();
	assert_string_equal(fake_line_sent(), "");
	assert_true(console_busy());
}

/* ---- notices ---- */

static void test_notice_does_not_disturb_the_typed_line(void **state)
{
	(void)state;
	fake_line_type("li");
	console_pump();
	(void)fake_line_sent();
	console_notice("something happened");
	/* The boot CPU shows it: nothing yet, but it is told. */
	assert_string_equal(fake_line_sent(), "");
	assert_true(console_busy());
	assert_ptr_equal(fake_platform_last_kicked(), cpus[0]);
	assert_true(atomic_load(&cpus[0]->attention));
	console_pump();
	assert_string_equal(fake_line_sent(), "\033[Ksomething happened\n" PROMPT "li");
}

/* ---- a VM's console ---- */

static void test_attach_shows_what_the_ring_holds(void **state)
{
	(void)state;
	guest_prints("Linux version 6.1\n");
	assert_string_equal(fake_line_sent(), "");
	console_attach(&vm);
	assert_ptr_equal(console_attached(), &vm);
	assert_string_equal(fake_line_sent(), "Linux version 6.1\n");
	guest_prints("login: ");
	assert_string_equal(fake_line_sent(), "login: ");
}

static void test_attach_after_the_ring_lapped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VM_CONSOLE_RING_BYTES / 8 + 1; i++)
		guest_prints("12345678");
	console_attach(&vm);
	/* Nobody was looking: nothing was skipped. */
	assert_int_equal(fake_line_count(), VM_CONSOLE_RING_BYTES);
	assert_null(strstr(fake_line_sent(), "skipped"));
}

static void test_typed_bytes_go_to_the_guest(void **state)
{
	(void)state;
	attach();
	fake_line_type("ls\r");
	console_pump();
	assert_int_equal(vm_console_get(&vm.console), 'l');
	assert_int_equal(vm_console_get(&vm.console), 's');
	assert_int_equal(vm_console_get(&vm.console), '\r');
	assert_int_equal(vm_console_get(&vm.console), -1);
	assert_string_equal(fake_line_sent(), "");
}

static void test_detach(void **state)
{
	(void)state;
	attach();
	console_notice("vm db stopped");
	console_printf("late\n");
	assert_string_equal(fake_line_sent(), ""); /* not into the guest's screen */
	guest_prints("bye");
	fake_line_type(RIGHT_BRACKET "li");
	console_pump();
	assert_null(console_attached());
	assert_string_equal(fake_line_sent(), "bye\n[detached from web]\n" PROMPT
					      "li\033[Kvm db stopped\nlate\n" PROMPT "li");
	assert_int_equal(vm_console_get(&vm.console), -1);
	guest_prints("unseen");
	assert_string_equal(fake_line_sent(), "");
}

/* A guest that prints faster than the line does not wait, and the user is told what is missing. */
static void test_slow_line_skips(void **state)
{
	const char *sent;

	(void)state;
	attach();
	fake_line_set_room(0);
	for (unsigned i = 0; i < 3 * VM_CONSOLE_RING_BYTES / 8; i++)
		guest_prints("abcdefgh");
	assert_false(console_busy());
	fake_line_set_room(SIZE_MAX);
	assert_true(console_busy());
	console_pump();
	sent = fake_line_sent();
	assert_memory_equal(sent, "\n[131072 bytes skipped]\nabcdefgh", 32);
	assert_int_equal(strlen(sent),
			 VM_CONSOLE_RING_BYTES + strlen("\n[131072 bytes skipped]\n"));
	assert_false(console_busy());
}

/* What the shell printed before it attached comes before what the guest printed. */
static void test_shell_output_comes_first(void **state)
{
	(void)state;
	guest_prints("guest");
	fake_line_set_room(0);
	console_write("shell ");
	console_attach(&vm);
	fake_line_set_room(SIZE_MAX);
	console_pump();
	assert_string_equal(fake_line_sent(), "shell guest");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_a_shell), /* the first: it starts it */
		TEST(test_lines_end_with_cr_lf),
		TEST(test_full_line_keeps_text_until_there_is_room),
		TEST(test_text_beyond_the_ring),
		TEST(test_flush_sends_everything),
		TEST(test_flush_of_a_dead_line_ends),
		TEST(test_flush_takes_no_input),
		TEST(test_notice_does_not_disturb_the_typed_line),
		TEST(test_attach_shows_what_the_ring_holds),
		TEST(test_attach_after_the_ring_lapped),
		TEST(test_typed_bytes_go_to_the_guest),
		TEST(test_detach),
		TEST(test_slow_line_skips),
		TEST(test_shell_output_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
