; SPDX-License-Identifier: BSD-2-Clause
;
; Where the processors of the benchmark's guest begin: the first in 64-bit mode with the low 4 GiB
; mapped one to one, the second in real mode at AP_PAGE, which gets it to the same.

bits 64
default rel

%define AP_PAGE 0x8000
%define CODE 0x08
%define DATA 0x10
%define STACK_BYTES 0x4000

extern bench_main, bench_second

section .text.start progbits alloc exec nowrite align=16

global start
start:
	cli
	lea rsp, [stacks + STACK_BYTES]
	call load_descriptors
	mov rax, cr3
	mov [ap_code.cr3], eax
	lea rsi, [ap_code]
	mov edi, AP_PAGE
	mov ecx, ap_code.end - ap_code
	rep movsb
	call bench_main
.stop:
	cli
	hlt
	jmp .stop

load_descriptors:
	lgdt [gdtr]
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	pop rax
	push CODE
	push rax
	retfq

second:
	lea rsp, [stacks + 2 * STACK_BYTES]
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	call bench_second
	jmp start.stop

section .data

align 8
gdt:
	dq 0
	dq 0x00af9b000000ffff
	dq 0x00cf93000000ffff
.end:
gdtr:
	dw gdt.end - gdt - 1
	dq gdt

; Copied to AP_PAGE; addresses in it count from CS.
bits 16
%define AP(label) (label - ap_code)
ap_code:
	cli
	o32 lgdt [cs:AP(.gdtr)]
	mov eax, [cs:AP(.cr3)]
	mov cr3, eax
	mov eax, 1 << 5			; PAE
	mov cr4, eax
	mov ecx, 0xc0000080		; EFER
	mov eax, 1 << 8			; LME
	xor edx, edx
	wrmsr
	mov eax, 1 << 31 | 1		; PG, PE
	mov cr0, eax
	jmp dword CODE:second
.cr3:
	dd 0
.gdtr:
	dw gdt.end - gdt - 1
	dd gdt
.end:

section .bss
align 16
stacks:
	resb 2 * STACK_BYTES

section .note.GNU-stack noalloc noexec nowrite progbits
