/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes config_parse() and config_for_each_file() with one text, and checks what they promise each
 * other: every mistake is counted, what is taken is within the limits, and the loader has read
 * every file that a taken VM names.
 */
#include "vmm/config.h"
#include "vmm/heap.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned mistakes;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void count_mistake(void *context, const char *message)
{
	require(context == &mistakes && strncmp(message, "f:", 2) == 0);
	mistakes++;
}

struct search {
	const char *path;
	bool found;
};

static void compare(void *context, const char *path)
{
	struct search *search = context;

	require(path[0] != '\0' && strlen(path) < CONFIG_PATH_MAX);
	if (strcmp(path, search->path) == 0)
		search->found = true;
}

static void require_loaded(const char *text, size_t size, const char *path)
{
	struct search search = {.path = path};

	config_for_each_file(text, size, compare, &search);
	require(path[0] == '\0' || search.found);
}

static void check_vm(const char *text, size_t size, const struct vm_config *vm)
{
	require(vm->name[0] != '\0' && vm->vcpus >= 1 && vm->vcpus <= CONFIG_VCPUS_MAX);
	require(vm->memory >= CONFIG_MEMORY_MIN && vm->memory <= CONFIG_MEMORY_MAX);
	require(vm->memory % MIB(1) == 0 && !cpu_mask_empty(&vm->cpus));
	require(vm->kernel[0] != '\0' && vm->module_count <= CONFIG_MODULES_MAX);
	require(vm->debug_exit >= -1 && vm->debug_exit <= 0xffff);
	require_loaded(text, size, vm->kernel);
	require_loaded(text, size, vm->initrd);
	for (unsigned i = 0; i < vm->module_count; i++)
		require_loaded(text, size, vm->modules[i].path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	char *text = malloc(size > 0 ? size : 1);

	if (text == NULL)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	mistakes = 0;
	require(config_parse(&config, text, size, "f", count_mistake, &mistakes) == 0);
	require(config.errors == mistakes && config.vm_count <= CONFIG_VMS_MAX);
	require_loaded(text, size, "");
	for (unsigned i = 0; i < config.vm_count; i++) {
		for (unsigned j = 0; j < i; j++)
			require(strcmp(config.vms[i]->name, config.vms[j]->name) != 0);
		check_vm(text, size, config.vms[i]);
	}
	config_check_machine(&config, 4, GIB(1), "f", count_mistake, &mistakes);
	require(config.errors == mistakes);
	config_destroy(&config);
	require(heap_bytes_used() == 0);
	free(text);
	return 0;
}
