/*
 * Redirects, which haul follows itself: where one leads and whether it may
 * (DESIGN 2.6, THREATS 0.7).  libcurl follows nothing.  Caller: engine.
 */
#pragma once

#include <stdbool.h>

#include "model/result.h"

enum { HOPS_MAX = 20 }; /* redirects of one attempt */

/* True for the statuses that carry a Location to follow: 301 302 303 307 308. */
bool hop_is_redirect(int status);
/*
 * The absolute URL that a Location leads to from a URL (RFC 3986 section 5):
 * newly allocated, or NULL with *why (redirect-refused).  Only http and https;
 * from https never back to http.
 */
char *hop_target(const char *from, const char *location, struct result *why);
