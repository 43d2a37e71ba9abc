/* `haulctl import`; see import.h. */
#include "ctl/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/batch.h"
#include "ctl/job_text.h"

enum { NOTE_WHAT_MAX = 100 }; /* bytes of a line that is no good */

/* ---- Notes ------------------------------------------------------------------------------- */

void
import_note(struct import *m, unsigned line, const char *what, const char *why)
{
	size_t n = strlen(what) > NOTE_WHAT_MAX ? NOTE_WHAT_MAX : strlen(what);
	AUTO_FREE char *text = NULL;

	while (n && what[n] && ((unsigned char)what[n] & 0xc0) == 0x80) /* in the middle of a character */
		n--;
	text = xasprintf("%s:%u: %.*s%s: %s", m->file, line, (int)n, what, what[n] ? "..." : "", why);

	ctl_tell_line(m->ctl, text);
}

void
import_note_quietly(struct import *m, unsigned line, const char *what, const char *why)
{
	for (size_t i = 0; i < m->n_quiet; i++)
		if (text_equal(m->quiet[i].name, what)) {
			m->quiet[i].n++;
			return;
		}
	if (m->n_quiet == IMPORT_QUIET_MAX) {
		import_note(m, line, what, why);
		return;
	}
	m->quiet[m->n_quiet++] = (struct import_quiet){ xstrdup(what), why, line, 1 };
}

static void
tell_quiet(struct import *m)
{
	for (size_t i = 0; i < m->n_quiet; i++) {
		struct import_quiet *q = &m->quiet[i];
		AUTO_FREE char *what = q->n == 1 ? xstrdup(q->name) :
		    xasprintf("%s (and in %zu more line%s)", q->name, q->n - 1, q->n == 2 ? "" : "s");

		import_note(m, q->line, what, q->why);
		free(q->name);
	}
	m->n_quiet = 0;
}

void
import_leave_out(struct import *m, unsigned line, const char *what, const char *why)
{
	AUTO_FREE char *text = xasprintf("%s; this job is left out", why);

	import_note(m, line, what, text);
	m->left_out = true;
}

void
import_error(struct import *m, unsigned line, const char *text)
{
	m->ops->on_error(line, text, m->arg);
}

/* ---- Drafts ------------------------------------------------------------------------------- */

static bool
has_url(const struct import *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (text_equal(m->values[i].key, "url"))
			return true;
	return false;
}

static void
finish(struct import *m)
{
	bool whole = m->open && !m->left_out && has_url(m);

	m->jobs_left_out += m->open && !whole;
	m->jobs += whole;
	if (whole && m->ops->on_entry(m->line, m->arg)) {
		for (size_t i = 0; i < m->n; i++)
			m->ops->on_value(m->values[i].line, m->values[i].key, m->values[i].text, m->arg);
		if (m->dir)
			m->ops->on_dir(m->line, m->dir, m->arg);
	}
	for (size_t i = 0; i < m->n; i++)
		free(m->values[i].text);
	m->n = 0;
	free(m->dir);
	m->dir = NULL;
	m->open = m->left_out = false;
}

void
import_begin(struct import *m, unsigned line)
{
	finish(m);
	m->open = true;
	m->line = line;
}

void
import_put(struct import *m, unsigned line, const char *key, const char *text)
{
	if (m->n == m->size) {
		m->size = MAX(m->size * 2, (size_t)16);
		m->values = xrealloc(m->values, m->size * sizeof m->values[0]);
	}
	m->values[m->n++] = (struct import_value){ line, key, xstrdup(text) };
}

void
import_dir(struct import *m, const char *dir)
{
	free(m->dir);
	m->dir = *dir ? xstrdup(dir) : NULL;
}

