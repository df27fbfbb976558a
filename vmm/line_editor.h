/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of input on a terminal: editing, history, completion. Knows keys and escape sequences
 * (ECMA-48, as VT100 and xterm send them), but no commands.
 */
#pragma once

#include "vmm/types.h"

#define LINE_MAX_LENGTH 200
#define LINE_HISTORY	16

struct line_editor {
	const char *prompt;
	void (*print)(const char *text);
	/* A finished line, without its end; may print. */
	void (*execute)(const char *line);
	/*
	 * What may follow `line` up to the cursor: stores the candidates' common rest in `rest` and
	 * whether it is the only one; prints the candidates where there is no common rest. Returns
	 * how many there are.
	 */
	unsigned (*complete)(const char *line, char *rest, size_t size);
	char text[LINE_MAX_LENGTH + 1];
	size_t length;
	size_t cursor;
	char history[LINE_HISTORY][LINE_MAX_LENGTH + 1];
	unsigned history_count; /* lines ever entered */
	unsigned history_at;	/* that is being shown: history_count is the new line */
	uint8_t escape;		/* how much of an escape sequence has come: 0, 1 (ESC), 2 (ESC [) */
	uint8_t parameter;	/* its number */
	bool after_cr;		/* a LF now belongs to the CR before it */
};

/* Takes one byte from the terminal. */
void line_editor_input(struct line_editor *editor, uint8_t byte);

/* Prints prompt and text anew on the current row, with the cursor in its place. */
void line_editor_redraw(struct line_editor *editor);
