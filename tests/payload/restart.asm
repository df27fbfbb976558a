; SPDX-License-Identifier: BSD-2-Clause
; Resets itself again and again, as fast as it can.
%include "payload.inc"

main:
	say	"resetting", 10
	mov	dx, 0xcf9
	mov	al, 6
	out	dx, al
	jmp	$
