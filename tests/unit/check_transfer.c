/*
 * Transfers against a small server (http_server.h): ends, holding, short calls,
 * cancelling in every phase, limits, and what identities may share.  Names are
 * looked up by this program's own getaddrinfo(3), which can be slow.
 */
#include "daemon/xfer/library.h"
#include "daemon/xfer/transfer.h"

#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/xfer/ca.h"
#include "daemon/xfer/identity.h"
#include "http_server.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { WAIT_MS = 50000, MIB = 1024 * 1024, BLACK_HOLE_S = 60, QUICK_MS = BLACK_HOLE_S * 1000 / 4 };

/* A resolver that answers after seconds, as one whose packets are dropped. */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct timespec t = { .tv_sec = BLACK_HOLE_S };

	if (name && strcmp(name, "blackhole.example") == 0) {
		(void)nanosleep(&t, NULL);
		return EAI_AGAIN;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, hints, ret);
}

/* One transfer and all that was told of it. */
struct get {
	struct transfer *t;
	struct spec *spec;
	unsigned heads, dones;
	struct buf body;    /* its first bytes */
	uint64_t received;  /* through on_body, of the pattern */
	bool wrong;         /* a byte that is not the pattern's */
	bool has_length;
	uint64_t length;
	char etag[32], location[64];
	/* Of the end. */
	struct result result;
	enum proof proof;
	bool redirect;
	uint64_t reported;
	/* What the test wants. */
	uint64_t fail_at;   /* transfer_fail() in on_body from there on */
	uint64_t burn_us;   /* CPU time that each on_body takes */
	bool rests;         /* transfer_rest() in each */
	unsigned bodies;    /* calls of on_body since the last on_delivered */
};

static struct {
	char *dir;  /* owned */
	char *cert; /* owned: the server's certificate */
	struct http_server server;
	struct loop *loop;
	struct xfer *xfer;
	struct get gets[4];
	unsigned delivered, most_bodies;
	bool inside; /* a function of transfer.h is running */
} rig;

static void
burn(uint64_t us)
{
	uint64_t end = clock_thread_cpu_ns() + us * 1000;

	while (us && clock_thread_cpu_ns() < end)
		;
}

static void
on_head(const struct response *r, void *arg)
{
	struct get *g = arg;

	ck_assert_uint_eq(g->received, 0);
	g->heads++;
	g->has_length = r->has_length;
	g->length = r->length;
}

static void
on_body(const void *data, size_t n, void *arg)
{
	struct get *g = arg;
	const uint8_t *p = data;

	ck_assert_uint_eq(g->heads, 1);
	ck_assert_uint_eq(g->dones, 0);
	for (size_t i = 0; i < n; i += 97)
		g->wrong |= p[i] != pattern_at(g->received + i);
	if (buf_len(&g->body) < 8192)
		buf_append(&g->body, data, n);
	g->received += n;
	g->bodies++;
	if (g->rests)
		transfer_rest(g->t);
	burn(g->burn_us);
	if (g->fail_at && g->received >= g->fail_at) {
		struct result why = { 0 };

		result_set(&why, RESULT_DISK_FULL, "said the test");
		transfer_fail(g->t, &why);
		transfer_fail(g->t, &(struct result){ .code = RESULT_INTERNAL }); /* the first one counts */
	}
}

static void
on_done(const struct transfer_report *end, void *arg)
{
	struct get *g = arg;

	ck_assert(!rig.inside);
	g->dones++;
	ck_assert_uint_eq(g->dones, 1);
	g->t = NULL;
	g->result = end->result;
	g->proof = end->proof;
	g->redirect = end->redirect;
	g->reported = end->received;
	ck_assert_uint_le(end->times.dns, end->times.total);
	ck_assert_uint_le(end->times.first_byte, end->times.total);
	if (end->response->etag)
		(void)snprintf(g->etag, sizeof g->etag, "%s", end->response->etag);
	if (end->response->location)
		(void)snprintf(g->location, sizeof g->location, "%s", end->response->location);
}

static const struct transfer_ops ops = { on_head, on_body, on_done };

static void
on_delivered(void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	rig.delivered++;
	for (unsigned i = 0; i < ARRAY_SIZE(rig.gets); i++) {
		rig.most_bodies = MAX(rig.most_bodies, rig.gets[i].bodies);
		rig.gets[i].bodies = 0;
	}
}

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct xfer_options o = { .default_proxy = "", .on_delivered = on_delivered, .arg = &rig };

	memset(&rig, 0, sizeof rig);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	log_init("check", false);
	rig.dir = temp_dir_new();
	rig.cert = xasprintf("%s/cert.pem", rig.dir);
	server_start(&rig.server, rig.cert);
	ck_assert_int_eq(xfer_global_init(), 0);
	rig.loop = loop_new();
	rig.xfer = xfer_new(rig.loop, &o);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rig.gets); i++) {
		if (rig.gets[i].t)
			transfer_cancel(rig.gets[i].t);
		spec_unref(rig.gets[i].spec);
		buf_done(&rig.gets[i].body);
	}
	xfer_free(rig.xfer);
	xfer_free(NULL);
	loop_free(rig.loop);
	server_stop(&rig.server);
	free(rig.cert);
	temp_dir_remove(rig.dir);
}

