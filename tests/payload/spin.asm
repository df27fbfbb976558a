; SPDX-License-Identifier: BSD-2-Clause
; Takes all it can of its CPU, with interrupts off and no exit of its own.
%include "payload.inc"

main:
	say	"spinning", 10
	cli
	jmp	$
