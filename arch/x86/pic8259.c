/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. Intel 8259A data sheet. */
#include "arch/x86/pic8259.h"

#include "arch/x86/idt.h"
#include "arch/x86/io.h"
#include "arch/x86/vectors.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xa0
#define SLAVE_DATA     0xa1

#define ICW1_INIT_ICW4 0x11
#define ICW3_MASTER    0x04 /* the slave is at input 2 */
#define ICW3_SLAVE     0x02
#define ICW4_8086      0x01
#define MASK_ALL       0xff

/*
 * An interrupt that went away between the request and the acknowledge comes as number 7 of its
 * controller, masked or not. Nothing is in service then, so there is no EOI.
 */
static void ignore(void)
{
}

void pic8259_disable(void)
{
	io_out8(MASTER_DATA, MASK_ALL);
	io_out8(SLAVE_DATA, MASK_ALL);
	io_out8(MASTER_COMMAND, ICW1_INIT_ICW4);
	io_out8(SLAVE_COMMAND, ICW1_INIT_ICW4);
	io_out8(MASTER_DATA, VECTOR_PIC_FIRST);
	io_out8(SLAVE_DATA, VECTOR_PIC_FIRST + 8);
	io_out8(MASTER_DATA, ICW3_MASTER);
	io_out8(SLAVE_DATA, ICW3_SLAVE);
	io_out8(MASTER_DATA, ICW4_8086);
	io_out8(SLAVE_DATA, ICW4_8086);
	io_out8(MASTER_DATA, MASK_ALL);
	io_out8(SLAVE_DATA, MASK_ALL);
	interrupt_set_handler(VECTOR_PIC_SPURIOUS, ignore);
	interrupt_set_handler(VECTOR_PIC_LAST, ignore);
}
