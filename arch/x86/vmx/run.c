/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a vCPU into a host CPU and runs it from exit to exit. vmx_run() is the hot path: it writes
 * to the VMCS only what changed since the last exit and reads what the exit's reason calls for.
 */
#include "vmm/cpu.h"
#include "vmm/exit.h"
#include "vmm/gpa_space.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/vmx/vmcs_access.h"
#include "arch/x86/vmx/vmx.h"

#include <string.h>

#define PRED_CMD_IBPB 1ull

#define BLOCKED_SHADOW (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)

/* Beside an instruction error as an exit's code; above all exit reasons. */
#define VMX_FAILED_AT_ONCE (1ull << 32)

/* Guest time after which a vCPU leaves at the latest. */
#define STAY_TICKS_PER_SECOND 1000

/* PDPTEs: present, PWT, PCD, ignored bits and the address below 2^52. SDM 3A, table 4-8. */
#define PDPTE_PRESENT  1ull
#define PDPTE_RESERVED (0x1e6ull | ~((1ull << 52) - 1))

/* entry.asm counts on these. */
static_assert(GPR_RAX == 0 && GPR_RCX == 1 && GPR_RDX == 2 && GPR_RBX == 3 && GPR_RBP == 5 &&
		      GPR_RSI == 6 && GPR_RDI == 7 && GPR_R8 == 8 && GPR_R15 == 15,
	      "entry.asm");

/* Translations and host state are one CPU's; branch predictions must not cross from VM to VM. */
static void load_on_cpu(struct vcpu *vcpu, struct vmx_cpu *cpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	if (vmx->cpu != cpu) {
		vmx->cpu = cpu;
		vmx_tlb_forget(&vmx->tlb);
		vmcs_open(vmx);
		vmcs_write_host_state();
		vmcs_close(vmx);
	}
	if (cpu->last_vm != vcpu->vm->id && vmx_capabilities.ibpb)
		msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
	cpu->last_vm = vcpu->vm->id;
	vmx->pending |= VMX_PENDING_TLB;
}

void vmx_load(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	load_on_cpu(vcpu, vcpu->cpu->backend);
	vmx_live_load(vmx);
	vmcs_activate(vmx);
}

void vmx_unload(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	vmx_live_unload(vmx);
	vmcs_deactivate(vmx);
}

/*
 * The timer counts guest time alone, goes on where it was at the next entry, and bounds a stay
 * whatever happens to interrupts: it is the second of two ways in which a CPU gets its vCPU back.
 * (The first fails in an emulator that enters a guest whose IF is 0.)
 */
void vmx_timer_restart(void)
{
	uint64_t ticks = platform_tick_hz() / STAY_TICKS_PER_SECOND;

	vmcs_write(VMCS_PREEMPTION_TIMER_VALUE,
		   min_u64((ticks >> vmx_capabilities.timer_shift) + 1, UINT32_MAX));
}

static void flush_translations(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	uint32_t old = vmx->tlb.vpid;
	unsigned flush = vmx_tlb_prepare(&vmx->cpu->tlbs, &vmx->tlb);

	if (flush & VMX_FLUSH_ALL_VPIDS)
		vmx_invvpid(VMX_INV_ALL, 0);
	if (flush & VMX_FLUSH_VPID)
		vmx_invvpid(VMX_INV_SINGLE, vmx->tlb.vpid);
	if (flush & VMX_FLUSH_EPT)
		vmx_invept(vmx_capabilities.invept_single ? VMX_INV_SINGLE : VMX_INV_ALL,
			   vmx_ept_pointer(platform_ram_address(vcpu->vm->space.root)));
	if (vmx->tlb.vpid != old)
		vmcs_write(VMCS_VPID, vmx->tlb.vpid);
}

/*
 * With PAE paging the CPU holds CR3's four entries in registers, which an entry loads from the
 * VMCS. The guest's own MOVs to control registers keep them right; those that were emulated do it
 * here. Entries that would fault on a CPU are not present instead. SDM 3A, 4.4.1; 3C, 26.3.2.4.
 */
static void load_pdptes(struct vcpu *vcpu)
{
	const uint64_t pae = CR4_PAE;
	uint64_t pdptes[4] = {0};
	gpa_t table;

	if (!(vmx_get_reg(vcpu, REG_CR0) & CR0_PG) || !(vmx_get_reg(vcpu, REG_CR4) & pae) ||
	    (vmx_get_reg(vcpu, REG_EFER) & EFER_LMA))
		return;
	table = gpa_make(vmx_get_reg(vcpu, REG_CR3) & 0xffffffe0u);
	if (gpa_read(&vcpu->vm->space, table, pdptes, sizeof(pdptes)) != 0)
		memset(pdptes, 0, sizeof(pdptes));
	for (unsigned i = 0; i < ARRAY_SIZE(pdptes); i++) {
		if ((pdptes[i] & PDPTE_PRESENT) && (pdptes[i] & PDPTE_RESERVED))
			pdptes[i] = 0;
		vmcs_write(VMCS_GUEST_PDPTE0 + i * 2, pdptes[i]);
	}
}

static void before_entry(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	if (vmx->pending & VMX_PENDING_TLB)
		flush_translations(vcpu);
	if (vmx->pending & VMX_PENDING_PDPTES)
		load_pdptes(vcpu);
	vmx->pending = 0;
}

