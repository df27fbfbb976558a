/* SPDX-License-Identifier: BSD-2-Clause */
/* The two pages that the loader leaves the firmware's world through (jump.asm). */
#pragma once

#include "vmm/types.h"

#define JUMP_CODE_MAX 2048

/* jump.asm knows these offsets. */
struct jump_page {
	uint8_t code[JUMP_CODE_MAX];
	uint64_t root;	/* 0x800: CR3, below 4 GiB */
	uint64_t entry; /* 0x808 */
	uint64_t info;	/* 0x810: physical address of struct boot_info */
	uint8_t unused[PAGE_SIZE - JUMP_CODE_MAX - 24];
	uint8_t stack[PAGE_SIZE]; /* up to 0x2000, on a page that is writable and not executable */
};

_Static_assert(offsetof(struct jump_page, root) == 0x800, "jump.asm");
_Static_assert(offsetof(struct jump_page, info) == 0x810, "jump.asm");
_Static_assert(sizeof(struct jump_page) == 0x2000, "jump.asm: the stack's top");

extern const uint8_t jump_code_start[] __attribute__((visibility("hidden")));
extern const uint8_t jump_code_end[] __attribute__((visibility("hidden")));

/* Runs the code of `page`, which lies below 4 GiB and is identity-mapped. */
HV_NORETURN static inline void jump_enter(struct jump_page *page)
{
	__asm__ volatile("jmp *%0" : : "r"(page->code), "D"(page) : "memory");
	__builtin_unreachable();
}
