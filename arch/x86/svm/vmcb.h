/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block: what VMRUN reads and #VMEXIT writes. One 4 KiB page, aligned,
 * in write-back memory. Layout: APM 2, appendix B; exit codes: appendix C.
 */
#pragma once

#include <assert.h>

#include "vmm/types.h"

/* Intercept bits that this hypervisor knows, by 32-bit vector. */
#define VMCB_CR_READ(n)	 (1u << (n)) /* intercept_cr */
#define VMCB_CR_WRITE(n) (1u << (16 + (n)))

#define VMCB_MISC1_INTR	       (1u << 0)
#define VMCB_MISC1_NMI	       (1u << 1)
#define VMCB_MISC1_INIT	       (1u << 3)
#define VMCB_MISC1_VINTR       (1u << 4)
#define VMCB_MISC1_CR0_SEL     (1u << 5)
#define VMCB_MISC1_RDPMC       (1u << 15)
#define VMCB_MISC1_CPUID       (1u << 18)
#define VMCB_MISC1_IRET	       (1u << 20)
#define VMCB_MISC1_INVD	       (1u << 22)
#define VMCB_MISC1_PAUSE       (1u << 23)
#define VMCB_MISC1_HLT	       (1u << 24)
#define VMCB_MISC1_INVLPGA     (1u << 26)
#define VMCB_MISC1_IOIO	       (1u << 27)
#define VMCB_MISC1_MSR	       (1u << 28)
#define VMCB_MISC1_FERR_FREEZE (1u << 30)
#define VMCB_MISC1_SHUTDOWN    (1u << 31)

#define VMCB_MISC2_VMRUN   (1u << 0)
#define VMCB_MISC2_VMMCALL (1u << 1)
#define VMCB_MISC2_VMLOAD  (1u << 2)
#define VMCB_MISC2_VMSAVE  (1u << 3)
#define VMCB_MISC2_STGI	   (1u << 4)
#define VMCB_MISC2_CLGI	   (1u << 5)
#define VMCB_MISC2_SKINIT  (1u << 6)
#define VMCB_MISC2_WBINVD  (1u << 9)
#define VMCB_MISC2_MONITOR (1u << 10)
#define VMCB_MISC2_MWAIT   (1u << 11)
#define VMCB_MISC2_XSETBV  (1u << 13)
#define VMCB_MISC2_RDPRU   (1u << 14)

#define VMCB_MISC3_MCOMMIT (1u << 3)

/* tlb_control */
#define VMCB_TLB_NOTHING    0
#define VMCB_TLB_FLUSH_ALL  1
#define VMCB_TLB_FLUSH_ASID 3 /* with CPUID's FlushByAsid */

/* int_ctl */
#define VMCB_V_TPR_MASK	    0xffu
#define VMCB_V_IRQ	    (1u << 8)
#define VMCB_V_NMI	    (1u << 11)
#define VMCB_V_NMI_MASK	    (1u << 12)
#define VMCB_V_PRIO_SHIFT   16
#define VMCB_V_PRIO_MASK    (0xfu << VMCB_V_PRIO_SHIFT)
#define VMCB_V_IGN_TPR	    (1u << 20)
#define VMCB_V_INTR_MASKING (1u << 24)
#define VMCB_V_NMI_ENABLE   (1u << 26)

/* eventinj and exitintinfo. APM 2, 15.7.2 and 15.20. */
#define VMCB_EVENT_VECTOR_MASK 0xffu
#define VMCB_EVENT_TYPE_SHIFT  8
#define VMCB_EVENT_TYPE_MASK   (7u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_INTR	       (0u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_NMI	       (2u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_EXCEPTION   (3u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_SOFTWARE    (4u << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_HAS_ERROR   (1u << 11)
#define VMCB_EVENT_VALID       (1u << 31)
#define VMCB_EVENT_ERROR_SHIFT 32

/* clean: what has not changed since the last VMRUN of this VMCB on this CPU. APM 2, 15.15. */
#define VMCB_CLEAN_INTERCEPTS (1u << 0) /* and TSC offset, pause filter */
#define VMCB_CLEAN_MAPS	      (1u << 1)
#define VMCB_CLEAN_ASID	      (1u << 2)
#define VMCB_CLEAN_TPR	      (1u << 3) /* all of int_ctl */
#define VMCB_CLEAN_NP	      (1u << 4) /* nested CR3 and g_pat */
#define VMCB_CLEAN_CRX	      (1u << 5) /* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DRX	      (1u << 6)
#define VMCB_CLEAN_DT	      (1u << 7) /* GDTR, IDTR */
#define VMCB_CLEAN_SEG	      (1u << 8) /* CS, DS, SS, ES, CPL */
#define VMCB_CLEAN_CR2	      (1u << 9)
#define VMCB_CLEAN_LBR	      (1u << 10)
#define VMCB_CLEAN_ALL	      0x7ffu

