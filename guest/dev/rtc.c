/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MC146818; see rtc.h.
 *
 * The time is not counted but computed: it is `base_seconds` at `base_ns` of the VM's time and goes
 * on from there, except while the guest holds it (SET in register B, or the divider in reset). The
 * flags of register C are computed too, when somebody looks or an interrupt is due; one timer
 * stands at the earliest moment at which an enabled one comes.
 *
 * `lock` guards everything.
 */
#include "guest/dev/rtc.h"

#include "vmm/bus.h"
#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/irq.h"
#include "vmm/spinlock.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "guest/dev/dev_time.h"
#include "guest/dev/rtc_time.h"
#include "guest/layout.h"

#include <errno.h>

#define CMOS_BYTES    128
#define NS_PER_SECOND UINT64_C(1000000000)
#define RTC_CRYSTAL   32768

/* An update is announced this long before it happens (data sheet, "update cycle"). */
#define UPDATE_NOTICE_NS 244141

/* After the divider leaves reset, the first update comes half a second later. */
#define DIVIDER_START_NS (NS_PER_SECOND / 2)

enum cmos_address {
	CMOS_SECOND = 0x00,
	CMOS_SECOND_ALARM = 0x01,
	CMOS_MINUTE = 0x02,
	CMOS_MINUTE_ALARM = 0x03,
	CMOS_HOUR = 0x04,
	CMOS_HOUR_ALARM = 0x05,
	CMOS_WEEKDAY = 0x06,
	CMOS_DAY = 0x07,
	CMOS_MONTH = 0x08,
	CMOS_YEAR = 0x09,
	CMOS_A = 0x0a,
	CMOS_B = 0x0b,
	CMOS_C = 0x0c,
	CMOS_D = 0x0d,
	/* What a BIOS keeps in the memory behind the clock. */
	CMOS_EQUIPMENT = 0x14,
	CMOS_BASE_KIB = 0x15,
	CMOS_EXTENDED_KIB = 0x17,
	CMOS_CHECKSUM_FIRST = 0x10,
	CMOS_CHECKSUM_LAST = 0x2d,
	CMOS_CHECKSUM = 0x2e,
	CMOS_EXTENDED_KIB2 = 0x30,
	CMOS_ABOVE_16M = 0x34, /* in 64 KiB */
	CMOS_ABOVE_4G = 0x5b,  /* in 64 KiB, three bytes */
	CMOS_LAST_CPU = 0x5f   /* number of CPUs - 1 */
};

#define A_UPDATE_IN_PROGRESS 0x80u
#define A_DIVIDER(a)	     ((a) >> 4 & 7)
#define A_RATE(a)	     ((a)&15u)
#define DIVIDER_RUNS	     2u
#define A_DEFAULT	     0x26u /* 32768 Hz crystal, 1024 Hz */

#define B_SET	 0x80u
#define B_PIE	 0x40u
#define B_AIE	 0x20u
#define B_UIE	 0x10u
#define B_BINARY 0x04u
#define B_24H	 0x02u
#define B_IRQS	 0x70u /* at the same places as in C */

#define C_IRQ	   0x80u
#define C_PERIODIC 0x40u
#define C_ALARM	   0x20u
#define C_UPDATE   0x10u

#define D_VALID 0x80u

#define HOUR_PM	  0x80u
#define ALARM_ANY 0xc0u
#define EQUIPMENT 0x02u /* a mathematics coprocessor; no diskette drives */

struct rtc {
	struct spinlock lock;
	struct vm *vm;
	struct timer timer;
	uint8_t index;
	uint8_t line_level;
	uint8_t cmos[CMOS_BYTES]; /* time and date only while held */
	uint64_t base_seconds;	  /* since 1970 */
	uint64_t base_ns;
	uint64_t seen_seconds; /* up to which update and alarm flags are computed */
	uint64_t seen_periods; /* the same for the periodic flag, since base_ns */
};

static const struct vdev_field rtc_fields[] = {
	VDEV_FIELD(struct rtc, index),	      VDEV_ARRAY(struct rtc, cmos),
	VDEV_FIELD(struct rtc, base_seconds), VDEV_FIELD(struct rtc, base_ns),
	VDEV_FIELD(struct rtc, seen_seconds), VDEV_FIELD(struct rtc, seen_periods),
};

