/*
 * curl's configuration files (-K); see import.h.  Options hold for all urls up to
 * "next"; the n-th output is that of the n-th url (curl(1), --config, --next).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/import.h"

enum { FILE_SIZE_MAX = 16 << 20 };

enum what {
	IS_SETTING,    /* with a value: haul's key `ours` */
	IS_FLAG,       /* without: haul's key `ours`, and `why` is its value */
	IS_HEADER,     /* a header field named `ours` */
	IS_DONE,       /* haul does so anyway */
	IS_DONE_VALUE, /* the same with a value */
	IS_NOTED,      /* left out, and `why` */
	IS_NOTED_VALUE,
	IS_REFUSED,    /* the jobs are left out, and `why` */
	IS_REFUSED_VALUE,
	IS_URL,
	IS_OUTPUT,
	IS_REMOTE_NAME,
	IS_DIR,
	IS_NEXT,
	IS_COOKIE,
	IS_CONTINUE,
	IS_REQUEST,
	IS_GLOBOFF,
};

#define BODY "haul only fetches, and this sends something"
#define OURS "haul does that by itself, or has nothing to do with it"

static const struct option {
	const char *name;
	char letter;
	enum what what;
	const char *ours, *why;
} options[] = {
	{ "url", 0, IS_URL, NULL, NULL },
	{ "output", 'o', IS_OUTPUT, NULL, NULL },
	{ "remote-name", 'O', IS_REMOTE_NAME, NULL, NULL },
	{ "remote-name-all", 0, IS_REMOTE_NAME, NULL, NULL },
	{ "output-dir", 0, IS_DIR, NULL, NULL },
	{ "next", ':', IS_NEXT, NULL, NULL },
	{ "header", 'H', IS_SETTING, "header", NULL },
	{ "user-agent", 'A', IS_SETTING, "user-agent", NULL },
	{ "referer", 'e', IS_HEADER, "Referer", NULL },
	{ "cookie", 'b', IS_COOKIE, NULL, NULL },
	{ "user", 'u', IS_SETTING, "user", NULL },
	{ "proxy", 'x', IS_SETTING, "proxy", NULL },
	{ "noproxy", 0, IS_SETTING, "noproxy", NULL },
	{ "cacert", 0, IS_SETTING, "cacert", NULL },
	{ "cert", 'E', IS_SETTING, "cert", NULL },
	{ "key", 0, IS_SETTING, "key", NULL },
	{ "pinnedpubkey", 0, IS_SETTING, "pinnedpubkey", NULL },
	{ "max-time", 'm', IS_SETTING, "max-time", NULL },
	{ "connect-timeout", 0, IS_SETTING, "connect-timeout", NULL },
	{ "max-filesize", 0, IS_SETTING, "max-filesize", NULL },
	{ "limit-rate", 0, IS_SETTING, "limit-rate", NULL },
	{ "speed-limit", 'Y', IS_SETTING, "speed-limit", NULL },
	{ "speed-time", 'y', IS_SETTING, "speed-time", NULL },
	{ "retry", 0, IS_SETTING, "retry", NULL },
	{ "retry-delay", 0, IS_SETTING, "retry-delay", NULL },
	{ "retry-max-time", 0, IS_SETTING, "retry-max-time", NULL },
	{ "remote-time", 'R', IS_FLAG, "remote-time", "true" },
	{ "no-clobber", 0, IS_FLAG, "no-clobber", "true" },
	{ "http1.1", 0, IS_FLAG, "http-version", "1.1" },
	{ "http2", 0, IS_FLAG, "http-version", "2" },
	{ "location", 'L', IS_DONE, NULL, NULL },
	{ "fail", 'f', IS_DONE, NULL, NULL },
	{ "fail-with-body", 0, IS_DONE, NULL, NULL },
	{ "fail-early", 0, IS_DONE, NULL, NULL },
	{ "silent", 's', IS_DONE, NULL, NULL },
	{ "show-error", 'S', IS_DONE, NULL, NULL },
	{ "progress-bar", '#', IS_DONE, NULL, NULL },
	{ "no-progress-meter", 0, IS_DONE, NULL, NULL },
	{ "create-dirs", 0, IS_DONE, NULL, NULL },
	{ "verbose", 'v', IS_DONE, NULL, NULL },
	{ "parallel", 'Z', IS_DONE, NULL, NULL },
	{ "parallel-max", 0, IS_DONE_VALUE, NULL, NULL },
	{ "parallel-immediate", 0, IS_DONE, NULL, NULL },
	{ "no-buffer", 'N', IS_DONE, NULL, NULL },
	{ "remove-on-error", 0, IS_DONE, NULL, NULL },
	{ "tcp-nodelay", 0, IS_DONE, NULL, NULL },
	{ "disable", 'q', IS_DONE, NULL, NULL },
	{ "max-redirs", 0, IS_NOTED_VALUE, NULL, OURS },
	{ "retry-all-errors", 0, IS_NOTED, NULL, "haul repeats what may pass; retry-on names more" },
	{ "retry-connrefused", 0, IS_DONE, NULL, NULL },
	{ "globoff", 'g', IS_GLOBOFF, NULL, NULL },
	{ "continue-at", 'C', IS_CONTINUE, NULL, NULL },
	{ "request", 'X', IS_REQUEST, NULL, NULL },
	{ "compressed", 0, IS_NOTED, NULL, "haul asks for the file as it is" },
	{ "insecure", 'k', IS_NOTED, NULL, "certificates are always checked: give cacert or pinnedpubkey if this one fails" },
	{ "location-trusted", 0, IS_NOTED, NULL, "credentials stay with the origin that they were given for" },
	{ "cookie-jar", 'c', IS_NOTED_VALUE, NULL, "haul keeps no cookies" },
	{ "config", 'K', IS_NOTED_VALUE, NULL, "this is another file: import it, too" },
	{ "http1.0", '0', IS_NOTED, NULL, "haul speaks HTTP/1.1 and 2" },
	{ "http3", 0, IS_NOTED, NULL, "haul speaks HTTP/1.1 and 2" },
	{ "write-out", 'w', IS_NOTED_VALUE, NULL, "`haulctl show` tells of a job" },
	{ "dump-header", 'D', IS_NOTED_VALUE, NULL, "haul keeps no headers" },
	{ "include", 'i', IS_NOTED, NULL, "haul keeps no headers" },
	{ "time-cond", 'z', IS_NOTED_VALUE, NULL, "the file is fetched whatever its time" },
	{ "interface", 0, IS_NOTED_VALUE, NULL, "haul has nothing like it" },
	{ "resolve", 0, IS_NOTED_VALUE, NULL, "haul has nothing like it" },
	{ "connect-to", 0, IS_NOTED_VALUE, NULL, "haul has nothing like it" },
	{ "netrc", 'n', IS_NOTED, NULL, "haul reads no netrc: give user" },
	{ "anyauth", 0, IS_NOTED, NULL, "haul speaks Basic authentication" },
	{ "digest", 0, IS_NOTED, NULL, "haul speaks Basic authentication" },
	{ "basic", 0, IS_DONE, NULL, NULL },
	{ "oauth2-bearer", 0, IS_NOTED_VALUE, NULL, "give it as a header: \"Authorization: Bearer ...\"" },
	{ "data", 'd', IS_REFUSED_VALUE, NULL, BODY },
	{ "data-raw", 0, IS_REFUSED_VALUE, NULL, BODY },
	{ "data-binary", 0, IS_REFUSED_VALUE, NULL, BODY },
	{ "data-urlencode", 0, IS_REFUSED_VALUE, NULL, BODY },
	{ "json", 0, IS_REFUSED_VALUE, NULL, BODY },
	{ "form", 'F', IS_REFUSED_VALUE, NULL, BODY },
	{ "upload-file", 'T', IS_REFUSED_VALUE, NULL, BODY },
	{ "head", 'I', IS_REFUSED, NULL, "haul fetches files, not heads" },
	{ "range", 'r', IS_REFUSED_VALUE, NULL, "haul fetches whole files" },
};

