/* The conversation of hauld-store; see store.h. */
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/db.h"
#include "wire/store_msg.h"

enum {
	READ_SIZE = 64 * 1024,
	WRITE_SIZE = 64 * 1024,
	/* One transaction is at most that, and one read more. */
	BATCH_MESSAGES = 4096,
	BATCH_BYTES = 4 << 20,
	BATCH_MS = 10,
	RETRY_MS = 1000,
	/* Old jobs that go with a transaction, or in one of their own when nothing else
	 * is to be done: about a millisecond of work. */
	EXPIRE_SOME = 256,
	EXPIRE_LOOK_S = 3600, /* at least so often; clocks are set */
};

struct store {
	struct db *db; /* owned */
	int in, out;   /* borrowed */
	struct frame_reader reader;
	struct buf up;    /* not written yet */
	struct buf batch; /* what the transaction is made of: u16 type, blob */
	unsigned n_batch; /* messages in it */
	uint64_t seq;     /* of the last change that came */
	struct store_limits limits;
	struct buf expired;       /* ids of the transaction, u64 each */
	struct store_ended told;  /* as hauld knows it */
	uint64_t expire_from_ms;  /* not before: it failed */
	bool greeted, loading_done;
	bool ended;       /* end of file */
	bool deaf;        /* nobody reads our answers */
};

/* ---- Up ---------------------------------------------------------------------------- */

/* What nobody reads is not worth stopping for: the changes that came still count. */
static void
flush(struct store *s)
{
	if (!s->deaf && fd_write_full(s->out, buf_bytes(&s->up), buf_len(&s->up)) < 0)
		s->deaf = true;
	buf_consume(&s->up, buf_len(&s->up));
}

static void
say(struct store *s, enum store_msg_type type, const char *text)
{
	store_msg_put_text(&s->up, type, text);
	flush(s);
}

static void
flush_large(struct store *s)
{
	if (buf_len(&s->up) >= WRITE_SIZE)
		flush(s);
}

static void
on_row(const struct store_job *j, void *arg)
{
	struct store *s = arg;

	store_msg_put_job(&s->up, 0, STORE_JOB, j);
	flush_large(s);
}

static void
on_named(uint64_t id, const char *name, void *arg)
{
	struct store *s = arg;

	store_msg_put_named(&s->up, STORE_NAMED, id, name);
	flush_large(s);
}

static void
on_left(uint64_t id, const char *output, void *arg)
{
	struct store *s = arg;

	store_msg_put_named(&s->up, STORE_LEFT, id, output);
	flush_large(s);
}

static void
on_key(const struct store_key *k, void *arg)
{
	struct store *s = arg;

	store_msg_put_key(&s->up, 0, STORE_KEPT_KEY, k);
	flush_large(s);
}

static void
on_note(const struct store_note *n, void *arg)
{
	struct store *s = arg;

	store_msg_put_note(&s->up, 0, STORE_KEPT_NOTE, n);
	flush_large(s);
}

static const struct db_load_ops load_ops = { on_row, on_named, on_left, on_key, on_note };

/* Before the message that makes it count. */
static void
tell_ended(struct store *s)
{
	struct store_ended now = db_ended(s->db);

	if (memcmp(&now, &s->told, sizeof now) != 0)
		store_msg_put_ended(&s->up, &now);
	s->told = now;
}

/* ---- Down -------------------------------------------------------------------------- */

static int
on_load(struct store *s, const struct message *m)
{
	uint64_t after;
	int r;

	if (s->loading_done || m->type != STORE_LOAD || store_msg_get_number(m, &after) < 0)
		return -EPROTO;
	s->loading_done = true;
	s->seq = m->id;
	/* A child that takes over tells no jobs. */
	r = after == STORE_ID_MAX ? 0 : db_load(s->db, after, &load_ops, s);
	if (r < 0)
		return r;
	tell_ended(s);
	store_msg_put_number(&s->up, 0, STORE_LOADED, db_last_id(s->db));
	flush(s);
	return 0;
}

static bool
makes_sense(const struct message *m)
{
	struct store_job j;
	struct store_key k;
	struct store_note note;
	uint64_t id;

	switch (m->type) {
	case STORE_PUT:
	case STORE_UPDATE:
		return store_msg_get_job(m, &j) == 0;
	case STORE_KEY:
		return store_msg_get_key(m, &k) == 0;
	case STORE_NOTE:
		return store_msg_get_note(m, &note) == 0;
	case STORE_DELETE:
	case STORE_DROP_KEY:
		return store_msg_get_number(m, &id) == 0;
	default:
		return false;
	}
}

