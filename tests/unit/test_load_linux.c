/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/load: the common part, Linux kernels and flat binaries. */
#include "guest/load/load.h"

#include "vmm/heap.h"
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "guest/layout.h"
#include "fake_guest.h"
#include "fake_heap.h"
#include "fake_platform.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define KERNEL_SECTORS 3 /* boot sector and two of setup */
#define KERNEL_CODE    4096
#define KERNEL_LENGTH  (KERNEL_SECTORS * 512 + KERNEL_CODE)

static struct vm *vm;
static uint8_t kernel[KERNEL_LENGTH];
static uint8_t initrd[5000];
static struct load_request request;
static struct load_entry entry;
static char error[LOAD_ERROR_MAX];

static struct setup_header *header(void)
{
	return (struct setup_header *)(kernel + 0x1f1);
}

/* A kernel as current ones are: 64-bit entry, relocatable, wants 2 MiB at 16 MiB. */
static int setup(void **state)
{
	(void)state;
	vm = fake_guest_create(MIB(32));
	memset(kernel, 0x90, sizeof(kernel));
	memset(kernel, 0, KERNEL_SECTORS * 512);
	memset(initrd, 0x11, sizeof(initrd));
	kernel[0x1fe] = 0x55;
	kernel[0x1ff] = 0xaa;
	kernel[0x200] = 0xeb;
	kernel[0x201] = (uint8_t)(0x1f1 + sizeof(struct setup_header) - 0x202);
	memcpy(kernel + 0x202, "HdrS", 4);
	header()->setup_sects = KERNEL_SECTORS - 1;
	header()->syssize = KERNEL_CODE / 16;
	header()->version = 0x20f;
	header()->loadflags = LOADED_HIGH;
	header()->initrd_addr_max = 0x7fffffff;
	header()->kernel_alignment = MIB(2);
	header()->relocatable_kernel = 1;
	header()->xloadflags = XLF_KERNEL_64;
	header()->cmdline_size = 100;
	header()->pref_address = MIB(16);
	header()->init_size = MIB(2);
	request = (struct load_request){
		.vm = vm,
		.kernel = {kernel, sizeof(kernel)},
		.cmdline = "console=ttyS0",
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static const struct boot_params *params(void)
{
	return (const struct boot_params *)(fake_guest_ram() + entry.rsi);
}

static void load(void)
{
	assert_int_equal(load_guest(&request, &entry, error), 0);
	assert_string_equal(error, "");
}

static void assert_refused(int result, const char *words)
{
	assert_int_equal(load_guest(&request, &entry, error), result);
	if (!strstr(error, words))
		fail_msg("\"%s\" does not say \"%s\"", error, words);
}

static void loads_a_kernel_where_it_prefers(void **state)
{
	(void)state;
	load();
	assert_int_equal(entry.mode, LOAD_LONG64);
	assert_int_equal(entry.rip, MIB(16) + 0x200);
	assert_memory_equal(fake_guest_ram() + MIB(16), kernel + KERNEL_SECTORS * 512, KERNEL_CODE);
	assert_int_equal(fake_guest_ram()[MIB(16) + KERNEL_CODE], 0);
}

static void passes_what_the_protocol_asks_for(void **state)
{
	(void)state;
	load();
	assert_string_equal(fake_guest_ram() + params()->hdr.cmd_line_ptr, "console=ttyS0");
	assert_int_equal(params()->hdr.type_of_loader, 0xff);
	assert_int_equal(params()->hdr.code32_start, MIB(16));
	assert_int_equal(params()->hdr.ramdisk_size, 0);
	assert_int_equal(params()->sentinel, 0);
	assert_int_equal(params()->acpi_rsdp_addr, GUEST_ACPI_BASE);
	assert_memory_equal(fake_guest_ram() + GUEST_ACPI_BASE, "RSD PTR ", 8);
	assert_memory_equal(fake_guest_ram() + GUEST_SMBIOS_BASE, "_SM3_", 5);
}

static void leaves_a_bios_data_area(void **state)
{
	const uint8_t *ram = fake_guest_ram();

	(void)state;
	load();
	assert_int_equal(ram[0x400] | ram[0x401] << 8, PORT_COM1);
	assert_int_equal(ram[0x40e] | ram[0x40f] << 8, 0x9fc0);
	assert_int_equal(ram[0x413] | ram[0x414] << 8, 639);
	assert_int_equal(ram[0x9fc00], 1);
}

static void describes_memory(void **state)
{
	uint64_t ram = 0, end = 0;

	(void)state;
	vm->ram_high = GIB(1);
	load();
	for (unsigned i = 0; i < params()->e820_entries; i++) {
		assert_true(params()->e820_table[i].addr >= end);
		end = params()->e820_table[i].addr + params()->e820_table[i].size;
		if (params()->e820_table[i].type == 1)
			ram += params()->e820_table[i].size;
	}
	assert_int_equal(end, GIB(5));
	assert_int_equal(ram, 0x9fc00 + MIB(31) + GIB(1));
}

static void keeps_an_old_header_to_what_it_has(void **state)
{
	(void)state;
	header()->version = 0x206;
	header()->relocatable_kernel = 0;
	kernel[0x201] = 0x23c - 0x202; /* the header ends behind cmdline_size */
	load();
	assert_int_equal(entry.mode, LOAD_PROTECTED32);
	assert_int_equal(entry.rip, MIB(1));
	assert_int_equal(params()->hdr.init_size, 0);
	assert_int_equal(params()->hdr.pref_address, 0);
}

static void enters_a_kernel_without_64_bit_entry_in_32_bits(void **state)
{
	(void)state;
	header()->xloadflags = 0;
	load();
	assert_int_equal(entry.mode, LOAD_PROTECTED32);
	assert_int_equal(entry.rip, MIB(16));
}

static void puts_the_initrd_high(void **state)
{
	(void)state;
	request.initrd = (struct guest_image){initrd, sizeof(initrd)};
	load();
	assert_int_equal(params()->hdr.ramdisk_image, MIB(32) - 8192);
	assert_int_equal(params()->hdr.ramdisk_size, sizeof(initrd));
	assert_memory_equal(fake_guest_ram() + MIB(32) - 8192, initrd, sizeof(initrd));
	header()->initrd_addr_max = MIB(24) - 1;
	load();
	assert_int_equal(params()->hdr.ramdisk_image, MIB(24) - 8192);
}

static void relocates_a_kernel_in_little_memory(void **state)
{
	(void)state;
	vm->ram_low = MIB(16);
	load();
	assert_int_equal(entry.rip, MIB(2) + 0x200);
	header()->relocatable_kernel = 0;
	assert_refused(-ENOSPC, "kernel: needs 2 MiB at 0x1000000, but the guest has 16 MiB");
	header()->relocatable_kernel = 1;
	vm->ram_low = MIB(3);
	assert_refused(-ENOSPC, "needs 2 MiB at 0x200000");
}

static void refuses_an_initrd_that_does_not_fit(void **state)
{
	(void)state;
	request.initrd = (struct guest_image){initrd, sizeof(initrd)};
	header()->init_size = MIB(16);
	assert_refused(-ENOSPC, "initrd: is");
	header()->init_size = MIB(16) - 4096;
	assert_refused(-ENOSPC, "room for 4 KiB");
	header()->init_size = MIB(16) - 8192;
	load();
}

static void refuses_broken_kernels(void **state)
{
	(void)state;
	request.kernel.length = sizeof(kernel) - 16;
	assert_refused(-ENOEXEC, "truncated");
	request.kernel.length = 0x240;
	assert_refused(-ENOEXEC, "truncated inside its setup header");
	request.kernel.length = 0;
	assert_refused(-ENOEXEC, "empty");
	request.kernel.length = sizeof(kernel);
	header()->syssize = UINT32_MAX;
	assert_refused(-ENOEXEC, "truncated or corrupt");
	header()->syssize = KERNEL_CODE / 16;
	header()->version = 0x205;
	assert_refused(-ENOEXEC, "boot protocol 2.05");
	header()->version = 0x20f;
	header()->loadflags = 0;
	assert_refused(-ENOEXEC, "zImage");
	header()->loadflags = LOADED_HIGH;
	header()->kernel_alignment = 3;
	assert_refused(-ENOEXEC, "alignment 0x3");
	header()->kernel_alignment = 0;
	assert_refused(-ENOEXEC, "alignment 0x0");
	header()->kernel_alignment = 4096;
	header()->pref_address = UINT64_MAX - 100;
	load();
	assert_int_equal(entry.rip, MIB(1) + 0x200);
	header()->relocatable_kernel = 0;
	assert_refused(-ENOSPC, "kernel: needs");
	kernel[0x202] = 'h';
	assert_refused(-ENOEXEC, "not a format");
}

static void refuses_a_long_command_line(void **state)
{
	static char cmdline[102];

	(void)state;
	memset(cmdline, 'x', sizeof(cmdline));
	cmdline[101] = '\0';
	request.cmdline = cmdline;
	assert_refused(-E2BIG, "cmdline: has 101 characters; this kernel takes at most 100");
	cmdline[100] = '\0';
	load();
}

static void refuses_modules_for_linux(void **state)
{
	static const struct guest_module module = {{initrd, sizeof(initrd)}, ""};

	(void)state;
	request.modules = &module;
	request.module_count = 1;
	assert_refused(-EINVAL, "use initrd");
}

static void survives_a_full_heap(void **state)
{
	(void)state;
	for (int i = 0;; i++) {
		int result;

		fake_heap_fail_after(i);
		result = load_guest(&request, &entry, error);
		fake_heap_fail_after(-1);
		if (result == 0) {
			assert_true(i > 0);
			return;
		}
		assert_int_equal(result, -ENOMEM);
		assert_string_not_equal(error, "");
	}
}

static void runs_flat_binaries_at_1_mib(void **state)
{
	static const uint8_t code[] = {0xf4, 0xeb, 0xfd};

	(void)state;
	request.kernel = (struct guest_image){code, sizeof(code)};
	load();
	assert_int_equal(entry.mode, LOAD_LONG64);
	assert_int_equal(entry.rip, MIB(1));
	assert_int_equal(entry.rsi, GUEST_ACPI_BASE);
	assert_memory_equal(fake_guest_ram() + MIB(1), code, sizeof(code));
	vm->ram_low = MIB(1);
	assert_refused(-ENOSPC, "needs");
}

static void refuses_what_is_clearly_no_program(void **state)
{
	static const char text[] = "[vm web]\nkernel = /vmlinuz\n";
	static const uint8_t gzip[20] = {0x1f, 0x8b, 8};
	static const uint8_t zeros[100];

	(void)state;
	request.kernel = (struct guest_image){text, sizeof(text) - 1};
	assert_refused(-ENOEXEC, "not a format");
	request.kernel = (struct guest_image){gzip, sizeof(gzip)};
	assert_refused(-ENOEXEC, "not a format");
	request.kernel = (struct guest_image){zeros, sizeof(zeros)};
	assert_refused(-ENOEXEC, "not a format");
}

/* ---- registers ---- */

static uint64_t regs[REG_COUNT];
static struct segment segments[SEG_COUNT];

static void fake_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	(void)vcpu;
	regs[reg] = value;
}

static void fake_set_seg(struct vcpu *vcpu, enum vcpu_seg seg, const struct segment *segment)
{
	(void)vcpu;
	segments[seg] = *segment;
}

static const struct vcpu_backend fake_backend = {.set_reg = fake_set_reg, .set_seg = fake_set_seg};
const struct vcpu_backend *backend = &fake_backend;

/* What the CPU would load for a selector: the GDT must say what the hidden parts say. */
static void assert_segment_matches_gdt(enum vcpu_seg seg)
{
	uint64_t descriptor;

	assert_in_range(segments[seg].selector, 8, segments[SEG_GDTR].limit - 7);
	memcpy(&descriptor, fake_guest_ram() + segments[SEG_GDTR].base + segments[seg].selector, 8);
	assert_int_equal(descriptor >> 40 & 0xf0ff, segments[seg].attributes);
	assert_int_equal(descriptor & 0xffff, 0xffff);
	assert_int_equal(descriptor >> 48 & 0xf, 0xf);
	assert_int_equal(segments[seg].base, 0);
}

/* SDM 3A, 4.5.4: the walk of a 2 MiB page. */
static uint64_t walk(uint64_t linear)
{
	uint64_t table = regs[REG_CR3], entry_value = 0;

	for (int shift = 39; shift >= 21; shift -= 9) {
		memcpy(&entry_value, fake_guest_ram() + table + (linear >> shift & 511) * 8, 8);
		assert_int_equal(entry_value & 3, 3);
		table = entry_value & 0xffffffffff000;
	}
	assert_true(entry_value & 1 << 7);
	return table + (linear & (MIB(2) - 1));
}

static void starts_in_long_mode(void **state)
{
	struct vcpu *vcpu = fake_guest_vcpu();

	(void)state;
	load();
	vcpu->gpr[GPR_R15] = 1;
	load_apply_entry(vcpu, &entry);
	assert_int_equal(regs[REG_CR0] & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
	assert_int_equal(regs[REG_CR4], CR4_PAE);
	assert_int_equal(regs[REG_EFER], EFER_LME | EFER_LMA);
	assert_int_equal(segments[SEG_CS].selector, 0x10);
	assert_int_equal(segments[SEG_DS].selector, 0x18);
	assert_true(segments[SEG_CS].attributes & SEG_ATTR_LONG);
	assert_segment_matches_gdt(SEG_CS);
	assert_segment_matches_gdt(SEG_SS);
	assert_int_equal(vcpu->rflags, RFLAGS_FIXED);
	assert_int_equal(vcpu->rip, MIB(16) + 0x200);
	assert_int_equal(vcpu->gpr[GPR_RSI], entry.rsi);
	assert_int_equal(vcpu->gpr[GPR_R15], 0);
	for (uint64_t address = 0; address < GIB(4); address += MIB(126) + 0x1234)
		assert_int_equal(walk(address), address);
}

static void starts_in_protected_mode(void **state)
{
	(void)state;
	header()->xloadflags = 0;
	load();
	load_apply_entry(fake_guest_vcpu(), &entry);
	assert_int_equal(regs[REG_CR0] & (CR0_PE | CR0_PG), CR0_PE);
	assert_int_equal(regs[REG_EFER], 0);
	assert_true(segments[SEG_CS].attributes & SEG_ATTR_DEFAULT_32);
	assert_segment_matches_gdt(SEG_CS);
	assert_segment_matches_gdt(SEG_ES);
	assert_int_equal(segments[SEG_CS].limit, UINT32_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loads_a_kernel_where_it_prefers),
		TEST(passes_what_the_protocol_asks_for),
		TEST(leaves_a_bios_data_area),
		TEST(describes_memory),
		TEST(keeps_an_old_header_to_what_it_has),
		TEST(enters_a_kernel_without_64_bit_entry_in_32_bits),
		TEST(puts_the_initrd_high),
		TEST(relocates_a_kernel_in_little_memory),
		TEST(refuses_an_initrd_that_does_not_fit),
		TEST(refuses_broken_kernels),
		TEST(refuses_a_long_command_line),
		TEST(refuses_modules_for_linux),
		TEST(survives_a_full_heap),
		TEST(runs_flat_binaries_at_1_mib),
		TEST(refuses_what_is_clearly_no_program),
		TEST(starts_in_long_mode),
		TEST(starts_in_protected_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
