/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial line for vmm/console.h: what was sent is a text, what is typed comes from one. */
#pragma once

#include "vmm/types.h"

/* Makes it the console's line: empty, with room without end. cpus[] gets a boot CPU where it has
 * none. */
void fake_line_install(void);

/* The line takes this many bytes more; SIZE_MAX: any number. */
void fake_line_set_room(size_t bytes);

/* What each flush() makes room for, as a line that sends does. */
void fake_line_set_flush(size_t bytes);

/* Somebody types. */
void fake_line_type(const char *text);

/* What was sent since the last call, without carriage returns. Stays valid until the next. */
const char *fake_line_sent(void);

/* Bytes sent in all, carriage returns too. */
size_t fake_line_count(void);
