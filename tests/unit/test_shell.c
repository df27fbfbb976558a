/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/shell.c and vmm/shell_commands.c: what is typed, and what is shown and done. */
#include "vmm/shell.h"
#include "vmm/console.h"
#include "vmm/heap.h"
#include "vmm/log.h"
#include "vmm/page_alloc.h"
#include "vmm/shell_commands.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include "fake_backend.h"
#include "fake_cpu.h"
#include "fake_intc.h"
#include "fake_line.h"
#include "fake_platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT "\033[Kbulkhead> "

static struct vm_config configs[2];
static struct vm *vms[2];
static int load_error;

static int devices_create(struct vm *vm)
{
	fake_intc_install(vm);
	return 0;
}

static void devices_destroy(struct vm *vm)
{
	(void)vm;
}

static int load(struct vm *vm, char *why, size_t why_size)
{
	(void)vm;
	if (load_error != 0)
		(void)snprintf(why, why_size, "no such kernel");
	return load_error;
}

static void halt(struct vcpu *vcpu, struct vm_exit *exit)
{
	(void)vcpu;
	exit->kind = EXIT_HLT;
	exit->length = 1;
}

static void make_vms(void)
{
	static const char *const names[] = {"web", "database-server-1"};

	for (unsigned i = 0; i < 2; i++) {
		configs[i] =
			(struct vm_config){.vcpus = 2 - i, .memory = MIB(1), .autostart = true};
		strlcpy(configs[i].name, names[i], sizeof(configs[i].name));
		strlcpy(configs[i].kernel, "/guests/vmlinuz", sizeof(configs[i].kernel));
		memset(&configs[i].cpus, 0xff, sizeof(configs[i].cpus));
		assert_int_equal(vm_create(&configs[i], &vms[i]), 0);
	}
}

static int setup(void **state)
{
	static const struct guest_ops ops = {devices_create, devices_destroy, load};

	(void)state;
	fake_platform_reset();
	fake_platform_give_ram();
	fake_backend_install();
	fake_backend_on_run(halt);
	fake_cpus_create(2);
	fake_line_install();
	guest_ops = &ops;
	load_error = 0;
	if (vms[0] == NULL) {
		make_vms();
		console_start_shell();
	}
	for (unsigned i = 0; i < 2; i++)
		vms[i]->stop_reason[0] = '\0';
	(void)fake_line_sent();
	return 0;
}

/* Long enough for a VM that restarts. */
static void run_cpus(void)
{
	fake_platform_advance(FAKE_TICK_HZ);
	for (unsigned i = 0; i < 4; i++)
		fake_cpu_run(cpus[i % 2]);
}

static int teardown(void **state)
{
	(void)state;
	console_detach();
	vm_stop(vms[0], "test ends");
	vm_stop(vms[1], "test ends");
	run_cpus();
	fake_line_type("\x15");
	console_pump();
	return fake_backend_vcpus() == 0 ? 0 : -1;
}

/* Types a line and returns what is printed between it and the next prompt. */
static const char *enter(const char *command)
{
	static char shown[65536];
	size_t prompt = strlen(PROMPT);
	const char *sent;
	size_t length;

	(void)fake_line_sent();
	fake_line_type(command);
	fake_line_type("\r");
	console_pump();
	sent = fake_line_sent();
	assert_memory_equal(sent, command, strlen(command)); /* the echo */
	sent += strlen(command) + 1;
	length = strlen(sent);
	if (length >= prompt && strcmp(sent + length - prompt, PROMPT) == 0)
		length -= prompt;
	memcpy(shown, sent, length);
	shown[length] = '\0';
	return shown;
}

/* ---- the shell ---- */

static void test_wrong_lines(void **state)
{
	(void)state;
	assert_string_equal(enter(""), "");
	assert_string_equal(enter("   "), "");
	assert_string_equal(enter("frobnicate web"),
			    "frobnicate: no such command; `help` lists them\n");
	assert_string_equal(enter("list web"), "usage: list \n");
	assert_string_equal(enter("info"), "usage: info VM\n");
	assert_string_equal(enter("reboot web db"), "usage: reboot [VM]\n");
	assert_string_equal(enter("info 1 2 3 4 5 6 7 8 9 10"), "usage: info VM\n");
	assert_string_equal(enter("info mail"), "mail: no such VM; `list` shows them\n");
	assert_string_equal(enter("  destroy  web "), "vm web: is stopped already\n");
}

