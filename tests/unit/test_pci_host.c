/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of guest/dev/pci_host.c and guest/dev/reset.c. */
#include "guest/dev/pci_host.h"

#include "vmm/heap.h"
#include "vmm/vm.h"
#include "guest/dev/reset.h"
#include "guest/layout.h"
#include "fake_guest.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static struct vm *vm;
static unsigned restarts;

void vm_restart(struct vm *which, const char *reason, ...)
{
	assert_ptr_equal(which, vm);
	assert_string_equal(reason, "reset by the guest");
	restarts++;
}

static int setup(void **state)
{
	(void)state;
	restarts = 0;
	vm = fake_guest_create(MIB(1));
	fake_guest_add_device(vm, &reset_vdev);
	fake_guest_add_device(vm, &pci_host_vdev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(vm);
	assert_int_equal(heap_bytes_used(), 0);
	return 0;
}

static void select_register(unsigned bus, unsigned devfn, unsigned offset)
{
	fake_guest_out(PORT_PCI_ADDRESS, 4, 1u << 31 | bus << 16 | devfn << 8 | offset);
}

static uint64_t ecam(unsigned bus, unsigned devfn, unsigned offset)
{
	return GUEST_ECAM_BASE + ((uint64_t)bus << 20 | devfn << 12 | offset);
}

static void has_a_host_bridge(void **state)
{
	(void)state;
	select_register(0, 0, 0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0x29c08086);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA + 2, 2), 0x29c0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA + 1, 1), 0x80);
	select_register(0, 0, 8);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0x06000000);
	assert_int_equal(bus_read(&vm->mmio, NULL, ecam(0, 0, 0), 4), 0x29c08086);
	assert_int_equal(bus_read(&vm->mmio, NULL, ecam(0, 0, 0x60), 8), GUEST_ECAM_BASE | 1);
	fake_guest_out(PORT_PCI_DATA, 4, 0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0x06000000);
}

static void all_else_reads_ones(void **state)
{
	(void)state;
	select_register(0, PCI_DEVFN(1, 0), 0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0xffffffff);
	select_register(1, 0, 0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 2), 0xffff);
	assert_int_equal(bus_read(&vm->mmio, NULL, ecam(255, 255, 0xffc), 4), 0xffffffff);
	fake_guest_out(PORT_PCI_ADDRESS, 4, 0);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0xffffffff);
}

static void address_register_is_a_dword(void **state)
{
	(void)state;
	fake_guest_out(PORT_PCI_ADDRESS, 4, 0xffffffff);
	assert_int_equal(fake_guest_in(PORT_PCI_ADDRESS, 4), 0x80fffffc);
	fake_guest_out(PORT_PCI_ADDRESS, 2, 0);
	fake_guest_out(PORT_PCI_ADDRESS, 1, 0);
	assert_int_equal(fake_guest_in(PORT_PCI_ADDRESS, 4), 0x80fffffc);
	assert_int_equal(fake_guest_in(PORT_PCI_ADDRESS, 2), 0xffff);
}

static uint8_t space[4096];

static uint32_t function_read(struct vcpu *vcpu, void *function, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	(void)vcpu;
	assert_ptr_equal(function, space);
	assert_true(size == 1 || size == 2 || size == 4);
	assert_int_equal(offset % size, 0);
	assert_true(offset < sizeof(space));
	memcpy(&value, &space[offset], size);
	return value;
}

static void function_write(struct vcpu *vcpu, void *function, unsigned offset, unsigned size,
			   uint32_t value)
{
	(void)vcpu, (void)function;
	assert_int_equal(offset % size, 0);
	assert_true(offset < sizeof(space));
	memcpy(&space[offset], &value, size);
}

static void passes_accesses_to_functions(void **state)
{
	static const struct pci_function_ops ops = {function_read, function_write};
	const unsigned devfn = PCI_DEVFN(3, 1);

	(void)state;
	for (unsigned i = 0; i < sizeof(space); i++)
		space[i] = (uint8_t)(i ^ i >> 8);
	assert_int_equal(pci_host_add(vm, 256, &ops, space), -EINVAL);
	assert_int_equal(pci_host_add(vm, 0, &ops, space), -EEXIST);
	assert_int_equal(pci_host_add(vm, devfn, &ops, space), 0);
	assert_int_equal(pci_host_add(vm, devfn, &ops, space), -EEXIST);
	select_register(0, devfn, 0x40);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA, 4), 0x43424140);
	assert_int_equal(fake_guest_in(PORT_PCI_DATA + 1, 2), 0x4241); /* not aligned */
	fake_guest_out(PORT_PCI_DATA + 3, 1, 0x99);
	assert_int_equal(space[0x43], 0x99);
	assert_int_equal(bus_read(&vm->mmio, NULL, ecam(0, devfn, 0xabc), 2), 0xb7b6);
	bus_write(&vm->mmio, NULL, ecam(0, devfn, 0xff8), 8, UINT64_C(0x1122334455667788));
	assert_int_equal(space[0xff8], 0x88);
	assert_int_equal(space[0xfff], 0x11);
	/* An access across the function's end goes on in the next one, where there is none. */
	assert_int_equal(bus_read(&vm->mmio, NULL, ecam(0, devfn, 0xffe), 4), 0xffff1122);
}

static void resets_by_the_control_register(void **state)
{
	(void)state;
	fake_guest_out(PORT_RESET_CONTROL, 1, 0x02);
	assert_int_equal(restarts, 0);
	assert_int_equal(fake_guest_in(PORT_RESET_CONTROL, 1), 0x02);
	fake_guest_out(PORT_RESET_CONTROL, 1, RESET_CONTROL_RESET);
	assert_int_equal(restarts, 1);
	/* Only where the bit rises. */
	fake_guest_out(PORT_RESET_CONTROL, 1, RESET_CONTROL_RESET);
	assert_int_equal(restarts, 1);
}

static void resets_by_the_keyboard_controller(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_in(PORT_KBD_COMMAND, 1), 0);
	fake_guest_out(PORT_KBD_COMMAND, 1, 0xd1);
	fake_guest_out(PORT_KBD_DATA, 1, 0xfe);
	fake_guest_out(PORT_KBD_COMMAND, 1, 0xff);
	assert_int_equal(restarts, 0);
	fake_guest_out(PORT_KBD_COMMAND, 1, 0xfe);
	assert_int_equal(restarts, 1);
}

static void resets_by_port_92(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_in(PORT_SYSTEM_CONTROL, 1), 2);
	fake_guest_out(PORT_SYSTEM_CONTROL, 1, 2);
	assert_int_equal(restarts, 0);
	fake_guest_out(PORT_SYSTEM_CONTROL, 1, 3);
	assert_int_equal(restarts, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_a_host_bridge),
		TEST(all_else_reads_ones),
		TEST(address_register_is_a_dword),
		TEST(passes_accesses_to_functions),
		TEST(resets_by_the_control_register),
		TEST(resets_by_the_keyboard_controller),
		TEST(resets_by_port_92),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
