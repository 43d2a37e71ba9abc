/* One request and its answer; see transfer.h. */
#include "daemon/xfer/transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/xfer/ca.h"
#include "daemon/xfer/curl_glue.h"
#include "daemon/xfer/hop.h"
#include "daemon/xfer/outcome.h"
#include "daemon/xfer/request.h"

enum {
	DISCARD_MAX = 64 * 1024, /* of a body that is not the file, to keep the connection */
	FREE_HANDLES_MAX = 64,
};

/* A pool of connections for one TLS identity. */
struct identity {
	struct list link;
	struct xfer *xfer;
	char *key; /* owned: what makes it different */
	struct ca_store *store; /* borrowed from xfer->ca; NULL: no https yet */
	struct curl_glue *glue;
};

struct xfer {
	struct loop *loop;
	struct xfer_options options;
	struct ca *ca;
	struct curl_slist *common; /* owned */
	struct list identities;
	struct list active; /* struct transfer */
	CURL *handles[FREE_HANDLES_MAX]; /* owned: reset, ready for use */
	unsigned n_handles;
};

struct transfer {
	struct list link;
	struct xfer *xfer;
	struct identity *identity;
	const struct transfer_ops *ops;
	void *arg;
	struct transfer_request req;
	char *url, *host; /* owned */
	CURL *easy;       /* owned; NULL before the certificates are there */
	struct request_state state;
	struct ca_waiter waiter;
	struct loop_deferred end; /* a failure that curl does not tell */
	struct response response;
	struct result failure;
	uint64_t received, discarded;
	uint64_t started_ms, last_ms; /* last_ms: of the last byte */
	curl_socket_t held_fd;
	bool tls, close_notify;
	bool head_done;  /* on_head was called: the body is the file */
	bool body_cut;   /* stopped reading a body that is not the file */
	bool failing;    /* failure is set */
	bool held, paused;
};

/* SSL_CTX ex_data would be shared by a connection's later transfers: the
 * transfer that reads to the end of the connection is noted on the SSL. */
static int ssl_transfer_index = -1;

/* OpenSSL's info callback: an alert that was read (SSL_CTX_set_info_callback(3)). */
static void
on_ssl_info(const SSL *ssl, int where, int value)
{
	struct transfer *t;

	if (where != SSL_CB_READ_ALERT || (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		return;
	t = SSL_get_ex_data(ssl, ssl_transfer_index);
	if (t)
		t->close_notify = true;
}

static CURLcode
on_ssl_ctx(CURL *easy UNUSED, void *ctx, void *arg)
{
	struct identity *id = arg;
	X509_STORE *store = id->store ? ca_x509_store(id->store) : NULL;

	if (!store)
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_set1_cert_store(ctx, store);
	SSL_CTX_set_info_callback(ctx, on_ssl_info);
	return CURLE_OK;
}

/* Called while the connection is certainly this transfer's. */
static void
watch_close_notify(struct transfer *t, bool on)
{
	struct curl_tlssessioninfo *tls = NULL;

	if (!t->tls || curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals)
		return;
	(void)SSL_set_ex_data(tls->internals, ssl_transfer_index, on ? t : NULL);
}

static void
finish(struct transfer *t, struct transfer_report *end)
{
	t->ops->on_done(end, t->arg);
	transfer_cancel(t);
}

static uint32_t
time_ms(CURL *easy, CURLINFO info)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, info, &us);
	return (uint32_t)(us / 1000);
}

static void
read_times(struct transfer *t, struct transfer_times *ret)
{
	ret->dns = time_ms(t->easy, CURLINFO_NAMELOOKUP_TIME_T);
	ret->connect = time_ms(t->easy, CURLINFO_CONNECT_TIME_T);
	ret->tls = time_ms(t->easy, CURLINFO_APPCONNECT_TIME_T);
	ret->first_byte = time_ms(t->easy, CURLINFO_STARTTRANSFER_TIME_T);
	ret->total = time_ms(t->easy, CURLINFO_TOTAL_TIME_T);
}

static void
judge(struct transfer *t, enum transfer_end how, struct transfer_report *ret)
{
	struct complete_input in = {
		.response = &t->response,
		.end = how,
		.received = t->received,
		.tls = t->tls,
		.close_notify = t->close_notify,
		.has_digest = t->req.has_digest,
		.has_codec = t->req.has_codec,
		.allow_unproven = spec_bool(t->req.spec, JOB_ALLOW_UNPROVEN),
	};

	if (!t->response.malformed && hop_is_redirect(t->response.status) && t->response.location) {
		ret->redirect = true;
		result_set(&ret->result, RESULT_HTTP, "redirected");
		ret->result.http_status = t->response.status;
		return;
	}
	ret->proof = complete_judge(&in, &ret->result);
}

