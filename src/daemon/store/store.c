/* The client side of hauld-store; see store.h. */
#include "daemon/store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/store/store_internal.h"

enum {
	RESTART_MIN_MS = 50,
	RESTART_MAX_MS = 5000,
	LONG_LIFE_MS = 10000,
	/* Deaths without progress after which the callers are told. */
	DEATHS = 4,
	/* Of the outbox, so much is on its way to the child: more than any message,
	 * so that there is always one that it can answer. */
	WINDOW = 2 * MESSAGE_MAX,
	OUTBOX_FULL = 32 << 20, /* bytes: as many as a quarter of a million small jobs */
	SILENCE_MS = 5000,
};

/* ---- How it is ---------------------------------------------------------------------- */

static void
set_failed(struct store *s, const char *why, size_t n)
{
	(void)str_safe_again(s->why, sizeof s->why, why, n);
	if (!s->failed)
		log_err("the store cannot save now what is asked for, and tries again reason=\"%s\"", s->why);
	s->failed = true;
	store_kick(s);
}

static void
set_working(struct store *s)
{
	if (s->failed)
		log_notice("the store can save again");
	s->failed = false;
}

static void
set_fatal(struct store *s, const char *why, size_t n)
{
	(void)str_safe_again(s->why, sizeof s->why, why, n);
	s->failed = s->fatal = true;
	store_kick(s);
}

static bool
is_waited_for(const struct store *s)
{
	return s->child.chan && (!s->loaded || s->committed != s->seq);
}

/* Something was heard, or there is something new to wait for. */
void
store_note_life(struct store *s)
{
	s->waiting_ms = clock_now_ms();
	s->silent = false;
	if (is_waited_for(s) && !s->silence.set)
		loop_timer_set(&s->silence, SILENCE_MS);
}

static void
on_silence(void *arg)
{
	struct store *s = arg;
	uint64_t ms = clock_now_ms() - s->waiting_ms;

	if (!is_waited_for(s))
		return;
	if (ms >= SILENCE_MS && !s->silent) {
		log_err("the store has not answered for %llu s: the disk of the state directory may be dead or very slow",
		    (unsigned long long)ms / 1000);
		s->silent = true;
	}
	if (!s->silent) /* else a message says that it lives */
		loop_timer_set(&s->silence, ms < SILENCE_MS ? SILENCE_MS - ms : SILENCE_MS);
}

/* ---- The outbox --------------------------------------------------------------------- */

/* Not before all is loaded: a child that has to load anew would tell the
 * changes of now as jobs of the last run. */
void
store_give_more(struct store *s)
{
	size_t upto = MIN(buf_len(&s->outbox), (size_t)WINDOW);

	if (s->child.chan && s->loaded && upto > s->given) {
		buf_append(chan_out(s->child.chan), buf_bytes(&s->outbox) + s->given, upto - s->given);
		s->given = upto;
	}
}

void
store_set_limits(struct store *s, const struct store_limits *l)
{
	s->limits = *l;
	if (s->child.chan)
		store_msg_put_limits(chan_out(s->child.chan), l);
}

static void
end_if_empty(struct store *s)
{
	if (s->on_stopped && s->committed == s->seq && s->child.chan)
		chan_close_out(s->child.chan);
}

/* Not what it was not given whole: that would be durable too early. */
static int
on_committed(struct store *s, const struct message *m)
{
	size_t n = 0;
	struct cursor c;

	if (store_msg_get_empty(m) < 0 || m->id <= s->committed || m->id > s->seq)
		return -EPROTO;
	cursor_init(&c, buf_bytes(&s->lengths), buf_len(&s->lengths));
	for (uint64_t i = s->committed; i < m->id; i++)
		n += get_u32(&c);
	if (n > s->given)
		return -EPROTO;
	buf_consume(&s->lengths, (size_t)(m->id - s->committed) * 4);
	buf_consume(&s->outbox, n);
	s->given -= n;
	s->committed = m->id;
	s->commits++;
	s->deaths = 0;
	set_working(s);
	if (s->committed == s->seq && s->outbox.size > WINDOW) { /* after a burst */
		buf_done(&s->outbox);
		buf_done(&s->lengths);
	}
	store_give_more(s);
	end_if_empty(s);
	store_kick(s);
	return 0;
}

/* ---- Messages ---------------------------------------------------------------------- */

static int
on_job(struct store *s, const struct message *m)
{
	struct store_job j;

	if (s->loaded || store_msg_get_job(m, &j) < 0 || j.id <= s->loaded_id)
		return -EPROTO;
	s->loaded_id = j.id;
	s->deaths = 0;
	if (!s->on_stopped)
		s->ops->on_job(&j, s->arg);
	return 0;
}

