/* What hauld-conf says: round trips, cut messages. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "model/spec.h"
#include "read_back.h"
#include "run_suite.h"
#include "wire/conf_msg.h"

START_TEST(texts_come_through)
{
	struct message m;
	struct text t;

	conf_put_text(&reader.in, 0, CONF_HELLO, "build");
	conf_put_text(&reader.in, 0, CONF_ERROR, "");
	conf_put_text(&reader.in, 0, CONF_ERROR, NULL);
	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	ck_assert_uint_eq(m.type, CONF_HELLO);
	ck_assert_uint_eq(m.version, CONF_PROTO);
	ck_assert_int_eq(conf_get_text(&m, &t), 0);
	ck_assert(t.len == 5 && memcmp(t.at, "build", 5) == 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
		ck_assert_uint_eq(m.type, CONF_ERROR);
		ck_assert_int_eq(conf_get_text(&m, &t), 0);
		ck_assert_uint_eq(t.len, 0);
	}
}
END_TEST

START_TEST(specs_come_through)
{
	AUTO_BUF struct buf bytes = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	struct message m;
	char *big = xcalloc(1, 60001);

	memset(big, 'x', 60000); /* more than one frame */
	spec_put_string(&bytes, JOB_NAME, "a");
	spec_put_string(&bytes, JOB_URL, big);
	spec_put_number(&bytes, JOB_RETRY, 3);
	conf_put_spec(&reader.in, 0, CONF_JOB, &bytes);
	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	ck_assert_uint_eq(m.type, CONF_JOB);
	ck_assert_uint_eq(m.len, buf_len(&bytes));
	ck_assert_int_eq(spec_new(SCOPE_JOB, m.payload, m.len, NULL, &s), 0);
	ck_assert_str_eq(spec_string(s, JOB_NAME), "a");
	ck_assert_str_eq(spec_list(s, JOB_URL, 0), big);
	ck_assert_uint_eq(spec_number(s, JOB_RETRY), 3);
	free(big);
}
END_TEST

START_TEST(an_empty_spec_comes_through)
{
	AUTO_BUF struct buf bytes = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	struct message m;

	conf_put_spec(&reader.in, 0, CONF_DEFAULTS, &bytes);
	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	ck_assert_int_eq(spec_new(SCOPE_JOB, m.payload, m.len, NULL, &s), 0);
}
END_TEST

START_TEST(the_end_counts)
{
	struct conf_end got, end = { .jobs = UINT64_MAX, .errors = 7 };
	struct message m;

	conf_put_end(&reader.in, &end);
	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	ck_assert_uint_eq(m.type, CONF_END);
	ck_assert_int_eq(conf_get_end(&m, &got), 0);
	ck_assert_uint_eq(got.jobs, end.jobs);
	ck_assert_uint_eq(got.errors, end.errors);
}
END_TEST

START_TEST(cut_or_longer_messages_fail)
{
	struct conf_end end = { 1, 2 };
	struct message m;
	struct text t;

	conf_put_text(&reader.in, 0, CONF_ERROR, "a text");
	conf_put_end(&reader.in, &end);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t copy[64] = { 0 };
		size_t whole;

		ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
		whole = m.len;
		memcpy(copy, m.payload, whole);
		m.payload = copy;
		for (m.len = 0; m.len <= whole + 1; m.len++) {
			int e = i == 0 ? conf_get_text(&m, &t) : conf_get_end(&m, &end);

			ck_assert_int_eq(e, m.len == whole ? 0 : -EPROTO);
		}
	}
}
END_TEST

/* ---- CONF_CHECK ---- */

static const struct conf_pair pairs[] = {
	{ .key = "name", .kind = CONF_KIND_TEXT, .text = "a" },
	{ .key = "output", .kind = CONF_KIND_TEXT, .text = "" },
	{ .key = "", .kind = CONF_KIND_TEXT, .text = "\xff\x01\n" },
	{ .key = "retry", .kind = CONF_KIND_NUMBER, .number = INT64_MIN },
	{ .key = "retry", .kind = CONF_KIND_NUMBER, .number = INT64_MAX },
	{ .key = "no-clobber", .kind = CONF_KIND_BOOL, .number = 1 },
	{ .key = "no-clobber", .kind = CONF_KIND_BOOL },
	{ .key = "retry", .kind = CONF_KIND_FRACTION },
	{ .key = "url", .kind = CONF_KIND_LIST },
	{ .key = "url", .kind = CONF_KIND_OTHER },
};

