; SPDX-License-Identifier: BSD-2-Clause
; Interrupts as fast as they come: software interrupts, interrupts and NMIs that it sends itself, a
; timer of the shortest period. After a million of the first it says so; the rest goes on for ever.
%include "payload.inc"

%define ICR		(MSR_X2APIC + 0x30)
%define SELF_IPI	(MSR_X2APIC + 0x3f)
%define EOI		(MSR_X2APIC + 0x0b)
%define SPURIOUS	(MSR_X2APIC + 0x0f)
%define LVT_TIMER	(MSR_X2APIC + 0x32)
%define TIMER_COUNT	(MSR_X2APIC + 0x38)
%define TIMER_DIVIDE	(MSR_X2APIC + 0x3e)

%macro write_msr 2
	mov	ecx, %1
	mov	eax, %2
	xor	edx, edx
	wrmsr
%endmacro

main:
	mov	r12d, 1000000
.software:
	int	0x80
	dec	r12d
	jnz	.software
	say_number "software interrupts ", [rel fault_counts + 0x80 * 8]
	mov	ecx, MSR_APIC_BASE
	rdmsr
	or	eax, 0xc00		; x2APIC
	wrmsr
	write_msr SPURIOUS, 0x1ff
	mov	qword [rel on_interrupt], end_of_interrupt
	sti
	mov	r12d, 20000
.self:	write_msr SELF_IPI, 0x90
	dec	r12d
	jnz	.self
	say_number "self IPIs ", [rel fault_counts + 0x90 * 8]
	mov	r12d, 20000
.nmi:	write_msr ICR, 0x4400		; NMI to APIC ID 0
	dec	r12d
	jnz	.nmi
	say_number "NMIs ", [rel fault_counts + VECTOR_NMI * 8]
	write_msr TIMER_DIVIDE, 0xb	; by 1
	write_msr LVT_TIMER, 0x20091	; periodic
	write_msr TIMER_COUNT, 1
	say	"storm goes on", 10
.for_ever:
	write_msr SELF_IPI, 0x90
	jmp	.for_ever

end_of_interrupt:
	push	rcx
	push	rdx
	write_msr EOI, 0
	pop	rdx
	pop	rcx
	ret
