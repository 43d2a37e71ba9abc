/* Texts of job settings; see values.h. */
#include "model/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "model/algo.h"

const char *
value_refuse_name(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char all[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";

	if (!*s || !strchr(letters, *s))
		return "must begin with a letter or _";
	if (s[strspn(s, all)])
		return "may hold letters, digits, . _ and - only";
	return strlen(s) > 128 ? "is longer than 128 characters" : NULL;
}

bool
value_is_event(const char *text)
{
	return has_prefix(text, VALUE_EVENT);
}

char *
value_refuse_after(const char *text, bool events)
{
	bool event = value_is_event(text);
	const char *name = event ? text + strlen(VALUE_EVENT) : text, *why;
	char safe[160];
	uint64_t id;

	if (event && !events)
		return xstrdup("names an event, which cannot fail");
	if (!event && parse_u64(text, &id) == 0)
		return id ? NULL : xstrdup("names job 0: ids begin with 1");
	why = value_refuse_name(name);
	if (!why)
		return NULL;
	return xasprintf("\"%s\" names no job%s: the name %s", str_safe(safe, sizeof safe, text, strlen(text)),
	    events ? " and no event" : "", why);
}

const char *
value_refuse_bytes(const struct setting *row, const char *text)
{
	bool tab = row->id == JOB_HEADER || row->id == HOST_HEADER || row->id == JOB_USER_AGENT;

	if (strlen(text) > UINT16_MAX)
		return "is longer than 65535 bytes";
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < 0x20 && !(tab && *p == '\t')) || *p == 0x7f)
			return "has a control character in it";
	return NULL;
}

const char *
value_refuse_argument(const char *first, unsigned place, const char *text)
{
	if (place == VALUE_ARGUMENTS_MAX)
		return "has more than 64 parts";
	if (strlen(text) > VALUE_ARGUMENT_MAX)
		return "has a part that is longer than 4096 bytes";
	if (place > 0)
		return *first ? NULL : "begins with an empty string, which says that no program is run: nothing can follow";
	if (*text && (*text != '/' || has_suffix(text, "/")))
		return "must begin with the absolute path of a program: no shell and no PATH look for it";
	return NULL;
}

char *
value_refuse_url(const char *text, const char *instead)
{
	struct url u;
	const char *why;

	if (url_parse(text, &u, &why) < 0)
		return xasprintf("is no url: %s", why);
	if (u.userinfo.at)
		return xasprintf("has a name or password in it: give %s instead", instead);
	if (!url_scheme_is(&u, "http") && !url_scheme_is(&u, "https") && !url_scheme_is(&u, "file")) {
		char safe[40];

		return xasprintf("has the scheme %s: this version of haul takes http, https and, with "
				 "allow-file = true, file",
		    str_safe(safe, sizeof safe, u.scheme.at, u.scheme.len));
	}
	if (url_scheme_is(&u, "file") && (u.path.len < 2 || u.path.at[0] != '/'))
		return xstrdup("names no file");
	return NULL;
}

static bool
name_is(const char *header, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text_equal_nocase(header, strcspn(header, ":"), names[i]))
			return true;
	return false;
}

bool
value_is_secret(const struct setting *row, const char *text)
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

/* RFC 9110 section 5: a token, a colon, a value. */
const char *
value_refuse_header(const char *text)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$%&'*+-.^_`|~";
	/* These say what is asked for and how the body is framed: haul's part. */
	static const char *const own[] = { "Range", "If-Range", "If-None-Match",
		"If-Modified-Since", "Accept-Encoding", "Content-Length",
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

const char *
value_refuse_user(const char *text)
{
	if (!strchr(text, ':') || *text == ':')
		return "must be \"name:password\", or \"@FILE\" with that in its first line";
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "has a control character in it";
	return NULL;
}

char *
value_url_name(const char *url, unsigned codec)
{
	AUTO_FREE char *name = NULL, *bare = NULL;
	struct url u;
	const char *why;

	if (url_parse(url, &u, &why) < 0)
		return NULL;
	name = url_filename(&u);
	if (!name || codec == CODEC_OFF)
		return TAKE_PTR(name);
	if (codec == CODEC_AUTO || codec_from_name(name) == (enum codec)codec)
		bare = codec_strip_name(name);
	return bare ? TAKE_PTR(bare) : TAKE_PTR(name);
}
