/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shell can do. Tables fit 80 columns. */
#include "vmm/shell_commands.h"

#include "vmm/console.h"
#include "vmm/cpu.h"
#include "vmm/format.h"
#include "vmm/heap.h"
#include "vmm/log.h"
#include "vmm/page_alloc.h"
#include "vmm/platform.h"
#include "vmm/shell.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static void (*host_report)(void);

void shell_set_host_report(void (*report)(void))
{
	host_report = report;
}

/* The VM that an argument names; says so where there is none. */
static struct vm *find_vm(const char *name)
{
	struct vm *vm = vm_find(name);

	if (vm == NULL)
		console_printf("%.40s: no such VM; `list` shows them\n", name);
	return vm;
}

static void run_help(unsigned count, char *args[])
{
	const struct shell_command *command;

	if (count == 1) {
		command = shell_find_command(args[0]);
		if (command == NULL)
			console_printf("%.40s: no such command; `help` lists them\n", args[0]);
		else
			console_printf("%s %s\n  %s\n", command->name, command->usage,
				       command->help);
		return;
	}
	for (unsigned i = 0; i < shell_command_count; i++) {
		char left[32];

		hv_snprintf(left, sizeof(left), "%s %s", shell_commands[i].name,
			    shell_commands[i].usage);
		console_printf("  %-20s %s\n", left, shell_commands[i].help);
	}
	console_write(
		"Keys: Tab completes, Up and Down recall, Ctrl-U erases; Ctrl-] leaves a VM's "
		"console.\n");
}

/* "0-1,4" of the host CPUs that a VM's vCPUs are on. */
static void format_cpus(const struct vm *vm, char *text, size_t size)
{
	struct cpu_mask used = {{0}};
	size_t length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		cpu_mask_set(&used, vm->vcpus[i]->cpu->id);
	for (unsigned i = 0; i < cpu_count && length < size; i++) {
		unsigned last = i;

		if (!cpu_mask_test(&used, i))
			continue;
		while (last + 1 < cpu_count && cpu_mask_test(&used, last + 1))
			last++;
		length += (size_t)hv_snprintf(text + length, size - length,
					      last == i ? "%s%u" : "%s%u-%u",
					      length == 0 ? "" : ",", i, last);
		i = last;
	}
}

static void run_list(unsigned count, char *args[])
{
	(void)count;
	(void)args;
	if (vm_first() == NULL) {
		console_write("no VMs: the configuration names none\n");
		return;
	}
	console_write("VM               STATE     VCPUS  CPUS      MEMORY  STOPPED BECAUSE\n");
	for (struct vm *vm = vm_first(); vm != NULL; vm = vm->next) {
		char host_cpus[10];
		char memory[FORMAT_SIZE_MAX];
		char row[80 + 1];

		/* What does not fit is the reason's end; `info` shows it whole. */
		format_cpus(vm, host_cpus, sizeof(host_cpus));
		hv_snprintf(row, sizeof(row), "%-16.16s %-8s %6u  %-6s %9s  %s", vm->config->name,
			    vm_state_name(vm), vm->config->vcpus, host_cpus,
			    format_size(memory, vm->config->memory), vm->stop_reason);
		console_printf("%s\n", row);
	}
}

static const char *activity_name(const struct vcpu *vcpu)
{
	static const char *const names[] = {"active", "halted", "waits for start-up"};

	return names[vcpu->activity];
}

static void run_info(unsigned count, char *args[])
{
	struct vm *vm = find_vm(args[0]);
	char size[FORMAT_SIZE_MAX];

	(void)count;
	if (vm == NULL)
		return;
	console_printf("name      %s\nstate     %s\n", vm->config->name, vm_state_name(vm));
	if (vm->stop_reason[0] != '\0')
		console_printf("reason    %s\n", vm->stop_reason);
	console_printf("memory    %s\n", format_size(size, vm->config->memory));
	console_printf("kernel    %s\n", vm->config->kernel);
	if (vm->config->initrd[0] != '\0')
		console_printf("initrd    %s\n", vm->config->initrd);
	/* Longer than console_printf() takes. */
	console_write("cmdline   ");
	console_write(vm->config->cmdline);
	console_write("\n");
	console_printf("autostart %s\n", vm->config->autostart ? "yes" : "no");
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu *vcpu = vm->vcpus[i];

		console_printf(
			"vcpu %-4u host CPU %u, %s, rip 0x%llx, ran %llu ms\n", i, vcpu->cpu->id,
			activity_name(vcpu), (unsigned long long)vcpu->rip,
			(unsigned long long)(timer_ticks_to_ns(vcpu->stats.run_ticks) / 1000000));
	}
}

static void run_start(unsigned count, char *args[])
{
	struct vm *vm = find_vm(args[0]);
	char why[160];

	(void)count;
	if (vm == NULL)
		return;
	if (vm_start(vm, why, sizeof(why)) != 0)
		console_printf("vm %s: not started: %s\n", vm->config->name, why);
	else
		console_printf("vm %s: started\n", vm->config->name);
}

static void run_destroy(unsigned count, char *args[])
{
	struct vm *vm = find_vm(args[0]);

	(void)count;
	if (vm != NULL && atomic_load(&vm->state) == VM_STOPPED)
		console_printf("vm %s: is stopped already\n", vm->config->name);
	else if (vm != NULL)
		vm_destroy(vm);
}

static void reboot_host(void)
{
	console_write("The machine restarts.\n");
	console_flush();
	platform_reset();
	console_write("The machine did not restart: its firmware names no way that works.\n");
}

static void power_off_host(void)
{
	console_write("The machine powers off.\n");
	console_flush();
	platform_power_off();
	console_write("The machine did not power off: its firmware names no way that works.\n");
}

