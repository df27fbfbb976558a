/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the machine: an exception in the hypervisor, or platform_panic(). The first CPU that
 * gets here stops the others, writes a report that begins with "HOST FAULT", and ends the machine.
 * A second fault on the way is said and ends it too; other CPUs that fault wait quietly.
 */
#pragma once

#include "vmm/types.h"

struct interrupt_frame;

/* Where reports go; must work with any lock held by anybody. Default: COM1, polled. */
void fault_set_output(void (*write)(const char *text));

/*
 * Sends an NMI to every other CPU; called once before the report, where they then stay in
 * fault_park(). Default: none.
 */
void fault_set_stop_others(void (*stop)(void));

/* What ends the machine after a report; if it returns, or by default, this CPU halts. */
void fault_set_end(void (*end)(void));

/* Report and end. */
HV_NORETURN void fault_exception(const struct interrupt_frame *frame);
HV_NORETURN void fault_panic(const char *message);

/* Whether a report is on its way or out; then a CPU that gets an NMI goes to fault_park(). */
bool fault_is_stopping(void);
HV_NORETURN void fault_park(void);
