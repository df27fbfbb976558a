/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/config.c: what a text means, and what is said about a wrong one. */
#include "vmm/config.h"
#include "vmm/heap.h"

#include "fake_heap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FILE_NAME "b.ini"

static struct config config;
static char messages[16384];

static void collect(void *context, const char *message)
{
	assert_ptr_equal(context, messages);
	strlcat(messages, message, sizeof(messages));
	strlcat(messages, "\n", sizeof(messages));
}

/* Parses a copy with no byte behind its end, so that the sanitizer sees a read too far. */
static int parse_bytes(const char *text, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	int error;

	assert_non_null(copy);
	memcpy(copy, text, length);
	messages[0] = '\0';
	error = config_parse(&config, copy, length, FILE_NAME, collect, messages);
	free(copy);
	return error;
}

static void parse(const char *text)
{
	assert_int_equal(parse_bytes(text, strlen(text)), 0);
}

/* "web db": the VMs that were taken. */
static const char *vm_names(void)
{
	static char names[CONFIG_VMS_MAX * (CONFIG_NAME_MAX + 1)];

	names[0] = '\0';
	for (unsigned i = 0; i < config.vm_count; i++) {
		strlcat(names, i == 0 ? "" : " ", sizeof(names));
		strlcat(names, config.vms[i]->name, sizeof(names));
	}
	return names;
}

