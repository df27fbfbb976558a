/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From bytes to struct insn. Zydis knows the encodings, which prefixes and forms are legal, and the
 * lengths; here its answer is reduced to what the emulator executes.
 */
#include "vmm/emulate_internal.h"

#include "vmm/vcpu.h"

#include <errno.h>
#include <string.h>

#include <Zydis/Zydis.h>

/* What a mnemonic means here: operation + 1 (0: not emulated), and the element size of a string. */
struct known_mnemonic {
	uint8_t op_plus_1;
	uint8_t element;
};

#define KNOWN(name, op)		     [ZYDIS_MNEMONIC_##name] = {(op) + 1, 0}
#define KNOWN_STRING(name, op, size) [ZYDIS_MNEMONIC_##name] = {(op) + 1, size}

static const struct known_mnemonic known_mnemonics[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	KNOWN(ADD, OP_ADD),
	KNOWN(OR, OP_OR),
	KNOWN(ADC, OP_ADC),
	KNOWN(SBB, OP_SBB),
	KNOWN(AND, OP_AND),
	KNOWN(SUB, OP_SUB),
	KNOWN(XOR, OP_XOR),
	KNOWN(CMP, OP_CMP),
	KNOWN(TEST, OP_TEST),
	KNOWN(INC, OP_INC),
	KNOWN(DEC, OP_DEC),
	KNOWN(NEG, OP_NEG),
	KNOWN(NOT, OP_NOT),
	KNOWN(BT, OP_BT),
	KNOWN(BTS, OP_BTS),
	KNOWN(BTR, OP_BTR),
	KNOWN(BTC, OP_BTC),
	KNOWN(MOV, OP_MOV),
	KNOWN(MOVZX, OP_MOV),
	KNOWN(MOVNTI, OP_MOV),
	KNOWN(MOVSX, OP_MOVSX),
	KNOWN(MOVSXD, OP_MOVSX),
	KNOWN(XCHG, OP_XCHG),
	KNOWN(XADD, OP_XADD),
	KNOWN(CMPXCHG, OP_CMPXCHG),
	KNOWN(PUSH, OP_PUSH),
	KNOWN(POP, OP_POP),
	KNOWN_STRING(MOVSB, OP_MOVS, 1),
	KNOWN_STRING(MOVSW, OP_MOVS, 2),
	KNOWN_STRING(MOVSD, OP_MOVS, 4),
	KNOWN_STRING(MOVSQ, OP_MOVS, 8),
	KNOWN_STRING(CMPSB, OP_CMPS, 1),
	KNOWN_STRING(CMPSW, OP_CMPS, 2),
	KNOWN_STRING(CMPSD, OP_CMPS, 4),
	KNOWN_STRING(CMPSQ, OP_CMPS, 8),
	KNOWN_STRING(STOSB, OP_STOS, 1),
	KNOWN_STRING(STOSW, OP_STOS, 2),
	KNOWN_STRING(STOSD, OP_STOS, 4),
	KNOWN_STRING(STOSQ, OP_STOS, 8),
	KNOWN_STRING(LODSB, OP_LODS, 1),
	KNOWN_STRING(LODSW, OP_LODS, 2),
	KNOWN_STRING(LODSD, OP_LODS, 4),
	KNOWN_STRING(LODSQ, OP_LODS, 8),
	KNOWN_STRING(SCASB, OP_SCAS, 1),
	KNOWN_STRING(SCASW, OP_SCAS, 2),
	KNOWN_STRING(SCASD, OP_SCAS, 4),
	KNOWN_STRING(SCASQ, OP_SCAS, 8),
	KNOWN_STRING(INSB, OP_INS, 1),
	KNOWN_STRING(INSW, OP_INS, 2),
	KNOWN_STRING(INSD, OP_INS, 4),
	KNOWN_STRING(OUTSB, OP_OUTS, 1),
	KNOWN_STRING(OUTSW, OP_OUTS, 2),
	KNOWN_STRING(OUTSD, OP_OUTS, 4),
	KNOWN(IN, OP_IN),
	KNOWN(OUT, OP_OUT),
	KNOWN(LMSW, OP_LMSW),
	KNOWN(SMSW, OP_SMSW),
	KNOWN(CLTS, OP_CLTS),
};

static void init_decoder(ZydisDecoder *decoder, unsigned width)
{
	switch (width) {
	case 8:
		(void)ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		break;
	case 4:
		(void)ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
		break;
	default:
		(void)ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
		break;
	}
}

