; SPDX-License-Identifier: BSD-2-Clause
; Halts with interrupts off, from where only an NMI, INIT or its destruction bring it.
%include "payload.inc"

main:
	say	"halting", 10
	cli
	hlt
	exit	1
