/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One counter of an 8254: a function of the time. Time is in clocks of PIT_HZ since the VM started;
 * nothing here knows of timers, ports or locks.
 */
#pragma once

#include "vmm/types.h"

#define PIT_NEVER UINT64_MAX

struct pit_channel {
	uint64_t base;	     /* clock at which the count was loaded, less what it stood still */
	uint64_t held;	     /* clocks counted when the gate fell; while stopped by the gate */
	uint32_t count;	     /* 1 to 0x10000, or to 10000 in BCD */
	uint32_t next_count; /* as last written: `count` from the next start */
	uint8_t control;     /* bits 5-0 of the control word: access, mode, BCD */
	uint8_t counting;    /* count is loaded; in modes 1 and 5: and triggered */
	uint8_t loaded;	     /* a count was written since the control word */
	uint8_t gate;
	uint8_t write_high; /* the next byte written is the high one */
	uint8_t read_high;
	uint8_t write_low_byte; /* held until the high byte comes */
	uint8_t count_latched;	/* bytes of the latched count not yet read */
	uint16_t latch;
	uint8_t status_latched;
	uint8_t status;
};

/* Power-on: no mode set, output high. `gate` is its input's level. */
void pit_channel_reset(struct pit_channel *channel, bool gate);

/* Control word for this counter; access bits 0 latch the count. */
void pit_channel_control(struct pit_channel *channel, uint8_t control, uint64_t now);
/* Read-back command. */
void pit_channel_latch_count(struct pit_channel *channel, uint64_t now);
void pit_channel_latch_status(struct pit_channel *channel, uint64_t now);

/* The counter's port. */
void pit_channel_write(struct pit_channel *channel, uint8_t value, uint64_t now);
uint8_t pit_channel_read(struct pit_channel *channel, uint64_t now);

void pit_channel_set_gate(struct pit_channel *channel, bool gate, uint64_t now);

/* The level of the output. */
bool pit_channel_output(const struct pit_channel *channel, uint64_t now);

/* The first clock after `after` at which the output rises, PIT_NEVER where it will not. */
uint64_t pit_channel_next_rise(const struct pit_channel *channel, uint64_t after);

/* Puts right what no guest could have made of a restored state. */
void pit_channel_restored(struct pit_channel *channel, uint64_t now);
