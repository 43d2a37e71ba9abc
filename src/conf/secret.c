/* Headers, user and proxy; see secret.h. */
#include "conf/secret.h"

#include <string.h>

#include "base/str.h"
#include "base/url.h"
#include "conf/limits.h"

static bool
name_is(const char *header, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text_equal_nocase(header, strcspn(header, ":"), names[i]))
			return true;
	return false;
}

static bool
is_secret(const struct setting *row, const char *text)
{
	static const char *const names[] = { "Authorization", "Proxy-Authorization", "Cookie" };
	struct url u;
	const char *why;

	if (row->id == JOB_USER)
		return true;
	if (row->id == JOB_PROXY || row->id == HOST_PROXY)
		return url_parse(text, &u, &why) == 0 && u.userinfo.at;
	return name_is(text, names, ARRAY_SIZE(names));
}

const char *
secret_refuse(const struct setting *row, struct where at, const char *text)
{
	bool proxy = row->id == JOB_PROXY || row->id == HOST_PROXY;

	if (!(at.file->command_line || at.file->world_readable) || !is_secret(row, text))
		return NULL;
	if (at.file->command_line)
		return proxy ? "has a password, and everyone can see a command line: "
			       "put it into a configuration file"
			     : "is a secret, and everyone can see a command line: give @FILE";
	return proxy ? "has a password in a file that everyone can read: chmod o-r the file"
		     : "is a secret in a file that everyone can read: chmod o-r the file, "
		       "or give \"@FILE\"";
}

/* RFC 9110 section 5: a token, a colon, a value. */
static const char *
refuse_header(const char *text)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$%&'*+-.^_`|~";
	/* These say what is asked for and how the body is framed: haul's part. */
	static const char *const own[] = { "Range", "If-Range", "Accept-Encoding", "Content-Length",
		"Transfer-Encoding", "Connection", "Upgrade", "TE", "Expect" };
	size_t n = strspn(text, token);

	if (n == 0 || text[n] != ':')
		return "must be \"Name: value\" or \"@FILE\"";
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return "has a control character in it";
	if (name_is(text, own, ARRAY_SIZE(own)))
		return "sets one that haul sets itself";
	return NULL;
}

/* inside: the file of an @FILE, whose line-th line this is; NULL: no file. */
static void
put_header(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const char *text, const char *inside, unsigned line)
{
	const char *why = refuse_header(text);

	if (!why && !inside)
		why = secret_refuse(row, at, text);
	if (!why && draft_count(d, row->id) >= CONF_HEADERS_MAX)
		why = "is given more than 100 times";
	if (!why)
		draft_put_text(d, row, at, text);
	else if (inside)
		emit_error(c->emit, at, d->label, "%s (line %u of \"%s\") %s", row->name, line,
		    quote(inside), why);
	else
		check_tell(c, d, row, at, why);
}

/* The content of @FILE as a string the caller may cut; NULL and told. */
static char *
read_secret(struct check *c, const struct draft *d, const struct setting *row, struct where at,
    const char *name, struct buf *ret)
{
	AUTO_FREE char *path = source_resolve(at.file, name);
	const char *why = "";
	bool world = false;

	if (c->intake)
		check_tell(c, d, row, at,
		    "begins with @: hauld reads no file for a client, send what is in it instead");
	else if (!*name)
		check_tell(c, d, row, at, "has no file name behind @");
	else if (source_read(path, CONF_SECRET_FILE_MAX, ret, &world, &why) < 0)
		emit_error(c->emit, at, d->label, "%s \"@%s\" cannot be read: %s", row->name,
		    quote(path), why);
	else if (buf_len(ret) && memchr(buf_bytes(ret), 0, buf_len(ret)))
		emit_error(
		    c->emit, at, d->label, "%s \"@%s\" is no text file", row->name, quote(path));
	else if (world)
		emit_error(c->emit, at, d->label,
		    "%s \"@%s\" can be read by everyone: chmod o-r it", row->name, quote(path));
	else {
		*buf_reserve(ret, 1) = '\0';
		return (char *)buf_bytes(ret);
	}
	return NULL;
}

/* The line at *at, cut there; *at moves on; NULL at the end. */
static char *
next_line(char **at)
{
	char *line = *at;
	size_t n = strcspn(line, "\n");

	if (!*line)
		return NULL;
	*at = line + n + (line[n] == '\n');
	line[n] = '\0';
	if (n && line[n - 1] == '\r')
		line[n - 1] = '\0';
	return line;
}

void
secret_put_header(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_BUF struct buf content = { 0 };
	char *rest, *line;

	if (text[0] != '@') {
		put_header(c, d, row, at, text, NULL, 0);
		return;
	}
	rest = read_secret(c, d, row, at, text + 1, &content);
	if (!rest)
		return;
	for (unsigned n = 1; (line = next_line(&rest)); n++)
		if (*line && *line != '#')
			put_header(c, d, row, at, line, text + 1, n);
}

void
secret_put_user(
    struct check *c, struct draft *d, const struct setting *row, struct where at, const char *text)
{
	AUTO_BUF struct buf content = { 0 };
	const char *why = NULL;

	if (text[0] == '@') {
		char *rest = read_secret(c, d, row, at, text + 1, &content);

		if (!rest)
			return;
		text = next_line(&rest);
	} else {
		why = secret_refuse(row, at, text);
	}
	if (!why && (!text || !strchr(text, ':') || *text == ':'))
		why = "must be \"name:password\", or \"@FILE\" with that in its first line";
	for (const char *p = text; !why && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			why = "has a control character in it";
	if (why)
		check_tell(c, d, row, at, why);
	else
		draft_put_text(d, row, at, text);
}
