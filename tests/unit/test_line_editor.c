/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/line_editor.c. A terminal of one row follows what is printed, so that after
 * each key the row must show the prompt and the text, with the cursor in its place.
 */
#include "vmm/line_editor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT "> "
#define UP     "\033[A"
#define DOWN   "\033[B"
#define RIGHT  "\033[C"
#define LEFT   "\033[D"

static struct line_editor editor;
static char executed[4096]; /* lines, each with '|' */

/* ---- the terminal ---- */

static char row[512];
static size_t column;
static unsigned cleared;

/* Carries out the escape sequence after "ESC ["; returns what follows it. */
static const char *sequence(const char *text)
{
	unsigned long number = strtoul(text, (char **)&text, 10);

	switch (*text) {
	case 'K':
		memset(row + column, 0, sizeof(row) - column);
		break;
	case 'D':
		assert_in_range(number, 1, column);
		column -= number;
		break;
	case 'H':
		column = 0;
		break;
	case 'J':
		memset(row, 0, sizeof(row));
		cleared++;
		break;
	default:
		fail_msg("unknown sequence %s", text);
	}
	return text + 1;
}

static void print(const char *text)
{
	while (*text != '\0') {
		if (text[0] == '\033' && text[1] == '[') {
			text = sequence(text + 2);
			continue;
		}
		if (*text == '\r') {
			column = 0;
		} else if (*text == '\n') {
			memset(row, 0, sizeof(row));
			column = 0;
		} else {
			row[column++] = *text;
		}
		text++;
	}
}

/* ---- what the editor calls ---- */

static void execute(const char *line)
{
	strlcat(executed, line, sizeof(executed));
	strlcat(executed, "|", sizeof(executed));
	/* As the shell does. */
	line_editor_redraw(&editor);
}

/* Completes from a fixed list, the whole line at once. */
static unsigned complete(const char *line, char *rest, size_t size)
{
	static const char *const words[] = {"start", "stats", "list", "long-word"};
	unsigned count = 0;
	const char *only = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(words[i], line, strlen(line)) == 0) {
			count++;
			only = words[i];
		}
	}
	if (count == 1)
		(void)snprintf(rest, size, "%s", only + strlen(line));
	else if (strcmp(line, "s") == 0)
		(void)snprintf(rest, size, "ta");
	return count;
}

static int setup(void **state)
{
	(void)state;
	memset(&editor, 0, sizeof(editor));
	editor.prompt = PROMPT;
	editor.print = print;
	editor.execute = execute;
	editor.complete = complete;
	executed[0] = '\0';
	memset(row, 0, sizeof(row));
	column = 0;
	cleared = 0;
	line_editor_redraw(&editor);
	return 0;
}

static void check_row(void)
{
	char expected[512];

	assert_int_equal(strlen(editor.text), editor.length);
	assert_in_range(editor.cursor, 0, editor.length);
	(void)snprintf(expected, sizeof(expected), PROMPT "%s", editor.text);
	assert_string_equal(row, expected);
	assert_int_equal(column, strlen(PROMPT) + editor.cursor);
}

static void type(const char *keys)
{
	for (; *keys != '\0'; keys++) {
		line_editor_input(&editor, (uint8_t)*keys);
		check_row();
	}
}

/* Types and compares the line, '_' standing for the cursor. */
static void check(const char *keys, const char *line)
{
	char shown[512];

	type(keys);
	(void)snprintf(shown, sizeof(shown), "%.*s_%s", (int)editor.cursor, editor.text,
		       editor.text + editor.cursor);
	assert_string_equal(shown, line);
}

/* ---- tests ---- */

static void test_line_is_executed(void **state)
{
	(void)state;
	type("list\r");
	assert_string_equal(executed, "list|");
	check("", "_");
}

/* CR, LF and CR LF each end one line. */
static void test_line_ends(void **state)
{
	(void)state;
	type("a\rb\nc\r\nd\r\r\n\n");
	assert_string_equal(executed, "a|b|c|d|||");
}