static void test_help(void **state)
{
	const char *text;

	(void)state;
	assert_string_equal(enter("help start"), "start VM\n  start a stopped VM\n");
	assert_string_equal(enter("help x"), "x: no such command; `help` lists them\n");
	text = enter("help");
	for (unsigned i = 0; i < shell_command_count; i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "  %s ", shell_commands[i].name);
		assert_non_null(strstr(text, line));
		assert_true(shell_commands[i].min_args <= shell_commands[i].max_args);
		assert_in_range(shell_commands[i].max_args, 0, SHELL_ARGS_MAX - 1);
	}
}

static void test_completion(void **state)
{
	static const struct {
		const char *typed;
		const char *line; /* afterwards */
	} cases[] = {
		{"li\t", "list "},
		{"sta\t", "sta"},
		{"star\t", "start "},
		{"start w\t", "start web "},
		{"start d\t", "start database-server-1 "},
		{"start x\t", "start x"},
		{"help dm\t", "help dmesg "},
		{"list w\t", "list w"},
		{"nothing w\t", "nothing w"},
	};
	char end[128];
	const char *sent;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_line_type(cases[i].typed);
		console_pump();
		(void)fake_line_sent();
		shell_redraw();
		(void)snprintf(end, sizeof(end), PROMPT "%s", cases[i].line);
		assert_string_equal(fake_line_sent(), end);
		fake_line_type("\x15");
		console_pump();
	}
	/* Several that have nothing more in common are listed. */
	(void)fake_line_sent();
	fake_line_type("start \t");
	console_pump();
	sent = fake_line_sent();
	assert_non_null(strstr(sent, "\nweb  database-server-1  \n" PROMPT "start "));
}

/* ---- VMs ---- */

static void test_list(void **state)
{
	(void)state;
	assert_string_equal(enter("start web"), "vm web: started\n");
	strlcpy(vms[1]->stop_reason, "triple fault at rip 0xffffffff81000000", VM_STOP_REASON_MAX);
	assert_string_equal(enter("list"),
			    "VM               STATE     VCPUS  CPUS      MEMORY  STOPPED BECAUSE\n"
			    "web              running       2  0-1        1 MiB  \n"
			    "database-server- stopped       1             1 MiB  triple fault at "
			    "rip 0xffffff\n");
}

static void test_list_fits_80_columns(void **state)
{
	const char *text;

	(void)state;
	configs[1].memory = GIB(4000) + MIB(1);
	configs[1].vcpus = 64;
	memset(vms[1]->stop_reason, 'x', VM_STOP_REASON_MAX - 1);
	text = enter("list");
	configs[1].memory = MIB(1);
	configs[1].vcpus = 1;
	while (*text != '\0') {
		assert_in_range(strcspn(text, "\n"), 0, 80);
		text += strcspn(text, "\n") + 1;
	}
}

static void test_start_and_destroy(void **state)
{
	(void)state;
	load_error = -ENOENT;
	assert_string_equal(enter("start web"), "vm web: not started: no such kernel\n");
	load_error = 0;
	assert_string_equal(enter("start web"), "vm web: started\n");
	assert_string_equal(enter("start web"), "vm web: not started: it is running\n");
	assert_string_equal(enter("destroy web"), "");
	assert_string_equal(vm_state_name(vms[0]), "stopping");
	run_cpus();
	assert_string_equal(vm_state_name(vms[0]), "stopped");
	assert_string_equal(vms[0]->stop_reason, "destroyed");
}

static void test_reboot_of_a_vm(void **state)
{
	(void)state;
	assert_string_equal(enter("reboot web"), "vm web: is not running; `start web` starts it\n");
	(void)enter("start web");
	assert_string_equal(enter("reboot web"), "");
	assert_true(vms[0]->restart);
	assert_int_equal(fake_platform_resets(), 0);
}

