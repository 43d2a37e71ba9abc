/* The client side of hauld-store; see store.h. */
#include "daemon/store/store.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/chan.h"

enum {
	RESTART_MIN_MS = 50,
	RESTART_MAX_MS = 5000,
	LONG_LIFE_MS = 10000,
	/* Deaths without progress after which the callers are told. */
	DEATHS = 4,
	/* Of the outbox, so much is on its way to the child: more than any message,
	 * so that there is always one that it can answer. */
	WINDOW = 2 * MESSAGE_MAX,
};

struct store {
	struct loop *loop;         /* borrowed */
	struct children *children; /* borrowed */
	char *path, *dir;          /* owned */
	const struct store_ops *ops;
	void *arg;
	/* The child. */
	pid_t pid;          /* 0: none, or reaped */
	struct chan *chan;  /* owned; NULL: none, or at its end */
	int status;         /* of waitpid */
	bool greeted;
	struct loop_timer restart;
	unsigned deaths;    /* since it last got on, or lived long */
	uint64_t started_ms;
	/* Changes: those from committed + 1 to seq, encoded; lengths has a u32 for
	 * each. The child was given the first `given` bytes. */
	struct buf outbox, lengths;
	size_t given;
	uint64_t committed, seq;
	/* Loading. */
	uint64_t loaded_id; /* of the last job that was told */
	bool loaded;
	/* Waits in the order of seq; those whose callbacks come now. */
	struct list waits, due;
	struct loop_deferred call;
	bool failed, fatal, fatal_told;
	char why[STORE_TEXT_MAX + 1];
	loop_cb on_stopped; /* NULL: not to stop, or told */
	void *stopped_arg;
};

/* ---- Waits ------------------------------------------------------------------------- */

/* Durable comes before failed: what was committed stays so. */
static bool
take_due(struct store *s)
{
	struct store_wait *w;

	if (list_empty(&s->waits))
		return false;
	w = LIST_FIRST(&s->waits, struct store_wait, link);
	if (w->seq > s->committed && !s->failed)
		return false;
	w->failed = w->seq > s->committed;
	list_remove(&w->link);
	list_append(&s->due, &w->link);
	return true;
}

static bool
is_over(const struct store *s)
{
	return !s->pid && !s->chan;
}

/* Nothing is left to be said to a store that is to stop. */
static bool
is_stopped(const struct store *s)
{
	return s->on_stopped && is_over(s) && (s->fatal || s->committed == s->seq) && list_empty(&s->waits);
}

static void
call_stopped(struct store *s)
{
	loop_cb cb = TAKE_PTR(s->on_stopped);

	loop_timer_cancel(&s->restart);
	cb(s->stopped_arg);
}

/* Its last calls may free the store, those of waits may not. */
static void
call_back(void *arg)
{
	struct store *s = arg;
	AUTO_FREE char *why = xstrdup(s->why);

	/* A callback may wait anew: not for the same turn. */
	while (take_due(s))
		;
	while (!list_empty(&s->due)) {
		struct store_wait *w = LIST_FIRST(&s->due, struct store_wait, link);

		list_remove(&w->link);
		w->store = NULL;
		w->cb(w->failed ? why : NULL, w->arg);
	}
	if (s->fatal && !s->fatal_told && is_over(s)) {
		s->fatal_told = true;
		if (is_stopped(s))
			loop_defer(s->loop, &s->call);
		s->ops->on_fatal(why, s->arg);
	} else if (is_stopped(s)) {
		call_stopped(s);
	}
}

static void
kick(struct store *s)
{
	loop_defer(s->loop, &s->call);
}

void
store_when_durable(struct store *s, struct store_wait *w, store_durable_cb cb, void *arg)
{
	assert(!w->store);
	*w = (struct store_wait){ .store = s, .seq = s->seq, .cb = cb, .arg = arg };
	list_append(&s->waits, &w->link);
	if (s->seq == s->committed || s->failed)
		kick(s);
}

void
store_forget_wait(struct store_wait *w)
{
	list_remove(&w->link);
	w->store = NULL;
}

static void
set_failed(struct store *s, const char *why, size_t n)
{
	(void)str_safe_again(s->why, sizeof s->why, why, n);
	if (!s->failed)
		log_err("the store cannot save now what is asked for, and tries again reason=\"%s\"", s->why);
	s->failed = true;
	kick(s);
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
	kick(s);
}

/* ---- The outbox --------------------------------------------------------------------- */

/* Not before all is loaded: a child that has to load anew would tell the
 * changes of now as jobs of the last run. */
static void
give_more(struct store *s)
{
	size_t upto = MIN(buf_len(&s->outbox), (size_t)WINDOW);

	if (s->chan && s->loaded && upto > s->given) {
		buf_append(chan_out(s->chan), buf_bytes(&s->outbox) + s->given, upto - s->given);
		s->given = upto;
	}
}

static size_t
begin(struct store *s)
{
	assert(!s->on_stopped);
	s->seq++;
	return buf_len(&s->outbox);
}

static void
queue(struct store *s, size_t begun)
{
	put_u32(&s->lengths, (uint32_t)(buf_len(&s->outbox) - begun));
	give_more(s);
}

void
store_put(struct store *s, const struct store_job *j)
{
	size_t begun = begin(s);

	store_msg_put_job(&s->outbox, s->seq, STORE_PUT, j);
	queue(s, begun);
}

void
store_update(struct store *s, const struct store_job *j)
{
	size_t begun = begin(s);

	store_msg_put_job(&s->outbox, s->seq, STORE_UPDATE, j);
	queue(s, begun);
}

void
store_delete(struct store *s, uint64_t id)
{
	size_t begun = begin(s);

	store_msg_put_number(&s->outbox, s->seq, STORE_DELETE, id);
	queue(s, begun);
}

