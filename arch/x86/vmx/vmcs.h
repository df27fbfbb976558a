/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual-machine control structure: encodings of its fields in the manual's names (SDM 3D,
 * appendix B), the bits of its controls (SDM 3C, 24.6 to 24.8), basic exit reasons (appendix C),
 * and the formats of what exits report. Constants only.
 */
#pragma once

/* ---- 16-bit fields ---- */

#define VMCS_VPID	       0x0000
#define VMCS_GUEST_ES_SELECTOR 0x0800 /* CS, SS, DS, FS, GS, LDTR, TR follow, 2 apart */
#define VMCS_GUEST_TR_SELECTOR 0x080e
#define VMCS_HOST_ES_SELECTOR  0x0c00
#define VMCS_HOST_CS_SELECTOR  0x0c02
#define VMCS_HOST_SS_SELECTOR  0x0c04
#define VMCS_HOST_DS_SELECTOR  0x0c06
#define VMCS_HOST_FS_SELECTOR  0x0c08
#define VMCS_HOST_GS_SELECTOR  0x0c0a
#define VMCS_HOST_TR_SELECTOR  0x0c0c

/* ---- 64-bit fields ---- */

#define VMCS_IO_BITMAP_A	    0x2000
#define VMCS_IO_BITMAP_B	    0x2002
#define VMCS_MSR_BITMAP		    0x2004
#define VMCS_EXIT_MSR_STORE_ADDRESS 0x2006
#define VMCS_EXIT_MSR_LOAD_ADDRESS  0x2008
#define VMCS_ENTRY_MSR_LOAD_ADDRESS 0x200a
#define VMCS_TSC_OFFSET		    0x2010
#define VMCS_VIRTUAL_APIC_ADDRESS   0x2012
#define VMCS_EPT_POINTER	    0x201a
#define VMCS_XSS_EXITING_BITMAP	    0x202c
#define VMCS_ENCLS_EXITING_BITMAP   0x202e
#define VMCS_GUEST_PHYSICAL_ADDRESS 0x2400
#define VMCS_LINK_POINTER	    0x2800
#define VMCS_GUEST_IA32_DEBUGCTL    0x2802
#define VMCS_GUEST_IA32_PAT	    0x2804
#define VMCS_GUEST_IA32_EFER	    0x2806
#define VMCS_GUEST_PDPTE0	    0x280a /* PDPTE1 to 3 follow, 2 apart */
#define VMCS_HOST_IA32_PAT	    0x2c00
#define VMCS_HOST_IA32_EFER	    0x2c02

/* ---- 32-bit fields ---- */

#define VMCS_PIN_CONTROLS		0x4000
#define VMCS_PRIMARY_CONTROLS		0x4002
#define VMCS_EXCEPTION_BITMAP		0x4004
#define VMCS_PAGE_FAULT_ERROR_MASK	0x4006
#define VMCS_PAGE_FAULT_ERROR_MATCH	0x4008
#define VMCS_CR3_TARGET_COUNT		0x400a
#define VMCS_EXIT_CONTROLS		0x400c
#define VMCS_EXIT_MSR_STORE_COUNT	0x400e
#define VMCS_EXIT_MSR_LOAD_COUNT	0x4010
#define VMCS_ENTRY_CONTROLS		0x4012
#define VMCS_ENTRY_MSR_LOAD_COUNT	0x4014
#define VMCS_ENTRY_INTERRUPTION_INFO	0x4016
#define VMCS_ENTRY_EXCEPTION_ERROR_CODE 0x4018
#define VMCS_ENTRY_INSTRUCTION_LENGTH	0x401a
#define VMCS_TPR_THRESHOLD		0x401c
#define VMCS_SECONDARY_CONTROLS		0x401e
#define VMCS_PLE_GAP			0x4020
#define VMCS_PLE_WINDOW			0x4022
#define VMCS_INSTRUCTION_ERROR		0x4400
#define VMCS_EXIT_REASON		0x4402
#define VMCS_EXIT_INTERRUPTION_INFO	0x4404
#define VMCS_EXIT_INTERRUPTION_ERROR	0x4406
#define VMCS_IDT_VECTORING_INFO		0x4408
#define VMCS_IDT_VECTORING_ERROR_CODE	0x440a
#define VMCS_EXIT_INSTRUCTION_LENGTH	0x440c
#define VMCS_EXIT_INSTRUCTION_INFO	0x440e
#define VMCS_GUEST_ES_LIMIT		0x4800 /* CS ... TR follow, 2 apart */
#define VMCS_GUEST_GDTR_LIMIT		0x4810
#define VMCS_GUEST_IDTR_LIMIT		0x4812
#define VMCS_GUEST_ES_ACCESS_RIGHTS	0x4814 /* CS ... TR follow, 2 apart */
#define VMCS_GUEST_INTERRUPTIBILITY	0x4824
#define VMCS_GUEST_ACTIVITY_STATE	0x4826
#define VMCS_GUEST_IA32_SYSENTER_CS	0x482a
#define VMCS_PREEMPTION_TIMER_VALUE	0x482e
#define VMCS_HOST_IA32_SYSENTER_CS	0x4c00

