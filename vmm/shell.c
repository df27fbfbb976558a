/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads command lines and finds who carries them out. The commands themselves are in
 * shell_commands.c.
 */
#include "vmm/shell.h"

#include "vmm/console.h"
#include "vmm/format.h"
#include "vmm/line_editor.h"
#include "vmm/shell_commands.h"
#include "vmm/vm.h"

#include <string.h>

/* A question that waits for yes or no, and what yes does. */
static char question_prompt[80];
static void (*confirmed)(void);

static unsigned complete(const char *line, char *rest, size_t size);

static struct line_editor editor = {
	.prompt = "bulkhead> ",
	.print = console_write,
	.execute = shell_execute,
	.complete = complete,
};

void shell_input(uint8_t byte)
{
	line_editor_input(&editor, byte);
}

void shell_redraw(void)
{
	line_editor_redraw(&editor);
}

void shell_confirm(const char *question, void (*yes)(void))
{
	/* As the prompt it is shown anew whenever the row is. */
	hv_snprintf(question_prompt, sizeof(question_prompt), "%s [y/N] ", question);
	editor.prompt = question_prompt;
	confirmed = yes;
}

static void take_answer(const char *text)
{
	void (*yes)(void) = confirmed;

	confirmed = NULL;
	editor.prompt = "bulkhead> ";
	if (strcmp(text, "y") == 0 || strcmp(text, "yes") == 0)
		yes();
	else
		console_write("not done\n");
}

/* Splits a line into words in place; returns how many, or SHELL_ARGS_MAX + 1 where there are more.
 */
static unsigned split(char *text, char *words[SHELL_ARGS_MAX])
{
	unsigned count = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0')
			return count;
		if (count == SHELL_ARGS_MAX)
			return SHELL_ARGS_MAX + 1;
		words[count++] = text;
		text += strcspn(text, " \t");
		if (*text != '\0')
			*text++ = '\0';
	}
}

const struct shell_command *shell_find_command(const char *name)
{
	for (unsigned i = 0; i < shell_command_count; i++) {
		if (strcmp(shell_commands[i].name, name) == 0)
			return &shell_commands[i];
	}
	return NULL;
}

static void run_command(char *text)
{
	char *words[SHELL_ARGS_MAX];
	unsigned count = split(text, words);
	const struct shell_command *command;

	if (count == 0)
		return;
	command = shell_find_command(words[0]);
	if (command == NULL)
		console_printf("%.40s: no such command; `help` lists them\n", words[0]);
	else if (count - 1 < command->min_args || count - 1 > command->max_args)
		console_printf("usage: %s %s\n", command->name, command->usage);
	else
		command->run(count - 1, words + 1);
}

void shell_execute(const char *text)
{
	char copy[LINE_MAX_LENGTH + 1];

	hv_snprintf(copy, sizeof(copy), "%s", text);
	if (confirmed != NULL)
		take_answer(copy);
	else
		run_command(copy);
	if (console_attached() == NULL)
		shell_redraw();
}

/* ---- completion ---- */

struct candidates {
	const char *begin;
	unsigned count;
	char common[LINE_MAX_LENGTH + 1]; /* what all have after `begin` */
	bool print;
};

static void consider(struct candidates *candidates, const char *name)
{
	size_t length = strlen(candidates->begin);
	size_t same = 0;

	if (strncmp(name, candidates->begin, length) != 0)
		return;
	if (candidates->print) {
		console_printf("%s  ", name);
		return;
	}
	if (candidates->count++ == 0) {
		hv_snprintf(candidates->common, sizeof(candidates->common), "%s", name + length);
		return;
	}
	while (candidates->common[same] != '\0' && candidates->common[same] == name[length + same])
		same++;
	candidates->common[same] = '\0';
}

static void consider_all(struct candidates *candidates, enum shell_argument kind)
{
	if (kind == SHELL_COMMAND) {
		for (unsigned i = 0; i < shell_command_count; i++)
			consider(candidates, shell_commands[i].name);
	} else if (kind == SHELL_VM) {
		for (struct vm *vm = vm_first(); vm != NULL; vm = vm->next)
			consider(candidates, vm->config->name);
	}
}

static unsigned complete(const char *line, char *rest, size_t size)
{
	struct candidates candidates = {.begin = strrchr(line, ' ')};
	enum shell_argument kind = SHELL_COMMAND;
	char first[LINE_MAX_LENGTH + 1];
	const struct shell_command *command;

	if (confirmed != NULL)
		return 0;
	if (candidates.begin == NULL) {
		candidates.begin = line;
	} else {
		candidates.begin++;
		hv_snprintf(first, sizeof(first), "%s", line);
		first[strcspn(first, " ")] = '\0';
		command = shell_find_command(first);
		kind = command == NULL ? SHELL_NOTHING : command->argument;
	}
	consider_all(&candidates, kind);
	hv_snprintf(rest, size, "%s", candidates.common);
	if (candidates.count > 1 && candidates.common[0] == '\0') {
		console_write("\n");
		candidates.print = true;
		consider_all(&candidates, kind);
		console_write("\n");
	}
	return candidates.count;
}
