/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/vcpu_event.c: what is delivered before an entry, and what waits. */
#include "vcpu_fixture.h"

/* ---- exceptions ---- */

/* 'b'enign, 'c'ontributory, 'p'age fault. */
static char class_of(uint8_t vector)
{
	switch (vector) {
	case VECTOR_PF:
		return 'p';
	case VECTOR_DB:
	case VECTOR_UD:
	case VECTOR_AC:
		return 'b';
	default:
		return 'c';
	}
}

/*
 * SDM 3A, table 6-5: every pair. One that makes no double fault leaves the second: the first comes
 * again when its instruction does.
 */
static void test_double_faults(void **state)
{
	static const uint8_t vectors[] = {VECTOR_DE, VECTOR_TS, VECTOR_NP, VECTOR_SS, VECTOR_GP,
					  VECTOR_PF, VECTOR_DB, VECTOR_UD, VECTOR_AC};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(vectors); j++) {
			char first = class_of(vectors[i]), second = class_of(vectors[j]);
			bool twice =
				(first == 'c' && second == 'c') || (first == 'p' && second != 'b');

			vcpu->event_valid = false;
			vcpu_inject_exception(vcpu, vectors[i], false, 0);
			vcpu_inject_exception(vcpu, vectors[j], true, 0x18);
			assert_int_equal(vcpu->event.vector, twice ? VECTOR_DF : vectors[j]);
			assert_true(vcpu->event.has_error_code);
			assert_int_equal(vcpu->event.error_code, twice ? 0 : 0x18);
		}
	}
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_RUNNING);
}

static void test_triple_fault_stops_the_vm(void **state)
{
	(void)state;
	vcpu->rip = 0x1234;
	vcpu_inject_pf(vcpu, 0x1000, 2);
	vcpu_inject_pf(vcpu, 0x2000, 0);
	assert_int_equal(vcpu->event.vector, VECTOR_DF);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_RUNNING);
	vcpu_inject_gp(vcpu);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_STOPPING);
	assert_string_equal(vcpu->vm->stop_reason, "triple fault at rip 0x1234");
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->runs, 0);
}

static void test_benign_exception_after_double_fault(void **state)
{
	(void)state;
	vcpu_inject_gp(vcpu);
	vcpu_inject_gp(vcpu);
	vcpu_inject_exception(vcpu, VECTOR_DB, false, 0);
	assert_int_equal(atomic_load(&vcpu->vm->state), VM_RUNNING);
}

static void test_page_fault_sets_cr2(void **state)
{
	(void)state;
	vcpu_inject_pf(vcpu, 0xdead000, 7);
	assert_int_equal(fake()->regs[REG_CR2], 0xdead000);
	assert_int_equal(vcpu->event.error_code, 7);
}

static void test_real_mode_has_no_error_codes(void **state)
{
	(void)state;
	fake_vcpu_set_mode(vcpu, 2, 0);
	vcpu_inject_gp(vcpu);
	assert_false(vcpu->event.has_error_code);
	vcpu_inject_gp(vcpu);
	assert_int_equal(vcpu->event.vector, VECTOR_DF);
	assert_false(vcpu->event.has_error_code);
}

/* The flags that a fault's handler gets and returns with: its instruction's own breakpoint does
 * not trap again. SDM 3B, 17.3.1.1. */
static void test_faults_set_rf(void **state)
{
	static const struct {
		uint8_t vector;
		bool rf;
	} cases[] = {
		{VECTOR_GP, true},  {VECTOR_UD, true},	{VECTOR_PF, true},  {VECTOR_AC, true},
		{VECTOR_DB, false}, {VECTOR_BP, false}, {VECTOR_OF, false}, {VECTOR_MC, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->event_valid = false;
		vcpu->rflags = RFLAGS_FIXED;
		vcpu_inject_exception(vcpu, cases[i].vector, false, 0);
		assert_int_equal((vcpu->rflags & RFLAGS_RF) != 0, cases[i].rf);
	}
}

static void test_exception_is_delivered_before_interrupts(void **state)
{
	(void)state;
	fake_intc_raise(0x51);
	vcpu_inject_gp(vcpu);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_EXCEPTION, VECTOR_GP);
	assert_int_equal(fake()->event_count, 1);
	assert_int_equal(fake_intc.accepted, 0);
	/* The interrupt waits for its window. */
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, WINDOW_ANY_PRIORITY);
}

static void defer_interrupt(void)
{
	vcpu->event = (struct vcpu_event){.type = EVENT_INTERRUPT, .vector = 0x61};
	vcpu->event_valid = true;
	vcpu_inject_pf(vcpu, 0x1000, 0);
}

/* An accepted interrupt whose delivery faults is delivered after the fault. */
static void test_interrupted_interrupt_is_not_lost(void **state)
{
	(void)state;
	defer_interrupt();
	fake()->interrupts_open = false; /* in the fault's handler */
	PLAY({EXIT_CPUID, NULL}, {EXIT_INTERRUPT_WINDOW, NULL});
	vcpu->requests = 0;
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_EXCEPTION, VECTOR_PF);
	assert_int_equal(fake()->event_count, 1);
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, WINDOW_ANY_PRIORITY);
	fake()->interrupts_open = true;
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(1, EVENT_INTERRUPT, 0x61);
	assert_false(vcpu->deferred_valid);
}

