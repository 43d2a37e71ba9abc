/* hauld's side of hauld-spawn; see spawner.h. */
#include "daemon/spawn/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/helper.h"

enum {
	IDLE_MS = 30000,     /* without anything to run: then hauld-spawn may end */
	FAILS_PER_TURN = 100, /* that are told: each is the end of a job */
	GUARD_MS = 1000,     /* between looks at what takes too long */
	SLACK_MS = 15000,    /* beyond a program's time: hauld-spawn kills it long before */
	RESTART_MS = 100,    /* behind a death; doubled up to the next */
	RESTART_MAX_MS = 5000,
	DEATHS_MAX = 4,      /* in a row, without a word: then what waits fails */
};

struct spawn_given {
	struct list link;
	struct spawn_task *task; /* NULL: dropped */
	uint64_t id, give_up_ms;
};

struct spawner {
	struct loop *loop;         /* borrowed */
	char *path, *socket;       /* owned; socket NULL: a child of our own */
	unsigned most;
	struct list waiting;       /* struct spawn_task */
	struct list given;         /* struct spawn_given, owned */
	struct list failed;        /* struct spawn_task: their on_end comes next */
	unsigned n_waiting, n_given;
	uint64_t last_id;
	struct helper helper;      /* hauld-spawn: a child, or behind the socket */
	bool greeted, leaving, told;
	bool reaped;               /* and `why` says of what it died */
	unsigned deaths;
	struct loop_timer idle, guard;
	struct loop_deferred work;
	bool stopping;
	loop_cb on_stopped;        /* NULL: told */
	void *stopped_arg;
	char why[SPAWN_TEXT_MAX + 1]; /* of those that failed */
};

static void
kick(struct spawner *s)
{
	loop_defer(s->loop, &s->work);
}

/* ---- Tasks --------------------------------------------------------------------------- */

static void
forget_given(struct spawner *s, struct spawn_given *g)
{
	if (g->task)
		g->task->given = NULL;
	list_remove(&g->link);
	s->n_given--;
	free(g);
}

static void
end_task(struct spawn_task *t, const struct spawn_outcome *o)
{
	list_remove(&t->link);
	t->spawner = NULL;
	t->ops->on_end(o, t->arg);
}

static void
fail_task(struct spawner *s, struct spawn_task *t)
{
	list_remove(&t->link);
	list_append(&s->failed, &t->link);
	t->waits = false;
	kick(s);
}

/* Those that ran: what became of them nobody knows. */
static void
fail_given(struct spawner *s)
{
	struct spawn_given *g;

	LIST_FOREACH(g, &s->given, struct spawn_given, link) {
		struct spawn_task *t = g->task;

		forget_given(s, g);
		if (t)
			fail_task(s, t);
	}
}

static void
fail_waiting(struct spawner *s)
{
	struct spawn_task *t;

	LIST_FOREACH(t, &s->waiting, struct spawn_task, link)
		fail_task(s, t);
	s->n_waiting = 0;
}

static void
tell_failed(struct spawner *s)
{
	struct spawn_outcome o = { 0 };

	(void)snprintf(o.text, sizeof o.text, "%s", s->why);
	for (unsigned n = 0; n < FAILS_PER_TURN && !list_empty(&s->failed); n++)
		end_task(LIST_FIRST(&s->failed, struct spawn_task, link), &o);
	if (!list_empty(&s->failed))
		kick(s);
}

void
spawner_submit(struct spawner *s, struct spawn_task *t, uint64_t timeout_ms, const struct spawn_ops *ops, void *arg)
{
	*t = (struct spawn_task){ .spawner = s, .waits = true, .timeout_ms = timeout_ms, .ops = ops, .arg = arg };
	list_append(&s->waiting, &t->link);
	s->n_waiting++;
	kick(s);
}

