; SPDX-License-Identifier: BSD-2-Clause
; Writes what no CPU takes to CR0, CR4, EFER and XCR0, and executes what a guest is not given. Each must
; raise #GP or #UD, once, and change nothing. Left out is what a CPU checks with no hypervisor's help
; and QEMU 7.2 does not: the high halves of CR0 and CR8, CR3 (see cr3.asm).
%include "payload.inc"

%macro bad_msr 2
	mov	ecx, %1
	mov	rax, %2
	mov	rdx, rax
	shr	rdx, 32
	expect_fault VECTOR_GP, wrmsr
%endmacro

; bad_cr CR, BITS: its value with these bits turned over.
%macro bad_cr 2
	mov	rax, %1
	mov	rbx, %2
	xor	rax, rbx
	expect_fault VECTOR_GP, mov %1, rax
%endmacro

main:
	mov	rdi, cr0
	mov	rsi, cr4
	bad_cr	cr0, 1				; paging without protection
	bad_cr	cr0, 1 << 29			; NW without CD
	bad_cr	cr0, 1 << 31			; paging off in 64-bit mode
	bad_cr	cr4, 1 << 5			; PAE off in long mode
	bad_cr	cr4, 1 << 12			; 5 levels while in long mode
	bad_cr	cr4, 1 << 13			; VMX, which is not offered
	bad_cr	cr4, 1 << 15			; reserved
	bad_cr	cr4, 1 << 31
	bad_cr	cr4, 1 << 63
	bad_msr	MSR_EFER, 0x0000000000000400	; LME off under paging
	bad_msr	MSR_EFER, 0x0000000000001500	; SVME, which is not offered
	bad_msr	MSR_EFER, 0x0000000000000502	; reserved
	bad_msr	MSR_EFER, 0x8000000000000500
	; XCR0 needs CR4.OSXSAVE.
	xor	ecx, ecx
	xor	edx, edx
	mov	eax, 1
	expect_fault VECTOR_UD, xsetbv
	mov	rax, rsi
	bts	rax, 18
	mov	cr4, rax
	xor	eax, eax
	expect_fault VECTOR_GP, xsetbv		; x87 off
	mov	eax, 5
	expect_fault VECTOR_GP, xsetbv		; AVX without SSE
	mov	edx, 1 << 30
	mov	eax, 3
	expect_fault VECTOR_GP, xsetbv		; reserved
	xor	edx, edx
	mov	ecx, 1
	expect_fault VECTOR_GP, xsetbv		; there is no XCR1
	mov	cr4, rsi
	call	forbidden
	; Nothing has changed.
	mov	rax, cr0
	cmp	rax, rdi
	jne	.changed
	mov	rax, cr4
	cmp	rax, rsi
	jne	.changed
	exit_judged
.changed:
	say	"a refused write changed the register", 10
	exit	2

; The instructions of a hypervisor, which this guest's CPUID does not offer.
forbidden:
	mov	eax, PAYLOAD_FREE
	expect_fault VECTOR_UD, vmrun
	expect_fault VECTOR_UD, vmload
	expect_fault VECTOR_UD, vmsave
	expect_fault VECTOR_UD, stgi
	expect_fault VECTOR_UD, clgi
	expect_fault VECTOR_UD, skinit
	xor	ecx, ecx
	expect_fault VECTOR_UD, invlpga
	expect_fault VECTOR_UD, vmxoff
	xor	edx, edx
	expect_fault VECTOR_UD, monitor
	expect_fault VECTOR_UD, mwait
	expect_fault VECTOR_GP, rdpmc
	expect_fault VECTOR_UD, rsm
	ret