static int teardown(void **state)
{
	(void)state;
	fake_heap_fail_after(-1);
	config_destroy(&config);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static void test_reads_every_key(void **state)
{
	const struct vm_config *vm;

	(void)state;
	parse("# comment\n"
	      "[host]\n"
	      "on-idle = poweroff\n"
	      "\n"
	      "[vm web]\n"
	      "vcpus = 2\n"
	      "cpus = 1-2\n"
	      "memory = 1G\n"
	      "kernel = /guests/vmlinuz ; the cloud kernel\n"
	      "initrd: /guests/initrd.img\n"
	      "cmdline = console=ttyS0 root=/dev/vda\n"
	      "module = /guests/a one two\n"
	      "module = /guests/b\n"
	      "autostart = no\n"
	      "debug-exit = 0xf4\n");
	assert_string_equal(messages, "");
	assert_true(config.host.power_off_when_idle);
	assert_string_equal(vm_names(), "web");
	vm = config.vms[0];
	assert_int_equal(vm->line, 5);
	assert_int_equal(vm->vcpus, 2);
	assert_false(vm->any_cpu);
	assert_false(cpu_mask_test(&vm->cpus, 0));
	assert_true(cpu_mask_test(&vm->cpus, 1));
	assert_true(cpu_mask_test(&vm->cpus, 2));
	assert_false(cpu_mask_test(&vm->cpus, 3));
	assert_int_equal(vm->memory, GIB(1));
	assert_string_equal(vm->kernel, "/guests/vmlinuz");
	assert_string_equal(vm->initrd, "/guests/initrd.img");
	assert_string_equal(vm->cmdline, "console=ttyS0 root=/dev/vda");
	assert_int_equal(vm->module_count, 2);
	assert_string_equal(vm->modules[0].path, "/guests/a");
	assert_string_equal(vm->modules[0].arguments, "one two");
	assert_string_equal(vm->modules[1].path, "/guests/b");
	assert_string_equal(vm->modules[1].arguments, "");
	assert_false(vm->autostart);
	assert_int_equal(vm->debug_exit, 0xf4);
}

static void test_defaults(void **state)
{
	const struct vm_config *vm;

	(void)state;
	parse("[vm a]\nkernel=/k");
	assert_string_equal(messages, "");
	assert_false(config.host.power_off_when_idle);
	vm = config.vms[0];
	assert_int_equal(vm->vcpus, 1);
	assert_true(vm->any_cpu);
	assert_true(cpu_mask_test(&vm->cpus, CPUS_MAX - 1));
	assert_int_equal(vm->memory, MIB(256));
	assert_string_equal(vm->initrd, "");
	assert_string_equal(vm->cmdline, "");
	assert_int_equal(vm->module_count, 0);
	assert_true(vm->autostart);
	assert_int_equal(vm->debug_exit, -1);
}

/* What editors on other systems write is read the same. */
static void test_byte_order_mark_and_line_ends(void **state)
{
	(void)state;
	parse("\xef\xbb\xbf[vm a]\r\n  kernel = /k\r\n\r\n[vm b] ; second\r\n\tkernel = /l\r\n");
	assert_string_equal(messages, "");
	assert_string_equal(vm_names(), "a b");
	assert_string_equal(config.vms[0]->kernel, "/k");
	assert_int_equal(config.vms[1]->line, 4);
}

struct mistake_case {
	const char *text;
	const char *messages; /* all, each with its newline */
	const char *vms;      /* that stay */
};

#define K "kernel=/k\n"
#define KEYS                                                                                 \
	"known are: vcpus, cpus, memory, kernel, initrd, cmdline, module, autostart, debug-" \
	"exit"

static const struct mistake_case mistakes[] = {
	{"", "", ""},
	{"x = 1\n[vm a]\n" K,
	 "b.ini:1: x: stands before the first section; begin with [host] or "
	 "[vm NAME]\n",
	 "a"},
	{"[vms]\nx = 1\n[vm a]\n" K,
	 "b.ini:1: [vms]: unknown section; known are [host] and [vm NAME]\n", "a"},
	{"[host]\non-idle = sleep\n", "b.ini:2: [host] on-idle = sleep: must be stay or poweroff\n",
	 ""},
	{"[host]\nmemory = 1M\n", "b.ini:2: [host] memory: unknown key; known are: on-idle\n", ""},
	{"[host]\n[host]\n", "b.ini:2: [host]: is there twice\n", ""},

	/* Names. */
	{"[vm]\n" K, "b.ini:1: [vm ]: a name is 1 to 31 letters, digits, '-', '_' or '.'\n", ""},
	{"[vm a b]\n" K, "b.ini:1: [vm a b]: a name is 1 to 31 letters, digits, '-', '_' or '.'\n",
	 ""},
	{"[vm 0123456789012345678901234567890]\n" K, "", "0123456789012345678901234567890"},
	{"[vm 01234567890123456789012345678901]\n" K,
	 "b.ini:1: [vm 01234567890123456789012345678901]: a name is 1 to 31 letters, digits, '-', "
	 "'_' or '.'\n",
	 ""},
	{"[vm a]\n" K "[vm a]\n" K, "b.ini:3: [vm a]: there is a VM of that name already\n", "a"},
	/* Also where the first of the name was wrong: which one is meant? */
	{"[vm a]\n" K "vcpus=0\n[vm a]\n" K,
	 "b.ini:3: [vm a] vcpus = 0: must be a number from 1 to 64\n"
	 "b.ini:4: [vm a]: there is a VM of that name already\n",
	 ""},

	/* Section lines that are none: their keys belong to nobody. */
	{"[vm a]\n" K "[vm b\nvcpus=9999\n[vm c]\n" K,
	 "b.ini:3: the section's name has no closing ']'\n", "a c"},
	{"[vm a]\n" K "[vm b ;]\nvcpus=9999\n", "b.ini:3: the section's name has no closing ']'\n",
	 "a"},
	{"[vm a]\n" K "[vm b] kernel=/l\nvcpus=9999\n",
	 "b.ini:3: \"kernel=/l\" follows the section's ']'; it goes on a line of its own\n", "a"},
	{"[vm a];x\n" K "[vm b] # x\n" K, "", "a b"},

	/* Keys. */
	{"[vm a]\n",
	 "b.ini:1: [vm a] kernel: is missing; name a kernel file, e.g. kernel = "
	 "/guests/vmlinuz\n",
	 ""},
	{"[vm a]\n" K "colour = red\n", "b.ini:3: [vm a] colour: unknown key; " KEYS "\n", ""},
	{"[vm a]\n" K "Memory = 1M\n", "b.ini:3: [vm a] Memory: unknown key; " KEYS "\n", ""},
	{"[vm a]\n" K "memory\n", "b.ini:3: [vm a] memory: has no value; write memory = ...\n", ""},
	{"[vm a]\n" K K, "b.ini:3: [vm a] kernel: is there twice in this section\n", ""},
	{"[vm a]\nkernel =\n",
	 "b.ini:2: [vm a] kernel: must name a file on the boot volume, e.g. "
	 "/guests/vmlinuz\n",
	 ""},
	{"[vm a]\nkernel\n", "b.ini:2: [vm a] kernel: has no value; write kernel = ...\n", ""},

	/* Values. */
	{"[vm a]\n" K "vcpus = 65\n", "b.ini:3: [vm a] vcpus = 65: must be a number from 1 to 64\n",
	 ""},
	{"[vm a]\n" K "vcpus = two\n",
	 "b.ini:3: [vm a] vcpus = two: must be a number from 1 to 64\n", ""},
	{"[vm a]\n" K "vcpus =\n", "b.ini:3: [vm a] vcpus = : must be a number from 1 to 64\n", ""},
	{"[vm a]\n" K "cpus = 1,256\n",
	 "b.ini:3: [vm a] cpus = 1,256: must be host CPU numbers and ranges from 0 to 255, e.g. "
	 "0,2-3\n",
	 ""},
	{"[vm a]\n" K "memory = 256\n",
	 "b.ini:3: [vm a] memory = 256: must be a size with K, M or G, e.g. 256M\n", ""},
	{"[vm a]\n" K "memory = 1023K\n",
	 "b.ini:3: [vm a] memory = 1023K: must be from 1M to "
	 "4096G\n",
	 ""},
	{"[vm a]\n" K "memory = 4097G\n",
	 "b.ini:3: [vm a] memory = 4097G: must be from 1M to "
	 "4096G\n",
	 ""},
	{"[vm a]\n" K "memory = 1025K\n", "b.ini:3: [vm a] memory = 1025K: must be whole MiB\n",
	 ""},
	{"[vm a]\n" K "autostart = 1\n", "b.ini:3: [vm a] autostart = 1: must be yes or no\n", ""},
	{"[vm a]\n" K "debug-exit = 0\n",
	 "b.ini:3: [vm a] debug-exit = 0: must be a number from 1 to 65535\n", ""},
	{"[vm a]\n" K "debug-exit = 65536\n",
	 "b.ini:3: [vm a] debug-exit = 65536: must be a number from 1 to 65535\n", ""},
	{"[vm a]\n" K "module =\n",
	 "b.ini:3: [vm a] module: must be a path of at most 127 characters, then arguments\n", ""},

	/* Not text. */
	{"[vm a]\n" K "initrd = /\x01\n", "b.ini:3: [vm a] byte 0x01 in column 11 is not text\n",
	 ""},
	{"[vm a]\rkernel=/k\r", "b.ini:1: byte 0x0d in column 7 is not text\n", ""},

	/* All of them at once; the VMs around stay. */
	{"[vm a]\n" K "[vm b]\nvcpus=0\nmemory=lots\n[vm c]\n" K,
	 "b.ini:4: [vm b] vcpus = 0: must be a number from 1 to 64\n"
	 "b.ini:5: [vm b] memory = lots: must be a size with K, M or G, e.g. 256M\n"
	 "b.ini:3: [vm b] kernel: is missing; name a kernel file, e.g. kernel = /guests/vmlinuz\n",
	 "a c"},
};

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void test_reports_mistakes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		parse(mistakes[i].text);
		assert_string_equal(messages, mistakes[i].messages);
		assert_string_equal(vm_names(), mistakes[i].vms);
		assert_int_equal(config.errors, count_lines(messages));
		(void)teardown(state);
	}
}

