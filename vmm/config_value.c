/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/config_value.h"

#include <errno.h>
#include <string.h>

static int digit_of(char c, unsigned base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit < (int)base ? digit : -1;
}

/* Reads digits from *text on and leaves it at the first character that is none. */
static int read_number(const char **text, uint64_t *number)
{
	unsigned base = 10;
	int digit;

	if ((*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X')) {
		base = 16;
		*text += 2;
	}
	if (digit_of(**text, base) < 0)
		return -EINVAL;
	*number = 0;
	for (; (digit = digit_of(**text, base)) >= 0; (*text)++) {
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, (uint64_t)digit, number))
			return -ERANGE;
	}
	return 0;
}

int config_value_number(const char *text, uint64_t *number)
{
	int error = read_number(&text, number);

	return error != 0 ? error : *text == '\0' ? 0 : -EINVAL;
}

int config_value_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMG";
	const char *unit;
	int error = read_number(&text, bytes);
	unsigned shift;

	if (error != 0)
		return error;
	if (*text == '\0')
		return -EINVAL;
	unit = strchr(units, *text >= 'a' ? *text - 'a' + 'A' : *text);
	if (unit == NULL || text[1] != '\0')
		return -EINVAL;
	shift = ((unsigned)(unit - units) + 1) * 10;
	if (*bytes >> (64 - shift) != 0)
		return -ERANGE;
	*bytes <<= shift;
	return 0;
}

int config_value_bool(const char *text, bool *value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i % 2 != 0;
			return 0;
		}
	}
	return -EINVAL;
}

/* "N" or "N-M" at *text, which is left behind it. */
static int read_range(const char **text, uint64_t *first, uint64_t *last)
{
	int error = read_number(text, first);

	if (error != 0)
		return error;
	*last = *first;
	if (**text == '-') {
		(*text)++;
		error = read_number(text, last);
	}
	if (error != 0)
		return error;
	return *first <= *last && *last < CPUS_MAX ? 0 : -EINVAL;
}

int config_value_cpus(const char *text, struct cpu_mask *cpus)
{
	struct cpu_mask mask = {{0}};
	uint64_t first, last;

	for (;;) {
		text += strspn(text, " \t");
		if (read_range(&text, &first, &last) != 0)
			return -EINVAL;
		for (uint64_t cpu = first; cpu <= last; cpu++)
			cpu_mask_set(&mask, (unsigned)cpu);
		text += strspn(text, " \t");
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	*cpus = mask;
	return 0;
}
