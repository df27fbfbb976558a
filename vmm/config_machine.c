/* SPDX-License-Identifier: BSD-2-Clause */
/* What a correct configuration asks against what the machine has. */
#include "vmm/config.h"

#include "vmm/format.h"

#include <stdarg.h>

struct machine_check {
	const char *file;
	config_error_fn *report;
	void *context;
	struct config *config;
};

HV_PRINTF(3, 4)
static void reject(struct machine_check *check, const struct vm_config *vm, const char *format, ...)
{
	char message[320];
	size_t length = (size_t)hv_snprintf(message, sizeof(message), "%.64s:%u: [vm %s] ",
					    check->file, vm->line, vm->name);
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(message + length, sizeof(message) - length, format, arguments);
	va_end(arguments);
	check->config->errors++;
	check->report(check->context, message);
}

/* The first CPU that the VM names and the machine has not, or CPUS_MAX. A VM that names none gets
 * all that are there. */
static unsigned missing_cpu(const struct vm_config *vm, unsigned cpus)
{
	if (vm->any_cpu)
		return CPUS_MAX;
	for (unsigned i = cpus; i < CPUS_MAX; i++) {
		if (cpu_mask_test(&vm->cpus, i))
			return i;
	}
	return CPUS_MAX;
}

/* Whether the machine can ever run the VM, beside those that start with it; reports why not. */
static bool fits_machine(struct machine_check *check, const struct vm_config *vm, unsigned cpus,
			 uint64_t free_bytes, uint64_t left)
{
	unsigned missing = missing_cpu(vm, cpus);
	bool fits = true;

	if (missing != CPUS_MAX) {
		reject(check, vm, "cpus: CPU %u is not there; this machine has CPUs 0 to %u",
		       missing, cpus - 1);
		fits = false;
	}
	if (vm->memory > (vm->autostart ? left : free_bytes)) {
		reject(check, vm,
		       "memory: %llu MiB are not there; of %llu MiB for guests the VMs above leave "
		       "%llu MiB",
		       (unsigned long long)(vm->memory >> 20),
		       (unsigned long long)(free_bytes >> 20), (unsigned long long)(left >> 20));
		fits = false;
	}
	return fits;
}

void config_check_machine(struct config *config, unsigned cpus, uint64_t free_bytes,
			  const char *file, config_error_fn *error, void *context)
{
	struct machine_check check = {file, error, context, config};
	unsigned kept = 0;
	uint64_t left = free_bytes;

	for (unsigned i = 0; i < config->vm_count; i++) {
		struct vm_config *vm = config->vms[i];

		if (fits_machine(&check, vm, cpus, free_bytes, left)) {
			if (vm->autostart)
				left -= vm->memory;
			config->vms[kept++] = vm;
		} else {
			config_free_vm(vm);
		}
	}
	config->vm_count = kept;
}
