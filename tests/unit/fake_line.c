/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_line.h. */
#include "fake_line.h"

#include "vmm/console.h"
#include "vmm/cpu.h"

#include <stdlib.h>
#include <string.h>

#define SENT_MAX  (512 * 1024)
#define TYPED_MAX 4096

static struct {
	char sent[SENT_MAX];
	char shown[SENT_MAX];
	size_t sent_count;
	size_t total;
	size_t room;
	size_t flush;
	char typed[TYPED_MAX];
	size_t typed_count;
	size_t taken;
} fake;

static struct cpu boot_cpu;

static size_t line_write(const uint8_t *bytes, size_t length)
{
	size_t count = length < fake.room ? length : fake.room;

	if (fake.sent_count + count >= SENT_MAX)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != '\r')
			fake.sent[fake.sent_count++] = (char)bytes[i];
	}
	fake.total += count;
	if (fake.room != SIZE_MAX)
		fake.room -= count;
	return count;
}

static size_t line_room(void)
{
	return fake.room;
}

static int line_read(void)
{
	return fake.taken < fake.typed_count ? (uint8_t)fake.typed[fake.taken++] : -1;
}

static bool line_readable(void)
{
	return fake.taken < fake.typed_count;
}

static void line_flush(void)
{
	if (fake.room != SIZE_MAX)
		fake.room += fake.flush;
}

void fake_line_install(void)
{
	static const struct console_line line = {
		.write = line_write,
		.room = line_room,
		.read = line_read,
		.readable = line_readable,
		.flush = line_flush,
	};

	if (cpus[0] == NULL || cpus[0] == &boot_cpu) {
		memset(&boot_cpu, 0, sizeof(boot_cpu));
		cpu_init(&boot_cpu, 0, 0);
		cpus[0] = &boot_cpu;
		cpu_count = 1;
	}
	memset(&fake, 0, sizeof(fake));
	fake.room = SIZE_MAX;
	console_init(&line);
	fake.sent_count = 0;
	fake.total = 0;
}

void fake_line_set_room(size_t bytes)
{
	fake.room = bytes;
}

void fake_line_set_flush(size_t bytes)
{
	fake.flush = bytes;
}

void fake_line_type(const char *text)
{
	size_t length = strlen(text);

	if (fake.taken == fake.typed_count)
		fake.taken = fake.typed_count = 0;
	if (fake.typed_count + length > TYPED_MAX)
		abort();
	memcpy(fake.typed + fake.typed_count, text, length);
	fake.typed_count += length;
}

const char *fake_line_sent(void)
{
	memcpy(fake.shown, fake.sent, fake.sent_count);
	fake.shown[fake.sent_count] = '\0';
	fake.sent_count = 0;
	return fake.shown;
}

size_t fake_line_count(void)
{
	return fake.total;
}
