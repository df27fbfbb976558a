/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a vCPU left its guest, in words that both vendors share. A backend fills one from what the
 * hardware reported; exit_dispatch() hands it to the handler of its kind.
 */
#pragma once

#include "vmm/types.h"

enum exit_kind {
	EXIT_HOST_EVENT, /* a host interrupt or NMI: taken by the backend already, nothing to do for
			    the guest */
	EXIT_PORT_IO,
	EXIT_MEMORY, /* nested page fault: MMIO or nothing there */
	EXIT_CPUID,
	EXIT_MSR_READ,
	EXIT_MSR_WRITE,
	EXIT_CR_ACCESS,
	EXIT_DR_ACCESS,
	EXIT_HYPERCALL, /* VMMCALL or VMCALL */
	EXIT_HLT,
	EXIT_PAUSE,	       /* a spin loop that lasted too long */
	EXIT_INTERRUPT_WINDOW, /* the guest can take an interrupt now */
	EXIT_NMI_WINDOW,       /* the guest finished an NMI handler */
	EXIT_XSETBV,
	EXIT_CACHE_CONTROL, /* INVD, WBINVD */
	EXIT_RDPMC,
	EXIT_FORBIDDEN_INSTRUCTION, /* what the guest's CPUID does not offer: faults with #UD */
	EXIT_EXCEPTION,		    /* one that is intercepted: #AC, #DB storms, #MC */
	EXIT_TASK_SWITCH,
	EXIT_INIT,	   /* the vCPU received INIT (VT-x) */
	EXIT_SHUTDOWN,	   /* triple fault */
	EXIT_ENTRY_FAILED, /* the CPU refused the guest state */
	EXIT_UNKNOWN,
	EXIT_KINDS,
};

/* Name for statistics and logs, e.g. "port-io"; never NULL for a kind below EXIT_KINDS. */
const char *exit_kind_name(enum exit_kind kind);

struct exit_port_io {
	uint16_t port;
	uint8_t size; /* 1, 2, 4 */
	bool in;
	bool string; /* INS, OUTS: to be emulated from the instruction */
	bool rep;
};

struct exit_memory {
	gpa_t gpa;
	bool write;
	bool execute;
	bool table_walk; /* the CPU met it while walking the guest's own page tables */
};

struct exit_msr {
	uint32_t number;
};

struct exit_cr {
	uint8_t number; /* 0, 2, 3, 4, 8 */
	bool write;
	bool decoded; /* gpr is valid; false: the instruction has to be decoded */
	uint8_t gpr;
};

struct exit_exception {
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t address; /* #PF: the linear address */
};

struct vm_exit {
	enum exit_kind kind;
	/* Bytes of the instruction that caused it, 0 where the hardware does not tell and it must
	 * be decoded. */
	uint8_t length;
	union {
		struct exit_port_io port_io;
		struct exit_memory memory;
		struct exit_msr msr;
		struct exit_cr cr;
		struct exit_exception exception;
	};
	/* The hardware's own number for the reason, for logs. */
	uint64_t raw_code;
};
