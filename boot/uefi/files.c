/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the config and the files that it names from the volume that the loader itself came from.
 * UEFI 2.10, 13.4 and 13.5.
 */
#include "boot/uefi/loader.h"

#include "vmm/config.h"
#include "vmm/format.h"

#include <string.h>

#define CONFIG_FILE	"/bulkhead/bulkhead.ini"
#define CONFIG_FILE_MAX MIB(1)

/* Some firmware fails on reads of many megabytes at once. */
#define READ_CHUNK MIB(1)

/* Files that the config named so far, found or not: what several VMs share is read once. */
static char mentioned[BOOT_IMAGES_MAX][BOOT_PATH_MAX];
static unsigned mentioned_count;

struct file_reader {
	struct loader *loader;
	EFI_FILE_HANDLE root;
};

static EFI_STATUS open_boot_volume(struct loader *loader, EFI_FILE_HANDLE *root)
{
	static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
	static EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *image;
	EFI_FILE_IO_INTERFACE *volume;
	EFI_STATUS status;

	status = loader->services->HandleProtocol(loader->image, &image_guid, (void **)&image);
	if (EFI_ERROR(status))
		return status;
	status = loader->services->HandleProtocol(image->DeviceHandle, &volume_guid,
						  (void **)&volume);
	if (EFI_ERROR(status))
		return status;
	return volume->OpenVolume(volume, root);
}

/* The firmware's form of a path: absolute, with backslashes. */
static void path_to_efi(CHAR16 wide[BOOT_PATH_MAX + 1], const char *path)
{
	size_t used = 0;

	if (*path != '/' && *path != '\\')
		wide[used++] = '\\';
	for (; *path != 0 && used < BOOT_PATH_MAX; path++)
		wide[used++] = *path == '/' ? '\\' : (unsigned char)*path;
	wide[used] = 0;
}

/* Opens a file and takes its size; a directory is EFI_INVALID_PARAMETER. */
static EFI_STATUS open_file(EFI_FILE_HANDLE root, const char *path, EFI_FILE_HANDLE *file,
			    uint64_t *length)
{
	static EFI_GUID info_guid = EFI_FILE_INFO_ID;
	union {
		EFI_FILE_INFO info;
		uint8_t room[1024]; /* with its name, at most 255 characters on FAT */
	} buffer;
	UINTN size = sizeof(buffer);
	CHAR16 wide[BOOT_PATH_MAX + 1];
	EFI_STATUS status;

	path_to_efi(wide, path);
	status = root->Open(root, file, wide, EFI_FILE_MODE_READ, 0);
	if (EFI_ERROR(status))
		return status;
	status = (*file)->GetInfo(*file, &info_guid, &size, &buffer);
	if (!EFI_ERROR(status) && (buffer.info.Attribute & EFI_FILE_DIRECTORY) != 0)
		status = EFI_INVALID_PARAMETER;
	if (EFI_ERROR(status))
		(*file)->Close(*file);
	*length = buffer.info.FileSize;
	return status;
}

static EFI_STATUS read_whole(EFI_FILE_HANDLE file, uint64_t base, uint64_t length)
{
	uint64_t done = 0;

	while (done < length) {
		UINTN chunk = min_u64(length - done, READ_CHUNK);
		EFI_STATUS status = file->Read(file, &chunk, (void *)(base + done));

		if (EFI_ERROR(status))
			return status;
		if (chunk == 0)
			return EFI_VOLUME_CORRUPTED;
		done += chunk;
	}
	return EFI_SUCCESS;
}

/* Reads the open file of `length` bytes and one final NUL into new memory; 0 after a message. */
static uint64_t load_file(struct file_reader *reader, EFI_FILE_HANDLE file, const char *path,
			  uint64_t length)
{
	struct loader *loader = reader->loader;
	char size[FORMAT_SIZE_MAX];
	EFI_STATUS status;
	uint64_t base = loader_allocate(loader, length + 1, LOADER_ANYWHERE, &status);

	if (base == 0) {
		loader_message(loader,
			       "loader: %s: no memory for its %s (%s): the machine has too little "
			       "RAM for it\n",
			       path, format_size(size, length), efi_status_name(status));
		return 0;
	}
	status = read_whole(file, base, length);
	if (EFI_ERROR(status)) {
		loader_message(loader,
			       "loader: %s: cannot be read (%s): check the boot medium and copy "
			       "the file again\n",
			       path, efi_status_name(status));
		return 0;
	}
	*(char *)(base + length) = 0;
	return base;
}

