/*
 * The gate, with libcurl behind it and a small server on 127.0.0.1: addresses of
 * names (this program's own getaddrinfo(3) knows them), of literals in every
 * spelling, of connections that stand, of proxies.
 */
#include "daemon/xfer/gate.h"

#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/xfer/library.h"
#include "daemon/xfer/transfer.h"
#include "http_server.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { WAIT_MS = 120000 };

static const struct {
	const char *name, *addresses[3]; /* in the order that libcurl gets them */
} names[] = {
	{ "metadata.example", { "169.254.169.254" } },
	{ "first.example", { "169.254.7.7", "127.0.0.1" } },
	{ "last.example", { "127.0.0.1", "169.254.7.7" } },
	{ "mixed.example", { "fe80::1", "::ffff:169.254.169.254", "127.0.0.1" } },
	{ "none.example", { "169.254.7.7", "224.0.0.1", "0.0.0.0" } },
	{ "home.example", { "127.0.0.1" } },
};

static int (*real_lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo **end = ret;

	if (!real_lookup)
		*(void **)&real_lookup = dlsym(RTLD_NEXT, "getaddrinfo");
	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].name, name) != 0)
			continue;
		for (unsigned a = 0; a < 3 && names[i].addresses[a]; a++) {
			int e = real_lookup(names[i].addresses[a], service, hints, end);

			if (e)
				return e;
			end = &(*end)->ai_next;
		}
		return 0;
	}
	return real_lookup(name, service, hints, ret);
}

static struct {
	char *dir, *cert; /* owned */
	struct http_server server;
	struct loop *loop;
	struct xfer *xfer;
	struct spec *daemon;
	/* Of the last transfer. */
	struct spec *spec;
	struct transfer *t;
	unsigned dones;
	struct result result;
	bool is_public;
	char etag[32];
} rig;

static void
on_head(const struct response *r, void *arg UNUSED)
{
	(void)snprintf(rig.etag, sizeof rig.etag, "%s", r->etag ? r->etag : "");
}

static void
on_body(const void *data UNUSED, size_t n UNUSED, void *arg UNUSED)
{
}

static void
on_done(const struct transfer_report *end, void *arg UNUSED)
{
	rig.t = NULL;
	rig.dones++;
	rig.result = end->result;
	rig.is_public = end->is_public;
}

static const struct transfer_ops ops = { on_head, on_body, on_done };

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct xfer_options o = { .default_proxy = "" };

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
	if (rig.t)
		transfer_cancel(rig.t);
	spec_unref(rig.spec);
	xfer_free(rig.xfer);
	loop_free(rig.loop);
	server_stop(&rig.server);
	spec_unref(rig.daemon);
	free(rig.cert);
	temp_dir_remove(rig.dir);
}

static void
set_lists(const char *allow, const char *deny)
{
	AUTO_BUF struct buf b = { 0 };

	if (allow)
		spec_put_string(&b, DAEMON_ALLOW_ADDRESSES, allow);
	if (deny)
		spec_put_string(&b, DAEMON_DENY_ADDRESSES, deny);
	spec_unref(rig.daemon);
	ck_assert_int_eq(spec_new(SCOPE_DAEMON, buf_bytes(&b), buf_len(&b), NULL, &rig.daemon), 0);
	xfer_set_addresses(rig.xfer, rig.daemon);
}

static bool
is_done(void *arg UNUSED)
{
	return rig.dones > 0;
}

/* scheme://HOST:PORT/ok; proxy: host of one, or NULL. */
static void
fetch(const char *scheme, const char *host, bool led_public, const char *proxy)
{
	AUTO_BUF struct buf b = { 0 };
	unsigned port = scheme[4] ? rig.server.tls_port : rig.server.port;
	AUTO_FREE char *url = xasprintf("%s://%s:%u/ok", scheme, host, port);
	AUTO_FREE char *through = proxy ? xasprintf("http://%s:%u", proxy, rig.server.port) : NULL;
	struct transfer_request req = { .url = url, .at_origin = true, .led_public = led_public };

	if (through)
		spec_put_string(&b, JOB_PROXY, through);
	spec_put_string(&b, JOB_CACERT, rig.cert);
	spec_put_number(&b, JOB_CONNECT_TIMEOUT, WAIT_MS); /* under valgrind a handshake takes seconds */
	spec_unref(rig.spec);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &rig.spec), 0);
	req.spec = rig.spec;
	rig.dones = 0;
	rig.etag[0] = '\0';
	rig.t = transfer_start(rig.xfer, &req, &ops, NULL);
	ck_assert_msg(loop_until(rig.loop, is_done, NULL, WAIT_MS), "the transfer does not end");
	ck_assert_uint_eq(rig.dones, 1);
}

