; SPDX-License-Identifier: BSD-2-Clause
; Ends in a triple fault: an exception with no IDT to take it.
%include "payload.inc"

main:
	say	"about to fault", 10
	lidt	[rel nothing]
	ud2
nothing:
	dw	0
	dq	0