/* Also from a child that was started again and asked for no jobs. */
static int
on_loaded(struct store *s, const struct message *m)
{
	uint64_t last;

	if (store_msg_get_number(m, &last) < 0 || (!s->loaded && last < s->loaded_id))
		return -EPROTO;
	if (s->committed == s->seq)
		set_working(s); /* as far as anyone can tell */
	if (!s->loaded) {
		s->loaded = true;
		store_give_more(s);
		if (!s->on_stopped)
			s->ops->on_loaded(last, s->arg);
	}
	return 0;
}

/* Of what is told while the jobs are loaded. */
static int
on_beside_job(struct store *s, const struct message *m)
{
	struct store_key k;
	struct text name;
	uint64_t id;

	if (s->loaded)
		return -EPROTO;
	if (m->type == STORE_KEPT_KEY) {
		if (store_msg_get_key(m, &k) < 0)
			return -EPROTO;
		if (s->ops->on_key && !s->on_stopped)
			s->ops->on_key(&k, s->arg);
		return 0;
	}
	if (store_msg_get_named(m, &id, &name) < 0)
		return -EPROTO;
	if (m->type == STORE_NAMED && s->ops->on_named && !s->on_stopped)
		s->ops->on_named(id, name.at, name.len, s->arg);
	if (m->type == STORE_LEFT && s->ops->on_left && !s->on_stopped)
		s->ops->on_left(id, name.at, name.len, s->arg);
	return 0;
}

static int
on_note(struct store *s, const struct message *m)
{
	struct store_note n;
	AUTO_FREE char *key = NULL;

	if (s->loaded || store_msg_get_note(m, &n) < 0)
		return -EPROTO;
	key = xstrndup(n.key.at, n.key.len);
	if (s->ops->on_note && !s->on_stopped)
		s->ops->on_note(key, n.data.at, n.data.len, s->arg);
	return 0;
}

static int
on_expired(struct store *s, const struct message *m)
{
	struct cursor ids;
	size_t n;

	if (!s->loaded || store_msg_get_expired(m, &ids, &n) < 0)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		uint64_t id = get_u64(&ids);

		if (s->ops->on_expired && !s->on_stopped)
			s->ops->on_expired(id, s->arg);
	}
	return 0;
}

static int
on_ended(struct store *s, const struct message *m)
{
	struct store_ended n;

	if (store_msg_get_ended(m, &n) < 0)
		return -EPROTO;
	if (s->ops->on_ended && !s->on_stopped)
		s->ops->on_ended(&n, s->arg);
	return 0;
}

static int
on_trouble(struct store *s, const struct message *m)
{
	struct text t;

	if (store_msg_get_text(m, &t) < 0)
		return -EPROTO;
	/* A state directory that could be used a moment ago may be well again. */
	if (m->type == STORE_FATAL || (m->type == STORE_NOT_OPEN && !s->loaded))
		set_fatal(s, t.at, t.len);
	else
		set_failed(s, t.at, t.len);
	return 0;
}

static int
on_message(const struct message *m, void *arg)
{
	struct store *s = arg;

	if (s->fatal)
		return -EPROTO;
	if (s->silent)
		log_notice("the store answers again");
	store_note_life(s);
	if (!s->greeted) {
		s->greeted = true;
		return store_msg_get_hello(m);
	}
	if (m->version != STORE_PROTO)
		return -EPROTO;
	switch (m->type) {
	case STORE_JOB:
		return on_job(s, m);
	case STORE_NAMED:
	case STORE_LEFT:
	case STORE_KEPT_KEY:
		return on_beside_job(s, m);
	case STORE_KEPT_NOTE:
		return on_note(s, m);
	case STORE_EXPIRED:
		return on_expired(s, m);
	case STORE_ENDED:
		return on_ended(s, m);
	case STORE_LOADED:
		return on_loaded(s, m);
	case STORE_COMMITTED:
		return on_committed(s, m);
	case STORE_FAILED:
	case STORE_FATAL:
	case STORE_NOT_OPEN:
		return on_trouble(s, m);
	default:
		return -EPROTO;
	}
}

/* ---- The child --------------------------------------------------------------------- */

/* It ended, or could not be started.  Without progress it is tried again and
 * again, but who waits is told, and before the jobs are known it is the end. */
