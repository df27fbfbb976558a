/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit tests of vmm/vcpu.c and vmm/vcpu_event.c: the run loop with a scripted guest, what is
 * delivered before an entry, and what others ask of a vCPU.
 */
#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include "fake_backend.h"
#include "fake_guest.h"
#include "fake_intc.h"
#include "fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SCRIPT_MAX 8

static struct vcpu *vcpu;

/* One exit of the guest, and what happens while it is inside. */
struct step {
	enum exit_kind kind;
	void (*meanwhile)(void);
};

static struct step script[SCRIPT_MAX];
static unsigned script_at;

/* Plays the script; at its end the VM is stopped, so that vcpu_run() returns. */
static void run_guest(struct vcpu *self, struct vm_exit *exit)
{
	const struct step *step = &script[script_at];

	assert_ptr_equal(self, vcpu);
	if (script_at < SCRIPT_MAX && (step->kind != EXIT_HOST_EVENT || step->meanwhile != NULL)) {
		script_at++;
		exit->kind = step->kind;
		exit->length = 1;
		if (step->meanwhile != NULL)
			step->meanwhile();
		return;
	}
	exit->kind = EXIT_HOST_EVENT;
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_STOP);
}

static void play(const struct step *steps, size_t count)
{
	memset(script, 0, sizeof(script));
	memcpy(script, steps, count * sizeof(*steps));
	script_at = 0;
}

#define PLAY(...)                                \
	play((const struct step[]){__VA_ARGS__}, \
	     sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static struct fake_vcpu *fake(void)
{
	return fake_vcpu(vcpu);
}

static int setup(void **state)
{
	struct vm *vm = fake_guest_create(MIB(1));

	(void)state;
	fake_backend_install();
	fake_backend_on_run(run_guest);
	fake_intc_install(vm);
	vcpu = fake_guest_vcpu();
	(void)fake_backend_attach(vcpu);
	cpu_init(vcpu->cpu, 0, 0);
	atomic_store(&vm->state, VM_RUNNING);
	atomic_store(&vcpu->state, VCPU_RUNNABLE);
	memset(script, 0, sizeof(script));
	script_at = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_backend_detach(vcpu);
	fake_guest_destroy(vcpu->vm);
	return 0;
}

static void check_event(unsigned index, enum event_type type, uint8_t vector)
{
	assert_in_range(index + 1, 1, fake()->event_count);
	assert_int_equal(fake()->events[index].type, type);
	assert_int_equal(fake()->events[index].vector, vector);
}

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
	/* The interrupt waits for its window, of its class. */
	assert_true(fake()->interrupt_window);
	assert_int_equal(fake()->window_priority, 5);
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
	assert_int_equal(fake()->window_priority, 6);
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
	assert_int_equal(fake()->window_priority, 6);
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
	assert_int_equal(fake()->window_priority, 7);
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

/* ---- halting ---- */

static void test_halt_idles(void **state)
{
	(void)state;
	PLAY({EXIT_HLT, NULL});
	vcpu->rip = 0x100;
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	assert_int_equal(vcpu->rip, 0x101);
	assert_int_equal(fake()->loads, fake()->unloads);
	/* Nothing came: it stays. */
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(fake()->runs, 1);
}

static void raise_now(void)
{
	fake_intc_raise(0x33);
}

/* An interrupt that came before the HLT completed ends it before it idles. */
static void test_pending_interrupt_ends_halt(void **state)
{
	(void)state;
	PLAY({EXIT_HLT, raise_now});
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_INTERRUPT, 0x33);
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
}

static void test_masked_interrupt_does_not_end_halt(void **state)
{
	(void)state;
	PLAY({EXIT_HLT, raise_now});
	fake()->interrupts_open = false;
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_NMI, VECTOR_NMI);
}

static void test_blocked_nmi_does_not_end_halt(void **state)
{
	(void)state;
	PLAY({EXIT_HLT, NULL});
	fake()->nmis_open = false; /* HLT inside of an NMI's handler */
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	fake_intc_raise(0x35);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_INTERRUPT, 0x35);
	assert_true(vcpu->nmi_pending);
}

static void test_kick_ends_halt(void **state)
{
	(void)state;
	PLAY({EXIT_HLT, NULL});
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	vcpu_request(vcpu, VCPU_REQUEST_WAKE);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
	assert_int_equal(fake()->event_count, 0);
}

static void kick(void)
{
	vcpu_request(vcpu, VCPU_REQUEST_WAKE);
}

/* The kick of a lock's holder that comes between the waiter's last look and its HLT is not lost;
 * it ends one HLT. */
static void test_kick_before_halt_ends_it(void **state)
{
	(void)state;
	PLAY({EXIT_CPUID, kick}, {EXIT_CPUID, NULL}, {EXIT_HLT, NULL}, {EXIT_HLT, NULL});
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(script_at, 4);
	assert_int_equal(fake()->runs, 4);
}

