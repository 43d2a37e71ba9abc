/*
 * From libcurl's words to ours: the one table that maps a CURLcode to how an
 * attempt ended.  Whether a body is whole is complete.c's question; here are
 * the failures before and besides it.  Caller: transfer.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "daemon/xfer/complete.h"
#include "model/result.h"

/* True when the end is one that complete_judge() decides about; *ret_end then
 * says how the transfer ended. */
bool outcome_is_body_end(CURLcode rc, enum transfer_end *ret_end);
/* Any other failure: fills *r.  detail: libcurl's error buffer, may be empty;
 * host: for the sentence. */
void outcome_from_curl(CURLcode rc, const char *detail, const char *host, struct result *r);
