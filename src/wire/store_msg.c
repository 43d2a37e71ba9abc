/* What hauld and hauld-store say to each other; see store_msg.h. */
#include "wire/store_msg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "wire/hello.h"

enum { HTTP_STATUS_MAX = 999, OS_ERROR_MAX = 4095 };

bool
store_job_is_sane(const struct store_job *j)
{
	const struct result *r = &j->result;

	return j->id >= 1 && j->id <= STORE_ID_MAX && j->state < _JOB_STATE_MAX &&
	    j->received <= STORE_ID_MAX && j->published <= STORE_ID_MAX && j->run_ms <= STORE_ID_MAX && j->ended_s >= 0 &&
	    j->ended_s <= STORE_TIME_MAX &&
	    r->code < _RESULT_CODE_MAX && r->http_status >= 0 && r->http_status <= HTTP_STATUS_MAX &&
	    r->os_error >= 0 && r->os_error <= OS_ERROR_MAX &&
	    strnlen(r->text, sizeof r->text) < sizeof r->text && j->spec.len <= SPEC_MAX &&
	    j->receipt.len <= STORE_RECEIPT_MAX;
}

void
store_msg_put_empty(struct buf *out, uint64_t id, enum store_msg_type type)
{
	frame_end(out, frame_begin(out, type, STORE_PROTO, id));
}

int
store_msg_get_empty(const struct message *m)
{
	return m->len ? -EPROTO : 0;
}

void
store_msg_put_hello(struct buf *out)
{
	hello_put(out, STORE_HELLO, STORE_PROTO);
}

int
store_msg_get_hello(const struct message *m)
{
	return hello_get(m, STORE_HELLO, STORE_PROTO);
}

void
store_msg_put_text(struct buf *out, enum store_msg_type type, const char *text)
{
	size_t f = frame_begin(out, type, STORE_PROTO, 0);

	put_text(out, text, strnlen(text, STORE_TEXT_MAX));
	frame_end(out, f);
}

int
store_msg_get_text(const struct message *m, struct text *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret = get_text(&c);
	(void)get_below(&c, ret->len, STORE_TEXT_MAX + 1);
	return cursor_finish(&c);
}

void
store_msg_put_number(struct buf *out, uint64_t id, enum store_msg_type type, uint64_t n)
{
	size_t f = frame_begin(out, type, STORE_PROTO, id);

	put_u64(out, n);
	frame_end(out, f);
}

int
store_msg_get_number(const struct message *m, uint64_t *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret = get_below(&c, get_u64(&c), STORE_ID_MAX + 1);
	return cursor_finish(&c);
}

void
store_msg_put_job(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_job *j)
{
	size_t f = frame_begin(out, type, STORE_PROTO, id);

	assert(store_job_is_sane(j));
	put_u64(out, j->id);
	put_u8(out, j->from_config);
	put_u32(out, j->uid);
	put_u64(out, (uint64_t)j->added_s);
	put_u8(out, (uint8_t)j->state);
	put_u32(out, j->attempts);
	put_u64(out, j->received);
	put_u64(out, j->published);
	put_u64(out, j->run_ms);
	put_u64(out, (uint64_t)j->ended_s);
	put_u16(out, (uint16_t)j->result.code);
	put_u16(out, (uint16_t)j->result.http_status);
	put_u16(out, (uint16_t)j->result.os_error);
	put_str(out, j->result.text);
	put_blob(out, j->receipt.at, j->receipt.len);
	if (type != STORE_UPDATE)
		put_blob(out, j->spec.at, j->spec.len);
	frame_end(out, f);
}

int
store_msg_get_job(const struct message *m, struct store_job *ret)
{
	struct text text;
	struct cursor c;

	*ret = (struct store_job){ .spec = { "", 0 } };
	cursor_init(&c, m->payload, m->len);
	ret->id = get_u64(&c);
	ret->from_config = get_bool(&c);
	ret->uid = get_u32(&c);
	ret->added_s = (int64_t)get_u64(&c);
	ret->state = (enum job_state)get_below(&c, get_u8(&c), _JOB_STATE_MAX);
	ret->attempts = get_u32(&c);
	ret->received = get_u64(&c);
	ret->published = get_u64(&c);
	ret->run_ms = get_u64(&c);
	ret->ended_s = (int64_t)get_u64(&c);
	ret->result.code = (enum result_code)get_below(&c, get_u16(&c), _RESULT_CODE_MAX);
	ret->result.http_status = get_u16(&c);
	ret->result.os_error = get_u16(&c);
	text = get_text(&c);
	(void)get_below(&c, text.len, RESULT_TEXT_MAX);
	ret->receipt = get_blob(&c);
	if (m->type != STORE_UPDATE)
		ret->spec = get_blob(&c);
	if (cursor_finish(&c) < 0 || !store_job_is_sane(ret))
		return -EPROTO;
	/* A database may have been in other hands. */
	(void)str_safe_again(ret->result.text, sizeof ret->result.text, text.at, text.len);
	return 0;
}

