/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction forms that test_emulate.c tries with random operands. */
#pragma once

#include <stdint.h>

#include "vmm/x86_defs.h"

#define FLAGS_SET \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_DF)
#define LOGIC RFLAGS_AF /* undefined after AND, OR, XOR, TEST */
#define BITS  (RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF) /* after BT and its kin */

enum {
	BYTE = 1 << 0,	 /* operates on bytes: the operand-size prefix does nothing */
	LOCK = 1 << 1,	 /* takes LOCK with a memory operand */
	IMM8 = 1 << 2,	 /* an immediate byte follows */
	IMM = 1 << 3,	 /* an immediate of the operand's size, 4 bytes at most */
	PLAIN = 1 << 4,	 /* no ModRM */
	STRING = 1 << 5, /* takes REP; uses RSI, RDI, RCX */
	LONG = 1 << 6,	 /* in 64-bit mode only */
	BIT = 1 << 7,	 /* the second operand is a bit offset */
	MEMORY = 1 << 8, /* a memory operand only */
	NO_66 = 1 << 10, /* takes no operand-size prefix */
	MOFFS = 1 << 9,	 /* an address of the address's size follows */
};

struct form {
	const char *name;
	uint16_t opcode; /* with 0x0f in front: 0x0fxx */
	int8_t digit;	 /* of ModRM, or -1: a register */
	unsigned traits;
	uint64_t undefined;
};

#define ALU(name, base, undefined)                                                \
	{name " Eb,Gb", (base), -1, BYTE | LOCK, undefined},                      \
		{name " Ev,Gv", (base) + 1, -1, LOCK, undefined},                 \
		{name " Gb,Eb", (base) + 2, -1, BYTE, undefined},                 \
		{name " Gv,Ev", (base) + 3, -1, 0, undefined},                    \
		{name " AL,Ib", (base) + 4, -1, PLAIN | BYTE | IMM8, undefined},  \
		{name " rAX,Iz", (base) + 5, -1, PLAIN | IMM, undefined},         \
		{name " Eb,Ib", 0x80, (base) / 8, BYTE | LOCK | IMM8, undefined}, \
		{name " Ev,Iz", 0x81, (base) / 8, LOCK | IMM, undefined},         \
	{                                                                         \
		name " Ev,Ib", 0x83, (base) / 8, LOCK | IMM8, undefined           \
	}

