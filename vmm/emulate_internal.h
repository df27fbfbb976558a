/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the emulator share. An instruction is decoded into struct insn, which depends
 * on its bytes and the code width alone: whoever keeps it beside the bytes (a decode cache) may
 * execute it again for as long as the bytes compare equal. Executing takes a struct emulation
 * besides.
 *
 * Handlers do everything that can fail before they change a register, so that a fault leaves the
 * guest as it was.
 */
#pragma once

#include "vmm/emulate.h"
#include "vmm/types.h"

/* The eight first are in the order in which the processor encodes them. */
enum insn_op {
	OP_ADD,
	OP_OR,
	OP_ADC,
	OP_SBB,
	OP_AND,
	OP_SUB,
	OP_XOR,
	OP_CMP,
	OP_TEST,
	OP_INC,
	OP_DEC,
	OP_NEG,
	OP_NOT,
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	OP_MOV,
	OP_MOVSX,
	OP_XCHG,
	OP_XADD,
	OP_CMPXCHG,
	OP_PUSH,
	OP_POP,
	OP_MOVS,
	OP_CMPS,
	OP_STOS,
	OP_LODS,
	OP_SCAS,
	OP_INS,
	OP_OUTS,
	OP_IN,
	OP_OUT,
	OP_MOV_FROM_CR,
	OP_MOV_TO_CR,
	OP_LMSW,
	OP_SMSW,
	OP_CLTS,
	OP_COUNT,
};

enum operand_kind {
	OPERAND_NONE,
	OPERAND_GPR,	  /* index: enum gpr */
	OPERAND_GPR_HIGH, /* AH, CH, DH, BH; index: the register that it is part of */
	OPERAND_MEMORY,
	OPERAND_IMMEDIATE,
	OPERAND_SEGMENT, /* index: enum vcpu_seg */
	OPERAND_CR,	 /* index: its number */
};

struct insn_operand {
	uint8_t kind;
	uint8_t size; /* bytes */
	uint8_t index;
};

/* Values of insn.base and insn.index that are no general register. */
#define INSN_REG_NONE 0xff
#define INSN_REG_RIP  0xfe

struct insn {
	uint8_t op;	 /* enum insn_op */
	uint8_t length;	 /* bytes, 1 to 15 */
	uint8_t width;	 /* of the code segment: 2, 4 or 8 */
	uint8_t size;	 /* of the operation, in bytes; of one element of a string */
	uint8_t address; /* size of addresses: 2, 4 or 8 */
	bool lock;
	bool rep;   /* F3: while equal, for CMPS and SCAS */
	bool repne; /* F2 */
	struct insn_operand operands[2];
	/* The memory operand, or the source of a string instruction: only segment is used then. */
	uint8_t segment; /* enum vcpu_seg */
	uint8_t base;
	uint8_t index;
	uint8_t scale;
	int64_t displacement;
	uint64_t immediate;
};

/* ---- emulate_decode.c ---- */

/*
 * Decodes bytes[0 .. length). `width` is the code width in bytes: 2, 4, 8. Errors: -ENODATA where
 * the instruction goes on behind `length`; -E2BIG: longer than 15 bytes, #GP(0); -EINVAL: no
 * instruction, #UD; -ENOTSUP: one that is not emulated.
 */
HV_MUST_CHECK int emul_decode(struct insn *insn, const uint8_t *bytes, unsigned length,
			      unsigned width);

/* The same, for the length alone, of any instruction. */
HV_MUST_CHECK int emul_decode_length(const uint8_t *bytes, unsigned length, unsigned width);

/* ---- emulate_cache.c ---- */

#define INSN_BYTES_MAX 15

/* Bytes that were fetched for an instruction. */
struct insn_bytes {
	union {
		uint8_t bytes[16];
		uint64_t words[2];
	};
	unsigned length; /* how many there are, up to INSN_BYTES_MAX; 0 follow */
};

struct vcpu;

/* The instruction at the vCPU's RIP, decoded earlier from the same bytes and code width; else NULL.
 * Valid until the next emul_cache_add(). */
