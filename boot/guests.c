/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's files, by the paths in its configuration, go from the loader's memory to guest/load. */
#include "boot/guests.h"

#include "guest/dev/devices.h"
#include "guest/load/load.h"
#include "vmm/format.h"
#include "vmm/log.h"
#include "vmm/platform.h"
#include "vmm/vm.h"

#include <errno.h>

static const struct boot_info *boot_info;

/* An empty path is an image of no bytes. Errors: -ENOENT. */
static int find_image(const char *role, const char *path, struct guest_image *image, char *why,
		      size_t why_size)
{
	const struct boot_image *found;

	*image = (struct guest_image){NULL, 0};
	if (path[0] == '\0')
		return 0;
	found = boot_info_find_image(boot_info, path);
	if (found == NULL) {
		hv_snprintf(why, why_size, "%s: %s was not found on the boot volume", role, path);
		return -ENOENT;
	}
	image->data = platform_ram(hpa_make(found->base));
	image->length = found->length;
	return 0;
}

static int find_modules(const struct vm_config *config, struct guest_module *modules, char *why,
			size_t why_size)
{
	for (unsigned i = 0; i < config->module_count; i++) {
		int error = find_image("module", config->modules[i].path, &modules[i].image, why,
				       why_size);

		if (error != 0)
			return error;
		modules[i].arguments = config->modules[i].arguments;
	}
	return 0;
}

static int load(struct vm *vm, char *why, size_t why_size)
{
	const struct vm_config *config = vm->config;
	struct guest_module modules[CONFIG_MODULES_MAX];
	struct load_request request = {
		.vm = vm,
		.cmdline = config->cmdline,
		.modules = modules,
		.module_count = config->module_count,
	};
	struct load_entry entry;
	char sentence[LOAD_ERROR_MAX];
	int error;

	if ((error = find_image("kernel", config->kernel, &request.kernel, why, why_size)) != 0 ||
	    (error = find_image("initrd", config->initrd, &request.initrd, why, why_size)) != 0 ||
	    (error = find_modules(config, modules, why, why_size)) != 0)
		return error;
	error = load_guest(&request, &entry, sentence);
	if (error != 0) {
		hv_snprintf(why, why_size, "%s", sentence);
		return error;
	}
	load_apply_entry(vm->vcpus[0], &entry);
	log_info("vm %s: %s, %u vCPUs, %llu MiB", config->name, entry.protocol, config->vcpus,
		 (unsigned long long)(config->memory >> 20));
	return 0;
}

void guests_init(const struct boot_info *info)
{
	static const struct guest_ops ops = {
		.devices_create = devices_create,
		.devices_destroy = devices_destroy,
		.load = load,
	};

	boot_info = info;
	guest_ops = &ops;
}