/* A text that consists of "[vm a]", a kernel and KEY = followed by `length` letters. */
static void parse_long(const char *key, size_t length)
{
	static char text[8192];
	int used = snprintf(text, sizeof(text),
			    "[vm a]\n%s%s = ", strcmp(key, "kernel") == 0 ? "" : K, key);

	memset(text + used, 'x', length);
	strlcpy(text + used + length, "\n", sizeof(text) - (size_t)used - length);
	parse(text);
}

static void test_longest_values(void **state)
{
	static const struct {
		const char *key;
		size_t max;
		const char *message;
	} cases[] = {
		{"kernel", CONFIG_PATH_MAX - 1,
		 "b.ini:2: [vm a] kernel: the path has 128 characters, at most 127 are allowed\n"},
		{"initrd", CONFIG_PATH_MAX - 1,
		 "b.ini:3: [vm a] initrd: the path has 128 characters, at most 127 are allowed\n"},
		{"cmdline", CONFIG_CMDLINE_MAX - 1,
		 "b.ini:3: [vm a] cmdline: has 2048 characters, at most 2047 are allowed\n"},
		{"module", CONFIG_PATH_MAX - 1,
		 "b.ini:3: [vm a] module: must be a path of at most 127 characters, then "
		 "arguments\n"},
		{"module = /m", 255,
		 "b.ini:3: [vm a] module: the arguments have 256 characters, at most 255 are "
		 "allowed\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* "= /m = xxx": two characters of the last case's value are its "= ". */
		size_t extra = strchr(cases[i].key, '=') != NULL ? 2 : 0;

		parse_long(cases[i].key, cases[i].max - extra);
		assert_string_equal(messages, "");
		assert_int_equal(config.vm_count, 1);
		(void)teardown(state);
		parse_long(cases[i].key, cases[i].max - extra + 1);
		assert_string_equal(messages, cases[i].message);
		assert_int_equal(config.vm_count, 0);
		(void)teardown(state);
	}
}

static void test_line_too_long(void **state)
{
	(void)state;
	parse_long("cmdline", 4000);
	assert_string_equal(messages, "b.ini:3: [vm a] the line has 4010 characters, at most 2301 "
				      "are allowed\n");
	assert_int_equal(config.vm_count, 0);
}

static void test_nul_is_not_text(void **state)
{
	static const char text[] = "[vm a]\n" K "initrd = /a\0b\n[vm b]\n" K;

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1), 0);
	assert_string_equal(messages, "b.ini:3: [vm a] byte 0x00 in column 12 is not text\n");
	assert_string_equal(vm_names(), "b");
}