/* ---- natural-width fields ---- */

#define VMCS_CR0_MASK		     0x6000
#define VMCS_CR4_MASK		     0x6002
#define VMCS_CR0_READ_SHADOW	     0x6004
#define VMCS_CR4_READ_SHADOW	     0x6006
#define VMCS_EXIT_QUALIFICATION	     0x6400
#define VMCS_GUEST_LINEAR_ADDRESS    0x640a
#define VMCS_GUEST_CR0		     0x6800
#define VMCS_GUEST_CR3		     0x6802
#define VMCS_GUEST_CR4		     0x6804
#define VMCS_GUEST_ES_BASE	     0x6806 /* CS ... TR follow, 2 apart */
#define VMCS_GUEST_GDTR_BASE	     0x6816
#define VMCS_GUEST_IDTR_BASE	     0x6818
#define VMCS_GUEST_DR7		     0x681a
#define VMCS_GUEST_RSP		     0x681c
#define VMCS_GUEST_RIP		     0x681e
#define VMCS_GUEST_RFLAGS	     0x6820
#define VMCS_GUEST_PENDING_DEBUG     0x6822
#define VMCS_GUEST_IA32_SYSENTER_ESP 0x6824
#define VMCS_GUEST_IA32_SYSENTER_EIP 0x6826
#define VMCS_HOST_CR0		     0x6c00
#define VMCS_HOST_CR3		     0x6c02
#define VMCS_HOST_CR4		     0x6c04
#define VMCS_HOST_FS_BASE	     0x6c06
#define VMCS_HOST_GS_BASE	     0x6c08
#define VMCS_HOST_TR_BASE	     0x6c0a
#define VMCS_HOST_GDTR_BASE	     0x6c0c
#define VMCS_HOST_IDTR_BASE	     0x6c0e
#define VMCS_HOST_IA32_SYSENTER_ESP  0x6c10
#define VMCS_HOST_IA32_SYSENTER_EIP  0x6c12
#define VMCS_HOST_RSP		     0x6c14 /* entry.asm has this number too */
#define VMCS_HOST_RIP		     0x6c16

/* ---- pin-based VM-execution controls: SDM 3C, table 24-5 ---- */

#define PIN_EXTERNAL_INTERRUPT_EXITING (1u << 0)
#define PIN_NMI_EXITING		       (1u << 3)
#define PIN_VIRTUAL_NMIS	       (1u << 5)
#define PIN_PREEMPTION_TIMER	       (1u << 6)
#define PIN_POSTED_INTERRUPTS	       (1u << 7)

/* ---- primary processor-based: table 24-6 ---- */

#define PRIMARY_INTERRUPT_WINDOW   (1u << 2)
#define PRIMARY_TSC_OFFSETTING	   (1u << 3)
#define PRIMARY_HLT_EXITING	   (1u << 7)
#define PRIMARY_INVLPG_EXITING	   (1u << 9)
#define PRIMARY_MWAIT_EXITING	   (1u << 10)
#define PRIMARY_RDPMC_EXITING	   (1u << 11)
#define PRIMARY_RDTSC_EXITING	   (1u << 12)
#define PRIMARY_CR3_LOAD_EXITING   (1u << 15)
#define PRIMARY_CR3_STORE_EXITING  (1u << 16)
#define PRIMARY_TERTIARY_CONTROLS  (1u << 17)
#define PRIMARY_CR8_LOAD_EXITING   (1u << 19)
#define PRIMARY_CR8_STORE_EXITING  (1u << 20)
#define PRIMARY_TPR_SHADOW	   (1u << 21)
#define PRIMARY_NMI_WINDOW	   (1u << 22)
#define PRIMARY_MOV_DR_EXITING	   (1u << 23)
#define PRIMARY_UNCONDITIONAL_IO   (1u << 24)
#define PRIMARY_IO_BITMAPS	   (1u << 25)
#define PRIMARY_MONITOR_TRAP_FLAG  (1u << 27)
#define PRIMARY_MSR_BITMAPS	   (1u << 28)
#define PRIMARY_MONITOR_EXITING	   (1u << 29)
#define PRIMARY_PAUSE_EXITING	   (1u << 30)
#define PRIMARY_SECONDARY_CONTROLS (1u << 31)

