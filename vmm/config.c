/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the configuration: libinih takes the text apart, a table of keys says what each value
 * must be. Lines that libinih would pass over or misread are caught before it sees them, so that
 * every mistake is reported at its line.
 */
#include "vmm/config.h"

#include "vmm/config_value.h"
#include "vmm/format.h"
#include "vmm/heap.h"

#include <ini.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum section_kind {
	SECTION_NONE, /* before the first, or one that was reported: its keys are passed over */
	SECTION_HOST,
	SECTION_VM,
};

struct parser {
	struct config *config;
	const char *file;
	config_error_fn *report;
	void *context;
	const char *text;
	size_t left;
	unsigned line; /* of the text that was read last */
	enum section_kind section;
	bool before_first_section;
	bool host_seen;
	uint32_t host_keys_seen; /* by index in host_keys */
	struct vm_config *vm;	 /* of SECTION_VM */
	uint32_t vm_seen;	 /* keys of it, by index in vm_keys */
	bool vm_wrong;		 /* it has a mistake: leave it out */
	bool out_of_memory;
};

/* What every message begins with; returns its length. */
static size_t format_place(char *message, size_t size, const char *file, unsigned line)
{
	/* The loader's name for the file is its own: a long one must not eat the message. */
	return (size_t)hv_snprintf(message, size, "%.64s:%u: ", file, line);
}

/* "file:line: [section] what": a section only inside of one. */
HV_PRINTF(2, 3) static void mistake(struct parser *parser, const char *format, ...)
{
	char message[320];
	size_t length = format_place(message, sizeof(message), parser->file, parser->line);
	va_list arguments;

	if (parser->section == SECTION_VM)
		length += (size_t)hv_snprintf(message + length, sizeof(message) - length,
					      "[vm %s] ", parser->vm->name);
	else if (parser->section == SECTION_HOST)
		length +=
			(size_t)hv_snprintf(message + length, sizeof(message) - length, "[host] ");
	va_start(arguments, format);
	hv_vsnprintf(message + length, sizeof(message) - length, format, arguments);
	va_end(arguments);
	parser->config->errors++;
	if (parser->section == SECTION_VM)
		parser->vm_wrong = true;
	parser->report(parser->context, message);
}

/* ---- keys ---- */

/* Each stores a value, or reports what is wrong with it. */
typedef void key_fn(struct parser *parser, const char *key, const char *value);

struct key {
	const char *name;
	key_fn *set;
	bool repeats;
};

static void set_number(struct parser *parser, const char *key, const char *value, uint64_t min,
		       uint64_t max, uint64_t *to)
{
	if (config_value_number(value, to) != 0 || *to < min || *to > max)
		mistake(parser, "%s = %.40s: must be a number from %llu to %llu", key, value,
			(unsigned long long)min, (unsigned long long)max);
}

static void set_bool(struct parser *parser, const char *key, const char *value, bool *to)
{
	if (config_value_bool(value, to) != 0)
		mistake(parser, "%s = %.40s: must be yes or no", key, value);
}

static void set_path(struct parser *parser, const char *key, const char *value, char *to)
{
	if (value[0] == '\0')
		mistake(parser, "%s: must name a file on the boot volume, e.g. /guests/vmlinuz",
			key);
	else if (strlen(value) >= CONFIG_PATH_MAX)
		mistake(parser, "%s: the path has %zu characters, at most %d are allowed", key,
			strlen(value), CONFIG_PATH_MAX - 1);
	else
		memcpy(to, value, strlen(value) + 1);
}

static void set_on_idle(struct parser *parser, const char *key, const char *value)
{
	if (strcmp(value, "poweroff") == 0)
		parser->config->host.power_off_when_idle = true;
	else if (strcmp(value, "stay") == 0)
		parser->config->host.power_off_when_idle = false;
	else
		mistake(parser, "%s = %.40s: must be stay or poweroff", key, value);
}

static void set_vcpus(struct parser *parser, const char *key, const char *value)
{
	uint64_t number = 1;

	set_number(parser, key, value, 1, CONFIG_VCPUS_MAX, &number);
	parser->vm->vcpus = (unsigned)number;
}

