/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/config_value.c: tables of texts and what they mean. */
#include "vmm/config_value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct number_case {
	const char *text;
	int error;
	uint64_t value;
};

static const struct number_case numbers[] = {
	{"0", 0, 0},
	{"42", 0, 42},
	{"007", 0, 7},
	{"0x10", 0, 16},
	{"0XfF", 0, 255},
	{"18446744073709551615", 0, UINT64_MAX},
	{"0xffffffffffffffff", 0, UINT64_MAX},
	{"18446744073709551616", -ERANGE, 0},
	{"0x10000000000000000", -ERANGE, 0},
	{"", -EINVAL, 0},
	{"-1", -EINVAL, 0},
	{"+1", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"12a", -EINVAL, 0},
	{"a", -EINVAL, 0},
	{"0x", -EINVAL, 0},
	{"0xg", -EINVAL, 0},
	{"1.5", -EINVAL, 0},
};

static const struct number_case sizes[] = {
	{"1K", 0, 1024},
	{"256M", 0, MIB(256)},
	{"256m", 0, MIB(256)},
	{"4g", 0, GIB(4)},
	{"0x10M", 0, MIB(16)},
	{"0G", 0, 0},
	{"17179869183G", 0, GIB(17179869183)},
	{"17179869184G", -ERANGE, 0},
	{"18446744073709551615K", -ERANGE, 0},
	{"99999999999999999999M", -ERANGE, 0},
	{"256", -EINVAL, 0}, /* of what? */
	{"M", -EINVAL, 0},
	{"", -EINVAL, 0},
	{"1MB", -EINVAL, 0},
	{"1 M", -EINVAL, 0},
	{"1T", -EINVAL, 0},
	{"1{", -EINVAL, 0},
	{"1\xc3\xa9", -EINVAL, 0},
	{"-1M", -EINVAL, 0},
};

static void check_numbers(const struct number_case *cases, size_t count,
			  int (*parse)(const char *text, uint64_t *value))
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 0;
		int error = parse(cases[i].text, &value);

		if (error != cases[i].error || (error == 0 && value != cases[i].value))
			fail_msg("\"%s\": error %d, value %llu", cases[i].text, error,
				 (unsigned long long)value);
	}
}

static void test_numbers(void **state)
{
	(void)state;
	check_numbers(numbers, ARRAY_SIZE(numbers), config_value_number);
}

static void test_sizes(void **state)
{
	(void)state;
	check_numbers(sizes, ARRAY_SIZE(sizes), config_value_size);
}

static void test_bools(void **state)
{
	static const char *const yes[] = {"yes", "true", "on"};
	static const char *const no[] = {"no", "false", "off"};
	static const char *const neither[] = {"", "y", "1", "YES", "yes ", "none"};
	bool value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		value = false;
		assert_int_equal(config_value_bool(yes[i], &value), 0);
		assert_true(value);
		value = true;
		assert_int_equal(config_value_bool(no[i], &value), 0);
		assert_false(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(neither); i++)
		assert_int_equal(config_value_bool(neither[i], &value), -EINVAL);
}

/* The mask as "0 2 3", to compare with. */
static const char *show_mask(const struct cpu_mask *mask)
{
	static char text[CPUS_MAX * 4];
	int length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < CPUS_MAX; i++) {
		if (cpu_mask_test(mask, i))
			length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%u",
					   length == 0 ? "" : " ", i);
	}
	return text;
}

static void test_cpus(void **state)
{
	static const struct {
		const char *text;
		const char *cpus; /* NULL: refused */
	} cases[] = {
		{"0", "0"},
		{"255", "255"},
		{"0,2-3", "0 2 3"},
		{" 1 , 4-5\t", "1 4 5"},
		{"3-3,3,2-4", "2 3 4"},
		{"62-65", "62 63 64 65"},
		{"", NULL},
		{",", NULL},
		{"1,", NULL},
		{"1 2", NULL},
		{"2-1", NULL},
		{"1-", NULL},
		{"-1", NULL},
		{"256", NULL},
		{"0-256", NULL},
		{"0-18446744073709551616", NULL},
		{"all", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cpu_mask mask = {{0}};
		int error = config_value_cpus(cases[i].text, &mask);

		if (cases[i].cpus == NULL ? error != -EINVAL
					  : strcmp(show_mask(&mask), cases[i].cpus) != 0)
			fail_msg("\"%s\": error %d, CPUs %s", cases[i].text, error,
				 show_mask(&mask));
	}
}

/* A text that is refused leaves what was there. */
static void test_refused_cpus_change_nothing(void **state)
{
	struct cpu_mask mask = {{0}};

	(void)state;
	cpu_mask_set(&mask, 7);
	assert_int_equal(config_value_cpus("1,x", &mask), -EINVAL);
	assert_string_equal(show_mask(&mask), "7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bools),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_refused_cpus_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
