; SPDX-License-Identifier: BSD-2-Clause
;
; Put behind a Linux kernel (tests/bench/run), and run where the kernel is entered in 64-bit mode:
; prints `@kernel TSC` on COM1, in hexadecimal, puts the kernel's own first bytes back and goes there.
; The boot protocol keeps nothing but RSI (Linux, Documentation/arch/x86/boot.rst), so all other
; registers are free. There may be no stack.

bits 64
default rel

hook:
	rdtsc
	shl rdx, 32
	lea rbx, [rax + rdx]
	lea rdi, [text]
	mov ecx, 64			; bits of the number not yet printed
.next:
	mov al, [rdi]
	inc rdi
	test al, al
	jz .done
	cmp al, '#'
	jne .put
	sub ecx, 4
	mov rax, rbx
	shr rax, cl
	and eax, 15
	add al, '0'
	cmp al, '9'
	jbe .put
	add al, 'a' - '9' - 1
.put:
	mov r8d, eax
.wait:
	mov edx, 0x3fd
	in al, dx
	test al, 0x20			; transmitter holding register empty
	jz .wait
	mov edx, 0x3f8
	mov eax, r8d
	out dx, al
	jmp .next
.done:
	mov rdi, [entry]
	lea rax, [entry]
	add rdi, rax
	mov rax, [saved]
	mov [rdi], rax
	jmp rdi

text:	db 13, 10, "@kernel ################", 13, 10, 0

; Filled in by tests/bench/run: the entry relative to here, and the eight bytes that were there.
entry:	dq 0
saved:	dq 0
