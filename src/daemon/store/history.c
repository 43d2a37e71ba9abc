/* The client side of hauld-store --read; see history.h. */
#include "daemon/store/history.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/helper.h"

enum {
	SILENCE_MS = 5000,  /* with a question to answer: no page takes half of it */
	IDLE_MS = 30000,    /* without one: then the child ends */
	RESTART_MS = 100,   /* behind a death */
	STRIKES_MAX = 2,    /* and the question has no answer */
	GIVEN_MAX = 4,      /* questions that the child has: those behind them can be taken back */
};

struct history {
	struct loop *loop;  /* borrowed */
	char *path, *dir;   /* owned */
	/* The child. */
	struct helper child;
	bool greeted;
	bool leaving;       /* it was told to end */
	int fault;          /* of its channel (helper.h); 0: its status says how it ended */
	struct list questions; /* struct question: in the order they are answered */
	struct list failed;    /* those whose on_end comes next */
	unsigned n_given;
	uint64_t last_id;
	struct loop_timer silence, idle;
	struct loop_deferred work; /* gives questions, tells those that failed */
	bool stopping;             /* no child is started any more */
	loop_cb on_stopped;        /* NULL: told */
	void *stopped_arg;
	char why[STORE_TEXT_MAX + 1];
};

static struct question *
first(const struct history *h)
{
	return list_empty(&h->questions) ? NULL : LIST_FIRST(&h->questions, struct question, link);
}

static void
kick(struct history *h)
{
	loop_defer(h->loop, &h->work);
}

static void
take_away(struct question *q)
{
	struct history *h = q->history;

	list_remove(&q->link);
	h->n_given -= q->given;
	q->given = false;
	buf_done(&q->frame);
}

static void
fail_question(struct question *q, const char *error)
{
	struct history *h = q->history;

	take_away(q);
	q->error = error;
	list_append(&h->failed, &q->link);
	kick(h);
}

static void
fail_all(struct history *h)
{
	struct question *q;

	while ((q = first(h)))
		fail_question(q, h->why);
}

/* ---- Messages ------------------------------------------------------------------------ */

/* Answers come in the order of the questions; one whose asker has gone has no
 * struct any more, and its id is less than that of the first that is left. */
static int
on_answer(struct history *h, const struct message *m)
{
	struct question *q = first(h);
	struct read_end end;
	struct store_job j;
	struct text t;

	loop_timer_set(&h->silence, SILENCE_MS);
	if (m->type == READ_JOB && store_msg_get_job(m, &j) < 0)
		return -EPROTO;
	if (!m->id || m->id > h->last_id || (q && q->given && m->id > q->id))
		return -EPROTO;
	if (!q || !q->given || m->id < q->id)
		q = NULL;
	switch (m->type) {
	case READ_JOB:
		if (q)
			q->ops->on_job(&j, q->arg);
		return 0;
	case READ_END:
		if (read_get_end(m, &end) < 0)
			return -EPROTO;
		if (!q)
			return 0;
		take_away(q);
		q->history = NULL;
		q->ops->on_end(&end, NULL, q->arg);
		return 0;
	default:
		if (read_get_text(m, &t) < 0)
			return -EPROTO;
		(void)str_safe_again(h->why, sizeof h->why, t.at, t.len);
		if (q)
			fail_question(q, h->why);
		return 0;
	}
}

static int
on_message(const struct message *m, void *arg)
{
	struct history *h = arg;
	struct text t;
	int r = 0;

	if (!h->greeted) {
		h->greeted = true;
		return read_get_hello(m);
	}
	if (m->version != READ_PROTO)
		return -EPROTO;
	switch (m->type) {
	case READ_JOB:
	case READ_END:
	case READ_FAILED:
		r = on_answer(h, m);
		break;
	case READ_FATAL:
		r = read_get_text(m, &t);
		if (r == 0) {
			(void)str_safe_again(h->why, sizeof h->why, t.at, t.len);
			fail_all(h);
		}
		break;
	default:
		r = -EPROTO;
	}
	kick(h);
	return r;
}

/* ---- The child ----------------------------------------------------------------------- */

/* The first question was being answered: the others are innocent. */
static void
on_over(void *arg)
{
	struct history *h = arg;
	struct question *q = first(h), *each;
	char status[64];
	const char *how;

	if (h->stopping) {
		kick(h);
		return;
	}
	loop_timer_cancel(&h->silence);
	loop_timer_cancel(&h->idle);
	LIST_FOREACH(each, &h->questions, struct question, link)
		each->given = false;
	h->n_given = 0;
	if (!q)
		return;
	how = h->fault ? helper_fault(h->fault) : child_status_to_string(h->child.status, status, sizeof status);
	/* A new one came while an idle child was leaving. */
	if (!h->leaving && ++q->strikes == STRIKES_MAX) {
		(void)snprintf(h->why, sizeof h->why, "what reads the history ends again and again (%s): the log says more", how);
		fail_question(q, h->why);
	}
	if (!h->leaving)
		log_warning("what reads the history ended and is started again reason=\"%s\"", how);
	helper_wait(&h->child, h->leaving ? 0 : RESTART_MS);
}

static bool
on_closed(int why, void *arg)
{
	struct history *h = arg;

	h->fault = why == -EPROTO || why == -ESTALE ? why : 0;
	return true;
}

static void
on_silence(void *arg)
{
	struct history *h = arg;

	if (!h->child.pid || !first(h))
		return;
	log_warning("what reads the history is silent and is killed pid=%d", (int)h->child.pid);
	helper_kill(&h->child);
	/* One that hangs in a dead file system stays until that lives again; nobody
	 * waits for it. */
	(void)snprintf(h->why, sizeof h->why, "what reads the history hangs: the disk of the state directory may be dead");
	fail_all(h);
}

