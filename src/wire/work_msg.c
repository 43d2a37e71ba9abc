/* What hauld and hauld-worker say to each other; see work_msg.h. */
#include "wire/work_msg.h"

#include <errno.h>
#include <string.h>

#include "wire/hello.h"

void
work_put_hello(struct buf *out)
{
	hello_put(out, WORK_HELLO, WORK_PROTO);
}

int
work_get_hello(const struct message *m)
{
	return hello_get(m, WORK_HELLO, WORK_PROTO);
}

static void
put_span(struct buf *b, struct text t)
{
	put_text(b, t.at, t.len);
}

static void
put_place(struct buf *b, const struct place *p)
{
	put_span(b, p->root);
	put_span(b, p->dir);
	put_span(b, p->name);
}

static struct place
get_place(struct cursor *c)
{
	struct place p = { .root = get_text(c) };

	p.dir = get_text(c);
	p.name = get_text(c);
	return p;
}

static void
put_digests(struct buf *b, const struct digest *d, uint8_t n)
{
	put_u8(b, n);
	for (unsigned i = 0; i < n; i++) {
		put_u8(b, d[i].algo);
		put_u8(b, d[i].len);
		buf_append(b, d[i].bytes, d[i].len);
	}
}

static uint8_t
get_digests(struct cursor *c, struct digest *d)
{
	uint8_t n = (uint8_t)get_below(c, get_u8(c), TASK_DIGESTS_MAX + 1);

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p;

		d[i].algo = (uint8_t)get_below(c, get_u8(c), _DIGEST_ALGO_MAX);
		d[i].len = (uint8_t)get_below(c, get_u8(c), DIGEST_MAX_SIZE + 1);
		p = get_raw(c, d[i].len);
		if (!p || !d[i].algo || d[i].len != digest_algo_size(d[i].algo)) {
			cursor_fail(c);
			return 0;
		}
		memcpy(d[i].bytes, p, d[i].len);
	}
	return n;
}

void
work_put_task(struct buf *b, uint64_t id, const struct task_msg *t)
{
	size_t f = frame_begin(b, WORK_TASK, WORK_PROTO, id);

	put_u8(b, t->kind);
	put_u8(b, t->codec);
	put_u8(b, t->follow);
	put_u8(b, t->wait);
	put_u8(b, t->publish);
	put_u8(b, t->no_clobber);
	put_u8(b, t->remove_dir);
	put_u8(b, t->saves);
	put_u8(b, t->drops_map);
	put_u8(b, t->fsync);
	put_u32(b, t->mode);
	put_u32(b, t->reader);
	put_u64(b, (uint64_t)t->mtime);
	put_u64(b, t->size);
	put_u64(b, t->inode);
	put_u64(b, t->resumed);
	put_u64(b, t->max_output);
	put_u64(b, t->max_expansion);
	put_u64(b, t->decoder_memory);
	put_u64(b, t->out_dirty_max);
	put_place(b, &t->target);
	put_span(b, t->part);
	put_span(b, t->out);
	put_span(b, t->map);
	put_place(b, &t->keep);
	put_span(b, t->source);
	put_span(b, t->url_name);
	put_span(b, t->seen);
	put_blob(b, t->names.at, t->names.len);
	put_digests(b, t->in, t->n_in);
	put_digests(b, t->out_digest, t->n_out);
	frame_end(b, f);
}

int
work_get_task(const struct message *m, struct task_msg *t)
{
	struct cursor c;

	*t = (struct task_msg){ 0 };
	cursor_init(&c, m->payload, m->len);
	t->kind = (uint8_t)get_below(&c, get_u8(&c), _TASK_KIND_MAX);
	t->codec = (uint8_t)get_below(&c, get_u8(&c), _CODEC_MAX);
	t->follow = get_bool(&c);
	t->wait = get_bool(&c);
	t->publish = get_bool(&c);
	t->no_clobber = get_bool(&c);
	t->remove_dir = get_bool(&c);
	t->saves = get_bool(&c);
	t->drops_map = get_bool(&c);
	t->fsync = (uint8_t)get_below(&c, get_u8(&c), 3);
	t->mode = (uint32_t)get_below(&c, get_u32(&c), 010000);
	t->reader = get_u32(&c);
	t->mtime = (int64_t)get_u64(&c);
	t->size = get_below(&c, get_u64(&c), (uint64_t)INT64_MAX + 1);
	t->inode = get_u64(&c);
	t->resumed = get_below(&c, get_u64(&c), (uint64_t)INT64_MAX + 1);
	t->max_output = get_u64(&c);
	t->max_expansion = get_u64(&c);
	t->decoder_memory = get_u64(&c);
	t->out_dirty_max = get_u64(&c);
	t->target = get_place(&c);
	t->part = get_text(&c);
	t->out = get_text(&c);
	t->map = get_text(&c);
	t->keep = get_place(&c);
	t->source = get_text(&c);
	t->url_name = get_text(&c);
	t->seen = get_text(&c);
	t->names = get_blob(&c);
	t->n_in = get_digests(&c, t->in);
	t->n_out = get_digests(&c, t->out_digest);
	if (t->kind == 0)
		cursor_fail(&c);
	return cursor_finish(&c);
}

