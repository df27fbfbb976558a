/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of arch/x86/svm/features.c with the leaves of some kinds of CPU and of emulators. */
#include "arch/x86/svm/features.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define AMD   0x68747541
#define HYGON 0x6f677948
#define INTEL 0x756e6547

/* Bits of struct svm_features that are told apart here. */
enum expected {
	NPT = 1 << 0,
	NRIP = 1 << 1,
	CLEAN = 1 << 2,
	BY_ASID = 1 << 3,
	DECODE = 1 << 4,
	PAUSE = 1 << 5,
	THRESHOLD = 1 << 6,
	VNMI = 1 << 7,
	VGIF = 1 << 8,
	AVIC = 1 << 9,
	G1 = 1 << 10,
	RDTSCP = 1 << 11,
	RDPRU = 1 << 12,
	IBPB = 1 << 13,
};

static const struct {
	const char *cpu;
	struct svm_cpuid raw;
	unsigned bits, asids, has;
} rows[] = {
	{"QEMU 7.2, TCG, EPYC",
	 {AMD, 0x0783fbff, 0x00000005, 0x2fd3fbff, 0x3028, 0, 1, 16, 0x00000001},
	 40,
	 16,
	 NPT | G1 | RDTSCP},
	{"QEMU 7.2, TCG, max",
	 {AMD, 0x0783fbff, 0x00000005, 0x2fd3fbff, 0x3028, 0, 1, 16, 0x10010001},
	 40,
	 16,
	 NPT | VGIF | G1 | RDTSCP},
	{"Phenom (family 10h)",
	 {AMD, 0x178bfbff, 0x000007ff, 0xefd3fbff, 0x3030, 0, 1, 64, 0x0000000f},
	 48,
	 64,
	 NPT | NRIP | G1 | RDTSCP},
	{"Zen 1 (family 17h)",
	 {AMD, 0x178bfbff, 0x35c233ff, 0x2fd3fbff, 0x3030, 0x1007, 1, 32768, 0x0001bcff},
	 48,
	 32768,
	 NPT | NRIP | CLEAN | BY_ASID | DECODE | PAUSE | THRESHOLD | VGIF | AVIC | G1 | RDTSCP |
		 IBPB},
	{"Zen 4 (family 19h)",
	 {AMD, 0x178bfbff, 0x75c237ff, 0x2fd3fbff, 0x3030, 0x791ef257, 1, 32768, 0x1ebfbcff},
	 48,
	 32768,
	 NPT | NRIP | CLEAN | BY_ASID | DECODE | PAUSE | THRESHOLD | VNMI | VGIF | AVIC | G1 |
		 RDTSCP | RDPRU | IBPB},
};

static unsigned features_bits(const struct svm_features *f)
{
	return (f->nested_paging ? NPT : 0u) | (f->nrip_save ? NRIP : 0u) |
	       (f->clean_bits ? CLEAN : 0u) | (f->flush_by_asid ? BY_ASID : 0u) |
	       (f->decode_assists ? DECODE : 0u) | (f->pause_filter ? PAUSE : 0u) |
	       (f->pause_threshold ? THRESHOLD : 0u) | (f->virtual_nmi ? VNMI : 0u) |
	       (f->virtual_gif ? VGIF : 0u) | (f->avic ? AVIC : 0u) | (f->pages_1g ? G1 : 0u) |
	       (f->rdtscp ? RDTSCP : 0u) | (f->rdpru ? RDPRU : 0u) | (f->ibpb ? IBPB : 0u);
}

static void real_cpus(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct svm_features features = svm_features_from_cpuid(&rows[i].raw);
		const char *why = NULL;

		print_message("%s\n", rows[i].cpu);
		assert_int_equal(features_bits(&features), rows[i].has);
		assert_int_equal(features.physical_bits, rows[i].bits);
		assert_int_equal(features.asids, rows[i].asids);
		assert_true(features.mce);
		assert_int_equal(svm_features_check(&rows[i].raw, &features, &why), 0);
		assert_null(why);
	}
}

static int check(const struct svm_cpuid *raw, const char *says)
{
	struct svm_features features = svm_features_from_cpuid(raw);
	const char *why = NULL;
	int error = svm_features_check(raw, &features, &why);

	assert_non_null(why);
	assert_non_null(strstr(why, says));
	return error;
}

static void says_what_is_missing(void **state)
{
	struct svm_cpuid raw = {.vendor_ebx = INTEL};

	(void)state;
	assert_int_equal(check(&raw, "not a processor with AMD-V"), -ENODEV);
	raw.vendor_ebx = AMD;
	assert_int_equal(check(&raw, "SVM Mode"), -ENOTSUP);
	raw.vendor_ebx = HYGON;
	assert_int_equal(check(&raw, "SVM Mode"), -ENOTSUP);
	raw.ext1_ecx = 1 << 2;
	raw.svm_ebx = 16;
	assert_int_equal(check(&raw, "nested paging"), -ENOTSUP);
	raw.svm_edx = 1;
	raw.svm_ebx = 1;
	assert_int_equal(check(&raw, "address space identifiers"), -ENOTSUP);
}

static void physical_bits_have_a_floor(void **state)
{
	const struct svm_cpuid raw = {.vendor_ebx = AMD};

	(void)state;
	assert_int_equal(svm_features_from_cpuid(&raw).physical_bits, 36);
}

static void the_list_ends_and_tells_the_truth(void **state)
{
	struct svm_features features = svm_features_from_cpuid(&rows[2].raw);
	struct backend_feature list[SVM_FEATURE_LIST_MAX];
	unsigned count = 0;

	(void)state;
	svm_features_list(&features, list);
	while (list[count].name)
		count++;
	assert_true(count > 10 && count < SVM_FEATURE_LIST_MAX);
	assert_string_equal(list[2].name, "NRIP save");
	assert_true(list[2].present);
	assert_string_equal(list[3].name, "decode assists");
	assert_false(list[3].present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_cpus),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(physical_bits_have_a_floor),
		cmocka_unit_test(the_list_ends_and_tells_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