const struct insn *emul_cache_find(struct vcpu *vcpu, const struct insn_bytes *bytes,
				   unsigned width);

/* Keeps an instruction that was decoded from `bytes`. Where there is no memory nothing is kept. */
void emul_cache_add(struct vcpu *vcpu, const struct insn_bytes *bytes, const struct insn *insn);

/* ---- emulate.c ---- */

/* Width of the code that the vCPU executes: 2, 4 or 8 bytes. */
unsigned emul_code_width(struct emulation *emulation);

enum emul_result emul_execute(struct emulation *emulation, const struct insn *insn);

/* Fills emulation->fault from what emul_decode() returned, for the two errors that are faults. */
enum emul_result emul_decode_fault(struct emulation *emulation, int error);

/*
 * The handlers. Each returns 0; -EFAULT with emulation->fault filled; -EAGAIN where the instruction
 * is to be executed again; -ENOTSUP. The caller advances RIP.
 */
typedef int emul_handler(struct emulation *emulation, const struct insn *insn);
emul_handler emul_string;
emul_handler emul_in, emul_out, emul_cr, emul_lmsw, emul_smsw, emul_clts;

/* ---- emulate_operand.c ---- */

/* Fills emulation->fault (the error code is 0, and none in real mode) and returns -EFAULT. */
int emul_fault(struct emulation *emulation, uint8_t vector);

bool emul_is_protected(const struct emulation *emulation);

/* A general register of `size` bytes: zero-extended when read; a write keeps the rest of 1 and 2
 * bytes and clears that of 4, as the processor does. */
uint64_t emul_get_gpr(const struct emulation *emulation, unsigned gpr, unsigned size);
void emul_set_gpr(struct emulation *emulation, unsigned gpr, unsigned size, uint64_t value);

/* The offset in its segment that the memory operand names. */
uint64_t emul_offset(const struct emulation *emulation, const struct insn *insn);

/*
 * Checks an access to [offset, offset + size) of a segment as the mode asks (limit, type, presence;
 * canonical form) and stores its linear address.
 */
HV_MUST_CHECK int emul_linear(struct emulation *emulation, const struct insn *insn,
			      unsigned segment, uint64_t offset, unsigned size, bool write,
			      uint64_t *linear);

/* Reads or writes a whole operand. */
HV_MUST_CHECK int emul_read_operand(struct emulation *emulation, const struct insn *insn,
				    unsigned operand, uint64_t *value);
HV_MUST_CHECK int emul_write_operand(struct emulation *emulation, const struct insn *insn,
				     unsigned operand, uint64_t value);

/* A read-modify-write of an operand: start reads it, finish writes. */
struct emul_modify {
	const struct insn_operand *operand;
	bool atomic;
	uint64_t linear;
	uint64_t old;
};

/* `bytes` is added to the offset of a memory operand. */
HV_MUST_CHECK int emul_modify_start(struct emulation *emulation, const struct insn *insn,
				    unsigned operand, int64_t bytes, struct emul_modify *modify);
/* -EAGAIN where it was atomic and memory changed meanwhile. */
HV_MUST_CHECK int emul_modify_finish(struct emulation *emulation, const struct emul_modify *modify,
				     uint64_t value);

/* ---- emulate_alu.c: pure arithmetic; operands are `size` bytes, zero-extended ---- */

/* OP_ADD to OP_TEST. Sets the flags that a processor sets; those that it leaves undefined are
 * clear. */
uint64_t alu_binary(enum insn_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags);
/* OP_INC to OP_NOT. */
uint64_t alu_unary(enum insn_op op, uint64_t a, unsigned size, uint64_t *rflags);
/* OP_BT to OP_BTC: bit is below the operand's width. */
uint64_t alu_bit(enum insn_op op, uint64_t a, unsigned bit, uint64_t *rflags);
/* The low `size` bytes as a signed number. */
uint64_t alu_sign_extend(uint64_t value, unsigned size);
