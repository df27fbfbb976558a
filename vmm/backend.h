/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vendor seam: what VT-x and AMD-V each implement, and all that the rest knows of them. One
 * backend is chosen at boot from CPUID. Everything runs on the CPU that it concerns; a vCPU's
 * operations on the CPU where the vCPU is placed, unless said otherwise.
 */
#pragma once

#include "vmm/types.h"
#include "vmm/vm_exit.h"

struct cpu;
struct vcpu;
struct vm;
struct pte_ops;

/* Registers beside the general ones, which live in struct vcpu between exits. */
enum vcpu_reg {
	REG_CR0,
	REG_CR2,
	REG_CR3,
	REG_CR4,
	REG_CR8,
	REG_DR0,
	REG_DR1,
	REG_DR2,
	REG_DR3,
	REG_DR6,
	REG_DR7,
	REG_XCR0,
	REG_EFER, /* as the guest sees it */
	REG_STAR,
	REG_LSTAR,
	REG_CSTAR,
	REG_SFMASK,
	REG_KERNEL_GS_BASE,
	REG_SYSENTER_CS,
	REG_SYSENTER_ESP,
	REG_SYSENTER_EIP,
	REG_PAT,
	REG_TSC_AUX,
	REG_COUNT,
};

enum vcpu_seg {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	SEG_GDTR, /* base and limit only */
	SEG_IDTR,
	SEG_COUNT,
};

/*
 * A segment register with its hidden part. attributes: bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 13
 * L, 14 D/B, 15 G (the layout of a descriptor's bytes 5 and 6), and 16 for "unusable" (null
 * selector).
 */
struct segment {
	uint16_t selector;
	uint32_t attributes;
	uint32_t limit; /* in bytes, expanded */
	uint64_t base;
};

#define SEG_ATTR_DPL(attributes) ((attributes) >> 5 & 3)
#define SEG_ATTR_PRESENT	 (1u << 7)
#define SEG_ATTR_LONG		 (1u << 13)
#define SEG_ATTR_DEFAULT_32	 (1u << 14)
#define SEG_ATTR_UNUSABLE	 (1u << 16)

/* What is delivered to a guest at its next entry. */
enum event_type {
	EVENT_INTERRUPT,
	EVENT_NMI,
	EVENT_EXCEPTION,
	EVENT_SOFTWARE_INTERRUPT
};

/*
 * For request_window(): an interrupt that only RFLAGS.IF and interrupt shadows hold back, never the
 * task priority: the 8259s', and one that was accepted before.
 */
#define WINDOW_ANY_PRIORITY 16

struct vcpu_event {
	enum event_type type;
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
};

/* One line of what a backend found, for `host`: "NRIP save: yes". */
struct backend_feature {
	const char *name;
	bool present;
};

/* A vCPU's registers, vendor-neutral: for saving, moving and tests. */
struct vcpu_state {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	uint64_t regs[REG_COUNT];
	struct segment segments[SEG_COUNT];
	bool interrupt_shadow;
	bool nmi_blocked;
};

struct vcpu_backend {
	const char *name; /* "AMD-V", "VT-x" */

	/* ---- host ---- */

	/*
	 * Looks at the boot CPU. Returns 0 where this backend can run guests here; -ENODEV where it
	 * is another vendor's CPU; -EPERM (firmware switched it off) or -ENOTSUP (something
	 * required is missing) after storing a sentence for the user in `why`.
	 */
	int (*probe)(const char **why);
	/* Switches virtualisation on for the calling CPU. Errors: -ENOMEM, -EPERM, -ENOTSUP. */
	int (*cpu_enable)(struct cpu *cpu);
	/* Switches it off, so that firmware or a reset finds the CPU as it was. */
	void (*cpu_disable)(struct cpu *cpu);
	/* The optional features and whether this CPU has them; ends with a NULL name. */
	const struct backend_feature *(*features)(void);
	/*
	 * Takes away from the host's answer to CPUID `leaf`, `subleaf` (EAX to EDX) what guests
	 * cannot have under this backend. NULL: nothing.
	 */
	void (*limit_cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);
	/* The format of nested page-table entries. */
	const struct pte_ops *(*pte_ops)(void);

