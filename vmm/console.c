/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is printed for the user waits in a ring until the line takes it; while a VM is attached the
 * line takes from the VM's ring instead. Notices from any CPU go through a ring of their own, so
 * that only the boot CPU, which edits the input line, ever erases and redraws it.
 */
#include "vmm/console.h"

#include "vmm/cpu.h"
#include "vmm/format.h"
#include "vmm/shell.h"
#include "vmm/spinlock.h"
#include "vmm/vm.h"

#include <stdarg.h>
#include <string.h>

#define OUTPUT_BYTES	   (64 * 1024)
#define NOTICE_BYTES	   (16 * 1024)
#define PRINT_MAX	   512
#define CTRL_RIGHT_BRACKET 0x1d
/* The line is given more only when this much fits: its interrupts come every few bytes. */
#define ROOM_WANTED	   256

struct byte_ring {
	uint8_t *bytes;
	size_t size;
	uint64_t head; /* bytes ever put in */
	uint64_t tail; /* bytes ever taken out */
};

static uint8_t output_bytes[OUTPUT_BYTES];
static uint8_t notice_bytes[NOTICE_BYTES];

/* Guards everything below. */
static struct spinlock lock = SPINLOCK_INIT;
static struct byte_ring output = {output_bytes, OUTPUT_BYTES, 0, 0};
static struct byte_ring notices = {notice_bytes, NOTICE_BYTES, 0, 0};
static const struct console_line *line;
static struct vm *_Atomic attached;
static uint64_t attached_from; /* position in the attached VM's ring */
static bool shell_started;

/* The newest bytes win: what falls out at the tail was never shown, but is in the log. */
static void ring_put(struct byte_ring *ring, uint8_t byte)
{
	ring->bytes[ring->head++ % ring->size] = byte;
	if (ring->head - ring->tail > ring->size)
		ring->tail = ring->head - ring->size;
}

static size_t ring_peek(const struct byte_ring *ring, uint8_t *to, size_t size)
{
	size_t count = 0;

	while (count < size && ring->tail + count < ring->head) {
		to[count] = ring->bytes[(ring->tail + count) % ring->size];
		count++;
	}
	return count;
}

static void put_text(struct byte_ring *ring, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			ring_put(ring, '\r');
		ring_put(ring, (uint8_t)*text);
	}
}

/* Sends from the management ring as much as the line takes. */
static void send_output(void)
{
	uint8_t chunk[128];
	size_t count, sent;

	while ((count = ring_peek(&output, chunk, sizeof(chunk))) != 0) {
		sent = line->write(chunk, count);
		output.tail += sent;
		if (sent < count)
			return;
	}
}

/* Says that a guest printed faster than the line: where in its text, and how much. */
static void send_lost(uint64_t lost)
{
	char text[64];
	int length = hv_snprintf(text, sizeof(text), "\r\n[%llu bytes skipped]\r\n",
				 (unsigned long long)lost);

	(void)line->write((const uint8_t *)text, (size_t)length);
}

static void send_guest(struct vm *vm)
{
	uint8_t chunk[128];
	uint64_t lost;
	size_t count;

	/* Room is asked for first: what is taken from the VM's ring cannot be put back. */
	while (line->room() >= ROOM_WANTED) {
		count = vm_console_read(&vm->console, &attached_from, chunk, sizeof(chunk), &lost);
		if (lost != 0)
			send_lost(lost);
		if (count == 0)
			return;
		(void)line->write(chunk, count);
	}
}

static void send(void)
{
	struct vm *vm = atomic_load(&attached);

	if (line == NULL)
		return;
	/* What the shell printed before it attached comes first. */
	send_output();
	if (vm != NULL && output.tail == output.head)
		send_guest(vm);
}

void console_init(const struct console_line *to)
{
	spin_lock(&lock);
	line = to;
	send();
	spin_unlock(&lock);
}

