/* The options of one request; see request.h. */
#include "daemon/xfer/request.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/xfer/proxy.h"

/* curl's write callback is never larger than 16 KiB, but fewer and larger
 * recv() calls pay (BASELINE, finding 1). */
enum { RECEIVE_BUFFER = 512 * 1024 };

struct curl_slist *
request_common_headers(void)
{
	/* The bytes as they are: ranges, digests and lengths are about those. */
	return curl_slist_append(NULL, "Accept-Encoding: identity");
}

/* Each option has its reason in STYLE 4 or THREATS 1. */
void
request_prepare(CURL *easy, struct curl_slist *common)
{
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* cancel never waits for getaddrinfo */
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* The certificates come from ca.c, through CURLOPT_SSL_CTX_FUNCTION. */
	(void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	(void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "hauld/" PACKAGE_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, common);
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	/* proxy.c chooses; without these two libcurl asks the environment. */
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

static bool
is_http2(const struct transfer_request *req)
{
	return spec_number(req->spec, JOB_HTTP_VERSION) == HTTP_VERSION_2;
}

bool
request_may_share(const struct transfer_request *req)
{
	return is_http2(req) && !req->limit_rate && !req->alone;
}

static void
apply_version(CURL *easy, const struct transfer_request *req)
{
	if (!is_http2(req))
		return;
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)request_may_share(req));
}

static int
append(struct curl_slist **list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* "Name: value" with an empty value is "Name;" to libcurl. */
static int
append_header(struct curl_slist **list, const char *header)
{
	const char *colon = strchr(header, ':');
	size_t n = colon ? (size_t)(colon - header) : 0;

	if (colon && colon[1 + strspn(colon + 1, " \t")] == '\0') {
		AUTO_FREE char *empty = xasprintf("%.*s;", (int)n, header);

		return append(list, empty);
	}
	return append(list, header);
}

/* IMF-fixdate, RFC 9110 5.6.7, whatever the locale. */
static char *
http_date(int64_t seconds)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t when = (time_t)seconds;
	struct tm tm;

	(void)gmtime_r(&when, &tm);
	return xasprintf("%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
	    months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The rest, if it is still the same file: else all of it comes (RFC 9110 13.1.5).
 * Some servers know the range and not the condition. */
static int
append_range(struct curl_slist **list, const struct complete_rest *rest)
{
	AUTO_FREE char *date = rest->etag ? NULL : http_date(rest->modified);
	AUTO_FREE char *range = xasprintf("Range: bytes=%llu-", (unsigned long long)rest->start);
	AUTO_FREE char *condition = xasprintf("If-Range: %s", rest->etag ? rest->etag : date);
	int r = append(list, range);

	return r < 0 || rest->plain ? r : append(list, condition);
}

/* Is there another file than that one? (RFC 9110 13.1.2, 13.1.3) */
static int
append_condition(struct curl_slist **list, const struct transfer_request *req)
{
	AUTO_FREE char *tag = req->none_match ? xasprintf("If-None-Match: %s", req->none_match) : NULL;
	AUTO_FREE char *date = req->modified_since >= 0 ? http_date(req->modified_since) : NULL;
	AUTO_FREE char *since = date ? xasprintf("If-Modified-Since: %s", date) : NULL;
	int r = tag ? append(list, tag) : 0;

	return r < 0 || !since ? r : append(list, since);
}

/* Headers and credentials of the job go to its own origin and nowhere else;
 * those of a hosts entry go to the hosts it matches, but not by the way of a client's choice. */
static int
apply_headers(CURL *easy, const struct transfer_request *req, struct request_state *state)
{
	const char *h;
	int r = 0;

	for (unsigned i = 0; r == 0 && req->at_origin && (h = spec_list(req->spec, JOB_HEADER, i)); i++)
		r = append_header(&state->headers, h);
	for (unsigned i = 0; r == 0 && req->host && !req->led_by_client && (h = spec_list(req->host, HOST_HEADER, i)); i++)
		r = append_header(&state->headers, h);
	if (r == 0 && req->rest.start)
		r = append_range(&state->headers, &req->rest);
	if (r == 0 && req->conditional && !req->rest.start)
		r = append_condition(&state->headers, req);
	if (r < 0 || !state->headers)
		return r;
	r = append(&state->headers, "Accept-Encoding: identity");
	if (r == 0 && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state->headers))
		r = -ENOMEM;
	return r;
}

static int
apply_user(CURL *easy, const struct transfer_request *req)
{
	const char *user = req->at_origin ? spec_string(req->spec, JOB_USER) : NULL;
	const char *agent = spec_string(req->spec, JOB_USER_AGENT);
	CURLcode rc = CURLE_OK;

	if (agent)
		rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, agent);
	if (rc == CURLE_OK && user) {
		(void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		rc = curl_easy_setopt(easy, CURLOPT_USERPWD, user);
	}
	return rc == CURLE_OK ? 0 : -ENOMEM;
}

static int
apply_proxy(CURL *easy, const struct transfer_request *req, const char *default_proxy,
    struct request_state *state)
{
	const char *proxy = spec_has(req->spec, JOB_PROXY) ? spec_string(req->spec, JOB_PROXY) : NULL;
	const char *noproxy = spec_string(req->spec, JOB_NOPROXY);
	AUTO_FREE char *chosen = NULL;

	if (!proxy && req->host && spec_has(req->host, HOST_PROXY))
		proxy = spec_string(req->host, HOST_PROXY);
	if (!proxy)
		proxy = default_proxy;
	chosen = proxy_for(req->url, proxy, noproxy, text_equal(proxy, "env") || text_equal(default_proxy, "env"));
	state->proxied = chosen != NULL;
	if (!chosen)
		return 0;
	return curl_easy_setopt(easy, CURLOPT_PROXY, chosen) == CURLE_OK ? 0 : -ENOMEM;
}

static int
apply_tls(CURL *easy, const struct transfer_request *req)
{
	const char *cert = spec_string(req->spec, JOB_CERT), *key = spec_string(req->spec, JOB_KEY);
	const char *pin = spec_string(req->spec, JOB_PINNEDPUBKEY);
	CURLcode rc = CURLE_OK;

	if (!req->at_origin || (!cert && !pin))
		return 0;
	if (cert)
		rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, cert);
	if (rc == CURLE_OK && cert && key)
		rc = curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
	if (rc == CURLE_OK && pin)
		rc = curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, pin);
	return rc == CURLE_OK ? 0 : -EINVAL;
}

int
request_apply(CURL *easy, const struct transfer_request *req, const char *default_proxy,
    struct request_state *state, struct result *why)
{
	int r = 0;

	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->error);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)spec_number(req->spec, JOB_CONNECT_TIMEOUT));
	apply_version(easy, req);
	if (req->fresh)
		(void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	if (req->bite) /* small ones, so that it can be held in time */
		(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)MIN(req->bite, (uint64_t)RECEIVE_BUFFER));
	if (curl_easy_setopt(easy, CURLOPT_URL, req->url) != CURLE_OK)
		r = -ENOMEM;
	if (r == 0)
		r = apply_headers(easy, req, state);
	if (r == 0)
		r = apply_user(easy, req);
	if (r == 0)
		r = apply_proxy(easy, req, default_proxy, state);
	if (r == 0)
		r = apply_tls(easy, req);
	if (r < 0)
		result_set(why, RESULT_UNSUPPORTED, "libcurl refuses an option of the job: %s", strerror(-r));
	return r;
}

void
request_done(struct request_state *state)
{
	curl_slist_free_all(state->headers);
	state->headers = NULL;
}