static int error_of_status(ZyanStatus status)
{
	switch (status) {
	case ZYDIS_STATUS_NO_MORE_DATA:
		return -ENODATA;
	case ZYDIS_STATUS_INSTRUCTION_TOO_LONG:
		return -E2BIG;
	case ZYDIS_STATUS_INVALID_MAP:
	case ZYDIS_STATUS_MALFORMED_EVEX:
	case ZYDIS_STATUS_MALFORMED_MVEX:
		/* Perhaps an instruction of a newer processor than Zydis knows. */
		return -ENOTSUP;
	default:
		return -EINVAL;
	}
}

static int decode_register(struct insn_operand *operand, ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_RAX);
	else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_EAX);
	else if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_AX);
	else if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_AL);
	else if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_SPL + GPR_RSP);
	else
		operand->index = INSN_REG_NONE;
	if (operand->index != INSN_REG_NONE) {
		operand->kind = OPERAND_GPR;
	} else if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
		operand->kind = OPERAND_GPR_HIGH;
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_AH);
	} else if (reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS) {
		operand->kind = OPERAND_SEGMENT;
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_ES);
	} else if (reg >= ZYDIS_REGISTER_CR0 && reg <= ZYDIS_REGISTER_CR15) {
		operand->kind = OPERAND_CR;
		operand->index = (uint8_t)(reg - ZYDIS_REGISTER_CR0);
	} else {
		return -ENOTSUP;
	}
	return 0;
}

/* A register of an address. */
static int decode_address_register(uint8_t *index, ZydisRegister reg)
{
	struct insn_operand operand;

	if (reg == ZYDIS_REGISTER_NONE) {
		*index = INSN_REG_NONE;
		return 0;
	}
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
		*index = INSN_REG_RIP;
		return 0;
	}
	if (decode_register(&operand, reg) != 0 || operand.kind != OPERAND_GPR)
		return -ENOTSUP;
	*index = operand.index;
	return 0;
}

/*
 * Whether an address has a SIB byte that names no base but a displacement (SDM 2A, table 2-3).
 * REX.B plays no part in that, but Zydis 4.0.0 takes R13 for the base then, and no displacement.
 */
static bool is_baseless(const ZydisDecodedInstruction *decoded)
{
	return (decoded->attributes & ZYDIS_ATTRIB_HAS_SIB) && decoded->raw.modrm.mod == 0 &&
	       decoded->raw.sib.base == 5;
}

static int decode_memory(struct insn *insn, const ZydisDecodedInstruction *decoded,
			 const ZydisDecodedOperandMem *memory)
{
	if (memory->type != ZYDIS_MEMOP_TYPE_MEM || memory->segment < ZYDIS_REGISTER_ES ||
	    memory->segment > ZYDIS_REGISTER_GS)
		return -ENOTSUP;
	insn->segment = (uint8_t)(memory->segment - ZYDIS_REGISTER_ES);
	insn->scale = memory->scale;
	insn->displacement = memory->disp.value;
	if (decode_address_register(&insn->base, memory->base) != 0)
		return -ENOTSUP;
	if (is_baseless(decoded)) {
		insn->base = INSN_REG_NONE;
		insn->displacement = decoded->raw.disp.value;
	}
	return decode_address_register(&insn->index, memory->index);
}

static int decode_operand(struct insn *insn, unsigned number,
			  const ZydisDecodedInstruction *instruction,
			  const ZydisDecodedOperand *decoded)
{
	struct insn_operand *operand = &insn->operands[number];

	operand->size = (uint8_t)(decoded->size / 8);
	switch (decoded->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return decode_register(operand, decoded->reg.value);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (decoded->size > 64)
			return -ENOTSUP;
		operand->kind = OPERAND_MEMORY;
		return decode_memory(insn, instruction, &decoded->mem);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		operand->kind = OPERAND_IMMEDIATE;
		insn->immediate = decoded->imm.value.u;
		return 0;
	default:
		return -ENOTSUP;
	}
}

