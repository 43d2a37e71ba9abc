/* libcurl's multi socket interface on our loop; see curl_glue.h. */
#include "daemon/xfer/curl_glue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

enum {
	DONE_PER_TURN = 64,      /* completions handled before the loop turns */
	IDLE_CONNECTIONS = 1024U, /* pinned: curl's own value evicts warm ones */
};

/* One socket that curl has told us of; one may serve many transfers, and the
 * number comes back as soon as it is closed. */
struct glue_socket {
	struct list stopped;
	struct curl_glue *glue;
	struct loop_io io;
	curl_socket_t fd;
	unsigned want; /* what curl waits for */
	bool held;
	int real;      /* -1, or the socket itself while `fd` is the idle one */
	CURL *easy;    /* that libcurl named with it last: of HTTP/1 its transfer */
};

struct curl_glue {
	struct loop *loop;
	CURLM *multi;
	const struct curl_glue_ops *ops;
	void *arg;
	bool shared;
	struct map sockets; /* by fd */
	struct map by_easy; /* the same by the transfer they serve */
	int idle[2];        /* a socket that never has anything to read, and its peer */
	struct list stopped; /* sockets that rest until the running call ends */
	uint64_t call_ms;
	uint64_t ended;     /* handles that were removed */
	struct loop_timer timer;
	struct loop_deferred now;   /* a timeout of 0 ms */
	struct loop_deferred drain; /* completions left over from the last turn */
	struct loop_deferred broken;
};

static bool
socket_has_fd(const void *item, const void *key)
{
	return ((const struct glue_socket *)item)->fd == *(const curl_socket_t *)key;
}

static bool
socket_has_easy(const void *item, const void *key)
{
	return ((const struct glue_socket *)item)->easy == key;
}

/*
 * CURLINFO_ACTIVESOCKET knows nothing before a transfer has ended (7.88), so
 * the handle that comes with a socket is remembered: good for HTTP/1, where a
 * socket has one transfer at a time, and only used for that.
 */
static void
set_easy(struct glue_socket *s, CURL *easy)
{
	struct map *m = &s->glue->by_easy;
	struct glue_socket *other;

	if (s->easy == easy)
		return;
	if (s->easy)
		(void)map_remove(m, hash_u64((uintptr_t)s->easy), s->easy);
	s->easy = easy;
	if (!easy)
		return;
	other = map_remove(m, hash_u64((uintptr_t)easy), easy); /* a resolver's, a losing address's */
	if (other)
		other->easy = NULL;
	s->easy = easy;
	map_add(m, hash_u64((uintptr_t)easy), s);
}

static struct glue_socket *
find_by_easy(const struct curl_glue *g, CURL *easy)
{
	return map_find(&g->by_easy, hash_u64((uintptr_t)easy), easy);
}

static struct glue_socket *
find_socket(struct curl_glue *g, curl_socket_t fd)
{
	return map_find(&g->sockets, hash_u64((uint64_t)fd), &fd);
}

/*
 * libcurl 7.88 goes on receiving while poll(2) says that a socket is readable,
 * up to 101 buffers in one call, and afterwards comes back by a timer of its
 * own (transfer.c, readwrite_data: maxloops, comeback).  Taking the event away
 * would neither keep a call short nor hold a transfer.  So a socket that must
 * rest changes places with one that never has anything to read.
 *
 * Events are only ever changed while the real one is in its place.
 */
static void
put_to_rest(struct glue_socket *s)
{
	if (s->real >= 0)
		return;
	s->real = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (s->real >= 0 && dup3(s->glue->idle[0], s->fd, O_CLOEXEC) < 0)
		fd_close(&s->real);
}

static void
wake_up(struct glue_socket *s)
{
	list_remove(&s->stopped);
	if (s->real < 0)
		return;
	if (dup3(s->real, s->fd, O_CLOEXEC) < 0)
		fatal(1, "cannot give a socket its number back: %m");
	fd_close(&s->real);
}

static void
drain(void *arg)
{
	struct curl_glue *g = arg;
	int left;

	for (unsigned n = 0;; n++) {
		CURLMsg *m;
		CURLcode rc;
		CURL *easy;

		if (n == DONE_PER_TURN) {
			loop_defer(g->loop, &g->drain);
			return;
		}
		m = curl_multi_info_read(g->multi, &left);
		if (!m)
			return;
		if (m->msg != CURLMSG_DONE)
			continue;
		/* The message dies with the removal. */
		easy = m->easy_handle;
		rc = m->data.result;
		curl_glue_remove(g, easy);
		g->ops->on_done(easy, rc, g->arg);
	}
}

