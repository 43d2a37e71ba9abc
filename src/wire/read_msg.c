/* What hauld and hauld-store --read say to each other; see read_msg.h. */
#include "wire/read_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/hello.h"

void
read_put_hello(struct buf *out)
{
	hello_put(out, READ_HELLO, READ_PROTO);
}

int
read_get_hello(const struct message *m)
{
	return hello_get(m, READ_HELLO, READ_PROTO);
}

void
read_put_text(struct buf *out, uint64_t id, enum read_msg_type type, const char *text)
{
	size_t f = frame_begin(out, type, READ_PROTO, id);

	put_text(out, text, strnlen(text, STORE_TEXT_MAX));
	frame_end(out, f);
}

int
read_get_text(const struct message *m, struct text *ret)
{
	return store_msg_get_text(m, ret);
}

void
read_put_find(struct buf *out, uint64_t id, const uint64_t *ids, size_t n)
{
	size_t f = frame_begin(out, READ_FIND, READ_PROTO, id);

	for (size_t i = 0; i < n; i++)
		put_u64(out, ids[i]);
	frame_end(out, f);
}

int
read_get_find(const struct message *m, struct cursor *ret_ids, size_t *ret_n)
{
	*ret_n = m->len / 8;
	cursor_init(ret_ids, m->payload, m->len);
	return m->len % 8 || *ret_n > READ_IDS_MAX ? -EPROTO : 0;
}

/* A pattern that is not there is not the same as an empty one. */
static void
put_pattern(struct buf *out, const char *s)
{
	put_u8(out, s != NULL);
	if (s)
		put_str(out, s);
}

static const char *
get_pattern(struct cursor *c)
{
	struct text t;

	if (!get_bool(c))
		return NULL;
	t = get_text(c);
	if (t.len > FILTER_TEXT_MAX || memchr(t.at ? t.at : "", '\0', t.len))
		cursor_fail(c);
	return c->failed ? NULL : xstrndup(t.at, t.len);
}

void
read_put_list(struct buf *out, uint64_t id, const struct read_list *l)
{
	size_t f = frame_begin(out, READ_LIST, READ_PROTO, id);

	put_u32(out, l->filter.states);
	put_u64(out, (uint64_t)l->filter.since_s);
	put_u64(out, (uint64_t)l->filter.until_s);
	put_pattern(out, l->filter.group);
	put_pattern(out, l->filter.name);
	put_pattern(out, l->filter.output);
	put_pattern(out, l->filter.url);
	put_u8(out, l->by_end);
	put_u64(out, l->after_id);
	put_u64(out, l->upto_id);
	put_u64(out, (uint64_t)l->after_s);
	put_u32(out, l->jobs);
	frame_end(out, f);
}

int
read_get_list(const struct message *m, struct read_list *ret)
{
	struct cursor c;

	*ret = (struct read_list){ 0 };
	cursor_init(&c, m->payload, m->len);
	ret->filter.states = get_u32(&c);
	ret->filter.since_s = (int64_t)get_u64(&c);
	ret->filter.until_s = (int64_t)get_u64(&c);
	ret->filter.group = get_pattern(&c);
	ret->filter.name = get_pattern(&c);
	ret->filter.output = get_pattern(&c);
	ret->filter.url = get_pattern(&c);
	ret->by_end = get_bool(&c);
	ret->after_id = get_below(&c, get_u64(&c), STORE_ID_MAX + 1);
	ret->upto_id = get_below(&c, get_u64(&c), STORE_ID_MAX + 1);
	ret->after_s = (int64_t)get_u64(&c);
	ret->jobs = (unsigned)get_below(&c, get_u32(&c), READ_JOBS_MAX + 1);
	if (!ret->jobs)
		cursor_fail(&c);
	if (cursor_finish(&c) == 0)
		return 0;
	read_list_done(ret);
	return -EPROTO;
}

void
read_list_done(struct read_list *l)
{
	free((char *)(uintptr_t)l->filter.group);
	free((char *)(uintptr_t)l->filter.name);
	free((char *)(uintptr_t)l->filter.output);
	free((char *)(uintptr_t)l->filter.url);
	l->filter = FILTER_ALL;
}

void
read_put_end(struct buf *out, uint64_t id, const struct read_end *e)
{
	size_t f = frame_begin(out, READ_END, READ_PROTO, id);

	put_u8(out, e->more);
	put_u64(out, e->id);
	put_u64(out, (uint64_t)e->ended_s);
	frame_end(out, f);
}

int
read_get_end(const struct message *m, struct read_end *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->more = get_bool(&c);
	ret->id = get_below(&c, get_u64(&c), STORE_ID_MAX + 1);
	ret->ended_s = (int64_t)get_u64(&c);
	return cursor_finish(&c);
}
