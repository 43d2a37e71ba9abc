/* Jobs of clients; see serve.h. */
#include "conf/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/jobs.h"
#include "wire/hello.h"

enum { READ_SIZE = 64 * 1024 };

/* What jobs are checked against, as its parts come. */
struct context {
	struct draft defaults;
	char *roots[CONF_ROOTS_MAX]; /* owned */
	size_t n_roots;
	bool has_defaults;
};

struct serve {
	struct check check;
	struct jobs jobs;
	struct source_files files;
	struct where client;  /* the place of every value: nowhere */
	struct draft defaults, draft;
	struct context next;
	bool greeted, ready; /* ready: there is a context */
};

static void
context_done(struct context *x)
{
	draft_done(&x->defaults);
	for (size_t i = 0; i < x->n_roots; i++)
		free(x->roots[i]);
	*x = (struct context){ 0 };
}

/* ---- The context ---------------------------------------------------------------- */

static int
on_daemon(struct serve *s, const struct spec *daemon)
{
	struct context *x = &s->next;
	unsigned n = spec_list_len(daemon, DAEMON_ROOTS);

	if (x->n_roots || n == 0 || n > CONF_ROOTS_MAX)
		return -EPROTO;
	for (unsigned i = 0; i < n; i++)
		x->roots[x->n_roots++] = xstrdup(spec_list(daemon, DAEMON_ROOTS, i));
	return 0;
}

static int
on_defaults(struct serve *s, const struct spec *defaults)
{
	struct context *x = &s->next;

	if (x->has_defaults)
		return -EPROTO;
	x->has_defaults = true;
	draft_begin(&x->defaults, SCOPE_JOB, s->client, "defaults");
	draft_take(&x->defaults, defaults, s->client);
	return 0;
}

static int
on_spec(struct serve *s, const struct message *m, enum setting_scope scope,
    int (*on)(struct serve *, const struct spec *))
{
	AUTO_SPEC struct spec *spec = NULL;
	int r = spec_new(scope, m->payload, m->len, NULL, &spec);

	return r < 0 ? r : on(s, spec);
}

/* It is whole: from now on it counts, and the one before is gone. */
static int
on_context(struct serve *s, const struct message *m)
{
	struct context old = { .defaults = s->defaults };

	if (m->len || !s->next.n_roots || !s->next.has_defaults)
		return -EPROTO;
	old.n_roots = s->jobs.n_roots;
	memcpy(old.roots, s->jobs.roots, sizeof old.roots);
	s->defaults = s->next.defaults;
	s->jobs.n_roots = s->next.n_roots;
	memcpy(s->jobs.roots, s->next.roots, sizeof s->jobs.roots);
	s->next = old;
	context_done(&s->next);
	s->ready = true;
	return 0;
}

/* ---- A job ------------------------------------------------------------------------ */

static void
begin_draft(struct serve *s, struct cursor c, unsigned n)
{
	char label[160] = "";
	struct conf_pair p;

	for (unsigned i = 0; i < n && !*label; i++) {
		conf_get_pair(&c, &p);
		if (p.kind == CONF_KIND_TEXT && text_equal(p.key, "name"))
			(void)snprintf(label, sizeof label, "job \"%.120s\"", p.text);
	}
	draft_begin(&s->draft, SCOPE_JOB, s->client, label);
}

/* Pairs of one key, one behind the other. */
struct run {
	const char *key;
	const struct setting *row; /* NULL: an error was told, the rest is passed over */
	bool list;                 /* they are the entries of a list */
};

/* The first pair of a key; more: others of the key follow. */
static void
begin_run(struct serve *s, struct run *run, const struct conf_pair *p, bool more)
{
	*run = (struct run){ .key = p->key, .list = p->kind == CONF_KIND_LIST };
	run->row = check_key(&s->check, &s->draft, s->client, p->key, false);
	if (run->row && run->list &&
	    !check_list(&s->check, &s->draft, run->row, s->client, !more))
		run->row = NULL;
}

static void
put_pair(struct serve *s, const struct run *run, const struct conf_pair *p)
{
	struct check_value v = { .kind = p->kind, .text = p->text, .number = p->number };

	if (run->list)
		check_entry(&s->check, &s->draft, run->row, s->client, &v);
	else
		check_value(&s->check, &s->draft, run->row, s->client, &v);
}

static void
put_pairs(struct serve *s, struct cursor c, unsigned n)
{
	struct conf_pair p = { 0 }, next = { 0 };
	struct run run = { 0 };

	if (n)
		conf_get_pair(&c, &next);
	for (unsigned i = 0; i < n; i++) {
		bool first = i == 0 || !text_equal(next.key, run.key);

		p = next;
		if (i + 1 < n)
			conf_get_pair(&c, &next);
		if (first)
			begin_run(s, &run, &p, i + 1 < n && text_equal(next.key, p.key));
		else if (run.row && !run.list && !check_list(&s->check, &s->draft, run.row, s->client, false))
			run.row = NULL;
		if (run.row && !(first && run.list))
			put_pair(s, &run, &p);
	}
}

static int
on_check(struct serve *s, const struct message *m)
{
	struct cursor c;
	unsigned n;

	if (conf_get_check(m, &c, &n) < 0)
		return -EPROTO;
	emit_begin_job(s->check.emit, m->id);
	begin_draft(s, c, n);
	put_pairs(s, c, n);
	jobs_submit(&s->jobs, &s->draft);
	emit_end_job(s->check.emit);
	return 0;
}

/* ---- The conversation ---------------------------------------------------------------- */

static int
on_hello(struct serve *s, const struct message *m)
{
	int r = hello_get(m, CONF_HELLO, CONF_PROTO);

	s->greeted = r == 0;
	return r;
}

static int
on_message(struct serve *s, const struct message *m)
{
	if (m->version != CONF_PROTO)
		return -EPROTO;
	if (!s->greeted)
		return on_hello(s, m);
	switch (m->type) {
	case CONF_DAEMON:
		return on_spec(s, m, SCOPE_DAEMON, on_daemon);
	case CONF_DEFAULTS:
		return on_spec(s, m, SCOPE_JOB, on_defaults);
	case CONF_CONTEXT:
		return on_context(s, m);
	case CONF_CHECK:
		return s->ready ? on_check(s, m) : -EPROTO;
	default:
		return -EPROTO;
	}
}

/* 0 at the end of file. */
static int
converse(struct serve *s, int fd, struct frame_reader *r)
{
	struct emit *emit = s->check.emit;

	for (;;) {
		struct message m;
		ssize_t n;
		int e;

		emit_flush(emit);
		if (emit->io_error)
			return emit->io_error;
		n = read(fd, buf_reserve(&r->in, READ_SIZE), READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_commit(&r->in, (size_t)n);
		while ((e = frame_reader_next(r, &m)) == 1) {
			e = on_message(s, &m);
			if (e < 0)
				break;
		}
		if (e < 0)
			return e;
	}
}

int
serve_run(int fd, struct emit *emit)
{
	struct serve s = { .check = { .emit = emit, .files = &s.files, .intake = true } };
	struct frame_reader r = { 0 };
	int e;

	emit->intake = true;
	s.client = (struct where){ source_add(&s.files, "client", "/"), 0 };
	groups_init(&s.check.groups);
	jobs_init(&s.jobs, &s.check, &s.defaults);
	emit_hello(emit);
	e = converse(&s, fd, &r);
	frame_reader_done(&r);
	context_done(&s.next);
	draft_done(&s.defaults);
	draft_done(&s.draft);
	jobs_done(&s.jobs);
	groups_done(&s.check.groups);
	source_files_done(&s.files);
	return e;
}