/* The message of pairs as they stand in a buffer; borrowed from the reader. */
static struct message
check_message(const struct buf *b)
{
	struct message m;

	conf_put_check(&reader.in, UINT64_MAX, buf_bytes(b), buf_len(b));
	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	ck_assert_uint_eq(m.type, CONF_CHECK);
	ck_assert_uint_eq(m.version, CONF_PROTO);
	ck_assert_uint_eq(m.id, UINT64_MAX);
	return m;
}

START_TEST(pairs_come_through_in_their_order)
{
	AUTO_BUF struct buf b = { 0 };
	struct message m;
	struct cursor c;
	unsigned n;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		conf_put_pair(&b, &pairs[i]);
	m = check_message(&b);
	ck_assert_int_eq(conf_get_check(&m, &c, &n), 0);
	ck_assert_uint_eq(n, ARRAY_SIZE(pairs));
	for (size_t i = 0; i < n; i++) {
		struct conf_pair p;

		conf_get_pair(&c, &p);
		ck_assert_str_eq(p.key, pairs[i].key);
		ck_assert_int_eq(p.kind, pairs[i].kind);
		ck_assert_pstr_eq(p.text, pairs[i].text);
		ck_assert_int_eq(p.number, pairs[i].number);
	}
	ck_assert_int_eq(cursor_finish(&c), 0);
}
END_TEST

