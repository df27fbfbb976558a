/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of arch/x86/svm/inject.c on a VMCB in plain memory: windows, NMI blocking with and
 * without the CPU's help, and events that an exit cut short.
 */
#include "vmm/vcpu.h"
#include "vmm/x86_defs.h"
#include "arch/x86/svm/svm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define DR6_CLEAR 0xffff0ff0ull
#define DR6_STEP  (DR6_CLEAR | 1ull << 14)

static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct vcpu vcpu;

static int setup(void **state)
{
	(void)state;
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&svm, 0, sizeof(svm));
	memset(&vcpu, 0, sizeof(vcpu));
	svm.vmcb = &vmcb;
	vcpu.backend = &svm;
	vcpu.rip = 0x1000;
	vcpu.rflags = RFLAGS_FIXED | RFLAGS_IF;
	vmcb.control.int_ctl = VMCB_V_INTR_MASKING;
	vmcb.control.clean = VMCB_CLEAN_ALL;
	vmcb.save.dr6 = DR6_CLEAR;
	return 0;
}

static const struct vcpu_event nmi = {.type = EVENT_NMI, .vector = VECTOR_NMI};
static const struct vcpu_event interrupt = {.type = EVENT_INTERRUPT, .vector = 0x51};

static bool intercepts_iret(void)
{
	return vmcb.control.intercept_misc1 & VMCB_MISC1_IRET;
}

/* As run.c does when an entry is over; `cut_short`: EXITINTINFO. */
static void entry_is_over(uint64_t cut_short)
{
	vmcb.control.exitintinfo = cut_short;
	if (cut_short & VMCB_EVENT_VALID)
		svm_event_requeue(&vcpu);
	if (svm.pending & SVM_PENDING_INJECTED)
		svm_event_done(&svm);
}

static void interrupts_wait_for_if_shadow_and_events(void **state)
{
	(void)state;
	assert_true(svm_can_inject(&vcpu, EVENT_INTERRUPT));
	vcpu.rflags &= ~RFLAGS_IF;
	assert_false(svm_can_inject(&vcpu, EVENT_INTERRUPT));
	vcpu.rflags |= RFLAGS_IF;
	vcpu.interrupt_shadow = true;
	assert_false(svm_can_inject(&vcpu, EVENT_INTERRUPT));
	vcpu.interrupt_shadow = false;
	vcpu.event_valid = true;
	assert_false(svm_can_inject(&vcpu, EVENT_INTERRUPT));
	vcpu.event_valid = false;
	svm_inject(&vcpu, &interrupt);
	assert_false(svm_can_inject(&vcpu, EVENT_INTERRUPT));
	entry_is_over(0);
	assert_true(svm_can_inject(&vcpu, EVENT_INTERRUPT));
}

static void events_are_written_as_the_manual_says(void **state)
{
	const struct vcpu_event fault = {.type = EVENT_EXCEPTION,
					 .vector = VECTOR_PF,
					 .has_error_code = true,
					 .error_code = 0x80000007};
	const struct vcpu_event trap = {.type = EVENT_EXCEPTION, .vector = VECTOR_UD};
	const struct vcpu_event software = {.type = EVENT_SOFTWARE_INTERRUPT, .vector = 0x80};

	(void)state;
	svm_inject(&vcpu, &interrupt);
	assert_int_equal(vmcb.control.eventinj, 0x80000051);
	svm_inject(&vcpu, &fault);
	assert_int_equal(vmcb.control.eventinj, 0x8000000780000b0e);
	svm_inject(&vcpu, &trap);
	assert_int_equal(vmcb.control.eventinj, 0x80000306);
	svm_inject(&vcpu, &software);
	assert_int_equal(vmcb.control.eventinj, 0x80000480);
	assert_int_equal(vmcb.control.nrip, vcpu.rip);
	assert_true(svm.pending & SVM_PENDING_INJECTED);
	entry_is_over(0);
	assert_int_equal(vmcb.control.eventinj, 0);
	assert_int_equal(svm.pending, 0);
	assert_false(vcpu.event_valid);
}

