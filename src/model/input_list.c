/* Input lists; see input_list.h. */
#include "model/input_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "model/checksums.h"

enum list_kind { LIST_UNKNOWN, LIST_ARIA2, LIST_CHECKSUMS, LIST_URLS };

struct input_list {
	const char *base_url;
	const struct input_list_ops *ops;
	void *arg;
	struct buf in;
	enum list_kind kind;
	bool open; /* there is an entry */
	bool full; /* the caller wants no more */
	enum checksum_armor armor;
	unsigned line;
};

static void
tell(const struct input_list *l, const char *text)
{
	l->ops->on_error(l->line, text, l->arg);
}

static void
begin_entry(struct input_list *l)
{
	l->open = true;
	l->full = !l->ops->on_entry(l->line, l->arg);
}

static void
put(const struct input_list *l, const char *key, const char *value)
{
	l->ops->on_value(l->line, key, value, l->arg);
}

/* URL, TAB, mirrors. */
static void
read_urls(struct input_list *l, char *line)
{
	char *rest = line, *url;

	begin_entry(l);
	while (!l->full && (url = strsep(&rest, "\t")))
		if (*url)
			put(l, "url", url);
}

/* One, and nothing else on its line. */
static void
read_url(struct input_list *l, const char *url)
{
	begin_entry(l);
	if (!l->full)
		put(l, "url", url);
}

/* "key=value": aria2's out and dir, and every key of a job. */
static void
read_option(struct input_list *l, char *option)
{
	char *value = strchr(option, '=');

	if (!l->open) {
		tell(l, "an indented line, with no url before it");
		return;
	}
	if (!value) {
		tell(l, "an indented line must be key=value");
		return;
	}
	*value++ = '\0';
	if (!text_equal(option, "dir"))
		put(l, text_equal(option, "out") ? "output" : option, value);
	else if (*value)
		l->ops->on_dir(l->line, value, l->arg);
	else
		tell(l, "dir is empty");
}

static void
read_aria2(struct input_list *l, char *line)
{
	if (*line != ' ' && *line != '\t') {
		read_urls(l, line);
		return;
	}
	line += strspn(line, " \t");
	read_option(l, line);
}

static void
read_checksum(struct input_list *l, const char *line)
{
	AUTO_FREE char *name = NULL, *digest = NULL, *url = NULL, *dir = NULL;
	const char *slash;

	if (checksum_line_parse(line, &digest, &name) < 0) {
		tell(l, "no line of a checksum list: HEX  NAME");
		return;
	}
	url = checksum_url(l->base_url, name);
	begin_entry(l);
	if (l->full)
		return;
	put(l, "url", url);
	put(l, "checksum", digest);
	/* The name comes from the url again, without its ending when unpacked. */
	slash = strrchr(name, '/');
	if (slash) {
		dir = xstrndup(name, (size_t)(slash - name));
		l->ops->on_dir(l->line, dir, l->arg);
	}
}

/* False: the list is of a kind that cannot be read; told. */
static bool
choose_kind(struct input_list *l, const char *line)
{
	AUTO_FREE char *name = NULL, *digest = NULL;
	bool sums = checksum_line_parse(line, &digest, &name) == 0;

	l->kind = sums ? LIST_CHECKSUMS : LIST_ARIA2;
	if (sums && !l->base_url)
		tell(l, "a checksum list needs --base-url, where its files lie");
	else if (!sums && l->base_url)
		tell(l, "this is no checksum list, so --base-url has no use");
	else
		return true;
	return false;
}

/* False: give up. */
static bool
read_line(struct input_list *l, char *line, size_t n)
{
	l->line++;
	if (memchr(line, 0, n)) {
		tell(l, "a NUL byte: this is no text file");
		return false;
	}
	if (l->line == 1 && has_prefix(line, "\xef\xbb\xbf")) {
		line += 3;
		n -= 3;
	}
	while (n && strchr(" \t\r", line[n - 1]))
		line[--n] = '\0';
	if ((l->kind == LIST_UNKNOWN || l->kind == LIST_CHECKSUMS) && checksum_is_armor(&l->armor, line))
		return true;
	if (line[strspn(line, " \t")] == '\0' || line[strspn(line, " \t")] == '#')
		return true;
	if (l->kind == LIST_UNKNOWN && !choose_kind(l, line))
		return false;
	if (l->kind == LIST_CHECKSUMS)
		read_checksum(l, line);
	else if (l->kind == LIST_URLS)
		read_url(l, line + strspn(line, " \t"));
	else
		read_aria2(l, line);
	return !l->full;
}

/* The lines that are whole; at the end of the input also the last one. */
static bool
read_lines(struct input_list *l, bool end)
{
	for (;;) {
		char *line = (char *)buf_bytes(&l->in);
		size_t n = buf_len(&l->in);
		char *eol = n ? memchr(line, '\n', n) : NULL;

		if (eol)
			n = (size_t)(eol - line);
		if (n > LIST_LINE_MAX) {
			l->line++;
			tell(l, "a line longer than 64 KiB");
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

static void
read_all(struct input_list *l, int fd)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(&l->in, LIST_LINE_MAX), LIST_LINE_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			AUTO_FREE char *why = xasprintf("cannot be read: %s", strerror(errno));

			l->ops->on_error(0, why, l->arg);
			break;
		}
		buf_commit(&l->in, (size_t)n);
		if (!read_lines(l, n == 0) || n == 0)
			break;
	}
	buf_done(&l->in);
}

void
input_list_read(int fd, const char *base_url, const struct input_list_ops *ops, void *arg)
{
	read_all(&(struct input_list){ .base_url = base_url, .ops = ops, .arg = arg }, fd);
}

void
input_list_read_urls(int fd, const struct input_list_ops *ops, void *arg)
{
	read_all(&(struct input_list){ .kind = LIST_URLS, .ops = ops, .arg = arg }, fd);
}

const char *
input_list_refuse_base(const char *base_url)
{
	struct url u;
	const char *why;

	if (url_parse(base_url, &u, &why) < 0 || u.query.at || u.fragment.at)
		return "--base-url must be a url without ? and #";
	return NULL;
}