static void
assert_fetched(const char *etag)
{
	ck_assert_msg(rig.result.code == RESULT_OK, "%s: %s", result_word(&rig.result), rig.result.text);
	if (etag)
		ck_assert_str_eq(rig.etag, etag);
}

static void
assert_refused(const char *says, const char *host)
{
	ck_assert_msg(rig.result.code == RESULT_ADDRESS_REFUSED, "%s: %s", result_word(&rig.result), rig.result.text);
	ck_assert_msg(strstr(rig.result.text, says) && strstr(rig.result.text, host), "%s", rig.result.text);
	ck_assert_str_eq(rig.etag, "");
	ck_assert_int_eq(rig.result.http_status, 0);
	ck_assert(!rig.is_public);
	ck_assert_int_eq(result_class(&rig.result), CLASS_PERMANENT);
}

/* ---- New connections ------------------------------------------------------------ */

START_TEST(a_name_is_judged_by_its_address)
{
	fetch("http", "metadata.example", false, NULL);
	assert_refused("address 169.254.169.254 is a metadata service", "(metadata.example)");
	fetch("https", "metadata.example", false, NULL);
	assert_refused("address 169.254.169.254 is a metadata service", "(metadata.example)");
	fetch("http", "home.example", false, NULL);
	assert_fetched(NULL);
	ck_assert(!rig.is_public);
}
END_TEST

static const char *const spellings[] = {
	"169.254.169.254",
	"2852039166",
	"0xa9fea9fe",
	"0xA9.0xFE.0xA9.0xFE",
	"0251.0376.0251.0376",
	"169.16689662",
	"169.254.43518",
	"[::ffff:169.254.169.254]",
	"[::ffff:a9fe:a9fe]",
	"[64:ff9b::a9fe:a9fe]",
	"[2002:a9fe:a9fe::]",
	"[fd00:ec2::254]",
};

START_TEST(a_literal_is_judged_however_it_is_written)
{
	fetch("http", spellings[_i], false, NULL);
	assert_refused("a metadata service", "");
}
END_TEST

/* What Linux takes for this machine, and 127.0.0.1 in other words. */
START_TEST(zero_is_no_way_to_this_machine)
{
	static const char *const zeros[] = { "0.0.0.0", "0", "[::]", "[::ffff:0.0.0.0]", "[::0.0.0.2]" };

	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++) {
		fetch("http", zeros[i], false, NULL);
		assert_refused("unspecified", "");
	}
	fetch("http", "2130706433", false, NULL);
	assert_fetched(NULL);
	fetch("http", "2130706433", true, NULL);
	assert_refused("address 127.0.0.1 is this machine", "");
}
END_TEST

/* Happy Eyeballs: a refused address is one that does not answer. */
START_TEST(another_address_of_the_name_is_tried)
{
	static const char *const mixed[] = { "first.example", "last.example", "mixed.example" };

	for (size_t i = 0; i < ARRAY_SIZE(mixed); i++) {
		fetch("http", mixed[i], false, NULL);
		assert_fetched(NULL);
	}
	fetch("http", "none.example", false, NULL);
	assert_refused("unless allow-addresses has it", "(none.example)");
}
END_TEST

/* Nobody listens at the one that is allowed: that may pass, and is tried again. */
START_TEST(a_dead_address_beside_a_refused_one_is_no_refusal)
{
	struct transfer_request req = { .url = "http://first.example:1/x", .at_origin = true };

	ck_assert_int_eq(spec_new(SCOPE_JOB, "", 0, NULL, &rig.spec), 0);
	req.spec = rig.spec;
	rig.t = transfer_start(rig.xfer, &req, &ops, NULL);
	ck_assert(loop_until(rig.loop, is_done, NULL, WAIT_MS));
	ck_assert_msg(rig.result.code == RESULT_CONNECT, "%s", rig.result.text);
}
END_TEST

START_TEST(a_public_host_leads_to_no_private_one)
{
	fetch("http", "127.0.0.1", true, NULL);
	assert_refused("address 127.0.0.1 is this machine (127.0.0.0/8), and a public host led there", "(127.0.0.1)");
	fetch("http", "home.example", true, NULL);
	assert_refused("a public host led there", "(home.example)");
	set_lists("127.0.0.1", NULL);
	fetch("http", "home.example", true, NULL);
	assert_fetched(NULL);
	ck_assert(!rig.is_public);
}
END_TEST

START_TEST(the_lists_count_at_once)
{
	set_lists(NULL, "127.0.0.0/8");
	fetch("http", "127.0.0.1", false, NULL);
	assert_refused("refused by deny-addresses (127.0.0.0/8)", "(127.0.0.1)");
	set_lists("127.0.0.1", "127.0.0.0/8");
	fetch("http", "127.0.0.1", false, NULL);
	assert_fetched(NULL);
	set_lists(NULL, NULL);
	fetch("http", "127.0.0.1", false, NULL);
	assert_fetched(NULL);
}
END_TEST

/* ---- Connections that stand ------------------------------------------------------- */

/* The ETag tells connection and request: no request may come through. */
START_TEST(a_connection_that_stands_is_judged_too)
{
	const char *scheme = _i ? "https" : "http";

	fetch(scheme, "127.0.0.1", false, NULL);
	assert_fetched(_i ? "\"1-1-0\"" : "\"1-1-0\"");
	fetch(scheme, "127.0.0.1", true, NULL);
	assert_refused("a public host led there", "127.0.0.1");
	set_lists(NULL, "127.0.0.1");
	fetch(scheme, "127.0.0.1", false, NULL);
	assert_refused("refused by deny-addresses", "127.0.0.1");
	set_lists(NULL, NULL);
	fetch(scheme, "127.0.0.1", false, NULL);
	assert_fetched(NULL);
	/* Of the first connection the second request, or of a new one the first. */
	ck_assert_msg(has_prefix(rig.etag, "\"1-2-") || has_prefix(rig.etag, "\"2-1-"), "%s", rig.etag);
}
END_TEST

/* ---- Proxies ------------------------------------------------------------------------ */

START_TEST(the_proxy_is_the_administrators_choice)
{
	set_lists(NULL, "127.0.0.1");
	fetch("http", "far.example", false, "127.0.0.1");
	assert_fetched(NULL);
	ck_assert(rig.is_public); /* nobody knows: it is the careful answer */
	fetch("http", "far.example", true, "127.0.0.1");
	assert_fetched(NULL);
	fetch("http", "169.254.169.254", true, "127.0.0.1"); /* what the proxy reaches is not seen here */
	assert_fetched(NULL);
	fetch("http", "127.0.0.1", false, NULL);
	assert_refused("deny-addresses", "127.0.0.1");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gate");
	TCase *t = add_case(s, "new", setup, teardown, 60);

	tcase_add_test(t, a_name_is_judged_by_its_address);
	tcase_add_loop_test(t, a_literal_is_judged_however_it_is_written, 0, ARRAY_SIZE(spellings));
	tcase_add_test(t, zero_is_no_way_to_this_machine);
	tcase_add_test(t, another_address_of_the_name_is_tried);
	tcase_add_test(t, a_dead_address_beside_a_refused_one_is_no_refusal);
	tcase_add_test(t, a_public_host_leads_to_no_private_one);
	tcase_add_test(t, the_lists_count_at_once);
	t = add_case(s, "again", setup, teardown, 60);
	tcase_add_loop_test(t, a_connection_that_stands_is_judged_too, 0, 2);
	t = add_case(s, "proxies", setup, teardown, 60);
	tcase_add_test(t, the_proxy_is_the_administrators_choice);
	return run_suite(s);
}
