/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs cpu_main() of vmm/cpu.c, which never returns, until its CPU has nothing to do. */
#pragma once

#include "vmm/cpu.h"

/* Makes CPUs 0 to count - 1, in cpus[], idle and with nothing placed on them. At most 4. */
void fake_cpus_create(unsigned count);

/* Lives the life of a CPU until it would wait for an interrupt. */
void fake_cpu_run(struct cpu *cpu);