/*
 * STI's shadow is possible only while IF is set; else it is MOV SS's. With TF set, the single-step
 * trap that is to come must be pending. SDM 3C, 26.3.1.5.
 */
static void write_shadow(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	uint32_t state = vmx->interruptibility & ~(uint32_t)BLOCKED_SHADOW;

	if (vcpu->interrupt_shadow)
		state |= vcpu->rflags & RFLAGS_IF ? BLOCKED_BY_STI : BLOCKED_BY_MOV_SS;
	if (vcpu->interrupt_shadow != ((vmx->interruptibility & BLOCKED_SHADOW) != 0)) {
		vmx->interruptibility = state;
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, state);
	}
	if (vcpu->interrupt_shadow && (vcpu->rflags & RFLAGS_TF))
		vmcs_write(VMCS_GUEST_PENDING_DEBUG,
			   vmcs_read(VMCS_GUEST_PENDING_DEBUG) | QUAL_DEBUG_BS);
}

/* The same pointer, for the compiler another one: it need not live across the entry, where no
 * register survives, and so stays in a register on either side of it. */
static inline void *split(void *pointer)
{
	__asm__("" : "+r"(pointer));
	return pointer;
}

static inline void write_registers(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	if (vcpu->rip != vmx->rip)
		vmcs_write(VMCS_GUEST_RIP, vcpu->rip);
	if (vcpu->gpr[GPR_RSP] != vmx->rsp)
		vmcs_write(VMCS_GUEST_RSP, vcpu->gpr[GPR_RSP]);
	if (vcpu->rflags != vmx->rflags)
		vmcs_write(VMCS_GUEST_RFLAGS, vcpu->rflags);
	if (vcpu->interrupt_shadow | vmx->shadow)
		write_shadow(vcpu, vmx);
}

static inline void read_registers(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	vcpu->rip = vmx->rip = vmcs_read(VMCS_GUEST_RIP);
	vcpu->gpr[GPR_RSP] = vmx->rsp = vmcs_read(VMCS_GUEST_RSP);
	vcpu->rflags = vmx->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	vmx->interruptibility = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);
	vcpu->interrupt_shadow = vmx->shadow = vmx->interruptibility & BLOCKED_SHADOW;
}

static unsigned read_exit(uint32_t reason, struct vmx_exit_raw *raw)
{
	unsigned needs = vmx_exit_needs(reason);

	*raw = (struct vmx_exit_raw){.reason = reason};
	if (needs & VMX_NEEDS_LENGTH)
		raw->length = vmcs_read32(VMCS_EXIT_INSTRUCTION_LENGTH);
	if (needs & VMX_NEEDS_QUALIFICATION)
		raw->qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	if (needs & VMX_NEEDS_ADDRESS)
		raw->address = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	if (needs & VMX_NEEDS_EVENT)
		raw->event = vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO);
	if (raw->event & INTERRUPTION_HAS_ERROR)
		raw->event_error = vmcs_read32(VMCS_EXIT_INTERRUPTION_ERROR);
	return needs;
}

/* Every exit but the plain ones. One that an instruction caused cut no event's delivery short. */
static void leave_slowly(struct vcpu *vcpu, uint32_t reason, struct vm_exit *exit)
{
	struct vmx_exit_raw raw;
	unsigned needs = read_exit(reason, &raw);
	uint32_t vectoring;

	vmx_decode_exit(&raw, vcpu->gpr[GPR_RCX], exit);
	if (!(needs & VMX_NEEDS_LENGTH)) {
		vectoring = vmcs_read32(VMCS_IDT_VECTORING_INFO);
		if (vectoring & INTERRUPTION_VALID)
			vmx_event_requeue(vcpu, vectoring);
	}
	if (needs & VMX_NEEDS_BACKEND)
		vmx_own_exit(vcpu, &raw, exit);
}

/* The CPU refused controls or host state: an error of the hypervisor, told as a failed entry. */
static void fail_at_once(struct vm_exit *exit)
{
	*exit = (struct vm_exit){
		.kind = EXIT_ENTRY_FAILED,
		.raw_code = VMX_FAILED_AT_ONCE | vmcs_read32(VMCS_INSTRUCTION_ERROR),
	};
}

static inline bool enter(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->backend;

	if (vmx->pending)
		before_entry(vcpu);
	write_registers(vcpu, vmx);
	vmx->cached = 0;
	return vmx_enter(vcpu->gpr, &vmx->host_rsp, vmx->launched);
}

static inline void leave(struct vcpu *vcpu, struct vm_exit *exit)
{
	struct vmx_vcpu *vmx = vcpu->backend;
	uint32_t reason;

	vmx->launched = true;
	vmx->event = 0;
	read_registers(vcpu, vmx);
	reason = vmcs_read32(VMCS_EXIT_REASON);
	if (__builtin_expect(vmx_decode_plain(reason, vcpu->gpr[GPR_RCX], exit), 1))
		exit->length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	else
		leave_slowly(vcpu, reason, exit);
}

void vmx_run(struct vcpu *vcpu)
{
	struct vm_exit exit;
	struct vcpu *here;

	do {
		bool entered = enter(split(vcpu));

		here = split(vcpu);
		if (__builtin_expect(entered, 1))
			leave(here, &exit);
		else
			fail_at_once(&exit);
	} while (vcpu_exit(here, &exit));
}
