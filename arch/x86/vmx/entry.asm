; SPDX-License-Identifier: BSD-2-Clause
;
; Into the guest and out again. Called with interrupts off: one that is pending, or comes, exits at
; once whatever the guest's IF is (SDM 3C, 25.2), so no kick is lost.

bits 64
default rel

%define VMCS_HOST_RSP 0x6c14

; Offsets in vcpu->gpr; run.c asserts them.
%define RAX_AT 0
%define RCX_AT 8
%define RDX_AT 16
%define RBX_AT 24
%define RBP_AT 40
%define RSI_AT 48
%define RDI_AT 56
%define R_AT(n) (n * 8)

section .text.hot progbits alloc exec nowrite align=64

; vmx_enter() in vmx.h: RDI = gpr, RSI = host_rsp, RDX = launched; RAX is the result. Keeps RBP and
; RSP alone.
global vmx_entry:function
align 64
vmx_entry:
	push rbp
	push rdi
	cmp rsp, [rsi]
	je .has_rsp
	mov [rsi], rsp
	mov eax, VMCS_HOST_RSP
	vmwrite rax, rsp
.has_rsp:
	; The flags stay until the jump.
	test dl, dl
	mov rax, [rdi + RAX_AT]
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
	jz .launch
	vmresume
	jmp .failed
.launch:
	vmlaunch
.failed:
	pop rdi
	pop rbp
	xor eax, eax
	ret

; Where the VMCS says that exits go, with the stack as it was at the entry.
global vmx_exited:function
align 64
vmx_exited:
	push rax
	mov rax, [rsp + 8]
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
	pop qword [rax + RAX_AT]
	add rsp, 8
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
	mov eax, 1
	ret

section .note.GNU-stack noalloc noexec nowrite progbits