static void
action(struct curl_glue *g, curl_socket_t fd, int events)
{
	int running;
	CURLMcode rc;

	g->call_ms = clock_now_ms();
	rc = curl_multi_socket_action(g->multi, fd, events, &running);
	/* Their events are still asked for and come again. */
	while (!list_empty(&g->stopped))
		wake_up(LIST_FIRST(&g->stopped, struct glue_socket, stopped));
	g->ops->on_delivered(g->arg);
	if (rc != CURLM_OK && rc != CURLM_BAD_SOCKET) {
		/* The multi is of no use any more (curl_multi_socket_action(3)). */
		log_err("libcurl's event interface failed: %s", curl_multi_strerror(rc));
		loop_defer(g->loop, &g->broken);
		return;
	}
	drain(g);
}

static void
on_socket(int fd, unsigned what, void *arg)
{
	struct glue_socket *s = arg;

	action(s->glue, fd,
	    (what & LOOP_READ ? CURL_CSELECT_IN : 0) | (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_timeout(void *arg)
{
	action(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
forget_socket(struct curl_glue *g, struct glue_socket *s)
{
	wake_up(s);
	set_easy(s, NULL);
	(void)map_remove(&g->sockets, hash_u64((uint64_t)s->fd), &s->fd);
	loop_io_done(&s->io);
	free(s);
}

/* CURLMOPT_SOCKETFUNCTION: may come at any time and for curl's own descriptors
 * too.  Never fails: an error would abort every transfer. */
static int
socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp UNUSED)
{
	struct curl_glue *g = arg;
	struct glue_socket *s = find_socket(g, fd);

	if (what == CURL_POLL_REMOVE) {
		if (s)
			forget_socket(g, s);
		return 0;
	}
	if (!s) {
		s = NEW(struct glue_socket);
		s->glue = g;
		s->fd = fd;
		s->real = -1;
		list_init(&s->stopped);
		loop_io_init(&s->io, g->loop, fd, "socket", on_socket, s);
		map_add(&g->sockets, hash_u64((uint64_t)fd), s);
	}
	s->want = (what & CURL_POLL_IN ? LOOP_READ : 0U) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0U);
	set_easy(s, easy);
	if (s->held)
		return 0;
	wake_up(s);
	loop_io_set(&s->io, s->want);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: curl must not be called from here. */
static int
timer_cb(CURLM *multi UNUSED, long timeout_ms, void *arg)
{
	struct curl_glue *g = arg;

	loop_timer_cancel(&g->timer);
	loop_undefer(&g->now);
	if (timeout_ms == 0)
		loop_defer(g->loop, &g->now);
	else if (timeout_ms > 0)
		loop_timer_set(&g->timer, (uint64_t)timeout_ms);
	return 0;
}

/*
 * curl's own sockets are not close-on-exec in this version (STYLE 4.1).  The
 * receive buffer of a limited transfer is small, for what the kernel takes has
 * crossed the network already.  An address that is refused is one that does not
 * answer: libcurl tries the next one of the name.
 */
static curl_socket_t
open_socket_cb(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *a)
{
	const struct curl_glue_use *use = arg;
	int fd, size = use->receive_window;

	if (!use->may_connect(&a->addr, a->addrlen, use->arg)) {
		errno = EACCES;
		return CURL_SOCKET_BAD;
	}
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
	if (fd >= 0 && size && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
		log_debug("SO_RCVBUF: %m"); /* the limit holds all the same */
	return fd;
}

/* The event goes before the descriptor does: epoll knows open files. */
static int
close_socket_cb(void *arg, curl_socket_t fd)
{
	struct curl_glue *g = arg;
	struct glue_socket *s = find_socket(g, fd);

	if (s)
		forget_socket(g, s);
	return close(fd);
}

static void
open_multi(struct curl_glue *g)
{
	g->multi = curl_multi_init();
	if (!g->multi)
		fatal(1, "no memory for libcurl");
	(void)curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	(void)curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
	(void)curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	(void)curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
	(void)curl_multi_setopt(g->multi, CURLMOPT_MAXCONNECTS, (long)MIN(IDLE_CONNECTIONS, fd_limit() / 8 + 1));
	/* No second limiter: haul's semaphores decide (STYLE 4.5, 27). */
	(void)curl_multi_setopt(g->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 0L);
	(void)curl_multi_setopt(g->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 0L);
	(void)curl_multi_setopt(g->multi, CURLMOPT_PIPELINING, g->shared ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
}

static void
close_multi(struct curl_glue *g)
{
	struct glue_socket *s;
	size_t cursor = 0;

	(void)curl_multi_cleanup(g->multi); /* calls socket_cb */
	loop_timer_cancel(&g->timer);
	loop_undefer(&g->now);
	loop_undefer(&g->drain);
	while ((s = map_next(&g->sockets, &cursor))) {
		loop_io_done(&s->io);
		free(s);
	}
	map_done(&g->sockets);
	map_done(&g->by_easy);
	map_init(&g->sockets, socket_has_fd);
	map_init(&g->by_easy, socket_has_easy);
}

static void
on_broken(void *arg)
{
	struct curl_glue *g = arg;

	g->ops->on_broken(g->arg); /* removes every handle */
	close_multi(g);
	open_multi(g);
}

struct curl_glue *
curl_glue_new(struct loop *l, bool shared, const struct curl_glue_ops *ops, void *arg)
{
	struct curl_glue *g = NEW(struct curl_glue);

	g->loop = l;
	g->shared = shared;
	g->ops = ops;
	g->arg = arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, g->idle) < 0)
		fatal(1, "cannot make a pair of sockets: %m");
	map_init(&g->sockets, socket_has_fd);
	map_init(&g->by_easy, socket_has_easy);
	list_init(&g->stopped);
	loop_timer_init(&g->timer, l, "curl timer", on_timeout, g);
	loop_deferred_init(&g->now, "curl timeout", on_timeout, g);
	loop_deferred_init(&g->drain, "curl completions", drain, g);
	loop_deferred_init(&g->broken, "curl broken", on_broken, g);
	open_multi(g);
	return g;
}

void
curl_glue_free(struct curl_glue *g)
{
	if (!g)
		return;
	close_multi(g);
	map_done(&g->sockets);
	map_done(&g->by_easy);
	loop_undefer(&g->broken);
	loop_timer_done(&g->timer);
	fd_close(&g->idle[0]);
	fd_close(&g->idle[1]);
	free(g);
}

void
curl_glue_prepare(struct curl_glue *g, CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket_cb);
	(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket_cb);
	(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, g);
}

int
curl_glue_add(struct curl_glue *g, CURL *easy, const struct curl_glue_use *use)
{
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, use);
	return curl_multi_add_handle(g->multi, easy) == CURLM_OK ? 0 : -EIO;
}

void
curl_glue_remove(struct curl_glue *g, CURL *easy)
{
	CURLMcode rc = curl_multi_remove_handle(g->multi, easy);

	g->ended++;
	if (rc != CURLM_OK)
		log_err("libcurl did not let a handle go: %s", curl_multi_strerror(rc));
}

bool
curl_glue_hold(struct curl_glue *g, CURL *easy, bool held)
{
	struct glue_socket *s = find_by_easy(g, easy);

	if (!s || s->held == held)
		return s != NULL;
	s->held = held;
	wake_up(s);
	loop_io_set(&s->io, held ? 0 : s->want);
	if (held)
		put_to_rest(s);
	return true;
}

void
curl_glue_kick(struct curl_glue *g, CURL *easy)
{
	struct glue_socket *s = find_by_easy(g, easy);

	if (s)
		action(g, s->fd, CURL_CSELECT_IN);
}

/* What libcurl is told of a socket the first transfer takes that runs: the next has its turn
 * when that one has ended. */
static void
look_at(struct curl_glue *g, curl_socket_t fd)
{
	uint64_t ended;

	do {
		ended = g->ended;
		if (find_socket(g, fd))
			action(g, fd, CURL_CSELECT_IN);
	} while (g->ended != ended);
}

void
curl_glue_look(struct curl_glue *g)
{
	AUTO_FREE curl_socket_t *all = xcalloc(g->sockets.len + 1, sizeof *all);
	struct glue_socket *s;
	size_t cursor = 0, n = 0;

	while ((s = map_next(&g->sockets, &cursor)))
		if (!s->held && s->real < 0 && (s->want & LOOP_READ))
			all[n++] = s->fd;
	while (n-- > 0)
		look_at(g, all[n]);
}

void
curl_glue_stop(struct curl_glue *g, CURL *easy)
{
	struct glue_socket *s = find_by_easy(g, easy);

	if (!s || s->held || s->real >= 0)
		return;
	put_to_rest(s);
	if (s->real >= 0)
		list_append(&g->stopped, &s->stopped);
}

uint64_t
curl_glue_call_ms(const struct curl_glue *g)
{
	return g->call_ms;
}
