/* SPDX-License-Identifier: BSD-2-Clause */
/* The one place that instantiates stb_sprintf. */
#include "vmm/format.h"

#define STB_SPRINTF_IMPLEMENTATION
#define STB_SPRINTF_STATIC
#define STB_SPRINTF_NOFLOAT
#define STB_SPRINTF_NOUNALIGNED
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wsign-compare"
/* The hypervisor is built without floating-point registers; the header names the type even without
 * floats. */
#define double long
#include <stb/stb_sprintf.h>
#undef double
#pragma GCC diagnostic pop

int hv_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
	/* stb_sprintf would write the final NUL in front of a buffer of no bytes. */
	if (size == 0)
		buffer = NULL;
	return stbsp_vsnprintf(buffer, size > INT32_MAX ? INT32_MAX : (int)size, format, arguments);
}

int hv_snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = hv_vsnprintf(buffer, size, format, arguments);
	va_end(arguments);
	return length;
}

char *format_size(char text[FORMAT_SIZE_MAX], uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	/* Whole units only: a size that is not exact in the larger unit is said in the smaller. */
	while (unit + 1 < ARRAY_SIZE(units) && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	hv_snprintf(text, FORMAT_SIZE_MAX, "%llu %s", (unsigned long long)bytes, units[unit]);
	return text;
}