static void
on_idle(void *arg)
{
	struct history *h = arg;

	if (!h->child.chan || first(h))
		return;
	h->leaving = true;
	chan_close_out(h->child.chan);
}

static bool
start(struct history *h)
{
	char read[] = "--read";
	char *argv[] = { h->path, read, h->dir, NULL };
	int r = helper_start(&h->child, argv, -1);

	if (r < 0) {
		char safe[512];

		(void)snprintf(h->why, sizeof h->why, "cannot run %s: %s", str_safe(safe, sizeof safe, h->path, strlen(h->path)),
		    strerror(-r));
		fail_all(h);
		return false;
	}
	h->greeted = h->leaving = false;
	h->fault = 0;
	read_put_hello(chan_out(h->child.chan));
	return true;
}

static void
give(struct history *h)
{
	struct question *q;

	if (h->leaving)
		return; /* on_over() starts the next */
	LIST_FOREACH(q, &h->questions, struct question, link) {
		if (q->given)
			continue;
		if (h->n_given == GIVEN_MAX)
			break;
		if (!h->n_given)
			loop_timer_set(&h->silence, SILENCE_MS);
		buf_append(chan_out(h->child.chan), buf_bytes(&q->frame), buf_len(&q->frame));
		q->given = true;
		h->n_given++;
	}
}

/* ---- Questions ----------------------------------------------------------------------- */

static void
tell_failed(struct history *h)
{
	while (!list_empty(&h->failed)) {
		struct question *q = LIST_FIRST(&h->failed, struct question, link);
		AUTO_FREE char *error = xstrdup(q->error);

		list_remove(&q->link);
		q->history = NULL;
		q->error = NULL;
		q->ops->on_end(NULL, error, q->arg);
	}
}

static void
on_work(void *arg)
{
	struct history *h = arg;

	if (h->stopping) {
		if (helper_is_over(&h->child) && h->on_stopped)
			TAKE_PTR(h->on_stopped)(h->stopped_arg);
		return;
	}
	tell_failed(h);
	if (!first(h)) {
		loop_timer_cancel(&h->silence);
		if (h->child.chan && !h->leaving && !h->idle.set)
			loop_timer_set(&h->idle, IDLE_MS);
		return;
	}
	loop_timer_cancel(&h->idle);
	if (helper_is_over(&h->child) && !h->child.wait.set && !start(h))
		return;
	if (h->child.chan)
		give(h);
}

static void
ask(struct history *h, struct question *q, const struct history_ops *ops, void *arg)
{
	q->history = h;
	q->ops = ops;
	q->arg = arg;
	q->strikes = 0;
	q->given = false;
	q->error = NULL;
	list_append(&h->questions, &q->link);
	kick(h);
}

void
history_find(struct history *h, struct question *q, const uint64_t *ids, size_t n, const struct history_ops *ops, void *arg)
{
	assert(!q->history && n <= READ_IDS_MAX);
	q->id = ++h->last_id;
	read_put_find(&q->frame, q->id, ids, n);
	ask(h, q, ops, arg);
}

void
history_list(struct history *h, struct question *q, const struct read_list *l, const struct history_ops *ops, void *arg)
{
	assert(!q->history);
	q->id = ++h->last_id;
	read_put_list(&q->frame, q->id, l);
	ask(h, q, ops, arg);
}

void
history_forget(struct question *q)
{
	struct history *h = q->history;

	if (!h)
		return;
	if (q->error)
		list_remove(&q->link);
	else
		take_away(q);
	q->history = NULL;
	kick(h);
}

/* ---- Life ---------------------------------------------------------------------------- */

static const struct helper_ops child_ops = {
	.on_message = on_message, .on_closed = on_closed, .on_over = on_over, .on_waited = on_work,
};

void
history_stop(struct history *h, loop_cb on_stopped, void *arg)
{
	h->stopping = true;
	h->on_stopped = on_stopped;
	h->stopped_arg = arg;
	helper_kill(&h->child);
	kick(h);
}

struct history *
history_new(struct loop *l, struct children *c, const char *program_path, const char *dir)
{
	struct history *h = NEW(struct history);

	h->loop = l;
	helper_init(&h->child, l, c, "history", &child_ops, h);
	h->path = xstrdup(program_path);
	h->dir = xstrdup(dir);
	list_init(&h->questions);
	list_init(&h->failed);
	loop_timer_init(&h->silence, l, "history silence", on_silence, h);
	loop_timer_init(&h->idle, l, "history idle", on_idle, h);
	loop_deferred_init(&h->work, "history", on_work, h);
	return h;
}

void
history_free(struct history *h)
{
	struct question *q;

	if (!h)
		return;
	helper_done(&h->child);
	while ((q = first(h)))
		history_forget(q);
	while (!list_empty(&h->failed))
		history_forget(LIST_FIRST(&h->failed, struct question, link));
	loop_timer_done(&h->silence);
	loop_timer_done(&h->idle);
	loop_undefer(&h->work);
	free(h->path);
	free(h->dir);
	free(h);
}

uint64_t
history_last(const struct history *h)
{
	return h->last_id;
}

uint64_t
history_first(const struct history *h)
{
	const struct question *q = first(h);

	return q ? q->id : UINT64_MAX;
}

pid_t
history_pid(const struct history *h)
{
	return h->child.pid;
}