static void set_cpus(struct parser *parser, const char *key, const char *value)
{
	parser->vm->any_cpu = false;
	if (config_value_cpus(value, &parser->vm->cpus) != 0)
		mistake(parser,
			"%s = %.40s: must be host CPU numbers and ranges from 0 to %d, e.g. 0,2-3",
			key, value, CPUS_MAX - 1);
}

static void set_memory(struct parser *parser, const char *key, const char *value)
{
	uint64_t bytes = 0;

	if (config_value_size(value, &bytes) != 0)
		mistake(parser, "%s = %.40s: must be a size with K, M or G, e.g. 256M", key, value);
	else if (bytes < CONFIG_MEMORY_MIN || bytes > CONFIG_MEMORY_MAX)
		mistake(parser, "%s = %.40s: must be from 1M to 4096G", key, value);
	else if (bytes % MIB(1) != 0)
		mistake(parser, "%s = %.40s: must be whole MiB", key, value);
	else
		parser->vm->memory = bytes;
}

static void set_kernel(struct parser *parser, const char *key, const char *value)
{
	set_path(parser, key, value, parser->vm->kernel);
}

static void set_initrd(struct parser *parser, const char *key, const char *value)
{
	set_path(parser, key, value, parser->vm->initrd);
}

static void set_cmdline(struct parser *parser, const char *key, const char *value)
{
	if (strlen(value) >= CONFIG_CMDLINE_MAX)
		mistake(parser, "%s: has %zu characters, at most %d are allowed", key,
			strlen(value), CONFIG_CMDLINE_MAX - 1);
	else
		memcpy(parser->vm->cmdline, value, strlen(value) + 1);
}

/* module = PATH ARGUMENTS */
static void add_module(struct parser *parser, const char *key, const char *value)
{
	struct vm_config *vm = parser->vm;
	size_t path_length = strcspn(value, " \t");
	const char *arguments = value + path_length;
	struct module_config *module;

	if (vm->modules == NULL) {
		vm->modules = hv_alloc(CONFIG_MODULES_MAX * sizeof(*vm->modules));
		if (vm->modules == NULL) {
			parser->out_of_memory = true;
			parser->vm_wrong = true;
			return;
		}
	}
	arguments += strspn(arguments, " \t");
	module = &vm->modules[vm->module_count];
	if (vm->module_count == CONFIG_MODULES_MAX)
		mistake(parser, "%s: at most %d are allowed", key, CONFIG_MODULES_MAX);
	else if (path_length == 0 || path_length >= sizeof(module->path))
		mistake(parser, "%s: must be a path of at most %zu characters, then arguments", key,
			sizeof(module->path) - 1);
	else if (strlen(arguments) >= sizeof(module->arguments))
		mistake(parser, "%s: the arguments have %zu characters, at most %zu are allowed",
			key, strlen(arguments), sizeof(module->arguments) - 1);
	else {
		memcpy(module->path, value, path_length);
		memcpy(module->arguments, arguments, strlen(arguments) + 1);
		vm->module_count++;
	}
}

static void set_autostart(struct parser *parser, const char *key, const char *value)
{
	set_bool(parser, key, value, &parser->vm->autostart);
}

static void set_debug_exit(struct parser *parser, const char *key, const char *value)
{
	uint64_t port = 0;

	set_number(parser, key, value, 1, 0xffff, &port);
	parser->vm->debug_exit = (int)port;
}

static const struct key host_keys[] = {
	{"on-idle", set_on_idle, false},
};

static const struct key vm_keys[] = {
	{"vcpus", set_vcpus, false},	       {"cpus", set_cpus, false},
	{"memory", set_memory, false},	       {"kernel", set_kernel, false},
	{"initrd", set_initrd, false},	       {"cmdline", set_cmdline, false},
	{"module", add_module, true},	       {"autostart", set_autostart, false},
	{"debug-exit", set_debug_exit, false},
};

/* "a, b, c" of the names, for messages. */
static void list_keys(const struct key *keys, size_t count, char *list, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < count && length < size; i++)
		length += (size_t)hv_snprintf(list + length, size - length, "%s%s",
					      i == 0 ? "" : ", ", keys[i].name);
}