static void test_too_many_modules(void **state)
{
	char text[1024] = "[vm a]\n" K;

	(void)state;
	for (unsigned i = 0; i < CONFIG_MODULES_MAX; i++)
		strlcat(text, "module = /m\n", sizeof(text));
	parse(text);
	assert_string_equal(messages, "");
	assert_int_equal(config.vms[0]->module_count, CONFIG_MODULES_MAX);
	config_destroy(&config);
	strlcat(text, "module = /m\n", sizeof(text));
	parse(text);
	assert_string_equal(messages, "b.ini:19: [vm a] module: at most 16 are allowed\n");
	assert_int_equal(config.vm_count, 0);
}

static void test_too_many_vms(void **state)
{
	char text[4096] = "";

	(void)state;
	for (unsigned i = 0; i <= CONFIG_VMS_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "[vm v%u]\n" K, i);
	parse(text);
	assert_string_equal(messages, "b.ini:129: [vm v64]: at most 64 VMs are allowed\n");
	assert_int_equal(config.vm_count, CONFIG_VMS_MAX);
}

static void test_out_of_memory_leaves_a_valid_config(void **state)
{
	static const char text[] = "[vm a]\n" K "module=/m\n[vm b]\n" K "module=/m\n";
	int successes = 0;

	for (;;) {
		int error;

		fake_heap_fail_after(successes++);
		error = parse_bytes(text, sizeof(text) - 1);
		if (error == 0)
			break;
		assert_int_equal(error, -ENOMEM);
		assert_int_equal(config.vm_count, 1); /* of two, one met the failure */
		(void)teardown(state);
	}
	assert_int_equal(successes, 5);
	assert_string_equal(vm_names(), "a b");
}

