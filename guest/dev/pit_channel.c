/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The six modes of an 8254 counter. A count that is written while another counts starts a new
 * period at once (the chip ends the old one first in modes 2 and 3); one clock passes between the
 * write and the count.
 */
#include "guest/dev/pit_channel.h"

#include <string.h>

#define ACCESS_LOW  1
#define ACCESS_HIGH 2
#define ACCESS_BOTH 3

enum pit_mode {
	MODE_TERMINAL_COUNT = 0,
	MODE_ONE_SHOT = 1,
	MODE_RATE = 2,
	MODE_SQUARE = 3,
	MODE_STROBE = 4,
	MODE_TRIGGERED_STROBE = 5,
};

static unsigned access_bits(const struct pit_channel *channel)
{
	return channel->control >> 4 & 3;
}

/* Bit 2 of the mode does not count in modes 2 and 3. */
static enum pit_mode mode_of(const struct pit_channel *channel)
{
	unsigned mode = channel->control >> 1 & 7;

	return (enum pit_mode)(mode > 5 ? mode - 4 : mode);
}

/* Modes whose gate is a trigger; of the others, its low level stops the count. */
static bool is_triggered(enum pit_mode mode)
{
	return mode == MODE_ONE_SHOT || mode == MODE_TRIGGERED_STROBE;
}

static bool is_periodic(enum pit_mode mode)
{
	return mode == MODE_RATE || mode == MODE_SQUARE;
}

static uint32_t full_count(const struct pit_channel *channel)
{
	return channel->control & 1 ? 10000 : 0x10000;
}

/* Clocks counted since the count was loaded or triggered. */
static uint64_t elapsed(const struct pit_channel *channel, uint64_t now)
{
	if (!channel->gate && !is_triggered(mode_of(channel)))
		return channel->held;
	return now > channel->base ? now - channel->base : 0;
}

bool pit_channel_output(const struct pit_channel *channel, uint64_t now)
{
	enum pit_mode mode = mode_of(channel);
	uint64_t clocks = elapsed(channel, now);
	uint32_t count = channel->count;

	if (!channel->counting)
		return mode != MODE_TERMINAL_COUNT;
	switch (mode) {
	case MODE_TERMINAL_COUNT:
	case MODE_ONE_SHOT:
		return clocks >= count;
	case MODE_RATE: /* the gate low sets the output high */
		return !channel->gate || clocks % count != count - 1;
	case MODE_SQUARE:
		return !channel->gate || clocks % count < (count + 1) / 2;
	default:
		return clocks != count;
	}
}

uint64_t pit_channel_next_rise(const struct pit_channel *channel, uint64_t after)
{
	enum pit_mode mode = mode_of(channel);
	uint64_t clocks = after >= channel->base ? after - channel->base : 0;
	uint64_t rise;

	if (!channel->counting || (!channel->gate && !is_triggered(mode)))
		return PIT_NEVER;
	if (is_periodic(mode)) {
		/* Before the first clock the output is high: the first rise ends a period. */
		rise = (clocks / channel->count + 1) * channel->count;
		return channel->base + rise;
	}
	/* The strobes are low for the one clock at which the count ends. */
	rise = channel->count + (mode >= MODE_STROBE);
	return channel->base + rise > after ? channel->base + rise : PIT_NEVER;
}

/* ---- loading ---- */

void pit_channel_reset(struct pit_channel *channel, bool gate)
{
	memset(channel, 0, sizeof(*channel));
	channel->control = ACCESS_BOTH << 4 | MODE_SQUARE << 1;
	channel->count = full_count(channel);
	channel->next_count = channel->count;
	channel->gate = gate;
}

static void start(struct pit_channel *channel, uint64_t now)
{
	channel->count = channel->next_count;
	channel->base = now + 1;
	channel->held = 0;
	channel->counting = true;
}

static void load(struct pit_channel *channel, uint16_t value, uint64_t now)
{
	uint32_t count = value;

	if (channel->control & 1)
		count = (value >> 12) * 1000u + (value >> 8 & 0xf) * 100u +
			(value >> 4 & 0xf) * 10u + (value & 0xf);
	if (count == 0 || count > full_count(channel))
		count = full_count(channel);
	channel->next_count = count;
	channel->loaded = true;
	/* A triggered counter takes it at its next trigger. */
	if (!is_triggered(mode_of(channel)))
		start(channel, now);
}

