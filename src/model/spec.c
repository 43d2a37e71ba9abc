/* A spec; see spec.h. */
#include "model/spec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "base/str.h"

struct spec {
	unsigned refs;
	uint32_t len;
	struct spec *defaults; /* ref */
	uint8_t bytes[];
};

/* What stands behind the id of a value that was found whole. */
static struct cursor
value_at(const uint8_t *p, size_t n)
{
	struct cursor c;

	cursor_init(&c, p + 1, n);
	return c;
}

void
spec_put_number(struct buf *b, enum setting_id id, uint64_t v)
{
	put_u8(b, (uint8_t)id);
	put_u64(b, v);
}

void
spec_put_string(struct buf *b, enum setting_id id, const char *s)
{
	size_t n = MIN(strlen(s), (size_t)UINT16_MAX);

	put_u8(b, (uint8_t)id);
	put_text(b, s, n);
	put_u8(b, 0);
}

/* The size of the value at p (id included), 0 when it is not whole or unknown. */
static size_t
value_size(const uint8_t *p, size_t n, const struct setting **ret)
{
	const struct setting *s = n ? setting_find(p[0]) : NULL;
	struct cursor c;
	size_t size;

	if (!s)
		return 0;
	*ret = s;
	if (setting_is_number(s))
		return n >= 9 ? 9 : 0;
	if (n < 4)
		return 0;
	c = value_at(p, 2);
	size = 4 + (size_t)get_u16(&c);
	if (size > n || memchr(p + 3, 0, size - 3) != p + size - 1)
		return 0;
	return size;
}

int
spec_new(enum setting_scope scope, const void *bytes, size_t n, struct spec *defaults,
    struct spec **ret)
{
	const uint8_t *p = bytes;
	struct spec *s;

	if (n > SPEC_MAX)
		return -EMSGSIZE;
	for (size_t at = 0; at < n;) {
		const struct setting *row;
		size_t size = value_size(p + at, n - at, &row);

		if (size == 0 || row->scope != scope)
			return -EPROTO;
		at += size;
	}
	s = xmalloc(sizeof *s + n);
	s->refs = 1;
	s->len = (uint32_t)n;
	s->defaults = defaults ? spec_ref(defaults) : NULL;
	if (n)
		memcpy(s->bytes, bytes, n);
	*ret = s;
	return 0;
}

struct spec *
spec_ref(struct spec *s)
{
	s->refs++;
	return s;
}

void
spec_unref(struct spec *s)
{
	if (!s)
		return;
	assert(s->refs > 0);
	if (--s->refs)
		return;
	spec_unref(s->defaults);
	free(s);
}

/* The skip-th value of id in this spec alone. */
static const uint8_t *
find_own(const struct spec *s, enum setting_id id, unsigned skip)
{
	const struct setting *row;

	for (size_t at = 0; at < s->len; at += value_size(s->bytes + at, s->len - at, &row))
		if (s->bytes[at] == id && skip-- == 0)
			return s->bytes + at;
	return NULL;
}

static const uint8_t *
find(const struct spec *s, enum setting_id id, unsigned skip)
{
	for (; s; s = s->defaults) {
		const uint8_t *first = find_own(s, id, 0);

		if (first)
			return skip ? find_own(s, id, skip) : first;
	}
	return NULL;
}

bool
spec_has(const struct spec *s, enum setting_id id)
{
	return find(s, id, 0) != NULL;
}

bool
spec_has_between(const struct spec *s, enum setting_id first, enum setting_id last)
{
	const struct setting *row;

	for (; s; s = s->defaults)
		for (size_t at = 0; at < s->len; at += value_size(s->bytes + at, s->len - at, &row))
			if (s->bytes[at] >= first && s->bytes[at] <= last)
				return true;
	return false;
}

uint64_t
spec_number(const struct spec *s, enum setting_id id)
{
	const uint8_t *p = find(s, id, 0);
	struct cursor c;

	if (!p)
		return setting_default_number(setting_find(id));
	c = value_at(p, 8);
	return get_u64(&c);
}

const char *
spec_string(const struct spec *s, enum setting_id id)
{
	const uint8_t *p = find(s, id, 0);

	return p ? (const char *)p + 3 : setting_find(id)->def;
}

const char *
spec_list(const struct spec *s, enum setting_id id, unsigned i)
{
	const uint8_t *p = find(s, id, i);

	return p ? (const char *)p + 3 : NULL;
}

unsigned
spec_list_len(const struct spec *s, enum setting_id id)
{
	unsigned n = 0;

	while (spec_list(s, id, n))
		n++;
	return n;
}

const void *
spec_bytes(const struct spec *s, size_t *ret_n)
{
	*ret_n = s->len;
	return s->bytes;
}

void
spec_copy_value(struct buf *to, const struct spec *from, const struct setting *row)
{
	const char *text;

	if (!spec_has(from, row->id))
		return;
	if (setting_is_number(row))
		spec_put_number(to, row->id, spec_number(from, row->id));
	else if (row->type != TYPE_LIST)
		spec_put_string(to, row->id, spec_string(from, row->id));
	else
		for (unsigned i = 0; (text = spec_list(from, row->id, i)); i++)
			spec_put_string(to, row->id, text);
}

bool
spec_equal(const struct spec *a, const struct spec *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool
spec_same_value(const struct spec *a, const struct spec *b, enum setting_id id)
{
	const struct setting *row = setting_find(id);
	unsigned n;

	/* Where the table has no default, set to 0 is not the same as not set. */
	if (setting_is_number(row))
		return (row->def || spec_has(a, id) == spec_has(b, id)) && spec_number(a, id) == spec_number(b, id);
	if (row->type != TYPE_LIST)
		return text_equal(spec_string(a, row->id), spec_string(b, row->id));
	n = spec_list_len(a, row->id);
	if (n != spec_list_len(b, row->id))
		return false;
	while (n--)
		if (!text_equal(spec_list(a, row->id, n), spec_list(b, row->id, n)))
			return false;
	return true;
}

bool
spec_same(const struct spec *a, const struct spec *b, enum setting_scope scope)
{
	unsigned n;
	const struct setting *rows = settings_all(&n);

	if (spec_equal(a, b) && (a->defaults == b->defaults ||
	    (a->defaults && b->defaults && spec_equal(a->defaults, b->defaults))))
		return true;
	for (unsigned i = 0; i < n; i++)
		if (rows[i].scope == scope && !spec_same_value(a, b, rows[i].id))
			return false;
	return true;
}

static bool
is_below(const struct spec *s, const struct spec *from, enum setting_id id)
{
	for (; s != from; s = s->defaults)
		if (find_own(s, id, 0))
			return true;
	return false;
}

void
spec_flatten(const struct spec *s, struct buf *out)
{
	const struct setting *row;

	for (const struct spec *from = s; from; from = from->defaults)
		for (size_t at = 0, size; at < from->len; at += size) {
			const uint8_t *value = from->bytes + at;

			size = value_size(value, from->len - at, &row);
			if (!is_below(s, from, (enum setting_id)value[0]))
				buf_append(out, value, size);
		}
}
