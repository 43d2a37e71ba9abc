/* CA certificates; see ca.h. */
#include "daemon/xfer/ca.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* Where Debian keeps the system's certificates, all in one file: one read
 * instead of a directory that OpenSSL would search during handshakes. */
static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";

enum { IDLE_STORES = 16 }; /* that are kept for the next who asks; one is about a megabyte */

struct ca_store {
	struct list link;
	struct ca *ca;      /* borrowed */
	unsigned users;     /* of ca_get() */
	struct list waiters;
	char *path;         /* owned; NULL: the system's */
	X509_STORE *x509;   /* owned; written by the thread before it signals */
	char *error;        /* owned; likewise */
	int signal_fd;      /* eventfd: the thread is done */
	struct loop_io io;
	pthread_t thread;
	bool running, ready;
};

struct ca {
	struct loop *loop;
	struct list stores; /* those that were asked for last come last */
};

static void *
read_certificates(void *arg)
{
	struct ca_store *s = arg;
	const char *path = s->path ? s->path : system_bundle;
	X509_STORE *x = X509_STORE_new();
	uint64_t one = 1;

	if (x && X509_STORE_load_file(x, path) == 1) {
		s->x509 = x;
	} else if (x && !s->path && X509_STORE_set_default_paths(x) == 1) {
		s->x509 = x;
	} else {
		s->error = xasprintf("cannot read CA certificates from %s: %s", path,
		    ERR_reason_error_string(ERR_peek_last_error()) ?: "no certificate in it");
		X509_STORE_free(x);
		ERR_clear_error();
	}
	(void)!write(s->signal_fd, &one, sizeof one);
	return NULL;
}

static void
on_read(int fd UNUSED, unsigned what UNUSED, void *arg)
{
	struct ca_store *s = arg;

	(void)pthread_join(s->thread, NULL); /* it ended with its write */
	s->running = false;
	s->ready = true;
	loop_io_done(&s->io);
	fd_close(&s->signal_fd);
	while (!list_empty(&s->waiters)) {
		struct ca_waiter *w = LIST_FIRST(&s->waiters, struct ca_waiter, link);

		list_remove(&w->link);
		w->cb(w->arg);
	}
}

struct ca *
ca_new(struct loop *l)
{
	struct ca *c = NEW(struct ca);

	c->loop = l;
	list_init(&c->stores);
	return c;
}

static void
drop(struct ca_store *s)
{
	if (s->running)
		(void)pthread_join(s->thread, NULL);
	list_remove(&s->link);
	loop_io_done(&s->io);
	fd_close(&s->signal_fd);
	X509_STORE_free(s->x509);
	free(s->error);
	free(s->path);
	free(s);
}

void
ca_free(struct ca *c)
{
	if (!c)
		return;
	while (!list_empty(&c->stores))
		drop(LIST_FIRST(&c->stores, struct ca_store, link));
	free(c);
}

static bool
is_idle(const struct ca_store *s)
{
	return !s->users && s->ready;
}

/* Paths come from clients, and each spelling of one is another. */
static void
drop_idle(struct ca *c, unsigned most)
{
	struct ca_store *s;
	unsigned n = 0;

	LIST_FOREACH(s, &c->stores, struct ca_store, link)
		n += is_idle(s) && s->path;
	LIST_FOREACH(s, &c->stores, struct ca_store, link) {
		if (n <= most)
			break;
		if (!is_idle(s) || !s->path)
			continue;
		drop(s);
		n--;
	}
}

static struct ca_store *
find(const struct ca *c, const char *path)
{
	struct ca_store *s;

	LIST_FOREACH(s, &c->stores, struct ca_store, link)
		if (text_equal(s->path, path))
			return s;
	return NULL;
}

static struct ca_store *
start(struct ca *c, const char *path)
{
	struct ca_store *s = NEW(struct ca_store);

	drop_idle(c, IDLE_STORES - 1);
	s->ca = c;
	s->path = path ? xstrdup(path) : NULL;
	list_init(&s->waiters);
	list_append(&c->stores, &s->link);
	s->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->signal_fd < 0)
		fatal(1, "cannot make an eventfd: %m");
	loop_io_init(&s->io, c->loop, s->signal_fd, "ca certificates", on_read, s);
	loop_io_set(&s->io, LOOP_READ);
	if (pthread_create(&s->thread, NULL, read_certificates, s) != 0)
		fatal(1, "cannot start a thread: %m");
	s->running = true;
	return s;
}

struct ca_store *
ca_get(struct ca *c, const char *path)
{
	struct ca_store *s = find(c, path);

	if (s && s->error && is_idle(s)) { /* the file may be a good one now */
		drop(s);
		s = NULL;
	}
	if (!s)
		s = start(c, path);
	list_remove(&s->link);
	list_append(&c->stores, &s->link);
	s->users++;
	return s;
}

void
ca_put(struct ca_store *s)
{
	if (s && --s->users == 0)
		drop_idle(s->ca, IDLE_STORES);
}

/* One ahead at a time: each has a thread while it is read. */
void
ca_prepare(struct ca *c, const char *path)
{
	struct ca_store *s;

	LIST_FOREACH(s, &c->stores, struct ca_store, link)
		if (s->running)
			return;
	if (!find(c, path))
		(void)start(c, path);
}

bool
ca_is_ready(const struct ca_store *s, const char **ret_error)
{
	*ret_error = s->ready ? s->error : NULL;
	return s->ready;
}

void
ca_wait(struct ca_store *s, struct ca_waiter *w)
{
	list_append(&s->waiters, &w->link);
}

void *
ca_x509_store(const struct ca_store *s)
{
	return s->x509;
}
