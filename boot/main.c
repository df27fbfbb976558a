/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv_main(): the boot sequence, and the only place that knows everybody.
 */
#include "boot/main.h"

#include "boot/boot_info.h"
#include "boot/guests.h"
#include "boot/report.h"
#include "boot/serial.h"

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_power.h"
#include "arch/x86/apic.h"
#include "arch/x86/fault.h"
#include "arch/x86/idt.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/memory.h"
#include "arch/x86/panic_serial.h"
#include "arch/x86/percpu.h"
#include "arch/x86/rtc.h"
#include "arch/x86/smp.h"
#include "arch/x86/svm/backend.h"
#include "arch/x86/tsc.h"
#include "arch/x86/vmx/backend.h"
#include "version.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/log.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/shell.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <errno.h>
#include <string.h>

/* In the order in which they are tried. */
static const struct vcpu_backend *const backends[] = {&vmx_backend, &svm_backend};

static struct boot_info *boot_info;
static struct acpi_info acpi;
static struct config config;

/* ---- console ---- */

/* Before there is a console: as a fault report goes out. */
static void early_sink(enum log_level level, const char *line)
{
	(void)level;
	panic_serial_write(line);
	panic_serial_write("\n");
}

static void console_sink(enum log_level level, const char *line)
{
	if (level > LOG_DEBUG)
		console_notice(line);
}

static void start_console(void)
{
	serial_init(&acpi);
	log_set_sink(console_sink);
	cpu_set_background(console_busy, console_pump);
}

static void report(void)
{
	report_host(boot_info);
}

/* ---- virtualisation ---- */

/* Takes the first backend that fits this CPU, and says why where none does. */
static void choose_backend(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		const char *why = "";
		int error = backends[i]->probe(&why);

		if (error == 0) {
			backend = backends[i];
			log_info("virtualisation: %s", backend->name);
			return;
		}
		if (error != -ENODEV)
			log_error("%s cannot be used: %s", backends[i]->name, why);
	}
	log_error("no VMs can run: this CPU offers no virtualisation that Bulkhead can use");
}

/* A CPU without it would strand the vCPUs placed on it: the machine is not what its CPUID says. */
static void enable_backend(struct cpu *cpu)
{
	int error = backend == NULL ? 0 : backend->cpu_enable(cpu);

	if (error != 0)
		platform_panic("CPU %u refuses %s (error %d), which CPU 0 has", cpu->id,
			       backend->name, -error);
}

/* ---- VMs ---- */

static void config_mistake(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

/* Guests get what is free now, less what their tables and the hypervisor's own objects may take. */
static uint64_t memory_for_guests(void)
{
	uint64_t free = page_alloc_free_bytes();

	return free - min_u64(free, MIB(16) + free / 64);
}

static void read_config(void)
{
	const char *text;

	if (boot_info->config == 0) {
		log_warning("no configuration was found at %s: no VMs", boot_info->config_path);
		return;
	}
	text = platform_ram(hpa_make(boot_info->config));
	if (config_parse(&config, text, boot_info->config_length, boot_info->config_path,
			 config_mistake, NULL) != 0)
		log_error("%s: memory is too short to read it whole", boot_info->config_path);
	config_check_machine(&config, cpu_count, memory_for_guests(), boot_info->config_path,
			     config_mistake, NULL);
	if (config.errors != 0)
		log_error("%s: %u mistakes; VMs that have one are left out", boot_info->config_path,
			  config.errors);
}

static void start(struct vm *vm)
{
	char why[200];

	if (vm_start(vm, why, sizeof(why)) != 0)
		log_error("vm %s: not started: %s", vm->config->name, why);
	else
		log_info("vm %s: started", vm->config->name);
}

/* On the boot CPU, when a VM's memory is free again. */
static void vm_stopped(struct vm *vm)
{
	if (vm->restart) {
		log_info("vm %s: restarting: %s", vm->config->name, vm->stop_reason);
		start(vm);
		return;
	}
	if (console_attached() == vm)
		console_detach();
	log_info("vm %s: stopped: %s", vm->config->name, vm->stop_reason);
	if (config.host.power_off_when_idle && vm_running_count() == 0) {
		log_info("all VMs have stopped: powering off");
		console_flush();
		platform_power_off();
		log_error("the machine did not power off");
	}
}

static void create_vms(void)
{
	struct vm *vm;

	if (backend == NULL)
		return;
	cpuid_policy_init();
	guests_init(boot_info);
	vm_set_stopped_hook(vm_stopped);
	for (unsigned i = 0; i < config.vm_count; i++) {
		if (vm_create(config.vms[i], &vm) != 0)
			log_error("vm %s: no memory for it", config.vms[i]->name);
	}
}

static void start_vms(void)
{
	for (struct vm *vm = vm_first(); vm != NULL; vm = vm->next) {
		if (vm->config->autostart)
			start(vm);
	}
}

/* ---- the sequence ---- */

static const void *map_acpi(void *context, uint64_t address, uint64_t length)
{
	(void)context;
	return memory_map_firmware(hpa_make(address), length);
}

static void read_acpi(void)
{
	static const struct acpi_reader reader = {.map = map_acpi};

	if (acpi_parse(boot_info->rsdp, &reader, &acpi) != 0)
		log_warning("no ACPI tables: CPUs as the loader found them, no power-off");
}

/* The loader's complaints belong into the log, where the user looks. */
static void log_loader_messages(void)
{
	char *text = boot_info->messages;

	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		bool last = text[length] == '\0';

		text[length] = '\0';
		log_warning("%s", text);
		text += length + (last ? 0 : 1);
	}
}

/* Every other CPU comes here on its own stack, its local APIC enabled. */
static void ap_main(struct cpu *cpu)
{
	machine_check_cpu_enable();
	enable_backend(cpu);
	cpu_main(cpu);
}

/* The boot CPU, on its own stack. */
static void boot_cpu_main(struct cpu *cpu)
{
	apic_init(&acpi);
	fault_set_stop_others(apic_send_nmi_others);
	ioapic_init(&acpi);
	tsc_init(&acpi);
	rtc_init(&acpi);
	apic_timer_init();
	acpi_power_init(&acpi);
	start_console();
	log_loader_messages();
	choose_backend();
	machine_check_cpu_enable();
	enable_backend(cpu);
	smp_start_all(&acpi, boot_info, ap_main);
	serial_start_interrupts(&acpi);
	read_config();
	create_vms();
	shell_set_host_report(report);
	console_start_shell();
	start_vms();
	cpu_main(cpu);
}

void hv_main(struct boot_info *info)
{
	const char *why;
	struct cpu *cpu;

	idt_init();
	log_set_sink(early_sink);
	log_info("Bulkhead " BULKHEAD_VERSION ", booted by %.31s", info->loader);
	if (boot_info_check(info, &why) != 0)
		platform_panic("the loader handed over nonsense: %s", why);
	boot_info = memory_init(info);
	read_acpi();
	cpu = percpu_create(0, 0);
	if (cpu == NULL)
		platform_panic("no memory for the boot CPU");
	percpu_load(cpu);
	percpu_switch_stack(cpu, boot_cpu_main);
}