/* ---- secondary processor-based: table 24-7 ---- */

#define SECONDARY_VIRTUALIZE_APIC     (1u << 0)
#define SECONDARY_EPT		      (1u << 1)
#define SECONDARY_DESCRIPTOR_EXITING  (1u << 2)
#define SECONDARY_RDTSCP	      (1u << 3)
#define SECONDARY_VIRTUALIZE_X2APIC   (1u << 4)
#define SECONDARY_VPID		      (1u << 5)
#define SECONDARY_WBINVD_EXITING      (1u << 6)
#define SECONDARY_UNRESTRICTED_GUEST  (1u << 7)
#define SECONDARY_APIC_REGISTERS      (1u << 8)
#define SECONDARY_INTERRUPT_DELIVERY  (1u << 9)
#define SECONDARY_PAUSE_LOOP_EXITING  (1u << 10)
#define SECONDARY_RDRAND_EXITING      (1u << 11)
#define SECONDARY_INVPCID	      (1u << 12)
#define SECONDARY_VM_FUNCTIONS	      (1u << 13)
#define SECONDARY_VMCS_SHADOWING      (1u << 14)
#define SECONDARY_ENCLS_EXITING	      (1u << 15)
#define SECONDARY_RDSEED_EXITING      (1u << 16)
#define SECONDARY_PML		      (1u << 17)
#define SECONDARY_EPT_VIOLATION_VE    (1u << 18)
#define SECONDARY_XSAVES	      (1u << 20)
#define SECONDARY_MODE_BASED_EXECUTE  (1u << 22)
#define SECONDARY_TSC_SCALING	      (1u << 25)
#define SECONDARY_USER_WAIT_AND_PAUSE (1u << 26)

/* ---- VM-exit controls: table 24-13 ---- */

#define EXIT_CTL_SAVE_DEBUG	  (1u << 2)
#define EXIT_CTL_HOST_64	  (1u << 9)
#define EXIT_CTL_LOAD_PERF_GLOBAL (1u << 12)
#define EXIT_CTL_ACK_INTERRUPT	  (1u << 15)
#define EXIT_CTL_SAVE_PAT	  (1u << 18)
#define EXIT_CTL_LOAD_PAT	  (1u << 19)
#define EXIT_CTL_SAVE_EFER	  (1u << 20)
#define EXIT_CTL_LOAD_EFER	  (1u << 21)
#define EXIT_CTL_SAVE_TIMER	  (1u << 22)

/* ---- VM-entry controls: table 24-15 ---- */

#define ENTRY_CTL_LOAD_DEBUG	   (1u << 2)
#define ENTRY_CTL_IA32E_GUEST	   (1u << 9)
#define ENTRY_CTL_SMM		   (1u << 10)
#define ENTRY_CTL_DUAL_MONITOR	   (1u << 11)
#define ENTRY_CTL_LOAD_PERF_GLOBAL (1u << 13)
#define ENTRY_CTL_LOAD_PAT	   (1u << 14)
#define ENTRY_CTL_LOAD_EFER	   (1u << 15)

/* ---- guest interruptibility: table 24-3 ---- */

#define BLOCKED_BY_STI	  (1u << 0)
#define BLOCKED_BY_MOV_SS (1u << 1)
#define BLOCKED_BY_SMI	  (1u << 2)
#define BLOCKED_BY_NMI	  (1u << 3)

/* ---- interruption information, of entries, exits and IDT vectoring: 24.8.3, 24.9.2, 24.9.3 ----
 */

#define INTERRUPTION_VECTOR_MASK 0xffu
#define INTERRUPTION_TYPE_MASK	 (7u << 8)
#define INTERRUPTION_EXTERNAL	 (0u << 8)
#define INTERRUPTION_NMI	 (2u << 8)
#define INTERRUPTION_HARDWARE	 (3u << 8) /* exception */
#define INTERRUPTION_SOFTWARE	 (4u << 8) /* INT n */
#define INTERRUPTION_PRIVILEGED	 (5u << 8) /* INT1 */
#define INTERRUPTION_TRAP	 (6u << 8) /* INT3, INTO */
#define INTERRUPTION_OTHER	 (7u << 8)
#define INTERRUPTION_HAS_ERROR	 (1u << 11)
#define INTERRUPTION_NMI_UNBLOCK (1u << 12) /* exits: by IRET */
#define INTERRUPTION_VALID	 (1u << 31)