void
spawner_drop(struct spawn_task *t)
{
	struct spawner *s = t->spawner;

	if (!s)
		return;
	if (t->given) {
		t->given->task = NULL;
		t->given->give_up_ms = clock_now_ms() + SLACK_MS;
		if (s->helper.chan)
			spawn_put_kill(chan_out(s->helper.chan), t->given->id);
		t->given = NULL;
	}
	s->n_waiting -= t->waits;
	list_remove(&t->link);
	t->spawner = NULL;
}

/* ---- Messages ------------------------------------------------------------------------ */

static void
tell_end(const struct spawn_end *e, const struct spawn_task *t, struct spawn_outcome *ret)
{
	char taken[32];

	*ret = (struct spawn_outcome){ .answer = e->answer, .cut = e->cut };
	if (e->how == SPAWN_REFUSED)
		(void)str_safe_again(ret->text, sizeof ret->text, e->text.at, e->text.len);
	else if (e->timed_out)
		(void)snprintf(ret->text, sizeof ret->text, "it took longer than hook-timeout (%s) and was killed",
		    format_duration(taken, sizeof taken, t->timeout_ms));
	else if (e->how == SPAWN_KILLED)
		(void)snprintf(ret->text, sizeof ret->text, "killed by signal %u (%s)", e->value, strsignal(e->value));
	else if (e->value)
		(void)snprintf(ret->text, sizeof ret->text, "exit status %u", e->value);
	else
		ret->good = true;
}

static void
on_program_end(struct spawner *s, struct spawn_given *g, const struct spawn_end *e)
{
	struct spawn_task *t = g->task;
	struct spawn_outcome o;

	forget_given(s, g);
	if (!t)
		return;
	if (e->dropped) {
		char text[80];

		(void)snprintf(text, sizeof text, "(%llu more bytes of output are not kept)", (unsigned long long)e->dropped);
		t->ops->on_line(text, t->arg);
	}
	tell_end(e, t, &o);
	end_task(t, &o);
}

static struct spawn_given *
find_given(const struct spawner *s, uint64_t id)
{
	struct spawn_given *g;

	LIST_FOREACH(g, &s->given, struct spawn_given, link)
		if (g->id == id)
			return g;
	return NULL;
}

static int
on_message(const struct message *m, void *arg)
{
	struct spawner *s = arg;
	char safe[2 * SPAWN_LINE_MAX];
	struct spawn_given *g;
	struct spawn_end e;
	struct text line;
	int r;

	if (!s->greeted) {
		r = spawn_get_hello(m);
		s->greeted = r == 0;
		s->deaths = s->greeted ? 0 : s->deaths;
		return r;
	}
	if (m->version != SPAWN_PROTO)
		return -EPROTO;
	g = find_given(s, m->id); /* NULL: given up */
	switch (m->type) {
	case SPAWN_LINE:
		r = spawn_get_line(m, &line);
		if (r == 0 && g && g->task)
			g->task->ops->on_line(str_safe(safe, sizeof safe, line.at, line.len), g->task->arg);
		return r;
	case SPAWN_END:
		r = spawn_get_end(m, &e);
		if (r == 0 && g)
			on_program_end(s, g, &e);
		kick(s);
		return r;
	default:
		return -EPROTO;
	}
}

/* ---- hauld-spawn ----------------------------------------------------------------------- */

static void
on_over(void *arg)
{
	struct spawner *s = arg;

	kick(s);
	if (s->stopping)
		return;
	if (s->leaving) {
		s->leaving = false;
		return;
	}
	fail_given(s);
	if (s->n_waiting)
		helper_wait(&s->helper, helper_pause_ms(s->deaths, RESTART_MS, RESTART_MAX_MS));
}

static void
on_reaped(void *arg)
{
	struct spawner *s = arg;
	char how[64];

	s->reaped = true;
	if (!s->leaving && !s->stopping)
		(void)snprintf(s->why, sizeof s->why, "hauld-spawn ended meanwhile (%s): what it ran may have done its work or not",
		    child_status_to_string(s->helper.status, how, sizeof how));
}

