/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of the emulator, and the instructions that move, compute and use the stack. */
#include "vmm/emulate_internal.h"

#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include <errno.h>

static int do_move(struct emulation *emulation, const struct insn *insn)
{
	uint64_t value;
	int error = emul_read_operand(emulation, insn, 1, &value);

	if (error != 0)
		return error;
	if (insn->op == OP_MOVSX)
		value = alu_sign_extend(value, insn->operands[1].size);
	return emul_write_operand(emulation, insn, 0, value);
}

/* CMP and TEST. */
static int do_compare(struct emulation *emulation, const struct insn *insn)
{
	uint64_t a, b;
	int error = emul_read_operand(emulation, insn, 0, &a);

	if (error == 0)
		error = emul_read_operand(emulation, insn, 1, &b);
	if (error != 0)
		return error;
	(void)alu_binary((enum insn_op)insn->op, a, b, insn->size, &emulation->rflags);
	return 0;
}

static int do_binary(struct emulation *emulation, const struct insn *insn)
{
	uint64_t rflags = emulation->rflags;
	struct emul_modify modify;
	uint64_t source, result;
	int error = emul_read_operand(emulation, insn, 1, &source);

	if (error == 0)
		error = emul_modify_start(emulation, insn, 0, 0, &modify);
	if (error != 0)
		return error;
	result = alu_binary((enum insn_op)insn->op, modify.old, source, insn->size, &rflags);
	error = emul_modify_finish(emulation, &modify, result);
	if (error == 0)
		emulation->rflags = rflags;
	return error;
}

static int do_unary(struct emulation *emulation, const struct insn *insn)
{
	uint64_t rflags = emulation->rflags;
	struct emul_modify modify;
	uint64_t result;
	int error = emul_modify_start(emulation, insn, 0, 0, &modify);

	if (error != 0)
		return error;
	result = alu_unary((enum insn_op)insn->op, modify.old, insn->size, &rflags);
	error = emul_modify_finish(emulation, &modify, result);
	if (error == 0)
		emulation->rflags = rflags;
	return error;
}

static int do_bit_test(struct emulation *emulation, const struct insn *insn, int64_t bytes,
		       unsigned bit)
{
	uint64_t offset = emul_offset(emulation, insn) + (uint64_t)bytes;
	uint64_t value, linear;
	int error;

	if (insn->operands[0].kind != OPERAND_MEMORY) {
		error = emul_read_operand(emulation, insn, 0, &value);
	} else {
		error = emul_linear(emulation, insn, insn->segment,
				    offset & mask_of_bytes(insn->address), insn->size, false,
				    &linear);
		if (error == 0)
			error = emulation->ops->read(emulation, linear, insn->size, &value);
	}
	if (error == 0)
		(void)alu_bit(OP_BT, value, bit, &emulation->rflags);
	return error;
}

/* BT, BTS, BTR, BTC: a bit number from a register reaches beyond the operand in memory. */
static int do_bit(struct emulation *emulation, const struct insn *insn)
{
	uint64_t rflags = emulation->rflags;
	unsigned width = insn->size * 8u;
	struct emul_modify modify;
	uint64_t number, result;
	int64_t bytes = 0;
	unsigned bit;
	int error = emul_read_operand(emulation, insn, 1, &number);

	if (error != 0)
		return error;
	bit = (unsigned)number & (width - 1);
	if (insn->operands[1].kind == OPERAND_GPR) {
		int64_t distance = (int64_t)alu_sign_extend(number, insn->size);

		bytes = (distance - (int64_t)bit) / 8;
	}
	if (insn->op == OP_BT)
		return do_bit_test(emulation, insn, bytes, bit);
	error = emul_modify_start(emulation, insn, 0, bytes, &modify);
	if (error != 0)
		return error;
	result = alu_bit((enum insn_op)insn->op, modify.old, bit, &rflags);
	error = emul_modify_finish(emulation, &modify, result);
	if (error == 0)
		emulation->rflags = rflags;
	return error;
}

/* XCHG and XADD. The second operand is always a register. */
static int do_exchange(struct emulation *emulation, const struct insn *insn)
{
	uint64_t rflags = emulation->rflags;
	bool memory = insn->operands[0].kind == OPERAND_MEMORY;
	struct emul_modify modify;
	uint64_t source, result;
	int error = emul_read_operand(emulation, insn, 1, &source);

	if (error == 0)
		error = emul_modify_start(emulation, insn, 0, 0, &modify);
	if (error != 0)
		return error;
	result = source;
	if (insn->op == OP_XADD)
		result = alu_binary(OP_ADD, modify.old, source, insn->size, &rflags);
	/* What can fail comes first; between registers the first operand is written last, which
	 * counts where both are the same. */
	if (memory)
		error = emul_modify_finish(emulation, &modify, result);
	if (error == 0)
		error = emul_write_operand(emulation, insn, 1, modify.old);
	if (error == 0 && !memory)
		error = emul_modify_finish(emulation, &modify, result);
	if (error == 0)
		emulation->rflags = rflags;
	return error;
}

