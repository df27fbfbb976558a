/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds AMD-V and switches it on and off, CPU by CPU. APM 2, 15.4 and 15.30. */
#include "vmm/cpu.h"
#include "vmm/heap.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/x86_defs.h"
#include "arch/x86/control.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"
#include "arch/x86/svm/npt.h"
#include "arch/x86/svm/svm.h"

#include <errno.h>

#define VM_CR_LOCK   (1ull << 3)
#define VM_CR_SVMDIS (1ull << 4)

struct svm_features svm_features;
static struct backend_feature feature_list[SVM_FEATURE_LIST_MAX];

static struct svm_cpuid read_cpuid(void)
{
	struct cpuid_regs ext1 = cpuid_checked(0x80000001, 0);
	struct cpuid_regs ext8 = cpuid_checked(0x80000008, 0);
	struct cpuid_regs svm = cpuid_checked(0x8000000a, 0);

	return (struct svm_cpuid){
		.vendor_ebx = cpuid(0, 0).ebx,
		.leaf1_edx = cpuid(1, 0).edx,
		.ext1_ecx = ext1.ecx,
		.ext1_edx = ext1.edx,
		.ext8_eax = ext8.eax,
		.ext8_ebx = ext8.ebx,
		.svm_eax = svm.eax,
		.svm_ebx = svm.ebx,
		.svm_edx = svm.edx,
	};
}

/* Whether firmware forbids SVM on the calling CPU for good; VM_CR is not on the very first CPUs. */
static bool is_locked_off(void)
{
	uint64_t vm_cr;

	if (msr_read_safe(MSR_VM_CR, &vm_cr) != 0)
		return false;
	return (vm_cr & VM_CR_SVMDIS) && (vm_cr & VM_CR_LOCK);
}

int svm_probe(const char **why)
{
	struct svm_cpuid raw = read_cpuid();
	int error;

	svm_features = svm_features_from_cpuid(&raw);
	error = svm_features_check(&raw, &svm_features, why);
	if (error)
		return error;
	if (is_locked_off()) {
		*why = "the firmware has switched AMD-V off (VM_CR.SVMDIS): enable \"SVM Mode\" in "
		       "its setup (BIOS), under CPU or advanced settings";
		return -EPERM;
	}
	svm_features_list(&svm_features, feature_list);
	return 0;
}

static void svm_cpu_free(struct svm_cpu *svm)
{
	if (svm->hsave)
		page_free_pointer(svm->hsave, PAGE_ORDER_4K);
	if (svm->host)
		page_free_pointer(svm->host, PAGE_ORDER_4K);
	hv_free(svm);
}

/* All CPUs have to offer what the boot CPU's features were chosen from. */
static bool has_the_same_features(void)
{
	struct svm_cpuid raw = read_cpuid();
	struct svm_features mine = svm_features_from_cpuid(&raw);

	return mine.nested_paging >= svm_features.nested_paging &&
	       mine.nrip_save >= svm_features.nrip_save &&
	       mine.clean_bits >= svm_features.clean_bits &&
	       mine.flush_by_asid >= svm_features.flush_by_asid &&
	       mine.decode_assists >= svm_features.decode_assists &&
	       mine.pause_filter >= svm_features.pause_filter &&
	       mine.pause_threshold >= svm_features.pause_threshold &&
	       mine.virtual_nmi >= svm_features.virtual_nmi &&
	       mine.pages_1g >= svm_features.pages_1g && mine.rdtscp >= svm_features.rdtscp &&
	       mine.ibpb >= svm_features.ibpb && mine.mce >= svm_features.mce && mine.asids >= 2;
}

/*
 * Before it was made so for good, LFENCE serialised on AMD's CPUs only where this bit is set;
 * guests rely on it, and cannot set it themselves. The first CPUs do not have the MSR.
 */
static void make_lfence_serialize(void)
{
	uint64_t value;

	if (msr_read_safe(MSR_DE_CFG, &value) == 0 && !(value & DE_CFG_LFENCE_SERIALIZE))
		(void)!msr_write_safe(MSR_DE_CFG, value | DE_CFG_LFENCE_SERIALIZE);
}

static void enable_here(struct svm_cpu *svm)
{
	uint64_t vm_cr;

	/* Off but not locked: ours to switch on. */
	if (msr_read_safe(MSR_VM_CR, &vm_cr) == 0 && (vm_cr & VM_CR_SVMDIS))
		msr_write(MSR_VM_CR, vm_cr & ~VM_CR_SVMDIS);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
	msr_write(MSR_VM_HSAVE_PA, platform_ram_address(svm->hsave).value);
	make_lfence_serialize();
	fpu_cpu_enable();
}

int svm_cpu_enable(struct cpu *cpu)
{
	struct svm_cpu *svm;

	if (is_locked_off())
		return -EPERM;
	if (!has_the_same_features())
		return -ENOTSUP;
	svm = hv_alloc(sizeof(*svm));
	if (!svm)
		return -ENOMEM;
	svm->hsave = page_alloc_zeroed(PAGE_ORDER_4K);
	svm->host = page_alloc_zeroed(PAGE_ORDER_4K);
	if (!svm->hsave || !svm->host) {
		svm_cpu_free(svm);
		return -ENOMEM;
	}
	svm->host_pa = platform_ram_address(svm->host);
	svm_asid_pool_init(&svm->asids, cpuid_checked(0x8000000a, 0).ebx,
			   svm_features.flush_by_asid);
	enable_here(svm);
	cpu->backend = svm;
	return 0;
}

void svm_cpu_disable(struct cpu *cpu)
{
	struct svm_cpu *svm = cpu->backend;

	if (!svm)
		return;
	/* GIF has to be set, or nothing would ever interrupt this CPU again. */
	svm_stgi();
	msr_write(MSR_VM_HSAVE_PA, 0);
	msr_write(MSR_EFER, msr_read(MSR_EFER) & ~EFER_SVME);
	cpu->backend = NULL;
	svm_cpu_free(svm);
}

const struct backend_feature *svm_feature_list(void)
{
	return feature_list;
}

const struct pte_ops *svm_pte_ops(void)
{
	return svm_npt_ops(svm_features.pages_1g);
}
