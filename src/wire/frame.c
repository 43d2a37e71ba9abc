/* Frames; see frame.h. */
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cursor.h"

void
frame_reader_done(struct frame_reader *r)
{
	buf_done(&r->in);
	buf_done(&r->partial);
}

/* One frame at the front of in: its size, 0 when it is not whole, -EPROTO. */
static ssize_t
peek_frame(const struct buf *in, struct message *ret, uint8_t *ret_flags)
{
	struct cursor c;
	uint32_t len;

	if (buf_len(in) < FRAME_HEADER_SIZE)
		return 0;
	cursor_init(&c, buf_bytes(in), FRAME_HEADER_SIZE);
	len = get_u32(&c);
	ret->type = get_u16(&c);
	ret->version = get_u8(&c);
	*ret_flags = get_u8(&c);
	ret->id = get_u64(&c);
	if (len > FRAME_PAYLOAD_MAX || (*ret_flags & ~FRAME_MORE))
		return -EPROTO;
	if (buf_len(in) - FRAME_HEADER_SIZE < len)
		return 0;
	ret->payload = buf_bytes(in) + FRAME_HEADER_SIZE;
	ret->len = len;
	return (ssize_t)(FRAME_HEADER_SIZE + len);
}

static bool
same_message(const struct message *a, const struct message *b)
{
	return a->type == b->type && a->version == b->version && a->id == b->id;
}

int
frame_reader_next(struct frame_reader *r, struct message *ret)
{
	buf_consume(&r->in, r->taken);
	r->taken = 0;
	if (!r->more)
		buf_consume(&r->partial, buf_len(&r->partial));
	for (;;) {
		struct message m;
		uint8_t flags;
		ssize_t n = peek_frame(&r->in, &m, &flags);

		if (n <= 0)
			return (int)n;
		if (!r->more && !(flags & FRAME_MORE)) { /* nearly always */
			r->taken = (size_t)n;
			*ret = m;
			return 1;
		}
		if (r->more && !same_message(&r->head, &m))
			return -EPROTO;
		if (buf_len(&r->partial) + m.len > MESSAGE_MAX)
			return -EPROTO;
		r->head = m;
		buf_append(&r->partial, m.payload, m.len);
		buf_consume(&r->in, (size_t)n);
		r->more = flags & FRAME_MORE;
		if (!r->more) {
			m.payload = buf_bytes(&r->partial);
			m.len = buf_len(&r->partial);
			*ret = m;
			return 1;
		}
	}
}

static void
write_header(uint8_t *at, size_t len, const uint8_t *kind, bool more)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(len >> (8 * i));
	memmove(at + 4, kind, FRAME_HEADER_SIZE - 4);
	at[7] = more ? FRAME_MORE : 0;
}

size_t
frame_begin(struct buf *out, uint16_t type, uint8_t version, uint64_t id)
{
	size_t begun = buf_len(out);

	put_u32(out, 0);
	put_u16(out, type);
	put_u8(out, version);
	put_u8(out, 0);
	put_u64(out, id);
	return begun;
}

void
frame_end(struct buf *out, size_t begun)
{
	size_t len = buf_len(out) - begun - FRAME_HEADER_SIZE;
	size_t pieces = len ? (len + FRAME_PAYLOAD_MAX - 1) / FRAME_PAYLOAD_MAX : 1;
	uint8_t *base, kind[FRAME_HEADER_SIZE - 4];

	assert(len <= MESSAGE_MAX); /* callers bound what they put */
	(void)buf_reserve(out, (pieces - 1) * FRAME_HEADER_SIZE);
	base = buf_bytes(out) + begun;
	memcpy(kind, base + 4, sizeof kind);
	/* Move the pieces apart, the last one first, each behind its header. */
	for (size_t i = pieces; i-- > 0;) {
		size_t at = i * FRAME_PAYLOAD_MAX;
		size_t n = MIN(len - at, (size_t)FRAME_PAYLOAD_MAX);
		uint8_t *to = base + i * (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX);

		if (i > 0)
			memmove(to + FRAME_HEADER_SIZE, base + FRAME_HEADER_SIZE + at, n);
		write_header(to, n, kind, i + 1 < pieces);
	}
	buf_commit(out, (pieces - 1) * FRAME_HEADER_SIZE);
}