void
store_msg_put_limits(struct buf *out, const struct store_limits *l)
{
	size_t f = frame_begin(out, STORE_LIMITS, STORE_PROTO, 0);

	put_u64(out, l->count);
	put_u64(out, l->age_s);
	frame_end(out, f);
}

int
store_msg_get_limits(const struct message *m, struct store_limits *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->count = get_below(&c, get_u64(&c), STORE_ID_MAX);
	ret->age_s = get_below(&c, get_u64(&c), STORE_TIME_MAX);
	return cursor_finish(&c);
}

void
store_msg_put_ended(struct buf *out, const struct store_ended *e)
{
	size_t f = frame_begin(out, STORE_ENDED, STORE_PROTO, 0);

	put_u64(out, e->done);
	put_u64(out, e->failed);
	put_u64(out, e->cancelled);
	frame_end(out, f);
}

int
store_msg_get_ended(const struct message *m, struct store_ended *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->done = get_below(&c, get_u64(&c), STORE_ID_MAX);
	ret->failed = get_below(&c, get_u64(&c), STORE_ID_MAX);
	ret->cancelled = get_below(&c, get_u64(&c), STORE_ID_MAX);
	return cursor_finish(&c);
}

void
store_msg_put_named(struct buf *out, enum store_msg_type type, uint64_t job, const char *name)
{
	size_t f = frame_begin(out, type, STORE_PROTO, 0);

	put_u64(out, job);
	put_str(out, name);
	frame_end(out, f);
}

int
store_msg_get_named(const struct message *m, uint64_t *ret_job, struct text *ret_name)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret_job = get_below(&c, get_u64(&c), STORE_ID_MAX + 1);
	*ret_name = get_text(&c);
	if (!*ret_job || (ret_name->len && memchr(ret_name->at, '\0', ret_name->len)))
		cursor_fail(&c);
	return cursor_finish(&c);
}

/* Of a text of n pieces that end with a NUL each. */
static bool
has_pieces(struct text t, uint32_t n)
{
	size_t ends = 0;

	for (size_t i = 0; i < t.len; i++)
		ends += t.at[i] == '\0';
	return t.len == 0 || (ends == n && t.at[t.len - 1] == '\0');
}

void
store_msg_put_key(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_key *k)
{
	size_t f = frame_begin(out, type, STORE_PROTO, id);

	put_u64(out, k->first_id);
	put_u32(out, k->n);
	put_u64(out, (uint64_t)k->added_s);
	put_text(out, k->word.at, k->word.len);
	put_blob(out, k->names.at, k->names.len);
	frame_end(out, f);
}

int
store_msg_get_key(const struct message *m, struct store_key *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->first_id = get_below(&c, get_u64(&c), STORE_ID_MAX);
	ret->n = get_u32(&c);
	ret->added_s = (int64_t)get_u64(&c);
	ret->word = get_text(&c);
	ret->names = get_blob(&c);
	if (!store_key_is_sane(ret))
		cursor_fail(&c);
	return cursor_finish(&c);
}

bool
store_key_is_sane(const struct store_key *k)
{
	return k->first_id >= 1 && k->first_id <= STORE_ID_MAX && k->n >= 1 && k->n <= STORE_ID_MAX - k->first_id &&
	    k->word.len >= 1 && k->word.len <= STORE_WORD_MAX && !memchr(k->word.at, '\0', k->word.len) &&
	    k->names.len <= STORE_NAMES_MAX && has_pieces(k->names, k->n);
}

bool
store_note_is_sane(const struct store_note *n)
{
	return n->key.len >= 1 && n->key.len <= STORE_NOTE_KEY_MAX && !memchr(n->key.at, '\0', n->key.len) &&
	    n->data.len <= STORE_NOTE_MAX;
}

void
store_msg_put_note(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_note *n)
{
	size_t f = frame_begin(out, type, STORE_PROTO, id);

	put_text(out, n->key.at, n->key.len);
	put_blob(out, n->data.at, n->data.len);
	frame_end(out, f);
}

int
store_msg_get_note(const struct message *m, struct store_note *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->key = get_text(&c);
	ret->data = get_blob(&c);
	if (!store_note_is_sane(ret))
		cursor_fail(&c);
	return cursor_finish(&c);
}

void
store_msg_put_expired(struct buf *out, const struct buf *ids)
{
	size_t f = frame_begin(out, STORE_EXPIRED, STORE_PROTO, 0);

	buf_append(out, buf_bytes(ids), buf_len(ids));
	frame_end(out, f);
}

int
store_msg_get_expired(const struct message *m, struct cursor *ret_ids, size_t *ret_n)
{
	*ret_n = m->len / 8;
	cursor_init(ret_ids, m->payload, m->len);
	return m->len % 8 || *ret_n > STORE_EXPIRED_MAX ? -EPROTO : 0;
}
