/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of the shell's commands. */
#pragma once

#include "vmm/types.h"

#define SHELL_ARGS_MAX 8

/* What a command's first argument is, for completion. */
enum shell_argument {
	SHELL_NOTHING,
	SHELL_COMMAND,
	SHELL_VM
};

struct shell_command {
	const char *name;
	const char *usage; /* its arguments */
	const char *help;  /* one line */
	unsigned min_args;
	unsigned max_args;
	enum shell_argument argument;
	void (*run)(unsigned count, char *args[]);
};

extern const struct shell_command shell_commands[];
extern const unsigned shell_command_count;

/* The command of that name, or NULL. */
const struct shell_command *shell_find_command(const char *name);

/* Asks the user; calls yes() where the next line says so. */
void shell_confirm(const char *question, void (*yes)(void));
