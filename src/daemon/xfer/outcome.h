/*
 * From libcurl's words to ours: the one table that maps a CURLcode to how an
 * attempt ended.  Whether a body is whole is complete.c's question; here are
 * the failures before and besides it.  Caller: transfer.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "daemon/xfer/complete.h"
#include "daemon/xfer/transfer.h"
#include "model/result.h"

/* rc, errno of the connect (0: none), whether a connection was made for it, and how
 * long all of it took. */
enum transfer_reach outcome_reach(CURLcode rc, int os_error, bool connected, uint64_t ms);
/* How the attempt of a handle that is done looks for the network (->reach, with
 * ->started_ms of the report), and whether it was made over a connection that had been
 * kept, and was closed before anything came or had something else to say
 * (->stale_connection); settled: an answer came, or we ended it. */
void outcome_look(CURL *easy, CURLcode rc, bool settled, struct transfer_report *ret);
/* How long its steps took. */
void outcome_read_times(CURL *easy, struct transfer_times *ret);
/* outcome_from_curl() and outcome_judge_certificate() of a handle that is done. */
void outcome_explain(CURL *easy, CURLcode rc, const char *detail, const char *host, struct result *r);
/* The certificate of a peer that was refused: verify is OpenSSL's X509_V_ERR_*.  One of
 * the future becomes RESULT_NOT_YET_VALID, for the clock may be what is wrong. */
void outcome_judge_certificate(long verify, const char *host, struct result *r);
/* True when the end is one that complete_judge() decides about; *ret_end then
 * says how the transfer ended. */
bool outcome_is_body_end(CURLcode rc, enum transfer_end *ret_end);
/* Does libcurl say that the answer broke the rules of HTTP/2?  It has one code for that and
 * for a stream that the server reset, so only its words tell. */
bool outcome_is_bad_http2(const char *detail);
/* Any other failure: fills *r.  detail: libcurl's error buffer, may be empty;
 * host: for the sentence. */
void outcome_from_curl(CURLcode rc, const char *detail, const char *host, struct result *r);