static void set_key(struct parser *parser, const struct key *keys, size_t count, uint32_t *seen,
		    const char *name, const char *value)
{
	char list[160];

	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (value == NULL)
			mistake(parser, "%s: has no value; write %s = ...", name, name);
		else if (!keys[i].repeats && (*seen >> i & 1))
			mistake(parser, "%s: is there twice in this section", name);
		else
			keys[i].set(parser, name, value);
		*seen |= 1u << i;
		return;
	}
	list_keys(keys, count, list, sizeof(list));
	mistake(parser, "%.40s: unknown key; known are: %s", name, list);
}

/* ---- sections ---- */

static bool vm_key_seen(const struct parser *parser, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(vm_keys); i++) {
		if ((parser->vm_seen >> i & 1) && strcmp(vm_keys[i].name, name) == 0)
			return true;
	}
	return false;
}

/*
 * Takes the VM that was being read into the config. One that had a mistake stays there without a
 * kernel until the end, so that a second VM of its name is found.
 */
static void finish_vm(struct parser *parser)
{
	struct vm_config *vm = parser->vm;
	unsigned last_line = parser->line;

	if (vm == NULL)
		return;
	parser->line = vm->line;
	if (!vm_key_seen(parser, "kernel"))
		mistake(parser,
			"kernel: is missing; name a kernel file, e.g. kernel = /guests/vmlinuz");
	parser->line = last_line;
	parser->section = SECTION_NONE;
	parser->vm = NULL;
	if (parser->vm_wrong)
		vm->kernel[0] = '\0';
	parser->config->vms[parser->config->vm_count++] = vm;
}

void config_free_vm(struct vm_config *vm)
{
	hv_free(vm->modules);
	hv_free(vm);
}

static void drop_wrong_vms(struct config *config)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < config->vm_count; i++) {
		if (config->vms[i]->kernel[0] == '\0')
			config_free_vm(config->vms[i]);
		else
			config->vms[kept++] = config->vms[i];
	}
	config->vm_count = kept;
}

static bool name_exists(const struct parser *parser, const char *name)
{
	for (unsigned i = 0; i < parser->config->vm_count; i++) {
		if (strcmp(parser->config->vms[i]->name, name) == 0)
			return true;
	}
	return false;
}

static bool valid_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789-_.");

	return length != 0 && length < CONFIG_NAME_MAX && name[length] == '\0';
}

static void begin_vm(struct parser *parser, const char *name)
{
	struct vm_config *vm;

	name += strspn(name, " \t");
	if (!valid_name(name)) {
		mistake(parser, "[vm %.40s]: a name is 1 to %d letters, digits, '-', '_' or '.'",
			name, CONFIG_NAME_MAX - 1);
		return;
	}
	if (name_exists(parser, name)) {
		mistake(parser, "[vm %s]: there is a VM of that name already", name);
		return;
	}
	if (parser->config->vm_count == CONFIG_VMS_MAX) {
		mistake(parser, "[vm %s]: at most %d VMs are allowed", name, CONFIG_VMS_MAX);
		return;
	}
	vm = hv_alloc(sizeof(*vm));
	if (vm == NULL) {
		parser->out_of_memory = true;
		return;
	}
	memcpy(vm->name, name, strlen(name));
	vm->line = parser->line;
	vm->vcpus = 1;
	vm->memory = MIB(256);
	vm->autostart = true;
	vm->debug_exit = -1;
	vm->any_cpu = true;
	for (unsigned i = 0; i < CPUS_MAX; i++)
		cpu_mask_set(&vm->cpus, i);
	parser->vm = vm;
	parser->vm_seen = 0;
	parser->vm_wrong = false;
	parser->section = SECTION_VM;
}

static void begin_section(struct parser *parser, const char *section)
{
	finish_vm(parser);
	parser->section = SECTION_NONE;
	parser->before_first_section = false;
	if (strcmp(section, "host") == 0) {
		if (parser->host_seen)
			mistake(parser, "[host]: is there twice");
		parser->host_seen = true;
		parser->section = SECTION_HOST;
	} else if (strncmp(section, "vm", 2) == 0 &&
		   (section[2] == ' ' || section[2] == '\t' || section[2] == '\0')) {
		begin_vm(parser, section + 2);
	} else {
		mistake(parser, "[%.40s]: unknown section; known are [host] and [vm NAME]",
			section);
	}
}

