/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt descriptor table (SDM 3A, 6.14) and what each kind of vector leads to. */
#include "arch/x86/idt.h"

#include "vmm/log.h"
#include "vmm/x86_defs.h"
#include "arch/x86/ex_table.h"
#include "arch/x86/fault.h"
#include "arch/x86/gdt.h"
#include "arch/x86/percpu.h"

#define IDT_ENTRIES	    256
#define GATE_INTERRUPT	    0x8e /* present, ring 0, 64-bit interrupt gate */
#define INTERRUPT_STUB_SIZE 16

struct gate {
	uint16_t offset_0;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_16;
	uint32_t offset_32;
	uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "SDM 3A, figure 6-8");

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} HV_PACKED;

/* arch/x86/interrupts.asm */
extern const char interrupt_stubs[];
void interrupt_dispatch(struct interrupt_frame *frame);

static struct gate idt[IDT_ENTRIES] HV_ALIGNED(16);
static void (*interrupt_handlers[IDT_ENTRIES])(void);
static void (*nmi_handler)(void);

static void idt_load_register(void)
{
	struct table_pointer pointer = {.limit = sizeof(idt) - 1, .base = (uintptr_t)idt};

	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

/* Without interrupt stacks: there is no TSS yet. */
void idt_init(void)
{
	for (unsigned vector = 0; vector < IDT_ENTRIES; vector++) {
		uint64_t stub = (uintptr_t)interrupt_stubs + (uint64_t)vector * INTERRUPT_STUB_SIZE;

		idt[vector] = (struct gate){
			.offset_0 = (uint16_t)stub,
			.selector = GDT_CODE64,
			.type = GATE_INTERRUPT,
			.offset_16 = (uint16_t)(stub >> 16),
			.offset_32 = (uint32_t)(stub >> 32),
		};
	}
	idt_load_register();
}

void idt_load(void)
{
	idt[VECTOR_NMI].ist = IST_NMI;
	idt[VECTOR_DF].ist = IST_DOUBLE_FAULT;
	idt[VECTOR_MC].ist = IST_MACHINE_CHECK;
	idt_load_register();
}

void interrupt_set_handler(uint8_t vector, void (*handler)(void))
{
	interrupt_handlers[vector] = handler;
}

void nmi_set_handler(void (*handler)(void))
{
	nmi_handler = handler;
}

void interrupt_handle(uint8_t vector)
{
	static bool reported[IDT_ENTRIES];

	if (interrupt_handlers[vector]) {
		interrupt_handlers[vector]();
		return;
	}
	if (!reported[vector])
		log_warning("interrupt %u came, which nobody asked for", vector);
	reported[vector] = true;
}

static void interrupt_nmi(void)
{
	struct cpu *cpu = this_cpu();

	if (fault_is_stopping())
		fault_park();
	if (cpu)
		percpu_count_nmi(cpu);
	if (nmi_handler)
		nmi_handler();
}

/* Goes on elsewhere where the code said that this instruction may fault. */
static bool exception_fix_up(struct interrupt_frame *frame)
{
	for (const struct ex_table_entry *entry = __ex_table_start; entry < __ex_table_end;
	     entry++) {
		if (entry->insn == frame->rip) {
			frame->rip = entry->fixup;
			return true;
		}
	}
	return false;
}

/* Called by arch/x86/interrupts.asm. */
void interrupt_dispatch(struct interrupt_frame *frame)
{
	if (frame->vector >= IDT_FIRST_DEVICE_VECTOR)
		interrupt_handle((uint8_t)frame->vector);
	else if (frame->vector == VECTOR_NMI)
		interrupt_nmi();
	else if (frame->vector == VECTOR_DF || frame->vector == VECTOR_MC ||
		 !exception_fix_up(frame))
		fault_exception(frame);
}
