/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The format of nested page-table entries on AMD-V: that of the host's own 4-level tables, with
 * every access counted as a user's. APM 2, 15.25 and 5.3.
 */
#pragma once

#include "vmm/gpa_space.h"

#define NPT_PRESENT (1ull << 0)
#define NPT_WRITE   (1ull << 1)
#define NPT_USER    (1ull << 2)
#define NPT_PWT	    (1ull << 3)
#define NPT_PCD	    (1ull << 4)
#define NPT_A	    (1ull << 5)
#define NPT_D	    (1ull << 6)
#define NPT_PS	    (1ull << 7)
#define NPT_NX	    (1ull << 63)
#define NPT_ADDRESS 0x000ffffffffff000ull

/* The ops for a CPU with or without 1 GiB pages (CPUID 8000_0001 EDX bit 26). */
const struct pte_ops *svm_npt_ops(bool has_1g_pages);
