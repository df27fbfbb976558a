/* SPDX-License-Identifier: BSD-2-Clause */
/* The format of extended page-table entries. SDM 3C, 28.3.2 (tables 28-1 to 28-6). */
#pragma once

#include "vmm/gpa_space.h"

#define EPT_READ       (1ull << 0)
#define EPT_WRITE      (1ull << 1)
#define EPT_EXECUTE    (1ull << 2)
#define EPT_TYPE_SHIFT 3
#define EPT_IGNORE_PAT (1ull << 6)
#define EPT_LEAF       (1ull << 7)
#define EPT_ADDRESS    0x000ffffffffff000ull

/* The ops for a CPU whose largest leaf is at this level: 1 (4 KiB), 2 (2 MiB) or 3 (1 GiB). */
const struct pte_ops *vmx_ept_ops(unsigned max_leaf_level);

/* The EPT pointer for tables with this root. */
uint64_t vmx_ept_pointer(hpa_t root);
