/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoded instructions of a vCPU. A guest reaches its devices from few places, and decoding costs
 * more than all the rest of an emulation. An entry is used only where the bytes at RIP, which are
 * read anew each time, and the code width are those that it was decoded from: nothing that the
 * guest does can make it stale.
 */
#include "vmm/emulate_internal.h"

#include "vmm/heap.h"
#include "vmm/vcpu.h"

#include <string.h>

#define CACHE_ENTRIES 32 /* a power of two */

struct cache_entry {
	uint64_t words[2]; /* the instruction's bytes, and what followed them */
	struct insn insn;  /* length 0: the entry is empty */
};

/* Its vCPU's CPU alone touches it. */
struct emul_cache {
	struct cache_entry entries[CACHE_ENTRIES];
};

static struct cache_entry *entry_of(struct vcpu *vcpu)
{
	return &vcpu->emul_cache->entries[(vcpu->rip ^ vcpu->rip >> 5) & (CACHE_ENTRIES - 1)];
}

static bool same_bytes(const struct cache_entry *entry, const uint64_t words[2])
{
	unsigned length = entry->insn.length;
	uint64_t low = mask_of_bytes(length);
	uint64_t high = length > 8 ? mask_of_bytes(length - 8) : 0;

	return (((entry->words[0] ^ words[0]) & low) | ((entry->words[1] ^ words[1]) & high)) == 0;
}

const struct insn *emul_cache_find(struct vcpu *vcpu, const struct insn_bytes *bytes,
				   unsigned width)
{
	const struct cache_entry *entry;

	if (!vcpu->emul_cache)
		return NULL;
	entry = entry_of(vcpu);
	if (entry->insn.length == 0 || entry->insn.length > bytes->length ||
	    entry->insn.width != width || !same_bytes(entry, bytes->words))
		return NULL;
	return &entry->insn;
}

void emul_cache_add(struct vcpu *vcpu, const struct insn_bytes *bytes, const struct insn *insn)
{
	struct cache_entry *entry;

	if (!vcpu->emul_cache)
		vcpu->emul_cache = hv_alloc(sizeof(*vcpu->emul_cache));
	if (!vcpu->emul_cache)
		return;
	entry = entry_of(vcpu);
	memcpy(entry->words, bytes->words, sizeof(entry->words));
	entry->insn = *insn;
}