static void a_window_is_a_virtual_interrupt_that_exits(void **state)
{
	const uint32_t virq = VMCB_V_IRQ | VMCB_V_IGN_TPR | 5u << VMCB_V_PRIO_SHIFT;

	(void)state;
	vmcb.control.int_ctl |= 4; /* TPR */
	svm_request_window(&vcpu, EVENT_INTERRUPT, 5);
	assert_int_equal(vmcb.control.int_ctl, VMCB_V_INTR_MASKING | 4 | virq);
	assert_true(vmcb.control.intercept_misc1 & VMCB_MISC1_VINTR);
	assert_true(vmcb.control.intercept_cr & VMCB_CR_WRITE(8));
	assert_int_equal(vmcb.control.clean & (VMCB_CLEAN_TPR | VMCB_CLEAN_INTERCEPTS), 0);
	svm_cancel_window(&vcpu);
	assert_int_equal(vmcb.control.int_ctl, VMCB_V_INTR_MASKING | 4);
	assert_int_equal(vmcb.control.intercept_misc1, 0);
	assert_int_equal(vmcb.control.intercept_cr, 0);
}

/* Blocked by the task priority: nothing to exit for but the write that lowers it. */
static void a_window_below_the_task_priority_waits_for_cr8(void **state)
{
	(void)state;
	svm_request_window(&vcpu, EVENT_INTERRUPT, 5);
	for (uint32_t tpr = 5; tpr < 16; tpr++) {
		vmcb.control.int_ctl = (vmcb.control.int_ctl & ~VMCB_V_TPR_MASK) | tpr;
		svm_request_window(&vcpu, EVENT_INTERRUPT, 5);
		assert_int_equal(vmcb.control.int_ctl & VMCB_V_IRQ, 0);
		assert_false(vmcb.control.intercept_misc1 & VMCB_MISC1_VINTR);
		assert_true(vmcb.control.intercept_cr & VMCB_CR_WRITE(8));
	}
	vmcb.control.int_ctl &= ~VMCB_V_TPR_MASK;
	svm_request_window(&vcpu, EVENT_INTERRUPT, 5);
	assert_true(vmcb.control.int_ctl & VMCB_V_IRQ);
}

/* The 8259s do not ask the task priority, and a BIOS gives them vectors of the lowest class. */
static void a_window_may_ignore_the_task_priority(void **state)
{
	(void)state;
	vmcb.control.int_ctl |= 15; /* TPR */
	svm_request_window(&vcpu, EVENT_INTERRUPT, WINDOW_ANY_PRIORITY);
	assert_int_equal(vmcb.control.int_ctl & (VMCB_V_IRQ | VMCB_V_IGN_TPR | VMCB_V_PRIO_MASK),
			 VMCB_V_IRQ | VMCB_V_IGN_TPR | VMCB_V_PRIO_MASK);
	assert_true(vmcb.control.intercept_misc1 & VMCB_MISC1_VINTR);
}

static void nmis_are_blocked_until_iret_is_done(void **state)
{
	struct vm_exit exit = {.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_DB}};

	(void)state;
	assert_true(svm_can_inject(&vcpu, EVENT_NMI));
	svm_inject(&vcpu, &nmi);
	assert_int_equal(vmcb.control.eventinj, 0x80000202);
	assert_true(intercepts_iret());
	entry_is_over(0);
	vcpu.rip = 0x2000; /* in the handler */
	assert_false(svm_can_inject(&vcpu, EVENT_NMI));
	/* A second NMI: the intercept will tell, no step yet. */
	svm_request_window(&vcpu, EVENT_NMI, 0);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, 0);

	vcpu.rip = 0x2010;
	svm_nmi_at_iret(&vcpu);
	assert_false(intercepts_iret());
	assert_false(svm_can_inject(&vcpu, EVENT_NMI));
	svm_request_window(&vcpu, EVENT_NMI, 0);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, RFLAGS_TF);

	/* IRET is done: it loaded the flags, and its trap is ours. */
	vcpu.rip = 0x1000;
	vcpu.rflags = RFLAGS_FIXED | RFLAGS_IF;
	vmcb.save.dr6 = DR6_STEP;
	vmcb.control.clean = VMCB_CLEAN_ALL;
	assert_true(svm_step_done(&vcpu, &exit));
	assert_int_equal(exit.kind, EXIT_NMI_WINDOW);
	assert_int_equal(vmcb.save.dr6, DR6_CLEAR);
	assert_int_equal(vmcb.control.clean & VMCB_CLEAN_DRX, 0);
	assert_true(svm_can_inject(&vcpu, EVENT_NMI));
}

