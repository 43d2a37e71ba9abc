/* The conversation of hauld-spawn; see serve.h. */
#include "spawn/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/chan.h"
#include "spawn/allow.h"
#include "spawn/program.h"

enum {
	PEERS_MAX = 16,
	IDLE_MS = 30000,  /* without a peer of the socket: then we end, and systemd waits for the next */
	LEAVE_MS = 5000,  /* for programs that nobody waits for any more */
};

struct server {
	struct loop *loop;
	const struct serve_options *options;
	struct list peers;
	struct list runs;  /* struct run: of all peers, and of those that have gone */
	unsigned n_peers;
	int listen_fd;     /* -1: one peer, over pipes */
	bool outdated;     /* hauld is of another build: systemd shall start the spawner of that */
	struct loop_io listen;
	struct loop_timer leave;
	struct loop_deferred collect;
};

struct peer {
	struct list link;
	struct server *server;
	struct chan *chan; /* owned */
	unsigned n_runs;
	bool greeted, gone;
};

struct run {
	struct list link;
	struct server *server;
	struct peer *peer;       /* NULL: has gone */
	uint64_t id;
	struct program *program; /* owned */
	bool over;
};

/* ---- Programs ----------------------------------------------------------------------- */

static void
on_line(struct text line, void *arg)
{
	const struct run *r = arg;

	if (r->peer)
		spawn_put_line(chan_out(r->peer->chan), r->id, line);
}

static void
on_program_end(const struct spawn_end *e, void *arg)
{
	struct run *r = arg;

	if (r->peer) {
		r->peer->n_runs--;
		spawn_put_end(chan_out(r->peer->chan), r->id, e);
	}
	r->peer = NULL;
	r->over = true;
	loop_defer(r->server->loop, &r->server->collect);
}

static const struct program_ops program_ops = { on_line, on_program_end };

static void
refuse(struct peer *p, uint64_t id, const char *why)
{
	struct spawn_end e = { .how = SPAWN_REFUSED, .text = { why, MIN(strlen(why), (size_t)SPAWN_TEXT_MAX) } };

	spawn_put_end(chan_out(p->chan), id, &e);
}

static struct run *
find(const struct peer *p, uint64_t id)
{
	struct run *r;

	LIST_FOREACH(r, &p->server->runs, struct run, link)
		if (r->peer == p && r->id == id)
			return r;
	return NULL;
}

static void
start(struct peer *p, uint64_t id, const struct spawn_run *run)
{
	struct server *s = p->server;
	AUTO_FREE char *why = NULL;
	struct run *r;
	int e;

	if (!allow_program(s->options->dir, run->argv[0], &why)) {
		refuse(p, id, why);
		return;
	}
	if (p->n_runs == SPAWN_RUNS_MAX) {
		refuse(p, id, "too many programs run already");
		return;
	}
	r = NEW(struct run);
	e = program_start(s->loop, run, &program_ops, r, &r->program);
	if (e < 0) {
		char safe[200];

		why = xasprintf("cannot run %s: %s", str_safe(safe, sizeof safe, run->argv[0], strlen(run->argv[0])),
		    strerror(-e));
		refuse(p, id, why);
		free(r);
		return;
	}
	r->server = s;
	r->peer = p;
	r->id = id;
	p->n_runs++;
	list_append(&s->runs, &r->link);
}

/* ---- Messages ----------------------------------------------------------------------- */

static int
on_run(struct peer *p, const struct message *m)
{
	struct spawn_run run;
	int r = spawn_get_run(m, &run);

	if (r < 0)
		return r;
	if (find(p, m->id) || !allow_environment(run.env))
		r = -EPROTO;
	else
		start(p, m->id, &run);
	spawn_run_done(&run);
	return r;
}

static int
on_message(const struct message *m, void *arg)
{
	struct peer *p = arg;
	struct run *r;

	if (!p->greeted) {
		p->greeted = true;
		return spawn_get_hello(m);
	}
	if (m->version != SPAWN_PROTO)
		return -EPROTO;
	switch (m->type) {
	case SPAWN_RUN:
		return on_run(p, m);
	case SPAWN_KILL:
		r = find(p, m->id); /* none: it has just ended */
		if (r)
			program_kill(r->program);
		return spawn_get_kill(m);
	default:
		return -EPROTO;
	}
}