/* ---- exit reasons: SDM 3D, appendix C ---- */

#define EXIT_REASON_BASIC_MASK	 0xffffu
#define EXIT_REASON_ENTRY_FAILED (1u << 31)

enum vmx_exit_reason {
	REASON_EXCEPTION_OR_NMI = 0,
	REASON_EXTERNAL_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_SIPI = 4,
	REASON_INTERRUPT_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_INVLPG = 14,
	REASON_RDPMC = 15,
	REASON_RDTSC = 16,
	REASON_RSM = 17,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19,
	REASON_VMLAUNCH = 20,
	REASON_VMPTRLD = 21,
	REASON_VMPTRST = 22,
	REASON_VMREAD = 23,
	REASON_VMRESUME = 24,
	REASON_VMWRITE = 25,
	REASON_VMXOFF = 26,
	REASON_VMXON = 27,
	REASON_CR_ACCESS = 28,
	REASON_MOV_DR = 29,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_INVALID_GUEST_STATE = 33,
	REASON_MSR_LOADING = 34,
	REASON_MWAIT = 36,
	REASON_MONITOR_TRAP_FLAG = 37,
	REASON_MONITOR = 39,
	REASON_PAUSE = 40,
	REASON_MACHINE_CHECK = 41,
	REASON_TPR_BELOW_THRESHOLD = 43,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIGURATION = 49,
	REASON_INVEPT = 50,
	REASON_RDTSCP = 51,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_WBINVD = 54,
	REASON_XSETBV = 55,
	REASON_RDRAND = 57,
	REASON_INVPCID = 58,
	REASON_VMFUNC = 59,
	REASON_ENCLS = 60,
	REASON_RDSEED = 61,
	REASON_XSAVES = 63,
	REASON_XRSTORS = 64,
	REASON_UMWAIT = 67,
	REASON_TPAUSE = 68,
	REASON_COUNT,
};

/* ---- exit qualifications: SDM 3C, 27.2.1 ---- */

/* Control-register accesses: table 27-3. */
#define QUAL_CR_NUMBER_MASK 0xfu
#define QUAL_CR_TYPE_SHIFT  4
#define QUAL_CR_TYPE_MASK   3u
#define QUAL_CR_MOV_TO	    0
#define QUAL_CR_MOV_FROM    1
#define QUAL_CR_CLTS	    2
#define QUAL_CR_LMSW	    3
#define QUAL_CR_GPR_SHIFT   8
#define QUAL_CR_GPR_MASK    0xfu

/* I/O instructions: table 27-5. */
#define QUAL_IO_SIZE_MASK  7u /* bytes less one */
#define QUAL_IO_IN	   (1u << 3)
#define QUAL_IO_STRING	   (1u << 4)
#define QUAL_IO_REP	   (1u << 5)
#define QUAL_IO_PORT_SHIFT 16

/* EPT violations: table 27-7. */
#define QUAL_EPT_WRITE	     (1u << 1)
#define QUAL_EPT_FETCH	     (1u << 2)
#define QUAL_EPT_LINEAR	     (1u << 7) /* the guest-linear address is valid */
#define QUAL_EPT_TRANSLATED  (1u << 8) /* the access itself, not the walk to it */
#define QUAL_EPT_NMI_UNBLOCK (1u << 12)

/* Debug exceptions: table 27-1; bits as in DR6. */
#define QUAL_DEBUG_BREAKPOINTS 0xfull
#define QUAL_DEBUG_BD	       (1ull << 13)
#define QUAL_DEBUG_BS	       (1ull << 14)

/* ---- the EPT pointer: table 24-8 ---- */

#define EPTP_MEMORY_WB 6ull
#define EPTP_WALK_4    (3ull << 3)
#define EPTP_ACCESSED  (1ull << 6)

/* ---- sizes of what the VMCS points to ---- */

#define VMX_IO_BITMAP_BYTES  8192 /* A and B, one after the other */
#define VMX_IO_BITMAP_ORDER  1
#define VMX_MSR_BITMAP_BYTES 4096
#define VMX_VAPIC_TPR	     0x80 /* offset in the virtual-APIC page */
