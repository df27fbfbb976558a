/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CMOS clock. It is read at boot alone, since a read may take 2 ms of waiting for its update
 * and its index port would need a lock; the TSC is a better clock from there on.
 */
#include "arch/x86/rtc.h"

#include "arch/x86/acpi.h"
#include "arch/x86/control.h"
#include "arch/x86/io.h"
#include "arch/x86/rtc_time.h"
#include "arch/x86/tsc.h"
#include "vmm/log.h"

#include <string.h>

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

#define RTC_SECONDS	       0x00
#define RTC_MINUTES	       0x02
#define RTC_HOURS	       0x04
#define RTC_DAY		       0x07
#define RTC_MONTH	       0x08
#define RTC_YEAR	       0x09
#define RTC_STATUS_A	       0x0a
#define RTC_STATUS_B	       0x0b
#define RTC_UPDATE_IN_PROGRESS 0x80

/* An update takes 2 ms at most, a port read about 1 us at least. */
#define UPDATE_READS 10000
#define READ_TRIES   10

static uint64_t boot_seconds;
static uint64_t boot_tsc;

/* Index bit 7 masks NMI where it is wired; NMIs stay on. */
static uint8_t cmos_read(uint8_t index)
{
	io_out8(CMOS_INDEX, index);
	return io_in8(CMOS_DATA);
}

static void wait_for_update(void)
{
	for (int i = 0; i < UPDATE_READS; i++) {
		if (!(cmos_read(RTC_STATUS_A) & RTC_UPDATE_IN_PROGRESS))
			return;
		cpu_pause();
	}
}

static struct rtc_fields read_fields(uint8_t century_index)
{
	struct rtc_fields fields;

	memset(&fields, 0, sizeof(fields));
	wait_for_update();
	fields.second = cmos_read(RTC_SECONDS);
	fields.minute = cmos_read(RTC_MINUTES);
	fields.hour = cmos_read(RTC_HOURS);
	fields.day = cmos_read(RTC_DAY);
	fields.month = cmos_read(RTC_MONTH);
	fields.year = cmos_read(RTC_YEAR);
	fields.status_b = cmos_read(RTC_STATUS_B);
	if (century_index != 0)
		fields.century = cmos_read(century_index);
	return fields;
}

void rtc_init(const struct acpi_info *acpi)
{
	uint8_t century_index = acpi->fadt.present ? acpi->fadt.century & 0x7f : 0;
	struct rtc_fields fields = read_fields(century_index), again;

	/* Two equal reads were not torn by an update. */
	for (int i = 0; i < READ_TRIES; i++) {
		again = read_fields(century_index);
		if (memcmp(&fields, &again, sizeof(fields)) == 0)
			break;
		fields = again;
	}
	boot_tsc = tsc_read();
	if (rtc_to_unix_time(&fields, &boot_seconds)) {
		boot_seconds = 0;
		log_warning("rtc: the real-time clock is not set: time starts in 1970");
	}
}

uint64_t rtc_now(void)
{
	return boot_seconds + (tsc_read() - boot_tsc) / tsc_hz();
}