/* A file name of any length leaves room for what matters. */
static void test_long_file_name(void **state)
{
	char name[1000];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	messages[0] = '\0';
	assert_int_equal(config_parse(&config, "x", 1, name, collect, messages), 0);
	assert_non_null(strstr(messages, "nnn:1: x: stands before"));
}

/* ---- against the machine ---- */

static void check_machine(unsigned cpus, uint64_t free_bytes)
{
	messages[0] = '\0';
	config_check_machine(&config, cpus, free_bytes, FILE_NAME, collect, messages);
}

static void test_machine_has_not_the_cpus(void **state)
{
	(void)state;
	parse("[vm a]\ncpus=0-2\n" K "[vm b]\ncpus=1-3\n" K "[vm c]\n" K);
	check_machine(3, GIB(4));
	assert_string_equal(messages, "b.ini:4: [vm b] cpus: CPU 3 is not there; this machine has "
				      "CPUs 0 to 2\n");
	assert_string_equal(vm_names(), "a c");
	assert_int_equal(config.errors, 1);
}

/* VMs that start take memory from those below them; one that does not start only has to fit. */
static void test_machine_has_not_the_memory(void **state)
{
	(void)state;
	parse("[vm a]\nmemory=600M\n" K "[vm b]\nmemory=500M\n" K "[vm c]\nmemory=400M\n" K
	      "[vm d]\nmemory=1000M\nautostart=no\n" K "[vm e]\nmemory=1001M\nautostart=no\n" K);
	check_machine(1, MIB(1000));
	assert_string_equal(
		messages,
		"b.ini:4: [vm b] memory: 500 MiB are not there; of 1000 MiB for guests the VMs "
		"above leave 400 MiB\n"
		"b.ini:14: [vm e] memory: 1001 MiB are not there; of 1000 MiB for guests the VMs "
		"above leave 0 MiB\n");
	assert_string_equal(vm_names(), "a c d");
}

static void test_machine_lacks_both(void **state)
{
	(void)state;
	parse("[vm a]\ncpus=4\nmemory=2G\nmodule=/m\n" K);
	check_machine(1, GIB(1));
	assert_int_equal(count_lines(messages), 2);
	assert_non_null(strstr(messages, "] cpus: "));
	assert_non_null(strstr(messages, "] memory: "));
	assert_int_equal(config.vm_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_reads_every_key, teardown),
		cmocka_unit_test_teardown(test_defaults, teardown),
		cmocka_unit_test_teardown(test_byte_order_mark_and_line_ends, teardown),
		cmocka_unit_test_teardown(test_reports_mistakes, teardown),
		cmocka_unit_test_teardown(test_longest_values, teardown),
		cmocka_unit_test_teardown(test_line_too_long, teardown),
		cmocka_unit_test_teardown(test_nul_is_not_text, teardown),
		cmocka_unit_test_teardown(test_too_many_modules, teardown),
		cmocka_unit_test_teardown(test_too_many_vms, teardown),
		cmocka_unit_test_teardown(test_out_of_memory_leaves_a_valid_config, teardown),
		cmocka_unit_test_teardown(test_long_file_name, teardown),
		cmocka_unit_test_teardown(test_machine_has_not_the_cpus, teardown),
		cmocka_unit_test_teardown(test_machine_has_not_the_memory, teardown),
		cmocka_unit_test_teardown(test_machine_lacks_both, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
