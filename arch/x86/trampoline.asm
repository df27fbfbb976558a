; SPDX-License-Identifier: BSD-2-Clause
;
; How a CPU comes from a startup IPI (real mode, at a page below 1 MiB) to the hypervisor's address
; space. arch/x86/smp.c copies trampoline_start..trampoline_end to the page and fills in the words at
; the end. The page is mapped read and execute only at its physical address, so nothing in it is
; written once paging is on; the descriptors have their accessed bits set for the same reason.
; SDM 3A, 8.4.4 and 9.8.5.

CR0_PE		equ 1 << 0
CR0_WP		equ 1 << 16
CR0_NW		equ 1 << 29
CR0_CD		equ 1 << 30
CR0_PG		equ 1 << 31
CR4_PAE		equ 1 << 5
MSR_EFER	equ 0xc0000080
EFER_LME	equ 1 << 8
EFER_NXE	equ 1 << 11

SELECTOR_CODE32	equ 0x08
SELECTOR_DATA	equ 0x10
SELECTOR_CODE64	equ 0x18

%define AT(label) ((label) - trampoline_start)

section .trampoline progbits alloc noexec nowrite align=16

global trampoline_start, trampoline_end
global trampoline_cr3, trampoline_gdt_base, trampoline_target32, trampoline_target64
global trampoline_code32, trampoline_code64

bits 16
trampoline_start:
	cli
	cld
	mov	ax, cs
	mov	ds, ax
	xor	ebx, ebx		; ebx: the page's linear address
	mov	bx, ax
	shl	ebx, 4
	o32 lgdt [AT(trampoline_gdt_pointer)]
	mov	eax, cr0
	and	eax, ~(CR0_CD | CR0_NW)
	or	eax, CR0_PE
	mov	cr0, eax
	jmp	dword far [AT(trampoline_target32)]

bits 32
trampoline_code32:
	mov	ax, SELECTOR_DATA
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	eax, cr4
	or	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [ebx + AT(trampoline_cr3)]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME | EFER_NXE
	wrmsr
	mov	eax, cr0
	or	eax, CR0_PG | CR0_WP
	mov	cr0, eax
	jmp	dword far [ebx + AT(trampoline_target64)]

bits 64
trampoline_code64:
	mov	rax, smp_enter
	jmp	rax

align 8
trampoline_gdt:
	dq	0
	dq	0x00cf9b000000ffff	; 32-bit code
	dq	0x00cf93000000ffff	; data
	dq	0x00af9b000000ffff	; 64-bit code
trampoline_gdt_pointer:
	dw	trampoline_gdt_pointer - trampoline_gdt - 1
trampoline_gdt_base:
	dd	AT(trampoline_gdt)	; made absolute
trampoline_target32:
	dd	AT(trampoline_code32)	; made absolute
	dw	SELECTOR_CODE32
trampoline_target64:
	dd	AT(trampoline_code64)	; made absolute
	dw	SELECTOR_CODE64
trampoline_cr3:
	dd	0
trampoline_end:

section .text

extern smp_starting_stack, smp_main

; One CPU at a time takes the stack that is offered. A CPU that comes when none is offered (one that
; was given up) stays here; INIT starts it anew.
smp_enter:
	xor	eax, eax
	mov	rcx, smp_starting_stack
	xchg	rax, [rcx]
	test	rax, rax
	jz	.wait
	mov	rsp, rax
	xor	ebp, ebp
	call	smp_main
.wait:
	cli
	hlt
	jmp	.wait
