/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration: \bulkhead\bulkhead.ini, an INI text. Every mistake is reported with file, line
 * and key, and what is allowed; a VM whose section has one is left out, the others stay.
 */
#pragma once

#include "vmm/cpu_mask.h"
#include "vmm/types.h"

#define CONFIG_NAME_MAX	   32 /* with the final NUL */
#define CONFIG_PATH_MAX	   128
#define CONFIG_CMDLINE_MAX 2048
#define CONFIG_MODULES_MAX 16
#define CONFIG_VMS_MAX	   64
#define CONFIG_VCPUS_MAX   64
#define CONFIG_MEMORY_MIN  MIB(1)
#define CONFIG_MEMORY_MAX  (GIB(1024) * 4)

struct module_config {
	char path[CONFIG_PATH_MAX];
	char arguments[256];
};

struct vm_config {
	char name[CONFIG_NAME_MAX];
	unsigned line;	/* of its section */
	unsigned vcpus; /* default 1 */
	bool any_cpu;	/* names no CPUs: the default */
	struct cpu_mask cpus;
	uint64_t memory;	      /* bytes, whole MiB; default 256 MiB */
	char kernel[CONFIG_PATH_MAX]; /* required */
	char initrd[CONFIG_PATH_MAX]; /* "" where there is none */
	char cmdline[CONFIG_CMDLINE_MAX];
	struct module_config *modules; /* room for CONFIG_MODULES_MAX, or NULL */
	unsigned module_count;
	bool autostart; /* default yes */
	int debug_exit; /* port, -1: none */
};

struct host_config {
	bool power_off_when_idle; /* on-idle = poweroff */
};

struct config {
	struct host_config host;
	struct vm_config *vms[CONFIG_VMS_MAX];
	unsigned vm_count;
	unsigned errors; /* mistakes reported */
};

/* Takes each mistake as a finished sentence "bulkhead.ini:12: [vm web] memory: ..." */
typedef void config_error_fn(void *context, const char *message);

/*
 * Parses `length` bytes of text. Always leaves a valid config (perhaps with no VMs). `file` is the
 * name for messages. Returns 0, or -ENOMEM.
 */
HV_MUST_CHECK int config_parse(struct config *config, const char *text, size_t length,
			       const char *file, config_error_fn *error, void *context);
void config_destroy(struct config *config);

/* Frees a VM that was taken out of its config. */
void config_free_vm(struct vm_config *vm);

/*
 * Calls `each` for every file that the text names (kernel, initrd, module), once per mention: for
 * the loader, which has no heap. Lines that cannot be parsed are passed over: config_parse()
 * reports them.
 */
void config_for_each_file(const char *text, size_t length,
			  void (*each)(void *context, const char *path), void *context);

/*
 * What the config asks against what the machine has: `cpus` CPUs, `free_bytes` of memory that
 * guests may have. Reports impossible CPUs and overcommitted memory through `error`, and takes the
 * VMs that cannot be out of the config.
 */
void config_check_machine(struct config *config, unsigned cpus, uint64_t free_bytes,
			  const char *file, config_error_fn *error, void *context);