START_TEST(a_check_without_pairs_comes_through)
{
	struct message m = check_message(&(struct buf){ 0 });
	struct cursor c;
	unsigned n = 1;

	ck_assert_int_eq(conf_get_check(&m, &c, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(a_check_that_is_cut_within_a_pair_fails)
{
	AUTO_BUF struct buf b = { 0 };
	bool whole[512] = { [0] = true };
	struct message m;
	struct cursor c;
	size_t len;
	unsigned n;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		conf_put_pair(&b, &pairs[i]);
		ck_assert_uint_lt(buf_len(&b), sizeof whole);
		whole[buf_len(&b)] = true;
	}
	m = check_message(&b);
	for (len = m.len; m.len <= len; m.len--) { /* until it wraps below 0 */
		uint8_t *exact = xmemdup(m.payload, m.len); /* what lies behind it is not to be read */
		struct message cut = m;

		cut.payload = exact;
		ck_assert_int_eq(conf_get_check(&cut, &c, &n), whole[m.len] ? 0 : -EPROTO);
		free(exact);
	}
}
END_TEST

START_TEST(a_long_key_is_cut_and_a_longer_one_fails)
{
	AUTO_BUF struct buf b = { 0 }, longer = { 0 };
	char key[CONF_KEY_MAX + 2];
	struct conf_pair p = { .key = key, .kind = CONF_KIND_OTHER };
	struct message m;
	struct cursor c;
	unsigned n;

	memset(key, 'k', sizeof key - 1);
	key[sizeof key - 1] = '\0';
	conf_put_pair(&b, &p);
	m = check_message(&b);
	ck_assert_int_eq(conf_get_check(&m, &c, &n), 0);
	conf_get_pair(&c, &p);
	ck_assert_uint_eq(strlen(p.key), CONF_KEY_MAX);
	put_blob(&longer, key, sizeof key - 1);
	put_u8(&longer, 0);
	put_u8(&longer, CONF_KIND_OTHER);
	m = check_message(&longer);
	ck_assert_int_eq(conf_get_check(&m, &c, &n), -EPROTO);
}
END_TEST

static const struct {
	const char *what;
	const char *bytes;
	size_t n;
} bad_pairs[] = {
	{ "kind 0", "\1\0\0\0k\0\0", 7 },
	{ "a kind that there is not", "\1\0\0\0k\0\7", 7 },
	{ "a NUL in a key", "\2\0\0\0k\0\0\6", 8 },
	{ "no NUL behind a key", "\1\0\0\0kk\6", 7 },
	{ "a NUL in a text", "\1\0\0\0k\0\1\2\0\0\0a\0\0", 14 },
	{ "no NUL behind a text", "\1\0\0\0k\0\1\1\0\0\0aa", 13 },
	{ "a text longer than the message", "\1\0\0\0k\0\1\xff\xff\xff\xff" "a\0", 13 },
	{ "neither true nor false", "\1\0\0\0k\0\3\2", 8 },
};

START_TEST(a_pair_that_makes_no_sense_fails)
{
	struct message m = { .payload = (const uint8_t *)bad_pairs[_i].bytes, .len = bad_pairs[_i].n };
	struct cursor c;
	unsigned n;

	ck_assert_msg(conf_get_check(&m, &c, &n) == -EPROTO, "%s", bad_pairs[_i].what);
}
END_TEST

START_TEST(pairs_have_limits)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE char *big = xcalloc(1, CONF_CHECK_MAX + 1);
	struct message m;
	struct cursor c;
	unsigned n;

	for (unsigned i = 0; i <= CONF_PAIRS_MAX; i++) {
		if (i == CONF_PAIRS_MAX) {
			m = check_message(&b);
			ck_assert_int_eq(conf_get_check(&m, &c, &n), 0);
			ck_assert_uint_eq(n, CONF_PAIRS_MAX);
		}
		conf_put_pair(&b, &pairs[9]);
	}
	m = check_message(&b);
	ck_assert_int_eq(conf_get_check(&m, &c, &n), -EPROTO);
	for (size_t over = 0; over < 2; over++) {
		memset(big, 'x', CONF_CHECK_MAX);
		big[CONF_CHECK_MAX - 11 + over] = '\0'; /* beside what a pair takes for itself */
		buf_consume(&b, buf_len(&b));
		conf_put_pair(&b, &(struct conf_pair){ .key = "", .kind = CONF_KIND_TEXT, .text = big });
		ck_assert_uint_eq(buf_len(&b), CONF_CHECK_MAX + over);
		m = check_message(&b);
		ck_assert_int_eq(conf_get_check(&m, &c, &n), over ? -EPROTO : 0);
	}
}
END_TEST

START_TEST(answers_carry_the_id_that_was_asked_with)
{
	AUTO_BUF struct buf spec = { 0 };
	static const enum conf_msg_type types[] = { CONF_JOB, CONF_ERROR, CONF_REFUSED, CONF_CONTEXT };
	struct message m;

	spec_put_number(&spec, JOB_RETRY, 1);
	conf_put_spec(&reader.in, 7, CONF_JOB, &spec);
	conf_put_text(&reader.in, 8, CONF_ERROR, "why");
	conf_put_empty(&reader.in, 9, CONF_REFUSED);
	conf_put_empty(&reader.in, UINT64_MAX, CONF_CONTEXT);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
		ck_assert_uint_eq(m.type, types[i]);
		ck_assert_uint_eq(m.id, i == 3 ? UINT64_MAX : 7 + i);
		ck_assert((m.len == 0) == (i >= 2));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_msg");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, reader_setup, reader_teardown);
	tcase_add_test(tc, texts_come_through);
	tcase_add_test(tc, specs_come_through);
	tcase_add_test(tc, an_empty_spec_comes_through);
	tcase_add_test(tc, the_end_counts);
	tcase_add_test(tc, cut_or_longer_messages_fail);
	tcase_add_test(tc, answers_carry_the_id_that_was_asked_with);
	suite_add_tcase(s, tc);
	tc = tcase_create("checks");
	tcase_add_checked_fixture(tc, reader_setup, reader_teardown);
	tcase_add_test(tc, pairs_come_through_in_their_order);
	tcase_add_test(tc, a_check_without_pairs_comes_through);
	tcase_add_test(tc, a_check_that_is_cut_within_a_pair_fails);
	tcase_add_test(tc, a_long_key_is_cut_and_a_longer_one_fails);
	tcase_add_loop_test(tc, a_pair_that_makes_no_sense_fails, 0, ARRAY_SIZE(bad_pairs));
	tcase_add_test(tc, pairs_have_limits);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
