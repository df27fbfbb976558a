/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction emulator: executes one instruction that the CPU could not, because an operand is
 * a device, or because the hardware did not say what it was. It knows registers and memory only
 * through struct emulation, so it is tested against another emulator on the host. Instructions:
 * MOV, MOVZX, MOVSX, MOVSXD, STOS, LODS, MOVS, CMPS, SCAS, AND, OR, XOR, ADD, ADC, SUB, SBB, INC,
 * DEC, NEG, NOT, TEST, CMP, XCHG, CMPXCHG, XADD, BT, BTS, BTR, BTC, PUSH, POP, INS, OUTS, IN, OUT,
 * MOV to and from control registers, LMSW, SMSW, CLTS, MOVNTI.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"

enum emul_result {
	EMUL_DONE,	  /* executed; rip and registers are the new ones */
	EMUL_CONTINUE,	  /* a repeated string instruction did some rounds, or a locked one lost a
			     race: state is consistent, execute again */
	EMUL_FAULT,	  /* emulation->fault is to be injected; nothing else changed */
	EMUL_UNSUPPORTED, /* not an instruction that is known here; nothing changed */
};

struct emul_fault {
	uint8_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t address; /* #PF: goes to CR2 */
};

struct emulation;

/*
 * How the emulator reaches the world. Each returns 0, or -EFAULT with emulation->fault filled.
 * Sizes are 1, 2, 4 or 8. Linear addresses were checked against their segment, or for being
 * canonical.
 */
struct emul_ops {
	/* Memory at a linear address; may cross a page. write: WALK_* permission is checked before
	 * anything changes. */
	int (*read)(struct emulation *emulation, uint64_t linear, unsigned size, uint64_t *value);
	int (*write)(struct emulation *emulation, uint64_t linear, unsigned size, uint64_t value);
	/* Fails where a later write to the place would: called before read-modify-write reads. */
	int (*probe_write)(struct emulation *emulation, uint64_t linear, unsigned size);
	/*
	 * Stores `desired` where memory still holds `expected` (what read() gave), atomically
	 * against the VM's other vCPUs where the place is RAM: LOCK. -EAGAIN where it changed
	 * meanwhile.
	 */
	int (*exchange)(struct emulation *emulation, uint64_t linear, unsigned size,
			uint64_t expected, uint64_t desired);
	/* Whether the guest's privilege allows the port: IOPL, and the TSS's bitmap. */
	int (*port_check)(struct emulation *emulation, uint16_t port, unsigned size);
	int (*port_in)(struct emulation *emulation, uint16_t port, unsigned size, uint64_t *value);
	int (*port_out)(struct emulation *emulation, uint16_t port, unsigned size, uint64_t value);
	int (*cr_read)(struct emulation *emulation, unsigned cr, uint64_t *value);
	int (*cr_write)(struct emulation *emulation, unsigned cr, uint64_t value);
	/* The segment register, SEG_ES .. SEG_GS. Valid until the emulation ends; never fails. */
	const struct segment *(*segment)(struct emulation *emulation, enum vcpu_seg seg);
};

struct emulation {
	const struct emul_ops *ops;
	void *context;
	uint64_t *gpr; /* 16, indexed by enum gpr */
	uint64_t rip;
	uint64_t rflags;
	uint64_t cr0;  /* PE: real mode or protected */
	uint64_t cr4;  /* LA57, UMIP */
	uint64_t efer; /* LMA */
	unsigned cpl;
	struct emul_fault fault;
};

/* String instructions do at most this many rounds at a time, so that a guest cannot hold its CPU.
 */
#define EMUL_MAX_ROUNDS 64

/* Executes the instruction in bytes[0 .. length), 1 to 15 of them, which lies at emulation->rip. */
enum emul_result emulate(struct emulation *emulation, const uint8_t *bytes, unsigned length);

/*
 * Length of the instruction, 1 to 15; -EINVAL where it is none or is cut off. `width` is the code
 * width in bytes: 2, 4, 8.
 */
HV_MUST_CHECK int emulate_length(const uint8_t *bytes, unsigned length, unsigned width);

struct vcpu;
/*
 * Fetches the instruction at the vCPU's RIP and emulates it against the VM's memory and buses, or
 * injects the fault that it meets (vmm/emulate_vcpu.c). Returns 0, or -ENOTSUP where the
 * instruction is not known (the VM is to be stopped).
 */
HV_MUST_CHECK int vcpu_emulate(struct vcpu *vcpu);

/* Length of the instruction at RIP by decoding it; 0 where a fault was injected instead. */
unsigned vcpu_instruction_length(struct vcpu *vcpu);
