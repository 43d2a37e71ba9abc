/* What hauld and hauld-store say to each other: round trips, limits, cut messages. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "read_back.h"
#include "run_suite.h"
#include "wire/read_msg.h"
#include "wire/store_msg.h"

static struct message
next(enum store_msg_type type, uint64_t id)
{
	return next_of(STORE_PROTO, type, id);
}

static struct store_job
a_job(void)
{
	struct store_job j = {
		.id = STORE_ID_MAX, .from_config = true, .uid = JOB_NO_UID, .added_s = INT64_MIN, .state = JOB_CANCELLED,
		.attempts = UINT32_MAX, .received = STORE_ID_MAX, .published = STORE_ID_MAX - 1, .run_ms = STORE_ID_MAX - 2,
		.ended_s = STORE_TIME_MAX,
		.spec = { "\0spec", 5 }, .receipt = { "r\0", 2 },
	};

	result_set(&j.result, RESULT_PROTOCOL, "odd: \x01 \xff");
	j.result.http_status = 999;
	j.result.os_error = 4095;
	return j;
}

START_TEST(jobs_come_through)
{
	static const enum store_msg_type types[] = { STORE_PUT, STORE_UPDATE, STORE_JOB };
	enum store_msg_type type = types[_i];
	struct store_job j = a_job(), got;
	struct message m;

	store_msg_put_job(&reader.in, 77, type, &j);
	m = next(type, 77);
	ck_assert_int_eq(store_msg_get_job(&m, &got), 0);
	ck_assert_uint_eq(got.id, j.id);
	ck_assert(got.from_config);
	ck_assert_uint_eq(got.uid, j.uid);
	ck_assert_int_eq(got.added_s, j.added_s);
	ck_assert_int_eq(got.state, j.state);
	ck_assert_uint_eq(got.attempts, j.attempts);
	ck_assert_uint_eq(got.received, j.received);
	ck_assert_uint_eq(got.published, j.published);
	ck_assert_uint_eq(got.run_ms, j.run_ms);
	ck_assert_int_eq(got.ended_s, j.ended_s);
	ck_assert_int_eq(got.result.code, j.result.code);
	ck_assert_int_eq(got.result.http_status, 999);
	ck_assert_int_eq(got.result.os_error, 4095);
	ck_assert_str_eq(got.result.text, j.result.text);
	ck_assert_mem_eq(got.receipt.at, "r\0", 2);
	ck_assert_uint_eq(got.receipt.len, 2);
	ck_assert_uint_eq(got.spec.len, type == STORE_UPDATE ? 0 : 5);
	ck_assert_mem_eq(got.spec.at, "\0spec", got.spec.len);
}
END_TEST

START_TEST(the_least_and_the_largest_job_come_through)
{
	char *spec = xcalloc(1, SPEC_MAX), *receipt = xcalloc(1, STORE_RECEIPT_MAX);
	struct store_job j = { .id = 1 }, got;
	struct message m;

	store_msg_put_job(&reader.in, 1, STORE_PUT, &j);
	m = next(STORE_PUT, 1);
	ck_assert_int_eq(store_msg_get_job(&m, &got), 0);
	ck_assert_uint_eq(got.id, 1);
	ck_assert_uint_eq(got.spec.len, 0);
	j.spec = (struct text){ spec, SPEC_MAX };
	j.receipt = (struct text){ receipt, STORE_RECEIPT_MAX };
	memset(j.result.text, 'x', RESULT_TEXT_MAX - 1);
	store_msg_put_job(&reader.in, 2, STORE_PUT, &j);
	m = next(STORE_PUT, 2);
	ck_assert_int_eq(store_msg_get_job(&m, &got), 0);
	ck_assert_uint_eq(got.spec.len, SPEC_MAX);
	ck_assert_uint_eq(got.receipt.len, STORE_RECEIPT_MAX);
	ck_assert_str_eq(got.result.text, j.result.text);
	free(spec);
	free(receipt);
}
END_TEST

/* Bytes in an encoded job, and what they may not be. */
static const struct {
	size_t at;
	uint8_t bytes[8];
	size_t n;
} bad_bytes[] = {
	{ 0, { 0 }, 8 }, /* id */
	{ 7, { 0x80 }, 1 },
	{ 8, { 2 }, 1 }, /* from_config */
	{ 21, { _JOB_STATE_MAX }, 1 },
	{ 33, { 0x80 }, 1 }, /* received */
	{ 41, { 0x80 }, 1 },
	{ 49, { 0x80 }, 1 },
	{ 55, { 2 }, 1 },       /* ended_s */
	{ 57, { 0x80 }, 1 },
	{ 58, { _RESULT_CODE_MAX }, 1 },
	{ 60, { 0xe8, 3 }, 2 }, /* http_status 1000 */
	{ 62, { 0, 0x10 }, 2 }, /* os_error 4096 */
	{ 64, { RESULT_TEXT_MAX }, 1 },
};

START_TEST(a_number_out_of_bounds_fails)
{
	uint8_t copy[1024];
	struct store_job j = a_job(), got;
	struct message m;

	memset(j.result.text, 0, sizeof j.result.text);
	memset(j.result.text, 'x', RESULT_TEXT_MAX - 1);
	store_msg_put_job(&reader.in, 1, STORE_PUT, &j);
	m = next(STORE_PUT, 1);
	ck_assert_uint_lt(m.len, sizeof copy);
	memcpy(copy, m.payload, m.len);
	m.payload = copy;
	ck_assert_int_eq(store_msg_get_job(&m, &got), 0);
	memcpy(copy + bad_bytes[_i].at, bad_bytes[_i].bytes, bad_bytes[_i].n);
	if (bad_bytes[_i].at == 64) { /* and as many bytes as it says */
		memmove(copy + 67, copy + 66, m.len - 66);
		m.len++;
	}
	ck_assert_int_eq(store_msg_get_job(&m, &got), -EPROTO);
}
END_TEST

START_TEST(a_blob_that_is_too_long_fails)
{
	struct store_job j = a_job(), got;
	AUTO_BUF struct buf b = { 0 };
	char *big = xcalloc(1, SPEC_MAX + 1);
	size_t tail = 4 + j.receipt.len + 4 + j.spec.len;
	struct message m;

	store_msg_put_job(&reader.in, 1, STORE_PUT, &j);
	m = next(STORE_PUT, 1);
	buf_append(&b, m.payload, m.len - tail);
	put_blob(&b, big, _i ? STORE_RECEIPT_MAX + 1 : 0);
	put_blob(&b, big, _i ? 0 : SPEC_MAX + 1);
	m.payload = buf_bytes(&b);
	m.len = buf_len(&b);
	ck_assert_int_eq(store_msg_get_job(&m, &got), -EPROTO);
	free(big);
}
END_TEST

START_TEST(a_text_that_is_not_safe_is_made_so)
{
	struct store_job j = a_job(), got;
	struct message m;

	(void)snprintf(j.result.text, sizeof j.result.text, "a\033[1m\nb");
	store_msg_put_job(&reader.in, 1, STORE_PUT, &j);
	m = next(STORE_PUT, 1);
	ck_assert_int_eq(store_msg_get_job(&m, &got), 0);
	ck_assert_str_eq(got.result.text, "a\\x1b[1m\\x0ab");
}
END_TEST

START_TEST(numbers_texts_and_empty_messages_come_through)
{
	struct message m;
	struct text t;
	uint64_t n;

	store_msg_put_number(&reader.in, 5, STORE_DELETE, STORE_ID_MAX);
	m = next(STORE_DELETE, 5);
	ck_assert_int_eq(store_msg_get_number(&m, &n), 0);
	ck_assert_uint_eq(n, STORE_ID_MAX);
	store_msg_put_number(&reader.in, 5, STORE_LOADED, STORE_ID_MAX + 1);
	m = next(STORE_LOADED, 5);
	ck_assert_int_eq(store_msg_get_number(&m, &n), -EPROTO);
	store_msg_put_text(&reader.in, STORE_FAILED, "why");
	m = next(STORE_FAILED, 0);
	ck_assert_int_eq(store_msg_get_text(&m, &t), 0);
	ck_assert(t.len == 3 && memcmp(t.at, "why", 3) == 0);
	store_msg_put_empty(&reader.in, UINT64_MAX, STORE_COMMITTED);
	m = next(STORE_COMMITTED, UINT64_MAX);
	ck_assert_int_eq(store_msg_get_empty(&m), 0);
	m.len = 1;
	ck_assert_int_eq(store_msg_get_empty(&m), -EPROTO);
}
END_TEST

START_TEST(a_sentence_is_bounded)
{
	char *big = xcalloc(1, STORE_TEXT_MAX + 2);
	AUTO_BUF struct buf b = { 0 };
	struct message m;
	struct text t;

	memset(big, 'x', STORE_TEXT_MAX + 1);
	store_msg_put_text(&reader.in, STORE_FATAL, big);
	m = next(STORE_FATAL, 0);
	ck_assert_int_eq(store_msg_get_text(&m, &t), 0);
	ck_assert_uint_eq(t.len, STORE_TEXT_MAX);
	put_text(&b, big, STORE_TEXT_MAX + 1);
	m.payload = buf_bytes(&b);
	m.len = buf_len(&b);
	ck_assert_int_eq(store_msg_get_text(&m, &t), -EPROTO);
	free(big);
}
END_TEST

START_TEST(a_hello_of_another_build_fails)
{
	struct message m;

	store_msg_put_hello(&reader.in);
	m = next(STORE_HELLO, 0);
	ck_assert_int_eq(store_msg_get_hello(&m), 0);
	m.version++;
	ck_assert_int_eq(store_msg_get_hello(&m), -ESTALE);
	m.version--;
	m.type++;
	ck_assert_int_eq(store_msg_get_hello(&m), -EPROTO);
	store_msg_put_text(&reader.in, STORE_HELLO, "another");
	m = next(STORE_HELLO, 0);
	ck_assert_int_eq(store_msg_get_hello(&m), -ESTALE);
}
END_TEST

START_TEST(cut_or_longer_messages_fail)
{
	struct store_job j = a_job(), got;
	struct message m;
	struct text t;
	uint64_t n;

	store_msg_put_job(&reader.in, 1, STORE_PUT, &j);
	store_msg_put_job(&reader.in, 1, STORE_UPDATE, &j);
	store_msg_put_number(&reader.in, 1, STORE_DELETE, 1);
	store_msg_put_text(&reader.in, STORE_FATAL, "a text");
	for (unsigned i = 0; i < 4; i++) {
		uint8_t copy[512] = { 0 };
		size_t whole;

		ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
		whole = m.len;
		ck_assert_uint_lt(whole, sizeof copy);
		memcpy(copy, m.payload, whole);
		m.payload = copy;
		for (m.len = 0; m.len <= whole + 1; m.len++) {
			int e = i < 2 ? store_msg_get_job(&m, &got) : i == 2 ? store_msg_get_number(&m, &n) :
			    store_msg_get_text(&m, &t);

			ck_assert_int_eq(e, m.len == whole ? 0 : -EPROTO);
		}
	}
}
END_TEST

/* ---- Limits, counts, names, keys ---- */

START_TEST(limits_and_counts_come_through)
{
	struct store_limits l = { STORE_ID_MAX - 1, 7 }, got_l;
	struct store_ended e = { 1, STORE_ID_MAX - 1, 3 }, got_e;
	struct message m;

	store_msg_put_limits(&reader.in, &l);
	m = next(STORE_LIMITS, 0);
	ck_assert_int_eq(store_msg_get_limits(&m, &got_l), 0);
	ck_assert(got_l.count == l.count && got_l.age_s == l.age_s);
	store_msg_put_ended(&reader.in, &e);
	m = next(STORE_ENDED, 0);
	ck_assert_int_eq(store_msg_get_ended(&m, &got_e), 0);
	ck_assert(got_e.done == e.done && got_e.failed == e.failed && got_e.cancelled == e.cancelled);
	e.failed++;
	store_msg_put_ended(&reader.in, &e);
	m = next(STORE_ENDED, 0);
	ck_assert_int_eq(store_msg_get_ended(&m, &got_e), -EPROTO);
	l.age_s = (uint64_t)STORE_TIME_MAX;
	store_msg_put_limits(&reader.in, &l);
	m = next(STORE_LIMITS, 0);
	ck_assert_int_eq(store_msg_get_limits(&m, &got_l), -EPROTO);
}
END_TEST

START_TEST(names_come_through)
{
	struct message m;
	struct text name;
	uint64_t id;

	store_msg_put_named(&reader.in, STORE_NAMED, STORE_ID_MAX, "fred");
	m = next(STORE_NAMED, 0);
	ck_assert_int_eq(store_msg_get_named(&m, &id, &name), 0);
	ck_assert(id == STORE_ID_MAX && name.len == 4 && memcmp(name.at, "fred", 4) == 0);
	m.len--;
	ck_assert_int_eq(store_msg_get_named(&m, &id, &name), -EPROTO);
	store_msg_put_named(&reader.in, STORE_LEFT, 0, "/x");
	m = next(STORE_LEFT, 0);
	ck_assert_int_eq(store_msg_get_named(&m, &id, &name), -EPROTO);
}
END_TEST

static const struct store_key a_key = { 7, 3, -1, { "0/k", 3 }, { "one\0\0three", 11 } };

START_TEST(keys_come_through)
{
	struct store_key got;
	struct message m;

	store_msg_put_key(&reader.in, 9, STORE_KEY, &a_key);
	m = next(STORE_KEY, 9);
	ck_assert_int_eq(store_msg_get_key(&m, &got), 0);
	ck_assert(got.first_id == 7 && got.n == 3 && got.added_s == -1 && got.word.len == 3 && got.names.len == 11);
	ck_assert(memcmp(got.word.at, "0/k", 3) == 0 && memcmp(got.names.at, a_key.names.at, 11) == 0);
}
END_TEST

START_TEST(a_key_that_makes_no_sense_fails)
{
	struct store_key bad[] = { a_key, a_key, a_key, a_key, a_key, a_key, a_key }, got;
	char long_word[STORE_WORD_MAX + 1];
	struct message m;

	memset(long_word, 'x', sizeof long_word);
	bad[0].first_id = 0;
	bad[1].n = 0;
	bad[2].first_id = STORE_ID_MAX - 1;
	bad[3].word.len = 0;
	bad[4].word = (struct text){ long_word, sizeof long_word };
	bad[5].names.len = 10; /* the last one has no end */
	bad[6].n = 2;
	store_msg_put_key(&reader.in, 1, STORE_KEPT_KEY, &bad[_i]);
	m = next(STORE_KEPT_KEY, 1);
	ck_assert_int_eq(store_msg_get_key(&m, &got), -EPROTO);
}
END_TEST

START_TEST(notes_come_through)
{
	struct store_note note = { { "event:x", 7 }, { "a\0b", 3 } }, got;
	struct message m;

	store_msg_put_note(&reader.in, 9, STORE_NOTE, &note);
	m = next(STORE_NOTE, 9);
	ck_assert_int_eq(store_msg_get_note(&m, &got), 0);
	ck_assert(got.key.len == 7 && memcmp(got.key.at, "event:x", 7) == 0);
	ck_assert(got.data.len == 3 && memcmp(got.data.at, "a\0b", 3) == 0);
}
END_TEST

START_TEST(a_note_that_makes_no_sense_fails)
{
	static char too_long[STORE_NOTE_MAX + 1];
	const struct store_note bad[] = {
		{ { "", 0 }, { "x", 1 } },
		{ { "a\0b", 3 }, { "x", 1 } },
		{ { too_long, STORE_NOTE_KEY_MAX + 1 }, { "x", 1 } },
		{ { "a", 1 }, { too_long, sizeof too_long } },
	};
	struct store_note got;
	struct message m;

	if (_i == 2)
		memset(too_long, 'x', sizeof too_long);
	store_msg_put_note(&reader.in, 1, STORE_KEPT_NOTE, &bad[_i]);
	m = next(STORE_KEPT_NOTE, 1);
	ck_assert_int_eq(store_msg_get_note(&m, &got), -EPROTO);
}
END_TEST

START_TEST(expired_ids_come_through)
{
	AUTO_BUF struct buf ids = { 0 };
	struct cursor c;
	struct message m;
	size_t n;

	for (uint64_t id = 1; id <= STORE_EXPIRED_MAX; id++)
		put_u64(&ids, id);
	store_msg_put_expired(&reader.in, &ids);
	m = next(STORE_EXPIRED, 0);
	ck_assert_int_eq(store_msg_get_expired(&m, &c, &n), 0);
	ck_assert_uint_eq(n, STORE_EXPIRED_MAX);
	for (uint64_t id = 1; id <= n; id++)
		ck_assert_uint_eq(get_u64(&c), id);
	m.len--;
	ck_assert_int_eq(store_msg_get_expired(&m, &c, &n), -EPROTO);
	put_u64(&ids, 1);
	store_msg_put_expired(&reader.in, &ids);
	m = next(STORE_EXPIRED, 0);
	ck_assert_int_eq(store_msg_get_expired(&m, &c, &n), -EPROTO);
}
END_TEST

/* ---- What the reader is asked and says ---- */

static void
assert_text(const char *got, const char *want)
{
	ck_assert(!got == !want);
	if (want)
		ck_assert_str_eq(got, want);
}

START_TEST(questions_come_through)
{
	struct read_list l = {
		.filter = { 0x70, -5, 6, "g", NULL, "", "*u*" },
		.by_end = true, .after_id = 1, .upto_id = STORE_ID_MAX, .after_s = INT64_MIN, .jobs = READ_JOBS_MAX,
	}, got;
	static const uint64_t ids[] = { 5, STORE_ID_MAX };
	struct message m;
	struct cursor c;
	size_t n;

	read_put_list(&reader.in, 3, &l);
	m = next((enum store_msg_type)READ_LIST, 3);
	ck_assert_int_eq(read_get_list(&m, &got), 0);
	ck_assert(got.filter.states == 0x70 && got.filter.since_s == -5 && got.filter.until_s == 6);
	assert_text(got.filter.group, "g");
	assert_text(got.filter.name, NULL);
	assert_text(got.filter.output, "");
	assert_text(got.filter.url, "*u*");
	ck_assert(got.by_end && got.after_id == 1 && got.upto_id == STORE_ID_MAX && got.after_s == INT64_MIN);
	ck_assert_uint_eq(got.jobs, READ_JOBS_MAX);
	read_list_done(&got);
	l.jobs = _i ? READ_JOBS_MAX + 1 : 0;
	read_put_list(&reader.in, 3, &l);
	m = next((enum store_msg_type)READ_LIST, 3);
	ck_assert_int_eq(read_get_list(&m, &got), -EPROTO);
	read_put_find(&reader.in, 4, ids, 2);
	m = next((enum store_msg_type)READ_FIND, 4);
	ck_assert_int_eq(read_get_find(&m, &c, &n), 0);
	ck_assert(n == 2 && get_u64(&c) == 5 && get_u64(&c) == STORE_ID_MAX);
	m.len -= 1;
	ck_assert_int_eq(read_get_find(&m, &c, &n), -EPROTO);
}
END_TEST

START_TEST(a_list_that_is_cut_fails)
{
	struct read_list l = { .filter = { 1, 2, 3, "group", "name", "output", "url" }, .jobs = 1 }, got;
	uint8_t copy[512] = { 0 };
	struct message m;
	size_t whole;

	read_put_list(&reader.in, 3, &l);
	m = next((enum store_msg_type)READ_LIST, 3);
	whole = m.len;
	memcpy(copy, m.payload, whole);
	m.payload = copy;
	for (m.len = 0; m.len <= whole + 1; m.len++)
		if (m.len != whole)
			ck_assert_int_eq(read_get_list(&m, &got), -EPROTO);
}
END_TEST

START_TEST(the_end_of_a_page_comes_through)
{
	struct read_end e = { true, STORE_ID_MAX, INT64_MAX }, got;
	struct message m;
	struct text t;

	read_put_end(&reader.in, 8, &e);
	m = next((enum store_msg_type)READ_END, 8);
	ck_assert_int_eq(read_get_end(&m, &got), 0);
	ck_assert(got.more && got.id == e.id && got.ended_s == e.ended_s);
	m.len--;
	ck_assert_int_eq(read_get_end(&m, &got), -EPROTO);
	read_put_text(&reader.in, 8, READ_FAILED, "why");
	m = next((enum store_msg_type)READ_FAILED, 8);
	ck_assert_int_eq(read_get_text(&m, &t), 0);
	ck_assert_uint_eq(t.len, 3);
	read_put_hello(&reader.in);
	m = next((enum store_msg_type)READ_HELLO, 0);
	ck_assert_int_eq(read_get_hello(&m), 0);
	m.version++;
	ck_assert_int_eq(read_get_hello(&m), -ESTALE);
}
END_TEST

static Suite *
store_msg_suite(void)
{
	Suite *s = suite_create("store_msg");
	TCase *t = add_case(s, "messages", reader_setup, reader_teardown, 0);

	tcase_add_loop_test(t, jobs_come_through, 0, 3);
	tcase_add_test(t, the_least_and_the_largest_job_come_through);
	tcase_add_loop_test(t, a_number_out_of_bounds_fails, 0, ARRAY_SIZE(bad_bytes));
	tcase_add_loop_test(t, a_blob_that_is_too_long_fails, 0, 2);
	tcase_add_test(t, a_text_that_is_not_safe_is_made_so);
	tcase_add_test(t, numbers_texts_and_empty_messages_come_through);
	tcase_add_test(t, a_sentence_is_bounded);
	tcase_add_test(t, a_hello_of_another_build_fails);
	tcase_add_test(t, cut_or_longer_messages_fail);
	tcase_add_test(t, limits_and_counts_come_through);
	tcase_add_test(t, names_come_through);
	tcase_add_test(t, keys_come_through);
	tcase_add_loop_test(t, a_key_that_makes_no_sense_fails, 0, 7);
	tcase_add_test(t, notes_come_through);
	tcase_add_loop_test(t, a_note_that_makes_no_sense_fails, 0, 4);
	tcase_add_test(t, expired_ids_come_through);
	tcase_add_loop_test(t, questions_come_through, 0, 2);
	tcase_add_test(t, a_list_that_is_cut_fails);
	tcase_add_test(t, the_end_of_a_page_comes_through);
	return s;
}

int
main(void)
{
	return run_suite(store_msg_suite());
}
