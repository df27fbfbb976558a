/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last resort for a report: COM1, polled, as the firmware or the driver left it set up. Used
 * until a driver that knows where the console is takes over by fault_set_output().
 */
#pragma once

/* Writes the text, CR before each LF. Needs no memory and no lock; gives up on a stuck line. */
void panic_serial_write(const char *text);