/* The segment of a string instruction's source: DS where no prefix says otherwise. */
static uint8_t source_segment(ZydisInstructionAttributes attributes)
{
	static const struct {
		ZydisInstructionAttributes attribute;
		enum vcpu_seg segment;
	} prefixes[] = {
		{ZYDIS_ATTRIB_HAS_SEGMENT_ES, SEG_ES}, {ZYDIS_ATTRIB_HAS_SEGMENT_CS, SEG_CS},
		{ZYDIS_ATTRIB_HAS_SEGMENT_SS, SEG_SS}, {ZYDIS_ATTRIB_HAS_SEGMENT_FS, SEG_FS},
		{ZYDIS_ATTRIB_HAS_SEGMENT_GS, SEG_GS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (attributes & prefixes[i].attribute)
			return (uint8_t)prefixes[i].segment;
	}
	return SEG_DS;
}

/* MOV is three instructions of which one is for control registers and one cannot be emulated. */
static int refine_mov(struct insn *insn)
{
	const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];

	if (to->kind == OPERAND_SEGMENT)
		return -ENOTSUP;
	if (to->kind == OPERAND_CR)
		insn->op = OP_MOV_TO_CR;
	else if (from->kind == OPERAND_CR)
		insn->op = OP_MOV_FROM_CR;
	return 0;
}

/*
 * An immediate was sign-extended to 64 bits: as much of it counts as the other operand has. A port
 * stays as it is, and so does a bit's number, which is taken modulo the width.
 */
static void refine_immediate(struct insn *insn)
{
	switch (insn->op) {
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
	case OP_IN:
		return;
	default:
		if (insn->operands[1].kind == OPERAND_IMMEDIATE)
			insn->operands[1].size = insn->size;
	}
}

static int refine(struct insn *insn, const ZydisDecodedInstruction *decoded)
{
	refine_immediate(insn);
	switch (insn->op) {
	case OP_MOV:
		return refine_mov(insn);
	case OP_PUSH:
	case OP_POP:
		insn->size = decoded->operand_width / 8;
		insn->operands[0].size = insn->size;
		return insn->operands[0].kind == OPERAND_SEGMENT ? -ENOTSUP : 0;
	case OP_OUT:
		insn->size = insn->operands[1].size;
		return 0;
	default:
		return 0;
	}
}

static void fill_prefixes(struct insn *insn, const ZydisDecodedInstruction *decoded)
{
	insn->length = decoded->length;
	insn->address = decoded->address_width / 8;
	insn->lock = decoded->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	insn->rep = decoded->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
	insn->repne = decoded->attributes & ZYDIS_ATTRIB_HAS_REPNE;
}

/* Finds the operation; the mnemonics MOVSD and CMPSD are SSE instructions too, in another map. */
static int fill_operation(struct insn *insn, const ZydisDecodedInstruction *decoded)
{
	const struct known_mnemonic *known = &known_mnemonics[decoded->mnemonic];

	if (known->op_plus_1 == 0 || decoded->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return -ENOTSUP;
	if (known->element != 0 && decoded->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return -ENOTSUP;
	insn->op = known->op_plus_1 - 1;
	insn->size = known->element;
	if (known->element != 0)
		insn->segment = source_segment(decoded->attributes);
	return 0;
}

int emul_decode(struct insn *insn, const uint8_t *bytes, unsigned length, unsigned width)
{
	ZydisDecoder decoder;
	ZydisDecoderContext context;
	ZydisDecodedInstruction decoded;
	ZydisDecodedOperand operands[2];
	ZyanStatus status;
	int error;

	init_decoder(&decoder, width);
	status = ZydisDecoderDecodeInstruction(&decoder, &context, bytes, length, &decoded);
	if (ZYAN_FAILED(status))
		return error_of_status(status);
	memset(insn, 0, sizeof(*insn));
	insn->width = (uint8_t)width;
	fill_prefixes(insn, &decoded);
	error = fill_operation(insn, &decoded);
	if (error != 0 || decoded.operand_count_visible > ARRAY_SIZE(operands))
		return -ENOTSUP;
	status = ZydisDecoderDecodeOperands(&decoder, &context, &decoded, operands,
					    decoded.operand_count_visible);
	if (ZYAN_FAILED(status))
		return error_of_status(status);
	for (unsigned i = 0; i < decoded.operand_count_visible; i++) {
		error = decode_operand(insn, i, &decoded, &operands[i]);
		if (error != 0)
			return error;
	}
	if (insn->size == 0)
		insn->size = insn->operands[0].size;
	return refine(insn, &decoded);
}

int emul_decode_length(const uint8_t *bytes, unsigned length, unsigned width)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction decoded;
	ZyanStatus status;

	init_decoder(&decoder, width);
	status = ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, length, &decoded);
	return ZYAN_FAILED(status) ? error_of_status(status) : decoded.length;
}

int emulate_length(const uint8_t *bytes, unsigned length, unsigned width)
{
	int decoded = emul_decode_length(bytes, length, width);

	return decoded < 0 ? -EINVAL : decoded;
}
