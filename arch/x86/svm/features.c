/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the CPUID leaves of AMD-V into named features. */
#include "arch/x86/svm/features.h"

#include <assert.h>
#include <errno.h>

#define VENDOR_AMD	   0x68747541u /* "Auth" of AuthenticAMD */
#define VENDOR_HYGON	   0x6f677948u /* "Hygo" of HygonGenuine */
#define CPUID_EXT1_ECX_SVM 2

/* Without the leaf's number of bits, what the first 64-bit CPUs had. */
#define PHYSICAL_BITS_MIN 36

static bool bit(uint32_t value, unsigned number)
{
	return value >> number & 1;
}

struct svm_features svm_features_from_cpuid(const struct svm_cpuid *raw)
{
	uint32_t svm = raw->svm_edx;
	unsigned physical_bits = raw->ext8_eax & 0xff;

	return (struct svm_features){
		.revision = raw->svm_eax & 0xff,
		.asids = raw->svm_ebx,
		.physical_bits = physical_bits ? physical_bits : PHYSICAL_BITS_MIN,
		.nested_paging = bit(svm, 0),
		.lbr_virtualization = bit(svm, 1),
		.svm_lock = bit(svm, 2),
		.nrip_save = bit(svm, 3),
		.tsc_rate = bit(svm, 4),
		.clean_bits = bit(svm, 5),
		.flush_by_asid = bit(svm, 6),
		.decode_assists = bit(svm, 7),
		.pause_filter = bit(svm, 10),
		.pause_threshold = bit(svm, 12),
		.avic = bit(svm, 13),
		.virtual_vmload = bit(svm, 15),
		.virtual_gif = bit(svm, 16),
		.x2avic = bit(svm, 18),
		.virtual_nmi = bit(svm, 25),
		.pages_1g = bit(raw->ext1_edx, 26),
		.rdtscp = bit(raw->ext1_edx, 27),
		.rdpru = bit(raw->ext8_ebx, 4),
		.mcommit = bit(raw->ext8_ebx, 8),
		.ibpb = bit(raw->ext8_ebx, 12),
		.mce = bit(raw->leaf1_edx, 7),
	};
}

int svm_features_check(const struct svm_cpuid *raw, const struct svm_features *features,
		       const char **why)
{
	bool amd = raw->vendor_ebx == VENDOR_AMD || raw->vendor_ebx == VENDOR_HYGON;

	if (!bit(raw->ext1_ecx, CPUID_EXT1_ECX_SVM)) {
		*why = amd ? "this AMD processor does not offer SVM: switch on \"SVM Mode\" in the "
			     "firmware setup (BIOS); in a virtual machine, give it nested SVM"
			   : "this is not a processor with AMD-V";
		return amd ? -ENOTSUP : -ENODEV;
	}
	if (!features->nested_paging) {
		*why = "this processor's AMD-V has no nested paging (CPUID 8000_000A EDX bit 0), "
		       "which is required";
		return -ENOTSUP;
	}
	if (features->asids < 2) {
		*why = "this processor's AMD-V offers no address space identifiers for guests "
		       "(CPUID 8000_000A EBX), which are required";
		return -ENOTSUP;
	}
	return 0;
}

void svm_features_list(const struct svm_features *features, struct backend_feature *list)
{
	const struct backend_feature all[] = {
		{"nested paging", features->nested_paging},
		{"1 GiB pages", features->pages_1g},
		{"NRIP save", features->nrip_save},
		{"decode assists", features->decode_assists},
		{"VMCB clean bits", features->clean_bits},
		{"flush by ASID", features->flush_by_asid},
		{"pause filter", features->pause_filter},
		{"pause filter threshold", features->pause_threshold},
		{"virtual NMI", features->virtual_nmi},
		{"virtual GIF (not used)", features->virtual_gif},
		{"virtual VMLOAD/VMSAVE (not used)", features->virtual_vmload},
		{"AVIC (not used)", features->avic},
		{"x2AVIC (not used)", features->x2avic},
		{"TSC ratio (not used)", features->tsc_rate},
		{"LBR virtualisation (not used)", features->lbr_virtualization},
		{"SVM lock", features->svm_lock},
		{"RDTSCP", features->rdtscp},
		{"RDPRU", features->rdpru},
		{"MCOMMIT", features->mcommit},
		{"branch predictor barrier (IBPB)", features->ibpb},
		{"machine checks", features->mce},
		{NULL, false},
	};

	static_assert(ARRAY_SIZE(all) <= SVM_FEATURE_LIST_MAX, "the list is longer than promised");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		list[i] = all[i];
}
