/* From libcurl's words to ours; see outcome.h. */
#include "daemon/xfer/outcome.h"

#include <string.h>

#include "base/cleanup.h"

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
		*ret_end = END_GARBAGE;
		return true;
	default:
		return false;
	}
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