/* ---- INIT and SIPI ---- */

static void test_power_on(void **state)
{
	(void)state;
	vcpu->gpr[GPR_RBX] = 1;
	vcpu_inject_gp(vcpu);
	vcpu->nmi_pending = true;
	vcpu->vm->tsc_offset = 99;
	atomic_store(&vcpu->requests, VCPU_REQUEST_SIPI);
	vcpu_power_on(vcpu);
	assert_true(fake()->last_reset_power_on);
	assert_true(fake_intc.last_reset_power_on);
	assert_int_equal(fake()->tsc_offset, 99);
	assert_int_equal(vcpu->gpr[GPR_RBX], 0);
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
	assert_int_equal(atomic_load(&vcpu->requests), 0);
	assert_false(vcpu->event_valid || vcpu->nmi_pending);
	vcpu->id = 1;
	vcpu_power_on(vcpu);
	assert_int_equal(vcpu->activity, VCPU_WAIT_SIPI);
	vcpu->id = 0;
}

static void become_application_processor(void)
{
	vcpu->id = 1;
	vcpu_power_on(vcpu);
}

static void test_sipi_starts_at_its_page(void **state)
{
	(void)state;
	become_application_processor();
	fake_intc_raise(0x30); /* is not taken before */
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(fake()->event_count, 0);
	fake_intc_raise(-1);
	atomic_store(&vcpu->sipi_vector, 0x9a);
	vcpu_request(vcpu, VCPU_REQUEST_SIPI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->segments[SEG_CS].selector, 0x9a00);
	assert_int_equal(fake()->segments[SEG_CS].base, 0x9a000);
	assert_int_equal(vcpu->rip, 0);
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
}

static void test_sipi_to_a_running_vcpu_is_ignored(void **state)
{
	(void)state;
	vcpu->rip = 0x5000;
	atomic_store(&vcpu->sipi_vector, 0x9a);
	vcpu_request(vcpu, VCPU_REQUEST_SIPI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(vcpu->rip, 0x5000);
	assert_int_equal(fake()->segments[SEG_CS].selector, 0x10);
}

/* INIT resets what INIT resets, and forgets events; an application processor then waits. */
static void test_init(void **state)
{
	static const uint32_t signature[4] = {0x000906ea};
	static const uint32_t leaves[4] = {1};

	(void)state;
	fake_platform_set_cpuid(0, 0, leaves);
	fake_platform_set_cpuid(1, 0, signature);
	cpuid_policy_init();
	vcpu->id = 1;
	vcpu->gpr[GPR_RBX] = 1;
	vcpu_inject_gp(vcpu);
	vcpu->pv.kicked = true;
	vcpu_request(vcpu, VCPU_REQUEST_INIT);
	assert_int_equal(vcpu_run(vcpu), VCPU_IDLE);
	assert_int_equal(fake()->resets, 1);
	assert_false(fake()->last_reset_power_on);
	assert_int_equal(fake_intc.resets, 1);
	assert_false(fake_intc.last_reset_power_on);
	assert_int_equal(vcpu->activity, VCPU_WAIT_SIPI);
	assert_int_equal(vcpu->gpr[GPR_RBX], 0);
	assert_int_equal(vcpu->gpr[GPR_RDX], 0x000906ea);
	assert_false(vcpu->event_valid || vcpu->pv.kicked);
	/* INIT and SIPI that were asked for together come in that order. */
	vcpu_request(vcpu, VCPU_REQUEST_INIT | VCPU_REQUEST_SIPI);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
}

/* The boot processor does not wait for anybody. */
static void test_init_of_the_boot_processor(void **state)
{
	(void)state;
	vcpu_request(vcpu, VCPU_REQUEST_INIT);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(vcpu->rip, 0xfff0);
	assert_int_equal(fake()->runs, 1);
}

/* ---- others ---- */

static void test_stop_goes_before_all(void **state)
{
	(void)state;
	vcpu_inject_gp(vcpu);
	vcpu_request(vcpu, VCPU_REQUEST_STOP | VCPU_REQUEST_INIT | VCPU_REQUEST_YIELD);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->runs, 0);
	assert_int_equal(fake()->resets, 0);
	assert_int_equal(fake()->loads, fake()->unloads);
}

static void request_yield(void)
{
	vcpu_request(vcpu, VCPU_REQUEST_YIELD | VCPU_REQUEST_EVENT);
}

static void test_yield(void **state)
{
	(void)state;
	fake_intc_raise(0x30);
	fake()->interrupts_open = false;
	PLAY({EXIT_CPUID, request_yield});
	assert_int_equal(vcpu_run(vcpu), VCPU_YIELD);
	assert_int_equal(fake()->runs, 1);
	/* What it was to look at is looked at when it comes back. */
	fake()->interrupts_open = true;
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	check_event(0, EVENT_INTERRUPT, 0x30);
}

