/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinih also has functions that parse C library files, in the same object as the one that is
 * used here. Nothing calls them; the linker wants what they call all the same.
 */
#include <stdio.h>

FILE *fopen(const char *restrict path, const char *restrict mode)
{
	(void)path;
	(void)mode;
	return NULL;
}

int fclose(FILE *file)
{
	(void)file;
	return EOF;
}

char *fgets(char *restrict line, int size, FILE *restrict file)
{
	(void)line;
	(void)size;
	(void)file;
	return NULL;
}
