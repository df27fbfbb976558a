/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which files a config names: the part of the config's grammar that the loader needs before there
 * is a heap. Everything else of it is in vmm/config.c.
 */
#include "vmm/config.h"

#include <ini.h>
#include <string.h>

struct file_walk {
	const char *text;
	size_t left;
	void (*each)(void *context, const char *path);
	void *context;
};

/* fgets() on the text, which need not end with a NUL; a NUL inside cannot end a line early. */
static char *read_line(char *line, int size, void *stream)
{
	struct file_walk *walk = stream;
	int used = 0;

	if (walk->left == 0 || size < 2)
		return NULL;
	while (used < size - 1 && walk->left > 0) {
		char c = *walk->text++;

		walk->left--;
		line[used++] = c != 0 ? c : ' ';
		if (c == '\n')
			break;
	}
	line[used] = 0;
	return line;
}

/* Gives `length` characters as a path of its own; one that is too long is config_parse()'s. */
static void report_file(struct file_walk *walk, const char *path, size_t length)
{
	char copy[CONFIG_PATH_MAX];

	if (length == 0 || length >= sizeof(copy))
		return;
	memcpy(copy, path, length);
	copy[length] = 0;
	walk->each(walk->context, copy);
}

/* The length of the first word. */
static size_t word_length(const char *text)
{
	size_t length = 0;

	while (text[length] != 0 && text[length] != ' ' && text[length] != '\t')
		length++;
	return length;
}

static int take_key(void *user, const char *section, const char *name, const char *value, int line)
{
	struct file_walk *walk = user;

	(void)line;
	if (name == NULL || value == NULL || strncmp(section, "vm", 2) != 0 ||
	    (section[2] != ' ' && section[2] != '\t'))
		return 1;
	if (strcmp(name, "kernel") == 0 || strcmp(name, "initrd") == 0)
		report_file(walk, value, strlen(value));
	else if (strcmp(name, "module") == 0)
		report_file(walk, value, word_length(value));
	return 1;
}

void config_for_each_file(const char *text, size_t length,
			  void (*each)(void *context, const char *path), void *context)
{
	struct file_walk walk = {.text = text, .left = length, .each = each, .context = context};

	/* A byte order mark, which config_parse() skips too. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		walk.text += 3;
		walk.left -= 3;
	}
	/* The number of the first bad line: config_parse() tells the user. */
	(void)ini_parse_stream(read_line, &walk, take_key, &walk);
}
