/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/lapic_ipi.c and vm_irq_msi(): who gets what is sent. */
#include "lapic_fixture.h"

#define ICR_LOGICAL 0x800
#define ICR_NMI	    0x400
#define ICR_INIT    0x4500
#define ICR_SIPI    0x4600
#define ICR_LOWEST  0x100
#define ICR_SELF    0x40000
#define ICR_ALL	    0x80000
#define ICR_OTHERS  0xc0000

/* The vCPUs that were told, as bits; each must have `vector` pending, and the others nothing. */
static uint32_t told(int vector)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < fixture.vm.vcpu_count; i++) {
		if (fixture_requests(i) & VCPU_REQUEST_EVENT) {
			mask |= 1u << i;
			assert_int_equal(fixture_take(i), vector);
			if (lapic_mode(fixture.vcpus[i].lapic) == LAPIC_MODE_X2APIC)
				assert_int_equal(x2_write(i, LAPIC_EOI, 0), 0);
			else
				apic_write(i, LAPIC_EOI, 0);
		}
		assert_int_equal(fixture_pending(i), -1);
	}
	return mask;
}

/* The vCPUs of which `request` was asked, as bits. */
static uint32_t asked(uint32_t request)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < fixture.vm.vcpu_count; i++)
		if (fixture_requests(i) == request)
			mask |= 1u << i;
	return mask;
}

static void send(unsigned from, uint32_t destination, uint32_t icr)
{
	apic_write(from, LAPIC_ICR_HIGH, destination << 24);
	apic_write(from, LAPIC_ICR_LOW, icr);
}

static void sends_to_physical_ids(void **state)
{
	(void)state;
	apics_create(4, false);
	send(0, 2, 0x61);
	assert_int_equal(told(0x61), 1 << 2);
	send(3, 3, 0x62);
	assert_int_equal(told(0x62), 1 << 3);
	send(0, 4, 0x63);
	assert_int_equal(told(-1), 0);
	send(1, 0xff, 0x64);
	assert_int_equal(told(0x64), 0xf);
}

static void sends_by_shorthand(void **state)
{
	(void)state;
	apics_create(4, false);
	send(1, 0, ICR_SELF | 0x61);
	assert_int_equal(told(0x61), 1 << 1);
	send(1, 0, ICR_ALL | 0x62);
	assert_int_equal(told(0x62), 0xf);
	send(1, 0, ICR_OTHERS | 0x63);
	assert_int_equal(told(0x63), 0xd);
}

static void sends_to_flat_logical_ids(void **state)
{
	(void)state;
	apics_create(4, false);
	for (unsigned i = 0; i < 4; i++)
		apic_write(i, LAPIC_LDR, 1u << (24 + i));
	send(0, 0x0a, ICR_LOGICAL | 0x61);
	assert_int_equal(told(0x61), 0xa);
	send(0, 0xff, ICR_LOGICAL | 0x62);
	assert_int_equal(told(0x62), 0xf);
	send(0, 0, ICR_LOGICAL | 0x63);
	assert_int_equal(told(-1), 0);
}

static void sends_to_logical_clusters(void **state)
{
	(void)state;
	apics_create(4, false);
	for (unsigned i = 0; i < 4; i++) {
		apic_write(i, LAPIC_DFR, 0x0fffffff);
		/* Clusters 1 and 2 of two. */
		apic_write(i, LAPIC_LDR, (i / 2 + 1) << 28 | 1u << (24 + i % 2));
	}
	send(0, 0x21, ICR_LOGICAL | 0x61);
	assert_int_equal(told(0x61), 1 << 2);
	send(0, 0x13, ICR_LOGICAL | 0x62);
	assert_int_equal(told(0x62), 0x3);
	send(0, 0x33, ICR_LOGICAL | 0x63);
	assert_int_equal(told(-1), 0);
	send(0, 0xff, ICR_LOGICAL | 0x64);
	assert_int_equal(told(0x64), 0xf);
}

