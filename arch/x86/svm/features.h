/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of AMD-V's features a CPU has, from its CPUID leaves alone; everything optional is asked
 * for here before it is used. APM 3, appendix E: 8000_0001, 8000_0008, 8000_000A.
 */
#pragma once

#include "vmm/backend.h"
#include "vmm/types.h"

/* Registers of the leaves as the CPU gave them; zeros for a leaf that it does not have. */
struct svm_cpuid {
	uint32_t vendor_ebx; /* leaf 0 */
	uint32_t leaf1_edx;
	uint32_t ext1_ecx, ext1_edx;	    /* 8000_0001 */
	uint32_t ext8_eax, ext8_ebx;	    /* 8000_0008 */
	uint32_t svm_eax, svm_ebx, svm_edx; /* 8000_000A */
};

struct svm_features {
	uint32_t revision;
	uint32_t asids; /* with the host's */
	unsigned physical_bits;
	bool nested_paging;
	bool lbr_virtualization;
	bool svm_lock;
	bool nrip_save;
	bool tsc_rate;
	bool clean_bits;
	bool flush_by_asid;
	bool decode_assists;
	bool pause_filter;
	bool pause_threshold;
	bool avic;
	bool virtual_vmload;
	bool virtual_gif;
	bool x2avic;
	bool virtual_nmi;
	bool pages_1g;
	bool rdtscp;
	bool rdpru;
	bool mcommit;
	bool ibpb;
	bool mce;
};

struct svm_features svm_features_from_cpuid(const struct svm_cpuid *raw);

/*
 * Whether guests can run on such a CPU. Errors: -ENODEV (not AMD's or Hygon's, and no SVM),
 * -ENOTSUP; *why is a sentence for the user.
 */
HV_MUST_CHECK int svm_features_check(const struct svm_cpuid *raw,
				     const struct svm_features *features, const char **why);

/* For `host`: fills `list`, which has room for SVM_FEATURE_LIST_MAX, and ends it with a NULL name.
 */
#define SVM_FEATURE_LIST_MAX 24
void svm_features_list(const struct svm_features *features, struct backend_feature *list);
