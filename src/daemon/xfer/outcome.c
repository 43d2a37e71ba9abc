/* From libcurl's words to ours; see outcome.h. */
#include "daemon/xfer/outcome.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* A name server that can be asked answers sooner. */
enum { LOOKUP_SLOW_MS = 1000 };

bool
outcome_is_body_end(CURLcode rc, enum transfer_end *ret_end)
{
	switch (rc) {
	case CURLE_OK:
		*ret_end = END_CLEAN;
		return true;
	case CURLE_PARTIAL_FILE:
		*ret_end = END_PARTIAL;
		return true;
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		*ret_end = END_RECV_ERROR;
		return true;
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		*ret_end = END_STREAM_ERROR;
		return true;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_FUNCTION_ARGUMENT: /* what it says of a header that it cannot take apart (headers.c) */
		*ret_end = END_GARBAGE;
		return true;
	default:
		return false;
	}
}

bool
outcome_is_bad_http2(const char *detail)
{
	return strstr(detail, "PROTOCOL_ERROR (err 1)") || strstr(detail, "nghttp2_session_mem_recv() returned");
}

static const struct {
	CURLcode rc;
	enum result_code code;
	const char *what; /* %s is the host */
} table[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, RESULT_DNS, "the name %s cannot be resolved" },
	{ CURLE_COULDNT_RESOLVE_PROXY, RESULT_PROXY, "the proxy's name cannot be resolved (for %s)" },
	{ CURLE_COULDNT_CONNECT, RESULT_CONNECT, "cannot connect to %s" },
	{ CURLE_INTERFACE_FAILED, RESULT_CONNECT, "cannot connect to %s" },
	{ CURLE_PROXY, RESULT_PROXY, "the proxy failed (for %s)" },
	{ CURLE_SEND_ERROR, RESULT_CONNECT, "sending the request to %s failed" },
	{ CURLE_SSL_CONNECT_ERROR, RESULT_TLS, "no TLS connection with %s" },
	{ CURLE_PEER_FAILED_VERIFICATION, RESULT_TLS, "the certificate of %s is not accepted" },
	{ CURLE_SSL_CERTPROBLEM, RESULT_TLS, "the client certificate for %s cannot be used" },
	{ CURLE_SSL_CIPHER, RESULT_TLS, "no cipher in common with %s" },
	{ CURLE_SSL_CACERT_BADFILE, RESULT_TLS, "the CA certificates for %s cannot be used" },
	{ CURLE_SSL_ISSUER_ERROR, RESULT_TLS, "the certificate of %s has the wrong issuer" },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, RESULT_TLS, "the public key of %s is not the pinned one" },
	{ CURLE_SSL_INVALIDCERTSTATUS, RESULT_TLS, "the certificate of %s is revoked" },
	{ CURLE_SSL_CLIENTCERT, RESULT_TLS, "%s asks for a client certificate" },
	{ CURLE_URL_MALFORMAT, RESULT_UNSUPPORTED, "libcurl does not take the url for %s" },
	{ CURLE_OPERATION_TIMEDOUT, RESULT_TIMEOUT, "no connection to %s within connect-timeout" },
	/* What libcurl says of a header line above 100 KiB. */
	{ CURLE_OUT_OF_MEMORY, RESULT_PROTOCOL, "the header of %s is larger than libcurl takes" },
	{ CURLE_NOT_BUILT_IN, RESULT_UNSUPPORTED, "libcurl was built without what %s needs" },
};

void
outcome_from_curl(CURLcode rc, const char *detail, const char *host, struct result *r)
{
	char what[320];

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].rc != rc)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(what, sizeof what, table[i].what, host);
#pragma GCC diagnostic pop
		if (detail && *detail)
			result_set(r, table[i].code, "%s: %s", what, detail);
		else
			result_set(r, table[i].code, "%s", what);
		return;
	}
	result_set(r, RESULT_INTERNAL, "libcurl failed with code %d at %s: %s", (int)rc, host,
	    detail && *detail ? detail : curl_easy_strerror(rc));
}

void
outcome_judge_certificate(long verify, const char *host, struct result *r)
{
	time_t now = (time_t)clock_wall_s();
	char clock[32] = "?";
	struct tm tm;

	if (r->code != RESULT_TLS || verify != X509_V_ERR_CERT_NOT_YET_VALID)
		return;
	if (gmtime_r(&now, &tm))
		(void)strftime(clock, sizeof clock, "%Y-%m-%d %H:%M:%S", &tm);
	result_set(r, RESULT_NOT_YET_VALID, "the certificate of %s is not valid yet, or the clock of this machine is behind (it says %s UTC)",
	    host, clock);
}

enum transfer_reach
outcome_reach(CURLcode rc, int os_error, bool connected, uint64_t ms)
{
	if (connected)
		return REACH_MADE;
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return ms >= LOOKUP_SLOW_MS ? REACH_NONE : REACH_LOCAL;
	case CURLE_OPERATION_TIMEDOUT:
		return REACH_NONE;
	case CURLE_COULDNT_CONNECT:
		break;
	default:
		return REACH_UNKNOWN;
	}
	switch (os_error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return REACH_MADE;
	case ENETUNREACH: /* perhaps of IPv6 only */
	case EADDRNOTAVAIL:
		return REACH_LOCAL;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ETIMEDOUT:
		return REACH_NONE;
	default:
		return REACH_UNKNOWN;
	}
}

void
outcome_explain(CURL *easy, CURLcode rc, const char *detail, const char *host, struct result *r)
{
	long verify = 0;

	outcome_from_curl(rc, detail, host, r);
	(void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	outcome_judge_certificate(verify, host, r);
}

/* A server may close a connection that was kept at the moment it is used anew.
 * libcurl tries another one itself, five times, as long as not a byte came; where
 * more than that had been kept, it gives up.  And what a server sent behind the end of
 * an answer is no answer to the next request. */
static bool
is_stale(CURLcode rc)
{
	return rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR || rc == CURLE_GOT_NOTHING || rc == CURLE_HTTP2 ||
	    rc == CURLE_HTTP2_STREAM || rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_WEIRD_SERVER_REPLY;
}

static uint32_t
time_ms(CURL *easy, CURLINFO info)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, info, &us);
	return (uint32_t)(us / 1000);
}

void
outcome_read_times(CURL *easy, struct transfer_times *ret)
{
	ret->dns = time_ms(easy, CURLINFO_NAMELOOKUP_TIME_T);
	ret->connect = time_ms(easy, CURLINFO_CONNECT_TIME_T);
	ret->tls = time_ms(easy, CURLINFO_APPCONNECT_TIME_T);
	ret->first_byte = time_ms(easy, CURLINFO_STARTTRANSFER_TIME_T);
	ret->total = time_ms(easy, CURLINFO_TOTAL_TIME_T);
}

void
outcome_look(CURL *easy, CURLcode rc, bool settled, struct transfer_report *ret)
{
	long connects = 1, os_error = 0, status = 0;
	curl_off_t connected = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
	(void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	ret->stale_connection = !connects && !settled && is_stale(rc);
	ret->rejected = !ret->stale_connection && rc != CURLE_OK && (os_error == ECONNREFUSED || os_error == ECONNRESET);
	ret->reach = outcome_reach(rc, (int)os_error, status || (connects && connected), clock_now_ms() - ret->started_ms);
}