static void sends_in_x2apic_mode(void **state)
{
	(void)state;
	apics_create(20, true);
	assert_int_equal(x2_write(0, LAPIC_ICR_LOW, 17ull << 32 | 0x61), 0);
	assert_int_equal(told(0x61), 1 << 17);
	/* Cluster 1: vCPUs 16 to 31. */
	assert_int_equal(x2_write(0, LAPIC_ICR_LOW, 0x00010009ull << 32 | ICR_LOGICAL | 0x62), 0);
	assert_int_equal(told(0x62), 1 << 16 | 1 << 19);
	assert_int_equal(x2_write(0, LAPIC_ICR_LOW, 0xffffffffull << 32 | 0x63), 0);
	assert_int_equal(told(0x63), 0xfffff);
	assert_int_equal(x2_write(0, LAPIC_ICR_LOW, 0xffull << 32 | 0x64), 0);
	assert_int_equal(told(-1), 0);
	assert_int_equal(x2_write(7, LAPIC_SELF_IPI, 0x65), 0);
	assert_int_equal(told(0x65), 1 << 7);
}

static void lowest_priority_goes_to_one(void **state)
{
	uint32_t seen = 0;

	(void)state;
	apics_create(4, false);
	for (unsigned i = 0; i < 4; i++)
		apic_write(i, LAPIC_LDR, 1u << (24 + i));
	apic_write(2, LAPIC_SVR, 0xff);
	for (int vector = 0x40; vector < 0x50; vector++) {
		uint32_t mask;

		send(0, 0x0e, ICR_LOGICAL | ICR_LOWEST | (uint32_t)vector);
		mask = told(vector);
		assert_int_equal(__builtin_popcount(mask), 1);
		seen |= mask;
	}
	/* Spread over those addressed, without the one that is software-disabled. */
	assert_int_equal(seen, 0xa);
	send(0, 0x04, ICR_LOGICAL | ICR_LOWEST | 0x60);
	assert_int_equal(told(-1), 0);
}

static void sends_nmi_init_and_sipi(void **state)
{
	(void)state;
	apics_create(4, false);
	/* They reach APICs that are software-disabled, too. */
	apic_write(3, LAPIC_SVR, 0xff);
	send(0, 3, ICR_NMI);
	assert_int_equal(asked(VCPU_REQUEST_NMI), 1 << 3);
	send(0, 0, ICR_OTHERS | ICR_INIT);
	assert_int_equal(asked(VCPU_REQUEST_INIT), 0xe);
	send(0, 1, ICR_SIPI | 0x9a);
	assert_int_equal(asked(VCPU_REQUEST_SIPI), 1 << 1);
	assert_int_equal(fixture.vcpus[1].sipi_vector, 0x9a);
	/* INIT level de-assert, and an SMI, are nothing. */
	send(0, 1, 0x8500);
	send(0, 1, 0x4200);
	send(0, 1, 0x4700);
	send(0, 0, ICR_SELF | ICR_NMI);
	assert_int_equal(asked(0), 0xf);
}

static void a_disabled_apic_is_not_on_the_bus(void **state)
{
	(void)state;
	apics_create(2, false);
	assert_int_equal(msr_write(1, MSR_APIC_BASE, APIC_DEFAULT_BASE), 0);
	send(0, 1, 0x61);
	send(0, 1, ICR_INIT);
	send(0, 0, ICR_OTHERS | ICR_NMI);
	assert_int_equal(asked(0), 3);
}

