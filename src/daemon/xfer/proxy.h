/*
 * Which proxy a request goes through, if any.  libcurl has rules of its own for
 * the environment; haul follows them here instead, so that it knows whether an
 * address is the proxy's (gate.h), and so that a service obeys no variable that
 * nobody configured.  Caller: request.
 */
#pragma once

#include <stdbool.h>

/*
 * The proxy for this url: newly allocated; NULL: none.
 *
 * proxy: NULL or "" is none, "env" the environment's: http_proxy (in lower case
 * only: a web server's HTTP_PROXY is what a client sent), https_proxy or
 * HTTPS_PROXY, else all_proxy or ALL_PROXY.  A variable that is set and empty is
 * none.
 *
 * noproxy: hosts that are reached without it, separated by commas or blanks:
 * names, which stand for all below them too, addresses and ranges of those, or
 * "*".  NULL and environment: no_proxy or NO_PROXY.
 */
char *proxy_for(const char *url, const char *proxy, const char *noproxy, bool environment);
