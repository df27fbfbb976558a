/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit tests of vmm/vdev.c with a device that has fields of every kind. */
#include "vmm/vdev.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct sample {
	uint8_t byte;
	uint16_t word;
	uint32_t not_saved;
	uint32_t dword;
	uint64_t qword;
	uint16_t few[3];
	uint8_t many[130];
};

static const struct vdev_field fields[] = {
	VDEV_FIELD(struct sample, byte),  VDEV_FIELD(struct sample, word),
	VDEV_FIELD(struct sample, dword), VDEV_FIELD(struct sample, qword),
	VDEV_ARRAY(struct sample, few),	  VDEV_ARRAY(struct sample, many),
};

static const struct vdev_type sample_type = {
	.name = "sample",
	.fields = fields,
	.field_count = ARRAY_SIZE(fields),
};

static struct {
	char text[32][512];
	unsigned count;
} saved;

static void put(void *context, const char *line)
{
	assert_ptr_equal(context, &saved);
	assert_true(saved.count < ARRAY_SIZE(saved.text));
	assert_true(strlen(line) < sizeof(saved.text[0]));
	memcpy(saved.text[saved.count++], line, strlen(line) + 1);
}

static void fill(struct sample *sample)
{
	*sample = (struct sample){
		.byte = 0xab,
		.word = 0x1234,
		.not_saved = 99,
		.dword = 0xdeadbeef,
		.qword = UINT64_MAX,
		.few = {1, 0, 0xffff},
	};
	for (unsigned i = 0; i < ARRAY_SIZE(sample->many); i++)
		sample->many[i] = (uint8_t)i;
}

static void saves_text(void **state)
{
	struct sample sample;
	struct vdev vdev = {.type = &sample_type, .state = &sample};

	(void)state;
	fill(&sample);
	saved.count = 0;
	vdev_save(&vdev, put, &saved);
	assert_int_equal(saved.count, 8);
	assert_string_equal(saved.text[0], "sample.byte = ab");
	assert_string_equal(saved.text[1], "sample.word = 1234");
	assert_string_equal(saved.text[2], "sample.dword = deadbeef");
	assert_string_equal(saved.text[3], "sample.qword = ffffffffffffffff");
	assert_string_equal(saved.text[4], "sample.few = 1 0 ffff");
	assert_non_null(strstr(saved.text[5], "sample.many = 0 1 2 "));
	assert_non_null(strstr(saved.text[6], "sample.many+40 = 40 41 "));
	assert_string_equal(saved.text[7], "sample.many+80 = 80 81");
}

static void restores_what_it_saved(void **state)
{
	struct sample samples[2], restored[2];
	struct vdev vdev = {
		.type = &sample_type,
		.state = samples,
		.instances = 2,
		.stride = sizeof(samples[0]),
	};

	(void)state;
	fill(&samples[0]);
	fill(&samples[1]);
	samples[1].word = 77;
	memset(restored, 0, sizeof(restored));
	restored[0].not_saved = restored[1].not_saved = 99;
	saved.count = 0;
	vdev_save(&vdev, put, &saved);
	assert_int_equal(saved.count, 16);
	assert_string_equal(saved.text[9], "sample.1.word = 4d");
	vdev.state = restored;
	/* Lines stand for themselves: any order will do. */
	while (saved.count > 0)
		assert_int_equal(vdev_restore_line(&vdev, saved.text[--saved.count]), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(restored[i].byte, samples[i].byte);
		assert_int_equal(restored[i].word, samples[i].word);
		assert_int_equal(restored[i].dword, samples[i].dword);
		assert_true(restored[i].qword == samples[i].qword);
		assert_memory_equal(restored[i].few, samples[i].few, sizeof(samples[i].few));
		assert_memory_equal(restored[i].many, samples[i].many, sizeof(samples[i].many));
	}
}

static void refuses_what_it_cannot_use(void **state)
{
	static const struct {
		const char *line;
		int error;
	} lines[] = {
		{"", -ENOENT},
		{"sample", -ENOENT},
		{"sampler.byte = 1", -ENOENT},
		{"other.byte = 1", -ENOENT},
		{"sample.", -ENOENT},
		{"sample.byt = 1", -ENOENT},
		{"sample.bytes = 1", -ENOENT},
		{"sample.0.byte = 1", -ENOENT},
		{"sample.byte", -EINVAL},
		{"sample.byte =", -EINVAL},
		{"sample.byte = ", -EINVAL},
		{"sample.byte = 100", -EINVAL},
		{"sample.byte = 1 2", -EINVAL},
		{"sample.byte = 1 ", -EINVAL},
		{"sample.byte = -1", -EINVAL},
		{"sample.byte = A", -EINVAL},
		{"sample.byte=1", -ENOENT},
		{"sample.byte+1 = 1", -EINVAL},
		{"sample.byte+ = 1", -EINVAL},
		{"sample.qword = 10000000000000000", -EINVAL},
		{"sample.few = 1 2", -EINVAL},
		{"sample.few = 1 2 3 4", -EINVAL},
		{"sample.few+3 = 1", -EINVAL},
		{"sample.few+ffffffffffffffff = 1", -EINVAL},
		{"sample.few+1 = 1 10000", -EINVAL},
		{"sample.many+80 = 1", -EINVAL},
	};
	struct sample sample, before;
	struct vdev vdev = {.type = &sample_type, .state = &sample};

	(void)state;
	fill(&sample);
	memcpy(&before, &sample, sizeof(before));
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(vdev_restore_line(&vdev, lines[i].line), lines[i].error);
		assert_memory_equal(&before, &sample, sizeof(before));
	}
	assert_int_equal(vdev_restore_line(&vdev, "sample.few+1 = 1 2"), 0);
	assert_int_equal(sample.few[1], 1);
	assert_int_equal(sample.few[2], 2);
}

static void refuses_wrong_instances(void **state)
{
	struct sample samples[2];
	struct vdev vdev = {
		.type = &sample_type,
		.state = samples,
		.instances = 2,
		.stride = sizeof(samples[0]),
	};

	(void)state;
	assert_int_equal(vdev_restore_line(&vdev, "sample.byte = 1"), -ENOENT);
	assert_int_equal(vdev_restore_line(&vdev, "sample.2.byte = 1"), -ENOENT);
	assert_int_equal(vdev_restore_line(&vdev, "sample.18446744073709551617.byte = 1"), -ENOENT);
	assert_int_equal(vdev_restore_line(&vdev, "sample.1.byte = 1"), 0);
	assert_int_equal(samples[1].byte, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saves_text),
		cmocka_unit_test(restores_what_it_saved),
		cmocka_unit_test(refuses_what_it_cannot_use),
		cmocka_unit_test(refuses_wrong_instances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
