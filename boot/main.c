/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints what the machine's firmware handed over on COM1 and halts. */
#include "boot/boot_info.h"

#include "arch/x86/control.h"
#include "arch/x86/io.h"
#include "vmm/format.h"

#include <string.h>

#define COM1 0x3f8

void hv_main(struct boot_info *info);

static void com1_write(const char *text)
{
	for (; *text != 0; text++) {
		while ((io_in8(COM1 + 5) & 0x20) == 0)
			cpu_pause();
		io_out8(COM1, (uint8_t)*text);
	}
}

HV_PRINTF(1, 2) static void print(const char *format, ...)
{
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	com1_write(line);
}

static void print_memory(const struct boot_info *info)
{
	static const char *const kinds[] = {"free", "boot", "hypervisor", "acpi", "reserved"};

	for (uint32_t i = 0; i < info->memory_count; i++)
		print("  %016llx + %012llx %s\r\n", (unsigned long long)info->memory[i].base,
		      (unsigned long long)info->memory[i].length, kinds[info->memory[i].kind]);
}

void hv_main(struct boot_info *info)
{
	const char *why;
	int error = boot_info_check(info, &why);

	print("\r\nBulkhead, booted by %s: %s\r\n", info->loader, error == 0 ? "valid" : why);
	print_memory(info);
	for (uint32_t i = 0; i < info->image_count; i++) {
		const uint8_t *p = (const uint8_t *)info->images[i].base;
		unsigned sum = 0;

		for (uint64_t at = 0; at < info->images[i].length; at++)
			sum += p[at];
		print("image %s at %llx, %llu bytes, sum %u\r\n", info->images[i].path,
		      (unsigned long long)info->images[i].base,
		      (unsigned long long)info->images[i].length, sum);
	}
	for (uint32_t i = 0; i < info->cpu_count; i++)
		print("cpu apic %u\r\n", info->cpu_apic_ids[i]);
	print("rsdp %llx smbios %llx framebuffer %llx %ux%u pitch %u format %u\r\n",
	      (unsigned long long)info->rsdp, (unsigned long long)info->smbios,
	      (unsigned long long)info->framebuffer.base, info->framebuffer.width,
	      info->framebuffer.height, info->framebuffer.pitch, info->framebuffer.format);
	print("config %llx, %llu bytes, %s\r\n", (unsigned long long)info->config,
	      (unsigned long long)info->config_length, info->config_path);
	print("hypervisor %llx + %llx\r\n", (unsigned long long)info->hypervisor_base,
	      (unsigned long long)info->hypervisor_length);
	print("messages:\r\n%sHALT\r\n", info->messages);
	for (;;) {
		cpu_cli();
		cpu_hlt();
	}
}
