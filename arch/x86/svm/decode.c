/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit decoding: one table by exit code, and one function for each group of codes whose VMCB fields
 * say more. Pure: it reads the VMCB and nothing else.
 */
#include "arch/x86/svm/decode.h"

#include "vmm/x86_defs.h"

#include <string.h>

/* What else than its row an exit code needs. */
enum detail {
	DETAIL_UNKNOWN, /* rows that are not named: no intercept of ours causes them */
	DETAIL_NONE,
	DETAIL_INSTRUCTION, /* the length, from NRIP where the CPU has it */
	DETAIL_MSR,
	DETAIL_IOIO,
	DETAIL_CR,
	DETAIL_EXCEPTION,
	DETAIL_OWN, /* the backend's own affair */
};

struct exit_row {
	uint8_t kind;
	uint8_t detail;
	uint8_t length; /* of the instruction without prefixes; 0: unknown */
	uint8_t pad;	/* a row's address is one scaled index */
};

#define ROW(code, exit_kind, what, bytes) \
	[code] = {.kind = exit_kind, .detail = DETAIL_##what, .length = bytes}
#define ROWS(first, last, exit_kind, what) \
	[(first)...(last)] = {.kind = exit_kind, .detail = DETAIL_##what}

static const struct exit_row rows[0x100] = {
	ROWS(VMEXIT_CR_READ, VMEXIT_CR_READ + 15, EXIT_CR_ACCESS, CR),
	ROWS(VMEXIT_CR_WRITE, VMEXIT_CR_WRITE + 15, EXIT_CR_ACCESS, CR),
	ROWS(VMEXIT_DR_READ, VMEXIT_DR_WRITE + 15, EXIT_DR_ACCESS, INSTRUCTION),
	ROWS(VMEXIT_EXCEPTION, VMEXIT_EXCEPTION + 31, EXIT_EXCEPTION, EXCEPTION),
	ROWS(VMEXIT_INTR, VMEXIT_INIT, EXIT_HOST_EVENT, OWN),
	ROW(VMEXIT_VINTR, EXIT_INTERRUPT_WINDOW, OWN, 0),
	ROW(VMEXIT_CR0_SEL_WRITE, EXIT_CR_ACCESS, CR, 0),
	ROW(VMEXIT_RDPMC, EXIT_RDPMC, INSTRUCTION, 2),
	ROW(VMEXIT_CPUID, EXIT_CPUID, INSTRUCTION, 2),
	ROW(VMEXIT_IRET, EXIT_NMI_WINDOW, OWN, 0),
	ROW(VMEXIT_INVD, EXIT_CACHE_CONTROL, INSTRUCTION, 2),
	ROW(VMEXIT_PAUSE, EXIT_PAUSE, INSTRUCTION, 2),
	ROW(VMEXIT_HLT, EXIT_HLT, INSTRUCTION, 1),
	ROW(VMEXIT_INVLPGA, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_IOIO, EXIT_PORT_IO, IOIO, 0),
	ROW(VMEXIT_MSR, EXIT_MSR_READ, MSR, 2),
	ROW(VMEXIT_TASK_SWITCH, EXIT_TASK_SWITCH, NONE, 0),
	/* It waits for an interrupt with no way for one to come: others may run meanwhile. */
	ROW(VMEXIT_FERR_FREEZE, EXIT_PAUSE, NONE, 0),
	ROW(VMEXIT_SHUTDOWN, EXIT_SHUTDOWN, NONE, 0),
	ROW(VMEXIT_VMRUN, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_VMMCALL, EXIT_HYPERCALL, INSTRUCTION, 3),
	ROW(VMEXIT_VMLOAD, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_VMSAVE, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_STGI, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_CLGI, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_SKINIT, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	/* 0F 09, and F3 0F 09 for WBNOINVD: only NRIP or decoding knows which. */
	ROW(VMEXIT_WBINVD, EXIT_CACHE_CONTROL, INSTRUCTION, 0),
	ROW(VMEXIT_MONITOR, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_MWAIT, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_MWAIT_ARMED, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_XSETBV, EXIT_XSETBV, INSTRUCTION, 3),
	ROW(VMEXIT_RDPRU, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 3),
	ROW(VMEXIT_MCOMMIT, EXIT_FORBIDDEN_INSTRUCTION, INSTRUCTION, 4),
};

/* Exceptions that push an error code. APM 2, table 8-1. */
#define ERROR_CODE_VECTORS                                                                         \
	(1u << VECTOR_DF | 1u << VECTOR_TS | 1u << VECTOR_NP | 1u << VECTOR_SS | 1u << VECTOR_GP | \
	 1u << VECTOR_PF | 1u << VECTOR_AC | 1u << 21 /* #CP */ | 1u << 29 |                       \
	 1u << 30 /* #VC, #SX */)

/*
 * Lengths are 1 to 15: the low four bits of a difference are right even where IP wrapped at the
 * width of the mode.
 */
static uint8_t length_to(uint64_t next, uint64_t rip)
{
	return (uint8_t)((next - rip) & 15);
}

static void decode_ioio(const struct vmcb_control *control, uint64_t rip, struct vm_exit *exit)
{
	uint32_t info = (uint32_t)control->exitinfo1;

	exit->length = length_to(control->exitinfo2, rip);
	exit->port_io = (struct exit_port_io){
		.port = (uint16_t)(info >> VMEXIT_IOIO_PORT_SHIFT),
		.size = info >> VMEXIT_IOIO_SIZE_SHIFT & 7,
		.in = info & VMEXIT_IOIO_IN,
		.string = info & VMEXIT_IOIO_STRING,
		.rep = info & VMEXIT_IOIO_REP,
	};
}

static void decode_cr(const struct vmcb_control *control, uint32_t code, struct vm_exit *exit)
{
	uint64_t info = control->exitinfo1;

	exit->cr.number = code == VMEXIT_CR0_SEL_WRITE ? 0 : code & 15;
	exit->cr.write = code >= VMEXIT_CR_WRITE;
	exit->cr.gpr = info & VMEXIT_CR_GPR_MASK;
}

static void decode_exception(const struct vmcb_control *control, uint32_t code,
			     struct vm_exit *exit)
{
	uint8_t vector = code & 31;

	exit->exception = (struct exit_exception){
		.vector = vector,
		.has_error_code = ERROR_CODE_VECTORS >> vector & 1,
		.error_code = (uint32_t)control->exitinfo1,
		.address = vector == VECTOR_PF ? control->exitinfo2 : 0,
	};
}

static void decode_memory(const struct vmcb_control *control, struct vm_exit *exit)
{
	uint64_t info = control->exitinfo1;

	exit->kind = EXIT_MEMORY;
	exit->memory = (struct exit_memory){
		.gpa = gpa_make(control->exitinfo2),
		.write = info & VMEXIT_NPF_WRITE,
		.execute = info & VMEXIT_NPF_FETCH,
		.table_walk = info & VMEXIT_NPF_TABLE,
	};
}

/* Codes above the table. The failure of VMRUN is told by its low 32 bits. */
static void decode_high(const struct vmcb_control *control, struct vm_exit *exit)
{
	uint32_t code = (uint32_t)control->exitcode;

	if (code == VMEXIT_NPF)
		decode_memory(control, exit);
	else if (code == VMEXIT_INVALID)
		exit->kind = EXIT_ENTRY_FAILED;
	else
		exit->kind = EXIT_UNKNOWN;
}

bool svm_decode_exit(const struct vmcb_control *control, uint64_t rip, uint64_t rcx,
		     const struct svm_features *features, struct vm_exit *exit)
{
	uint64_t code = control->exitcode;
	const struct exit_row *row;

	exit->raw_code = code;
	exit->length = 0;
	if (code >= ARRAY_SIZE(rows)) {
		decode_high(control, exit);
		return false;
	}
	row = &rows[code];
	exit->kind = row->kind;
	switch ((enum detail)row->detail) {
	case DETAIL_UNKNOWN:
		exit->kind = EXIT_UNKNOWN;
		return false;
	case DETAIL_NONE:
		return false;
	case DETAIL_OWN:
		return true;
	case DETAIL_EXCEPTION:
		decode_exception(control, (uint32_t)code, exit);
		return true;
	case DETAIL_IOIO:
		decode_ioio(control, rip, exit);
		return false;
	case DETAIL_CR:
		decode_cr(control, (uint32_t)code, exit);
		exit->cr.decoded = features->decode_assists && (control->exitinfo1 & VMEXIT_CR_MOV);
		break;
	case DETAIL_MSR:
		exit->msr.number = (uint32_t)rcx;
		if (control->exitinfo1 & VMEXIT_MSR_WRITE)
			exit->kind = EXIT_MSR_WRITE;
		break;
	case DETAIL_INSTRUCTION:
		break;
	}
	exit->length = features->nrip_save ? length_to(control->nrip, rip) : row->length;
	return false;
}