/* IRET returns to code that its owner single-steps: TF stays. */
static void iret_may_load_tf(void **state)
{
	struct vm_exit exit = {.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_DB}};

	(void)state;
	svm_nmi_at_iret(&vcpu);
	svm_request_window(&vcpu, EVENT_NMI, 0);
	vcpu.rip = 0x3000;
	vcpu.rflags |= RFLAGS_TF;
	vmcb.save.dr6 = DR6_STEP;
	assert_true(svm_step_done(&vcpu, &exit));
	assert_int_equal(vcpu.rflags & RFLAGS_TF, RFLAGS_TF);
}

static void a_step_that_another_exit_ends_leaves_no_trace(void **state)
{
	struct vm_exit exit = {.kind = EXIT_MEMORY};

	(void)state;
	vcpu.interrupt_shadow = true;
	assert_false(svm_can_inject(&vcpu, EVENT_NMI));
	svm_request_window(&vcpu, EVENT_NMI, 0);
	assert_true(svm.pending & SVM_PENDING_STEP);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, RFLAGS_TF);
	assert_false(svm_step_done(&vcpu, &exit));
	assert_int_equal(exit.kind, EXIT_MEMORY);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, 0);
	assert_int_equal(svm.pending, 0);
}

static void the_guests_own_debugging_is_not_swallowed(void **state)
{
	struct vm_exit exit = {.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_DB}};

	(void)state;
	/* It single-steps itself. */
	vcpu.interrupt_shadow = true;
	vcpu.rflags |= RFLAGS_TF;
	svm_request_window(&vcpu, EVENT_NMI, 0);
	vmcb.save.dr6 = DR6_STEP;
	assert_false(svm_step_done(&vcpu, &exit));
	assert_int_equal(vcpu.rflags & RFLAGS_TF, RFLAGS_TF);
	assert_int_equal(vmcb.save.dr6, DR6_STEP);

	/* A breakpoint on data that the stepped instruction touched. */
	vcpu.rflags &= ~RFLAGS_TF;
	vmcb.save.dr6 = DR6_CLEAR;
	svm_request_window(&vcpu, EVENT_NMI, 0);
	vmcb.save.dr6 = DR6_STEP | 1;
	assert_false(svm_step_done(&vcpu, &exit));
	assert_int_equal(vmcb.save.dr6, DR6_CLEAR | 1);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, 0);

	/* A breakpoint alone, beside an old one that nobody had cleared. */
	vmcb.save.dr6 = DR6_CLEAR | 8;
	svm_request_window(&vcpu, EVENT_NMI, 0);
	vmcb.save.dr6 = DR6_CLEAR | 2;
	assert_false(svm_step_done(&vcpu, &exit));
	assert_int_equal(vmcb.save.dr6, DR6_CLEAR | 8 | 2);
	assert_int_equal(exit.kind, EXIT_EXCEPTION);
}

/* Old bits in DR6 are no reason to keep a step from being ours, nor is a BS that is not there. */
static void a_step_is_told_by_new_bits(void **state)
{
	struct vm_exit exit = {.kind = EXIT_EXCEPTION, .exception = {.vector = VECTOR_DB}};

	(void)state;
	vmcb.save.dr6 = DR6_STEP | 3;
	vcpu.interrupt_shadow = true;
	svm_request_window(&vcpu, EVENT_NMI, 0);
	assert_int_equal(vmcb.save.dr6, DR6_CLEAR);
	assert_true(svm_step_done(&vcpu, &exit));
	assert_int_equal(exit.kind, EXIT_NMI_WINDOW);
	assert_int_equal(vmcb.save.dr6, DR6_STEP | 3);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, 0);
}

/* TF must not get into the flags that the delivery of another event pushes. */
static void no_step_beside_an_injected_event(void **state)
{
	(void)state;
	svm_inject(&vcpu, &interrupt);
	svm_request_window(&vcpu, EVENT_NMI, 0);
	assert_int_equal(svm.pending & SVM_PENDING_STEP, 0);
	assert_int_equal(vcpu.rflags & RFLAGS_TF, 0);
}