/* ---- all below until the ports: with the lock held ---- */

/* base_ns may lie before the VM's start, that is wrapped below 0; the difference does not care. */
static uint64_t rtc_elapsed_ns(const struct rtc *rtc)
{
	uint64_t now = dev_time_ns(rtc->vm);

	/* CPUs' TSCs may differ by a little, and another one may have set the base. */
	return now < rtc->base_ns ? 0 : now - rtc->base_ns;
}

static bool rtc_divider_runs(const struct rtc *rtc)
{
	return A_DIVIDER(rtc->cmos[CMOS_A]) == DIVIDER_RUNS;
}

static bool rtc_is_held(const struct rtc *rtc)
{
	return (rtc->cmos[CMOS_B] & B_SET) || !rtc_divider_runs(rtc);
}

static uint64_t rtc_seconds(const struct rtc *rtc)
{
	return rtc->base_seconds + rtc_elapsed_ns(rtc) / NS_PER_SECOND;
}

/* Length of a period of the periodic interrupt in crystal ticks; 0: none. */
static uint32_t rtc_period_ticks(const struct rtc *rtc)
{
	unsigned rate = A_RATE(rtc->cmos[CMOS_A]);

	if (rate == 0 || !rtc_divider_runs(rtc))
		return 0;
	/* 1 and 2 mean what 8 and 9 mean. */
	return 1u << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static uint64_t rtc_periods(const struct rtc *rtc)
{
	uint32_t ticks = rtc_period_ticks(rtc);

	if (ticks == 0)
		return rtc->seen_periods;
	return timer_muldiv(rtc_elapsed_ns(rtc), RTC_CRYSTAL, NS_PER_SECOND) / ticks;
}

/* A number as register B says numbers are written. */
static uint8_t rtc_encode(const struct rtc *rtc, unsigned value)
{
	if (rtc->cmos[CMOS_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static unsigned rtc_decode(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->cmos[CMOS_B] & B_BINARY)
		return byte;
	return (byte >> 4) * 10u + (byte & 15u);
}

static uint8_t rtc_encode_hour(const struct rtc *rtc, unsigned hour)
{
	if (rtc->cmos[CMOS_B] & B_24H)
		return rtc_encode(rtc, hour);
	return (uint8_t)(rtc_encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned rtc_decode_hour(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->cmos[CMOS_B] & B_24H)
		return rtc_decode(rtc, byte);
	return rtc_decode(rtc, (uint8_t)(byte & ~HOUR_PM)) % 12 + (byte & HOUR_PM ? 12 : 0);
}

/* Writes the time that the clock shows to its registers, and back. */
static void rtc_store_time(struct rtc *rtc)
{
	struct rtc_time time;

	rtc_time_from_seconds(&time, rtc_seconds(rtc));
	rtc->cmos[CMOS_SECOND] = rtc_encode(rtc, time.second);
	rtc->cmos[CMOS_MINUTE] = rtc_encode(rtc, time.minute);
	rtc->cmos[CMOS_HOUR] = rtc_encode_hour(rtc, time.hour);
	rtc->cmos[CMOS_WEEKDAY] = rtc_encode(rtc, time.weekday);
	rtc->cmos[CMOS_DAY] = rtc_encode(rtc, time.day);
	rtc->cmos[CMOS_MONTH] = rtc_encode(rtc, time.month);
	rtc->cmos[CMOS_YEAR] = rtc_encode(rtc, time.year % 100);
	rtc->cmos[CMOS_CENTURY] = rtc_encode(rtc, time.year / 100);
}

static uint64_t rtc_load_time(const struct rtc *rtc)
{
	const struct rtc_time time = {
		.year = rtc_decode(rtc, rtc->cmos[CMOS_CENTURY]) * 100 +
			rtc_decode(rtc, rtc->cmos[CMOS_YEAR]),
		.month = rtc_decode(rtc, rtc->cmos[CMOS_MONTH]),
		.day = rtc_decode(rtc, rtc->cmos[CMOS_DAY]),
		.hour = rtc_decode_hour(rtc, rtc->cmos[CMOS_HOUR]),
		.minute = rtc_decode(rtc, rtc->cmos[CMOS_MINUTE]),
		.second = rtc_decode(rtc, rtc->cmos[CMOS_SECOND]),
	};

	return rtc_time_to_seconds(&time);
}

static int rtc_alarm_field(uint8_t byte, unsigned value)
{
	return byte >= ALARM_ANY ? -1 : (int)value;
}

/* Seconds from `seconds` to the next alarm, 0: it never comes. */
static uint32_t rtc_next_alarm(const struct rtc *rtc, uint64_t seconds)
{
	const uint8_t *cmos = rtc->cmos;
	const struct rtc_alarm alarm = {
		.hour = rtc_alarm_field(cmos[CMOS_HOUR_ALARM],
					rtc_decode_hour(rtc, cmos[CMOS_HOUR_ALARM])),
		.minute = rtc_alarm_field(cmos[CMOS_MINUTE_ALARM],
					  rtc_decode(rtc, cmos[CMOS_MINUTE_ALARM])),
		.second = rtc_alarm_field(cmos[CMOS_SECOND_ALARM],
					  rtc_decode(rtc, cmos[CMOS_SECOND_ALARM])),
	};

	return rtc_alarm_distance(&alarm, (uint32_t)(seconds % SECONDS_PER_DAY));
}

/* Brings register C up to this moment. */
static void rtc_compute_flags(struct rtc *rtc)
{
	uint64_t periods = rtc_periods(rtc);
	uint64_t seconds = rtc_is_held(rtc) ? rtc->seen_seconds : rtc_seconds(rtc);
	uint8_t *c = &rtc->cmos[CMOS_C];

	if (periods != rtc->seen_periods)
		*c |= C_PERIODIC;
	if (seconds != rtc->seen_seconds) {
		uint32_t distance = rtc_next_alarm(rtc, rtc->seen_seconds);

		*c |= C_UPDATE;
		if (distance != 0 && seconds - rtc->seen_seconds >= distance)
			*c |= C_ALARM;
	}
	rtc->seen_periods = periods;
	rtc->seen_seconds = seconds;
	*c = (uint8_t)((*c & B_IRQS) | (*c & rtc->cmos[CMOS_B] & B_IRQS ? C_IRQ : 0));
}

/* When (in ns since base_ns) the first enabled flag that is not yet set comes. */
static uint64_t rtc_next_event(const struct rtc *rtc)
{
	uint8_t wanted = rtc->cmos[CMOS_B] & (uint8_t)~rtc->cmos[CMOS_C];
	uint64_t seconds = rtc->seen_seconds - rtc->base_seconds;
	uint64_t next = TIMER_NEVER;
	uint32_t distance;

	if ((wanted & B_PIE) && rtc_period_ticks(rtc) != 0)
		next = timer_muldiv((rtc->seen_periods + 1) * rtc_period_ticks(rtc), NS_PER_SECOND,
				    RTC_CRYSTAL) +
		       1;
	if (rtc_is_held(rtc))
		return next;
	if (wanted & B_UIE)
		next = min_u64(next, (seconds + 1) * NS_PER_SECOND);
	distance = wanted & B_AIE ? rtc_next_alarm(rtc, rtc->seen_seconds) : 0;
	if (distance != 0)
		next = min_u64(next, (seconds + distance) * NS_PER_SECOND);
	return next;
}

/* Computes flags, gives the line its level, and has the next event looked at. */
static void rtc_update(struct rtc *rtc)
{
	uint64_t next;
	bool level;

	rtc_compute_flags(rtc);
	level = (rtc->cmos[CMOS_C] & C_IRQ) != 0;
	if (level != rtc->line_level) {
		rtc->line_level = level;
		vm_irq_set(rtc->vm, GSI_RTC, level);
	}
	next = rtc_next_event(rtc);
	/* While the line is up nothing more can be told. */
	if (level || next == TIMER_NEVER) {
		timer_cancel(&rtc->timer);
		return;
	}
	next = max_u64(rtc->base_ns + next, dev_time_ns(rtc->vm) + DEV_TIMER_MIN_NS);
	timer_arm(&rtc->vm->vcpus[0]->cpu->timers, &rtc->timer, dev_time_to_tick(rtc->vm, next));
}

/* Makes the clock go on from `seconds`, in the phase of its second that it was in. */
static void rtc_set_seconds(struct rtc *rtc, uint64_t seconds)
{
	uint64_t periods = rtc_periods(rtc) - rtc->seen_periods;

	rtc->base_ns += rtc_elapsed_ns(rtc) / NS_PER_SECOND * NS_PER_SECOND;
	rtc->base_seconds = seconds;
	rtc->seen_seconds = seconds;
	rtc->seen_periods = rtc_periods(rtc) - periods;
}

static bool rtc_is_time(uint8_t address)
{
	return address == CMOS_SECOND || address == CMOS_MINUTE || address == CMOS_HOUR ||
	       (address >= CMOS_WEEKDAY && address <= CMOS_YEAR) || address == CMOS_CENTURY;
}

static bool rtc_updates_soon(const struct rtc *rtc)
{
	return !rtc_is_held(rtc) &&
	       rtc_elapsed_ns(rtc) % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_NOTICE_NS;
}

static uint8_t rtc_read_register(struct rtc *rtc, uint8_t address)
{
	uint8_t value;

	if (rtc_is_time(address) && !rtc_is_held(rtc))
		rtc_store_time(rtc);
	value = rtc->cmos[address];
	if (address == CMOS_A && rtc_updates_soon(rtc))
		value |= A_UPDATE_IN_PROGRESS;
	if (address == CMOS_C) {
		rtc_compute_flags(rtc);
		value = rtc->cmos[CMOS_C];
		rtc->cmos[CMOS_C] = 0;
		rtc_update(rtc);
	}
	return value;
}

/* Register A or B: what may stop or start the clock. */
static void rtc_write_control(struct rtc *rtc, uint8_t address, uint8_t value)
{
	bool was_held = rtc_is_held(rtc), ran = rtc_divider_runs(rtc);

	rtc_compute_flags(rtc);
	if (!was_held)
		rtc_store_time(rtc);
	rtc->cmos[address] = value;
	if (!ran && rtc_divider_runs(rtc))
		rtc->base_ns = dev_time_ns(rtc->vm) - DIVIDER_START_NS;
	if (was_held && !rtc_is_held(rtc))
		rtc_set_seconds(rtc, rtc_load_time(rtc));
	/* A new rate starts a new count, not an interrupt. */
	rtc->seen_periods = rtc_periods(rtc);
}

static void rtc_write_register(struct rtc *rtc, uint8_t address, uint8_t value)
{
	switch (address) {
	case CMOS_A:
		rtc_write_control(rtc, address, value & (uint8_t)~A_UPDATE_IN_PROGRESS);
		break;
	case CMOS_B:
		/* Holding the clock ends the update interrupt's enable (data sheet, SET). */
		rtc_write_control(rtc, address, value & B_SET ? value & (uint8_t)~B_UIE : value);
		break;
	case CMOS_C:
	case CMOS_D:
		return;
	default:
		rtc_compute_flags(rtc);
		if (rtc_is_time(address) && !rtc_is_held(rtc)) {
			rtc_store_time(rtc);
			rtc->cmos[address] = value;
			rtc_set_seconds(rtc, rtc_load_time(rtc));
		}
		rtc->cmos[address] = value;
		break;
	}
	rtc_update(rtc);
}

/* ---- ports ---- */

/* The index port is write-only on a PC; bit 7, which masks NMI there, has nothing to mask here. */
static uint64_t rtc_read(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size)
{
	struct rtc *rtc = device;
	uint64_t value;

	(void)vcpu;
	if (size != 1 || offset == 0)
		return mask_of_bytes(size);
	spin_lock(&rtc->lock);
	value = rtc_read_register(rtc, rtc->index);
	spin_unlock(&rtc->lock);
	return value;
}

static void rtc_write(struct vcpu *vcpu, void *device, uint64_t offset, unsigned size,
		      uint64_t value)
{
	struct rtc *rtc = device;

	(void)vcpu;
	spin_lock(&rtc->lock);
	if (offset == 0)
		rtc->index = value & (CMOS_BYTES - 1);
	if (offset == 1 || size == 2)
		rtc_write_register(rtc, rtc->index, (uint8_t)(offset == 1 ? value : value >> 8));
	spin_unlock(&rtc->lock);
}

static const struct bus_ops rtc_bus_ops = {.read = rtc_read, .write = rtc_write};

static void rtc_expired(struct timer *timer)
{
	struct rtc *rtc = CONTAINER_OF(timer, struct rtc, timer);

	spin_lock(&rtc->lock);
	rtc_update(rtc);
	spin_unlock(&rtc->lock);
}

/* ---- life ---- */

static void cmos_store(struct rtc *rtc, uint8_t address, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		rtc->cmos[address + i] = (uint8_t)(value >> 8 * i);
}

/* What a BIOS would have found out and stored. */
static void cmos_fill(struct rtc *rtc)
{
	const struct vm *vm = rtc->vm;
	uint64_t low = max_u64(vm->ram_low, MIB(1));
	uint64_t extended = min_u64((low - MIB(1)) / KIB(1), UINT16_MAX);
	uint64_t above_16m = low > MIB(16) ? (low - MIB(16)) / KIB(64) : 0;
	uint16_t sum = 0;

	cmos_store(rtc, CMOS_EQUIPMENT, 1, EQUIPMENT);
	cmos_store(rtc, CMOS_BASE_KIB, 2, 640);
	cmos_store(rtc, CMOS_EXTENDED_KIB, 2, extended);
	cmos_store(rtc, CMOS_EXTENDED_KIB2, 2, extended);
	cmos_store(rtc, CMOS_ABOVE_16M, 2, min_u64(above_16m, UINT16_MAX));
	cmos_store(rtc, CMOS_ABOVE_4G, 3, vm->ram_high / KIB(64));
	cmos_store(rtc, CMOS_LAST_CPU, 1, vm->config->vcpus - 1);
	for (unsigned i = CMOS_CHECKSUM_FIRST; i <= CMOS_CHECKSUM_LAST; i++)
		sum = (uint16_t)(sum + rtc->cmos[i]);
	rtc->cmos[CMOS_CHECKSUM] = (uint8_t)(sum >> 8); /* high byte first */
	rtc->cmos[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

static void rtc_reset(struct vdev *vdev)
{
	struct rtc *rtc = vdev->state;

	spin_lock(&rtc->lock);
	rtc->index = 0;
	cmos_fill(rtc);
	rtc->cmos[CMOS_A] = A_DEFAULT;
	rtc->cmos[CMOS_B] = B_24H;
	rtc->cmos[CMOS_C] = 0;
	rtc->cmos[CMOS_D] = D_VALID;
	rtc->base_seconds = rtc->vm->wall_clock_start;
	rtc->base_ns = 0;
	rtc->seen_seconds = rtc_seconds(rtc);
	rtc->seen_periods = rtc_periods(rtc);
	rtc_update(rtc);
	spin_unlock(&rtc->lock);
}

static int rtc_create(struct vdev *vdev)
{
	struct rtc *rtc = hv_alloc(sizeof(*rtc));
	int result;

	if (!rtc)
		return -ENOMEM;
	rtc->vm = vdev->vm;
	timer_init(&rtc->timer, rtc_expired);
	result = bus_claim(&vdev->vm->ports, PORT_CMOS, 2, &rtc_bus_ops, rtc);
	if (result != 0) {
		hv_free(rtc);
		return result;
	}
	vdev->state = rtc;
	rtc_reset(vdev);
	return 0;
}

static void rtc_destroy(struct vdev *vdev)
{
	struct rtc *rtc = vdev->state;

	timer_cancel_sync(&rtc->timer);
	hv_free(rtc);
	vdev->state = NULL;
}

static void rtc_restored(struct vdev *vdev)
{
	struct rtc *rtc = vdev->state;

	spin_lock(&rtc->lock);
	rtc->index &= CMOS_BYTES - 1;
	rtc->line_level = 0;
	rtc_update(rtc);
	spin_unlock(&rtc->lock);
}

const struct vdev_type rtc_vdev = {
	.name = "rtc",
	.create = rtc_create,
	.reset = rtc_reset,
	.destroy = rtc_destroy,
	.fields = rtc_fields,
	.field_count = ARRAY_SIZE(rtc_fields),
	.restored = rtc_restored,
};
