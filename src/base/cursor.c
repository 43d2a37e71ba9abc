/* Bytes on the wire; see cursor.h. */
#include "base/cursor.h"

#include <errno.h>
#include <string.h>

void
cursor_init(struct cursor *c, const void *data, size_t n)
{
	/* Nothing may come with NULL, with which one cannot count. */
	const uint8_t *at = n ? data : (const void *)"";

	*c = (struct cursor){ .at = at, .end = at + n };
}

void
cursor_fail(struct cursor *c)
{
	c->failed = true;
	c->at = c->end;
}

const uint8_t *
get_raw(struct cursor *c, size_t n)
{
	const uint8_t *p = c->at;

	if (c->failed || (size_t)(c->end - c->at) < n) {
		cursor_fail(c);
		return NULL;
	}
	c->at += n;
	return p;
}

static uint64_t
get_int(struct cursor *c, unsigned n)
{
	const uint8_t *p = get_raw(c, n);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
get_u8(struct cursor *c)
{
	return (uint8_t)get_int(c, 1);
}

uint16_t
get_u16(struct cursor *c)
{
	return (uint16_t)get_int(c, 2);
}

uint32_t
get_u32(struct cursor *c)
{
	return (uint32_t)get_int(c, 4);
}

uint64_t
get_u64(struct cursor *c)
{
	return get_int(c, 8);
}

bool
get_bool(struct cursor *c)
{
	return get_below(c, get_u8(c), 2) == 1;
}

uint64_t
get_below(struct cursor *c, uint64_t value, uint64_t limit)
{
	if (value < limit)
		return value;
	cursor_fail(c);
	return 0;
}

static struct text
get_counted(struct cursor *c, size_t n)
{
	const uint8_t *p = get_raw(c, n);

	return (struct text){ p ? (const char *)p : "", p ? n : 0 };
}

struct text
get_text(struct cursor *c)
{
	return get_counted(c, get_u16(c));
}

struct text
get_blob(struct cursor *c)
{
	return get_counted(c, get_u32(c));
}

int
cursor_finish(const struct cursor *c)
{
	return c->failed || c->at != c->end ? -EPROTO : 0;
}

static void
put_int(struct buf *b, uint64_t v, unsigned n)
{
	uint8_t *p = buf_reserve(b, n);

	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
	buf_commit(b, n);
}

void
put_u8(struct buf *b, uint8_t v)
{
	put_int(b, v, 1);
}

void
put_u16(struct buf *b, uint16_t v)
{
	put_int(b, v, 2);
}

void
put_u32(struct buf *b, uint32_t v)
{
	put_int(b, v, 4);
}

void
put_u64(struct buf *b, uint64_t v)
{
	put_int(b, v, 8);
}

void
put_text(struct buf *b, const char *s, size_t n)
{
	n = MIN(n, (size_t)UINT16_MAX);
	put_u16(b, (uint16_t)n);
	buf_append(b, s, n);
}

void
put_str(struct buf *b, const char *s)
{
	put_text(b, s ? s : "", s ? strlen(s) : 0);
}

void
put_blob(struct buf *b, const void *data, size_t n)
{
	put_u32(b, (uint32_t)n);
	buf_append(b, data, n);
}