/* ---- One request ---- */

static struct spec *
spec_of(struct buf *b)
{
	struct spec *s = NULL;

	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(b), buf_len(b), NULL, &s), 0);
	return s;
}

/* Settings are put into b before; more sets what the request has besides. */
static void
start_with(struct get *g, const char *url, struct buf *b, const struct transfer_request *more)
{
	struct transfer_request req = *more;
	struct buf old = g->body;

	ck_assert_ptr_null(g->t);
	buf_consume(&old, buf_len(&old));
	spec_unref(g->spec);
	*g = (struct get){ .spec = spec_of(b), .body = old, .fail_at = g->fail_at, .burn_us = g->burn_us,
	    .rests = g->rests };
	req.url = url;
	req.spec = g->spec;
	rig.inside = true;
	g->t = transfer_start(rig.xfer, &req, &ops, g);
	rig.inside = false;
	ck_assert_ptr_nonnull(g->t);
}

static const struct transfer_request plain = { .at_origin = true };

static char *
url_of(const char *path)
{
	return xasprintf("http://127.0.0.1:%u%s", rig.server.port, path);
}

static char *
tls_url_of(const char *path)
{
	return xasprintf("https://127.0.0.1:%u%s", rig.server.tls_port, path);
}

static void
start(struct get *g, const char *path)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of(path);

	start_with(g, url, &b, &plain);
}

static bool
is_done(void *arg)
{
	return ((struct get *)arg)->dones > 0;
}

static bool
has_bytes(void *arg)
{
	return ((struct get *)arg)->received > 0;
}

static void
await(struct get *g)
{
	ck_assert_msg(loop_until(rig.loop, is_done, g, WAIT_MS), "the transfer does not end");
	ck_assert_uint_eq(g->dones, 1);
}

static void
await_bytes(struct get *g)
{
	ck_assert(loop_until(rig.loop, has_bytes, g, WAIT_MS));
	ck_assert_uint_eq(g->dones, 0);
}

static struct get *
fetch(const char *path)
{
	struct get *g = &rig.gets[0];

	start(g, path);
	await(g);
	return g;
}

static void
assert_code(const struct get *g, enum result_code code, const char *says)
{
	ck_assert_msg(g->result.code == code, "%s: %s", result_word(&g->result), g->result.text);
	ck_assert_msg(strstr(g->result.text, says), "%s", g->result.text);
}

static void
cancel(struct get *g)
{
	struct transfer *t = g->t;

	g->t = NULL;
	transfer_cancel(t);
}

/* ---- Ends ---- */

START_TEST(a_file_with_a_length_comes_whole)
{
	struct get *g = fetch("/big/3000000");

	assert_code(g, RESULT_OK, "");
	ck_assert_int_eq(g->proof, PROOF_LENGTH);
	ck_assert(g->has_length);
	ck_assert_uint_eq(g->length, 3000000);
	ck_assert_uint_eq(g->received, 3000000);
	ck_assert_uint_eq(g->reported, 3000000);
	ck_assert(!g->wrong);
	ck_assert_uint_gt(rig.delivered, 0);
}
END_TEST

START_TEST(a_file_in_chunks_comes_whole)
{
	struct get *g = fetch("/chunked/3000000");

	assert_code(g, RESULT_OK, "");
	ck_assert_int_eq(g->proof, PROOF_CHUNKED);
	ck_assert(!g->has_length);
	ck_assert_uint_eq(g->received, 3000000);
	ck_assert(!g->wrong);
}
END_TEST

START_TEST(a_file_over_tls_comes_whole)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = tls_url_of("/big/3000000");
	struct get *g = &rig.gets[0];

	spec_put_string(&b, JOB_CACERT, rig.cert);
	start_with(g, url, &b, &plain);
	await(g);
	assert_code(g, RESULT_OK, "");
	ck_assert_uint_eq(g->received, 3000000);
	ck_assert(!g->wrong);
}
END_TEST

/* Only close_notify proves such an end, and it is seen. */
START_TEST(an_end_by_closing_is_proven_by_tls_alone)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = tls_url_of("/nolength/300000");
	struct get *g = fetch("/nolength/300000");

	assert_code(g, RESULT_UNPROVEN, "allow-unproven");
	spec_put_string(&b, JOB_CACERT, rig.cert);
	start_with(g, url, &b, &plain);
	await(g);
	assert_code(g, RESULT_OK, "");
	ck_assert_int_eq(g->proof, PROOF_CLOSE_NOTIFY);
	ck_assert_uint_eq(g->received, 300000);
}
END_TEST

