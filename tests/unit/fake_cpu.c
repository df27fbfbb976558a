/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_cpu.h. */
#include "fake_cpu.h"

#include "fake_platform.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static struct cpu all[4];
static jmp_buf idle;

void fake_cpus_create(unsigned count)
{
	if (count > ARRAY_SIZE(all))
		abort();
	memset(all, 0, sizeof(all));
	for (unsigned i = 0; i < count; i++) {
		cpu_init(&all[i], i, 2 * i);
		cpus[i] = &all[i];
	}
	cpu_count = count;
}

static void leave(void)
{
	longjmp(idle, 1);
}

void fake_cpu_run(struct cpu *cpu)
{
	fake_platform_on_idle(leave);
	if (setjmp(idle) == 0)
		cpu_main(cpu);
	fake_platform_on_idle(NULL);
}