/* libcurl is done with the handle. */
static void
on_curl_done(CURL *easy, CURLcode rc, void *arg UNUSED)
{
	struct transfer_report end = { 0 };
	struct transfer *t = NULL;
	enum transfer_end how;
	long connects = 1;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	assert(t && t->easy == easy);
	read_times(t, &end.times);
	(void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
	end.received = t->received;
	end.response = &t->response;
	end.stale_connection = connects == 0 && t->response.status == 0 && rc != CURLE_OK;
	if (t->failing)
		end.result = t->failure;
	else if (t->response.malformed || t->body_cut)
		judge(t, t->body_cut ? END_CLEAN : END_GARBAGE, &end);
	else if (outcome_is_body_end(rc, &how))
		judge(t, how, &end);
	else
		outcome_from_curl(rc, t->state.error, t->host, &end.result);
	if (!end.result.http_status)
		end.result.http_status = t->response.status;
	finish(t, &end);
}

static void
on_delivered(void *arg)
{
	struct identity *id = arg;

	if (id->xfer->options.on_delivered)
		id->xfer->options.on_delivered(id->xfer->options.arg);
}

static void
on_broken(void *arg)
{
	struct identity *id = arg;
	struct result why = { 0 };
	struct transfer *t;

	result_set(&why, RESULT_INTERNAL, "libcurl's event interface failed");
	LIST_FOREACH(t, &id->xfer->active, struct transfer, link)
		if (t->identity == id && t->easy) {
			curl_glue_remove(id->glue, t->easy);
			curl_easy_cleanup(t->easy);
			t->easy = NULL;
			transfer_fail(t, &why);
		}
}

static const struct curl_glue_ops glue_ops = { on_curl_done, on_delivered, on_broken };

/* The header of an answer is whole: is it that of the file? */
static void
check_head(struct transfer *t)
{
	const struct response *r = &t->response;
	uint64_t max = spec_number(t->req.spec, JOB_MAX_FILESIZE);
	struct result why = { 0 };

	if (!response_is_final(r) || r->status != 200 || t->head_done)
		return;
	if (r->coded && !t->req.has_digest) {
		result_set(&why, RESULT_ENCODING_REFUSED,
		    "%s sent the file with Content-Encoding: %s, which nobody asked for", t->host, r->coding);
		transfer_fail(t, &why);
		return;
	}
	if (max && r->has_length && !r->chunked && r->length > max) {
		result_set(&why, RESULT_TOO_LARGE, "%s announces %llu bytes, max-filesize is %llu", t->host,
		    (unsigned long long)r->length, (unsigned long long)max);
		transfer_fail(t, &why);
		return;
	}
	t->head_done = true;
	/* Only a body that ends with its connection: the SSL dies with it. */
	if (!r->has_length && !r->chunked && r->major < 2)
		watch_close_notify(t, true);
	t->ops->on_head(r, t->arg);
}

static size_t
on_header(char *data, size_t size UNUSED, size_t n, void *arg)
{
	struct transfer *t = arg;

	t->last_ms = clock_now_ms();
	if (t->failing || response_line(&t->response, data, n) < 0)
		return 0;
	if (t->response.state == RESPONSE_ENDED)
		check_head(t);
	return t->failing ? 0 : n;
}

static size_t
discard(struct transfer *t, size_t n)
{
	t->discarded += n;
	if (t->discarded <= DISCARD_MAX)
		return n;
	t->body_cut = true;
	return CURL_WRITEFUNC_ERROR;
}

static size_t
on_body(char *data, size_t size UNUSED, size_t n, void *arg)
{
	struct transfer *t = arg;
	uint64_t max = spec_number(t->req.spec, JOB_MAX_FILESIZE);

	t->last_ms = clock_now_ms();
	response_body_started(&t->response);
	/* It may come again after an error was returned (curl 13337). */
	if (t->failing || t->body_cut)
		return CURL_WRITEFUNC_ERROR;
	if (!t->head_done)
		return discard(t, n);
	t->received += n;
	if (max && t->received > max) {
		struct result why = { 0 };

		result_set(&why, RESULT_TOO_LARGE, "%s sent more than %llu bytes, the job's max-filesize", t->host,
		    (unsigned long long)max);
		transfer_fail(t, &why);
		return CURL_WRITEFUNC_ERROR;
	}
	t->ops->on_body(data, n, t->arg);
	return t->failing ? CURL_WRITEFUNC_ERROR : n;
}

static CURL *
handle_get(struct xfer *x)
{
	CURL *easy = x->n_handles ? x->handles[--x->n_handles] : curl_easy_init();

	if (!easy)
		fatal(1, "no memory for libcurl");
	return easy;
}

/* A handle keeps nothing of its last request but warm memory. */
static void
handle_put(struct xfer *x, CURL *easy)
{
	if (x->n_handles == FREE_HANDLES_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	x->handles[x->n_handles++] = easy;
}

static void
begin(struct transfer *t)
{
	struct xfer *x = t->xfer;
	struct result why = { 0 };

	t->easy = handle_get(x);
	if (request_apply(t->easy, &t->req, x->options.default_proxy, x->common, &t->state, &why) < 0) {
		handle_put(x, TAKE_PTR(t->easy));
		transfer_fail(t, &why);
		return;
	}
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	if (t->identity->store) {
		(void)curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
		(void)curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_DATA, t->identity);
	}
	t->started_ms = t->last_ms = clock_now_ms();
	if (curl_glue_add(t->identity->glue, t->easy) < 0) {
		handle_put(x, TAKE_PTR(t->easy));
		result_set(&why, RESULT_INTERNAL, "libcurl did not take the transfer");
		transfer_fail(t, &why);
	}
}

static void
begin_with_certificates(void *arg)
{
	struct transfer *t = arg;
	struct result why = { 0 };
	const char *error;

	if (!ca_is_ready(t->identity->store, &error)) {
		ca_wait(t->identity->store, &t->waiter);
		return;
	}
	if (!error) {
		begin(t);
		return;
	}
	result_set(&why, RESULT_TLS, "%s", error);
	transfer_fail(t, &why);
}

/* A failure that libcurl did not tell: take the handle away from it. */
static void
on_failed(void *arg)
{
	struct transfer *t = arg;
	struct transfer_report end = { .result = t->failure, .response = &t->response, .received = t->received };

	end.result.http_status = t->response.status;
	if (t->easy)
		read_times(t, &end.times);
	finish(t, &end);
}

static const char *
cacert_of(const struct transfer_request *req)
{
	const char *path = spec_string(req->spec, JOB_CACERT);

	return path || !req->host ? path : spec_string(req->host, HOST_CACERT);
}

/* The pool of connections for what makes a TLS identity. */
static struct identity *
identity_get(struct xfer *x, const struct transfer_request *req, bool tls)
{
	const char *ca = cacert_of(req), *cert = NULL, *pin = NULL;
	struct identity *id;

	if (req->at_origin) {
		cert = spec_string(req->spec, JOB_CERT);
		pin = spec_string(req->spec, JOB_PINNEDPUBKEY);
	}
	AUTO_FREE char *key = !tls ? xstrdup("") : xasprintf("%s\n%s\n%s", ca ? ca : "", cert ? cert : "", pin ? pin : "");

	LIST_FOREACH(id, &x->identities, struct identity, link)
		if (text_equal(id->key, key))
			return id;
	id = NEW(struct identity);
	id->xfer = x;
	id->key = TAKE_PTR(key);
	id->store = tls ? ca_get(x->ca, ca) : NULL;
	id->glue = curl_glue_new(x->loop, &glue_ops, id);
	list_append(&x->identities, &id->link);
	return id;
}

struct transfer *
transfer_start(struct xfer *x, const struct transfer_request *req, const struct transfer_ops *ops, void *arg)
{
	struct transfer *t = NEW(struct transfer);
	const char *why = NULL;
	struct url u = { 0 };

	t->xfer = x;
	t->req = *req;
	t->url = xstrdup(req->url);
	t->req.url = t->url;
	t->ops = ops;
	t->arg = arg;
	t->held_fd = CURL_SOCKET_BAD;
	t->waiter = (struct ca_waiter){ .cb = begin_with_certificates, .arg = t };
	t->started_ms = t->last_ms = clock_now_ms();
	list_init(&t->waiter.link);
	loop_deferred_init(&t->end, "transfer end", on_failed, t);
	response_init(&t->response);
	list_append(&x->active, &t->link);
	if (url_parse(t->url, &u, &why) < 0) {
		struct result bad = { 0 };

		result_set(&bad, RESULT_UNSUPPORTED, "the url is not usable: %s", why);
		t->host = xstrdup("?");
		transfer_fail(t, &bad);
		return t;
	}
	t->host = url_host(&u);
	t->tls = url_scheme_is(&u, "https");
	t->identity = identity_get(x, req, t->tls);
	if (t->tls)
		begin_with_certificates(t);
	else
		begin(t);
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	struct xfer *x = t->xfer;

	if (t->held)
		curl_glue_hold(t->identity->glue, t->held_fd, false);
	if (t->easy) {
		watch_close_notify(t, false);
		/* Of a handle that is not in a multi curl says so and does nothing. */
		(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, NULL);
		curl_glue_remove(t->identity->glue, t->easy);
		handle_put(x, t->easy);
	}
	request_done(&t->state);
	response_done(&t->response);
	loop_undefer(&t->end);
	list_remove(&t->waiter.link);
	list_remove(&t->link);
	free(t->url);
	free(t->host);
	free(t);
}

void
transfer_fail(struct transfer *t, const struct result *why)
{
	if (t->failing)
		return;
	t->failing = true;
	t->failure = *why;
	loop_defer(t->xfer->loop, &t->end);
}

/* HTTP/1 transfers have a socket of their own; over HTTP/2 only libcurl can
 * hold one of several (FIELD 8: it still takes a window). */
void
transfer_hold(struct transfer *t, bool held)
{
	if (!t->easy || t->held == held)
		return;
	if (t->response.major >= 2 || t->paused) {
		t->held = t->paused = held;
		(void)curl_easy_pause(t->easy, held ? CURLPAUSE_RECV : CURLPAUSE_CONT);
		t->last_ms = clock_now_ms();
		return;
	}
	if (held && (curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &t->held_fd) != CURLE_OK ||
			t->held_fd == CURL_SOCKET_BAD))
		return;
	t->held = held;
	t->last_ms = clock_now_ms();
	curl_glue_hold(t->identity->glue, t->held_fd, held);
	if (!held)
		curl_glue_kick(t->identity->glue, t->held_fd); /* t may be gone now */
}