/* CMP takes no LOCK. */
static const struct form forms[] = {
	ALU("add", 0x00, 0),
	ALU("or", 0x08, LOGIC),
	ALU("adc", 0x10, 0),
	ALU("sbb", 0x18, 0),
	ALU("and", 0x20, LOGIC),
	ALU("sub", 0x28, 0),
	ALU("xor", 0x30, LOGIC),
	{"cmp Eb,Gb", 0x38, -1, BYTE, 0},
	{"cmp Ev,Gv", 0x39, -1, 0, 0},
	{"cmp Gb,Eb", 0x3a, -1, BYTE, 0},
	{"cmp Gv,Ev", 0x3b, -1, 0, 0},
	{"cmp AL,Ib", 0x3c, -1, PLAIN | BYTE | IMM8, 0},
	{"cmp Eb,Ib", 0x80, 7, BYTE | IMM8, 0},
	{"cmp Ev,Iz", 0x81, 7, IMM, 0},
	{"cmp Ev,Ib", 0x83, 7, IMM8, 0},
	{"test Eb,Gb", 0x84, -1, BYTE, LOGIC},
	{"test Ev,Gv", 0x85, -1, 0, LOGIC},
	{"test Eb,Ib", 0xf6, 0, BYTE | IMM8, LOGIC},
	{"test Ev,Iz", 0xf7, 0, IMM, LOGIC},
	{"not Eb", 0xf6, 2, BYTE | LOCK, 0},
	{"not Ev", 0xf7, 2, LOCK, 0},
	{"neg Eb", 0xf6, 3, BYTE, 0}, /* Unicorn computes flags wrongly for LOCK NEG */
	{"neg Ev", 0xf7, 3, 0, 0},
	{"inc Eb", 0xfe, 0, BYTE | LOCK, 0},
	{"inc Ev", 0xff, 0, LOCK, 0},
	{"dec Eb", 0xfe, 1, BYTE | LOCK, 0},
	{"dec Ev", 0xff, 1, LOCK, 0},
	{"mov Eb,Gb", 0x88, -1, BYTE, 0},
	{"mov Ev,Gv", 0x89, -1, 0, 0},
	{"mov Gb,Eb", 0x8a, -1, BYTE, 0},
	{"mov Gv,Ev", 0x8b, -1, 0, 0},
	{"mov Ew,Sw", 0x8c, 3, 0, 0},
	{"mov AL,Ob", 0xa0, -1, PLAIN | BYTE | MOFFS, 0},
	{"mov rAX,Ov", 0xa1, -1, PLAIN | MOFFS, 0},
	{"mov Ob,AL", 0xa2, -1, PLAIN | BYTE | MOFFS, 0},
	{"mov Ov,rAX", 0xa3, -1, PLAIN | MOFFS, 0},
	{"mov Eb,Ib", 0xc6, 0, BYTE | IMM8, 0},
	{"mov Ev,Iz", 0xc7, 0, IMM, 0},
	{"movzx Gv,Eb", 0x0fb6, -1, 0, 0},
	{"movzx Gv,Ew", 0x0fb7, -1, 0, 0},
	{"movsx Gv,Eb", 0x0fbe, -1, 0, 0},
	{"movsx Gv,Ew", 0x0fbf, -1, 0, 0},
	{"movsxd Gv,Ed", 0x63, -1, LONG, 0},
	{"movnti", 0x0fc3, -1, MEMORY | NO_66, 0},
	{"xchg Eb,Gb", 0x86, -1, BYTE | LOCK, 0},
	{"xchg Ev,Gv", 0x87, -1, LOCK, 0},
	{"xadd Eb,Gb", 0x0fc0, -1, BYTE | LOCK, 0},
	{"xadd Ev,Gv", 0x0fc1, -1, LOCK, 0},
	{"cmpxchg Eb,Gb", 0x0fb0, -1, BYTE | LOCK | MEMORY, 0},
	{"cmpxchg Ev,Gv", 0x0fb1, -1, LOCK | MEMORY, 0},
	{"bt Ev,Gv", 0x0fa3, -1, BIT, BITS},
	{"bts Ev,Gv", 0x0fab, -1, BIT | LOCK, BITS},
	{"btr Ev,Gv", 0x0fb3, -1, BIT | LOCK, BITS},
	{"btc Ev,Gv", 0x0fbb, -1, BIT | LOCK, BITS},
	{"bt Ev,Ib", 0x0fba, 4, IMM8, BITS},
	{"bts Ev,Ib", 0x0fba, 5, IMM8 | LOCK, BITS},
	{"btr Ev,Ib", 0x0fba, 6, IMM8 | LOCK, BITS},
	{"btc Ev,Ib", 0x0fba, 7, IMM8 | LOCK, BITS},
	{"push Ev", 0xff, 6, 0, 0},
	{"pop Ev", 0x8f, 0, 0, 0},
	{"push rSP", 0x54, -1, PLAIN, 0},
	{"pop rSP", 0x5c, -1, PLAIN, 0},
	{"push Iz", 0x68, -1, PLAIN | IMM, 0},
	{"push Ib", 0x6a, -1, PLAIN | IMM8, 0},
	{"movsb", 0xa4, -1, PLAIN | BYTE | STRING, 0},
	{"movs", 0xa5, -1, PLAIN | STRING, 0},
	{"cmpsb", 0xa6, -1, PLAIN | BYTE | STRING, 0},
	{"cmps", 0xa7, -1, PLAIN | STRING, 0},
	{"stosb", 0xaa, -1, PLAIN | BYTE | STRING, 0},
	{"stos", 0xab, -1, PLAIN | STRING, 0},
	{"lodsb", 0xac, -1, PLAIN | BYTE | STRING, 0},
	{"lods", 0xad, -1, PLAIN | STRING, 0},
	{"scasb", 0xae, -1, PLAIN | BYTE | STRING, 0},
	{"scas", 0xaf, -1, PLAIN | STRING, 0},
	{"insb", 0x6c, -1, PLAIN | BYTE | STRING, 0},
	{"ins", 0x6d, -1, PLAIN | STRING, 0},
	{"outsb", 0x6e, -1, PLAIN | BYTE | STRING, 0},
	{"outs", 0x6f, -1, PLAIN | STRING, 0},
	{"in AL,Ib", 0xe4, -1, PLAIN | BYTE | IMM8, 0},
	{"in eAX,Ib", 0xe5, -1, PLAIN | IMM8, 0},
	{"out Ib,AL", 0xe6, -1, PLAIN | BYTE | IMM8, 0},
	{"out Ib,eAX", 0xe7, -1, PLAIN | IMM8, 0},
	{"in AL,DX", 0xec, -1, PLAIN | BYTE, 0},
	{"in eAX,DX", 0xed, -1, PLAIN, 0},
	{"out DX,AL", 0xee, -1, PLAIN | BYTE, 0},
	{"out DX,eAX", 0xef, -1, PLAIN, 0},
};
