/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * String instructions of the emulator: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with and without a
 * repeat prefix. SDM 1, 7.3.9; APM 3. Each round leaves registers as the processor would if it were
 * interrupted there, so a fault or the limit of rounds can come between any two.
 */
#include "vmm/emulate_internal.h"

#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include <errno.h>

/* Where this round's elements are; checked against their segments as far as the instruction uses
 * them. */
struct string_round {
	uint64_t source;
	uint64_t destination;
};

static bool uses_source(unsigned op)
{
	return op == OP_MOVS || op == OP_CMPS || op == OP_LODS || op == OP_OUTS;
}

static bool uses_destination(unsigned op)
{
	return op != OP_LODS && op != OP_OUTS;
}

static int locate(struct emulation *emulation, const struct insn *insn, struct string_round *round)
{
	bool writes = insn->op == OP_MOVS || insn->op == OP_STOS || insn->op == OP_INS;
	int error = 0;

	if (uses_source(insn->op))
		error = emul_linear(emulation, insn, insn->segment,
				    emul_get_gpr(emulation, GPR_RSI, insn->address), insn->size,
				    false, &round->source);
	if (error == 0 && uses_destination(insn->op))
		error = emul_linear(emulation, insn, SEG_ES,
				    emul_get_gpr(emulation, GPR_RDI, insn->address), insn->size,
				    writes, &round->destination);
	/* Reading a device or a port may change it, so the write must be sure to succeed. */
	if (error == 0 && writes)
		error = emulation->ops->probe_write(emulation, round->destination, insn->size);
	return error;
}

static void compare(struct emulation *emulation, const struct insn *insn, uint64_t a, uint64_t b)
{
	(void)alu_binary(OP_CMP, a, b, insn->size, &emulation->rflags);
}

static int move_element(struct emulation *emulation, const struct insn *insn,
			const struct string_round *round)
{
	uint64_t value;
	int error = emulation->ops->read(emulation, round->source, insn->size, &value);

	if (error != 0)
		return error;
	return emulation->ops->write(emulation, round->destination, insn->size, value);
}

static int compare_elements(struct emulation *emulation, const struct insn *insn,
			    const struct string_round *round)
{
	uint64_t a, b;
	int error = emulation->ops->read(emulation, round->source, insn->size, &a);

	if (error == 0)
		error = emulation->ops->read(emulation, round->destination, insn->size, &b);
	if (error == 0)
		compare(emulation, insn, a, b);
	return error;
}

static int load_element(struct emulation *emulation, const struct insn *insn,
			const struct string_round *round)
{
	uint64_t value;
	int error = emulation->ops->read(emulation, round->source, insn->size, &value);

	if (error == 0)
		emul_set_gpr(emulation, GPR_RAX, insn->size, value);
	return error;
}

static int scan_element(struct emulation *emulation, const struct insn *insn,
			const struct string_round *round)
{
	uint64_t value;
	int error = emulation->ops->read(emulation, round->destination, insn->size, &value);

	if (error == 0)
		compare(emulation, insn, emul_get_gpr(emulation, GPR_RAX, insn->size), value);
	return error;
}

static int input_element(struct emulation *emulation, const struct insn *insn,
			 const struct string_round *round)
{
	uint16_t port = (uint16_t)emulation->gpr[GPR_RDX];
	uint64_t value;
	int error = emulation->ops->port_in(emulation, port, insn->size, &value);

	if (error != 0)
		return error;
	return emulation->ops->write(emulation, round->destination, insn->size,
				     value & mask_of_bytes(insn->size));
}

static int output_element(struct emulation *emulation, const struct insn *insn,
			  const struct string_round *round)
{
	uint16_t port = (uint16_t)emulation->gpr[GPR_RDX];
	uint64_t value;
	int error = emulation->ops->read(emulation, round->source, insn->size, &value);

	if (error != 0)
		return error;
	return emulation->ops->port_out(emulation, port, insn->size, value);
}

static int do_element(struct emulation *emulation, const struct insn *insn,
		      const struct string_round *round)
{
	switch (insn->op) {
	case OP_MOVS:
		return move_element(emulation, insn, round);
	case OP_CMPS:
		return compare_elements(emulation, insn, round);
	case OP_STOS:
		return emulation->ops->write(emulation, round->destination, insn->size,
					     emul_get_gpr(emulation, GPR_RAX, insn->size));
	case OP_LODS:
		return load_element(emulation, insn, round);
	case OP_SCAS:
		return scan_element(emulation, insn, round);
	case OP_INS:
		return input_element(emulation, insn, round);
	default:
		return output_element(emulation, insn, round);
	}
}

/* Steps RSI and RDI by one element, and RCX where the instruction repeats. */
static void advance(struct emulation *emulation, const struct insn *insn, bool repeat)
{
	uint64_t step = insn->size;

	if (emulation->rflags & RFLAGS_DF)
		step = -step;
	if (uses_source(insn->op))
		emul_set_gpr(emulation, GPR_RSI, insn->address, emulation->gpr[GPR_RSI] + step);
	if (uses_destination(insn->op))
		emul_set_gpr(emulation, GPR_RDI, insn->address, emulation->gpr[GPR_RDI] + step);
	if (repeat)
		emul_set_gpr(emulation, GPR_RCX, insn->address, emulation->gpr[GPR_RCX] - 1);
}

/* Whether a comparison ended the repetition. */
static bool compared_enough(const struct emulation *emulation, const struct insn *insn)
{
	bool equal = emulation->rflags & RFLAGS_ZF;

	if (insn->op != OP_CMPS && insn->op != OP_SCAS)
		return false;
	return insn->rep ? !equal : equal;
}

static int do_round(struct emulation *emulation, const struct insn *insn, bool repeat)
{
	struct string_round round = {0};
	int error = locate(emulation, insn, &round);

	if (error == 0)
		error = do_element(emulation, insn, &round);
	if (error == 0)
		advance(emulation, insn, repeat);
	return error;
}

int emul_string(struct emulation *emulation, const struct insn *insn)
{
	bool repeat = insn->rep || insn->repne;
	int error;

	if (insn->op == OP_INS || insn->op == OP_OUTS) {
		error = emulation->ops->port_check(emulation, (uint16_t)emulation->gpr[GPR_RDX],
						   insn->size);
		if (error != 0)
			return error;
	}
	if (!repeat)
		return do_round(emulation, insn, false);
	for (unsigned rounds = 0; rounds < EMUL_MAX_ROUNDS; rounds++) {
		if (emul_get_gpr(emulation, GPR_RCX, insn->address) == 0)
			return 0;
		error = do_round(emulation, insn, true);
		/* Executing again meets a fault in the first round, where nothing has changed. */
		if (error != 0)
			return rounds == 0 ? error : -EAGAIN;
		if (compared_enough(emulation, insn))
			return 0;
	}
	return emul_get_gpr(emulation, GPR_RCX, insn->address) == 0 ? 0 : -EAGAIN;
}
