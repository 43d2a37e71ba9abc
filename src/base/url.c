/* The parts of an absolute URL; see url.h. */
#include "base/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static int
bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

/* Everything of [at, end) before the first of stop's characters. */
static struct url_part
upto(const char *at, const char *stop)
{
	return (struct url_part){ at, strcspn(at, stop) };
}

/* "[" IPv6 address "]"; no zone, which means nothing to another machine. */
static bool
is_ipv6(struct url_part host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (host.len < 2 || host.len - 2 >= sizeof text)
		return false;
	memcpy(text, host.at + 1, host.len - 2);
	text[host.len - 2] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

static int
parse_authority(struct url_part auth, struct url *u, const char **ret_why)
{
	const char *end = auth.at + auth.len, *host = auth.at, *colon;
	uint64_t port = 0;

	/* Browsers take it for a slash, so whose host this is would be a guess. */
	if (memchr(auth.at, '\\', auth.len))
		return bad(ret_why, "the host has a backslash before or in it");
	/* The last '@' ends the userinfo, as browsers and curl have it. */
	for (const char *p = end; p > auth.at; p--)
		if (p[-1] == '@') {
			u->userinfo = (struct url_part){ auth.at, (size_t)(p - 1 - auth.at) };
			host = p;
			break;
		}
	if (host < end && *host == '[') {
		const char *close = memchr(host, ']', (size_t)(end - host));

		if (!close)
			return bad(ret_why, "the [ of the host is not closed");
		colon = close + 1;
		if (colon < end && *colon != ':')
			return bad(ret_why, "something follows the host");
		if (!is_ipv6((struct url_part){ host, (size_t)(colon - host) }))
			return bad(ret_why, "what stands in [ ] is no IPv6 address");
	} else {
		colon = memchr(host, ':', (size_t)(end - host));
		if (!colon)
			colon = end;
	}
	u->host = (struct url_part){ host, (size_t)(colon - host) };
	if (u->host.len == 0)
		return bad(ret_why, "there is no host");
	if (u->host.len > 255)
		return bad(ret_why, "the host is longer than 255 bytes");
	for (size_t i = 0; i < u->host.len; i++)
		if (strchr(host[0] == '[' ? "%" : "[]%\\|^`{}<>\"'", host[i]))
			return bad(ret_why, "the host has a character that no host has");
	if (colon < end && colon + 1 < end) {
		if (parse_u64_n(colon + 1, (size_t)(end - colon - 1), 10, &port) < 0 ||
		    port == 0 || port > 65535)
			return bad(ret_why, "the port is not a number from 1 to 65535");
	}
	u->port = (unsigned)port;
	return 0;
}

int
url_parse(const char *s, struct url *ret, const char **ret_why)
{
	struct url u = { 0 };
	size_t n = strlen(s);
	int r;

	if (n > URL_MAX)
		return bad(ret_why, "it is longer than 8192 bytes");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7f)
			return bad(ret_why, s[i] == ' ' ? "it has a space (write %20)" : "it has a control character");
	u.scheme = upto(s, ":/?#");
	if (u.scheme.len == 0 || s[u.scheme.len] != ':' || s[u.scheme.len + 1] != '/' ||
	    s[u.scheme.len + 2] != '/')
		return bad(ret_why, "it does not begin with a scheme and ://");
	for (size_t i = 0; i < u.scheme.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.", s[i]))
			return bad(ret_why, "its scheme is not a word");
	s += u.scheme.len + 3;
	if (url_scheme_is(&u, "file")) {
		u.host = upto(s, "/?#");
		if (u.host.len && !text_equal_nocase(u.host.at, u.host.len, "localhost"))
			return bad(ret_why, "a file: url names no other host");
	} else {
		r = parse_authority(upto(s, "/?#"), &u, ret_why);
		if (r < 0)
			return r;
	}
	s += strcspn(s, "/?#");
	u.path = upto(s, "?#");
	s += u.path.len;
	if (*s == '?') {
		u.query = upto(s + 1, "#");
		s += 1 + u.query.len;
	}
	if (*s == '#')
		u.fragment = (struct url_part){ s + 1, strlen(s + 1) };
	*ret = u;
	return 0;
}

bool
url_scheme_is(const struct url *u, const char *scheme)
{
	return text_equal_nocase(u->scheme.at, u->scheme.len, scheme);
}

unsigned
url_effective_port(const struct url *u)
{
	if (u->port)
		return u->port;
	return url_scheme_is(u, "http") ? 80 : url_scheme_is(u, "https") ? 443 : 0;
}

char *
url_host(const struct url *u)
{
	char *h = xstrndup(u->host.at ? u->host.at : "", u->host.len);

	for (char *p = h; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	/* "example.org." and "example.org" are one host. */
	if (u->host.len > 1 && h[u->host.len - 1] == '.')
		h[u->host.len - 1] = '\0';
	return h;
}

bool
url_same_origin(const struct url *a, const struct url *b)
{
	AUTO_FREE char *ha = url_host(a), *hb = url_host(b), *scheme = NULL;

	scheme = xstrndup(b->scheme.at, b->scheme.len);
	return url_scheme_is(a, scheme) && url_effective_port(a) == url_effective_port(b) &&
	    text_equal(ha, hb);
}

/* Decodes %XX once into out; the length, or -1 for a byte no name may have. */
static int
decode_name(const char *at, size_t n, char *out, size_t max)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c == '%' && i + 2 < n && hex_decode(at + i + 1, 2, &c) == 0)
			i += 2;
		if (c < 0x20 || c == 0x7f || c == '/' || o + 1 >= max)
			return -1;
		out[o++] = (char)c;
	}
	out[o] = '\0';
	return (int)o;
}

char *
url_filename(const struct url *u)
{
	char name[256];
	const char *last = u->path.at;

	for (size_t i = 0; i < u->path.len; i++)
		if (u->path.at[i] == '/')
			last = u->path.at + i + 1;
	if (decode_name(last, (size_t)(u->path.at + u->path.len - last), name, sizeof name) <= 0)
		return NULL;
	if (text_equal(name, ".") || text_equal(name, "..") || strchr(name, '\\'))
		return NULL;
	return xstrdup(name);
}

char *
url_file_path(const struct url *u)
{
	char *out = xmalloc(u->path.len + 1);
	size_t o = 0;

	for (size_t i = 0; i < u->path.len; i++) {
		unsigned char c = (unsigned char)u->path.at[i];

		if (c == '%' && i + 2 < u->path.len && hex_decode(u->path.at + i + 1, 2, &c) == 0)
			i += 2;
		out[o++] = (char)c;
		if (!c)
			break;
	}
	if (o == 0 || out[0] != '/' || out[o - 1] == '\0') {
		free(out);
		return NULL;
	}
	out[o] = '\0';
	return out;
}

char *
url_redact(const char *s)
{
	struct url u;
	const char *why;
	char safe[512];

	if (url_parse(s, &u, &why) < 0)
		return xstrdup("(a bad url)");
	AUTO_FREE char *plain = u.port
	    ? xasprintf("%.*s://%.*s:%u%.*s%s", (int)u.scheme.len, u.scheme.at, (int)u.host.len,
		  u.host.at, u.port, (int)u.path.len, u.path.at, u.query.len ? "?..." : "")
	    : xasprintf("%.*s://%.*s%.*s%s", (int)u.scheme.len, u.scheme.at, (int)u.host.len,
		  u.host.at, (int)u.path.len, u.path.at, u.query.len ? "?..." : "");
	return xstrdup(str_safe(safe, sizeof safe, plain, strlen(plain)));
}
