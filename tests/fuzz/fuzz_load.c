/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes load_guest() with all image formats. The first byte says what accompanies the kernel (bit
 * 0: an initrd, bit 1: a module), the rest is the kernel. What is accepted must start inside the
 * guest's memory; what is refused must be refused with a sentence.
 */
#include "guest/load/load.h"

#include "guest/layout.h"
#include "fake_guest.h"

#include <stdlib.h>
#include <string.h>

#define RAM MIB(4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm *vm;
	static const uint8_t bytes[100];
	const struct guest_module module = {{bytes, sizeof(bytes)}, "module arguments"};
	struct load_request request = {.cmdline = "console=ttyS0"};
	char error[LOAD_ERROR_MAX];
	struct load_entry entry;

	if (!vm)
		vm = fake_guest_create(RAM);
	if (size == 0)
		return 0;
	request.vm = vm;
	request.kernel = (struct guest_image){data + 1, size - 1};
	if (data[0] & 1)
		request.initrd = (struct guest_image){bytes, sizeof(bytes)};
	request.modules = &module;
	request.module_count = data[0] >> 1 & 1;
	if (load_guest(&request, &entry, error) != 0) {
		if (error[0] == '\0' || memchr(error, '\0', sizeof(error)) == NULL)
			abort();
		return 0;
	}
	if (entry.rip < GUEST_HIGH_BASE || entry.rip >= RAM + 0x200 || entry.rsp >= RAM ||
	    !entry.protocol)
		abort();
	return 0;
}