static void
try_again(struct store *s, const char *how, bool ended)
{
	AUTO_FREE char *why = NULL;
	uint64_t pause = helper_pause_ms(s->deaths, RESTART_MIN_MS, RESTART_MAX_MS);

	s->deaths++;
	if (s->deaths >= DEATHS) {
		char safe[512];

		why = xasprintf(ended ? "%s ends again and again (%s): the log says more" : "%s cannot be used: %s",
		    str_safe(safe, sizeof safe, s->path, strlen(s->path)), how);
		if (!s->loaded) {
			set_fatal(s, why, strlen(why));
			return;
		}
		if (!s->failed) /* it has said itself what is wrong */
			set_failed(s, why, strlen(why));
	}
	log_warning("the store %s and is started again reason=\"%s\"", ended ? "ended" : "cannot be used", how);
	helper_wait(&s->child, pause);
}

static void
on_over(void *arg)
{
	struct store *s = arg;
	char how[64];

	if (s->fatal || (s->on_stopped && s->committed == s->seq)) {
		store_kick(s);
		return;
	}
	if (clock_now_ms() - s->started_ms >= LONG_LIFE_MS)
		s->deaths = 0;
	if (s->fault)
		try_again(s, helper_fault(s->fault), false);
	else
		try_again(s, child_status_to_string(s->child.status, how, sizeof how), true);
}

static bool
on_closed(int why, void *arg)
{
	struct store *s = arg;

	s->fault = why == -EPROTO || why == -ESTALE ? why : 0;
	return true;
}

static void
start(void *arg)
{
	struct store *s = arg;
	char *argv[] = { s->path, s->dir, NULL };
	int r = helper_start(&s->child, argv, -1);

	if (r < 0) {
		try_again(s, strerror(-r), false);
		return;
	}
	s->started_ms = clock_now_ms();
	s->greeted = false;
	s->fault = 0;
	s->given = 0;
	store_msg_put_hello(chan_out(s->child.chan));
	store_msg_put_limits(chan_out(s->child.chan), &s->limits);
	store_msg_put_number(chan_out(s->child.chan), s->committed, STORE_LOAD, s->loaded ? STORE_ID_MAX : s->loaded_id);
	store_give_more(s);
	end_if_empty(s);
	store_note_life(s);
}

static const struct helper_ops child_ops = {
	.on_message = on_message, .on_closed = on_closed, .on_over = on_over, .on_waited = start,
};

/* ---- Life -------------------------------------------------------------------------- */

struct store *
store_new(struct loop *l, struct children *c, const char *program_path, const char *dir,
    const struct store_ops *ops, void *arg)
{
	struct store *s = NEW(struct store);

	s->loop = l;
	helper_init(&s->child, l, c, "store", &child_ops, s);
	s->path = xstrdup(program_path);
	s->dir = xstrdup(dir);
	s->ops = ops;
	s->arg = arg;
	s->limits = (struct store_limits){ .count = STORE_ID_MAX - 1 };
	list_init(&s->waits);
	list_init(&s->due);
	loop_timer_init(&s->silence, l, "store silence", on_silence, s);
	loop_deferred_init(&s->call, "store", store_call_back, s);
	start(s);
	return s;
}

static void
forget_all(struct list *l)
{
	while (!list_empty(l))
		store_forget_wait(LIST_FIRST(l, struct store_wait, link));
}

void
store_free(struct store *s)
{
	if (!s)
		return;
	helper_done(&s->child);
	forget_all(&s->waits);
	forget_all(&s->due);
	loop_timer_done(&s->silence);
	loop_undefer(&s->call);
	buf_done(&s->outbox);
	buf_done(&s->lengths);
	free(s->path);
	free(s->dir);
	free(s);
}

void
store_stop(struct store *s, loop_cb on_stopped, void *arg)
{
	s->on_stopped = on_stopped;
	s->stopped_arg = arg;
	end_if_empty(s);
	store_kick(s);
}

bool
store_is_failed(const struct store *s, const char **ret_why)
{
	if (s->failed && ret_why)
		*ret_why = s->why;
	return s->failed;
}

bool
store_is_stopping(const struct store *s)
{
	return s->on_stopped;
}

uint64_t
store_silent_ms(const struct store *s)
{
	return s->silent && is_waited_for(s) ? clock_now_ms() - s->waiting_ms : 0;
}

bool
store_is_full(const struct store *s)
{
	return buf_len(&s->outbox) >= OUTBOX_FULL;
}

uint64_t
store_last(const struct store *s)
{
	return s->seq;
}

uint64_t
store_committed(const struct store *s)
{
	return s->committed;
}

uint64_t
store_commits(const struct store *s)
{
	return s->commits;
}

size_t
store_queued(const struct store *s)
{
	return (size_t)(s->seq - s->committed);
}

pid_t
store_pid(const struct store *s)
{
	return s->child.pid;
}
