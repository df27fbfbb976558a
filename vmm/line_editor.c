/* SPDX-License-Identifier: BSD-2-Clause */
/* Every change redraws the row from its start: simple, and a serial line takes a row in a few
 * milliseconds. */
#include "vmm/line_editor.h"

#include "vmm/format.h"

#include <string.h>

#define CTRL(letter) ((letter) - 'A' + 1)
#define KEY_ESCAPE   0x1b
#define KEY_DELETE   0x7f

void line_editor_redraw(struct line_editor *editor)
{
	char back[16];

	editor->print("\r\033[K");
	editor->print(editor->prompt);
	editor->print(editor->text);
	if (editor->cursor < editor->length) {
		hv_snprintf(back, sizeof(back), "\033[%zuD", editor->length - editor->cursor);
		editor->print(back);
	}
}

static void insert(struct line_editor *editor, const char *what)
{
	size_t count = strlen(what);

	if (editor->length + count > LINE_MAX_LENGTH)
		return;
	memmove(editor->text + editor->cursor + count, editor->text + editor->cursor,
		editor->length - editor->cursor + 1);
	memcpy(editor->text + editor->cursor, what, count);
	editor->length += count;
	editor->cursor += count;
	/* At the end, where one mostly types, an echo is enough. */
	if (editor->cursor == editor->length)
		editor->print(what);
	else
		line_editor_redraw(editor);
}

/* Removes [from, to) and leaves the cursor there. */
static void erase(struct line_editor *editor, size_t from, size_t to)
{
	memmove(editor->text + from, editor->text + to, editor->length - to + 1);
	editor->length -= to - from;
	editor->cursor = from;
	line_editor_redraw(editor);
}

static void erase_word(struct line_editor *editor)
{
	size_t from = editor->cursor;

	while (from > 0 && editor->text[from - 1] == ' ')
		from--;
	while (from > 0 && editor->text[from - 1] != ' ')
		from--;
	erase(editor, from, editor->cursor);
}

static void move(struct line_editor *editor, size_t to)
{
	if (to > editor->length)
		return;
	editor->cursor = to;
	line_editor_redraw(editor);
}

static void set_text(struct line_editor *editor, const char *text)
{
	editor->length = strlen(text);
	memcpy(editor->text, text, editor->length + 1);
	editor->cursor = editor->length;
	line_editor_redraw(editor);
}

static void show_history(struct line_editor *editor, unsigned at)
{
	unsigned oldest =
		editor->history_count < LINE_HISTORY ? 0 : editor->history_count - LINE_HISTORY;

	/* Going up from the oldest wraps below zero, which is above the newest. */
	if (at < oldest || at > editor->history_count)
		return;
	editor->history_at = at;
	set_text(editor, at == editor->history_count ? "" : editor->history[at % LINE_HISTORY]);
}

static void remember(struct line_editor *editor)
{
	unsigned last = editor->history_count - 1;

	if (editor->length == 0)
		return;
	if (editor->history_count == 0 ||
	    strcmp(editor->history[last % LINE_HISTORY], editor->text) != 0) {
		memcpy(editor->history[editor->history_count % LINE_HISTORY], editor->text,
		       editor->length + 1);
		editor->history_count++;
	}
}

static void finish(struct line_editor *editor)
{
	char line[LINE_MAX_LENGTH + 1];

	remember(editor);
	memcpy(line, editor->text, editor->length + 1);
	editor->length = 0;
	editor->cursor = 0;
	editor->text[0] = '\0';
	editor->history_at = editor->history_count;
	editor->print("\n");
	editor->execute(line);
}

static void complete(struct line_editor *editor)
{
	char upto[LINE_MAX_LENGTH + 1];
	char rest[LINE_MAX_LENGTH + 1] = "";
	unsigned candidates;

	memcpy(upto, editor->text, editor->cursor);
	upto[editor->cursor] = '\0';
	candidates = editor->complete(upto, rest, sizeof(rest));
	if (candidates == 0)
		return;
	if (rest[0] != '\0')
		insert(editor, rest);
	else if (candidates > 1)
		line_editor_redraw(editor);
	if (candidates == 1 && editor->cursor == editor->length)
		insert(editor, " ");
}

static void take_sequence(struct line_editor *editor, uint8_t byte)
{
	if (byte >= '0' && byte <= '9') {
		/* No key has a number this large; a larger one must not wrap to one that has. */
		if (editor->parameter < 25)
			editor->parameter = (uint8_t)(editor->parameter * 10 + (byte - '0'));
		else
			editor->parameter = UINT8_MAX;
		return;
	}
	if (byte == ';')
		return;
	editor->escape = 0;
	switch (byte) {
	case 'A':
		show_history(editor, editor->history_at - 1);
		break;
	case 'B':
		show_history(editor, editor->history_at + 1);
		break;
	case 'C':
		move(editor, editor->cursor + 1);
		break;
	case 'D':
		move(editor, editor->cursor - 1);
		break;
	case 'H':
		move(editor, 0);
		break;
	case 'F':
		move(editor, editor->length);
		break;
	case '~':
		if (editor->parameter == 3 && editor->cursor < editor->length)
			erase(editor, editor->cursor, editor->cursor + 1);
		break;
	default:
		break;
	}
}

static void take_control(struct line_editor *editor, uint8_t byte)
{
	switch (byte) {
	case '\r':
	case '\n':
		finish(editor);
		break;
	case '\t':
		complete(editor);
		break;
	case '\b':
	case KEY_DELETE:
		if (editor->cursor > 0)
			erase(editor, editor->cursor - 1, editor->cursor);
		break;
	case CTRL('A'):
		move(editor, 0);
		break;
	case CTRL('E'):
		move(editor, editor->length);
		break;
	case CTRL('C'):
		editor->print("^C\n");
		editor->history_at = editor->history_count;
		set_text(editor, "");
		break;
	case CTRL('K'):
		erase(editor, editor->cursor, editor->length);
		break;
	case CTRL('L'):
		editor->print("\033[H\033[2J");
		line_editor_redraw(editor);
		break;
	case CTRL('U'):
		erase(editor, 0, editor->cursor);
		break;
	case CTRL('W'):
		erase_word(editor);
		break;
	case CTRL('P'):
		show_history(editor, editor->history_at - 1);
		break;
	case CTRL('N'):
		show_history(editor, editor->history_at + 1);
		break;
	default:
		break;
	}
}

void line_editor_input(struct line_editor *editor, uint8_t byte)
{
	const char typed[2] = {(char)byte, '\0'};
	bool after_cr = editor->after_cr;

	editor->after_cr = byte == '\r';
	if (byte == '\n' && after_cr)
		return;
	if (byte == KEY_ESCAPE) {
		editor->escape = 1;
	} else if (editor->escape == 1) {
		editor->escape = byte == '[' || byte == 'O' ? 2 : 0;
		editor->parameter = 0;
	} else if (editor->escape == 2) {
		take_sequence(editor, byte);
	} else if (byte < ' ' || byte == KEY_DELETE) {
		take_control(editor, byte);
	} else if (byte < 0x7f) {
		insert(editor, typed);
	}
}
