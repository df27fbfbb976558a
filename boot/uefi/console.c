/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's console: lines out, one key in. */
#include "boot/uefi/loader.h"

#include "vmm/format.h"

#define LINE_MAX 256

static void console_write(struct loader *loader, const char *text)
{
	SIMPLE_TEXT_OUTPUT_INTERFACE *out = loader->system->ConOut;
	CHAR16 wide[2 * LINE_MAX];
	size_t used = 0;

	if (out == NULL)
		return;
	for (; *text != 0 && used < ARRAY_SIZE(wide) - 2; text++) {
		if (*text == '\n')
			wide[used++] = '\r';
		/* Consoles need not have more than ASCII (UEFI 2.10, 12.4.3). */
		wide[used++] = (unsigned char)*text < 0x80 ? (CHAR16)*text : '?';
	}
	wide[used] = 0;
	out->OutputString(out, wide);
}

void loader_print(struct loader *loader, const char *format, ...)
{
	char line[LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	console_write(loader, line);
}

void loader_message(struct loader *loader, const char *format, ...)
{
	char line[LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	hv_vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	console_write(loader, line);
	if (loader->info != NULL)
		boot_info_add_message(loader->info, line);
}

void loader_wait_key(struct loader *loader, unsigned seconds)
{
	SIMPLE_INPUT_INTERFACE *in = loader->system->ConIn;
	EFI_INPUT_KEY key;

	if (in == NULL)
		return;
	loader_print(loader, "Press a key to return to the firmware (%u s) ...\n", seconds);
	in->Reset(in, FALSE);
	for (unsigned tenths = 0; tenths < seconds * 10; tenths++) {
		if (!EFI_ERROR(in->ReadKeyStroke(in, &key)))
			return;
		loader->services->Stall(100 * 1000);
	}
}

const char *efi_status_name(EFI_STATUS status)
{
	static const struct {
		EFI_STATUS status;
		char name[24];
	} names[] = {
		{EFI_LOAD_ERROR, "LOAD_ERROR"},
		{EFI_INVALID_PARAMETER, "INVALID_PARAMETER"},
		{EFI_UNSUPPORTED, "UNSUPPORTED"},
		{EFI_BAD_BUFFER_SIZE, "BAD_BUFFER_SIZE"},
		{EFI_BUFFER_TOO_SMALL, "BUFFER_TOO_SMALL"},
		{EFI_NOT_READY, "NOT_READY"},
		{EFI_DEVICE_ERROR, "DEVICE_ERROR"},
		{EFI_OUT_OF_RESOURCES, "OUT_OF_RESOURCES"},
		{EFI_VOLUME_CORRUPTED, "VOLUME_CORRUPTED"},
		{EFI_NO_MEDIA, "NO_MEDIA"},
		{EFI_MEDIA_CHANGED, "MEDIA_CHANGED"},
		{EFI_NOT_FOUND, "NOT_FOUND"},
		{EFI_ACCESS_DENIED, "ACCESS_DENIED"},
		{EFI_SECURITY_VIOLATION, "SECURITY_VIOLATION"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return EFI_ERROR(status) ? "unknown error" : "SUCCESS";
}