START_TEST(an_unproven_end_is_left_to_who_can_tell)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of("/nolength/1000");
	struct get *g = &rig.gets[0];

	start_with(g, url, &b, &(struct transfer_request){ .has_digest = true });
	await(g);
	assert_code(g, RESULT_OK, "digest");
	start_with(g, url, &b, &(struct transfer_request){ .has_codec = true });
	await(g);
	assert_code(g, RESULT_OK, "compressed");
	spec_put_number(&b, JOB_ALLOW_UNPROVEN, 1);
	start_with(g, url, &b, &plain);
	await(g);
	assert_code(g, RESULT_OK, "allow-unproven");
	ck_assert_int_eq(g->proof, PROOF_NONE);
}
END_TEST

START_TEST(a_body_that_is_cut_is_truncated)
{
	struct get *g = fetch("/cut/100000");

	assert_code(g, RESULT_TRUNCATED, "100000 of 100001");
	ck_assert_uint_eq(g->reported, 100000);
}
END_TEST

START_TEST(an_error_page_is_not_the_file)
{
	struct get *g = fetch("/404");

	assert_code(g, RESULT_HTTP, "404");
	ck_assert_int_eq(g->result.http_status, 404);
	ck_assert_str_eq(result_word(&g->result), "http-404");
	ck_assert_uint_eq(g->heads, 0);
	ck_assert_uint_eq(g->received, 0);
	ck_assert(!g->redirect);
}
END_TEST

START_TEST(a_redirect_is_reported_and_not_followed)
{
	struct get *g = fetch("/302");

	ck_assert(g->redirect);
	ck_assert_int_eq(g->result.http_status, 302);
	ck_assert_str_eq(g->location, "/elsewhere?x=1");
	ck_assert_uint_eq(g->heads, 0);
	g = fetch("/ok"); /* its short body was read, so that the connection lives */
	ck_assert_str_eq(g->etag, "\"1-2-0\"");
}
END_TEST

START_TEST(nobody_there_is_told)
{
	AUTO_BUF struct buf b = { 0 };
	struct get *g = &rig.gets[0];
	unsigned port;
	int fd = server_listen(&port);
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%u/x", port);

	fd_close(&fd);
	start_with(g, url, &b, &plain);
	await(g);
	assert_code(g, RESULT_CONNECT, "127.0.0.1");
}
END_TEST

START_TEST(a_url_that_is_none_fails_later_too)
{
	AUTO_BUF struct buf b = { 0 };
	struct get *g = &rig.gets[0];

	start_with(g, "http:///x", &b, &plain); /* on_done is not called from inside */
	ck_assert_uint_eq(g->dones, 0);
	await(g);
	assert_code(g, RESULT_UNSUPPORTED, "url");
}
END_TEST

START_TEST(a_failure_told_in_the_body_ends_it)
{
	struct get *g = &rig.gets[0];

	g->fail_at = 100000;
	start(g, "/endless");
	await(g);
	assert_code(g, RESULT_DISK_FULL, "said the test");
	ck_assert_uint_lt(g->received, 100000 + 2 * 16384);
	ck_assert_int_eq(g->result.http_status, 200);
}
END_TEST

/* ---- What is sent ---- */

static const char *
sent(struct get *g, const struct transfer_request *more)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of("/request");

	spec_put_string(&b, JOB_HEADER, "X-Secret: s3cret");
	spec_put_string(&b, JOB_HEADER, "X-Empty:");
	spec_put_string(&b, JOB_USER, "name:password");
	spec_put_string(&b, JOB_USER_AGENT, "agent/1");
	start_with(g, url, &b, more);
	await(g);
	assert_code(g, RESULT_OK, "");
	return buf_cstr(&g->body);
}

START_TEST(secrets_go_to_the_origin_only)
{
	const char *text = sent(&rig.gets[0], &(struct transfer_request){ .at_origin = true });

	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Secret: s3cret\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Empty:"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nAuthorization: Basic bmFtZTpwYXNzd29yZA==\r\n"));
	text = sent(&rig.gets[1], &(struct transfer_request){ .at_origin = false }); /* on the same connection */
	ck_assert_ptr_null(strcasestr(text, "secret"));
	ck_assert_ptr_null(strcasestr(text, "x-empty"));
	ck_assert_ptr_null(strcasestr(text, "authorization"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nUser-Agent: agent/1\r\n"));
}
END_TEST

START_TEST(the_headers_of_a_hosts_entry_go_to_its_hosts)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *host = NULL;
	const char *text;

	spec_put_string(&b, HOST_HEADER, "X-Team: a");
	ck_assert_int_eq(spec_new(SCOPE_HOST, buf_bytes(&b), buf_len(&b), NULL, &host), 0);
	text = sent(&rig.gets[0], &(struct transfer_request){ .at_origin = false, .host = host });
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Team: a\r\n"));
	ck_assert_ptr_null(strcasestr(text, "secret"));
}
END_TEST

START_TEST(the_bytes_are_asked_for_as_they_are)
{
	static const char want[] = "\r\nAccept-Encoding: identity\r\n";

	ck_assert_ptr_nonnull(strstr(sent(&rig.gets[0], &(struct transfer_request){ .at_origin = true }), want));
	ck_assert_ptr_nonnull(strstr(sent(&rig.gets[0], &(struct transfer_request){ .at_origin = false }), want));
	ck_assert_ptr_null(strcasestr(buf_cstr(&rig.gets[0].body), "\r\nRange:"));
}
END_TEST

/* ---- Holding ---- */

static void
hold(struct get *g, bool held)
{
	transfer_hold(g->t, held);
}

/* A sender as fast as loopback: libcurl would go on reading by its timers. */
START_TEST(holding_stops_the_bytes_and_letting_go_brings_them)
{
	struct get *g = &rig.gets[0];
	uint64_t at;

	start(g, "/big/100000000");
	await_bytes(g);
	for (unsigned i = 0; i < 3 && g->t; i++) {
		hold(g, true);
		at = g->received;
		ck_assert_uint_lt(at, 100000000);
		loop_for(rig.loop, 100);
		ck_assert_uint_eq(g->received, at);
		ck_assert_uint_eq(g->dones, 0);
		hold(g, false);
		loop_for(rig.loop, 2);
		ck_assert_uint_gt(g->received, at);
	}
	await(g);
	assert_code(g, RESULT_OK, "");
	ck_assert_uint_eq(g->received, 100000000);
	ck_assert(!g->wrong);
}
END_TEST

START_TEST(holding_works_over_tls)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = tls_url_of("/big/40000000");
	struct get *g = &rig.gets[0];
	uint64_t at;

	spec_put_string(&b, JOB_CACERT, rig.cert);
	start_with(g, url, &b, &plain);
	await_bytes(g);
	hold(g, true);
	at = g->received;
	ck_assert_uint_lt(at, 40000000);
	loop_for(rig.loop, 100);
	ck_assert_uint_eq(g->received, at);
	hold(g, false);
	await(g);
	assert_code(g, RESULT_OK, "");
	ck_assert_uint_eq(g->received, 40000000);
	ck_assert(!g->wrong);
}
END_TEST

START_TEST(holding_again_and_again_loses_nothing)
{
	struct get *g = &rig.gets[0], *other = &rig.gets[1];

	start(g, "/big/60000000");
	start(other, "/big/60000000");
	await_bytes(g);
	await_bytes(other);
	for (unsigned i = 0; i < 300 && g->t; i++) {
		hold(g, i % 2 == 0);
		if (other->t)
			hold(other, i % 3 == 0);
		loop_turn(rig.loop);
	}
	if (g->t)
		hold(g, false);
	if (other->t)
		hold(other, false);
	if (!g->dones)
		await(g);
	if (!other->dones)
		await(other);
	assert_code(g, RESULT_OK, "");
	assert_code(other, RESULT_OK, "");
	ck_assert(!g->wrong && !other->wrong);
}
END_TEST

START_TEST(holding_one_does_not_hold_another)
{
	struct get *held = &rig.gets[0], *other = &rig.gets[1];

	start(held, "/endless");
	await_bytes(held);
	hold(held, true);
	start(other, "/big/20000000");
	await(other);
	assert_code(other, RESULT_OK, "");
	cancel(held);
}
END_TEST

/* ---- Short calls ---- */

/* Bodies of 100 us in one call: 5 ms of them by a clock of milliseconds, and what was received in one piece, 512 KiB
 * in bites of 16. */
enum { BODIES_MOST = 60 + 32 + 2, PLENTY = 48 * MIB };

static bool
have_plenty(void *arg UNUSED)
{
	return rig.gets[0].received + rig.gets[1].received >= PLENTY;
}

/* Whatever comes, and however slowly it is taken: the loop turns (DESIGN I1). */
START_TEST(an_endless_sender_does_not_hold_the_loop)
{
	const struct loop_stats *stats = loop_get_stats(rig.loop);
	struct get *g = &rig.gets[0];

	g->burn_us = 100;
	start(g, "/endless");
	ck_assert(loop_until(rig.loop, have_plenty, NULL, WAIT_MS));
	ck_assert(!g->wrong);
	ck_assert_msg(stats->late_cpu == 0, "%s took %llu us", stats->max_name,
	    (unsigned long long)stats->max_cpu_ns / 1000);
	ck_assert_uint_le(rig.most_bodies, BODIES_MOST);
	cancel(g);
}
END_TEST

/* libcurl runs a second transfer in the call of the first, by its timers. */
START_TEST(two_endless_senders_have_their_turns)
{
	struct get *a = &rig.gets[0], *b = &rig.gets[1];

	a->burn_us = b->burn_us = 100;
	start(a, "/endless");
	start(b, "/endless");
	await_bytes(a);
	await_bytes(b);
	a->received = b->received = 0;
	a->wrong = b->wrong = false;
	ck_assert(loop_until(rig.loop, have_plenty, NULL, WAIT_MS));
	ck_assert_uint_gt(a->received, b->received / 4);
	ck_assert_uint_gt(b->received, a->received / 4);
	ck_assert_uint_le(rig.most_bodies, BODIES_MOST);
	ck_assert_uint_eq(loop_get_stats(rig.loop)->late_cpu, 0);
	cancel(a);
	cancel(b);
}
END_TEST

START_TEST(a_transfer_that_is_to_rest_takes_one_bite_a_call)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of("/big/2000000");
	struct get *g = &rig.gets[0];

	g->rests = true;
	start_with(g, url, &b, &(struct transfer_request){ .limit_rate = MIB, .bite = 16 << 10 });
	await(g);
	assert_code(g, RESULT_OK, "");
	ck_assert(!g->wrong);
	ck_assert_uint_eq(rig.most_bodies, 1);
}
END_TEST

/* ---- Cancelling ---- */

static unsigned
count_fds(void)
{
	AUTO_CLOSEDIR DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	return n;
}

/* At once, whatever a thread of the resolver is waiting for: even a machine that does
 * not run us for a second is quicker than that. */
static void
cancel_quickly(struct get *g)
{
	uint64_t begun = clock_now_ns(), took;

	cancel(g);
	took = (clock_now_ns() - begun) / NSEC_PER_MSEC;
	ck_assert_msg(took < QUICK_MS, "it took %llu ms", (unsigned long long)took);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(g->dones, 0);
}

START_TEST(cancel_right_after_the_start)
{
	start(&rig.gets[0], "/ok");
	cancel_quickly(&rig.gets[0]);
}
END_TEST

START_TEST(cancel_before_the_answer)
{
	start(&rig.gets[0], "/silent");
	loop_for(rig.loop, 30);
	cancel_quickly(&rig.gets[0]);
}
END_TEST

START_TEST(cancel_inside_the_body)
{
	uint64_t at;

	start(&rig.gets[0], "/endless");
	await_bytes(&rig.gets[0]);
	ck_assert_uint_eq(transfer_received(rig.gets[0].t), rig.gets[0].received);
	at = rig.gets[0].received;
	cancel_quickly(&rig.gets[0]);
	ck_assert_uint_eq(rig.gets[0].received, at);
}
END_TEST

START_TEST(cancel_while_held)
{
	unsigned before;
	struct get *g = fetch("/ok");

	before = count_fds();
	for (unsigned i = 0; i < 10; i++) {
		start(g, "/endless");
		await_bytes(g);
		hold(g, true);
		loop_turn(rig.loop);
		cancel_quickly(g);
	}
	g = fetch("/ok");
	assert_code(g, RESULT_OK, "");
	ck_assert_uint_le(count_fds(), before + 1);
}
END_TEST

START_TEST(cancel_inside_a_handshake)
{
	AUTO_BUF struct buf b = { 0 };
	unsigned port;
	AUTO_CLOSE int fd UNUSED = server_listen(&port); /* the kernel connects, nobody answers */
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%u/x", port);

	spec_put_string(&b, JOB_CACERT, rig.cert);
	start_with(&rig.gets[0], url, &b, &plain);
	loop_for(rig.loop, 50);
	cancel_quickly(&rig.gets[0]);
}
END_TEST

START_TEST(cancel_before_the_certificates_are_read)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = tls_url_of("/ok");

	spec_put_string(&b, JOB_CACERT, rig.cert);
	start_with(&rig.gets[0], url, &b, &plain);
	cancel_quickly(&rig.gets[0]);
}
END_TEST

START_TEST(cancel_after_it_failed_and_before_that_was_told)
{
	struct result why = { .code = RESULT_CANCELLED };

	start(&rig.gets[0], "/endless");
	await_bytes(&rig.gets[0]);
	transfer_fail(rig.gets[0].t, &why);
	cancel_quickly(&rig.gets[0]);
}
END_TEST

/* LIBRARIES 0.1: without CURLOPT_QUICK_EXIT libcurl joins its thread. */
START_TEST(cancel_while_a_name_is_looked_up_in_vain)
{
	AUTO_BUF struct buf b = { 0 };
	uint64_t begun;

	for (unsigned i = 0; i < ARRAY_SIZE(rig.gets); i++)
		start_with(&rig.gets[i], "http://blackhole.example/x", &b, &plain);
	loop_for(rig.loop, 100);
	for (unsigned i = 0; i < ARRAY_SIZE(rig.gets); i++)
		cancel_quickly(&rig.gets[i]);
	ck_assert_uint_lt(loop_get_stats(rig.loop)->max_wall_ns, QUICK_MS * NSEC_PER_MSEC);
	begun = clock_now_ns();
	xfer_free(TAKE_PTR(rig.xfer));
	ck_assert_uint_lt(clock_now_ns() - begun, QUICK_MS * NSEC_PER_MSEC);
}
END_TEST

START_TEST(a_look_up_in_vain_ends_by_connect_timeout)
{
	AUTO_BUF struct buf b = { 0 };
	struct get *g = &rig.gets[0];
	uint64_t begun = clock_now_ms();

	spec_put_number(&b, JOB_CONNECT_TIMEOUT, 200);
	start_with(g, "http://blackhole.example/x", &b, &plain);
	await(g);
	ck_assert_uint_lt(clock_now_ms() - begun, BLACK_HOLE_S * 1000 / 2);
	ck_assert_uint_lt(loop_get_stats(rig.loop)->max_wall_ns, QUICK_MS * NSEC_PER_MSEC);
	assert_code(g, RESULT_TIMEOUT, "blackhole.example");
}
END_TEST

/* ---- Limits ---- */

struct checker {
	struct loop_timer t;
};

static void
on_check(void *arg)
{
	struct checker *c = arg;

	xfer_check_stalls(rig.xfer);
	loop_timer_set(&c->t, 10);
}

/* Of that path with one setting, the stalls looked after. */
static struct get *
fetch_with(const char *path, enum setting_id id, uint64_t value)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of(path);
	struct get *g = &rig.gets[0];
	struct checker c;

	spec_put_number(&b, id, value);
	loop_timer_init(&c.t, rig.loop, "check", on_check, &c);
	loop_timer_set(&c.t, 10);
	start_with(g, url, &b, &plain);
	await(g);
	loop_timer_done(&c.t);
	return g;
}

START_TEST(silence_is_a_stall)
{
	uint64_t begun = clock_now_ms();
	struct get *g = fetch_with(_i ? "/silent" : "/stall", JOB_STALL_TIMEOUT, 150);

	ck_assert_uint_ge(clock_now_ms() - begun, 150);
	assert_code(g, RESULT_STALLED, _i ? " 0 bytes" : " 10 bytes");
	ck_assert_uint_eq(g->reported, _i ? 0 : 10);
}
END_TEST

START_TEST(a_sender_that_goes_on_does_not_stall)
{
	struct get *g = &rig.gets[0];

	g->burn_us = 1000;
	g = fetch_with("/big/10000000", JOB_STALL_TIMEOUT, 300);
	assert_code(g, RESULT_OK, "");
}
END_TEST

START_TEST(one_that_is_held_does_not_stall)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = url_of("/endless");
	struct get *g = &rig.gets[0];

	spec_put_number(&b, JOB_STALL_TIMEOUT, 50);
	start_with(g, url, &b, &plain);
	await_bytes(g);
	hold(g, true);
	for (unsigned i = 0; i < 15; i++) {
		loop_for(rig.loop, 10);
		xfer_check_stalls(rig.xfer);
	}
	loop_turn(rig.loop);
	ck_assert_uint_eq(g->dones, 0);
	hold(g, false);
	xfer_check_stalls(rig.xfer); /* and has all of its time again */
	loop_for(rig.loop, 5);
	ck_assert_uint_eq(g->dones, 0);
	cancel(g);
}
END_TEST

START_TEST(max_time_bounds_the_attempt)
{
	struct get *g;

	rig.gets[0].burn_us = 500;
	g = fetch_with("/endless", JOB_MAX_TIME, 150);
	assert_code(g, RESULT_TIMEOUT, "max-time");
	ck_assert_uint_gt(g->reported, 0);
}
END_TEST

START_TEST(a_file_that_is_announced_too_large_is_not_begun)
{
	struct get *g = fetch_with("/big/1000001", JOB_MAX_FILESIZE, 1000000);

	assert_code(g, RESULT_TOO_LARGE, "1000001");
	ck_assert_uint_eq(g->received, 0);
	ck_assert_uint_eq(g->heads, 0);
	g = fetch_with("/big/1000000", JOB_MAX_FILESIZE, 1000000);
	assert_code(g, RESULT_OK, "");
}
END_TEST

START_TEST(a_file_that_becomes_too_large_is_cut)
{
	struct get *g = fetch_with("/chunked/5000000", JOB_MAX_FILESIZE, 1000000);

	assert_code(g, RESULT_TOO_LARGE, "max-filesize");
	ck_assert_uint_le(g->received, 1000000); /* not a byte above it was handed on */
	g = fetch_with("/chunked/1000000", JOB_MAX_FILESIZE, 1000000);
	assert_code(g, RESULT_OK, "");
}
END_TEST

/* ---- Connections ---- */

START_TEST(a_connection_is_used_again)
{
	struct get *g;

	for (unsigned i = 1; i <= 5; i++) {
		AUTO_FREE char *want = xasprintf("\"1-%u-0\"", i);

		g = fetch(i % 2 ? "/ok" : "/404"); /* whatever was answered */
		ck_assert_str_eq(g->etag, want);
	}
	g = fetch("/last");
	g = fetch("/ok");
	ck_assert_str_eq(g->etag, "\"2-1-0\"");
}
END_TEST

static void
fetch_tls(struct get *g, const char *path, const char *cacert, const char *pin, bool at_origin)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *url = tls_url_of(path);

	spec_put_string(&b, JOB_CACERT, cacert);
	if (pin)
		spec_put_string(&b, JOB_PINNEDPUBKEY, pin);
	start_with(g, url, &b, &(struct transfer_request){ .at_origin = at_origin });
	await(g);
}

