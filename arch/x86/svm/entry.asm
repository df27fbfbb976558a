; SPDX-License-Identifier: BSD-2-Clause
;
; Into the guest and out again. Called with GIF clear and IF set: host interrupts cause exits, and
; one that came since GIF was cleared is pending and exits at once, so no kick is lost (APM 2,
; 15.21.1).

bits 64
default rel

; Offsets in vcpu->gpr; run.c asserts them.
%define RCX_AT 8
%define RDX_AT 16
%define RBX_AT 24
%define RBP_AT 40
%define RSI_AT 48
%define RDI_AT 56
%define R_AT(n) (n * 8)

section .text.hot progbits alloc exec nowrite align=64

; svm_enter() in svm.h: RDI = gpr, RAX = physical address of the VMCB. Keeps RBP and RSP alone.
global svm_vmrun:function
align 64
svm_vmrun:
	push rbp
	push rdi
	mov rcx, [rdi + RCX_AT]
	mov rdx, [rdi + RDX_AT]
	mov rbx, [rdi + RBX_AT]
	mov rbp, [rdi + RBP_AT]
	mov rsi, [rdi + RSI_AT]
	mov r8, [rdi + R_AT(8)]
	mov r9, [rdi + R_AT(9)]
	mov r10, [rdi + R_AT(10)]
	mov r11, [rdi + R_AT(11)]
	mov r12, [rdi + R_AT(12)]
	mov r13, [rdi + R_AT(13)]
	mov r14, [rdi + R_AT(14)]
	mov r15, [rdi + R_AT(15)]
	mov rdi, [rdi + RDI_AT]
	vmrun
	pop rax
	mov [rax + RCX_AT], rcx
	mov [rax + RDX_AT], rdx
	mov [rax + RBX_AT], rbx
	mov [rax + RBP_AT], rbp
	mov [rax + RSI_AT], rsi
	mov [rax + RDI_AT], rdi
	mov [rax + R_AT(8)], r8
	mov [rax + R_AT(9)], r9
	mov [rax + R_AT(10)], r10
	mov [rax + R_AT(11)], r11
	mov [rax + R_AT(12)], r12
	mov [rax + R_AT(13)], r13
	mov [rax + R_AT(14)], r14
	mov [rax + R_AT(15)], r15
	pop rbp
	; What the guest chose stays in no register that speculation could use as an address.
	xor ebx, ebx
	xor ecx, ecx
	xor edx, edx
	xor esi, esi
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	ret

; void svm_host_window(hpa_t guest_vmcb_pa, hpa_t host_vmcb_pa)
global svm_host_window:function
svm_host_window:
	mov rax, rdi
	vmsave
	mov rax, rsi
	vmload
	stgi
	nop
	nop
	; With IF off first, only an NMI can come before CLGI, and TR is still the host's.
	cli
	clgi
	sti
	mov rax, rdi
	vmload
	ret

; void svm_host_machine_check(hpa_t guest_vmcb_pa, hpa_t host_vmcb_pa)
global svm_host_machine_check:function
svm_host_machine_check:
	mov rax, rdi
	vmsave
	mov rax, rsi
	vmload
	; Its stack comes from the TSS, so TR has to be the host's.
	int 18
	mov rax, rdi
	vmload
	ret

section .note.GNU-stack noalloc noexec nowrite progbits
