; SPDX-License-Identifier: BSD-2-Clause
;
; From the firmware's page tables to ours. Paging is turned off on the way, since a switch between
; 5-level and 4-level paging (CR4.LA57) is possible in no other way (SDM 3A, 4.1.2); going there
; always makes the rare case the tested one. The code runs from a copy at the start of a page below
; 4 GiB (struct jump_page, jump.h), so it must be position-independent; under the new tables that
; page is read-only and the next one, with the stack, is data.
;
; In: rdi = the page, identity-mapped. Out, to the entry: rdi = struct boot_info, 4-level paging,
; interrupts off, CR4 = PAE, EFER with NXE, a stack of 4 KiB.

%define AT(label)	(label - jump_code_start)
%define PAGE_ROOT	0x800
%define PAGE_ENTRY	0x808
%define PAGE_INFO	0x810
%define STACK_TOP	0x2000

%define CODE64	0x08
%define DATA	0x10
%define CODE32	0x18

%define MSR_EFER	0xc0000080
%define EFER_LME	(1 << 8)
%define EFER_NXE	(1 << 11)
%define CR0_KEEP	0x80010033	; PG WP NE ET MP PE
%define CR4_PAE		(1 << 5)
%define CR4_PCIDE	(1 << 17)
%define CR4_CET		(1 << 23)

section .text

global jump_code_start:function hidden
global jump_code_end:function hidden

bits 64
jump_code_start:
	cli
	cld
	mov	rbx, rdi
	lea	rsp, [rbx + STACK_TOP]

	; Paging cannot be turned off with PCIDE set, nor WP cleared with CET set.
	mov	rax, cr4
	and	rax, ~(CR4_PCIDE | CR4_CET)
	mov	cr4, rax

	lea	rax, [rbx + AT(gdt)]
	mov	[rbx + AT(gdt_pointer) + 2], rax
	lgdt	[rbx + AT(gdt_pointer)]
	push	CODE32
	lea	rax, [rbx + AT(.compatibility)]
	push	rax
	o64 retf

bits 32
.compatibility:
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	eax, cr0
	and	eax, 0x7fffffff
	mov	cr0, eax

	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [ebx + PAGE_ROOT]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME | EFER_NXE
	wrmsr
	mov	eax, CR0_KEEP
	mov	cr0, eax

	push	CODE64
	lea	eax, [ebx + AT(.long)]
	push	eax
	retf

bits 64
.long:
	; The upper halves of registers do not survive 32-bit code.
	mov	ebx, ebx
	mov	rdi, [rbx + PAGE_INFO]
	jmp	[rbx + PAGE_ENTRY]

align 8
gdt:
	dq	0
	dq	0x00209b0000000000	; 64-bit code
	dq	0x00cf93000000ffff	; data
	dq	0x00cf9b000000ffff	; 32-bit code
gdt_pointer:
	dw	gdt_pointer - gdt - 1
	dq	0
jump_code_end:

%if jump_code_end - jump_code_start > PAGE_ROOT
%error "the code does not fit struct jump_page"
%endif
