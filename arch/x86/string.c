/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two functions of <string.h> whose compiled form in musl's libc.a has a stack canary in %fs,
 * which the hypervisor does not have.
 */
#include <string.h>

size_t strspn(const char *text, const char *accept)
{
	size_t length = 0;

	while (text[length] != '\0' && strchr(accept, text[length]) != NULL)
		length++;
	return length;
}

size_t strcspn(const char *text, const char *reject)
{
	size_t length = 0;

	while (text[length] != '\0' && strchr(reject, text[length]) == NULL)
		length++;
	return length;
}