static int on_line(void *user, const char *section, const char *name, const char *value, int line)
{
	struct parser *parser = user;

	(void)line; /* ours counts the same */
	if (name == NULL) {
		begin_section(parser, section);
		return 1;
	}
	switch (parser->section) {
	case SECTION_HOST:
		set_key(parser, host_keys, ARRAY_SIZE(host_keys), &parser->host_keys_seen, name,
			value);
		break;
	case SECTION_VM:
		set_key(parser, vm_keys, ARRAY_SIZE(vm_keys), &parser->vm_seen, name, value);
		break;
	default:
		if (parser->before_first_section)
			mistake(parser,
				"%.40s: stands before the first section; begin with [host] "
				"or [vm NAME]",
				name);
		break;
	}
	return 1;
}

/* ---- lines ---- */

/* Reports a line that should open a section and does not. Its keys must not fall into the one
 * above. */
HV_PRINTF(2, 3) static void bad_section(struct parser *parser, const char *what, ...)
{
	char message[128];
	va_list arguments;

	finish_vm(parser);
	parser->section = SECTION_NONE;
	parser->before_first_section = false;
	va_start(arguments, what);
	hv_vsnprintf(message, sizeof(message), what, arguments);
	va_end(arguments);
	mistake(parser, "%s", message);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Of a line that begins with '[': whether its name ends, before any comment, and nothing follows.
 */
static bool check_section_line(struct parser *parser, const char *text, size_t length)
{
	size_t at = 1;

	while (at < length && text[at] != ']' && !(text[at] == ';' && is_blank(text[at - 1])))
		at++;
	if (at == length || text[at] != ']') {
		bad_section(parser, "the section's name has no closing ']'");
		return false;
	}
	at++;
	while (at < length && is_blank(text[at]))
		at++;
	if (at < length && text[at] != ';' && text[at] != '#') {
		bad_section(parser,
			    "\"%.*s\" follows the section's ']'; it goes on a line of its own",
			    (int)min_u64(length - at, 40), text + at);
		return false;
	}
	return true;
}

/* Whether libinih can be given this line; else it was reported. */
static bool check_line(struct parser *parser, const char *line, size_t length, size_t room)
{
	size_t start = 0;

	for (size_t i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)line[i];
		bool line_end = byte == '\r' && i == length - 1;

		if ((byte < ' ' && byte != '\t' && !line_end) || byte == 0x7f) {
			mistake(parser, "byte 0x%02x in column %zu is not text", byte, i + 1);
			return false;
		}
	}
	if (length >= room) {
		mistake(parser, "the line has %zu characters, at most %zu are allowed", length,
			room - 1);
		return false;
	}
	while (start < length && is_blank(line[start]))
		start++;
	return start == length || line[start] != '[' ||
	       check_section_line(parser, line + start, length - start);
}

/* libinih's source of lines: like fgets(). */
static char *next_line(char *buffer, int size, void *stream)
{
	struct parser *parser = stream;
	const char *line = parser->text;
	const char *newline;
	size_t length;

	if (parser->left == 0)
		return NULL;
	newline = memchr(line, '\n', parser->left);
	length = newline == NULL ? parser->left : (size_t)(newline - line);
	parser->text += newline == NULL ? length : length + 1;
	parser->left -= newline == NULL ? length : length + 1;
	parser->line++;
	if (!check_line(parser, line, length, (size_t)size - 2))
		length = 0;
	memcpy(buffer, line, length);
	buffer[length] = '\n';
	buffer[length + 1] = '\0';
	return buffer;
}

int config_parse(struct config *config, const char *text, size_t length, const char *file,
		 config_error_fn *error, void *context)
{
	struct parser parser = {
		.config = config,
		.file = file,
		.report = error,
		.context = context,
		.text = text,
		.left = length,
		.before_first_section = true,
	};

	memset(config, 0, sizeof(*config));
	/* A byte order mark is not a mistake of the user's. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		parser.text += 3;
		parser.left -= 3;
	}
	(void)ini_parse_stream(next_line, &parser, on_line, &parser);
	finish_vm(&parser);
	drop_wrong_vms(config);
	return parser.out_of_memory ? -ENOMEM : 0;
}

void config_destroy(struct config *config)
{
	for (unsigned i = 0; i < config->vm_count; i++)
		config_free_vm(config->vms[i]);
	config->vm_count = 0;
}
