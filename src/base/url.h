/*
 * The parts of an absolute URL (RFC 3986), split without copying, and the few
 * rules haul has about them.  Strict: a URL with a control byte, a space or no
 * host is refused here, long before libcurl sees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum { URL_MAX = 8192 }; /* bytes; longer ones are refused */

struct url_part {
	const char *at; /* borrowed, inside the URL */
	size_t len;
};

struct url {
	struct url_part scheme, userinfo, host, path, query, fragment;
	unsigned port; /* 0: none given */
};

/* 0, or -EINVAL with *ret_why = a short reason ("no host", static). */
int url_parse(const char *s, struct url *ret, const char **ret_why) MUST_CHECK;
bool url_scheme_is(const struct url *u, const char *scheme);
/* The port in effect: the one given, else that of http (80) or https (443), else 0. */
unsigned url_effective_port(const struct url *u);
/* Same scheme, host (case ignored) and effective port: RFC 6454 section 4. */
bool url_same_origin(const struct url *a, const struct url *b);
/*
 * The file name that a URL suggests: the last part of its path, decoded once,
 * if that is one safe component (not empty, "." or "..", no '/', no control
 * byte, at most 255 bytes).  Newly allocated; NULL when there is none.
 */
char *url_filename(const struct url *u);
/* The path of a file: url, decoded once: newly allocated; NULL when it is not
 * absolute or has a NUL. */
char *url_file_path(const struct url *u);
/* The URL without userinfo, query and fragment, escaped for a log: newly
 * allocated ("https://host/path" or "https://host/path?...").  Never NULL. */
char *url_redact(const char *s);
/* A lower-case copy of the host, newly allocated, brackets of IPv6 kept. */
char *url_host(const struct url *u);