/* What stands up to "next". */
struct block {
	struct import *m;
	struct item { /* of urls and outputs: in their order */
		unsigned line;
		char *text; /* owned */
	} *urls, *outputs; /* owned arrays; an output NULL: the name of the url */
	size_t n_urls, n_outputs;
	struct import_value *settings; /* owned */
	size_t n_settings;
	char *dir;          /* owned */
	bool globoff, refused;
	unsigned line;
};

static void
add_item(struct item **items, size_t *n, unsigned line, const char *text)
{
	*items = xrealloc(*items, (*n + 1) * sizeof **items);
	(*items)[(*n)++] = (struct item){ line, text ? xstrdup(text) : NULL };
}

static void
add_setting(struct block *b, const char *key, const char *text)
{
	b->settings = xrealloc(b->settings, (b->n_settings + 1) * sizeof b->settings[0]);
	b->settings[b->n_settings++] = (struct import_value){ b->line, key, xstrdup(text) };
}

static void
put_job(struct block *b, size_t i)
{
	struct import *m = b->m;
	const struct item *url = &b->urls[i], *output = i < b->n_outputs ? &b->outputs[i] : NULL;
	AUTO_FREE char *with_scheme = strstr(url->text, "://") ? NULL : xasprintf("http://%s", url->text);

	import_begin(m, url->line);
	m->left_out = b->refused; /* told where it stands */
	if (!b->globoff && strpbrk(url->text, "[]{}"))
		import_leave_out(m, url->line, url->text, "curl makes several urls of [ ] and { }: write them out");
	if (output && text_equal(output->text, "-"))
		import_leave_out(m, output->line, "output", "- is standard output, and haul writes files");
	import_url(m, url->line, with_scheme ? with_scheme : url->text);
	if (output && output->text)
		import_put(m, output->line, "output", output->text);
	else if (!output)
		import_note_quietly(m, url->line, "url", "it has no output, so that curl would print it: it gets the name in its url");
	for (size_t k = 0; k < b->n_settings; k++)
		import_put(m, b->settings[k].line, b->settings[k].key, b->settings[k].text);
	if (b->dir)
		import_dir(m, b->dir);
}