/* "%40" is "@". */
static void
decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		uint8_t c;

		if (*text == '%' && hex_decode(text + 1, MIN(strlen(text + 1), (size_t)2), &c) == 0 && strlen(text) > 2 && c) {
			*to++ = (char)c;
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* A name and password in a url are a setting here, bound to its origin.  The url
 * without them, newly allocated. */
static char *
take_user(struct import *m, unsigned line, const char *url)
{
	const char *host = strstr(url, "://") + 3, *at = host + strcspn(host, "/?#");
	AUTO_FREE char *user = NULL;

	while (at > host && at[-1] != '@')
		at--;
	if (at == host)
		return xstrdup(url);
	user = xstrndup(host, (size_t)(at - host) - 1);
	decode(user);
	if (strchr(user, ':'))
		import_put(m, line, "user", user);
	else
		import_note(m, line, "url", "it has a name without a password: left out");
	return xasprintf("%.*s%s", (int)(host - url), url, at);
}

static void
put_url(struct import *m, unsigned line, const char *url)
{
	AUTO_FREE char *plain = take_user(m, line, url);

	import_put(m, line, "url", plain);
}

void
import_url(struct import *m, unsigned line, const char *url)
{
	const char *colon = strstr(url, "://");
	size_t n = colon ? (size_t)(colon - url) : 0;

	if (text_equal_nocase(url, n, "http") || text_equal_nocase(url, n, "https") || text_equal_nocase(url, n, "file"))
		put_url(m, line, url);
	else if (!colon && !has_prefix(url, "magnet:"))
		import_leave_out(m, line, url, "this is no url with its scheme");
	else
		import_leave_out(m, line, url, "haul fetches http and https only");
}

void
import_end(struct import *m)
{
	finish(m);
	tell_quiet(m);
	free(m->values);
}

/* ---- The verb ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*read)(struct import *m, int fd); /* NULL: lists that add takes, too */
} formats[] = { { "aria2", import_read_aria2 }, { "curl", import_read_curl }, { "wget", import_read_wget },
	{ "sha256sum", NULL } };

struct reading {
	struct import m;
	void (*read)(struct import *m, int fd);
};

static void
read_file(int fd, const char *file, const struct input_list_ops *ops, void *list_arg, void *arg)
{
	struct reading *r = arg;

	r->m.file = file;
	r->m.ops = ops;
	r->m.arg = list_arg;
	if (r->read) {
		r->read(&r->m, fd);
		import_end(&r->m);
	} else {
		input_list_read(fd, r->m.ctl->args.base_url, ops, list_arg);
	}
}

/* As text that add -i takes, or with --json as objects of add. */
static void
print_batch(struct ctl *c, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const char *at = (const char *)buf_bytes(&b->text) + b->jobs[i].at;
		AUTO_JSON json_t *job = json_loadb(at, b->jobs[i].len, 0, NULL);

		if (c->args.json)
			ctl_put_json(c, job);
		else
			job_text_list(job, &c->out);
		ctl_flush_large(c);
	}
}

static void
tell_left_out(const struct import *m)
{
	if (m->jobs_left_out)
		ctl_tell(m->ctl, "%zu of %zu jobs %s left out", m->jobs_left_out, m->jobs + m->jobs_left_out,
		    m->jobs_left_out == 1 ? "is" : "are");
}

int
verb_import(struct ctl *c)
{
	const char *name = c->args.words[0], *file = c->args.words[1];
	struct reading r = { .m = { .ctl = c } };
	struct batch b;
	size_t i = 0;
	int status;

	while (i < ARRAY_SIZE(formats) && !text_equal(formats[i].name, name))
		i++;
	if (i == ARRAY_SIZE(formats)) {
		ctl_tell(c, "there is no format \"%s\": aria2, curl, wget and sha256sum are known", name);
		return CTL_USAGE;
	}
	if (!formats[i].read != !!c->args.base_url) {
		ctl_tell(c, formats[i].read ? "--base-url is for the names of a checksum list" :
		    "a checksum list needs --base-url, where its files lie");
		return CTL_USAGE;
	}
	r.read = formats[i].read;
	batch_init(&b, c);
	status = batch_read_file(&b, file, read_file, &r);
	if (status == CTL_OK && c->args.dry_run)
		print_batch(c, &b);
	else if (status == CTL_OK)
		status = batch_send(&b, true);
	tell_left_out(&r.m);
	if (status == CTL_OK && r.m.jobs_left_out)
		status = CTL_FAILED;
	batch_done(&b);
	return status;
}
