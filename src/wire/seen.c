/* What a published file remembers; see seen.h. */
#include "wire/seen.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

enum { SEEN_VERSION = 1 };

void
seen_put_tail(struct buf *b, const struct seen *s)
{
	put_u64(b, s->settings);
	put_u64(b, s->source);
	put_u64(b, s->last);
	put_u8(b, s->direct);
	put_u64(b, (uint64_t)s->modified);
	put_str(b, s->etag);
}

void
seen_put(struct buf *b, uint64_t size, int64_t mtime_s, uint32_t mtime_ns, const void *tail, size_t n)
{
	put_u8(b, SEEN_VERSION);
	put_u64(b, size);
	put_u64(b, (uint64_t)mtime_s);
	put_u32(b, mtime_ns);
	buf_append(b, tail, n);
}

/* It goes into a header: whoever wrote it, it must be a tag (RFC 9110 8.8.3). */
static bool
is_tag(struct text t)
{
	if (t.len == 0)
		return true;
	if (t.len > 2 && memcmp(t.at, "W/", 2) == 0)
		t = (struct text){ t.at + 2, t.len - 2 };
	if (t.len < 2 || t.at[0] != '"' || t.at[t.len - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < t.len; i++)
		if ((unsigned char)t.at[i] <= 0x20 || t.at[i] == '"' || t.at[i] == 0x7f)
			return false;
	return true;
}

int
seen_get(const void *data, size_t n, struct seen *ret)
{
	struct cursor c;
	struct seen s;
	struct text etag;

	cursor_init(&c, data, n);
	if (get_u8(&c) != SEEN_VERSION)
		cursor_fail(&c);
	s.size = get_u64(&c);
	s.mtime_s = (int64_t)get_u64(&c);
	s.mtime_ns = get_u32(&c);
	s.settings = get_u64(&c);
	s.source = get_u64(&c);
	s.last = get_u64(&c);
	s.direct = get_bool(&c);
	s.modified = (int64_t)get_u64(&c);
	etag = get_text(&c);
	if (cursor_finish(&c) < 0 || etag.len >= sizeof s.etag || !is_tag(etag) || s.modified < -1 || s.modified > INT64_C(1) << 40 ||
	    (etag.len == 0 && s.modified < 0))
		return -EPROTO;
	memcpy(s.etag, etag.at, etag.len);
	s.etag[etag.len] = '\0';
	*ret = s;
	return 0;
}