static int
on_message(struct store *s, const struct message *m)
{
	if (m->version != STORE_PROTO)
		return -EPROTO;
	if (!s->greeted) {
		s->greeted = true;
		return store_msg_get_hello(m);
	}
	if (m->type == STORE_LIMITS)
		return store_msg_get_limits(m, &s->limits);
	if (!s->loading_done)
		return on_load(s, m);
	if (m->id != s->seq + 1 || !makes_sense(m))
		return -EPROTO;
	s->seq = m->id;
	put_u16(&s->batch, m->type);
	put_blob(&s->batch, m->payload, m->len);
	s->n_batch++;
	return 0;
}

/* One read, and the messages that are whole with it. */
static int
take_some(struct store *s)
{
	struct message m;
	ssize_t n;
	int r;

	do
		n = read(s->in, buf_reserve(&s->reader.in, READ_SIZE), READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->ended = n == 0;
	buf_commit(&s->reader.in, (size_t)n);
	while ((r = frame_reader_next(&s->reader, &m)) == 1) {
		r = on_message(s, &m);
		if (r < 0)
			return r;
	}
	return r;
}

static bool
has_more(const struct store *s)
{
	struct pollfd p = { .fd = s->in, .events = POLLIN };

	return !s->ended && poll(&p, 1, 0) > 0;
}

/* Waits for the first, then takes what else is there. */
static int
gather(struct store *s)
{
	uint64_t until = 0;
	int r;

	do {
		r = take_some(s);
		if (!until)
			until = clock_now_ms() + BATCH_MS;
	} while (r == 0 && s->n_batch < BATCH_MESSAGES && buf_len(&s->batch) < BATCH_BYTES &&
	    clock_now_ms() < until && has_more(s));
	return r;
}

/* ---- Transactions ------------------------------------------------------------------ */

static int
apply(struct db *d, struct cursor *c)
{
	struct message m = { .type = get_u16(c) };
	struct text payload = get_blob(c);
	struct store_job j;
	struct store_key k;
	struct store_note note;
	uint64_t id;

	m.payload = (const uint8_t *)payload.at;
	m.len = payload.len;
	switch (m.type) {
	case STORE_DELETE:
		return store_msg_get_number(&m, &id) < 0 ? -EPROTO : db_delete(d, id);
	case STORE_KEY:
		return store_msg_get_key(&m, &k) < 0 ? -EPROTO : db_put_key(d, &k);
	case STORE_NOTE:
		return store_msg_get_note(&m, &note) < 0 ? -EPROTO : db_put_note(d, &note);
	case STORE_DROP_KEY:
		return store_msg_get_number(&m, &id) < 0 ? -EPROTO : db_drop_key(d, id);
	default:
		if (store_msg_get_job(&m, &j) < 0)
			return -EPROTO;
		return m.type == STORE_PUT ? db_put(d, &j) : db_update(d, &j);
	}
}

/* Jobs that ended before that are too old. */
static int64_t
expire_before_s(const struct store *s)
{
	return s->limits.age_s ? clock_wall_s() - (int64_t)s->limits.age_s : INT64_MIN;
}

static int
expire(struct store *s, unsigned most)
{
	buf_consume(&s->expired, buf_len(&s->expired));
	return db_expire(s->db, s->limits.count, expire_before_s(s), most, &s->expired);
}

static void
tell_expired(struct store *s)
{
	if (buf_len(&s->expired))
		store_msg_put_expired(&s->up, &s->expired);
	tell_ended(s);
}

/* The whole batch or nothing of it. */
static int
transact(struct store *s)
{
	struct cursor c;
	int r = db_begin(s->db);

	cursor_init(&c, buf_bytes(&s->batch), buf_len(&s->batch));
	for (unsigned i = 0; i < s->n_batch && r == 0; i++)
		r = apply(s->db, &c);
	/* As many as may have ended: what is kept never grows for long. */
	if (r == 0)
		r = expire(s, MIN(MAX((unsigned)EXPIRE_SOME, s->n_batch), (unsigned)STORE_EXPIRED_MAX));
	if (r == 0)
		r = db_commit(s->db);
	if (r < 0)
		db_rollback(s->db);
	return r;
}

/* False when hauld has gone meanwhile. */
static bool
wait_for_retry(const struct store *s)
{
	uint64_t now = clock_now_ms(), until = now + RETRY_MS;

	for (; now < until; now = clock_now_ms()) {
		struct pollfd p = { .fd = s->in };

		if (poll(&p, 1, (int)(until - now)) > 0)
			return false;
	}
	return true;
}

static int
commit(struct store *s)
{
	bool last = s->ended;
	int r;

	if (!s->n_batch)
		return 0;
	while ((r = transact(s)) == -EAGAIN && !last) {
		say(s, STORE_FAILED, db_why(s->db));
		last = !wait_for_retry(s);
	}
	if (r < 0)
		return r;
	buf_consume(&s->batch, buf_len(&s->batch));
	s->n_batch = 0;
	tell_expired(s);
	store_msg_put_empty(&s->up, s->seq, STORE_COMMITTED);
	flush(s);
	return 0;
}

/* ---- What is too old ---------------------------------------------------------------- */

/* Until there may be something to delete; -1: nothing is kept by its age. */
static int
until_expiry_ms(struct store *s, int *ret_ms)
{
	struct store_ended n = db_ended(s->db);
	uint64_t now = clock_now_ms();
	int64_t first = INT64_MAX, left;
	int r = 0;

	*ret_ms = -1;
	if (!s->loading_done)
		return 0;
	if (now < s->expire_from_ms) {
		*ret_ms = (int)(s->expire_from_ms - now);
		return 0;
	}
	if (n.done + n.failed + n.cancelled > s->limits.count) {
		*ret_ms = 0;
		return 0;
	}
	if (s->limits.age_s)
		r = db_first_end(s->db, &first);
	if (r < 0 || first == INT64_MAX)
		return r;
	left = MIN(first, STORE_TIME_MAX) - expire_before_s(s) + 1;
	*ret_ms = left <= 0 ? 0 : (int)MIN(left, (int64_t)EXPIRE_LOOK_S) * 1000;
	return 0;
}

/* Not told when it fails: nobody waits for it. */
static int
expire_alone(struct store *s)
{
	int r = db_begin(s->db);

	if (r == 0)
		r = expire(s, EXPIRE_SOME);
	if (r == 0)
		r = db_commit(s->db);
	if (r < 0) {
		db_rollback(s->db);
		s->expire_from_ms = clock_now_ms() + RETRY_MS;
		return r == -EAGAIN ? 0 : r;
	}
	tell_expired(s);
	flush(s);
	return 0;
}

/* Until something comes; what is too old goes meanwhile, in small pieces. */
static int
wait_for_input(struct store *s)
{
	for (;;) {
		struct pollfd p = { .fd = s->in, .events = POLLIN };
		int ms, r = until_expiry_ms(s, &ms);

		if (r == -EAGAIN) {
			s->expire_from_ms = clock_now_ms() + RETRY_MS;
			continue;
		}
		if (r < 0)
			return r;
		r = poll(&p, 1, ms);
		if (r > 0 || (r < 0 && errno != EINTR))
			return 0; /* what is wrong with it read(2) will tell */
		if (r == 0 && clock_now_ms() >= s->expire_from_ms) {
			r = expire_alone(s);
			if (r < 0)
				return r;
		}
	}
}

/* What is whole is committed also when what follows it makes no sense. */
static int
converse(struct store *s)
{
	int r = 0;

	while (r == 0 && !s->ended) {
		int e;

		r = wait_for_input(s);
		if (r == 0)
			r = gather(s);
		e = commit(s);
		r = e < 0 ? e : r;
	}
	return r;
}

static int
status(struct store *s, int r)
{
	switch (r) {
	case 0:
		return 0;
	case -EBADMSG:
		say(s, db_may_pass(s->db) ? STORE_NOT_OPEN : STORE_FATAL, db_why(s->db));
		return STORE_EXIT_FATAL;
	case -EPROTO:
	case -ESTALE:
		log_err("what hauld says makes no sense (is it of another build?)");
		return 1;
	case -EAGAIN:
		log_err("hauld has gone, and its last changes are lost, which it never said were safe reason=\"%s\"",
		    db_why(s->db));
		return 1;
	default:
		log_err("cannot read what hauld says: %s", strerror(-r));
		return 1;
	}
}

int
store_run(int in_fd, int out_fd, const char *dir)
{
	struct store s = { .in = in_fd, .out = out_fd, .limits = { .count = STORE_ID_MAX - 1 } };
	int r, code;

	store_msg_put_hello(&s.up);
	flush(&s);
	r = db_open(dir, &s.db);
	if (r == 0)
		r = converse(&s);
	code = status(&s, r);
	db_close(s.db, r != -EBADMSG);
	frame_reader_done(&s.reader);
	buf_done(&s.up);
	buf_done(&s.batch);
	buf_done(&s.expired);
	return code;
}
