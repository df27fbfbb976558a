/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports and control registers in the emulator. Privilege is checked here although the processor did
 * so before it exited: the guest may have changed the instruction's bytes since.
 */
#include "vmm/emulate_internal.h"

#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"

#include <errno.h>

#define CR0_LMSW (CR0_PE | CR0_MP | CR0_EM | CR0_TS)

int emul_in(struct emulation *emulation, const struct insn *insn)
{
	uint64_t port, value;
	int error = emul_read_operand(emulation, insn, 1, &port);

	if (error == 0)
		error = emulation->ops->port_check(emulation, (uint16_t)port, insn->size);
	if (error == 0)
		error = emulation->ops->port_in(emulation, (uint16_t)port, insn->size, &value);
	if (error == 0)
		emul_set_gpr(emulation, GPR_RAX, insn->size, value);
	return error;
}

int emul_out(struct emulation *emulation, const struct insn *insn)
{
	uint64_t port;
	int error = emul_read_operand(emulation, insn, 0, &port);

	if (error == 0)
		error = emulation->ops->port_check(emulation, (uint16_t)port, insn->size);
	if (error != 0)
		return error;
	return emulation->ops->port_out(emulation, (uint16_t)port, insn->size,
					emul_get_gpr(emulation, GPR_RAX, insn->size));
}

static int need_privilege(struct emulation *emulation)
{
	return emulation->cpl == 0 ? 0 : emul_fault(emulation, VECTOR_GP);
}

static bool is_control_register(unsigned number)
{
	return number == 0 || number == 2 || number == 3 || number == 4 || number == 8;
}

/* MOV to and from control registers: the operand is as wide as the mode. SDM 2, MOV. */
int emul_cr(struct emulation *emulation, const struct insn *insn)
{
	bool write = insn->op == OP_MOV_TO_CR;
	unsigned number = insn->operands[write ? 0 : 1].index;
	unsigned gpr = insn->operands[write ? 1 : 0].index;
	unsigned size = insn->width == 8 ? 8 : 4;
	uint64_t value;
	int error;

	if (!is_control_register(number))
		return emul_fault(emulation, VECTOR_UD);
	error = need_privilege(emulation);
	if (error != 0)
		return error;
	if (write)
		return emulation->ops->cr_write(emulation, number,
						emul_get_gpr(emulation, gpr, size));
	error = emulation->ops->cr_read(emulation, number, &value);
	if (error == 0)
		emul_set_gpr(emulation, gpr, size, value);
	return error;
}

/* The low four bits of CR0; PE can be set but not cleared. */
int emul_lmsw(struct emulation *emulation, const struct insn *insn)
{
	uint64_t word, cr0;
	int error = need_privilege(emulation);

	if (error == 0)
		error = emul_read_operand(emulation, insn, 0, &word);
	if (error == 0)
		error = emulation->ops->cr_read(emulation, 0, &cr0);
	if (error != 0)
		return error;
	cr0 = (cr0 & (~CR0_LMSW | CR0_PE)) | (word & CR0_LMSW);
	return emulation->ops->cr_write(emulation, 0, cr0);
}

int emul_smsw(struct emulation *emulation, const struct insn *insn)
{
	uint64_t cr0;
	int error = 0;

	if (emulation->cr4 & CR4_UMIP)
		error = need_privilege(emulation);
	if (error == 0)
		error = emulation->ops->cr_read(emulation, 0, &cr0);
	if (error != 0)
		return error;
	return emul_write_operand(emulation, insn, 0, cr0);
}

int emul_clts(struct emulation *emulation, const struct insn *insn)
{
	uint64_t cr0;
	int error = need_privilege(emulation);

	(void)insn;
	if (error == 0)
		error = emulation->ops->cr_read(emulation, 0, &cr0);
	if (error != 0)
		return error;
	return emulation->ops->cr_write(emulation, 0, cr0 & ~CR0_TS);
}