static bool
on_closed(int why, void *arg)
{
	struct spawner *s = arg;

	if (why == -EPROTO || why == -ESTALE)
		log_err("hauld-spawn: %s", helper_fault(why));
	if (!s->leaving && !s->stopping) {
		s->deaths++;
		if (!s->reaped)
			(void)snprintf(s->why, sizeof s->why, "hauld-spawn ended meanwhile: what it ran may have done its work or not");
		log_warning("hauld-spawn has gone running=%u waiting=%u", s->n_given, s->n_waiting);
	}
	if (s->deaths == DEATHS_MAX) {
		s->deaths = 0;
		(void)snprintf(s->why, sizeof s->why, "hauld-spawn cannot be talked to: the log says more");
		fail_waiting(s);
	}
	return why != 0;
}

/* -errno: there is none, or it is not for us. */
static int
connect_to(const char *path)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to;
	socklen_t len;
	int r = fd_unix_address(path, &to, &len);

	if (r < 0)
		return r;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* 0 or -errno. */
static int
start_by_socket(struct spawner *s)
{
	int in = s->socket ? connect_to(s->socket) : -ENOENT, out;

	if (in < 0)
		return in;
	out = fcntl(in, F_DUPFD_CLOEXEC, 3);
	if (out < 0) {
		out = -errno;
		fd_close(&in);
		return out;
	}
	helper_attach(&s->helper, 0, in, out);
	return 0;
}

/* It is not there, or for another hauld: and not that we could not ask just now. */
static bool
is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ECONNREFUSED;
}

static bool
start_child(struct spawner *s)
{
	char *argv[] = { s->path, NULL };
	int r = helper_start(&s->helper, argv, -1);

	if (r < 0) {
		char safe[200];

		(void)snprintf(s->why, sizeof s->why, "cannot run %s: %s", str_safe(safe, sizeof safe, s->path, strlen(s->path)),
		    strerror(-r));
		return false;
	}
	return true;
}

/* Some times; then what waits fails with what was found out. */
static void
try_later(struct spawner *s)
{
	if (++s->deaths < DEATHS_MAX) {
		helper_wait(&s->helper, helper_pause_ms(s->deaths, RESTART_MS, RESTART_MAX_MS));
		return;
	}
	s->deaths = 0;
	fail_waiting(s);
}

static void
start(struct spawner *s)
{
	int r = start_by_socket(s);

	s->greeted = s->leaving = s->reaped = false;
	if (r < 0 && !is_absent(r)) {
		(void)snprintf(s->why, sizeof s->why, "cannot ask hauld-spawn to run it: %s", strerror(-r));
		try_later(s);
		return;
	}
	if (r < 0 && s->socket && !s->told)
		log_info("programs of jobs are run by hauld itself, within its own sandbox: %s: %s", log_safe(s->socket), strerror(-r));
	s->told = true;
	if (r < 0 && !start_child(s)) {
		fail_waiting(s);
		return;
	}
	spawn_put_hello(chan_out(s->helper.chan));
}

/* ---- Turns ------------------------------------------------------------------------------ */

static void
give(struct spawner *s)
{
	while (s->n_waiting && s->n_given < MIN(s->most, (unsigned)SPAWN_RUNS_MAX)) {
		struct spawn_task *t = LIST_FIRST(&s->waiting, struct spawn_task, link);
		struct spawn_given *g = NEW(struct spawn_given);

		list_remove(&t->link);
		t->waits = false;
		s->n_waiting--;
		g->task = t;
		g->id = ++s->last_id;
		g->give_up_ms = clock_now_ms() + t->timeout_ms + SLACK_MS;
		t->given = g;
		list_append(&s->given, &g->link);
		s->n_given++;
		t->ops->put(chan_out(s->helper.chan), g->id, t->arg);
	}
	if (s->n_given && !s->guard.set)
		loop_timer_set(&s->guard, GUARD_MS);
}

