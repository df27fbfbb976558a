/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/log.c: time stamps, the sink, and a ring that forgets the oldest lines. */
#include "vmm/log.h"

#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char sunk[LOG_LINE_MAX];
static enum log_level sunk_level;
static unsigned sunk_count;

static void sink(enum log_level level, const char *line)
{
	sunk_level = level;
	sunk_count++;
	(void)snprintf(sunk, sizeof(sunk), "%s", line);
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	log_set_sink(sink);
	sunk[0] = '\0';
	sunk_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL);
	return 0;
}

static void test_line_has_a_stamp(void **state)
{
	(void)state;
	fake_platform_set_time(12 * FAKE_TICK_HZ + FAKE_TICK_HZ / 1000 * 345 + 678999);
	log_warning("vm %s: %d", "web", 42);
	assert_string_equal(sunk, "[   12.345678] vm web: 42");
	assert_int_equal(sunk_level, LOG_WARNING);
}

static void test_long_line_is_cut(void **state)
{
	(void)state;
	log_info("%0300d", 7);
	assert_int_equal(strlen(sunk), LOG_LINE_MAX - 1);
	assert_memory_equal(sunk + 13, "] 000", 5);
}

/* What log_for_each() shows. */
struct walk {
	unsigned count;
	char first[LOG_LINE_MAX];
	char last[LOG_LINE_MAX];
	enum log_level last_level;
	bool log_more;
};

static void on_line(void *context, enum log_level level, const char *line)
{
	struct walk *walk = context;

	if (walk->count++ == 0)
		strlcpy(walk->first, line, sizeof(walk->first));
	strlcpy(walk->last, line, sizeof(walk->last));
	walk->last_level = level;
	if (walk->log_more)
		log_debug("once more");
}

static void test_lines_are_kept_without_a_sink(void **state)
{
	struct walk walk = {.count = 0};

	(void)state;
	log_set_sink(NULL);
	log_error("kept");
	log_for_each(on_line, &walk);
	assert_true(walk.count > 0);
	assert_string_equal(walk.last + 15, "kept");
	assert_int_equal(walk.last_level, LOG_ERROR);
	assert_int_equal(sunk_count, 0);
}

static void test_empty_line(void **state)
{
	struct walk walk = {.count = 0};

	(void)state;
	log_info("%s", "");
	log_for_each(on_line, &walk);
	assert_string_equal(walk.last, "[    0.000000] ");
}

/* The oldest are forgotten, whole lines at a time. */
static void test_ring_keeps_the_newest(void **state)
{
	unsigned lines = 5000;
	size_t length = strlen("[    0.000000] line 00000");
	struct walk walk = {.count = 0};
	char expected[64];

	(void)state;
	for (unsigned i = 0; i < lines; i++)
		log_info("line %05u", i);
	log_for_each(on_line, &walk);
	assert_int_equal(walk.count, LOG_RING_BYTES / (length + 2));
	(void)snprintf(expected, sizeof(expected), "[    0.000000] line %05u", lines - walk.count);
	assert_string_equal(walk.first, expected);
	assert_string_equal(walk.last, "[    0.000000] line 04999");
}

/* A walk that logs, itself or by what it calls, comes to an end. */
static void test_walk_may_log(void **state)
{
	struct walk before = {.count = 0};
	struct walk walk = {.log_more = true};

	(void)state;
	log_for_each(on_line, &before);
	log_for_each(on_line, &walk);
	assert_in_range(walk.count, 1, before.count);
	assert_string_equal(sunk + 15, "once more");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line_has_a_stamp),
		TEST(test_long_line_is_cut),
		TEST(test_empty_line),
		TEST(test_lines_are_kept_without_a_sink),
		TEST(test_ring_keeps_the_newest),
		TEST(test_walk_may_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
