/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit decoding: one table by basic reason, and a function where fields say more. */
#include "arch/x86/vmx/decode.h"

#include "vmm/x86_defs.h"

#include <string.h>

enum detail {
	DETAIL_UNKNOWN, /* rows that are not named: no control of ours causes them */
	DETAIL_NONE,
	DETAIL_MSR,
	DETAIL_IO,
	DETAIL_CR,
	DETAIL_EVENT,
	DETAIL_EPT,
};

#define LENGTH	VMX_NEEDS_LENGTH
#define BACKEND VMX_NEEDS_BACKEND
#define ROW(reason, exit_kind, what, fields) \
	[REASON_##reason] = {.kind = exit_kind, .detail = DETAIL_##what, .needs = fields}

const struct vmx_exit_row vmx_exit_rows[REASON_COUNT] = {
	ROW(EXCEPTION_OR_NMI, EXIT_EXCEPTION, EVENT,
	    VMX_NEEDS_EVENT | VMX_NEEDS_QUALIFICATION | BACKEND),
	ROW(EXTERNAL_INTERRUPT, EXIT_HOST_EVENT, NONE, VMX_NEEDS_EVENT | BACKEND),
	ROW(TRIPLE_FAULT, EXIT_SHUTDOWN, NONE, 0),
	ROW(INIT, EXIT_INIT, NONE, 0),
	ROW(INTERRUPT_WINDOW, EXIT_INTERRUPT_WINDOW, NONE, BACKEND),
	ROW(NMI_WINDOW, EXIT_NMI_WINDOW, NONE, BACKEND),
	ROW(TASK_SWITCH, EXIT_TASK_SWITCH, NONE, VMX_NEEDS_QUALIFICATION),
	ROW(CPUID, EXIT_CPUID, NONE, LENGTH),
	/* With CR4.SMXE clear it should not exist. */
	ROW(GETSEC, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(HLT, EXIT_HLT, NONE, LENGTH),
	ROW(INVD, EXIT_CACHE_CONTROL, NONE, LENGTH),
	ROW(RDPMC, EXIT_RDPMC, NONE, LENGTH),
	ROW(VMCALL, EXIT_HYPERCALL, NONE, LENGTH),
	ROW(VMCLEAR, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMLAUNCH, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMPTRLD, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMPTRST, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMREAD, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMRESUME, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMWRITE, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMXOFF, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(VMXON, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(CR_ACCESS, EXIT_CR_ACCESS, CR, LENGTH | VMX_NEEDS_QUALIFICATION),
	ROW(MOV_DR, EXIT_DR_ACCESS, NONE, LENGTH | VMX_NEEDS_QUALIFICATION),
	ROW(IO, EXIT_PORT_IO, IO, LENGTH | VMX_NEEDS_QUALIFICATION),
	ROW(RDMSR, EXIT_MSR_READ, MSR, LENGTH),
	ROW(WRMSR, EXIT_MSR_WRITE, MSR, LENGTH),
	ROW(MWAIT, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(MONITOR, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(PAUSE, EXIT_PAUSE, NONE, LENGTH),
	/* CR8 fell below what request_window() waits for. */
	ROW(TPR_BELOW_THRESHOLD, EXIT_INTERRUPT_WINDOW, NONE, BACKEND),
	ROW(EPT_VIOLATION, EXIT_MEMORY, EPT, VMX_NEEDS_QUALIFICATION | VMX_NEEDS_ADDRESS | BACKEND),
	ROW(EPT_MISCONFIGURATION, EXIT_UNKNOWN, NONE, VMX_NEEDS_ADDRESS),
	ROW(INVEPT, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(PREEMPTION_TIMER, EXIT_HOST_EVENT, NONE, BACKEND),
	ROW(INVVPID, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(WBINVD, EXIT_CACHE_CONTROL, NONE, LENGTH),
	ROW(XSETBV, EXIT_XSETBV, NONE, LENGTH),
	ROW(VMFUNC, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(ENCLS, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(UMWAIT, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
	ROW(TPAUSE, EXIT_FORBIDDEN_INSTRUCTION, NONE, LENGTH),
};

/* The row of a reason, or NULL for one that is unknown or an entry that failed. */
static const struct vmx_exit_row *row_of(uint32_t reason)
{
	uint32_t basic = reason & EXIT_REASON_BASIC_MASK;

	if ((reason & EXIT_REASON_ENTRY_FAILED) || basic >= REASON_COUNT ||
	    vmx_exit_rows[basic].detail == DETAIL_UNKNOWN)
		return NULL;
	return &vmx_exit_rows[basic];
}

unsigned vmx_exit_needs(uint32_t reason)
{
	const struct vmx_exit_row *row = row_of(reason);

	if (row)
		return row->needs;
	/* A machine check during entry is the host's. */
	if (reason == (EXIT_REASON_ENTRY_FAILED | REASON_MACHINE_CHECK))
		return VMX_NEEDS_QUALIFICATION | BACKEND;
	return VMX_NEEDS_QUALIFICATION;
}

static void decode_io(uint64_t qualification, struct vm_exit *exit)
{
	exit->port_io = (struct exit_port_io){
		.port = (uint16_t)(qualification >> QUAL_IO_PORT_SHIFT),
		.size = (uint8_t)((qualification & QUAL_IO_SIZE_MASK) + 1),
		.in = qualification & QUAL_IO_IN,
		.string = qualification & QUAL_IO_STRING,
		.rep = qualification & QUAL_IO_REP,
	};
}

/* CLTS and LMSW are decoded from their bytes: they cannot exit unless the guest wants NE, CD or NW
 * changed. */
static void decode_cr(uint64_t qualification, struct vm_exit *exit)
{
	unsigned type = qualification >> QUAL_CR_TYPE_SHIFT & QUAL_CR_TYPE_MASK;

	exit->cr = (struct exit_cr){
		.number = qualification & QUAL_CR_NUMBER_MASK,
		.write = type != QUAL_CR_MOV_FROM,
		.decoded = type == QUAL_CR_MOV_TO || type == QUAL_CR_MOV_FROM,
		.gpr = qualification >> QUAL_CR_GPR_SHIFT & QUAL_CR_GPR_MASK,
	};
}

static void decode_event(const struct vmx_exit_raw *raw, struct vm_exit *exit)
{
	if ((raw->event & INTERRUPTION_TYPE_MASK) == INTERRUPTION_NMI) {
		exit->kind = EXIT_HOST_EVENT;
		return;
	}
	exit->exception = (struct exit_exception){
		.vector = (uint8_t)(raw->event & INTERRUPTION_VECTOR_MASK),
		.has_error_code = raw->event & INTERRUPTION_HAS_ERROR,
		.error_code = raw->event_error,
		.address = raw->qualification,
	};
}

static void decode_ept(const struct vmx_exit_raw *raw, struct vm_exit *exit)
{
	uint64_t qualification = raw->qualification;

	exit->memory = (struct exit_memory){
		.gpa = gpa_make(raw->address),
		.write = qualification & QUAL_EPT_WRITE,
		.execute = qualification & QUAL_EPT_FETCH,
		.table_walk =
			(qualification & QUAL_EPT_LINEAR) && !(qualification & QUAL_EPT_TRANSLATED),
	};
}

void vmx_decode_exit(const struct vmx_exit_raw *raw, uint64_t rcx, struct vm_exit *exit)
{
	const struct vmx_exit_row *row = row_of(raw->reason);

	exit->raw_code = raw->reason;
	exit->length = 0;
	if (!row) {
		exit->kind =
			raw->reason & EXIT_REASON_ENTRY_FAILED ? EXIT_ENTRY_FAILED : EXIT_UNKNOWN;
		return;
	}
	exit->kind = row->kind;
	if (row->needs & LENGTH)
		exit->length = (uint8_t)(raw->length & 15);
	switch ((enum detail)row->detail) {
	case DETAIL_UNKNOWN:
	case DETAIL_NONE:
		return;
	case DETAIL_MSR:
		exit->msr.number = (uint32_t)rcx;
		return;
	case DETAIL_IO:
		decode_io(raw->qualification, exit);
		return;
	case DETAIL_CR:
		decode_cr(raw->qualification, exit);
		return;
	case DETAIL_EVENT:
		decode_event(raw, exit);
		return;
	case DETAIL_EPT:
		decode_ept(raw, exit);
		return;
	}
}

const char *vmx_instruction_error(uint32_t error)
{
	static const char *const texts[] = {
		[1] = "VMCALL in VMX root operation",
		[2] = "VMCLEAR with an invalid address",
		[3] = "VMCLEAR with the VMXON pointer",
		[4] = "VMLAUNCH with a VMCS that is not clear",
		[5] = "VMRESUME with a VMCS that was not launched",
		[6] = "VMRESUME after VMXOFF",
		[7] = "invalid control fields",
		[8] = "invalid host-state fields",
		[9] = "VMPTRLD with an invalid address",
		[10] = "VMPTRLD with the VMXON pointer",
		[11] = "VMPTRLD with another VMCS revision",
		[12] = "VMREAD or VMWRITE of a field that does not exist",
		[13] = "VMWRITE to a read-only field",
		[15] = "VMXON in VMX root operation",
		[26] = "VM entry with events blocked by MOV SS",
		[28] = "invalid operand of INVEPT or INVVPID",
	};

	if (error < ARRAY_SIZE(texts) && texts[error])
		return texts[error];
	return "an error that is not known";
}

const char *vmx_entry_failure(uint32_t reason, uint64_t qualification)
{
	switch (reason & EXIT_REASON_BASIC_MASK) {
	case REASON_INVALID_GUEST_STATE:
		break;
	case REASON_MSR_LOADING:
		return "an MSR cannot be loaded";
	case REASON_MACHINE_CHECK:
		return "a machine check";
	default:
		return "a reason that is not known";
	}
	switch (qualification) {
	case 2:
		return "invalid guest state: a PDPTE has reserved bits set";
	case 3:
		return "invalid guest state: an NMI while events are blocked by STI";
	case 4:
		return "invalid guest state: the VMCS link pointer";
	default:
		return "invalid guest state";
	}
}
