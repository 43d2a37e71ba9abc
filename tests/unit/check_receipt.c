/* Receipts as bytes: what goes in comes out, old ones are read, and nothing else is. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/sources.h"
#include "run_suite.h"
#include "wire/store_msg.h"

static struct receipt *
make(unsigned n_sources, size_t url_len)
{
	struct receipt *r = NEW(struct receipt);

	(void)snprintf(r->proof, sizeof r->proof, "length");
	r->times.first_byte = 12;
	r->attempts = xcalloc(ATTEMPTS_KEPT, sizeof r->attempts[0]);
	r->attempts[0] = (struct attempt){ .number = 1, .at_s = 1795363484, .code = RESULT_HTTP, .http_status = 503,
		.text = xstrdup("the server is busy") };
	r->n_attempts = 1;
	if (!n_sources)
		return r;
	r->sources = NEW(struct sources);
	for (unsigned i = 0; i < n_sources; i++) {
		struct source *s = &r->sources->items[r->sources->n++];
		char *url = xmalloc(url_len + 1);

		memset(url, 'a' + (int)i, url_len);
		url[url_len] = '\0';
		*s = (struct source){ .from = i * UINT64_C(1000), .at_s = 1795363484, .modified = i ? -1 : 5, .status = i ? 206 : 200,
			.major = 1, .minor = 1, .times.total = 7, .url = url, .via = xstrdup("http://a/ http://b/"),
			.address = xstrdup("192.0.2.1:443"), .etag = xstrdup("\"x\""), .protocol = xstrdup("TLSv1.3"),
			.cipher = xstrdup("c"), .subject = xstrdup("CN=a"), .issuer = xstrdup("CN=b") };
	}
	return r;
}

START_TEST(what_goes_in_comes_out)
{
	struct receipt *r = make(3, 40), *got;
	AUTO_BUF struct buf b = { 0 };

	r->sources->lost = 2;
	receipt_pack(r, NULL, &b);
	got = receipt_unpack(buf_bytes(&b), buf_len(&b));
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got->proof, "length");
	ck_assert_uint_eq(got->n_attempts, 1);
	ck_assert_uint_eq(got->sources->n, 3);
	ck_assert_uint_eq(got->sources->lost, 2);
	for (unsigned i = 0; i < 3; i++) {
		const struct source *one = &r->sources->items[i], *two = &got->sources->items[i];

		ck_assert_uint_eq(one->from, two->from);
		ck_assert_int_eq(one->modified, two->modified);
		ck_assert_uint_eq(one->status, two->status);
		ck_assert_str_eq(one->url, two->url);
		ck_assert_str_eq(one->via, two->via);
		ck_assert_str_eq(one->issuer, two->issuer);
	}
	receipt_free(r);
	receipt_free(got);
}
END_TEST

START_TEST(older_ones_are_read)
{
	/* They ended before what came with the next version: three bytes of sources, one of runs. */
	static const struct { uint8_t version; size_t less; } olds[] = { { 4, 0 }, { 3, 3 }, { 2, 4 } };
	struct receipt *r = make(0, 0), *got;
	AUTO_BUF struct buf b = { 0 };

	receipt_pack(r, NULL, &b);
	ck_assert_uint_eq(buf_bytes(&b)[0], 5);
	for (size_t i = 0; i < ARRAY_SIZE(olds); i++) {
		buf_bytes(&b)[0] = olds[i].version;
		got = receipt_unpack(buf_bytes(&b), buf_len(&b) - olds[i].less);
		ck_assert_ptr_nonnull(got);
		ck_assert(!got->sources || !got->sources->n);
		ck_assert_str_eq(got->attempts[0].text, "the server is busy");
		receipt_free(got);
	}
	buf_bytes(&b)[0] = 6;
	ck_assert_ptr_null(receipt_unpack(buf_bytes(&b), buf_len(&b)));
	receipt_free(r);
}
END_TEST

START_TEST(it_always_fits_into_the_store)
{
	for (size_t len = 0; len < 256; len += 17) {
		struct receipt *r = make(SOURCES_KEPT, len), *got;
		AUTO_BUF struct buf b = { 0 };

		receipt_pack(r, NULL, &b);
		ck_assert_uint_le(buf_len(&b), STORE_RECEIPT_MAX);
		got = receipt_unpack(buf_bytes(&b), buf_len(&b));
		ck_assert_ptr_nonnull(got);
		ck_assert_uint_eq(got->sources->n + got->sources->lost, SOURCES_KEPT);
		ck_assert_uint_ge(got->sources->n, 5);
		/* The last ones are what is kept. */
		ck_assert_uint_eq(got->sources->items[got->sources->n - 1].from, (SOURCES_KEPT - 1) * 1000);
		receipt_free(r);
		receipt_free(got);
	}
}
END_TEST

