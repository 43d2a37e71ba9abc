/* JSON text; see json.h. */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void
jsonw_init(struct json *j, struct buf *out)
{
	*j = (struct json){ .out = out };
}

static uint32_t
level_bit(const struct json *j)
{
	return UINT32_C(1) << (j->depth - 1);
}

/* The comma before every member but the first. */
static void
separate(struct json *j)
{
	if (!j->depth)
		return;
	if (j->filled & level_bit(j))
		buf_append(j->out, ",", 1);
	j->filled |= level_bit(j);
}

static void
before_value(struct json *j)
{
	if (j->depth && j->objects & level_bit(j)) {
		assert(j->has_key);
		j->has_key = false;
		return;
	}
	assert(!j->has_key);
	separate(j);
}

static void
begin(struct json *j, bool object)
{
	before_value(j);
	assert(j->depth < JSON_DEPTH_MAX);
	j->depth++;
	j->filled &= ~level_bit(j);
	j->objects = object ? j->objects | level_bit(j) : j->objects & ~level_bit(j);
	buf_append_str(j->out, object ? "{" : "[");
}

static void
end(struct json *j, bool object)
{
	assert(j->depth > 0 && !j->has_key);
	assert(object == ((j->objects & level_bit(j)) != 0));
	j->depth--;
	buf_append_str(j->out, object ? "}" : "]");
}

void
jsonw_begin_object(struct json *j)
{
	begin(j, true);
}

void
jsonw_end_object(struct json *j)
{
	end(j, true);
}

void
jsonw_begin_array(struct json *j)
{
	begin(j, false);
}

void
jsonw_end_array(struct json *j)
{
	end(j, false);
}

static void
append_char(struct buf *out, unsigned char c)
{
	static const char shorts[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
	const char *at = c ? strchr(shorts, c) : NULL;

	if (at)
		buf_printf(out, "\\%c", letters[at - shorts]);
	else if (c < 0x20 || c == 0x7f)
		buf_printf(out, "\\u%04x", c);
	else
		buf_append(out, &c, 1);
}

/* How many bytes from here stand for themselves: most texts are nothing else. */
static size_t
plain_run(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static void
append_quoted(struct buf *out, const char *s, size_t n)
{
	buf_append(out, "\"", 1);
	for (size_t i = 0; i < n;) {
		const unsigned char *p = (const unsigned char *)s + i;
		size_t plain = plain_run(p, n - i);
		unsigned len;

		if (plain) {
			buf_append(out, p, plain);
			i += plain;
			continue;
		}
		len = utf8_length(p, n - i);
		if (len == 1)
			append_char(out, *p);
		else if (len)
			buf_append(out, p, len);
		else
			buf_append_str(out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
	buf_append(out, "\"", 1);
}

void
jsonw_key(struct json *j, const char *name)
{
	assert(j->depth && j->objects & level_bit(j) && !j->has_key);
	separate(j);
	append_quoted(j->out, name, strlen(name));
	buf_append(j->out, ":", 1);
	j->has_key = true;
}

void
jsonw_string_n(struct json *j, const char *s, size_t n)
{
	before_value(j);
	append_quoted(j->out, s, n);
}

void
jsonw_string(struct json *j, const char *s)
{
	if (s)
		jsonw_string_n(j, s, strlen(s));
	else
		jsonw_null(j);
}

void
jsonw_u64(struct json *j, uint64_t v)
{
	char text[20]; /* of UINT64_MAX */
	size_t at = sizeof text;

	before_value(j);
	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(j->out, text + at, sizeof text - at);
}

void
jsonw_i64(struct json *j, int64_t v)
{
	if (v >= 0) {
		jsonw_u64(j, (uint64_t)v);
		return;
	}
	before_value(j);
	buf_printf(j->out, "%" PRId64, v);
}

void
jsonw_double(struct json *j, double v)
{
	char text[40];

	if (!isfinite(v)) {
		jsonw_null(j);
		return;
	}
	before_value(j);
	for (int digits = 15; digits <= 17; digits++) {
		double back;

		(void)snprintf(text, sizeof text, "%.*g", digits, v);
		if (sscanf(text, "%lf", &back) == 1 && back >= v && back <= v)
			break;
	}
	/* A locale may have set another decimal point. */
	for (char *p = text; *p; p++)
		if (!strchr("0123456789+-e", *p))
			*p = '.';
	buf_append_str(j->out, text);
}

void
jsonw_bool(struct json *j, bool v)
{
	before_value(j);
	buf_append_str(j->out, v ? "true" : "false");
}

void
jsonw_null(struct json *j)
{
	before_value(j);
	buf_append_str(j->out, "null");
}

bool
jsonw_is_whole(const struct json *j)
{
	return j->depth == 0 && !j->has_key;
}

void
jsonw_key_string(struct json *j, const char *name, const char *s)
{
	jsonw_key(j, name);
	jsonw_string(j, s);
}

void
jsonw_key_u64(struct json *j, const char *name, uint64_t v)
{
	jsonw_key(j, name);
	jsonw_u64(j, v);
}

void
jsonw_key_or_null(struct json *j, const char *name, int64_t v)
{
	jsonw_key(j, name);
	if (v)
		jsonw_i64(j, v);
	else
		jsonw_null(j);
}

void
jsonw_key_bool(struct json *j, const char *name, bool v)
{
	jsonw_key(j, name);
	jsonw_bool(j, v);
}
