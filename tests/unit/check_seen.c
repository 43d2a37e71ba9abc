/* What a published file remembers: whole, cut, and written by somebody else. */
#include "wire/seen.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "run_suite.h"

static const struct seen full = {
	.size = UINT64_MAX, .mtime_s = -1, .mtime_ns = 999999999, .settings = 1, .source = 2, .last = 3, .direct = true,
	.modified = 1700000000, .etag = "W/\"a-b\"",
};

static void
put(struct buf *b, const struct seen *s)
{
	AUTO_BUF struct buf tail = { 0 };

	seen_put_tail(&tail, s);
	seen_put(b, s->size, s->mtime_s, s->mtime_ns, buf_bytes(&tail), buf_len(&tail));
	ck_assert_uint_le(buf_len(b), SEEN_MAX);
}

START_TEST(what_was_put_comes_back)
{
	AUTO_BUF struct buf b = { 0 };
	struct seen got;

	put(&b, &full);
	ck_assert_int_eq(seen_get(buf_bytes(&b), buf_len(&b), &got), 0);
	ck_assert(got.size == full.size && got.mtime_s == -1 && got.mtime_ns == 999999999 && got.settings == 1 && got.source == 2 &&
	    got.last == 3 && got.direct && got.modified == full.modified);
	ck_assert_str_eq(got.etag, full.etag);
}
END_TEST

START_TEST(one_that_is_cut_is_none)
{
	AUTO_BUF struct buf b = { 0 };

	put(&b, &full);
	for (size_t n = 0; n < buf_len(&b); n++) {
		AUTO_FREE char *exact = xmemdup(buf_bytes(&b), n + !n);
		struct seen got = { .size = 7 };

		ck_assert_int_lt(seen_get(exact, n, &got), 0);
		ck_assert_uint_eq(got.size, 7);
	}
	buf_append(&b, "x", 1);
	ck_assert_int_lt(seen_get(buf_bytes(&b), buf_len(&b), &(struct seen){ 0 }), 0);
}
END_TEST

/* Whoever may write to the file may write it; it must not get into a header. */
START_TEST(a_tag_is_one_or_is_refused)
{
	static const struct {
		const char *tag;
		bool good;
	} rows[] = { { "", true }, { "\"\"", true }, { "\"a\"", true }, { "W/\"a\"", true }, { "\"\xc3\xa4\"", true }, { "a", false },
		{ "\"", false }, { "W/", false }, { "\"a", false }, { "w/\"a\"", false }, { "\"a\"b\"", false }, { "\"a b\"", false },
		{ "\"a\r\nHost: x\"", false }, { "\"a\x7f\"", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_BUF struct buf b = { 0 };
		struct seen s = full;

		(void)snprintf(s.etag, sizeof s.etag, "%s", rows[i].tag);
		put(&b, &s);
		ck_assert_msg((seen_get(buf_bytes(&b), buf_len(&b), &s) == 0) == rows[i].good, "%s", rows[i].tag);
	}
}
END_TEST

START_TEST(without_any_validator_it_is_none)
{
	AUTO_BUF struct buf b = { 0 };
	struct seen s = full;

	s.etag[0] = '\0';
	s.modified = -1;
	put(&b, &s);
	ck_assert_int_lt(seen_get(buf_bytes(&b), buf_len(&b), &s), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("seen");
	TCase *t = tcase_create("seen");

	tcase_add_test(t, what_was_put_comes_back);
	tcase_add_test(t, one_that_is_cut_is_none);
	tcase_add_test(t, a_tag_is_one_or_is_refused);
	tcase_add_test(t, without_any_validator_it_is_none);
	suite_add_tcase(s, t);
	return run_suite(s);
}
