/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process of the Linux benchmarks: prints the TSC at its start (`@init`, hexadecimal),
 * then how long fork, exec and wait of a static busybox take (`@forkexec`, TSC ticks: the fastest
 * of BATCHES batches), and powers off.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCHES 5
#define ROUNDS	20

static uint64_t rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

static void fork_exec_wait(void)
{
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/busybox", "true", (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		exit(1);
}

static uint64_t measure_fork_exec(void)
{
	uint64_t best = UINT64_MAX;

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t start = rdtsc();

		for (int round = 0; round < ROUNDS; round++)
			fork_exec_wait();
		start = rdtsc() - start;
		best = start < best ? start : best;
	}
	return best / ROUNDS;
}

int main(void)
{
	uint64_t started = rdtsc();

	printf("\n@init %016llx\n", (unsigned long long)started);
	fflush(stdout);
	printf("@forkexec %llu\n", (unsigned long long)measure_fork_exec());
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