static void report_open_failure(struct loader *loader, const char *path, EFI_STATUS status)
{
	if (status == EFI_NOT_FOUND)
		loader_message(loader,
			       "loader: %s: not found on the boot volume: copy it there, or "
			       "correct its name in %s\n",
			       path, CONFIG_FILE);
	else if (status == EFI_INVALID_PARAMETER)
		loader_message(loader, "loader: %s: is a directory or no valid file name\n", path);
	else
		loader_message(loader, "loader: %s: cannot be opened (%s)\n", path,
			       efi_status_name(status));
}

/* True where `path` comes up for the first time and there is room to keep it. */
static bool mention_file(struct loader *loader, const char *path)
{
	for (unsigned i = 0; i < mentioned_count; i++)
		if (boot_path_equal(mentioned[i], path))
			return false;
	if (mentioned_count == BOOT_IMAGES_MAX) {
		loader_message(loader, "loader: %s: left out: at most %d files are loaded\n", path,
			       BOOT_IMAGES_MAX);
		return false;
	}
	strlcpy(mentioned[mentioned_count++], path, BOOT_PATH_MAX);
	return true;
}

/* Called for every file that the config names. */
static void read_image(void *context, const char *path)
{
	struct file_reader *reader = context;
	struct loader *loader = reader->loader;
	struct boot_info *info = loader->info;
	struct boot_image *image = &info->images[info->image_count];
	EFI_FILE_HANDLE file;
	uint64_t length;
	EFI_STATUS status;

	if (!mention_file(loader, path))
		return;
	status = open_file(reader->root, path, &file, &length);
	if (EFI_ERROR(status)) {
		report_open_failure(loader, path, status);
		return;
	}
	loader_print(loader, "  %-40s %12llu bytes\n", path, (unsigned long long)length);
	image->base = load_file(reader, file, path, length);
	file->Close(file);
	if (image->base == 0)
		return;
	image->length = length;
	strlcpy(image->path, path, sizeof(image->path));
	info->image_count++;
}

static bool read_config(struct file_reader *reader)
{
	struct loader *loader = reader->loader;
	struct boot_info *info = loader->info;
	EFI_FILE_HANDLE file;
	uint64_t length;
	EFI_STATUS status = open_file(reader->root, CONFIG_FILE, &file, &length);

	if (status == EFI_NOT_FOUND) {
		loader_message(loader, "loader: no config: looked for %s on the boot volume\n",
			       CONFIG_FILE);
		return false;
	}
	if (EFI_ERROR(status)) {
		report_open_failure(loader, CONFIG_FILE, status);
		return false;
	}
	if (length <= CONFIG_FILE_MAX) {
		loader_print(loader, "  %-40s %12llu bytes\n", CONFIG_FILE,
			     (unsigned long long)length);
		info->config = load_file(reader, file, CONFIG_FILE, length);
		info->config_length = info->config != 0 ? length : 0;
	} else {
		loader_message(loader,
			       "loader: %s: is %llu bytes long: no config is longer than "
			       "1 MiB\n",
			       CONFIG_FILE, (unsigned long long)length);
	}
	file->Close(file);
	return info->config != 0;
}

void loader_read_files(struct loader *loader)
{
	struct file_reader reader = {.loader = loader};
	EFI_STATUS status;

	strlcpy(loader->info->config_path, CONFIG_FILE, sizeof(loader->info->config_path));
	status = open_boot_volume(loader, &reader.root);
	if (EFI_ERROR(status)) {
		loader_message(loader,
			       "loader: no config: the volume that this loader came from cannot be "
			       "opened (%s); looked for %s\n",
			       efi_status_name(status), CONFIG_FILE);
		return;
	}
	loader_print(loader, "Reading from the boot volume:\n");
	if (read_config(&reader))
		config_for_each_file((const char *)loader->info->config,
				     loader->info->config_length, read_image, &reader);
	reader.root->Close(reader.root);
}