void pit_channel_control(struct pit_channel *channel, uint8_t control, uint64_t now)
{
	if ((control >> 4 & 3) == 0) {
		pit_channel_latch_count(channel, now);
		return;
	}
	channel->control = control & 0x3f;
	channel->count = full_count(channel);
	channel->counting = false;
	channel->loaded = false;
	channel->write_high = false;
	channel->read_high = false;
	channel->count_latched = 0;
	channel->status_latched = false;
}

void pit_channel_set_gate(struct pit_channel *channel, bool gate, uint64_t now)
{
	enum pit_mode mode = mode_of(channel);

	if (gate == channel->gate)
		return;
	if (!gate && !is_triggered(mode))
		channel->held = elapsed(channel, now);
	channel->gate = gate;
	if (!gate)
		return;
	if (is_triggered(mode)) {
		if (channel->loaded)
			start(channel, now);
	} else if (is_periodic(mode)) {
		channel->base = now + 1;
	} else {
		channel->base = now - channel->held;
	}
}

/* ---- the port ---- */

void pit_channel_write(struct pit_channel *channel, uint8_t value, uint64_t now)
{
	switch (access_bits(channel)) {
	case ACCESS_LOW:
		load(channel, value, now);
		return;
	case ACCESS_HIGH:
		load(channel, (uint16_t)(value << 8), now);
		return;
	default:
		break;
	}
	if (!channel->write_high) {
		channel->write_low_byte = value;
		channel->write_high = true;
		/* Half a count stops mode 0 (8254 data sheet, mode 0). */
		if (mode_of(channel) == MODE_TERMINAL_COUNT)
			channel->counting = false;
		return;
	}
	channel->write_high = false;
	load(channel, (uint16_t)(value << 8 | channel->write_low_byte), now);
}

static uint16_t to_bcd(uint32_t value)
{
	return (uint16_t)((value / 1000 % 10) << 12 | (value / 100 % 10) << 8 |
			  (value / 10 % 10) << 4 | value % 10);
}

/* What the counter shows. In mode 3 it counts down by two, twice in a period. */
static uint16_t current(const struct pit_channel *channel, uint64_t now)
{
	uint32_t full = full_count(channel);
	uint32_t count = channel->count;
	uint64_t clocks = elapsed(channel, now);
	uint32_t left;

	if (!channel->counting) {
		left = count;
	} else if (mode_of(channel) == MODE_RATE) {
		left = count - (uint32_t)(clocks % count);
	} else if (mode_of(channel) == MODE_SQUARE) {
		uint32_t phase = (uint32_t)(clocks % count);
		uint32_t high = (count + 1) / 2;

		left = (count & ~1u) - 2 * (phase < high ? phase : phase - high);
	} else {
		left = (uint32_t)(((uint64_t)full + count - clocks % full) % full);
	}
	return channel->control & 1 ? to_bcd(left) : (uint16_t)left;
}

void pit_channel_latch_count(struct pit_channel *channel, uint64_t now)
{
	/* A latched count stays until it is read. */
	if (channel->count_latched)
		return;
	channel->latch = current(channel, now);
	channel->count_latched = access_bits(channel) == ACCESS_BOTH ? 2 : 1;
}

void pit_channel_latch_status(struct pit_channel *channel, uint64_t now)
{
	if (channel->status_latched)
		return;
	channel->status = (uint8_t)((pit_channel_output(channel, now) ? 0x80 : 0) |
				    (channel->loaded ? 0 : 0x40) | channel->control);
	channel->status_latched = true;
}

/* The byte of `value` that is read now. */
static uint8_t pick_byte(struct pit_channel *channel, uint16_t value)
{
	bool high = access_bits(channel) == ACCESS_HIGH;

	if (access_bits(channel) == ACCESS_BOTH) {
		high = channel->read_high;
		channel->read_high = !channel->read_high;
	}
	return (uint8_t)(high ? value >> 8 : value);
}

uint8_t pit_channel_read(struct pit_channel *channel, uint64_t now)
{
	if (channel->status_latched) {
		channel->status_latched = false;
		return channel->status;
	}
	if (channel->count_latched) {
		channel->count_latched--;
		return pick_byte(channel, channel->latch);
	}
	return pick_byte(channel, current(channel, now));
}

void pit_channel_restored(struct pit_channel *channel, uint64_t now)
{
	channel->control &= 0x3f;
	if (access_bits(channel) == 0)
		channel->control |= ACCESS_BOTH << 4;
	if (channel->count == 0 || channel->count > full_count(channel))
		channel->count = full_count(channel);
	if (channel->next_count == 0 || channel->next_count > full_count(channel))
		channel->next_count = channel->count;
	if (channel->base > now + 1)
		channel->base = now + 1;
	channel->gate = channel->gate != 0;
}
