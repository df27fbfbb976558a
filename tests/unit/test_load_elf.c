/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/load: ELF files, PVH, multiboot 1 and 2. */
#include "guest/load/load.h"

#include "vmm/heap.h"
#include "guest/layout.h"
#include "fake_guest.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/*
 * The images are all made in this one file: headers in the first 512 bytes, the multiboot header at
 * 512, notes at 1024, code from 2048 on. The code is to lie at 2 MiB.
 */
#define HEADER_AT   512
#define NOTE_AT	    1024
#define CODE_AT	    2048
#define CODE_LENGTH 1000
#define MEMORY	    5000
#define LOADED_AT   MIB(2)
#define ENTRY	    (LOADED_AT + 0x10)

static struct vm *vm;
static uint8_t file[CODE_AT + CODE_LENGTH];
static struct load_request request;
static struct load_entry entry;
static char error[LOAD_ERROR_MAX];

static int setup(void **state)
{
	(void)state;
	vm = fake_guest_create(MIB(16));
	memset(file, 0, CODE_AT);
	for (unsigned i = 0; i < CODE_LENGTH; i++)
		file[CODE_AT + i] = (uint8_t)(i * 7 + 1);
	request = (struct load_request){
		.vm = vm, .kernel = {file, sizeof(file)}, .cmdline = "one two=3"};
	/* What the image's zeroed memory must not keep. */
	memset(fake_guest_ram() + LOADED_AT, 0xcc, 8192);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static Elf64_Ehdr *header64(void)
{
	return (Elf64_Ehdr *)file;
}

static Elf64_Phdr *segments64(void)
{
	return (Elf64_Phdr *)(file + sizeof(Elf64_Ehdr));
}

/* An ELF64 file with one loadable segment and one of notes. */
static void make_elf64(void)
{
	*header64() = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = UINT64_C(0xffffffff80000010),
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	segments64()[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = CODE_AT,
		.p_vaddr = UINT64_C(0xffffffff80000000),
		.p_paddr = LOADED_AT,
		.p_filesz = CODE_LENGTH,
		.p_memsz = MEMORY,
	};
	segments64()[1] =
		(Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 64, .p_align = 4};
}

static void make_elf32(void)
{
	Elf32_Phdr *segments = (Elf32_Phdr *)(file + sizeof(Elf32_Ehdr));

	*(Elf32_Ehdr *)file = (Elf32_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = ENTRY,
		.e_phoff = sizeof(Elf32_Ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	segments[0] = (Elf32_Phdr){
		.p_type = PT_LOAD,
		.p_offset = CODE_AT,
		.p_vaddr = LOADED_AT,
		.p_paddr = LOADED_AT,
		.p_filesz = CODE_LENGTH,
		.p_memsz = MEMORY,
	};
	segments[1] =
		(Elf32_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 64, .p_align = 4};
}

static void put(unsigned at, const uint32_t *words, unsigned count)
{
	memcpy(file + at, words, count * sizeof(*words));
}

/* Two notes, the second of which names the entry. */
static void make_pvh(uint32_t start)
{
	const uint32_t notes[] = {4, 3, 6,  0x006e6558, 0x00332e34, /* Xen 6: "4.3" */
				  4, 4, 18, 0x006e6558, start};

	make_elf64();
	put(NOTE_AT, notes, ARRAY_SIZE(notes));
}

static void put_multiboot1(uint32_t flags)
{
	const uint32_t header[] = {0x1badb002, flags, -(0x1badb002 + flags)};

	put(HEADER_AT, header, ARRAY_SIZE(header));
}

/* Where the header lies when the code at CODE_AT lies at LOADED_AT. */
#define HEADER_ADDRESS (LOADED_AT - (CODE_AT - HEADER_AT))

static void put_multiboot1_addresses(uint32_t load, uint32_t load_end, uint32_t bss_end)
{
	const uint32_t addresses[] = {HEADER_ADDRESS, load, load_end, bss_end, ENTRY};

	put_multiboot1(1 << 16);
	put(HEADER_AT + 12, addresses, ARRAY_SIZE(addresses));
}

/* A version 2 header with these words of tags, an end tag behind them. */
static void put_multiboot2(const uint32_t *tags, unsigned count)
{
	const uint32_t length = 16 + count * 4 + 8;
	const uint32_t header[] = {0xe85250d6, 0, length, -(0xe85250d6 + length)};
	const uint32_t end[] = {0, 8};

	put(HEADER_AT, header, 4);
	put(HEADER_AT + 16, tags, count);
	put(HEADER_AT + 16 + count * 4, end, 2);
}

static void load(void)
{
	int result = load_guest(&request, &entry, error);

	if (result != 0)
		fail_msg("%d: %s", result, error);
	assert_int_equal(entry.mode, LOAD_PROTECTED32);
	assert_int_equal(entry.rip, ENTRY);
}

static void assert_refused(int result, const char *words)
{
	assert_int_equal(load_guest(&request, &entry, error), result);
	if (!strstr(error, words))
		fail_msg("\"%s\" does not say \"%s\"", error, words);
}

static void assert_code_is_loaded(void)
{
	assert_memory_equal(fake_guest_ram() + LOADED_AT, file + CODE_AT, CODE_LENGTH);
	for (unsigned i = CODE_LENGTH; i < MEMORY; i++)
		assert_int_equal(fake_guest_ram()[LOADED_AT + i], 0);
	assert_int_equal(fake_guest_ram()[LOADED_AT + MEMORY], 0xcc);
}

static uint64_t get(uint64_t gpa, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, fake_guest_ram() + gpa, size);
	return value;
}

static const char *string(uint64_t gpa)
{
	return (const char *)fake_guest_ram() + gpa;
}

static const uint8_t module_bytes[5000] = {1, 2, 3};
static const uint8_t initrd_bytes[100] = {4, 5, 6};
static const struct guest_module modules[] = {
	{{module_bytes, sizeof(module_bytes)}, "first module"},
	{{initrd_bytes, sizeof(initrd_bytes)}, ""},
};

static void add_modules(void)
{
	request.initrd = (struct guest_image){initrd_bytes, sizeof(initrd_bytes)};
	request.modules = modules;
	request.module_count = ARRAY_SIZE(modules);
}

/* ---- PVH ---- */

static void loads_pvh(void **state)
{
	uint64_t info;

	(void)state;
	make_pvh(ENTRY);
	load();
	assert_code_is_loaded();
	assert_string_equal(entry.protocol, "PVH");
	info = entry.rbx;
	assert_int_equal(get(info, 4), 0x336ec578);
	assert_int_equal(get(info + 4, 4), 1);
	assert_int_equal(get(info + 12, 4), 0);
	assert_string_equal(string(get(info + 24, 8)), "one two=3");
	assert_int_equal(get(info + 32, 8), GUEST_ACPI_BASE);
	assert_int_equal(get(info + 48, 4), 5);
	/* The fourth entry: RAM from 1 MiB up. */
	assert_int_equal(get(get(info + 40, 8) + 3 * 24, 8), MIB(1));
	assert_int_equal(get(get(info + 40, 8) + 3 * 24 + 8, 8), MIB(15));
	assert_int_equal(get(get(info + 40, 8) + 3 * 24 + 16, 4), 1);
}

static void gives_pvh_its_modules(void **state)
{
	uint64_t list;

	(void)state;
	make_pvh(ENTRY);
	add_modules();
	load();
	assert_int_equal(get(entry.rbx + 12, 4), 3);
	list = get(entry.rbx + 16, 8);
	assert_int_equal(get(list, 8), MIB(16) - 4096);
	assert_int_equal(get(list + 8, 8), sizeof(initrd_bytes));
	assert_string_equal(string(get(list + 16, 8)), "");
	assert_int_equal(get(list + 32 + 8, 8), sizeof(module_bytes));
	assert_string_equal(string(get(list + 32 + 16, 8)), "first module");
	assert_memory_equal(fake_guest_ram() + get(list + 32, 8), module_bytes,
			    sizeof(module_bytes));
	assert_memory_equal(fake_guest_ram() + get(list + 64, 8), initrd_bytes,
			    sizeof(initrd_bytes));
}

static void refuses_broken_elf_files(void **state)
{
	(void)state;
	make_pvh(ENTRY);
	request.kernel.length = 10;
	assert_refused(-ENOEXEC, "truncated inside its ELF header");
	request.kernel.length = 63;
	assert_refused(-ENOEXEC, "truncated inside its ELF header");
	request.kernel.length = 100;
	assert_refused(-ENOEXEC, "program headers lie outside");
	request.kernel.length = sizeof(file) - 1;
	assert_refused(-ENOEXEC, "segment 0 lies outside");
	request.kernel.length = sizeof(file);
	segments64()[0].p_memsz = 10;
	assert_refused(-ENOEXEC, "impossible sizes");
	segments64()[0].p_memsz = UINT64_MAX - MIB(1);
	assert_refused(-ENOEXEC, "impossible sizes");
	segments64()[0].p_memsz = MIB(15);
	assert_refused(-ENOSPC, "needs 15 MiB at 0x200000");
	segments64()[0].p_memsz = 0;
	assert_refused(-ENOEXEC, "nothing to load");
	make_pvh(ENTRY);
	segments64()[0].p_paddr = 0x8000;
	assert_refused(-ENOSPC, "wants to be at 0x8000");
	make_pvh(LOADED_AT + MEMORY);
	assert_refused(-ENOEXEC, "its entry 0x201388 lies outside");
	make_elf64();
	memset(file + NOTE_AT, 0xff, 64);
	assert_refused(-ENOEXEC, "neither a PVH entry note nor");
	header64()->e_machine = EM_AARCH64;
	assert_refused(-ENOEXEC, "machine number 183");
	header64()->e_machine = EM_X86_64;
	header64()->e_type = ET_REL;
	assert_refused(-ENOEXEC, "not an executable");
	header64()->e_ident[EI_CLASS] = 7;
	assert_refused(-ENOEXEC, "another kind of machine");
}

/* ---- multiboot 1 ---- */

static void loads_multiboot1_elf32(void **state)
{
	uint64_t info, map, ram = 0;

	(void)state;
	make_elf32();
	put_multiboot1(3);
	add_modules();
	load();
	assert_code_is_loaded();
	assert_int_equal(entry.rax, 0x2badb002);
	info = entry.rbx;
	assert_int_equal(get(info, 4), 0x24d);
	assert_int_equal(get(info + 4, 4), 639);
	assert_int_equal(get(info + 8, 4), 15 * 1024);
	assert_string_equal(string(get(info + 16, 4)), "one two=3");
	assert_int_equal(get(info + 20, 4), 3);
	assert_string_equal(string(get(info + 64, 4)), "Bulkhead");
	map = get(info + 48, 4);
	for (uint64_t at = map; at < map + get(info + 44, 4); at += get(at, 4) + 4)
		ram += get(at + 20, 4) == 1 ? get(at + 12, 8) : 0;
	assert_int_equal(ram, 0x9fc00 + MIB(15));
}

static void gives_multiboot1_its_modules(void **state)
{
	uint64_t list;

	(void)state;
	make_elf32();
	put_multiboot1(3);
	request.modules = modules;
	request.module_count = 1;
	load();
	list = get(entry.rbx + 24, 4);
	assert_int_equal(get(list, 4) % 4096, 0);
	assert_int_equal(get(list + 4, 4) - get(list, 4), sizeof(module_bytes));
	assert_string_equal(string(get(list + 8, 4)), "first module");
	assert_memory_equal(fake_guest_ram() + get(list, 4), module_bytes, sizeof(module_bytes));
}

static void loads_multiboot1_elf64_by_physical_entry(void **state)
{
	(void)state;
	make_elf64();
	put_multiboot1(0);
	load();
	assert_code_is_loaded();
}

static void loads_multiboot1_by_addresses(void **state)
{
	(void)state;
	put_multiboot1_addresses(HEADER_ADDRESS, LOADED_AT + CODE_LENGTH, LOADED_AT + MEMORY);
	load();
	assert_code_is_loaded();
	/* To the end of the file, and nothing behind. */
	put_multiboot1_addresses(HEADER_ADDRESS, 0, 0);
	load();
	assert_memory_equal(fake_guest_ram() + HEADER_ADDRESS, file + HEADER_AT,
			    sizeof(file) - HEADER_AT);
}

static void refuses_broken_multiboot1_headers(void **state)
{
	(void)state;
	put_multiboot1_addresses(HEADER_ADDRESS + 4, 0, 0);
	assert_refused(-ENOEXEC, "contradict");
	put_multiboot1_addresses(HEADER_ADDRESS - HEADER_AT - 4, 0, 0);
	assert_refused(-ENOEXEC, "contradict");
	put_multiboot1_addresses(HEADER_ADDRESS, HEADER_ADDRESS - 1, 0);
	assert_refused(-ENOEXEC, "contradict");
	put_multiboot1_addresses(HEADER_ADDRESS, LOADED_AT + CODE_LENGTH + 1, 0);
	assert_refused(-ENOEXEC, "contradict");
	put_multiboot1_addresses(HEADER_ADDRESS, 0, UINT32_MAX);
	assert_refused(-ENOSPC, "kernel: needs");
	put_multiboot1(0);
	assert_refused(-ENOEXEC, "no ELF file");
	put_multiboot1(1 << 5);
	assert_refused(-ENOEXEC, "features that do not exist");
	/* With a wrong checksum it is none. */
	file[HEADER_AT + 8]++;
	assert_refused(-ENOEXEC, "not a format");
}

/* ---- multiboot 2 ---- */

/* The tag of a type in the information, 0: there is none. */
static uint64_t find_tag(uint32_t type)
{
	uint64_t at = entry.rbx + 8, end = entry.rbx + get(entry.rbx, 4);

	while (at < end) {
		assert_true(get(at + 4, 4) >= 8);
		if (get(at, 4) == type)
			return at;
		at += align_up(get(at + 4, 4), 8);
	}
	assert_int_equal(at, end);
	return 0;
}

static void loads_multiboot2_elf(void **state)
{
	const uint32_t tags[] = {1, 16, 4, 6}; /* requests memory and map */
	uint64_t at;

	(void)state;
	make_elf64();
	put_multiboot2(tags, ARRAY_SIZE(tags));
	add_modules();
	load();
	assert_code_is_loaded();
	assert_int_equal(entry.rax, 0x36d76289);
	assert_string_equal(string(find_tag(1) + 8), "one two=3");
	assert_string_equal(string(find_tag(2) + 8), "Bulkhead");
	assert_int_equal(get(find_tag(4) + 8, 4), 639);
	assert_int_equal(get(find_tag(4) + 12, 4), 15 * 1024);
	at = find_tag(6);
	assert_int_equal(get(at + 8, 4), 24);
	assert_int_equal(get(at + 4, 4), 16 + 5 * 24);
	assert_int_equal(get(at + 16 + 3 * 24, 8), MIB(1));
	assert_memory_equal(string(find_tag(14) + 8), "RSD PTR ", 8);
	assert_memory_equal(string(find_tag(15) + 8), "RSD PTR ", 8);
	assert_int_equal(get(find_tag(15) + 4, 4), 8 + 36);
	assert_int_equal(get(find_tag(21) + 8, 4), LOADED_AT);
	at = find_tag(3);
	assert_int_equal(get(at + 12, 4) - get(at + 8, 4), sizeof(initrd_bytes));
	at += align_up(get(at + 4, 4), 8);
	assert_int_equal(get(at, 4), 3);
	assert_memory_equal(fake_guest_ram() + get(at + 8, 4), module_bytes, sizeof(module_bytes));
	assert_string_equal(string(at + 16), "first module");
	assert_int_not_equal(find_tag(0), 0);
}

static void loads_multiboot2_by_addresses(void **state)
{
	const uint32_t tags[] = {2,
				 24,
				 HEADER_ADDRESS,
				 HEADER_ADDRESS,
				 LOADED_AT + CODE_LENGTH,
				 LOADED_AT + MEMORY,
				 3,
				 12,
				 ENTRY,
				 0};
	const uint32_t whole[] = {2, 24, LOADED_AT + HEADER_AT, UINT32_MAX, 0, 0, 3, 12, ENTRY, 0};

	(void)state;
	put_multiboot2(tags, ARRAY_SIZE(tags));
	load();
	assert_code_is_loaded();
	put_multiboot2(whole, ARRAY_SIZE(whole));
	load();
	assert_memory_equal(fake_guest_ram() + LOADED_AT, file, sizeof(file));
}

static void refuses_multiboot2_demands(void **state)
{
	const uint32_t request_9[] = {1, 12, 9, 0}, request_99[] = {1, 12, 99, 0}, efi[] = {7, 8},
		       screen[] = {4, 12, 1, 0}, unknown[] = {77, 8},
		       no_entry[] = {2, 24, HEADER_ADDRESS, HEADER_ADDRESS, 0, 0},
		       short_tag[] = {2, 16, 0, 0}, long_tag[] = {6, 4096};

	(void)state;
	make_elf64();
	put_multiboot2(request_9, 4);
	assert_refused(-ENOEXEC, "information of type 9");
	put_multiboot2(request_99, 4);
	assert_refused(-ENOEXEC, "information of type 99");
	put_multiboot2(efi, 2);
	assert_refused(-ENOEXEC, "requires feature 7");
	put_multiboot2(screen, 4);
	assert_refused(-ENOEXEC, "requires a screen");
	put_multiboot2(unknown, 2);
	assert_refused(-ENOEXEC, "requires feature 77");
	put_multiboot2(no_entry, 6);
	assert_refused(-ENOEXEC, "no entry address");
	put_multiboot2(short_tag, 4);
	assert_refused(-ENOEXEC, "tag 2");
	put_multiboot2(long_tag, 2);
	assert_refused(-ENOEXEC, "tag 6");
}

static void grants_optional_multiboot2_wishes(void **state)
{
	const uint32_t tags[] = {7 | 1 << 16, 8, 77 | 1 << 16, 8, 1 | 1 << 16, 12, 99, 0, 6, 8};

	(void)state;
	make_elf64();
	put_multiboot2(tags, ARRAY_SIZE(tags));
	load();
}

static void refuses_too_many_arguments(void **state)
{
	static char long_arguments[0x9000];
	static const uint32_t align[] = {6, 8};
	static const struct guest_module two[] = {{{module_bytes, 10}, long_arguments},
						  {{module_bytes, 10}, long_arguments}};

	(void)state;
	memset(long_arguments, 'x', sizeof(long_arguments) - 1);
	request.modules = two;
	request.module_count = 2;
	make_elf64();
	put_multiboot2(align, ARRAY_SIZE(align));
	assert_refused(-E2BIG, "command lines");
	make_pvh(ENTRY);
	memset(file + HEADER_AT, 0, 64);
	assert_refused(-E2BIG, "command lines");
	put_multiboot1(0);
	assert_refused(-E2BIG, "command lines");
}

static void refuses_modules_that_do_not_fit(void **state)
{
	static const struct guest_module empty = {{module_bytes, 0}, ""};

	(void)state;
	make_pvh(ENTRY);
	segments64()[0].p_memsz = MIB(14) - 4096;
	add_modules();
	assert_refused(-ENOSPC, "module 1: is");
	request.modules = &empty;
	request.module_count = 1;
	assert_refused(-ENOEXEC, "module 1: the file is empty");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loads_pvh),
		TEST(gives_pvh_its_modules),
		TEST(refuses_broken_elf_files),
		TEST(loads_multiboot1_elf32),
		TEST(gives_multiboot1_its_modules),
		TEST(loads_multiboot1_elf64_by_physical_entry),
		TEST(loads_multiboot1_by_addresses),
		TEST(refuses_broken_multiboot1_headers),
		TEST(loads_multiboot2_elf),
		TEST(loads_multiboot2_by_addresses),
		TEST(refuses_multiboot2_demands),
		TEST(grants_optional_multiboot2_wishes),
		TEST(refuses_too_many_arguments),
		TEST(refuses_modules_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
