/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices' state as text, written and read from their tables of fields. Text lasts: a field that
 * a later version adds is simply not there, and a person can read and compare two states.
 */
#include "vmm/vdev.h"

#include "vmm/format.h"

#include <errno.h>
#include <string.h>

/* Room for the name, and 16 digits and a blank for each of a field's values. */
#define VDEV_LINE_VALUES 64
#define VDEV_LINE_MAX	 (96 + VDEV_LINE_VALUES * 17)

/* ---- values in memory: of 1, 2, 4 or 8 bytes, read and written as the device's CPU would ---- */

static uint64_t load_value(const void *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static char *field_address(const struct vdev *vdev, unsigned instance,
			   const struct vdev_field *field)
{
	return (char *)vdev->state + (size_t)instance * vdev->stride + field->offset;
}

/* ---- saving ---- */

/*
 * Values `first` to `first + count` of a field. A long array takes several lines, each of which
 * says where it begins: "name+40 = ...".
 */
static void save_line(const struct vdev *vdev, unsigned instance, const struct vdev_field *field,
		      unsigned first, char line[VDEV_LINE_MAX])
{
	unsigned end =
		field->count - first > VDEV_LINE_VALUES ? first + VDEV_LINE_VALUES : field->count;
	const char *at = field_address(vdev, instance, field);
	size_t length = (size_t)hv_snprintf(line, VDEV_LINE_MAX, "%s.", vdev->type->name);

	if (vdev->instances > 0)
		length +=
			(size_t)hv_snprintf(line + length, VDEV_LINE_MAX - length, "%u.", instance);
	length += (size_t)hv_snprintf(line + length, VDEV_LINE_MAX - length, "%s", field->name);
	if (first > 0)
		length += (size_t)hv_snprintf(line + length, VDEV_LINE_MAX - length, "+%x", first);
	length += (size_t)hv_snprintf(line + length, VDEV_LINE_MAX - length, " =");
	for (unsigned i = first; i < end; i++)
		length += (size_t)hv_snprintf(
			line + length, VDEV_LINE_MAX - length, " %llx",
			(unsigned long long)load_value(at + (size_t)i * field->size, field->size));
}

void vdev_save(const struct vdev *vdev, void (*put)(void *context, const char *line), void *context)
{
	unsigned instances = vdev->instances > 0 ? vdev->instances : 1;
	char line[VDEV_LINE_MAX];

	for (unsigned instance = 0; instance < instances; instance++) {
		for (unsigned i = 0; i < vdev->type->field_count; i++) {
			const struct vdev_field *field = &vdev->type->fields[i];

			for (unsigned first = 0; first < field->count; first += VDEV_LINE_VALUES) {
				save_line(vdev, instance, field, first, line);
				put(context, line);
			}
		}
	}
}

/* ---- restoring ---- */

/* Steps over `text` where the line goes on with it. */
static bool skip(const char **line, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*line, text, length) != 0)
		return false;
	*line += length;
	return true;
}

/* A number in base 10 or 16 of at most 64 bits; false where there is none or it is larger. */
static bool parse_number(const char **line, unsigned base, uint64_t *value)
{
	const char *at = *line;

	for (*value = 0;; at++) {
		unsigned digit;

		if (*at >= '0' && *at <= '9')
			digit = (unsigned)(*at - '0');
		else if (base == 16 && *at >= 'a' && *at <= 'f')
			digit = (unsigned)(*at - 'a') + 10;
		else
			break;
		if (*value > (UINT64_MAX - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	if (at == *line)
		return false;
	*line = at;
	return true;
}

/* The field whose name stands at *line, which it steps over; or NULL. */
static const struct vdev_field *find_field(const struct vdev_type *type, const char **line)
{
	size_t length = strcspn(*line, "+ ");

	for (unsigned i = 0; i < type->field_count; i++) {
		const char *name = type->fields[i].name;

		if (strlen(name) == length && memcmp(name, *line, length) == 0) {
			*line += length;
			return &type->fields[i];
		}
	}
	return NULL;
}

/* The values of a line, into as many as stand in `values`; how many, or -EINVAL. */
static int parse_values(const char *line, unsigned size, uint64_t values[VDEV_LINE_VALUES])
{
	int count = 0;

	while (*line != '\0') {
		if (count == VDEV_LINE_VALUES || !skip(&line, " ") ||
		    !parse_number(&line, 16, &values[count]) || values[count] > mask_of_bytes(size))
			return -EINVAL;
		count++;
	}
	return count;
}

int vdev_restore_line(struct vdev *vdev, const char *line)
{
	const struct vdev_field *field;
	uint64_t instance = 0, first = 0;
	uint64_t values[VDEV_LINE_VALUES];
	int count;
	char *at;

	if (!skip(&line, vdev->type->name) || !skip(&line, "."))
		return -ENOENT;
	if (vdev->instances > 0 && (!parse_number(&line, 10, &instance) ||
				    instance >= vdev->instances || !skip(&line, ".")))
		return -ENOENT;
	field = find_field(vdev->type, &line);
	if (!field)
		return -ENOENT;
	if (skip(&line, "+") && !parse_number(&line, 16, &first))
		return -EINVAL;
	if (first >= field->count || !skip(&line, " ="))
		return -EINVAL;
	count = parse_values(line, field->size, values);
	if (count < 0 || (uint64_t)count != min_u64(field->count - first, VDEV_LINE_VALUES))
		return -EINVAL;
	at = field_address(vdev, (unsigned)instance, field) + first * field->size;
	for (int i = 0; i < count; i++)
		memcpy(at + (size_t)i * field->size, &values[i], field->size);
	return 0;
}
