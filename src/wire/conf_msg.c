/* What hauld and hauld-conf say to each other; see conf_msg.h. */
#include "wire/conf_msg.h"

#include <errno.h>
#include <string.h>

void
conf_put_empty(struct buf *out, uint64_t id, enum conf_msg_type type)
{
	frame_end(out, frame_begin(out, type, CONF_PROTO, id));
}

void
conf_put_text(struct buf *out, uint64_t id, enum conf_msg_type type, const char *text)
{
	size_t f = frame_begin(out, type, CONF_PROTO, id);

	put_str(out, text);
	frame_end(out, f);
}

int
conf_get_text(const struct message *m, struct text *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret = get_text(&c);
	return cursor_finish(&c);
}

void
conf_put_spec(struct buf *out, uint64_t id, enum conf_msg_type type, const struct buf *spec)
{
	size_t f = frame_begin(out, type, CONF_PROTO, id);

	buf_append(out, buf_bytes(spec), buf_len(spec));
	frame_end(out, f);
}

void
conf_put_end(struct buf *out, const struct conf_end *end)
{
	size_t f = frame_begin(out, CONF_END, CONF_PROTO, 0);

	put_u64(out, end->jobs);
	put_u64(out, end->errors);
	frame_end(out, f);
}

int
conf_get_end(const struct message *m, struct conf_end *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->jobs = get_u64(&c);
	ret->errors = get_u64(&c);
	return cursor_finish(&c);
}

/* With a NUL behind it, so that who gets it need not copy it. */
static void
put_string(struct buf *b, const char *s, size_t n)
{
	put_blob(b, s, n);
	put_u8(b, 0);
}

static const char *
get_string(struct cursor *c, size_t max)
{
	struct text t = get_blob(c);

	if (get_u8(c) != 0 || t.len > max || (t.len && memchr(t.at, 0, t.len)))
		cursor_fail(c);
	return c->failed ? "" : t.at;
}

void
conf_put_pair(struct buf *pairs, const struct conf_pair *p)
{
	put_string(pairs, p->key, strnlen(p->key, CONF_KEY_MAX));
	put_u8(pairs, (uint8_t)p->kind);
	if (p->kind == CONF_KIND_TEXT)
		put_string(pairs, p->text, strlen(p->text));
	else if (p->kind == CONF_KIND_NUMBER)
		put_u64(pairs, (uint64_t)p->number);
	else if (p->kind == CONF_KIND_BOOL)
		put_u8(pairs, p->number != 0);
}

void
conf_get_pair(struct cursor *c, struct conf_pair *ret)
{
	*ret = (struct conf_pair){ .key = get_string(c, CONF_KEY_MAX) };
	ret->kind = (enum conf_kind)get_below(c, get_u8(c), _CONF_KIND_MAX);
	if (ret->kind == CONF_KIND_TEXT)
		ret->text = get_string(c, CONF_CHECK_MAX);
	else if (ret->kind == CONF_KIND_NUMBER)
		ret->number = (int64_t)get_u64(c);
	else if (ret->kind == CONF_KIND_BOOL)
		ret->number = get_bool(c);
	else if (ret->kind == 0)
		cursor_fail(c);
}

void
conf_put_check(struct buf *out, uint64_t id, const void *pairs, size_t n)
{
	size_t f = frame_begin(out, CONF_CHECK, CONF_PROTO, id);

	buf_append(out, pairs, n);
	frame_end(out, f);
}

int
conf_get_check(const struct message *m, struct cursor *ret, unsigned *ret_n)
{
	struct conf_pair pair;
	struct cursor c;
	unsigned n = 0;

	if (m->len > CONF_CHECK_MAX)
		return -EPROTO;
	cursor_init(&c, m->payload, m->len);
	while (!c.failed && c.at < c.end && n <= CONF_PAIRS_MAX) {
		conf_get_pair(&c, &pair);
		n++;
	}
	if (n > CONF_PAIRS_MAX || cursor_finish(&c) < 0)
		return -EPROTO;
	cursor_init(ret, m->payload, m->len);
	*ret_n = n;
	return 0;
}
