; SPDX-License-Identifier: BSD-2-Clause
; Reads and writes physical addresses where no memory is, in all widths: reads are all ones, writes
; go nowhere. Below 4 GiB the loader's page tables reach them, above it two more pages of tables do.
%include "payload.inc"

%define DIRECTORY	PAYLOAD_FREE
%define WINDOW		(1 << 39)		; linear: entry 1 of the PML4, 2 MiB pages

main:
	mov	rdi, addresses
.next:	mov	rbx, [rdi]
	call	touch
	add	rdi, 8
	cmp	rdi, addresses_end
	jb	.next
	call	touch_high
	say_number "addresses touched: ", [rel touched]
	cmp	qword [rel mistakes], 0
	jne	.failed
	exit	0
.failed:
	say_number "wrong: ", [rel mistakes]
	exit	1

; Physical addresses above 4 GiB: each through the window.
touch_high:
	mov	qword [PAGE_TABLES + 8], DIRECTORY + 3
	mov	qword [DIRECTORY], DIRECTORY + 0x1000 + 3
	mov	rdi, high_addresses
.next:	mov	rax, [rdi]
	or	rax, 0x83			; present, writable, 2 MiB
	mov	[DIRECTORY + 0x1000], rax
	mov	rax, cr3
	mov	cr3, rax
	mov	rbx, WINDOW
	call	touch
	add	rbx, 0x1ffff0
	call	touch
	add	rdi, 8
	cmp	rdi, high_addresses_end
	jb	.next
	ret

%macro all_ones 2
	cmp	%1, %2
	je	%%right
	inc	qword [rel mistakes]
%%right:
%endmacro

; Reads and writes at RBX. The value that was written must not be read back.
touch:
	inc	qword [rel touched]
	mov	byte [rbx], 0x11
	mov	word [rbx], 0x1122
	mov	dword [rbx], 0x11223344
	mov	rcx, 0x1122334455667788
	mov	[rbx], rcx
	xor	eax, eax
	mov	al, [rbx]
	all_ones al, 0xff
	mov	ax, [rbx]
	all_ones ax, 0xffff
	mov	eax, [rbx]
	all_ones eax, 0xffffffff
	mov	rax, [rbx]
	all_ones rax, -1
	movzx	eax, byte [rbx + 1]
	all_ones eax, 0xff
	movsx	rax, word [rbx + 2]
	all_ones rax, -1
	mov	rax, [rbx + 3]			; not aligned
	all_ones rax, -1
	; Read, modify, write.
	add	dword [rbx], 1
	lock or qword [rbx], 1
	xor	ecx, ecx
	xchg	[rbx], ecx
	all_ones ecx, 0xffffffff
	bts	dword [rbx], 3
	jc	.set
	inc	qword [rel mistakes]
.set:	push	rdi
	mov	rsi, rbx
	mov	rdi, PAYLOAD_FREE + 0x10000
	mov	ecx, 4
	rep movsb
	all_ones dword [PAYLOAD_FREE + 0x10000], -1
	mov	rdi, rbx
	mov	ecx, 2
	rep stosd
	pop	rdi
	ret

align 8
touched:	dq 0
addresses:
	dq	0x1000000		; 16 MiB: right behind this VM's memory
	dq	0x80000000
	dq	0xbffffff0
	dq	0xc0000000		; the PCI window
	dq	0xdffffff0
	dq	0xfec80000		; beside the I/O APIC
	dq	0xfed00000		; where an HPET might be
	dq	0xfed40000		; and a TPM
	dq	0xfef00000		; beyond the local APIC
	dq	0xfffffff0 - 16		; where firmware would be
addresses_end:
high_addresses:
	dq	0x100000000
	dq	0x4000000000
	dq	0x8000000000 - 0x200000	; the end of 39 bits
high_addresses_end:
