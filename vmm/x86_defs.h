/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that the processor manuals give to bits, MSRs and vectors, for host and guest alike.
 * Constants only. SDM 3A chapter 2, SDM 4; APM 2 chapter 3 and appendix A.
 */
#pragma once

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)

#define CR4_VME	       (1ull << 0)
#define CR4_PVI	       (1ull << 1)
#define CR4_TSD	       (1ull << 2)
#define CR4_DE	       (1ull << 3)
#define CR4_PSE	       (1ull << 4)
#define CR4_PAE	       (1ull << 5)
#define CR4_MCE	       (1ull << 6)
#define CR4_PGE	       (1ull << 7)
#define CR4_PCE	       (1ull << 8)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_LA57       (1ull << 12)
#define CR4_VMXE       (1ull << 13)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)
#define CR4_PKE	       (1ull << 22)
#define CR4_CET	       (1ull << 23)
#define CR4_PKS	       (1ull << 24)

#define EFER_SCE   (1ull << 0)
#define EFER_LME   (1ull << 8)
#define EFER_LMA   (1ull << 10)
#define EFER_NXE   (1ull << 11)
#define EFER_SVME  (1ull << 12)
#define EFER_FFXSR (1ull << 14)

#define RFLAGS_CF    (1ull << 0)
#define RFLAGS_FIXED (1ull << 1)
#define RFLAGS_PF    (1ull << 2)
#define RFLAGS_AF    (1ull << 4)
#define RFLAGS_ZF    (1ull << 6)
#define RFLAGS_SF    (1ull << 7)
#define RFLAGS_TF    (1ull << 8)
#define RFLAGS_IF    (1ull << 9)
#define RFLAGS_DF    (1ull << 10)
#define RFLAGS_OF    (1ull << 11)
#define RFLAGS_IOPL  (3ull << 12)
#define RFLAGS_NT    (1ull << 14)
#define RFLAGS_RF    (1ull << 16)
#define RFLAGS_VM    (1ull << 17)
#define RFLAGS_AC    (1ull << 18)

#define DR6_BS (1ull << 14) /* a single step ended */

#define VECTOR_DE  0
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_OF  4
#define VECTOR_BR  5
#define VECTOR_UD  6
#define VECTOR_NM  7
#define VECTOR_DF  8
#define VECTOR_TS  10
#define VECTOR_NP  11
#define VECTOR_SS  12
#define VECTOR_GP  13
#define VECTOR_PF  14
#define VECTOR_MF  16
#define VECTOR_AC  17
#define VECTOR_MC  18
#define VECTOR_XM  19

#define MSR_P5_MC_ADDR	       0x000
#define MSR_P5_MC_TYPE	       0x001
#define MSR_TSC		       0x010
#define MSR_PLATFORM_ID	       0x017
#define MSR_APIC_BASE	       0x01b
#define MSR_EBL_CR_POWERON     0x02a
#define MSR_FEATURE_CONTROL    0x03a
#define MSR_TSC_ADJUST	       0x03b
#define MSR_SPEC_CTRL	       0x048
#define MSR_PRED_CMD	       0x049
#define MSR_BIOS_SIGN_ID       0x08b
#define MSR_PLATFORM_INFO      0x0ce
#define MSR_MTRR_CAP	       0x0fe
#define MSR_ARCH_CAPABILITIES  0x10a
#define MSR_SYSENTER_CS	       0x174
#define MSR_SYSENTER_ESP       0x175
#define MSR_SYSENTER_EIP       0x176
#define MSR_MCG_CAP	       0x179
#define MSR_MCG_STATUS	       0x17a
#define MSR_MCG_CTL	       0x17b
#define MSR_PERF_STATUS	       0x198
#define MSR_MISC_ENABLE	       0x1a0
#define MSR_DEBUGCTL	       0x1d9
#define MSR_LAST_BRANCH_FROM   0x1db
#define MSR_LAST_INT_TO	       0x1de
#define MSR_MTRR_PHYS_BASE0    0x200
#define MSR_MTRR_PHYS_MASK9    0x213
#define MSR_MTRR_FIX_64K_00000 0x250
#define MSR_MTRR_FIX_16K_80000 0x258
#define MSR_MTRR_FIX_16K_A0000 0x259
#define MSR_MTRR_FIX_4K_C0000  0x268
#define MSR_MTRR_FIX_4K_F8000  0x26f
#define MSR_PAT		       0x277
#define MSR_MTRR_DEF_TYPE      0x2ff
#define MSR_MC0_CTL	       0x400
#define MSR_TSC_DEADLINE       0x6e0
#define MSR_X2APIC_FIRST       0x800
#define MSR_X2APIC_LAST	       0x8ff
#define MSR_XSS		       0xda0
#define MSR_EFER	       0xc0000080
#define MSR_STAR	       0xc0000081
#define MSR_LSTAR	       0xc0000082
#define MSR_CSTAR	       0xc0000083
#define MSR_SFMASK	       0xc0000084
#define MSR_FS_BASE	       0xc0000100
#define MSR_GS_BASE	       0xc0000101
#define MSR_KERNEL_GS_BASE     0xc0000102
#define MSR_TSC_AUX	       0xc0000103
#define MSR_TSC_RATIO	       0xc0000104
#define MSR_SYSCFG	       0xc0010010
#define MSR_HWCR	       0xc0010015
#define MSR_NB_CFG	       0xc001001f
#define MSR_PATCH_LOADER       0xc0010020
#define MSR_INT_PENDING	       0xc0010055
#define MSR_MMIO_CFG_BASE      0xc0010058
#define MSR_SMM_ADDR	       0xc0010112
#define MSR_SMM_MASK	       0xc0010113
#define MSR_VM_CR	       0xc0010114
#define MSR_VM_HSAVE_PA	       0xc0010117
#define MSR_DC_CFG	       0xc0011022
#define MSR_BU_CFG	       0xc0011023
#define MSR_DE_CFG	       0xc0011029
#define MSR_BU_CFG2	       0xc001102a

/* MSR_DE_CFG: LFENCE waits until all instructions before it are done. */
#define DE_CFG_LFENCE_SERIALIZE (1ull << 1)

#define APIC_BASE_BSP	    (1ull << 8)
#define APIC_BASE_X2APIC    (1ull << 10)
#define APIC_BASE_ENABLE    (1ull << 11)
#define APIC_DEFAULT_BASE   0xfee00000ull
#define IOAPIC_DEFAULT_BASE 0xfec00000ull

/* PAT after power-on: WB WT UC- UC, twice. SDM 3A, 11.12.4. */
#define PAT_DEFAULT 0x0007040600070406ull