/* ---- Who talks to us ---------------------------------------------------------------- */

static void
on_closed(int why, void *arg)
{
	struct peer *p = arg;
	struct server *s = p->server;
	struct run *r;

	if (why == -EPROTO || why == -ESTALE) { /* and not -ECONNRESET, as of one that was killed */
		log_notice("what hauld says makes no sense (is it of another build?)");
		s->outdated = true;
		if (s->listen_fd >= 0)
			loop_io_set(&s->listen, 0);
	}
	LIST_FOREACH(r, &s->runs, struct run, link)
		if (r->peer == p) {
			r->peer = NULL;
			program_kill(r->program);
		}
	p->gone = true;
	s->n_peers--;
	loop_defer(s->loop, &s->collect);
}

static void
add_peer(struct server *s, int in_fd, int out_fd)
{
	struct peer *p = NEW(struct peer);

	p->server = s;
	p->chan = chan_new(s->loop, in_fd, out_fd, "hauld", on_message, on_closed, p);
	list_append(&s->peers, &p->link);
	s->n_peers++;
	loop_timer_cancel(&s->leave);
	spawn_put_hello(chan_out(p->chan));
}

static bool
is_welcome(const struct server *s, int fd)
{
	struct ucred who;
	socklen_t n = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return false;
	if (who.uid == 0 || who.uid == s->options->peer)
		return true;
	log_warning("a connection was refused uid=%u pid=%d", (unsigned)who.uid, (int)who.pid);
	return false;
}

static void
on_connection(int fd UNUSED, unsigned what UNUSED, void *arg)
{
	struct server *s = arg;
	AUTO_CLOSE int in = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int out;

	if (in < 0 || s->n_peers == PEERS_MAX || !is_welcome(s, in))
		return;
	out = fcntl(in, F_DUPFD_CLOEXEC, 3);
	if (out >= 0)
		add_peer(s, TAKE_FD(in), out);
}

/* What is over is freed outside of its own calls. */
static void
collect(void *arg)
{
	struct server *s = arg;
	struct peer *p;
	struct run *r;

	LIST_FOREACH(r, &s->runs, struct run, link)
		if (r->over) {
			list_remove(&r->link);
			program_free(r->program);
			free(r);
		}
	LIST_FOREACH(p, &s->peers, struct peer, link)
		if (p->gone) {
			list_remove(&p->link);
			chan_free(p->chan);
			free(p);
		}
	if (s->n_peers)
		return;
	if ((s->listen_fd < 0 || s->outdated) && list_empty(&s->runs))
		loop_stop(s->loop);
	else if (!s->leave.set)
		loop_timer_set(&s->leave, s->listen_fd < 0 ? LEAVE_MS : IDLE_MS);
}

static void
on_leave(void *arg)
{
	struct server *s = arg;

	loop_stop(s->loop);
}

static void
init(struct server *s, const struct serve_options *o)
{
	s->loop = loop_new();
	s->options = o;
	list_init(&s->peers);
	list_init(&s->runs);
	loop_timer_init(&s->leave, s->loop, "leave", on_leave, s);
	loop_deferred_init(&s->collect, "collect", collect, s);
}

static void
done(struct server *s)
{
	struct peer *p;
	struct run *r;

	LIST_FOREACH(r, &s->runs, struct run, link)
		r->over = true;
	LIST_FOREACH(p, &s->peers, struct peer, link)
		p->gone = true;
	collect(s);
	loop_undefer(&s->collect);
	loop_io_done(&s->listen);
	loop_timer_done(&s->leave);
	fd_close(&s->listen_fd);
	loop_free(s->loop);
}

int
serve_pipes(int in_fd, int out_fd, const struct serve_options *o)
{
	struct server s = { .listen_fd = -1 };

	init(&s, o);
	add_peer(&s, in_fd, out_fd);
	loop_run(s.loop);
	done(&s);
	return 0;
}

int
serve_socket(int listen_fd, const struct serve_options *o)
{
	struct server s = { .listen_fd = listen_fd };

	init(&s, o);
	loop_io_init(&s.listen, s.loop, listen_fd, "listen", on_connection, &s);
	loop_io_set(&s.listen, LOOP_READ);
	loop_timer_set(&s.leave, IDLE_MS);
	loop_run(s.loop);
	done(&s);
	return 0;
}