static void
on_work(void *arg)
{
	struct spawner *s = arg;

	if (s->stopping) {
		if (helper_is_over(&s->helper) && s->on_stopped)
			TAKE_PTR(s->on_stopped)(s->stopped_arg);
		return;
	}
	tell_failed(s);
	if (!s->n_waiting && !s->n_given) {
		if (s->helper.chan && !s->leaving && !s->idle.set)
			loop_timer_set(&s->idle, IDLE_MS);
		return;
	}
	loop_timer_cancel(&s->idle);
	if (s->leaving)
		return; /* on_over() comes, and then the next is started */
	if (helper_is_over(&s->helper) && s->n_waiting && !s->helper.wait.set)
		start(s);
	if (s->helper.chan)
		give(s);
}

/* It does not even say that it killed what took too long. */
static void
on_guard(void *arg)
{
	struct spawner *s = arg;
	uint64_t now = clock_now_ms();
	struct spawn_given *g;

	LIST_FOREACH(g, &s->given, struct spawn_given, link) {
		struct spawn_task *t = g->task;

		if (g->give_up_ms > now)
			continue;
		(void)snprintf(s->why, sizeof s->why, "it took longer than hook-timeout, and hauld-spawn does not answer");
		forget_given(s, g);
		if (t)
			fail_task(s, t);
	}
	if (s->n_given)
		loop_timer_set(&s->guard, GUARD_MS);
	kick(s);
}

static void
on_idle(void *arg)
{
	struct spawner *s = arg;

	if (!s->helper.chan || s->n_given || s->n_waiting)
		return;
	s->leaving = true;
	if (s->helper.pid)
		chan_close_out(s->helper.chan);
	else
		chan_free(TAKE_PTR(s->helper.chan)); /* of a socket: both ways at once */
	if (helper_is_over(&s->helper))
		on_over(s);
}

static const struct helper_ops helper_ops = { on_message, on_closed, on_reaped, on_over, on_work };

/* ---- Life --------------------------------------------------------------------------------- */

struct spawner *
spawner_new(struct loop *l, struct children *c, const struct spawner_options *o)
{
	struct spawner *s = NEW(struct spawner);

	s->loop = l;
	helper_init(&s->helper, l, c, "spawn", &helper_ops, s);
	s->path = xstrdup(o->path);
	s->socket = o->socket ? xstrdup(o->socket) : NULL;
	s->most = o->most;
	list_init(&s->waiting);
	list_init(&s->given);
	list_init(&s->failed);
	loop_timer_init(&s->idle, l, "spawn idle", on_idle, s);
	loop_timer_init(&s->guard, l, "spawn guard", on_guard, s);
	loop_deferred_init(&s->work, "spawn", on_work, s);
	return s;
}

void
spawner_free(struct spawner *s)
{
	struct spawn_given *g;

	if (!s)
		return;
	helper_done(&s->helper);
	LIST_FOREACH(g, &s->given, struct spawn_given, link)
		forget_given(s, g);
	loop_timer_done(&s->idle);
	loop_timer_done(&s->guard);
	loop_undefer(&s->work);
	free(s->path);
	free(s->socket);
	free(s);
}

void
spawner_set_most(struct spawner *s, unsigned most)
{
	s->most = most;
	kick(s);
}

void
spawner_stop(struct spawner *s, loop_cb on_stopped, void *arg)
{
	s->stopping = true;
	s->on_stopped = on_stopped;
	s->stopped_arg = arg;
	if (s->helper.chan && s->helper.pid)
		chan_close_out(s->helper.chan);
	else
		chan_free(TAKE_PTR(s->helper.chan));
	kick(s);
}

unsigned
spawner_running(const struct spawner *s)
{
	return s->n_given;
}
