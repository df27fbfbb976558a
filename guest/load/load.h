/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts what a VM is to run into its memory and says how its boot vCPU starts. The kind of image is
 * recognised by its content: Linux bzImage, multiboot 2, multiboot 1, PVH ELF, flat binary.
 *
 * Order: the VM's memory is mapped → load_guest() → vCPUs are made and reset →
 * load_apply_entry().
 */
#pragma once

#include "vmm/types.h"

struct vcpu;
struct vm;

#define LOAD_ERROR_MAX 256

/* A file as it was read. length 0: there is none. */
struct guest_image {
	const void *data;
	size_t length;
};

struct guest_module {
	struct guest_image image;
	const char *arguments; /* "" where there are none */
};

struct load_request {
	struct vm *vm; /* config, space, ram_low and ram_high are used */
	struct guest_image kernel;
	struct guest_image initrd;
	const char *cmdline;
	const struct guest_module *modules;
	unsigned module_count;
};

enum load_mode {
	LOAD_PROTECTED32, /* flat 4 GiB segments, paging off */
	LOAD_LONG64,	  /* the low 4 GiB mapped one to one */
};

/*
 * How the boot vCPU starts: interrupts off, CS selector 0x10, data selectors 0x18, both flat, from
 * a GDT in guest memory. General registers that are not named are 0.
 */
struct load_entry {
	enum load_mode mode;
	uint64_t rip;
	uint64_t rsp;
	uint64_t rax, rbx, rsi;
	const char *protocol; /* for the log: "Linux, 64-bit" */
};

/*
 * Writes the ACPI and SMBIOS tables, the image, what goes with it and the protocol's data to the
 * guest's memory, and fills *entry. Every length and address in the images is checked. Errors:
 * -ENOEXEC (an image is broken, or of a kind that cannot be run), -E2BIG (the command line is too
 * long for this kernel), -ENOSPC (it does not fit the guest's memory), -EINVAL (the request asks
 * for what this kind of kernel does not take), -EFAULT, -ENOMEM; `error` then holds a sentence for
 * the user that names the file by its role (kernel, initrd, module 2).
 */
HV_MUST_CHECK int load_guest(const struct load_request *request, struct load_entry *entry,
			     char error[LOAD_ERROR_MAX]);

/* Sets the registers of a vCPU that was just reset so that it starts as `entry` says. */
void load_apply_entry(struct vcpu *vcpu, const struct load_entry *entry);