static int do_cmpxchg(struct emulation *emulation, const struct insn *insn)
{
	uint64_t rflags = emulation->rflags;
	uint64_t accumulator = emul_get_gpr(emulation, GPR_RAX, insn->size);
	struct emul_modify modify;
	bool equal, memory = insn->operands[0].kind == OPERAND_MEMORY;
	uint64_t source;
	int error = emul_read_operand(emulation, insn, 1, &source);

	if (error == 0)
		error = emul_modify_start(emulation, insn, 0, 0, &modify);
	if (error != 0)
		return error;
	(void)alu_binary(OP_CMP, accumulator, modify.old, insn->size, &rflags);
	equal = accumulator == modify.old;
	/* Memory is written in both cases; a register that differs is not touched. */
	if (memory || equal)
		error = emul_modify_finish(emulation, &modify, equal ? source : modify.old);
	if (error != 0)
		return error;
	if (!equal)
		emul_set_gpr(emulation, GPR_RAX, insn->size, modify.old);
	emulation->rflags = rflags;
	return 0;
}

static unsigned stack_size(struct emulation *emulation, const struct insn *insn)
{
	if (insn->width == 8)
		return 8;
	return emulation->ops->segment(emulation, SEG_SS)->attributes & SEG_ATTR_DEFAULT_32 ? 4 : 2;
}

static int do_push(struct emulation *emulation, const struct insn *insn)
{
	unsigned stack = stack_size(emulation, insn);
	uint64_t top = (emulation->gpr[GPR_RSP] - insn->size) & mask_of_bytes(stack);
	uint64_t linear, value;
	int error = emul_linear(emulation, insn, SEG_SS, top, insn->size, true, &linear);

	if (error == 0)
		error = emulation->ops->probe_write(emulation, linear, insn->size);
	if (error == 0)
		error = emul_read_operand(emulation, insn, 0, &value);
	if (error == 0)
		error = emulation->ops->write(emulation, linear, insn->size, value);
	if (error == 0)
		emul_set_gpr(emulation, GPR_RSP, stack, top);
	return error;
}

static int do_pop(struct emulation *emulation, const struct insn *insn)
{
	unsigned stack = stack_size(emulation, insn);
	uint64_t old_rsp = emulation->gpr[GPR_RSP];
	uint64_t linear, value;
	int error = emul_linear(emulation, insn, SEG_SS, old_rsp & mask_of_bytes(stack), insn->size,
				false, &linear);

	if (error == 0)
		error = emulation->ops->read(emulation, linear, insn->size, &value);
	if (error != 0)
		return error;
	/* An address from RSP sees the value after the pop. */
	emul_set_gpr(emulation, GPR_RSP, stack, old_rsp + insn->size);
	error = emul_write_operand(emulation, insn, 0, value);
	if (error != 0)
		emulation->gpr[GPR_RSP] = old_rsp;
	return error;
}

static emul_handler *const handlers[OP_COUNT] = {
	[OP_ADD] = do_binary,	    [OP_OR] = do_binary,      [OP_ADC] = do_binary,
	[OP_SBB] = do_binary,	    [OP_AND] = do_binary,     [OP_SUB] = do_binary,
	[OP_XOR] = do_binary,	    [OP_CMP] = do_compare,    [OP_TEST] = do_compare,
	[OP_INC] = do_unary,	    [OP_DEC] = do_unary,      [OP_NEG] = do_unary,
	[OP_NOT] = do_unary,	    [OP_BT] = do_bit,	      [OP_BTS] = do_bit,
	[OP_BTR] = do_bit,	    [OP_BTC] = do_bit,	      [OP_MOV] = do_move,
	[OP_MOVSX] = do_move,	    [OP_XCHG] = do_exchange,  [OP_XADD] = do_exchange,
	[OP_CMPXCHG] = do_cmpxchg,  [OP_PUSH] = do_push,      [OP_POP] = do_pop,
	[OP_MOVS] = emul_string,    [OP_CMPS] = emul_string,  [OP_STOS] = emul_string,
	[OP_LODS] = emul_string,    [OP_SCAS] = emul_string,  [OP_INS] = emul_string,
	[OP_OUTS] = emul_string,    [OP_IN] = emul_in,	      [OP_OUT] = emul_out,
	[OP_MOV_FROM_CR] = emul_cr, [OP_MOV_TO_CR] = emul_cr, [OP_LMSW] = emul_lmsw,
	[OP_SMSW] = emul_smsw,	    [OP_CLTS] = emul_clts,
};

unsigned emul_code_width(struct emulation *emulation)
{
	uint32_t attributes = emulation->ops->segment(emulation, SEG_CS)->attributes;

	if ((emulation->efer & EFER_LMA) && (attributes & SEG_ATTR_LONG))
		return 8;
	return attributes & SEG_ATTR_DEFAULT_32 ? 4 : 2;
}

enum emul_result emul_execute(struct emulation *emulation, const struct insn *insn)
{
	int error = handlers[insn->op](emulation, insn);

	switch (error) {
	case 0:
		break;
	case -EAGAIN:
		return EMUL_CONTINUE;
	case -EFAULT:
		return EMUL_FAULT;
	default:
		return EMUL_UNSUPPORTED;
	}
	emulation->rip += insn->length;
	if (insn->width != 8)
		emulation->rip &= UINT32_MAX;
	emulation->rflags &= ~RFLAGS_RF;
	return EMUL_DONE;
}

enum emul_result emul_decode_fault(struct emulation *emulation, int error)
{
	if (error != -EINVAL && error != -E2BIG)
		return EMUL_UNSUPPORTED;
	(void)emul_fault(emulation, error == -EINVAL ? VECTOR_UD : VECTOR_GP);
	return EMUL_FAULT;
}

enum emul_result emulate(struct emulation *emulation, const uint8_t *bytes, unsigned length)
{
	struct insn insn;
	int error = emul_decode(&insn, bytes, length, emul_code_width(emulation));

	if (error != 0)
		return emul_decode_fault(emulation, error);
	return emul_execute(emulation, &insn);
}
