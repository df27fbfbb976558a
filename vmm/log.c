/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring holds records {level, length, text} one after the other, the oldest overwritten first.
 * Positions count bytes ever written; modulo the ring's size they are places in it.
 */
#include "vmm/log.h"

#include "vmm/format.h"
#include "vmm/platform.h"
#include "vmm/spinlock.h"
#include "vmm/timer.h"

#include <stdarg.h>
#include <string.h>

struct log_header {
	uint8_t level;
	uint8_t length; /* of the text, which follows without a NUL */
};

_Static_assert(LOG_LINE_MAX <= 256, "a line's length is kept in a byte");

static struct spinlock log_lock = SPINLOCK_INIT;
static uint8_t ring[LOG_RING_BYTES];
static uint64_t ring_start; /* the oldest record */
static uint64_t ring_end;
static log_sink_fn *_Atomic sink;

static void ring_put(uint64_t position, const void *from, size_t length)
{
	const uint8_t *bytes = from;

	for (size_t i = 0; i < length; i++)
		ring[(position + i) % LOG_RING_BYTES] = bytes[i];
}

static void ring_get(uint64_t position, void *to, size_t length)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < length; i++)
		bytes[i] = ring[(position + i) % LOG_RING_BYTES];
}

static void ring_append(enum log_level level, const char *line, size_t length)
{
	struct log_header header = {(uint8_t)level, (uint8_t)length};
	size_t need = sizeof(header) + length;

	while (ring_end + need - ring_start > LOG_RING_BYTES) {
		struct log_header oldest;

		ring_get(ring_start, &oldest, sizeof(oldest));
		ring_start += sizeof(oldest) + oldest.length;
	}
	ring_put(ring_end, &header, sizeof(header));
	ring_put(ring_end + sizeof(header), line, length);
	ring_end += need;
}

/* "[   12.345678] ": seconds since the clock's zero, blank before the clock is known. */
static int format_stamp(char *line, size_t size)
{
	uint64_t microseconds;

	if (platform_tick_hz() == 0)
		return hv_snprintf(line, size, "[            ] ");
	microseconds = timer_ticks_to_ns(platform_now()) / 1000;
	return hv_snprintf(line, size, "[%5llu.%06llu] ",
			   (unsigned long long)(microseconds / 1000000),
			   (unsigned long long)(microseconds % 1000000));
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	int stamp = format_stamp(line, sizeof(line));
	log_sink_fn *to = atomic_load(&sink);
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(line + stamp, sizeof(line) - (size_t)stamp, format, arguments);
	va_end(arguments);

	spin_lock(&log_lock);
	ring_append(level, line, strlen(line));
	spin_unlock(&log_lock);
	if (to != NULL)
		to(level, line);
}

void log_set_sink(log_sink_fn *new_sink)
{
	atomic_store(&sink, new_sink);
}

/* Copies the record at `*position`, or at the oldest where that is gone already; false at the end.
 */
static bool next_line(uint64_t *position, enum log_level *level, char line[LOG_LINE_MAX])
{
	struct log_header header;
	bool found = false;

	spin_lock(&log_lock);
	*position = max_u64(*position, ring_start);
	if (*position < ring_end) {
		ring_get(*position, &header, sizeof(header));
		ring_get(*position + sizeof(header), line, header.length);
		line[header.length] = '\0';
		*level = header.level;
		*position += sizeof(header) + header.length;
		found = true;
	}
	spin_unlock(&log_lock);
	return found;
}

void log_for_each(void (*each)(void *context, enum log_level level, const char *line),
		  void *context)
{
	char line[LOG_LINE_MAX];
	enum log_level level;
	uint64_t position = 0;
	uint64_t end;

	/* What is logged meanwhile (by `each` itself, perhaps) is not shown: the walk ends. */
	spin_lock(&log_lock);
	end = ring_end;
	spin_unlock(&log_lock);
	while (position < end && next_line(&position, &level, line))
		each(context, level, line);
}
