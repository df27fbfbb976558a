/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts and exceptions of the host: one IDT for all CPUs, all gates are interrupt gates. The
 * hypervisor runs with interrupts off and takes them only where it asks for (platform_idle(),
 * platform_poll_interrupts()), so handlers find no lock held; NMIs come at any time.
 */
#pragma once

#include "vmm/types.h"

#define IDT_FIRST_DEVICE_VECTOR 32

/* What arch/x86/interrupts.asm pushes, from the stack pointer up. */
struct interrupt_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector;
	uint64_t error_code; /* 0 where the vector has none */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills in the IDT and loads it on the boot CPU: the first thing after entry. */
void idt_init(void);

/*
 * Loads the IDT on the calling CPU, which has a TSS; from the first call on, NMI, #DF and #MC use
 * the stacks that it names. Called by percpu_load().
 */
void idt_load(void);

/*
 * What is called for a device vector (IDT_FIRST_DEVICE_VECTOR and up), with interrupts off, on the
 * interrupted stack; it ends the interrupt at the APIC itself. NULL: nobody. Before the interrupt
 * can come.
 */
void interrupt_set_handler(uint8_t vector, void (*handler)(void));

/* Calls the handler of a device vector that came by another way than the IDT: acknowledged by a VM
 * exit. Interrupts off. */
void interrupt_handle(uint8_t vector);

/* What is called for each NMI besides counting it; it may interrupt anything: no locks, no log. */
void nmi_set_handler(void (*handler)(void));