/* Asks first while VMs run: they lose what they have not written. */
static void unless_running(const char *what, void (*act)(void))
{
	unsigned running = vm_running_count();
	char question[80];

	if (running == 0) {
		act();
		return;
	}
	hv_snprintf(question, sizeof(question), "%u VM%s running. %s anyway?", running,
		    running == 1 ? " is" : "s are", what);
	shell_confirm(question, act);
}

static void run_reboot(unsigned count, char *args[])
{
	struct vm *vm;

	if (count == 0) {
		unless_running("Restart the machine", reboot_host);
		return;
	}
	vm = find_vm(args[0]);
	if (vm != NULL && atomic_load(&vm->state) != VM_RUNNING)
		console_printf("vm %s: is not running; `start %s` starts it\n", vm->config->name,
			       vm->config->name);
	else if (vm != NULL)
		vm_restart(vm, "rebooted");
}

static void run_poweroff(unsigned count, char *args[])
{
	(void)count;
	(void)args;
	unless_running("Power the machine off", power_off_host);
}

static void run_console(unsigned count, char *args[])
{
	struct vm *vm = find_vm(args[0]);

	(void)count;
	if (vm == NULL)
		return;
	console_printf("[attached to %s, which is %s; Ctrl-] detaches]\n", vm->config->name,
		       vm_state_name(vm));
	console_attach(vm);
}

static void run_stats(unsigned count, char *args[])
{
	struct vm *vm = find_vm(args[0]);

	(void)count;
	if (vm == NULL)
		return;
	console_write("EXITS                 ");
	for (unsigned i = 0; i < vm->vcpu_count && i < 4; i++)
		console_printf("        vcpu %u", i);
	console_write("\n");
	for (unsigned kind = 0; kind < EXIT_KINDS; kind++) {
		uint64_t total = 0;

		for (unsigned i = 0; i < vm->vcpu_count; i++)
			total += vm->vcpus[i]->stats.exits[kind];
		if (total == 0)
			continue;
		console_printf("%-22s", exit_kind_name(kind));
		for (unsigned i = 0; i < vm->vcpu_count && i < 4; i++)
			console_printf(" %13llu",
				       (unsigned long long)vm->vcpus[i]->stats.exits[kind]);
		console_write("\n");
	}
	console_printf("unclaimed accesses: ports %llu reads, %llu writes; memory %llu reads, %llu "
		       "writes\n",
		       (unsigned long long)atomic_load(&vm->ports.unclaimed_reads),
		       (unsigned long long)atomic_load(&vm->ports.unclaimed_writes),
		       (unsigned long long)atomic_load(&vm->mmio.unclaimed_reads),
		       (unsigned long long)atomic_load(&vm->mmio.unclaimed_writes));
}

static void run_host(unsigned count, char *args[])
{
	(void)count;
	(void)args;
	if (host_report != NULL)
		host_report();
	console_printf("memory     %llu MiB managed, %llu MiB free, %llu KiB for the hypervisor's "
		       "objects\n",
		       (unsigned long long)(page_alloc_total() >> 20),
		       (unsigned long long)(page_alloc_free_bytes() >> 20),
		       (unsigned long long)(heap_bytes_used() >> 10));
	for (struct vm *vm = vm_first(); vm != NULL; vm = vm->next)
		console_printf(
			"vm %-7.7s %llu MiB of RAM, %llu KiB of nested page tables, %d KiB of "
			"console ring\n",
			vm->config->name, (unsigned long long)((vm->ram_low + vm->ram_high) >> 20),
			(unsigned long long)(vm_table_bytes(vm) >> 10),
			VM_CONSOLE_RING_BYTES / 1024);
	for (unsigned i = 0; i < cpu_count; i++)
		console_printf(
			"cpu %-6u APIC ID %u, %u vCPUs placed, idle for %llu ms\n", i,
			cpus[i]->apic_id, cpus[i]->placed,
			(unsigned long long)(timer_ticks_to_ns(cpus[i]->idle_ticks) / 1000000));
}

static void print_line(void *context, enum log_level level, const char *line)
{
	(void)context;
	(void)level;
	console_write(line);
	console_write("\n");
}

static void run_dmesg(unsigned count, char *args[])
{
	(void)count;
	(void)args;
	log_for_each(print_line, NULL);
}

const struct shell_command shell_commands[] = {
	{"help", "[COMMAND]", "the commands, or what one does", 0, 1, SHELL_COMMAND, run_help},
	{"list", "", "the VMs and their state", 0, 0, SHELL_NOTHING, run_list},
	{"info", "VM", "one VM in detail", 1, 1, SHELL_VM, run_info},
	{"start", "VM", "start a stopped VM", 1, 1, SHELL_VM, run_start},
	{"destroy", "VM", "stop a VM at once", 1, 1, SHELL_VM, run_destroy},
	{"reboot", "[VM]", "restart a VM, or the machine", 0, 1, SHELL_VM, run_reboot},
	{"console", "VM", "attach to a VM's console; Ctrl-] detaches", 1, 1, SHELL_VM, run_console},
	{"stats", "VM", "how often a VM left its guest, and why", 1, 1, SHELL_VM, run_stats},
	{"host", "", "CPUs, features and memory of the machine", 0, 0, SHELL_NOTHING, run_host},
	{"dmesg", "", "the hypervisor's log", 0, 0, SHELL_NOTHING, run_dmesg},
	{"poweroff", "", "power the machine off", 0, 0, SHELL_NOTHING, run_poweroff},
};

const unsigned shell_command_count = ARRAY_SIZE(shell_commands);
