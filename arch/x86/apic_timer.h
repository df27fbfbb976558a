/* SPDX-License-Identifier: BSD-2-Clause */
/* Between apic.c and apic_timer.c; everybody else uses arch/x86/apic.h. */
#pragma once

/* Sets the calling CPU's timer up, disarmed. */
void apic_timer_enable(void);

/* The handler of VECTOR_TIMER. */
void apic_timer_handle(void);