static void
end_block(struct block *b)
{
	for (size_t i = 0; i < b->n_urls; i++)
		put_job(b, i);
	for (size_t i = b->n_urls; i < b->n_outputs; i++)
		import_note(b->m, b->outputs[i].line, "output", "there is no url for it");
	for (size_t i = 0; i < b->n_urls; i++)
		free(b->urls[i].text);
	for (size_t i = 0; i < b->n_outputs; i++)
		free(b->outputs[i].text);
	for (size_t i = 0; i < b->n_settings; i++)
		free(b->settings[i].text);
	free(b->urls);
	free(b->outputs);
	free(b->settings);
	free(b->dir);
	*b = (struct block){ .m = b->m };
}

/* ---- Options --------------------------------------------------------------------------------- */

static void
refuse(struct block *b, const struct option *o, const char *why)
{
	AUTO_FREE char *text = xasprintf("%s; the jobs up to the next \"next\" are left out", why);

	import_note(b->m, b->line, o->name, text);
	b->refused = true;
}

static void
put_header(struct block *b, const char *name, const char *value)
{
	AUTO_FREE char *text = xasprintf("%s: %s", name, value);

	add_setting(b, "header", text);
}

static bool
takes_value(enum what w)
{
	switch (w) {
	case IS_FLAG:
	case IS_DONE:
	case IS_NOTED:
	case IS_REFUSED:
	case IS_REMOTE_NAME:
	case IS_NEXT:
	case IS_GLOBOFF:
		return false;
	case IS_SETTING:
	case IS_HEADER:
	case IS_DONE_VALUE:
	case IS_NOTED_VALUE:
	case IS_REFUSED_VALUE:
	case IS_URL:
	case IS_OUTPUT:
	case IS_DIR:
	case IS_COOKIE:
	case IS_CONTINUE:
	case IS_REQUEST:
		return true;
	}
	return false;
}

static void
put_cookie(struct block *b, const char *value)
{
	if (strchr(value, '='))
		put_header(b, "Cookie", value);
	else
		import_note(b->m, b->line, "cookie", "haul reads no files of cookies: left out");
}

static void
put_option(struct block *b, const struct option *o, const char *value)
{
	switch (o->what) {
	case IS_SETTING:
		if (text_equal(o->ours, "user") && !strchr(value, ':'))
			import_note(b->m, b->line, o->name, "it has no password, and haul asks for none: left out");
		else
			add_setting(b, o->ours, value);
		break;
	case IS_FLAG:
		add_setting(b, o->ours, o->why);
		break;
	case IS_HEADER:
		put_header(b, o->ours, value);
		break;
	case IS_DONE:
	case IS_DONE_VALUE:
		break;
	case IS_NOTED:
	case IS_NOTED_VALUE:
		import_note(b->m, b->line, o->name, o->why);
		break;
	case IS_REFUSED:
	case IS_REFUSED_VALUE:
		refuse(b, o, o->why);
		break;
	case IS_URL:
		add_item(&b->urls, &b->n_urls, b->line, value);
		break;
	case IS_OUTPUT:
		add_item(&b->outputs, &b->n_outputs, b->line, value);
		break;
	case IS_REMOTE_NAME:
		add_item(&b->outputs, &b->n_outputs, b->line, NULL);
		break;
	case IS_DIR:
		free(b->dir);
		b->dir = xstrdup(value);
		break;
	case IS_NEXT:
		end_block(b);
		break;
	case IS_COOKIE:
		put_cookie(b, value);
		break;
	case IS_CONTINUE:
		if (!text_equal(value, "-"))
			refuse(b, o, "haul fetches whole files");
		break;
	case IS_REQUEST:
		if (!text_equal_nocase(value, strlen(value), "get"))
			refuse(b, o, "haul only asks with GET");
		break;
	case IS_GLOBOFF:
		b->globoff = true;
		break;
	}
}