static void a_cpu_with_virtual_nmi_keeps_one(void **state)
{
	(void)state;
	vmcb.control.int_ctl |= VMCB_V_NMI_ENABLE;
	assert_true(svm_can_inject(&vcpu, EVENT_NMI));
	svm_inject(&vcpu, &nmi);
	assert_true(vmcb.control.int_ctl & VMCB_V_NMI);
	assert_int_equal(vmcb.control.eventinj, 0);
	assert_int_equal(vmcb.control.clean & VMCB_CLEAN_TPR, 0);
	assert_false(intercepts_iret());
	assert_true(svm_can_inject(&vcpu, EVENT_NMI));

	/* It was being delivered, and blocks NMIs already: only EVENTINJ delivers it again. */
	vmcb.control.int_ctl &= ~VMCB_V_NMI;
	vmcb.control.int_ctl |= VMCB_V_NMI_MASK;
	entry_is_over(0x80000202);
	assert_true(vcpu.event_valid);
	assert_int_equal(vcpu.event.type, EVENT_NMI);
	vcpu.event_valid = false;
	svm_inject(&vcpu, &vcpu.event);
	assert_int_equal(vmcb.control.eventinj, 0x80000202);
	assert_false(vmcb.control.int_ctl & VMCB_V_NMI);
}

static void cut_short(uint64_t info, bool again, enum event_type type, uint8_t vector)
{
	vcpu.event_valid = false;
	entry_is_over(info);
	assert_int_equal(vcpu.event_valid, again);
	if (!again)
		return;
	assert_int_equal(vcpu.event.type, type);
	assert_int_equal(vcpu.event.vector, vector);
}

static void events_cut_short_are_queued_again(void **state)
{
	(void)state;
	cut_short(0x80000051, true, EVENT_INTERRUPT, 0x51);
	assert_false(vcpu.event.has_error_code);
	cut_short(0x00001234800b0b0e, true, EVENT_EXCEPTION, VECTOR_PF);
	assert_true(vcpu.event.has_error_code);
	assert_int_equal(vcpu.event.error_code, 0x1234);
	cut_short(0x80000301, true, EVENT_EXCEPTION, VECTOR_DB);
	assert_false(vcpu.event.has_error_code);
	cut_short(0x80000202, true, EVENT_NMI, VECTOR_NMI);
}

/* INT n, INT3, INTO: RIP is still at them. */
static void instructions_that_raise_are_executed_again(void **state)
{
	const struct vcpu_event software = {.type = EVENT_SOFTWARE_INTERRUPT, .vector = 0x80};
	const struct vcpu_event breakpoint = {.type = EVENT_EXCEPTION, .vector = VECTOR_BP};

	(void)state;
	cut_short(0x80000480, false, 0, 0);
	cut_short(0x80000303, false, 0, 0);
	cut_short(0x80000304, false, 0, 0);
	/* But not where the VMM had injected the very event. */
	svm_inject(&vcpu, &software);
	cut_short(0x80000480, true, EVENT_SOFTWARE_INTERRUPT, 0x80);
	svm_inject(&vcpu, &breakpoint);
	cut_short(0x80000303, true, EVENT_EXCEPTION, VECTOR_BP);
	/* What was injected an entry before counts no more. */
	cut_short(0x80000303, false, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interrupts_wait_for_if_shadow_and_events),
		TEST(events_are_written_as_the_manual_says),
		TEST(a_window_is_a_virtual_interrupt_that_exits),
		TEST(a_window_below_the_task_priority_waits_for_cr8),
		TEST(a_window_may_ignore_the_task_priority),
		TEST(nmis_are_blocked_until_iret_is_done),
		TEST(iret_may_load_tf),
		TEST(a_step_that_another_exit_ends_leaves_no_trace),
		TEST(the_guests_own_debugging_is_not_swallowed),
		TEST(a_step_is_told_by_new_bits),
		TEST(no_step_beside_an_injected_event),
		TEST(a_cpu_with_virtual_nmi_keeps_one),
		TEST(events_cut_short_are_queued_again),
		TEST(instructions_that_raise_are_executed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