	/* ---- per VM ---- */

	/* Permission maps and whatever the vendor keeps for a VM (vm->backend). All ports and MSRs
	 * trap at first. */
	int (*vm_create)(struct vm *vm);
	void (*vm_destroy)(struct vm *vm);
	/* Whether accesses to [port, port + count) exit. Before the VM runs. */
	void (*trap_port)(struct vm *vm, uint16_t port, unsigned count, bool trap);
	/* Whether reads and writes of an MSR exit. Before the VM runs. Errors: -ENOTSUP where the
	 * map cannot say it. */
	int (*trap_msr)(struct vm *vm, uint32_t msr, bool trap_read, bool trap_write);

	/* ---- per vCPU: life; on any CPU while it does not run ---- */

	int (*vcpu_create)(struct vcpu *vcpu);
	void (*vcpu_destroy)(struct vcpu *vcpu);
	/* The state after INIT (power_on false: keeps what INIT keeps) or power-on. SDM 3A, 9.1.1;
	 * APM 2, 14.1. */
	void (*vcpu_reset)(struct vcpu *vcpu, bool power_on);

	/* ---- per vCPU: running ---- */

	/*
	 * Makes this CPU hold the vCPU's state (FPU, system-call MSRs, debug registers), and gives
	 * it back. Between the two the vCPU is the CPU's own; host interrupts are held off except
	 * where run() takes them.
	 */
	void (*load)(struct vcpu *vcpu);
	void (*unload)(struct vcpu *vcpu);
	/*
	 * Enters the guest and describes its next exit to vcpu_exit(), over and over until that
	 * returns false. Loads vcpu->gpr, rip, rflags and interrupt_shadow before an entry and
	 * stores them after it. An event that was being delivered when the exit came is put into
	 * vcpu->event again.
	 */
	void (*run)(struct vcpu *vcpu);

	/* State. Valid while loaded and while not; general registers are not here. */
	uint64_t (*get_reg)(struct vcpu *vcpu, enum vcpu_reg reg);
	void (*set_reg)(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
	void (*get_seg)(struct vcpu *vcpu, enum vcpu_seg seg, struct segment *segment);
	void (*set_seg)(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment);

	/* Whether an event of this type could be delivered at the next entry (IF, shadows, NMI
	 * blocking, event pending). */
	bool (*can_inject)(struct vcpu *vcpu, enum event_type type);
	/* Delivers at the next entry; only after can_inject() or for an exception. */
	void (*inject)(struct vcpu *vcpu, const struct vcpu_event *event);
	/*
	 * Asks for an exit as soon as an interrupt of priority class `priority` (vector >> 4, or
	 * WINDOW_ANY_PRIORITY), or an NMI, could be delivered. EXIT_INTERRUPT_WINDOW or
	 * EXIT_NMI_WINDOW follows; the request ends with it.
	 */
	void (*request_window)(struct vcpu *vcpu, enum event_type type, unsigned priority);
	/* Ends such a request where the interrupt is gone. */
	void (*cancel_window)(struct vcpu *vcpu);

	/* Guest's TSC = host's TSC + offset from now on. */
	void (*set_tsc_offset)(struct vcpu *vcpu, uint64_t offset);
	/* Guest-physical translations that may be cached for the vCPU are dropped before its next
	 * entry. */
	void (*flush)(struct vcpu *vcpu);
	/*
	 * Bytes at the guest's RIP that the hardware saved at the last exit: stores up to 15,
	 * returns how many, 0 where it saved none (then the guest's tables are walked).
	 */
	unsigned (*insn_bytes)(struct vcpu *vcpu, uint8_t bytes[15]);
	/* Logs the vendor's whole view of a vCPU, for diagnosis. */
	void (*dump)(struct vcpu *vcpu);
};

/* The backend chosen at boot. Set once by boot/main.c before any VM exists. */
extern const struct vcpu_backend *backend;