static void illegal_vectors_are_errors(void **state)
{
	(void)state;
	apics_create(2, false);
	send(0, 1, 0x0f);
	assert_int_equal(told(-1), 0);
	apic_write(0, LAPIC_ESR, 0);
	assert_int_equal(apic_read(0, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL);
	/* A device's message is the receiver's error, and its error interrupt. */
	apic_write(1, LAPIC_LVT_ERROR, 0x70);
	vm_irq_msi(&fixture.vm, 0xfee01000, 0x0003);
	assert_int_equal(told(0x70), 1 << 1);
	apic_write(1, LAPIC_ESR, 0);
	assert_int_equal(apic_read(1, LAPIC_ESR), LAPIC_ESR_RECEIVE_ILLEGAL);
}

static void delivers_messages_of_devices(void **state)
{
	(void)state;
	apics_create(4, false);
	for (unsigned i = 0; i < 4; i++)
		apic_write(i, LAPIC_LDR, 1u << (24 + i));
	vm_irq_msi(&fixture.vm, 0xfee02000, 0x0061);
	assert_int_equal(told(0x61), 1 << 2);
	vm_irq_msi(&fixture.vm, 0xfee06004, 0x0062);
	assert_int_equal(told(0x62), 0x6);
	vm_irq_msi(&fixture.vm, 0xfee0600c, 0x0063);
	assert_int_equal(__builtin_popcount(told(0x63)), 1);
	vm_irq_msi(&fixture.vm, 0xfeeff000, 0x0064);
	assert_int_equal(told(0x64), 0xf);
	vm_irq_msi(&fixture.vm, 0xfee01000, 0x0400);
	assert_int_equal(asked(VCPU_REQUEST_NMI), 1 << 1);
	/* SIPIs are no messages, and other addresses no interrupts. */
	vm_irq_msi(&fixture.vm, 0xfee01000, 0x0600);
	vm_irq_msi(&fixture.vm, 0xfed01000, 0x0061);
	vm_irq_msi(&fixture.vm, 0x1fee01000, 0x0061);
	assert_int_equal(asked(0), 0xf);
}

static void level_messages_set_tmr(void **state)
{
	(void)state;
	apics_create(1, false);
	vm_irq_msi(&fixture.vm, 0xfee00000, 0xc061);
	assert_int_equal(apic_read(0, LAPIC_TMR + 3), 1 << 1);
	assert_int_equal(told(0x61), 1);
	vm_irq_msi(&fixture.vm, 0xfee00000, 0x0061);
	assert_int_equal(apic_read(0, LAPIC_TMR + 3), 0);
	assert_int_equal(told(0x61), 1);
	/* An IPI is edge-triggered, whatever it says. */
	send(0, 0, ICR_ALL | 0xc061);
	assert_int_equal(apic_read(0, LAPIC_TMR + 3), 0);
}

static void sends_paravirtual_ipis(void **state)
{
	const uint64_t low[2] = {0x5, 0};
	const uint64_t high[2] = {1ull << 63, 1};

	(void)state;
	apics_create(20, true);
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, low, 1, 0x61), 2);
	assert_int_equal(told(0x61), 1 << 1 | 1 << 3);
	/* IDs do not wrap: with 32 bits, 0xffffffd1 + 63 would be 16. */
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, high, 0xffffffd1, 0x62), 0);
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, high, 0, 0x62), 0);
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, low, 17, ICR_NMI), 2);
	assert_int_equal(asked(VCPU_REQUEST_NMI), 1 << 17 | 1 << 19);
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, low, 1, 0x500), -EINVAL);
	assert_int_equal(lapic_intc.send_ipis(&fixture.vm, low, 1, 0x61 | ICR_LOWEST), -EINVAL);
	assert_int_equal(told(-1), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, apics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_to_physical_ids),	  TEST(sends_by_shorthand),
		TEST(sends_to_flat_logical_ids),  TEST(sends_to_logical_clusters),
		TEST(sends_in_x2apic_mode),	  TEST(lowest_priority_goes_to_one),
		TEST(sends_nmi_init_and_sipi),	  TEST(a_disabled_apic_is_not_on_the_bus),
		TEST(illegal_vectors_are_errors), TEST(delivers_messages_of_devices),
		TEST(level_messages_set_tmr),	  TEST(sends_paravirtual_ipis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
