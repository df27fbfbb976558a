/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of values that the configuration and the shell's arguments have. */
#pragma once

#include "vmm/cpu_mask.h"
#include "vmm/types.h"

/* Each takes a whole text and stores its value. Errors: -EINVAL where the text is anything else;
 * -ERANGE where it overflows. */

/* A number: decimal, or hexadecimal with 0x. */
HV_MUST_CHECK int config_value_number(const char *text, uint64_t *number);

/* A number of bytes with K, M or G (powers of 1024). A bare number is refused: of what? */
HV_MUST_CHECK int config_value_size(const char *text, uint64_t *bytes);

/* yes, no, true, false, on, off. */
HV_MUST_CHECK int config_value_bool(const char *text, bool *value);

/* Numbers and ranges of CPUs below CPUS_MAX: "0,2-3". */
HV_MUST_CHECK int config_value_cpus(const char *text, struct cpu_mask *cpus);
