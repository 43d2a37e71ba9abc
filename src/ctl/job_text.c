/* Jobs as text; see job_text.h. */
#include "ctl/job_text.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"

/* A value as a list has it, without its quotes. */
static void
put_plain(const json_t *value, struct buf *out)
{
	if (json_is_string(value)) {
		buf_append_str(out, json_string_value(value));
		return;
	}
	AUTO_FREE char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	buf_append_str(out, text ? text : "");
}

static void
put_option(const char *key, const json_t *value, struct buf *out)
{
	AUTO_FREE char *text = json_is_integer(value) ? brief_setting(SCOPE_JOB, key, value) : NULL;

	buf_printf(out, " %s=", text_equal(key, "output") ? "out" : key);
	if (text)
		buf_append_str(out, text);
	else
		put_plain(value, out);
	buf_append_str(out, "\n");
}

void
job_text_list(const json_t *job, struct buf *out)
{
	const json_t *urls = json_object_get(job, "url"), *one;
	const char *key;
	json_t *value;
	size_t i;

	json_array_foreach(urls, i, one) {
		buf_append_str(out, i ? "\t" : "");
		put_plain(one, out);
	}
	if (!json_is_array(urls))
		put_plain(urls, out);
	buf_append_str(out, "\n");
	json_object_foreach((json_t *)(uintptr_t)job, key, value) {
		if (text_equal(key, "url"))
			continue;
		if (!json_is_array(value)) {
			put_option(key, value, out);
			continue;
		}
		json_array_foreach(value, i, one)
			put_option(key, one, out);
	}
}

/* libconfig's strings: \\ \" \n \r \t \f \xNN. */
static void
put_quoted(const char *text, struct buf *out)
{
	buf_append_str(out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_append(out, text, 1);
	}
	buf_append_str(out, "\"");
}

static void
put_value(const char *key, const json_t *value, struct buf *out)
{
	AUTO_FREE char *text = json_is_integer(value) ? brief_setting(SCOPE_JOB, key, value) : NULL;
	const json_t *one;
	size_t i;

	if (json_is_array(value)) {
		buf_append_str(out, "[ ");
		json_array_foreach(value, i, one) {
			buf_append_str(out, i ? ", " : "");
			put_value(key, one, out);
		}
		buf_append_str(out, " ]");
	} else if (json_is_string(value)) {
		put_quoted(json_string_value(value), out);
	} else if (text && text[strspn(text, "-0123456789")]) {
		put_quoted(text, out);
	} else {
		put_plain(value, out);
		/* libconfig cuts what has no L. */
		if (json_is_integer(value) && (json_integer_value(value) > INT32_MAX || json_integer_value(value) < INT32_MIN))
			buf_append_str(out, "L");
	}
}

void
job_text_conf(const json_t *job, struct buf *out)
{
	const char *key, *before = "{ ";
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)job, key, value) {
		buf_printf(out, "%s%s = ", before, key);
		put_value(key, value, out);
		before = ";\n    ";
	}
	buf_append_str(out, "; }");
}
