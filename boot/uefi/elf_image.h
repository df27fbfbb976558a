/* SPDX-License-Identifier: BSD-2-Clause */
/* The segments of the embedded hypervisor, for the two files that load and map them. */
#pragma once

#include <elf.h>

/* Where the hypervisor is linked (linker.ld): addresses below are not loaded by UEFI. */
#define HYPERVISOR_HALF 0xffffffff80000000ull

/*
 * The next loadable segment of the higher half behind `after` (NULL: the first), or NULL. The ELF's
 * tables must have passed loader_load_hypervisor().
 */
const Elf64_Phdr *elf_next_segment(const Elf64_Phdr *after);