/* exitcode */
#define VMEXIT_CR_READ	     0x000
#define VMEXIT_CR_WRITE	     0x010
#define VMEXIT_DR_READ	     0x020
#define VMEXIT_DR_WRITE	     0x030
#define VMEXIT_EXCEPTION     0x040
#define VMEXIT_INTR	     0x060
#define VMEXIT_NMI	     0x061
#define VMEXIT_SMI	     0x062
#define VMEXIT_INIT	     0x063
#define VMEXIT_VINTR	     0x064
#define VMEXIT_CR0_SEL_WRITE 0x065
#define VMEXIT_RDPMC	     0x06f
#define VMEXIT_CPUID	     0x072
#define VMEXIT_IRET	     0x074
#define VMEXIT_INVD	     0x076
#define VMEXIT_PAUSE	     0x077
#define VMEXIT_HLT	     0x078
#define VMEXIT_INVLPGA	     0x07a
#define VMEXIT_IOIO	     0x07b
#define VMEXIT_MSR	     0x07c
#define VMEXIT_TASK_SWITCH   0x07d
#define VMEXIT_FERR_FREEZE   0x07e
#define VMEXIT_SHUTDOWN	     0x07f
#define VMEXIT_VMRUN	     0x080
#define VMEXIT_VMMCALL	     0x081
#define VMEXIT_VMLOAD	     0x082
#define VMEXIT_VMSAVE	     0x083
#define VMEXIT_STGI	     0x084
#define VMEXIT_CLGI	     0x085
#define VMEXIT_SKINIT	     0x086
#define VMEXIT_RDTSCP	     0x087
#define VMEXIT_ICEBP	     0x088
#define VMEXIT_WBINVD	     0x089
#define VMEXIT_MONITOR	     0x08a
#define VMEXIT_MWAIT	     0x08b
#define VMEXIT_MWAIT_ARMED   0x08c
#define VMEXIT_XSETBV	     0x08d
#define VMEXIT_RDPRU	     0x08e
#define VMEXIT_MCOMMIT	     0x0a3
#define VMEXIT_NPF	     0x400
#define VMEXIT_INVALID	     0xffffffffu /* the low half: some emulators leave the high one 0 */

/* exitinfo1 of IOIO. APM 2, 15.10.2. */
#define VMEXIT_IOIO_IN	       (1u << 0)
#define VMEXIT_IOIO_STRING     (1u << 2)
#define VMEXIT_IOIO_REP	       (1u << 3)
#define VMEXIT_IOIO_SIZE_SHIFT 4 /* one of three bits: 1, 2, 4 bytes */
#define VMEXIT_IOIO_PORT_SHIFT 16
/* exitinfo1 of MSR: 1 for WRMSR. */
#define VMEXIT_MSR_WRITE       1u
/* exitinfo1 of CR accesses with decode assists: MOV, with its register. APM 2, 15.8.1. */
#define VMEXIT_CR_MOV	       (1ull << 63)
#define VMEXIT_CR_GPR_MASK     0xfu
/* exitinfo1 of nested page faults. APM 2, 15.25.6. */
#define VMEXIT_NPF_WRITE       (1ull << 1)
#define VMEXIT_NPF_FETCH       (1ull << 4)
#define VMEXIT_NPF_TABLE       (1ull << 33)

struct vmcb_control {
	uint32_t intercept_cr;		 /* 000 */
	uint32_t intercept_dr;		 /* 004 */
	uint32_t intercept_exceptions;	 /* 008 */
	uint32_t intercept_misc1;	 /* 00c */
	uint32_t intercept_misc2;	 /* 010 */
	uint32_t intercept_misc3;	 /* 014 */
	uint8_t reserved_018[0x24];	 /* 018 */
	uint16_t pause_filter_threshold; /* 03c */
	uint16_t pause_filter_count;	 /* 03e */
	uint64_t iopm_base_pa;		 /* 040 */
	uint64_t msrpm_base_pa;		 /* 048 */
	uint64_t tsc_offset;		 /* 050 */
	uint32_t asid;			 /* 058 */
	uint32_t tlb_control;		 /* 05c: low 8 bits */
	uint32_t int_ctl;		 /* 060 */
	uint32_t int_vector;		 /* 064: low 8 bits */
	uint64_t interrupt_shadow;	 /* 068: bit 0 */
	uint64_t exitcode;		 /* 070 */
	uint64_t exitinfo1;		 /* 078 */
	uint64_t exitinfo2;		 /* 080 */
	uint64_t exitintinfo;		 /* 088 */
	uint64_t nested_ctl;		 /* 090: bit 0 NP_ENABLE */
	uint8_t reserved_098[0x10];	 /* 098 */
	uint64_t eventinj;		 /* 0a8 */
	uint64_t n_cr3;			 /* 0b0 */
	uint64_t virt_ext;		 /* 0b8: LBR, virtual VMSAVE and VMLOAD */
	uint32_t clean;			 /* 0c0 */
	uint32_t reserved_0c4;		 /* 0c4 */
	uint64_t nrip;			 /* 0c8 */
	uint8_t insn_length;		 /* 0d0: bytes that follow */
	uint8_t insn_bytes[15];		 /* 0d1 */
	uint8_t reserved_0e0[0x320];	 /* 0e0: AVIC, SEV-ES */
};

