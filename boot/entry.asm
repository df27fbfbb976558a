; SPDX-License-Identifier: BSD-2-Clause
;
; The hypervisor's 64-bit entry, the same for every way of booting.
;
; In: rdi = struct boot_info, physical, in the identity map of the boot page tables; interrupts off,
; 4-level paging with NXE, this image mapped where it is linked. Whatever descriptor tables and
; stack the loader had are left behind, since their memory may be given away.

%define CODE64		0x08
%define DATA		0x10
%define STACK_SIZE	16384	; CPU_STACK_SIZE (arch/x86/percpu.h)
%define PIC_MASTER_DATA	0x21
%define PIC_SLAVE_DATA	0xa1

extern hv_main

section .text
bits 64

global hv_entry:function
hv_entry:
	cli
	cld
	; A PC BIOS leaves its timer running through the 8259s. They have to withdraw their request
	; while the local APIC still passes it on (LVT0 as ExtINT), that is before it is set up:
	; otherwise the CPU may keep a request that no controller has a vector for.
	mov	al, 0xff
	out	PIC_SLAVE_DATA, al
	out	PIC_MASTER_DATA, al
	lgdt	[gdt_pointer]
	; No vector is valid: a fault before the hypervisor has its own IDT stops the machine by a
	; triple fault instead of running into freed memory.
	lidt	[idt_pointer]
	mov	eax, DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	lldt	ax

	; this_cpu() is NULL on the boot stack: the 8 bytes at its top stay 0.
	mov	rsp, boot_stack + STACK_SIZE - 16
	push	CODE64
	mov	rax, .reloaded
	push	rax
	o64 retf
.reloaded:
	xor	ebp, ebp
	call	hv_main
.stop:
	cli
	hlt
	jmp	.stop

section .data
align 8
gdt:
	dq	0
	dq	0x00209b0000000000	; 64-bit code
	dq	0x00cf93000000ffff	; data
gdt_pointer:
	dw	gdt_pointer - gdt - 1
	dq	gdt
idt_pointer:
	dw	0
	dq	0

section .bss align=STACK_SIZE
global boot_stack
boot_stack:
	resb	STACK_SIZE