static const struct option *
find_option(const char *name, char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (letter ? options[i].letter == letter : text_equal(options[i].name, name))
			return &options[i];
	return NULL;
}

/* ---- Lines -------------------------------------------------------------------------------------- */

/* "a \"quoted\" one", or up to a blank.  NULL: its quote does not end. */
static char *
parse_value(const char *at)
{
	AUTO_BUF struct buf out = { 0 };
	bool quoted = *at == '"';

	for (at += quoted; quoted ? *at != '"' : *at && *at != ' ' && *at != '\t'; at++) {
		char c = *at;

		if (!c)
			return NULL;
		if (quoted && c == '\\' && at[1]) {
			static const char escapes[] = "n\nr\rt\tv\v";
			const char *e = strchr(escapes, *++at);

			c = e && (e - escapes) % 2 == 0 ? e[1] : *at;
		}
		buf_append(&out, &c, 1);
	}
	return xstrdup(buf_len(&out) ? buf_cstr(&out) : "");
}

/* "-sSLo file", "-H value": letters until one takes a value.  The option that does, and
 * *at behind it; NULL: all were put, or one is unknown. */
static const struct option *
take_letters(struct block *b, char **at)
{
	char *c = *at;

	while (*c && *c != ' ' && *c != '\t') {
		const struct option *o = find_option(NULL, *c++);

		if (!o) {
			AUTO_FREE char *name = xasprintf("-%c", c[-1]);

			import_note(b->m, b->line, name, "this option of curl is not known here: left out");
			return NULL;
		}
		if (takes_value(o->what)) {
			*at = c;
			return o;
		}
		put_option(b, o, NULL);
	}
	return NULL;
}

static const struct option *
take_name(struct block *b, char **at)
{
	char *name = *at, *end = name + strcspn(name, " \t=:");
	const struct option *o;
	char next = *end;

	*end = '\0';
	o = find_option(name, 0);
	if (!o && has_prefix(name, "no-") && find_option(name + 3, 0))
		import_note(b->m, b->line, name, "a switch that is off: nothing is set");
	else if (!o)
		import_note(b->m, b->line, name, "this option of curl is not known here: left out");
	*at = next ? end + 1 : end;
	return o;
}

static void
read_line(struct block *b, char *line)
{
	const struct option *o;
	AUTO_FREE char *value = NULL;
	char *at = line + strspn(line, " \t");

	if (!*at || *at == '#')
		return;
	if (at[0] == '-' && at[1] != '-') {
		at++;
		o = take_letters(b, &at);
	} else {
		at += at[0] == '-' ? 2 : 0;
		o = take_name(b, &at);
	}
	if (!o)
		return;
	at += strspn(at, " \t=:");
	if (!takes_value(o->what)) {
		put_option(b, o, NULL);
		return;
	}
	value = *at ? parse_value(at) : NULL;
	if (value)
		put_option(b, o, value);
	else
		import_error(b->m, b->line, *at ? "a quote does not end" : "this option needs a value");
}

void
import_read_curl(struct import *m, int fd)
{
	struct block b = { .m = m };
	AUTO_BUF struct buf text = { 0 };
	unsigned line = 0;
	ssize_t n;
	char *at, *next;

	do {
		n = fd_read_full(fd, buf_reserve(&text, 64 << 10), 64 << 10);
		buf_commit(&text, n > 0 ? (size_t)n : 0);
	} while (n > 0 && buf_len(&text) <= FILE_SIZE_MAX);
	if (n < 0 || buf_len(&text) > FILE_SIZE_MAX || memchr(buf_bytes(&text), 0, buf_len(&text))) {
		import_error(m, 0, n < 0 ? strerror((int)-n) : n > 0 ? "is larger than 16 MiB" : "is no text file");
		return;
	}
	*buf_reserve(&text, 1) = '\0';
	at = (char *)buf_bytes(&text);
	while ((next = text_next_line(&at))) {
		size_t len = strlen(next);

		if (len && next[len - 1] == '\r')
			next[len - 1] = '\0';
		b.line = ++line;
		read_line(&b, next);
	}
	end_block(&b);
}
