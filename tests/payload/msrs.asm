; SPDX-License-Identifier: BSD-2-Clause
; MSRs that a guest is not given: reading and writing each raises #GP, once. Then every number of the
; three blocks that CPUs use is read, and what can be read is written back.
%include "payload.inc"

main:
	mov	rdi, ungiven
.next:	mov	ecx, [rdi]
	expect_fault VECTOR_GP, rdmsr
	xor	eax, eax
	xor	edx, edx
	expect_fault VECTOR_GP, wrmsr
	add	rdi, 4
	cmp	rdi, ungiven_end
	jb	.next
	mov	ecx, 0
	mov	esi, 0x2000
	call	sweep
	mov	ecx, 0x40000000
	mov	esi, 0x2000
	call	sweep
	mov	ecx, 0xc0000000
	mov	esi, 0x2000
	call	sweep
	mov	ecx, 0xc0010000
	mov	esi, 0x2000
	call	sweep
	say_number "read ", [rel reads]
	exit_judged

; Reads ESI MSRs from ECX up, and writes back what it read.
sweep:
.next:	mov	rbx, [rel fault_total]
	try	rdmsr
	cmp	rbx, [rel fault_total]
	jne	.refused
	inc	qword [rel reads]
	try	wrmsr
.refused:
	inc	ecx
	dec	esi
	jnz	.next
	ret

align 8
reads:	dq	0
ungiven:
	dd	0x3a		; FEATURE_CONTROL
	dd	0x9b		; SMM_MONITOR_CTL
	dd	0x9e		; SMBASE
	dd	0x186		; PERFEVTSEL0
	dd	0x38f		; PERF_GLOBAL_CTRL
	dd	0x400		; MC0_CTL: no banks are offered
	dd	0x480		; VMX_BASIC
	dd	0x491		; VMX_VMFUNC
	dd	0x560		; RTIT_OUTPUT_BASE
	dd	0x600		; DS_AREA
	dd	0x770		; PM_ENABLE
	dd	0xc90		; L3_QOS_MASK
	dd	0xda0		; XSS
	dd	0x40000000	; a hypervisor's that this is not
	dd	0x4b564dff	; next to those that are offered
	dd	0xc0000104	; TSC_RATIO
	dd	0xc0010000	; PERF_CTL0
	dd	0xc0010111	; SMBASE
	dd	0xc0010114	; VM_CR
	dd	0xc0010117	; VM_HSAVE_PA
	dd	0xc0010118	; SVM_KEY
	dd	0xc0011030	; IBS_FETCH_CTL
	dd	0xffffffff
ungiven_end:
