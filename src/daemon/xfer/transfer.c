/* One request and its answer; see transfer.h. */
#include "daemon/xfer/transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "daemon/xfer/gate.h"
#include "daemon/xfer/hop.h"
#include "daemon/xfer/identity.h"
#include "daemon/xfer/outcome.h"
#include "daemon/xfer/pace.h"
#include "daemon/xfer/request.h"

enum {
	CALL_MS = 5,             /* that a call into libcurl may go on receiving */
	DISCARD_MAX = 64 * 1024, /* of a body that is not the file, to keep the connection */
	LOOK_MS = 1000,          /* without a byte, then it is asked whether its connection is there */
	WINDOW_LEAST = 32 * 1024, /* receive buffers of limited transfers */
	WINDOW_MOST = 1024 * 1024,
};

struct xfer {
	struct loop *loop;
	struct xfer_options options;
	struct ca *ca;             /* owned */
	struct address_policy *addresses; /* owned */
	struct curl_slist *common; /* owned */
	struct list identities;
	struct loop_deferred trim; /* of identities */
	struct list active; /* struct transfer */
	uint64_t last_ms;   /* of the last byte of any */
	uint64_t made, kept; /* connections that requests went over */
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
	struct curl_glue_use use;
	struct gate gate;
	struct ca_waiter waiter;
	struct loop_deferred end; /* a failure that curl does not tell */
	struct response response;
	struct result failure;
	uint64_t received, discarded;
	struct pace pace;
	bool tls, close_notify;
	bool head_done;  /* on_head was called: the body is the file */
	bool body_cut;   /* stopped reading a body that is not the file */
	bool failing;    /* failure is set */
	bool fresh;      /* only a new connection will do */
	bool held, paused;
};

static void
finish(struct transfer *t, struct transfer_report *end)
{
	t->ops->on_done(end, t->arg);
	transfer_cancel(t);
}

static void
judge(struct transfer *t, enum transfer_end how, struct transfer_report *ret)
{
	struct complete_input in = {
		.response = &t->response,
		.rest = t->req.rest,
		.conditional = t->req.conditional,
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
	ret->unchanged = in.conditional && ret->result.code == RESULT_OK && t->response.status == 304;
}

/* Behind what libcurl says of a stream stands why.  A header that HTTP/2 does not allow never
 * comes to us: it is seen by nothing else. */
static void
judge_end(struct transfer *t, enum transfer_end how, struct transfer_report *ret)
{
	bool broken = !response_is_final(&t->response) && outcome_is_bad_http2(t->state.error);

	judge(t, broken ? END_GARBAGE : how, ret);
	if ((broken || how == END_STREAM_ERROR) && ret->result.code != RESULT_OK && !ret->redirect && t->state.error[0])
		result_add(&ret->result, ": %s", t->state.error);
}

/* What stood there may not be used again: its name may have other addresses. */
static bool
connect_anew(struct transfer *t)
{
	if (t->fresh || t->failing)
		return false;
	t->fresh = true;
	gate_apply(&t->gate, t->easy);
	(void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* they may have changed */
	return curl_glue_add(t->identity->glue, t->easy, &t->use) == 0;
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
	(void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
	if (t->gate.stopped && connects == 0 && connect_anew(t))
		return;
	if (connects > 0)
		t->xfer->made += (uint64_t)connects;
	else
		t->xfer->kept++;
	outcome_read_times(easy, &end.times);
	end.started_ms = t->pace.started;
	outcome_look(easy, rc, t->response.status || t->response.malformed || t->failing || t->gate.stopped, &end);
	end.received = t->received;
	end.response = &t->response;
	end.is_public = t->gate.is_public && t->response.status;
	if (t->failing)
		end.result = t->failure;
	else if (gate_has_refused(&t->gate, rc, t->host, &end.result))
		;
	else if (t->response.malformed || t->body_cut)
		judge(t, t->body_cut ? END_CLEAN : END_GARBAGE, &end);
	else if (outcome_is_body_end(rc, &how))
		judge_end(t, how, &end);
	else
		outcome_explain(easy, rc, t->state.error, t->host, &end.result);
	if (!end.result.http_status)
		end.result.http_status = t->response.status;
	finish(t, &end);
}

static void
on_delivered(void *arg)
{
	struct xfer *x = ((struct identity *)arg)->owner;

	if (x->options.on_delivered)
		x->options.on_delivered(x->options.arg);
}

/* libcurl is of no use any more: all of this identity end, and may be tried
 * again with a new one. */
static void
on_broken(void *arg)
{
	struct identity *id = arg;
	struct xfer *x = id->owner;
	struct result why = { 0 };
	struct transfer *t;

	result_set(&why, RESULT_INTERNAL, "libcurl's event interface failed");
	LIST_FOREACH(t, &x->active, struct transfer, link)
		if (t->identity == id && t->easy) {
			curl_glue_remove(id->glue, t->easy);
			curl_easy_cleanup(TAKE_PTR(t->easy));
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

	if (!response_is_final(r) || t->head_done || hop_is_redirect(r->status))
		return;
	if (t->req.rest.start && (r->status == 200 || r->status == 206) && !complete_is_rest(r, &t->req.rest, &why)) {
		transfer_fail(t, &why);
		return;
	}
	if (r->status != (t->req.rest.start ? 206 : 200))
		return;
	if (r->coded && !t->req.has_digest) {
		result_set(&why, RESULT_ENCODING_REFUSED,
		    "%s sent the file with Content-Encoding: %s, which nobody asked for", t->host, r->coding);
		transfer_fail(t, &why);
		return;
	}
	if (max && r->has_length && !r->chunked && t->req.rest.start + r->length > max) {
		result_set(&why, RESULT_TOO_LARGE, "%s announces %llu bytes, max-filesize is %llu", t->host,
		    (unsigned long long)(t->req.rest.start + r->length), (unsigned long long)max);
		transfer_fail(t, &why);
		return;
	}
	if (r->chunked && r->has_length)
		log_debug("%s sent both a length and chunks: the chunks count", log_safe(t->host));
	t->head_done = true;
	/* Only a body that ends with its connection: the SSL dies with it. */
	if (t->tls && !r->has_length && !r->chunked && r->major < 2)
		identity_watch_close_notify(t->easy, &t->close_notify);
	t->ops->on_head(r, t->arg);
}

/* All that came of a body, the file's or not. */
static uint64_t
bytes_of(const struct transfer *t)
{
	return t->received + t->discarded;
}

static size_t
on_header(char *data, size_t size UNUSED, size_t n, void *arg)
{
	struct transfer *t = arg;

	t->xfer->last_ms = clock_now_ms();
	pace_header(&t->pace, t->xfer->last_ms);
	if (t->failing || response_line(&t->response, data, n) < 0)
		return 0;
	if (response_is_final(&t->response) && t->response.state == RESPONSE_ENDED) {
		pace_begin(&t->pace, clock_now_ms(), bytes_of(t));
		check_head(t);
	}
	return t->failing ? 0 : n;
}

/* Its connection has others on it, or may have. */
static bool
is_shared(const struct transfer *t)
{
	return t->identity->shared && (!t->response.major || t->response.major >= 2);
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

void
transfer_rest(struct transfer *t)
{
	if (!is_shared(t))
		curl_glue_stop(t->identity->glue, t->easy);
}

/* More than the job may have, or than the rest of the file: chunks may go on for ever. */
static bool
is_too_much(struct transfer *t)
{
	uint64_t max = spec_number(t->req.spec, JOB_MAX_FILESIZE), start = t->req.rest.start;
	struct result why = { 0 };

	if (max && start + t->received > max)
		result_set(&why, RESULT_TOO_LARGE, "%s sent more than %llu bytes, the job's max-filesize", t->host,
		    (unsigned long long)max);
	else if (start && start + t->received > t->req.rest.total)
		result_set(&why, RESULT_RANGE_CHANGED, "%s sent more than the rest of the file, which has %llu bytes", t->host,
		    (unsigned long long)t->req.rest.total);
	else
		return false;
	transfer_fail(t, &why);
	return true;
}

static size_t
on_body(char *data, size_t size UNUSED, size_t n, void *arg)
{
	struct transfer *t = arg;
	uint64_t now = clock_now_ms();

	t->xfer->last_ms = now;
	pace_touch(&t->pace, now);
	response_body_started(&t->response);
	/* It may come again after an error was returned (curl 13337). */
	if (t->failing || t->body_cut)
		return CURL_WRITEFUNC_ERROR;
	if (!t->head_done)
		return discard(t, n);
	t->received += n;
	if (is_too_much(t))
		return CURL_WRITEFUNC_ERROR;
	t->ops->on_body(data, n, t->arg);
	if (now - curl_glue_call_ms(t->identity->glue) >= CALL_MS)
		transfer_rest(t); /* the loop is not to be late */
	return t->failing ? CURL_WRITEFUNC_ERROR : n;
}

/* An eighth of a second at the limit, within reason. */
static int
receive_window(uint64_t limit)
{
	return limit && limit / 8 < WINDOW_MOST ? (int)MAX(limit / 8, (uint64_t)WINDOW_LEAST) : 0;
}

static void
begin(struct transfer *t)
{
	struct xfer *x = t->xfer;
	struct result why = { 0 };

	t->easy = identity_new_handle(t->identity);
	if (request_apply(t->easy, &t->req, x->options.default_proxy, &t->state, &why) < 0) {
		curl_easy_cleanup(TAKE_PTR(t->easy));
		transfer_fail(t, &why);
		return;
	}
	t->gate = (struct gate){ .policy = (const struct address_policy *const *)&x->addresses,
		.led_public = t->req.led_public, .proxied = t->state.proxied };
	t->use = (struct curl_glue_use){ receive_window(t->req.limit_rate), gate_may_connect, &t->gate };
	gate_apply(&t->gate, t->easy);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	pace_start(&t->pace, clock_now_ms());
	if (curl_glue_add(t->identity->glue, t->easy, &t->use) < 0) {
		curl_easy_cleanup(TAKE_PTR(t->easy));
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
	end.started_ms = t->pace.started;
	end.reach = t->response.status ? REACH_MADE : REACH_UNKNOWN;
	if (t->easy)
		outcome_read_times(t->easy, &end.times);
	finish(t, &end);
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
	t->waiter = (struct ca_waiter){ .cb = begin_with_certificates, .arg = t };
	pace_start(&t->pace, clock_now_ms());
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
	t->identity = identity_get(&x->identities, x->loop, x->ca, x->common, req, t->tls, &glue_ops, x);
	loop_defer(x->loop, &x->trim);
	if (t->tls)
		begin_with_certificates(t);
	else
		begin(t);
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	t->failing = true; /* nobody wants what comes from now on */
	if (t->paused && t->easy) /* else libcurl forgets what it kept of it, and never frees that */
		(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
	else if (t->held && t->easy)
		(void)curl_glue_hold(t->identity->glue, t->easy, false);
	if (t->easy) {
		identity_watch_close_notify(t->easy, NULL);
		/* Of a handle that is not in a multi curl says so and does nothing. */
		(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, NULL);
		/* An HTTP/2 server is told with the next that goes over the connection: when it
		 * is nobody else's, by its end.  Before the answer it may be one. */
		if (t->response.major != 1)
			(void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
		curl_glue_remove(t->identity->glue, t->easy);
		curl_easy_cleanup(t->easy);
	}
	if (t->identity)
		t->identity->users--;
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

void
transfer_hold(struct transfer *t, bool held)
{
	if (!t->easy || t->held == held)
		return;
	if (t->paused || is_shared(t)) {
		t->held = t->paused = held;
		(void)curl_easy_pause(t->easy, held ? CURLPAUSE_RECV : CURLPAUSE_CONT);
		pace_begin(&t->pace, clock_now_ms(), bytes_of(t));
		return;
	}
	if (!curl_glue_hold(t->identity->glue, t->easy, held))
		return;
	t->held = held;
	pace_begin(&t->pace, clock_now_ms(), bytes_of(t));
	if (!held)
		curl_glue_kick(t->identity->glue, t->easy); /* t may be gone now */
}

bool
transfer_is_shared(const struct transfer *t)
{
	return t->easy && !t->failing && is_shared(t);
}

void
xfer_check_stalls(struct xfer *x)
{
	uint64_t now = clock_now_ms();
	struct identity *id;
	struct transfer *t;
	bool quiet = false;

	LIST_FOREACH(t, &x->active, struct transfer, link) {
		struct result why = { 0 };

		quiet |= !t->held && now - t->pace.last >= LOOK_MS;
		if (pace_is_late(&t->pace, now, bytes_of(t), t->held, t->req.spec, t->host, &why))
			transfer_fail(t, &why);
	}
	LIST_FOREACH(id, &x->identities, struct identity, link)
		if (quiet && id->shared)
			curl_glue_look(id->glue);
}

void
xfer_connections(const struct xfer *x, uint64_t *ret_made, uint64_t *ret_kept)
{
	*ret_made = x->made;
	*ret_kept = x->kept;
}

uint64_t
xfer_last_byte_ms(const struct xfer *x)
{
	return x->last_ms;
}

uint64_t
transfer_received(const struct transfer *t)
{
	return t->received;
}

void
transfer_peer(const struct transfer *t, struct transfer_peer *ret)
{
	peer_look(t->easy, ret);
}

static void
trim(void *arg)
{
	identity_trim(&((struct xfer *)arg)->identities);
}

struct xfer *
xfer_new(struct loop *l, const struct xfer_options *o)
{
	struct xfer *x = NEW(struct xfer);

	x->loop = l;
	x->options = *o;
	x->ca = ca_new(l);
	x->common = request_common_headers();
	x->addresses = address_policy_new();
	list_init(&x->identities);
	list_init(&x->active);
	loop_deferred_init(&x->trim, "identities", trim, x);
	identity_global_init();
	return x;
}

void
xfer_free(struct xfer *x)
{
	struct identity *id;

	if (!x)
		return;
	assert(list_empty(&x->active));
	LIST_FOREACH(id, &x->identities, struct identity, link)
		identity_free(id);
	loop_undefer(&x->trim);
	ca_free(x->ca);
	address_policy_free(x->addresses);
	curl_slist_free_all(x->common);
	free(x);
}

void
xfer_set_addresses(struct xfer *x, const struct spec *daemon)
{
	address_policy_free(x->addresses);
	x->addresses = gate_read_policy(daemon);
}

void
xfer_prepare(struct xfer *x, const struct spec *spec, bool https)
{
	const char *path = spec_string(spec, JOB_CACERT);

	if (https || path)
		ca_prepare(x->ca, path);
}