void
work_put_front(struct buf *b, uint64_t id, const struct front_msg *m)
{
	size_t f = frame_begin(b, WORK_FRONT, WORK_PROTO, id);

	put_u64(b, m->offset);
	put_u64(b, m->flush_to);
	put_u8(b, m->last);
	frame_end(b, f);
}

int
work_get_front(const struct message *m, struct front_msg *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->offset = get_below(&c, get_u64(&c), (uint64_t)INT64_MAX + 1);
	ret->flush_to = get_below(&c, get_u64(&c), (uint64_t)INT64_MAX + 1);
	ret->last = get_bool(&c);
	return cursor_finish(&c);
}

void
work_put_empty(struct buf *b, uint64_t id, enum work_msg_type type)
{
	frame_end(b, frame_begin(b, type, WORK_PROTO, id));
}

void
work_put_progress(struct buf *b, uint64_t id, const struct progress_msg *p)
{
	size_t f = frame_begin(b, WORK_PROGRESS, WORK_PROTO, id);

	put_u64(b, p->in);
	put_u64(b, p->out);
	put_u64(b, p->flushed);
	put_u64(b, p->flush_ns);
	frame_end(b, f);
}

int
work_get_progress(const struct message *m, struct progress_msg *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->in = get_u64(&c);
	ret->out = get_u64(&c);
	ret->flushed = get_u64(&c);
	ret->flush_ns = get_u64(&c);
	return cursor_finish(&c);
}

void
work_put_result(struct buf *b, uint64_t id, enum work_msg_type type, const struct result_msg *r)
{
	size_t f = frame_begin(b, type, WORK_PROTO, id);

	put_u16(b, (uint16_t)r->result.code);
	put_u32(b, (uint32_t)r->result.os_error);
	put_str(b, r->result.text);
	put_u64(b, r->in);
	put_u64(b, r->out);
	put_u64(b, r->ms);
	put_u64(b, r->inode);
	put_u8(b, r->codec);
	put_u8(b, r->several);
	put_digests(b, r->in_digest, r->n_in);
	put_digests(b, r->out_digest, r->n_out);
	frame_end(b, f);
}

int
work_get_result(const struct message *m, struct result_msg *ret)
{
	struct cursor c;
	struct text text;

	*ret = (struct result_msg){ 0 };
	cursor_init(&c, m->payload, m->len);
	ret->result.code = (enum result_code)get_below(&c, get_u16(&c), _RESULT_CODE_MAX);
	ret->result.os_error = (int)get_below(&c, get_u32(&c), 4096);
	text = get_text(&c);
	ret->in = get_u64(&c);
	ret->out = get_u64(&c);
	ret->ms = get_u64(&c);
	ret->inode = get_u64(&c);
	ret->codec = (uint8_t)get_below(&c, get_u8(&c), _CODEC_MAX);
	ret->several = get_bool(&c);
	ret->n_in = get_digests(&c, ret->in_digest);
	ret->n_out = get_digests(&c, ret->out_digest);
	if (cursor_finish(&c) < 0)
		return -EPROTO;
	/* Not trusted: a worker reads foreign bytes, result_set() makes it safe. */
	if (text.len)
		result_set(&ret->result, ret->result.code, "%.*s", (int)MIN(text.len, (size_t)1000), text.at);
	return 0;
}

void
work_put_found(struct buf *b, uint64_t id, const struct found_msg *t)
{
	size_t f = frame_begin(b, WORK_FOUND, WORK_PROTO, id);

	put_u64(b, t->job);
	put_u32(b, t->generation);
	put_span(b, t->base);
	put_blob(b, t->url.at, t->url.len);
	put_blob(b, t->etag.at, t->etag.len);
	put_u64(b, (uint64_t)t->modified);
	put_u64(b, t->size);
	put_u64(b, t->inode);
	put_u64(b, t->front);
	put_u8(b, t->published);
	put_u64(b, t->in);
	put_u64(b, t->out);
	put_u8(b, t->codec);
	frame_end(b, f);
}

int
work_get_found(const struct message *m, struct found_msg *ret)
{
	const uint64_t limit = (uint64_t)INT64_MAX + 1;
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->job = get_u64(&c);
	ret->generation = get_u32(&c);
	ret->base = get_text(&c);
	ret->url = get_blob(&c);
	ret->etag = get_blob(&c);
	ret->modified = (int64_t)get_u64(&c);
	ret->size = get_below(&c, get_u64(&c), limit);
	ret->inode = get_u64(&c);
	ret->front = get_below(&c, get_u64(&c), limit);
	ret->published = get_bool(&c);
	ret->in = get_below(&c, get_u64(&c), limit);
	ret->out = get_below(&c, get_u64(&c), limit);
	ret->codec = (uint8_t)get_below(&c, get_u8(&c), _CODEC_MAX);
	if (ret->front > ret->size)
		cursor_fail(&c);
	return cursor_finish(&c);
}
