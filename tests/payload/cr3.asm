; SPDX-License-Identifier: BSD-2-Clause
; Loads CR3 with reserved bits. A CPU raises #GP, and the verdict is 0. QEMU 7.2 takes the value as long
; as the guest runs, but not at the next VMRUN: then this VM is stopped.
%include "payload.inc"

main:
	mov	rax, cr3
	bts	rax, 63
	expect_fault VECTOR_GP, mov cr3, rax
	exit_judged
