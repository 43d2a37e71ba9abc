/*
 * The options of one request: every CURLOPT haul sets stands in request.c.
 * Caller: transfer.
 */
#pragma once

#include <curl/curl.h>

#include "daemon/xfer/transfer.h"

struct request_state {
	struct curl_slist *headers; /* owned; NULL: the common ones */
	char error[CURL_ERROR_SIZE];
};

/* The headers that every request has; freed with request_done(&NULL...). */
struct curl_slist *request_common_headers(void);
/* Sets everything on a fresh handle: 0, or -EINVAL with *why (unsupported). */
int request_apply(CURL *easy, const struct transfer_request *req, const char *default_proxy,
    struct curl_slist *common, struct request_state *state, struct result *why);
void request_done(struct request_state *state);