static void
end_if_empty(struct store *s)
{
	if (s->on_stopped && s->committed == s->seq && s->chan)
		chan_close_out(s->chan);
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
	s->deaths = 0;
	set_working(s);
	if (s->committed == s->seq && s->outbox.size > WINDOW) { /* after a burst */
		buf_done(&s->outbox);
		buf_done(&s->lengths);
	}
	give_more(s);
	end_if_empty(s);
	kick(s);
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
		give_more(s);
		if (!s->on_stopped)
			s->ops->on_loaded(last, s->arg);
	}
	return 0;
}

static int
on_trouble(struct store *s, const struct message *m)
{
	struct text t;

	if (store_msg_get_text(m, &t) < 0)
		return -EPROTO;
	if (m->type == STORE_FATAL)
		set_fatal(s, t.at, t.len);
	else
		set_failed(s, t.at, t.len);
	return 0;
}

static int
on_message(const struct message *m, void *arg)
{
	struct store *s = arg;

	if (m->version != STORE_PROTO || s->fatal)
		return -EPROTO;
	if (!s->greeted) {
		s->greeted = true;
		return store_msg_get_hello(m);
	}
	switch (m->type) {
	case STORE_JOB:
		return on_job(s, m);
	case STORE_LOADED:
		return on_loaded(s, m);
	case STORE_COMMITTED:
		return on_committed(s, m);
	case STORE_FAILED:
	case STORE_FATAL:
		return on_trouble(s, m);
	default:
		return -EPROTO;
	}
}

/* ---- The child --------------------------------------------------------------------- */

/* It ended, or could not be started.  Without progress it is tried again and
 * again, but who waits is told, and before the jobs are known it is the end. */
static void
try_again(struct store *s, const char *how)
{
	AUTO_FREE char *why = NULL;
	unsigned doublings = MIN(s->deaths, 10u);

	s->deaths++;
	if (s->deaths >= DEATHS) {
		char safe[512];

		why = xasprintf("%s ends again and again (%s): the log says more",
		    str_safe(safe, sizeof safe, s->path, strlen(s->path)), how);
		if (!s->loaded) {
			set_fatal(s, why, strlen(why));
			return;
		}
		set_failed(s, why, strlen(why));
	}
	log_warning("the store ended and is started again reason=\"%s\"", how);
	loop_timer_set(&s->restart, MIN((uint64_t)RESTART_MIN_MS << doublings, (uint64_t)RESTART_MAX_MS));
}

static void
check_over(struct store *s)
{
	char how[64];

	if (!is_over(s))
		return;
	if (s->fatal || (s->on_stopped && s->committed == s->seq)) {
		kick(s);
		return;
	}
	if (clock_now_ms() - s->started_ms >= LONG_LIFE_MS)
		s->deaths = 0;
	try_again(s, child_status_to_string(s->status, how, sizeof how));
}

static void
on_exit_status(pid_t pid UNUSED, int status, void *arg)
{
	struct store *s = arg;

	s->pid = 0;
	s->status = status;
	check_over(s);
}

static void
on_closed(int why, void *arg)
{
	struct store *s = arg;

	if (why < 0)
		log_err("what the store says makes no sense (is it of another build?)");
	chan_free(TAKE_PTR(s->chan));
	/* Most that close their pipe have ended; then this does nothing. */
	if (s->pid)
		(void)kill(s->pid, SIGKILL);
	check_over(s);
}

static int
start_child(struct store *s)
{
	char *argv[] = { s->path, s->dir, NULL };
	int in, out, r;
	pid_t pid;

	r = spawn_piped(&(struct spawn){ .path = s->path, .argv = argv, .fds = { -1, -1, -1, -1 }, .own_group = true },
	    &pid, &in, &out);
	if (r < 0)
		return r;
	s->pid = pid;
	s->chan = chan_new(s->loop, in, out, "store", on_message, on_closed, s);
	children_watch(s->children, pid, on_exit_status, s);
	return 0;
}

static void
start(struct store *s)
{
	int r = start_child(s);

	if (r < 0) {
		try_again(s, strerror(-r));
		return;
	}
	s->started_ms = clock_now_ms();
	s->greeted = false;
	s->given = 0;
	store_msg_put_hello(chan_out(s->chan));
	store_msg_put_number(chan_out(s->chan), s->committed, STORE_LOAD, s->loaded ? STORE_ID_MAX : s->loaded_id);
	give_more(s);
	end_if_empty(s);
}

static void
on_restart(void *arg)
{
	start(arg);
}

/* ---- Life -------------------------------------------------------------------------- */

struct store *
store_new(struct loop *l, struct children *c, const char *program_path, const char *dir,
    const struct store_ops *ops, void *arg)
{
	struct store *s = NEW(struct store);

	s->loop = l;
	s->children = c;
	s->path = xstrdup(program_path);
	s->dir = xstrdup(dir);
	s->ops = ops;
	s->arg = arg;
	list_init(&s->waits);
	list_init(&s->due);
	loop_timer_init(&s->restart, l, "store restart", on_restart, s);
	loop_deferred_init(&s->call, "store", call_back, s);
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
	if (s->pid) {
		(void)kill(s->pid, SIGKILL);
		children_unwatch(s->children, s->pid, s);
	}
	chan_free(s->chan);
	forget_all(&s->waits);
	forget_all(&s->due);
	loop_timer_done(&s->restart);
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
	kick(s);
}

bool
store_is_failed(const struct store *s, const char **ret_why)
{
	if (s->failed && ret_why)
		*ret_why = s->why;
	return s->failed;
}

size_t
store_queued(const struct store *s)
{
	return (size_t)(s->seq - s->committed);
}

pid_t
store_pid(const struct store *s)
{
	return s->pid;
}