/* Text for the user. While a VM is attached it waits in the notices, which are shown after. */
void console_write(const char *text)
{
	spin_lock(&lock);
	put_text(atomic_load(&attached) == NULL ? &output : &notices, text);
	if (atomic_load(&attached) == NULL)
		send();
	spin_unlock(&lock);
}

void console_printf(const char *format, ...)
{
	char text[PRINT_MAX];
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	console_write(text);
}

void console_notice(const char *text)
{
	bool queue;

	spin_lock(&lock);
	queue = shell_started;
	put_text(queue ? &notices : &output, text);
	put_text(queue ? &notices : &output, "\n");
	if (!queue)
		send();
	spin_unlock(&lock);
	if (queue)
		cpu_kick(cpus[0]);
}

void console_guest_output(void)
{
	spin_lock(&lock);
	send();
	spin_unlock(&lock);
}

/* Shows what waits in the notices, above the line that is being typed. */
static void show_notices(void)
{
	uint8_t chunk[128];
	size_t count;
	bool any;

	spin_lock(&lock);
	any = notices.tail != notices.head && atomic_load(&attached) == NULL;
	if (any) {
		put_text(&output, "\r\033[K");
		while ((count = ring_peek(&notices, chunk, sizeof(chunk))) != 0) {
			for (size_t i = 0; i < count; i++)
				ring_put(&output, chunk[i]);
			notices.tail += count;
		}
		send();
	}
	spin_unlock(&lock);
	if (any)
		shell_redraw();
}

static void take_byte(uint8_t byte)
{
	struct vm *vm = atomic_load(&attached);

	if (vm == NULL)
		shell_input(byte);
	else if (byte == CTRL_RIGHT_BRACKET)
		console_detach();
	else
		(void)vm_console_type(&vm->console, byte);
}

void console_pump(void)
{
	int byte;

	if (line == NULL)
		return;
	while (shell_started && (byte = line->read()) >= 0)
		take_byte((uint8_t)byte);
	if (shell_started)
		show_notices();
	spin_lock(&lock);
	send();
	spin_unlock(&lock);
}

void console_flush(void)
{
	uint64_t before;

	if (line == NULL)
		return;
	if (shell_started)
		show_notices();
	/* The line's queue is shorter than the ring: by turns, until nothing waits or nothing
	 * moves. What was typed stays where it is: a command flushes, and must not run others. */
	do {
		before = output.tail;
		line->flush();
		spin_lock(&lock);
		send();
		spin_unlock(&lock);
	} while (output.tail != output.head && output.tail != before);
	line->flush();
}

static bool output_waits(void)
{
	struct vm *vm = atomic_load(&attached);

	if (output.tail != output.head)
		return true;
	if (vm == NULL)
		return notices.tail != notices.head;
	return vm->console.written != attached_from;
}

bool console_busy(void)
{
	if (line == NULL)
		return false;
	return (shell_started && line->readable()) ||
	       (output_waits() && line->room() >= ROOM_WANTED);
}

void console_start_shell(void)
{
	shell_started = true;
	shell_redraw();
}

struct vm *console_attached(void)
{
	return atomic_load(&attached);
}

void console_attach(struct vm *vm)
{
	spin_lock(&lock);
	attached_from = 0;
	if (vm->console.written > VM_CONSOLE_RING_BYTES)
		attached_from = vm->console.written - VM_CONSOLE_RING_BYTES;
	atomic_store(&attached, vm);
	atomic_store(&vm->console.attached, true);
	send();
	spin_unlock(&lock);
}

void console_detach(void)
{
	struct vm *vm = atomic_load(&attached);

	if (vm == NULL)
		return;
	spin_lock(&lock);
	send();
	atomic_store(&vm->console.attached, false);
	atomic_store(&attached, NULL);
	spin_unlock(&lock);
	console_printf("\n[detached from %s]\n", vm->config->name);
	shell_redraw();
}