static void test_keys(void **state)
{
	static const struct {
		const char *keys;
		const char *line;
	} cases[] = {
		{"abc", "abc_"},
		{"abc" LEFT LEFT "x", "ax_bc"},
		{"abc" LEFT LEFT LEFT LEFT RIGHT "x", "ax_bc"},
		{"abc" RIGHT "x", "abcx_"},
		{"abc\b", "ab_"},
		{"abc\x7f\x7f\x7f\x7f", "_"},
		{"abc" LEFT "\b", "a_c"},
		{"abc" LEFT "\033[3~", "ab_"},
		{"abc\033[3~", "abc_"},
		{"abc\x01x", "x_abc"},
		{"abc\x01\x05x", "abcx_"},
		{"abc\033[Hx\033[Fy", "xabcy_"},
		{"abc\033OHx\033OFy", "xabcy_"},
		{"abc" LEFT LEFT "\x0b", "a_"},
		{"abc" LEFT "\x15", "_c"},
		{"one two  \x17", "one _"},
		{"one two\x17\x17\x17", "_"},
		{"one two" LEFT "\x17", "one _o"},
		{"abc\x03", "_"},
		/* Unknown keys and sequences, with parameters, do nothing. */
		{"a\033[1;5Xb\033[200~c\033Od", "abc_"},
		{"a\033[259~b" LEFT "\033[259~", "a_b"},
		{"a\033\033[Db", "b_a"},
		{"a\033xb", "ab_"},
		{"a\x80\xff\x04\x1d", "a_"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)setup(state);
		check(cases[i].keys, cases[i].line);
	}
	assert_string_equal(executed, "");
}

static void test_clear_screen(void **state)
{
	(void)state;
	check("abc" LEFT "\x0c", "ab_c");
	assert_int_equal(cleared, 1);
}

static void test_history(void **state)
{
	(void)state;
	type("one\rtwo\r\rtwo\rthree\r");
	check(UP, "three_");
	check(UP, "two_");
	check(UP, "one_"); /* the repeated line is there once, the empty one not at all */
	check(UP, "one_");
	check(DOWN, "two_");
	check("\x10", "one_");
	check("\x0e\x0e", "three_");
	check(DOWN, "_");
	check(DOWN, "_");
	type(UP "!\r");
	assert_string_equal(executed, "one|two||two|three|three!|");
	check(UP UP, "three_"); /* itself was not changed */
}

static void test_interrupted_line_starts_history_anew(void **state)
{
	(void)state;
	type("one\rtwo\r" UP UP "\x03");
	check(UP, "two_");
}

static void test_history_keeps_the_newest(void **state)
{
	char line[8];

	(void)state;
	for (unsigned i = 0; i < 3 * LINE_HISTORY; i++) {
		(void)snprintf(line, sizeof(line), "l%u\r", i);
		type(line);
	}
	for (unsigned i = 0; i < LINE_HISTORY + 3; i++)
		type(UP);
	(void)snprintf(line, sizeof(line), "l%d_", 2 * LINE_HISTORY);
	check("", line);
}

static void test_longest_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LINE_MAX_LENGTH + 10; i++)
		type("x");
	assert_int_equal(editor.length, LINE_MAX_LENGTH);
	type("\x01y");
	assert_int_equal(editor.length, LINE_MAX_LENGTH);
	type("\r" UP);
	assert_int_equal(editor.length, LINE_MAX_LENGTH);
	assert_int_equal(strlen(executed), LINE_MAX_LENGTH + 1);
}

static void test_completion(void **state)
{
	(void)state;
	check("li\t", "list _");
	check("\x15s\t", "sta_");
	check("\t", "sta_"); /* two that differ in the next letter */
	check("r\t", "start _");
	check("\x15xyz\t", "xyz_");
	check("\x15\t", "_");
	/* Before the end: what follows stays, and no blank is added. */
	check("\x15ligarbage\x01" RIGHT RIGHT "\t", "list_garbage");
}

static void test_completion_of_a_full_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LINE_MAX_LENGTH - 4; i++)
		type("x");
	/* At the line's start, where "lo" completes to more than fits. */
	type("\x01lo\t");
	assert_int_equal(editor.length, LINE_MAX_LENGTH - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line_is_executed, setup),
		cmocka_unit_test_setup(test_line_ends, setup),
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_clear_screen, setup),
		cmocka_unit_test_setup(test_history, setup),
		cmocka_unit_test_setup(test_interrupted_line_starts_history_anew, setup),
		cmocka_unit_test_setup(test_history_keeps_the_newest, setup),
		cmocka_unit_test_setup(test_longest_line, setup),
		cmocka_unit_test_setup(test_completion, setup),
		cmocka_unit_test_setup(test_completion_of_a_full_line, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
