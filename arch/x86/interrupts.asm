; SPDX-License-Identifier: BSD-2-Clause
;
; Entry of every vector. Each has a stub of 16 bytes, so that the IDT is filled by arithmetic; they
; make the stack frames alike and go to one path that saves the general registers. Nothing else has to
; be saved: the hypervisor uses no others, and it is only ever interrupted in ring 0.

bits 64
section .text

extern interrupt_dispatch

; Vectors for which the CPU pushes an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX.
; SDM 3A, table 6-1; APM 2, table 8-1.
%define ERROR_CODES ((1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | \
	(1 << 17) | (1 << 21) | (1 << 29) | (1 << 30))

align 16
global interrupt_stubs:function
interrupt_stubs:
%assign vector 0
%rep 256
	align 16
%if vector >= 32
	push	0
%elif ((ERROR_CODES >> vector) & 1) == 0
	push	0
%endif
	push	strict dword vector
	jmp	near interrupt_common
%assign vector vector + 1
%endrep

align 16
interrupt_common:
	push	rax
	push	rbx
	push	rcx
	push	rdx
	push	rsi
	push	rdi
	push	rbp
	push	r8
	push	r9
	push	r10
	push	r11
	push	r12
	push	r13
	push	r14
	push	r15
	cld
	; The CPU aligned the stack to 16 bytes before it pushed; 22 words later it is aligned again.
	mov	rdi, rsp
	call	interrupt_dispatch
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rbp
	pop	rdi
	pop	rsi
	pop	rdx
	pop	rcx
	pop	rbx
	pop	rax
	add	rsp, 16
	iretq