void
xfer_check_stalls(struct xfer *x)
{
	uint64_t now = clock_now_ms();
	struct transfer *t;

	LIST_FOREACH(t, &x->active, struct transfer, link) {
		uint64_t stall = spec_number(t->req.spec, JOB_STALL_TIMEOUT);
		uint64_t max = spec_number(t->req.spec, JOB_MAX_TIME);
		struct result why = { 0 };

		if (max && now - t->started_ms > max) {
			result_set(&why, RESULT_TIMEOUT, "the attempt took longer than max-time (%llu ms), %llu bytes came",
			    (unsigned long long)max, (unsigned long long)t->received);
			transfer_fail(t, &why);
		} else if (!t->held && now > t->last_ms && now - t->last_ms > stall) {
			result_set(&why, RESULT_STALLED, "no byte from %s for %llu ms (stall-timeout), %llu bytes came",
			    t->host, (unsigned long long)stall, (unsigned long long)t->received);
			transfer_fail(t, &why);
		}
	}
}

uint64_t
transfer_received(const struct transfer *t)
{
	return t->received;
}

const char *
transfer_phase(const struct transfer *t)
{
	return t->head_done ? "download" : "connect";
}

int
xfer_global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_err("libcurl cannot be initialised");
		return -EIO;
	}
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS)) {
		log_err("this libcurl resolves names without threads, which would block the loop");
		return -ENOTSUP;
	}
	return 0;
}

void
xfer_global_cleanup(void)
{
	curl_global_cleanup();
}

const char *
xfer_versions(void)
{
	return curl_version();
}

struct xfer *
xfer_new(struct loop *l, const struct xfer_options *o)
{
	struct xfer *x = NEW(struct xfer);

	x->loop = l;
	x->options = *o;
	x->ca = ca_new(l);
	x->common = request_common_headers();
	list_init(&x->identities);
	list_init(&x->active);
	if (ssl_transfer_index < 0)
		ssl_transfer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return x;
}

void
xfer_free(struct xfer *x)
{
	struct identity *id;

	if (!x)
		return;
	assert(list_empty(&x->active));
	while (x->n_handles)
		curl_easy_cleanup(x->handles[--x->n_handles]);
	LIST_FOREACH(id, &x->identities, struct identity, link) {
		curl_glue_free(id->glue);
		free(id->key);
		free(id);
	}
	ca_free(x->ca);
	curl_slist_free_all(x->common);
	free(x);
}

void
xfer_prepare(struct xfer *x, const struct spec *spec, bool https)
{
	const char *path = spec_string(spec, JOB_CACERT);

	if (https || path)
		(void)ca_get(x->ca, path);
}
