/*
 * The gate of a request: what it connects to is judged by its address, as it is
 * connected to (DESIGN I8, THREATS 0.7).  That covers what a name resolves to
 * now, every spelling of an address, and each hop of redirects.
 *
 * New connections are judged when libcurl opens a socket: a refused address
 * counts as one that does not answer, so that others of the name are tried.
 * Connections that are used again are judged before the request is sent.
 *
 * Through a proxy nothing is judged: its address is the administrator's choice,
 * and where the proxy goes from there is not seen here.  Caller: transfer.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "model/address.h"
#include "model/result.h"
#include "model/spec.h"

struct gate {
	const struct address_policy *const *policy; /* borrowed: the one in force */
	bool led_public; /* a public host led here by a redirect */
	bool proxied;
	/* What came of it. */
	bool is_public;  /* a public address, or one behind a proxy, was asked */
	bool stopped;    /* the connection that was to be used again is refused */
	unsigned opened; /* sockets */
	char why[200];   /* of the last address that was refused; "" */
};

/* The lists of the daemon's settings; owned by the caller. */
struct address_policy *gate_read_policy(const struct spec *daemon);
/* Once on a new or reset handle. */
void gate_prepare(CURL *easy);
/* Before each request; the gate is borrowed until the handle is done. */
void gate_apply(struct gate *g, CURL *easy);
/* May a socket be opened to there?  arg: the gate. */
bool gate_may_connect(const struct sockaddr *sa, socklen_t len, void *arg);
/* The request ended so: was it for the gate?  Fills *ret (address-refused). */
bool gate_has_refused(const struct gate *g, CURLcode rc, const char *host, struct result *ret);
