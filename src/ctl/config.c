/* `haulctl config`: what hauld goes by, in the syntax of hauld.conf(5). */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"

static void put_value(struct ctl *c, enum setting_scope scope, const char *key, const json_t *value, unsigned depth);

/* A libconfig string: \xNN for what a terminal should not see. */
static void
put_string(struct ctl *c, const char *s)
{
	buf_append_str(&c->out, "\"");
	for (; *s; s++) {
		unsigned char b = (unsigned char)*s;
		unsigned n = utf8_length((const unsigned char *)s, strlen(s));

		if (b == '"' || b == '\\') {
			buf_printf(&c->out, "\\%c", b);
		} else if (b < 0x20 || b == 0x7f || !n || (n == 2 && b == 0xc2 && (unsigned char)s[1] < 0xa0)) {
			buf_printf(&c->out, "\\x%02x", b);
		} else {
			buf_append(&c->out, s, n);
			s += n - 1;
		}
	}
	buf_append_str(&c->out, "\"");
}

static void
put_indent(struct ctl *c, unsigned depth)
{
	buf_printf(&c->out, "%*s", (int)(2 * depth), "");
}

static void
put_members(struct ctl *c, enum setting_scope scope, const json_t *object, unsigned depth)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		AUTO_FREE char *safe = ctl_safe(c, key);

		if (json_is_null(value))
			continue;
		put_indent(c, depth);
		buf_printf(&c->out, "%s = ", safe);
		put_value(c, scope, key, value, depth);
		buf_append_str(&c->out, ";\n");
	}
}

static void
put_array(struct ctl *c, enum setting_scope scope, const char *key, const json_t *array, unsigned depth)
{
	bool groups = json_is_object(json_array_get(array, 0));
	const json_t *value;
	size_t i;

	buf_append_str(&c->out, groups ? "(" : "[");
	json_array_foreach(array, i, value) {
		buf_append_str(&c->out, i ? ", " : groups ? "" : " ");
		put_value(c, scope, key, value, depth);
	}
	buf_append_str(&c->out, groups ? ")" : " ]");
}

/* A size is told with its unit; libconfig cuts a greater number that has no L. */
static void
put_integer(struct ctl *c, enum setting_scope scope, const char *key, const json_t *value)
{
	AUTO_FREE char *text = brief_setting(scope, key, value);
	json_int_t n = json_integer_value(value);

	if (text[strspn(text, "-0123456789")])
		buf_printf(&c->out, "\"%s\"", text);
	else
		buf_printf(&c->out, "%s%s", text, n > INT32_MAX || n < INT32_MIN ? "L" : "");
}

static void
put_value(struct ctl *c, enum setting_scope scope, const char *key, const json_t *value, unsigned depth)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		buf_append_str(&c->out, "{\n");
		put_members(c, scope, value, depth + 1);
		put_indent(c, depth);
		buf_append_str(&c->out, "}");
		break;
	case JSON_ARRAY:
		put_array(c, scope, key, value, depth);
		break;
	case JSON_STRING:
		put_string(c, json_string_value(value));
		break;
	case JSON_INTEGER:
		put_integer(c, scope, key, value);
		break;
	case JSON_REAL:
		buf_printf(&c->out, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_append_str(&c->out, json_is_true(value) ? "true" : "false");
		break;
	case JSON_NULL:
		break;
	}
}

static void
put_head(struct ctl *c, const json_t *config)
{
	AUTO_FREE char *file = ctl_safe(c, member_text(config, "file"));
	char when[BRIEF_WHEN_SIZE];

	(void)brief_when(when, member_u64(config, "loaded"));
	buf_printf(&c->out, "# %s%s%s; jobs of it: %llu\n", *file ? file : "no configuration file", *when ? ", read at " : "", when,
	    (unsigned long long)member_u64(config, "jobs"));
}

int
verb_config(struct ctl *c)
{
	static const struct {
		const char *name;
		enum setting_scope scope;
	} sections[] = { { "daemon", SCOPE_DAEMON }, { "defaults", SCOPE_JOB }, { "hosts", SCOPE_HOST }, { "groups", SCOPE_GROUP } };
	AUTO_JSON json_t *config = NULL;
	int r = ctl_call(c, "config", NULL, &config);

	if (r != CTL_OK)
		return r;
	if (c->args.json) {
		ctl_put_json(c, config);
		return CTL_OK;
	}
	put_head(c, config);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const json_t *section = json_object_get(config, sections[i].name);

		if (!section || (json_is_array(section) && !json_array_size(section)))
			continue;
		buf_printf(&c->out, "%s = ", sections[i].name);
		put_value(c, sections[i].scope, sections[i].name, section, 0);
		buf_append_str(&c->out, ";\n");
	}
	return CTL_OK;
}
