/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page tables that the hypervisor starts on, whichever way it was booted: all RAM and the low
 * 4 GiB identity-mapped, writable and not executable, beside the image at its linked address. Used
 * with paging off or under an identity map that reaches the tables.
 */
#pragma once

#include "arch/x86/paging.h"

/*
 * Starts new tables with the largest pages that this CPU has. `alloc_table` as in struct paging.
 * Errors: -ENOMEM.
 */
HV_MUST_CHECK int boot_tables_init(struct paging *tables, int (*alloc_table)(hpa_t *table));

/*
 * Identity-maps every GiB that [base, end) touches; one in which something is mapped already stays
 * as it is. What the 47 bits of a lower-half address cannot reach is left out. Errors: -ENOMEM.
 */
HV_MUST_CHECK int boot_tables_map_ram(const struct paging *tables, uint64_t base, uint64_t end);
