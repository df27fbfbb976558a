/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of the emulator: registers with their partial writes, addresses, and the segment checks
 * that stand before every access to memory. SDM 3A, 3.4 and 5.3 to 5.5; SDM 1, 3.3.7.1 (canonical).
 *
 * Alignment checks (#AC) are not made: the processor makes them for user mode alone, and a
 * misaligned user access to a device is none that has to fault.
 */
#include "vmm/emulate_internal.h"

#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include <errno.h>

/* Bits of a segment's attributes: its type, SDM 3A, 3.4.5.1. */
#define TYPE_CODE	 (1u << 3)
#define TYPE_EXPAND_DOWN (1u << 2) /* of data */
#define TYPE_RW		 (1u << 1) /* data: writable; code: readable */

bool emul_is_protected(const struct emulation *emulation)
{
	return emulation->cr0 & CR0_PE;
}

int emul_fault(struct emulation *emulation, uint8_t vector)
{
	bool has_error_code = vector == VECTOR_GP || vector == VECTOR_SS;

	emulation->fault = (struct emul_fault){
		.vector = vector,
		.has_error_code = has_error_code && emul_is_protected(emulation),
	};
	return -EFAULT;
}

uint64_t emul_get_gpr(const struct emulation *emulation, unsigned gpr, unsigned size)
{
	return emulation->gpr[gpr] & mask_of_bytes(size);
}

void emul_set_gpr(struct emulation *emulation, unsigned gpr, unsigned size, uint64_t value)
{
	uint64_t mask = mask_of_bytes(size);

	if (size < 4)
		value = (emulation->gpr[gpr] & ~mask) | (value & mask);
	emulation->gpr[gpr] = size == 4 ? (uint32_t)value : value;
}

uint64_t emul_offset(const struct emulation *emulation, const struct insn *insn)
{
	uint64_t offset = (uint64_t)insn->displacement;

	if (insn->base == INSN_REG_RIP)
		offset += emulation->rip + insn->length;
	else if (insn->base != INSN_REG_NONE)
		offset += emulation->gpr[insn->base];
	if (insn->index != INSN_REG_NONE)
		offset += emulation->gpr[insn->index] * insn->scale;
	return offset & mask_of_bytes(insn->address);
}

static bool is_canonical(const struct emulation *emulation, uint64_t linear)
{
	unsigned unused = emulation->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

static int segment_fault(struct emulation *emulation, unsigned segment)
{
	return emul_fault(emulation, segment == SEG_SS ? VECTOR_SS : VECTOR_GP);
}

static int linear_of_long_mode(struct emulation *emulation, unsigned segment, uint64_t offset,
			       unsigned size, uint64_t *linear)
{
	uint64_t base = 0;

	if (segment == SEG_FS || segment == SEG_GS)
		base = emulation->ops->segment(emulation, (enum vcpu_seg)segment)->base;
	*linear = base + offset;
	if (!is_canonical(emulation, *linear) || !is_canonical(emulation, *linear + size - 1))
		return segment_fault(emulation, segment);
	return 0;
}

/* Real mode and virtual-8086 mode look at the limit alone. */
static bool type_allows(const struct emulation *emulation, uint32_t attributes, bool write)
{
	if (!emul_is_protected(emulation) || (emulation->rflags & RFLAGS_VM))
		return true;
	if ((attributes & SEG_ATTR_UNUSABLE) || !(attributes & SEG_ATTR_PRESENT))
		return false;
	if (attributes & TYPE_CODE)
		return !write && (attributes & TYPE_RW);
	return !write || (attributes & TYPE_RW);
}

static bool limit_allows(const struct segment *segment, uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;
	uint64_t top = segment->attributes & SEG_ATTR_DEFAULT_32 ? UINT32_MAX : UINT16_MAX;

	if (!(segment->attributes & TYPE_CODE) && (segment->attributes & TYPE_EXPAND_DOWN))
		return offset > segment->limit && last <= top;
	return last <= segment->limit;
}

int emul_linear(struct emulation *emulation, const struct insn *insn, unsigned segment,
		uint64_t offset, unsigned size, bool write, uint64_t *linear)
{
	const struct segment *descriptor;

	if (insn->width == 8)
		return linear_of_long_mode(emulation, segment, offset, size, linear);
	descriptor = emulation->ops->segment(emulation, (enum vcpu_seg)segment);
	if (!type_allows(emulation, descriptor->attributes, write) ||
	    !limit_allows(descriptor, offset, size))
		return segment_fault(emulation, segment);
	*linear = (uint32_t)(descriptor->base + offset);
	return 0;
}

int emul_read_operand(struct emulation *emulation, const struct insn *insn, unsigned operand,
		      uint64_t *value)
{
	const struct insn_operand *from = &insn->operands[operand];
	uint64_t linear;
	int error;

	switch (from->kind) {
	case OPERAND_GPR:
		*value = emul_get_gpr(emulation, from->index, from->size);
		return 0;
	case OPERAND_GPR_HIGH:
		*value = emulation->gpr[from->index] >> 8 & 0xff;
		return 0;
	case OPERAND_IMMEDIATE:
		*value = insn->immediate & mask_of_bytes(from->size);
		return 0;
	case OPERAND_SEGMENT:
		*value = emulation->ops->segment(emulation, (enum vcpu_seg)from->index)->selector;
		return 0;
	case OPERAND_MEMORY:
		error = emul_linear(emulation, insn, insn->segment, emul_offset(emulation, insn),
				    from->size, false, &linear);
		if (error != 0)
			return error;
		return emulation->ops->read(emulation, linear, from->size, value);
	default:
		return -ENOTSUP;
	}
}

static int write_register(struct emulation *emulation, const struct insn_operand *to,
			  uint64_t value)
{
	switch (to->kind) {
	case OPERAND_GPR:
		emul_set_gpr(emulation, to->index, to->size, value);
		return 0;
	case OPERAND_GPR_HIGH:
		emulation->gpr[to->index] =
			(emulation->gpr[to->index] & ~0xff00ull) | (value & 0xff) << 8;
		return 0;
	default:
		return -ENOTSUP;
	}
}

int emul_write_operand(struct emulation *emulation, const struct insn *insn, unsigned operand,
		       uint64_t value)
{
	const struct insn_operand *to = &insn->operands[operand];
	uint64_t linear;
	int error;

	if (to->kind != OPERAND_MEMORY)
		return write_register(emulation, to, value);
	error = emul_linear(emulation, insn, insn->segment, emul_offset(emulation, insn), to->size,
			    true, &linear);
	if (error != 0)
		return error;
	return emulation->ops->write(emulation, linear, to->size, value & mask_of_bytes(to->size));
}

int emul_modify_start(struct emulation *emulation, const struct insn *insn, unsigned operand,
		      int64_t bytes, struct emul_modify *modify)
{
	const struct insn_operand *place = &insn->operands[operand];
	uint64_t offset;
	int error;

	modify->operand = place;
	modify->atomic = insn->lock || insn->op == OP_XCHG;
	if (place->kind != OPERAND_MEMORY)
		return emul_read_operand(emulation, insn, operand, &modify->old);
	offset = (emul_offset(emulation, insn) + (uint64_t)bytes) & mask_of_bytes(insn->address);
	error = emul_linear(emulation, insn, insn->segment, offset, place->size, true,
			    &modify->linear);
	if (error != 0)
		return error;
	error = emulation->ops->probe_write(emulation, modify->linear, place->size);
	if (error != 0)
		return error;
	return emulation->ops->read(emulation, modify->linear, place->size, &modify->old);
}

int emul_modify_finish(struct emulation *emulation, const struct emul_modify *modify,
		       uint64_t value)
{
	const struct insn_operand *place = modify->operand;

	value &= mask_of_bytes(place->size);
	if (place->kind != OPERAND_MEMORY)
		return write_register(emulation, place, value);
	if (modify->atomic)
		return emulation->ops->exchange(emulation, modify->linear, place->size, modify->old,
						value);
	return emulation->ops->write(emulation, modify->linear, place->size, value);
}