static void
make_runs(struct runs *n, struct past_run past[RUNS_KEPT])
{
	*n = (struct runs){ .count = 20, .past = past, .n_past = RUNS_KEPT };
	for (unsigned i = 0; i < RUNS_KEPT; i++)
		past[i] = (struct past_run){ .began_s = 1795363484 + i, .ended_s = 1795363490 + i, .bytes = i * 1000,
			.code = i ? RESULT_OK : RESULT_HTTP, .http_status = i ? 200 : 503, .unchanged = i == 5 };
}

START_TEST(past_runs_are_kept)
{
	struct past_run past[RUNS_KEPT];
	struct receipt *r = make(2, 20), *got;
	AUTO_BUF struct buf b = { 0 };
	struct runs runs, *copy;

	make_runs(&runs, past);
	receipt_pack(r, &runs, &b);
	got = receipt_unpack(buf_bytes(&b), buf_len(&b));
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(got->sources->n, 2);
	ck_assert_uint_eq(got->runs->n_past, RUNS_KEPT);
	copy = runs_copy(got->runs);
	receipt_free(got);
	for (unsigned i = 0; i < RUNS_KEPT; i++) {
		ck_assert_int_eq(copy->past[i].began_s, past[i].began_s);
		ck_assert_int_eq(copy->past[i].ended_s, past[i].ended_s);
		ck_assert_uint_eq(copy->past[i].bytes, past[i].bytes);
		ck_assert_int_eq(copy->past[i].code, past[i].code);
		ck_assert_uint_eq(copy->past[i].http_status, past[i].http_status);
		ck_assert_int_eq(copy->past[i].unchanged, past[i].unchanged);
	}
	runs_free(copy);
	receipt_free(r);
}
END_TEST

/* Sixteen checksums of the download, as many of its output, and eight attempts of many words:
 * the oldest runs are left out. */
START_TEST(past_runs_fit_into_the_store)
{
	enum { DIGESTS = 32 };
	struct receipt *r = make(SOURCES_KEPT, 250), *got;
	struct past_run past[RUNS_KEPT];
	AUTO_BUF struct buf b = { 0 };
	struct runs runs;

	make_runs(&runs, past);
	r = xrealloc(r, sizeof *r + DIGESTS * sizeof r->digests[0]);
	r->n_in = r->n_out = DIGESTS / 2;
	for (unsigned i = 0; i < DIGESTS; i++)
		r->digests[i] = (struct digest){ .algo = 1, .len = 64 };
	for (r->n_attempts = 0; r->n_attempts < ATTEMPTS_KEPT; r->n_attempts++) {
		free(r->attempts[r->n_attempts].text);
		r->attempts[r->n_attempts] = (struct attempt){ .number = 1, .code = RESULT_HTTP, .text = xmalloc(RESULT_TEXT_MAX) };
		memset(r->attempts[r->n_attempts].text, 'x', RESULT_TEXT_MAX);
		r->attempts[r->n_attempts].text[RESULT_TEXT_MAX - 1] = '\0';
	}
	receipt_pack(r, &runs, &b);
	ck_assert_uint_le(buf_len(&b), STORE_RECEIPT_MAX);
	got = receipt_unpack(buf_bytes(&b), buf_len(&b));
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_lt(got->runs->n_past, RUNS_KEPT);
	ck_assert_uint_gt(got->runs->n_past, 4);
	ck_assert_int_eq(got->runs->past[got->runs->n_past - 1].ended_s, past[RUNS_KEPT - 1].ended_s);
	receipt_free(r);
	receipt_free(got);
}
END_TEST

START_TEST(no_cut_one_is_taken)
{
	struct past_run past[RUNS_KEPT];
	struct receipt *r = make(2, 20);
	AUTO_BUF struct buf b = { 0 };
	struct runs runs;

	make_runs(&runs, past);
	receipt_pack(r, &runs, &b);
	for (size_t n = 0; n < buf_len(&b); n++)
		ck_assert_ptr_null(receipt_unpack(buf_bytes(&b), n));
	receipt_free(r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("receipt");
	TCase *t = add_case(s, "receipt", NULL, NULL, 0);

	tcase_add_test(t, what_goes_in_comes_out);
	tcase_add_test(t, older_ones_are_read);
	tcase_add_test(t, it_always_fits_into_the_store);
	tcase_add_test(t, past_runs_are_kept);
	tcase_add_test(t, past_runs_fit_into_the_store);
	tcase_add_test(t, no_cut_one_is_taken);
	return run_suite(s);
}