struct vmcb_segment {
	uint16_t selector;
	uint16_t attributes; /* 0-7 type, S, DPL, P; 8 AVL, 9 L, 10 D/B, 11 G */
	uint32_t limit;
	uint64_t base;
};

struct vmcb_save {
	struct vmcb_segment es, cs, ss, ds; /* 000 */
	struct vmcb_segment fs, gs;	    /* 040: by VMLOAD and VMSAVE */
	struct vmcb_segment gdtr;	    /* 060 */
	struct vmcb_segment ldtr;	    /* 070: by VMLOAD and VMSAVE */
	struct vmcb_segment idtr;	    /* 080 */
	struct vmcb_segment tr;		    /* 090: by VMLOAD and VMSAVE */
	uint8_t reserved_0a0[0x2b];	    /* 0a0 */
	uint8_t cpl;			    /* 0cb */
	uint32_t reserved_0cc;		    /* 0cc */
	uint64_t efer;			    /* 0d0 */
	uint8_t reserved_0d8[0x70];	    /* 0d8 */
	uint64_t cr4;			    /* 148 */
	uint64_t cr3;			    /* 150 */
	uint64_t cr0;			    /* 158 */
	uint64_t dr7;			    /* 160 */
	uint64_t dr6;			    /* 168 */
	uint64_t rflags;		    /* 170 */
	uint64_t rip;			    /* 178 */
	uint8_t reserved_180[0x58];	    /* 180 */
	uint64_t rsp;			    /* 1d8 */
	uint64_t s_cet, ssp, isst_addr;	    /* 1e0 */
	uint64_t rax;			    /* 1f8 */
	/* From here to sysenter_eip by VMLOAD and VMSAVE. */
	uint64_t star;			       /* 200 */
	uint64_t lstar;			       /* 208 */
	uint64_t cstar;			       /* 210 */
	uint64_t sfmask;		       /* 218 */
	uint64_t kernel_gs_base;	       /* 220 */
	uint64_t sysenter_cs;		       /* 228 */
	uint64_t sysenter_esp;		       /* 230 */
	uint64_t sysenter_eip;		       /* 238 */
	uint64_t cr2;			       /* 240 */
	uint8_t reserved_248[0x20];	       /* 248 */
	uint64_t g_pat;			       /* 268 */
	uint64_t dbgctl;		       /* 270 */
	uint64_t br_from, br_to;	       /* 278 */
	uint64_t last_excp_from, last_excp_to; /* 288 */
	uint8_t reserved_298[0x968];	       /* 298 */
};

struct vmcb {
	struct vmcb_control control; /* 000 */
	struct vmcb_save save;	     /* 400 */
};

#define VMCB_NESTED_PAGING 1ull

static_assert(offsetof(struct vmcb_control, pause_filter_threshold) == 0x03c, "VMCB");
static_assert(offsetof(struct vmcb_control, iopm_base_pa) == 0x040, "VMCB");
static_assert(offsetof(struct vmcb_control, asid) == 0x058, "VMCB");
static_assert(offsetof(struct vmcb_control, exitcode) == 0x070, "VMCB");
static_assert(offsetof(struct vmcb_control, nested_ctl) == 0x090, "VMCB");
static_assert(offsetof(struct vmcb_control, eventinj) == 0x0a8, "VMCB");
static_assert(offsetof(struct vmcb_control, clean) == 0x0c0, "VMCB");
static_assert(offsetof(struct vmcb_control, nrip) == 0x0c8, "VMCB");
static_assert(offsetof(struct vmcb_control, insn_bytes) == 0x0d1, "VMCB");
static_assert(sizeof(struct vmcb_control) == 0x400, "VMCB");
static_assert(offsetof(struct vmcb_save, fs) == 0x040, "VMCB");
static_assert(offsetof(struct vmcb_save, gdtr) == 0x060, "VMCB");
static_assert(offsetof(struct vmcb_save, tr) == 0x090, "VMCB");
static_assert(offsetof(struct vmcb_save, cpl) == 0x0cb, "VMCB");
static_assert(offsetof(struct vmcb_save, efer) == 0x0d0, "VMCB");
static_assert(offsetof(struct vmcb_save, cr4) == 0x148, "VMCB");
static_assert(offsetof(struct vmcb_save, rflags) == 0x170, "VMCB");
static_assert(offsetof(struct vmcb_save, rsp) == 0x1d8, "VMCB");
static_assert(offsetof(struct vmcb_save, rax) == 0x1f8, "VMCB");
static_assert(offsetof(struct vmcb_save, sysenter_eip) == 0x238, "VMCB");
static_assert(offsetof(struct vmcb_save, g_pat) == 0x268, "VMCB");
static_assert(sizeof(struct vmcb) == 0x1000, "VMCB");
