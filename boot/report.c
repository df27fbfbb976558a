/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/report.h"

#include "version.h"
#include "vmm/backend.h"
#include "vmm/console.h"
#include "vmm/platform.h"

#include <string.h>

#define COLUMNS 80
#define INDENT	"           "

/* "has        this, that, ..." in as many rows of COLUMNS as it takes. */
static void report_features(const char *title, bool present)
{
	const char *before = title;
	size_t column = 0;

	for (const struct backend_feature *f = backend->features(); f->name != NULL; f++) {
		size_t length = strlen(f->name) + 2;

		if (f->present != present)
			continue;
		if (column != 0 && column + length > COLUMNS) {
			before = ",\n" INDENT;
			column = 0;
		}
		console_printf("%s%s", before, f->name);
		column += column == 0 ? strlen(INDENT) + length : length;
		before = ", ";
	}
	if (column != 0)
		console_write("\n");
}

static void report_memory(const struct boot_info *info)
{
	static const char *const kinds[] = {"free", "boot", "hypervisor", "ACPI", "reserved"};

	for (uint32_t i = 0; i < info->memory_count; i++) {
		const struct boot_memory *range = &info->memory[i];

		console_printf("%s  %012llx-%012llx %8llu KiB  %s\n",
			       i == 0 ? "map      " : "         ", (unsigned long long)range->base,
			       (unsigned long long)(range->base + range->length - 1),
			       (unsigned long long)(range->length >> 10), kinds[range->kind]);
	}
}

/* The processor's own name: CPUID 80000002h to 80000004h. */
static void report_processor(void)
{
	uint32_t highest[4];
	char name[3 * 16 + 1] = "";

	platform_cpuid(0x80000000u, 0, highest);
	if (highest[0] < 0x80000004u)
		return;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t part[4];

		platform_cpuid(0x80000002u + i, 0, part);
		memcpy(name + i * sizeof(part), part, sizeof(part));
	}
	console_printf("processor  %s\n", name + strspn(name, " "));
}

void report_host(const struct boot_info *info)
{
	console_printf("bulkhead   " BULKHEAD_VERSION ", booted by %s\n", info->loader);
	console_printf("config     %s\n", info->config == 0 ? "none" : info->config_path);
	report_processor();
	console_printf("clock      %llu MHz\n", (unsigned long long)(platform_tick_hz() / 1000000));
	if (backend == NULL)
		console_write("backend    none: no VMs can run here\n");
	else
		console_printf("backend    %s\n", backend->name);
	if (backend != NULL) {
		report_features("has        ", true);
		report_features("lacks      ", false);
	}
	report_memory(info);
}