static void test_info(void **state)
{
	const char *text;

	(void)state;
	memset(configs[0].cmdline, 'c', CONFIG_CMDLINE_MAX - 1);
	(void)enter("start web");
	text = enter("info web");
	assert_non_null(strstr(text, "name      web\nstate     running\n"));
	assert_non_null(strstr(text, "kernel    /guests/vmlinuz\n"));
	/* A long command line is shown whole. */
	text = strstr(text, "cmdline   ");
	assert_non_null(text);
	assert_int_equal(strspn(text + 10, "c"), CONFIG_CMDLINE_MAX - 1);
	assert_non_null(strstr(text, "c\nautostart yes\n"));
	assert_non_null(strstr(text, "vcpu 1    host CPU 1, waits for start-up, rip 0x"));
	configs[0].cmdline[0] = '\0';
}

static void test_stats(void **state)
{
	const char *text;

	(void)state;
	(void)enter("start web");
	run_cpus();
	(void)bus_read(&vms[0]->ports, vms[0]->vcpus[0], 0x80, 1);
	text = enter("stats web");
	assert_non_null(strstr(text, "hlt                                1             0\n"));
	assert_null(strstr(text, "cpuid"));
	assert_non_null(strstr(text, "ports 1 reads, 0 writes; memory 0 reads, 0 writes\n"));
}

static void test_console_command(void **state)
{
	(void)state;
	(void)enter("console web");
	assert_ptr_equal(console_attached(), vms[0]);
	fake_line_type("x\x1d");
	console_pump();
	assert_int_equal(vm_console_get(&vms[0]->console), 'x');
	assert_null(console_attached());
	assert_string_equal(fake_line_sent(), "\n[detached from web]\n" PROMPT);
}

/* ---- the machine ---- */

static void report_host(void)
{
	console_write("AMD-V\n");
}

static void test_host(void **state)
{
	char line[128];
	const char *text;

	(void)state;
	shell_set_host_report(report_host);
	text = enter("host");
	shell_set_host_report(NULL);
	assert_memory_equal(text, "AMD-V\n", 6);
	(void)snprintf(line, sizeof(line), "memory     %llu MiB managed",
		       (unsigned long long)(page_alloc_total() >> 20));
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "cpu 1      APIC ID 2, 0 vCPUs placed"));
}

static void test_dmesg(void **state)
{
	(void)state;
	log_info("something to remember");
	assert_non_null(strstr(enter("dmesg"), "something to remember\n"));
}

static void test_power_off(void **state)
{
	(void)state;
	/* The fake machine goes on, as one whose firmware refuses. */
	assert_string_equal(enter("poweroff"),
			    "The machine powers off.\nThe machine did not power off: its firmware "
			    "names no way that works.\n");
	assert_int_equal(fake_platform_power_offs(), 1);
	assert_non_null(strstr(enter("reboot"), "The machine restarts.\n"));
	assert_int_equal(fake_platform_resets(), 1);
}

/* While VMs run the user is asked; anything but yes means no. */
static void test_power_off_asks(void **state)
{
	static const char *const no[] = {"", "n", "yep", "poweroff"};

	(void)state;
	(void)enter("start web");
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		assert_non_null(strstr(enter("poweroff"),
				       "1 VM is running. Power the machine off anyway? [y/N] "));
		assert_string_equal(enter(no[i]), "not done\n");
	}
	assert_int_equal(fake_platform_power_offs(), 0);
	(void)enter("start database-server-1");
	assert_non_null(strstr(enter("reboot"), "2 VMs are running. Restart the machine anyway?"));
	assert_non_null(strstr(enter("y"), "The machine restarts.\n"));
	assert_int_equal(fake_platform_resets(), 1);
	/* Answered: the next line is a command again. */
	assert_string_equal(enter("y"), "y: no such command; `help` lists them\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wrong_lines),
		TEST(test_help),
		TEST(test_completion),
		TEST(test_list),
		TEST(test_list_fits_80_columns),
		TEST(test_start_and_destroy),
		TEST(test_reboot_of_a_vm),
		TEST(test_info),
		TEST(test_stats),
		TEST(test_console_command),
		TEST(test_host),
		TEST(test_dmesg),
		TEST(test_power_off),
		TEST(test_power_off_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
