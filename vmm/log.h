/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's log: lines with a time stamp in a ring that `dmesg` shows, and at once on the
 * console by way of the sink. Any CPU may log at any time; a line is at most LOG_LINE_MAX bytes.
 */
#pragma once

#include "vmm/types.h"

#define LOG_LINE_MAX   256
#define LOG_RING_BYTES (64 * 1024)

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARNING,
	LOG_ERROR
};

HV_PRINTF(2, 3) void log_write(enum log_level level, const char *format, ...);

#define log_debug(...)	 log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...)	 log_write(LOG_ERROR, __VA_ARGS__)

/* A sink takes each finished line (no newline) as it is logged, with no lock of the log held. */
typedef void log_sink_fn(enum log_level level, const char *line);
void log_set_sink(log_sink_fn *sink);

/*
 * Calls `each` for every line still in the ring, oldest first. The lines are copies: `each` may
 * log.
 */
void log_for_each(void (*each)(void *context, enum log_level level, const char *line),
		  void *context);
