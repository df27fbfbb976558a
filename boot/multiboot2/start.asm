; SPDX-License-Identifier: BSD-2-Clause
;
; The 32-bit entry for multiboot2 boot loaders (GRUB). Multiboot2 specification 2.0, 3.1 and 3.3.
;
; .boot.text is linked where it is loaded and runs there with paging off, until there are tables for
; the higher half. Those here only serve to reach C: the low 4 GiB, by 2 MiB pages, at 0, and the
; first GiB once more at KERNEL_BASE; multiboot2_entry() makes the ones that hv_main() starts on.

%define KERNEL_BASE	0xffffffff80000000	; linker.ld
%define MULTIBOOT_MAGIC	0xe85250d6
%define CODE64		0x08
%define DATA		0x10
%define STACK_SIZE	16384

%define CPUID_NX	(1 << 20)	; leaf 8000_0001h, EDX
%define CPUID_LM	(1 << 29)
%define MSR_EFER	0xc0000080
%define EFER_LME	(1 << 8)
%define EFER_NXE	(1 << 11)
%define CR0_BITS	0x80010033	; PG WP NE ET MP PE
%define CR4_PAE		(1 << 5)
%define PTE_TABLE	0x03		; present, writable
%define PTE_LARGE	0x83
%define COM1		0x3f8
%define COM1_STATUS	(COM1 + 5)
%define COM1_READY	0x20		; transmitter holding register empty

extern multiboot2_entry, hv_entry, boot_stack

section .multiboot2 progbits alloc noexec nowrite align=8
header:
	dd	MULTIBOOT_MAGIC
	dd	0			; protected mode
	dd	header_end - header
	dd	0x100000000 - MULTIBOOT_MAGIC - (header_end - header)

	align	8
	dw	1, 1			; information request, optional
	dd	.request_end - $ + 4
	dd	6, 14, 15, 13		; memory map, ACPI old and new, SMBIOS
.request_end:
	align	8
	dw	3, 0			; entry address: the ELF's own is hv_entry
	dd	12
	dd	multiboot2_start
	align	8
	dw	6, 0			; modules on page boundaries
	dd	8
	align	8
	dw	0, 0
	dd	8
header_end:

section .boot.text progbits alloc exec nowrite align=16
bits 32

global multiboot2_start:function
multiboot2_start:
	cli
	cld
	mov	esi, eax		; magic
	mov	edi, ebx		; boot information
	mov	esp, early_stack_end

	mov	ebp, no_long_mode
	mov	eax, 0x80000000
	cpuid
	cmp	eax, 0x80000001
	jb	fail
	mov	eax, 0x80000001
	cpuid
	test	edx, CPUID_LM
	jz	fail
	mov	ebp, no_nx
	test	edx, CPUID_NX
	jz	fail

	call	make_tables
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, pml4
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME | EFER_NXE
	wrmsr
	mov	eax, CR0_BITS
	mov	cr0, eax
	lgdt	[gdt_pointer]
	jmp	CODE64:long_mode

; The tables are all zeros in the file. Keeps esi and edi.
make_tables:
	mov	dword [pml4], pdpt + PTE_TABLE
	mov	dword [pml4 + 511 * 8], pdpt + PTE_TABLE
	mov	dword [pdpt + 510 * 8], directories + PTE_TABLE	; KERNEL_BASE
	xor	ecx, ecx
.pointer:
	mov	eax, ecx
	shl	eax, 12
	add	eax, directories + PTE_TABLE
	mov	[pdpt + ecx * 8], eax
	inc	ecx
	cmp	ecx, 4
	jb	.pointer
	xor	ecx, ecx
.page:
	mov	eax, ecx
	shl	eax, 21
	or	eax, PTE_LARGE
	mov	[directories + ecx * 8], eax
	inc	ecx
	cmp	ecx, 4 * 512
	jb	.page
	ret

; Prints the text at ebp on the VGA text screen and COM1, and stops.
fail:
	mov	edi, 0xb8000
.next:
	movzx	eax, byte [ebp]
	test	al, al
	jz	.stop
	mov	ah, 0x0f		; white on black
	stosw
	mov	bl, al
	mov	ecx, 100000		; a port that is not there reads as busy or ready, never blocks
.wait:
	mov	edx, COM1_STATUS
	in	al, dx
	test	al, COM1_READY
	loopz	.wait
	mov	edx, COM1
	mov	al, bl
	out	dx, al
	inc	ebp
	jmp	.next
.stop:
	hlt
	jmp	.stop

bits 64
long_mode:
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	rax, higher_half
	jmp	rax

section .text
higher_half:
	mov	rsp, boot_stack + STACK_SIZE - 16
	xor	ebp, ebp
	mov	eax, edi
	mov	edi, esi
	mov	esi, eax
	call	multiboot2_entry	; (magic, address of the boot information)
	mov	rdi, rax
	jmp	hv_entry

section .boot.rodata progbits alloc noexec nowrite align=8
gdt:
	dq	0
	dq	0x00209b0000000000	; 64-bit code
	dq	0x00cf93000000ffff	; data
gdt_pointer:
	dw	gdt_pointer - gdt - 1
	dd	gdt
no_long_mode:
	db	"Bulkhead: this CPU is not 64-bit (no long mode): it cannot run here.", 0
no_nx:
	db	"Bulkhead: this CPU has no execute-disable (NX), or the BIOS setup turned it off: "
	db	"turn it on there.", 0

section .boot.data progbits alloc noexec write align=4096
pml4:		times 4096 db 0
pdpt:		times 4096 db 0
directories:	times 4 * 4096 db 0
		times 256 db 0
early_stack_end:
