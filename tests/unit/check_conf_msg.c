/* What hauld-conf says: round trips, cut messages. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "model/spec.h"
#include "run_suite.h"
#include "wire/conf_msg.h"

static struct frame_reader reader;

static void
setup(void)
{
	reader = (struct frame_reader){ 0 };
}

static void
teardown(void)
{
	frame_reader_done(&reader);
}

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

int
main(void)
{
	Suite *s = suite_create("conf_msg");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, texts_come_through);
	tcase_add_test(tc, specs_come_through);
	tcase_add_test(tc, an_empty_spec_comes_through);
	tcase_add_test(tc, the_end_counts);
	tcase_add_test(tc, cut_or_longer_messages_fail);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
