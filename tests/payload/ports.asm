; SPDX-License-Identifier: BSD-2-Clause
; Reads all 65536 ports in all widths and writes them, but for the few whose writing ends the VM or
; the verdict: COM1's, the keyboard controller's, resets, power and debug-exit. Ports that nobody has
; read as all ones.
%include "payload.inc"

%define UNCLAIMED_FIRST	0x1000
%define UNCLAIMED_LAST	0xfff0

main:
	xor	ebx, ebx
.read:	mov	edx, ebx
	xor	eax, eax
	in	al, dx
	cmp	al, 0xff
	call	count
	xor	eax, eax
	in	ax, dx
	cmp	ax, 0xffff
	call	count
	xor	eax, eax
	in	eax, dx
	cmp	eax, -1
	call	count
	inc	bx
	jnz	.read
	say_number "unclaimed reads that were not all ones: ", [rel wrong]
	xor	r12d, r12d		; the value
.write:	call	write_all
	add	r12d, 0x7f
	cmp	r12d, 4 * 0x7f
	jb	.write
	call	write_strings
	say	"wrote all ports", 10
	cmp	qword [rel wrong], 0
	jne	.failed
	exit	0
.failed:
	exit	1

; Flags: whether the port BX read as all ones.
count:
	je	.done
	cmp	bx, UNCLAIMED_FIRST
	jb	.done
	cmp	bx, UNCLAIMED_LAST
	ja	.done
	inc	qword [rel wrong]
.done:	ret

; The value R12 to all ports, in all widths where no byte of them is spared.
write_all:
	xor	ebx, ebx
.next:	mov	ecx, 4
	call	spared
	jc	.skip
	mov	edx, ebx
	mov	eax, r12d
	out	dx, al
	out	dx, ax
	out	dx, eax
.skip:	inc	bx
	jnz	.next
	ret

; Carry set where a write of 4 bytes to port BX touches one that is spared.
spared:
	mov	rsi, spared_ports
.next:	movzx	eax, word [rsi]
	lea	ecx, [rbx + 3]
	cmp	ecx, eax
	jb	.after
	movzx	eax, word [rsi + 2]
	cmp	ebx, eax
	jbe	.yes
.after:	add	rsi, 4
	cmp	rsi, spared_ports_end
	jb	.next
	clc
	ret
.yes:	stc
	ret

; String forms, to ports that nobody has and to one that is claimed.
write_strings:
	mov	dx, 0x1234
	mov	rsi, main
	mov	rdi, PAYLOAD_FREE
	mov	ecx, 1000
	rep outsd
	mov	ecx, 1000
	rep insd
	mov	dx, 0x21
	mov	rsi, main
	mov	ecx, 100
	rep outsb
	ret

align 8
wrong:	dq	0
spared_ports:		; first and last
	dw	0x60, 0x64	; keyboard controller
	dw	0x92, 0x92	; system control
	dw	0xf4, 0xf4	; debug-exit
	dw	0x3f8, 0x3ff	; COM1
	dw	0x600, 0x60b	; ACPI power management
	dw	0xcf8, 0xcff	; PCI configuration, reset control
spared_ports_end:
