/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic of the emulator, with the flags that the processor would set. SDM 1, 3.4.3.1 and the
 * instructions' pages in SDM 2; APM 3.
 */
#include "vmm/emulate_internal.h"

#include "vmm/x86_defs.h"

#define FLAGS_ARITHMETIC (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

uint64_t alu_sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - size * 8;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static bool sign_of(uint64_t value, unsigned size)
{
	return value >> (size * 8 - 1) & 1;
}

static uint64_t result_flags(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	if (result == 0)
		flags |= RFLAGS_ZF;
	if (sign_of(result, size))
		flags |= RFLAGS_SF;
	if (!__builtin_parity((unsigned)(result & 0xff)))
		flags |= RFLAGS_PF;
	return flags;
}

/*
 * `carries` has a bit for each place that a carry (or borrow) came out of; overflow is where the
 * carry into the sign differs from the one out of it.
 */
static uint64_t carry_flags(uint64_t carries, unsigned size)
{
	uint64_t flags = 0;

	if (carries >> 3 & 1)
		flags |= RFLAGS_AF;
	if (sign_of(carries, size))
		flags |= RFLAGS_CF;
	if (sign_of(carries, size) != (carries >> (size * 8 - 2) & 1))
		flags |= RFLAGS_OF;
	return flags;
}

static uint64_t alu_add(uint64_t a, uint64_t b, bool carry, unsigned size, uint64_t *flags)
{
	uint64_t result = (a + b + carry) & mask_of_bytes(size);

	*flags = carry_flags((a & b) | ((a | b) & ~result), size) | result_flags(result, size);
	return result;
}

static uint64_t alu_subtract(uint64_t a, uint64_t b, bool borrow, unsigned size, uint64_t *flags)
{
	uint64_t result = (a - b - borrow) & mask_of_bytes(size);

	*flags = carry_flags((~a & b) | ((~a | b) & result), size) | result_flags(result, size);
	return result;
}

static uint64_t alu_logic(enum insn_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_OR:
		return a | b;
	case OP_XOR:
		return a ^ b;
	default:
		return a & b;
	}
}

uint64_t alu_binary(enum insn_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags)
{
	bool carry = *rflags & RFLAGS_CF;
	uint64_t flags, result;

	switch (op) {
	case OP_ADD:
		result = alu_add(a, b, false, size, &flags);
		break;
	case OP_ADC:
		result = alu_add(a, b, carry, size, &flags);
		break;
	case OP_SUB:
	case OP_CMP:
		result = alu_subtract(a, b, false, size, &flags);
		break;
	case OP_SBB:
		result = alu_subtract(a, b, carry, size, &flags);
		break;
	default:
		result = alu_logic(op, a, b);
		flags = result_flags(result, size);
		break;
	}
	*rflags = (*rflags & ~FLAGS_ARITHMETIC) | flags;
	return result;
}

uint64_t alu_unary(enum insn_op op, uint64_t a, unsigned size, uint64_t *rflags)
{
	uint64_t carry = *rflags & RFLAGS_CF;
	uint64_t result;

	switch (op) {
	case OP_NOT:
		return ~a & mask_of_bytes(size);
	case OP_NEG:
		return alu_binary(OP_SUB, 0, a, size, rflags);
	default:
		/* INC and DEC leave the carry. */
		result = alu_binary(op == OP_INC ? OP_ADD : OP_SUB, a, 1, size, rflags);
		*rflags = (*rflags & ~RFLAGS_CF) | carry;
		return result;
	}
}

uint64_t alu_bit(enum insn_op op, uint64_t a, unsigned bit, uint64_t *rflags)
{
	uint64_t mask = (uint64_t)1 << bit;

	*rflags = (*rflags & ~RFLAGS_CF) | ((a & mask) ? RFLAGS_CF : 0);
	switch (op) {
	case OP_BTS:
		return a | mask;
	case OP_BTR:
		return a & ~mask;
	case OP_BTC:
		return a ^ mask;
	default:
		return a;
	}
}
