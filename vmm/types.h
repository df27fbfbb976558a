/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vocabulary that every file shares: address types that cannot be mixed, page sizes, and a
 * handful of helpers. Nothing here has state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_MUST_CHECK	     __attribute__((warn_unused_result))
#define HV_NORETURN	     __attribute__((noreturn))
#define HV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HV_PACKED	     __attribute__((packed))
#define HV_ALIGNED(n)	     __attribute__((aligned(n)))

#define ARRAY_SIZE(a)			    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define PAGE_SHIFT    12
#define PAGE_SIZE     ((uint64_t)1 << PAGE_SHIFT)
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define PAGE_2M_SHIFT 21
#define PAGE_1G_SHIFT 30

/* A guest-physical address: what a guest believes to be physical. */
typedef struct {
	uint64_t value;
} gpa_t;

/* A host-physical address: what the machine's buses see. */
typedef struct {
	uint64_t value;
} hpa_t;

static inline gpa_t gpa_make(uint64_t value)
{
	return (gpa_t){value};
}

static inline hpa_t hpa_make(uint64_t value)
{
	return (hpa_t){value};
}

static inline gpa_t gpa_add(gpa_t gpa, uint64_t bytes)
{
	return (gpa_t){gpa.value + bytes};
}

static inline hpa_t hpa_add(hpa_t hpa, uint64_t bytes)
{
	return (hpa_t){hpa.value + bytes};
}

/* Rounds value down or up to a multiple of align, which must be a power of two. */
static inline uint64_t align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline bool is_aligned(uint64_t value, uint64_t align)
{
	return (value & (align - 1)) == 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A value whose low `bytes` (1 to 8) bytes are all ones. */
static inline uint64_t mask_of_bytes(unsigned bytes)
{
	return bytes >= 8 ? ~(uint64_t)0 : ((uint64_t)1 << (bytes * 8)) - 1;
}

/* True where [a, a + a_length) and [b, b + b_length) share a byte; neither range may wrap. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
	return a < b + b_length && b < a + a_length;
}

/* For the functions that <bsd/sys/tree.h> generates: private to the file, and not all of them used.
 */
#define HV_GENERATED __attribute__((unused)) static
