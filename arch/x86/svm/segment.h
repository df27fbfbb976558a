/* SPDX-License-Identifier: BSD-2-Clause */
/* Segment registers between the VMCB's form and the vendor-neutral one. APM 2, 15.5.1 and B. */
#pragma once

#include "vmm/backend.h"
#include "arch/x86/svm/vmcb.h"

/* The VMCB has no bit for "unusable": a segment that is not present is. */
static inline void svm_segment_get(const struct vmcb_segment *from, struct segment *to)
{
	uint32_t attributes = (from->attributes & 0xffu) | (from->attributes & 0xf00u) << 4;

	if (!(attributes & SEG_ATTR_PRESENT))
		attributes |= SEG_ATTR_UNUSABLE;
	*to = (struct segment){.selector = from->selector,
			       .attributes = attributes,
			       .limit = from->limit,
			       .base = from->base};
}

static inline void svm_segment_set(struct vmcb_segment *to, const struct segment *from)
{
	uint32_t attributes = (from->attributes & 0xffu) | (from->attributes >> 4 & 0xf00u);

	if (from->attributes & SEG_ATTR_UNUSABLE)
		attributes &= ~SEG_ATTR_PRESENT;
	*to = (struct vmcb_segment){.selector = from->selector,
				    .attributes = (uint16_t)attributes,
				    .limit = from->limit,
				    .base = from->base};
}
