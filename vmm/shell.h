/* SPDX-License-Identifier: BSD-2-Clause */
/* The management shell: a line editor and a table of commands. All on the boot CPU. */
#pragma once

#include "vmm/types.h"

/* Takes one typed byte. */
void shell_input(uint8_t byte);

/* Shows the prompt and what has been typed so far, on a fresh line. */
void shell_redraw(void);

/* Runs a command line, as if it had been typed. */
void shell_execute(const char *text);

/* What `host` shows of the machine beside the VMM's own figures; set by boot/main.c. */
void shell_set_host_report(void (*report)(void));