static void test_flush(void **state)
{
	(void)state;
	vcpu_request(vcpu, VCPU_REQUEST_FLUSH);
	assert_int_equal(vcpu_run(vcpu), VCPU_STOP);
	assert_int_equal(fake()->flushes, 1);
}

static void test_request_wakes_a_blocked_vcpu(void **state)
{
	(void)state;
	fake_platform_set_time(777);
	atomic_store(&vcpu->state, VCPU_BLOCKED);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	assert_int_equal(atomic_load(&vcpu->state), VCPU_RUNNABLE);
	assert_int_equal(vcpu->pv.runnable_since, 777);
	assert_true(vcpu->queued);
	assert_int_equal(fake_platform_kicks(), 1);
	assert_true(atomic_load(&vcpu->cpu->attention));
	assert_ptr_equal(sched_pick(&vcpu->cpu->run_queue), vcpu);
}

/* One that runs is kicked once for the same request; one that is not started, not at all. */
static void test_request_kicks_a_running_vcpu(void **state)
{
	(void)state;
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	assert_int_equal(fake_platform_kicks(), 0); /* runnable, but not running */
	atomic_store(&vcpu->requests, 0);
	atomic_store(&vcpu->cpu->running, vcpu);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	assert_int_equal(fake_platform_kicks(), 1);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT | VCPU_REQUEST_NMI);
	assert_int_equal(fake_platform_kicks(), 2);
	atomic_store(&vcpu->cpu->running, NULL);
	atomic_store(&vcpu->state, VCPU_OFFLINE);
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
	assert_int_equal(fake_platform_kicks(), 2);
	assert_false(vcpu->queued);
}

/* Work for its CPU makes it give way. */
static void test_mailbox_makes_it_yield(void **state)
{
	static struct cpu_work work;

	(void)state;
	cpu_post(vcpu->cpu, &work);
	assert_int_equal(vcpu_run(vcpu), VCPU_YIELD);
	assert_int_equal(fake()->runs, 0);
}

/* ---- what handlers need ---- */

static void test_code_width_and_privilege(void **state)
{
	(void)state;
	for (unsigned cpl = 0; cpl < 4; cpl++) {
		fake_vcpu_set_mode(vcpu, 8, cpl);
		assert_int_equal(vcpu_cpl(vcpu), cpl);
	}
	assert_int_equal(vcpu_code_width(vcpu), 8);
	fake_vcpu_set_mode(vcpu, 4, 0);
	assert_int_equal(vcpu_code_width(vcpu), 4);
	fake_vcpu_set_mode(vcpu, 2, 0);
	assert_int_equal(vcpu_code_width(vcpu), 2);
	/* The L bit means nothing outside of long mode. */
	fake_vcpu_set_mode(vcpu, 8, 0);
	fake()->regs[REG_EFER] = 0;
	assert_int_equal(vcpu_code_width(vcpu), 2);
}

static void test_advance(void **state)
{
	(void)state;
	vcpu->rip = 0xfffffffe;
	vcpu->interrupt_shadow = true;
	vcpu->rflags = RFLAGS_FIXED | RFLAGS_RF | RFLAGS_IF;
	vcpu_advance(vcpu, 3);
	assert_int_equal(vcpu->rip, 0x100000001);
	assert_false(vcpu->interrupt_shadow);
	assert_int_equal(vcpu->rflags, RFLAGS_FIXED | RFLAGS_IF);
	assert_false(vcpu->event_valid);
	fake_vcpu_set_mode(vcpu, 4, 0);
	vcpu->rip = 0xfffffffe;
	vcpu_advance(vcpu, 3);
	assert_int_equal(vcpu->rip, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(test_halt_idles),
		TEST(test_pending_interrupt_ends_halt),
		TEST(test_masked_interrupt_does_not_end_halt),
		TEST(test_blocked_nmi_does_not_end_halt),
		TEST(test_kick_ends_halt),
		TEST(test_kick_before_halt_ends_it),
		TEST(test_power_on),
		TEST(test_sipi_starts_at_its_page),
		TEST(test_sipi_to_a_running_vcpu_is_ignored),
		TEST(test_init),
		TEST(test_init_of_the_boot_processor),
		TEST(test_stop_goes_before_all),
		TEST(test_yield),
		TEST(test_flush),
		TEST(test_request_wakes_a_blocked_vcpu),
		TEST(test_request_kicks_a_running_vcpu),
		TEST(test_mailbox_makes_it_yield),
		TEST(test_code_width_and_privilege),
		TEST(test_advance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
