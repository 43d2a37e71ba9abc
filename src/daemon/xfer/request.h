/*
 * The options of one request: every CURLOPT haul sets stands in request.c.
 * Caller: transfer.
 */
#pragma once

#include <curl/curl.h>

#include "daemon/xfer/transfer.h"

struct request_state {
	struct curl_slist *headers; /* owned; NULL: the common ones */
	bool proxied; /* it goes through a proxy */
	char error[CURL_ERROR_SIZE];
};

/* The headers that every request has; owned by the caller. */
struct curl_slist *request_common_headers(void);
/* What is the same for every request, on a new handle. */
void request_prepare(CURL *easy, struct curl_slist *common);
/* The rest, on a prepared handle: 0, or -EINVAL with *why (unsupported). */
int request_apply(CURL *easy, const struct transfer_request *req, const char *default_proxy,
    struct request_state *state, struct result *why);
void request_done(struct request_state *state);
/* It may go over a connection that serves others at the same time: over HTTP/2, but not
 * under a limit, for of several streams on one connection none can be held by itself, and
 * not when it is to be alone. */
bool request_may_share(const struct transfer_request *req);
