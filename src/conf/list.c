/* Input lists; see list.h. */
#include "conf/list.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/checksums.h"
#include "conf/limits.h"

enum list_kind { LIST_UNKNOWN, LIST_ARIA2, LIST_CHECKSUMS };

struct list {
	struct check *check;
	struct jobs *jobs;
	const struct list_source *from;
	struct buf in;
	enum list_kind kind;
	struct draft draft; /* of the entry whose lines are being read */
	bool open;          /* there is such an entry */
	unsigned line;
};

static struct where
here(const struct list *l)
{
	return (struct where){ l->from->file, l->line };
}

static void
finish_entry(struct list *l)
{
	if (l->open)
		jobs_submit(l->jobs, &l->draft);
	l->open = false;
}

static void
begin_entry(struct list *l)
{
	finish_entry(l);
	draft_begin(&l->draft, SCOPE_JOB, here(l), "");
	draft_inherit(&l->draft, l->from->common);
	l->open = true;
}

static void
put(struct list *l, enum setting_id id, const char *text)
{
	const struct setting *row = setting_find(id);

	draft_open(&l->draft, row);
	check_text(l->check, &l->draft, row, here(l), text);
}

/* URL, TAB, mirrors. */
static void
read_urls(struct list *l, char *line)
{
	char *rest = line, *url;

	begin_entry(l);
	while ((url = strsep(&rest, "\t")))
		if (*url)
			put(l, JOB_URL, url);
}

static void
put_dir(struct list *l, const char *dir)
{
	free(l->draft.dir);
	l->draft.dir = NULL;
	if (!*dir)
		emit_error(l->check->emit, here(l), "", "dir is empty");
	else
		l->draft.dir = xstrdup(dir);
}

/* "key=value": aria2's out and dir, and every key of a job. */
static void
read_option(struct list *l, char *option)
{
	char *value = strchr(option, '=');
	const struct setting *row;

	if (!l->open) {
		emit_error(l->check->emit, here(l), "", "an indented line, with no url before it");
		return;
	}
	if (!value) {
		emit_error(l->check->emit, here(l), "", "an indented line must be key=value");
		return;
	}
	*value++ = '\0';
	if (text_equal(option, "dir")) {
		put_dir(l, value);
		return;
	}
	row = check_key(
	    l->check, &l->draft, here(l), text_equal(option, "out") ? "output" : option, false);
	if (row)
		check_text(l->check, &l->draft, row, here(l), value);
}

static void
read_aria2(struct list *l, char *line)
{
	if (*line != ' ' && *line != '\t') {
		read_urls(l, line);
		return;
	}
	line += strspn(line, " \t");
	read_option(l, line);
}

static void
read_checksum(struct list *l, const char *line)
{
	AUTO_FREE char *name = NULL, *digest = NULL, *url = NULL;
	const char *slash;

	if (checksum_line_parse(line, &digest, &name) < 0) {
		emit_error(l->check->emit, here(l), "", "no line of a checksum list: HEX  NAME");
		return;
	}
	url = checksum_url(l->from->base_url, name);
	begin_entry(l);
	put(l, JOB_URL, url);
	put(l, JOB_CHECKSUM, digest);
	/* The name comes from the url again, without its ending when unpacked. */
	slash = strrchr(name, '/');
	if (slash)
		l->draft.dir = xstrndup(name, (size_t)(slash - name));
}

/* False: the list is of a kind that cannot be read; told. */
static bool
choose_kind(struct list *l, const char *line)
{
	AUTO_FREE char *name = NULL, *digest = NULL;
	bool sums = checksum_line_parse(line, &digest, &name) == 0;

	l->kind = sums ? LIST_CHECKSUMS : LIST_ARIA2;
	if (sums && !l->from->base_url)
		emit_error(l->check->emit, here(l), "",
		    "a checksum list needs --base-url, where its files lie");
	else if (!sums && l->from->base_url)
		emit_error(l->check->emit, here(l), "",
		    "this is no checksum list, so --base-url has no use");
	else
		return true;
	return false;
}

/* False: give up. */
static bool
read_line(struct list *l, char *line, size_t n)
{
	l->line++;
	if (memchr(line, 0, n)) {
		emit_error(l->check->emit, here(l), "", "a NUL byte: this is no text file");
		return false;
	}
	if (l->line == 1 && has_prefix(line, "\xef\xbb\xbf")) {
		line += 3;
		n -= 3;
	}
	while (n && strchr(" \t\r", line[n - 1]))
		line[--n] = '\0';
	if (line[strspn(line, " \t")] == '\0' || line[strspn(line, " \t")] == '#')
		return true;
	if (l->kind == LIST_UNKNOWN && !choose_kind(l, line))
		return false;
	if (l->kind == LIST_CHECKSUMS)
		read_checksum(l, line);
	else
		read_aria2(l, line);
	return !jobs_full(l->jobs);
}

/* The lines that are whole; at the end of the input also the last one. */
static bool
read_lines(struct list *l, bool end)
{
	for (;;) {
		char *line = (char *)buf_bytes(&l->in);
		size_t n = buf_len(&l->in);
		char *eol = n ? memchr(line, '\n', n) : NULL;

		if (eol)
			n = (size_t)(eol - line);
		if (n > LIST_LINE_MAX) {
			l->line++;
			emit_error(l->check->emit, here(l), "", "a line longer than 64 KiB");
			return false;
		}
		if (!eol && (!end || n == 0))
			return true;
		if (!eol) {
			*buf_reserve(&l->in, 1) = '\n';
			buf_commit(&l->in, 1);
			continue;
		}
		*eol = '\0';
		if (!read_line(l, line, n))
			return false;
		buf_consume(&l->in, n + 1);
	}
}

void
list_read(struct check *c, struct jobs *j, const struct list_source *from)
{
	struct list l = { .check = c, .jobs = j, .from = from };

	for (;;) {
		ssize_t n = read(from->fd, buf_reserve(&l.in, LIST_LINE_MAX), LIST_LINE_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			emit_error(c->emit, (struct where){ from->file, 0 }, "",
			    "cannot be read: %s", strerror(errno));
			break;
		}
		buf_commit(&l.in, (size_t)n);
		if (!read_lines(&l, n == 0) || n == 0)
			break;
	}
	finish_entry(&l);
	draft_done(&l.draft);
	buf_done(&l.in);
}
