/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted text without a C library: stb_sprintf without floats behind two names of ours. */
#pragma once

#include <stdarg.h>

#include "vmm/types.h"

/*
 * Like snprintf() of C11 (no floats): writes at most `size` bytes with the final NUL and returns
 * the length that the whole text has.
 */
HV_PRINTF(3, 4) int hv_snprintf(char *buffer, size_t size, const char *format, ...);
int hv_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

/* Room for the longest text of format_size(). */
#define FORMAT_SIZE_MAX 32

/* Writes bytes as people say them ("256 MiB", "4 KiB", "12 bytes") to `text` and returns it. */
char *format_size(char text[FORMAT_SIZE_MAX], uint64_t bytes);