/* Its window is asked for with the fault already: the handler may make no exit by itself. */
static void test_deferred_interrupt_asks_for_its_window_at_once(void **state)
{
	(void)state;
	defer_interrupt();
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->runs, 1);
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, WINDOW_ANY_PRIORITY);
}

/* INT n is executed again when the fault's handler returns: it must not come twice. */
static void test_software_interrupt_is_not_deferred(void **state)
{
	(void)state;
	vcpu->event = (struct vcpu_event){.type = EVENT_SOFTWARE_INTERRUPT, .vector = VECTOR_GP};
	vcpu->event_valid = true;
	vcpu_inject_gp(vcpu);
	assert_false(vcpu->deferred_valid);
	assert_int_equal(vcpu->event.type, EVENT_EXCEPTION);
	assert_int_equal(vcpu->event.vector, VECTOR_GP);
}

/* ---- interrupts ---- */

static void test_interrupt_is_delivered(void **state)
{
	(void)state;
	fake_intc_raise(0x30);
	PLAY({EXIT_CPUID, NULL});
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->event_count, 1);
	check_event(0, EVENT_INTERRUPT, 0x30);
	assert_int_equal(fake_intc.accepted, 1);
	assert_int_equal(vcpu->stats.interrupts, 1);
	assert_int_equal(vcpu->stats.exits[EXIT_CPUID], 1);
	assert_false(fake()->interrupt_window);
	assert_int_equal(fake()->loads, 1);
	assert_int_equal(fake()->unloads, 1);
}

static void open_interrupts(void)
{
	fake()->interrupts_open = true;
}

static void test_interrupt_waits_for_its_window(void **state)
{
	(void)state;
	fake_intc_raise(0x30);
	fake()->interrupts_open = false;
	PLAY({EXIT_CPUID, NULL}, {EXIT_INTERRUPT_WINDOW, open_interrupts});
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(script_at, 2);
	check_event(0, EVENT_INTERRUPT, 0x30);
	assert_false(fake()->interrupt_window);
}

static void lower_interrupts(void)
{
	fake_intc_raise(-1);
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
}

static void test_window_ends_with_its_interrupt(void **state)
{
	(void)state;
	fake_intc_raise(0x30);
	fake()->interrupts_open = false;
	PLAY({EXIT_CPUID, lower_interrupts});
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->cancels, 1);
	assert_false(fake()->interrupt_window);
	assert_int_equal(fake()->event_count, 0);
}

/* What the task priority holds back needs an exit when that falls. */
static void test_priority_holds_an_interrupt_back(void **state)
{
	(void)state;
	fake_intc_raise(0x41);
	fake_intc.blocked = true;
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->event_count, 0);
	assert_int_equal(fake_intc.accepted, 0);
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, 4);
}

static void test_second_interrupt_asks_for_a_window(void **state)
{
	(void)state;
	fake_intc.pending[0] = 0x80;
	fake_intc.pending[1] = 0x70;
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->event_count, 1);
	check_event(0, EVENT_INTERRUPT, 0x80);
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, WINDOW_ANY_PRIORITY);
}

/* ---- NMIs ---- */

static void test_nmi_goes_before_interrupts(void **state)
{
	(void)state;
	fake_intc_raise(0x30);
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->event_count, 1);
	check_event(0, EVENT_NMI, VECTOR_NMI);
	assert_true(fake()->interrupt_window);
	assert_false(vcpu->nmi_pending);
}

static void open_nmis(void)
{
	fake()->nmis_open = true;
}

static void test_blocked_nmi_waits(void **state)
{
	(void)state;
	fake()->nmis_open = false;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	PLAY({EXIT_CPUID, NULL}, {EXIT_NMI_WINDOW, open_nmis});
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->event_count, 1);
	check_event(0, EVENT_NMI, VECTOR_NMI);
	assert_false(fake()->nmi_window);
}

static void test_nmi_behind_an_exception_asks_for_a_window(void **state)
{
	(void)state;
	vcpu_inject_gp(vcpu);
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_EXCEPTION, VECTOR_GP);
	assert_int_equal(fake()->runs, 1);
	assert_true(fake()->nmi_window);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_double_faults),
		TEST(test_triple_fault_stops_the_vm),
		TEST(test_benign_exception_after_double_fault),
		TEST(test_page_fault_sets_cr2),
		TEST(test_real_mode_has_no_error_codes),
		TEST(test_faults_set_rf),
		TEST(test_exception_is_delivered_before_interrupts),
		TEST(test_interrupted_interrupt_is_not_lost),
		TEST(test_deferred_interrupt_asks_for_its_window_at_once),
		TEST(test_software_interrupt_is_not_deferred),
		TEST(test_interrupt_is_delivered),
		TEST(test_interrupt_waits_for_its_window),
		TEST(test_window_ends_with_its_interrupt),
		TEST(test_priority_holds_an_interrupt_back),
		TEST(test_second_interrupt_asks_for_a_window),
		TEST(test_nmi_goes_before_interrupts),
		TEST(test_blocked_nmi_waits),
		TEST(test_nmi_behind_an_exception_asks_for_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
