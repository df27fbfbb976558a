/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/vcpu.c: the run loop, halting, INIT and SIPI, and what others ask of a vCPU. */
#include "vmm/cpuid.h"

#include "vcpu_fixture.h"

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

/* A debugger in the guest that steps sees every instruction end, also those that exit. */
static void test_advance_single_steps(void **state)
{
	(void)state;
	vcpu->rflags = RFLAGS_FIXED | RFLAGS_TF;
	fake()->regs[REG_DR6] = 0xffff0ff0;
	vcpu_advance(vcpu, 2);
	assert_true(vcpu->event_valid);
	assert_int_equal(vcpu->event.vector, VECTOR_DB);
	assert_int_equal(fake()->regs[REG_DR6], 0xffff4ff0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(test_advance_single_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