/* A connection that one job's certificates accepted is nothing to another. */
START_TEST(other_certificates_never_get_the_connection)
{
	AUTO_FREE char *wrong = xasprintf("%s/wrong.pem", rig.dir), *missing = xasprintf("%s/missing.pem", rig.dir);
	struct get *g = &rig.gets[0];

	make_certificate(NULL, wrong);
	fetch_tls(g, "/ok", rig.cert, NULL, true);
	assert_code(g, RESULT_OK, "");
	for (unsigned i = 0; i < 3; i++) {
		fetch_tls(g, "/ok", wrong, NULL, true);
		assert_code(g, RESULT_TLS, "certificate");
		ck_assert_uint_eq(g->received, 0);
		fetch_tls(g, "/ok", missing, NULL, true);
		assert_code(g, RESULT_TLS, missing);
	}
	fetch_tls(g, "/ok", rig.cert, NULL, true);
	assert_code(g, RESULT_OK, "");
	ck_assert_str_eq(g->etag, "\"1-2-0\""); /* its own one lives */
}
END_TEST

START_TEST(another_pinned_key_never_gets_the_connection)
{
	static const char pin[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	struct get *g = &rig.gets[0];

	fetch_tls(g, "/ok", rig.cert, NULL, true);
	assert_code(g, RESULT_OK, "");
	for (unsigned i = 0; i < 3; i++) {
		fetch_tls(g, "/ok", rig.cert, pin, true);
		assert_code(g, RESULT_TLS, "pinned");
	}
	fetch_tls(g, "/ok", rig.cert, pin, false); /* elsewhere the pin is no one's */
	assert_code(g, RESULT_OK, "");
}
END_TEST

/* A resumed session is not verified again: it must not cross identities. */
START_TEST(a_session_is_resumed_by_its_own_identity_only)
{
	AUTO_FREE char *copy = xasprintf("%s/../%s/cert.pem", rig.dir, strrchr(rig.dir, '/') + 1);
	struct get *g = &rig.gets[0];
	unsigned resumed = 0;

	for (unsigned i = 0; i < 3; i++) {
		fetch_tls(g, "/last", rig.cert, NULL, true);
		assert_code(g, RESULT_OK, "");
		resumed += has_suffix(g->etag, "-1\"");
	}
	ck_assert_uint_gt(resumed, 0); /* or this test shows nothing */
	fetch_tls(g, "/last", copy, NULL, true);
	assert_code(g, RESULT_OK, "");
	ck_assert_msg(has_suffix(g->etag, "-0\""), "%s", g->etag);
}
END_TEST

static unsigned
count(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

START_TEST(identities_that_nobody_uses_are_few)
{
	struct get *g = &rig.gets[0];
	unsigned open = 0;

	for (unsigned i = 0; i < 3 * IDENTITIES_IDLE; i++) {
		AUTO_FREE char *pin = xasprintf("sha256//%043u=", i);

		fetch_tls(g, "/ok", rig.cert, pin, true);
		assert_code(g, RESULT_TLS, "pinned");
		if (i == IDENTITIES_IDLE + 8)
			open = count("/proc/self/fd");
	}
	ck_assert_uint_le(count("/proc/self/fd"), open + 8);
	fetch_tls(g, "/ok", rig.cert, NULL, true);
	assert_code(g, RESULT_OK, "");
}
END_TEST

START_TEST(certificates_that_could_not_be_read_are_read_again)
{
	AUTO_FREE char *late = xasprintf("%s/late.pem", rig.dir);
	struct get *g = &rig.gets[0];

	for (unsigned i = 0; i < 2; i++) {
		fetch_tls(g, "/ok", late, NULL, true);
		assert_code(g, RESULT_TLS, late);
	}
	ck_assert_int_eq(link(rig.cert, late), 0);
	fetch_tls(g, "/ok", late, NULL, true);
	assert_code(g, RESULT_OK, "");
}
END_TEST

struct reading {
	struct ca_store *store;
	const char *error;
};

static bool
is_read(void *arg)
{
	struct reading *r = arg;

	return ca_is_ready(r->store, &r->error);
}

/* The same file under another name: i slashes. */
static char *
spell(unsigned i)
{
	char slashes[64] = "";

	memset(slashes, '/', i);
	return xasprintf("%s/%s%s", rig.dir, slashes, strrchr(rig.cert, '/') + 1);
}

START_TEST(certificates_that_nobody_uses_are_few)
{
	enum { SPELLINGS = 50, KEPT = 16 };
	struct ca *ca = ca_new(rig.loop);
	struct reading r = { .error = NULL };

	for (unsigned i = 0; i < SPELLINGS; i++) {
		AUTO_FREE char *path = spell(i);

		r.store = ca_get(ca, path);
		ck_assert(loop_until(rig.loop, is_read, &r, WAIT_MS));
		ck_assert_ptr_null(r.error);
		if (i) /* the first one stays in use */
			ca_put(r.store);
	}
	for (unsigned i = SPELLINGS; i-- > 0;) {
		AUTO_FREE char *path = spell(i);

		r.store = ca_get(ca, path);
		ck_assert_msg(is_read(&r) == (i == 0 || i >= SPELLINGS - KEPT), "number %u", i);
	}
	ca_free(ca);
}
END_TEST

/* The file is one that nobody writes to, so that reading it takes for ever. */
START_TEST(reading_ahead_takes_one_thread)
{
	struct ca *ca = ca_new(rig.loop);
	unsigned before = count("/proc/self/task");
	AUTO_FREE char *first = xasprintf("%s/fifo0", rig.dir);
	AUTO_CLOSE int fd = -1;

	for (unsigned i = 0; i < 20; i++) {
		AUTO_FREE char *path = xasprintf("%s/fifo%u", rig.dir, i);

		ck_assert_int_eq(mkfifo(path, 0600), 0);
		ca_prepare(ca, path);
	}
	ck_assert_uint_le(count("/proc/self/task"), before + 1);
	fd = open(first, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
	ca_free(ca);
}
END_TEST

START_TEST(nothing_is_left_open_at_the_end)
{
	struct xfer_options o = { .default_proxy = "", .on_delivered = on_delivered, .arg = &rig };
	unsigned before = 0;

	for (unsigned i = 0; i < 4; i++) {
		fetch_tls(&rig.gets[0], "/ok", rig.cert, NULL, true);
		(void)fetch("/ok");
		start(&rig.gets[1], "/endless");
		await_bytes(&rig.gets[1]);
		hold(&rig.gets[1], true);
		cancel(&rig.gets[1]);
		xfer_free(rig.xfer);
		if (i == 0)
			before = count_fds();
		ck_assert_uint_eq(count_fds(), before);
		rig.xfer = xfer_new(rig.loop, &o);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = add_case(s, "ends", setup, teardown, 60);

	tcase_add_test(t, a_file_with_a_length_comes_whole);
	tcase_add_test(t, a_file_in_chunks_comes_whole);
	tcase_add_test(t, a_file_over_tls_comes_whole);
	tcase_add_test(t, an_end_by_closing_is_proven_by_tls_alone);
	tcase_add_test(t, an_unproven_end_is_left_to_who_can_tell);
	tcase_add_test(t, a_body_that_is_cut_is_truncated);
	tcase_add_test(t, an_error_page_is_not_the_file);
	tcase_add_test(t, a_redirect_is_reported_and_not_followed);
	tcase_add_test(t, nobody_there_is_told);
	tcase_add_test(t, a_url_that_is_none_fails_later_too);
	tcase_add_test(t, a_failure_told_in_the_body_ends_it);
	t = add_case(s, "sent", setup, teardown, 60);
	tcase_add_test(t, secrets_go_to_the_origin_only);
	tcase_add_test(t, the_headers_of_a_hosts_entry_go_to_its_hosts);
	tcase_add_test(t, the_bytes_are_asked_for_as_they_are);
	t = add_case(s, "holding", setup, teardown, 60);
	tcase_add_test(t, holding_stops_the_bytes_and_letting_go_brings_them);
	tcase_add_test(t, holding_works_over_tls);
	tcase_add_test(t, holding_again_and_again_loses_nothing);
	tcase_add_test(t, holding_one_does_not_hold_another);
	t = add_case(s, "short calls", setup, teardown, 60);
	tcase_add_test(t, an_endless_sender_does_not_hold_the_loop);
	tcase_add_test(t, two_endless_senders_have_their_turns);
	tcase_add_test(t, a_transfer_that_is_to_rest_takes_one_bite_a_call);
}

static void
add_more_tests(Suite *s)
{
	TCase *t = add_case(s, "cancelling", setup, teardown, 60);

	tcase_add_test(t, cancel_right_after_the_start);
	tcase_add_test(t, cancel_before_the_answer);
	tcase_add_test(t, cancel_inside_the_body);
	tcase_add_test(t, cancel_while_held);
	tcase_add_test(t, cancel_inside_a_handshake);
	tcase_add_test(t, cancel_before_the_certificates_are_read);
	tcase_add_test(t, cancel_after_it_failed_and_before_that_was_told);
	tcase_add_test(t, cancel_while_a_name_is_looked_up_in_vain);
	tcase_add_test(t, a_look_up_in_vain_ends_by_connect_timeout);
	t = add_case(s, "limits", setup, teardown, 60);
	tcase_add_loop_test(t, silence_is_a_stall, 0, 2);
	tcase_add_test(t, a_sender_that_goes_on_does_not_stall);
	tcase_add_test(t, one_that_is_held_does_not_stall);
	tcase_add_test(t, max_time_bounds_the_attempt);
	tcase_add_test(t, a_file_that_is_announced_too_large_is_not_begun);
	tcase_add_test(t, a_file_that_becomes_too_large_is_cut);
	t = add_case(s, "connections", setup, teardown, 60);
	tcase_add_test(t, a_connection_is_used_again);
	tcase_add_test(t, other_certificates_never_get_the_connection);
	tcase_add_test(t, another_pinned_key_never_gets_the_connection);
	tcase_add_test(t, a_session_is_resumed_by_its_own_identity_only);
	tcase_add_test(t, identities_that_nobody_uses_are_few);
	tcase_add_test(t, certificates_that_could_not_be_read_are_read_again);
	tcase_add_test(t, certificates_that_nobody_uses_are_few);
	tcase_add_test(t, reading_ahead_takes_one_thread);
	tcase_add_test(t, nothing_is_left_open_at_the_end);
}

int
main(void)
{
	Suite *s = suite_create("transfer");

	add_tests(s);
	add_more_tests(s);
	return run_suite(s);
}
