/* Outcomes: every code has a word and a class; texts are safe and fit. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/result.h"
#include "run_suite.h"

/* A number that stands for nothing reads as the word of what should not be. */
static bool
is_gap(int c)
{
	return c != RESULT_INTERNAL && text_equal(result_code_to_string((enum result_code)c), "internal");
}

START_TEST(every_code_has_a_word_of_its_own)
{
	for (int a = 0; a < _RESULT_CODE_MAX; a++) {
		const char *word = result_code_to_string((enum result_code)a);

		ck_assert_msg(word && *word, "code %d", a);
		ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
		for (int b = 0; b < a && !is_gap(a); b++)
			ck_assert_str_ne(word, result_code_to_string((enum result_code)b));
	}
	ck_assert_str_eq(result_code_to_string(_RESULT_CODE_MAX), "internal");
}
END_TEST

START_TEST(the_words_of_the_design_are_all_there)
{
	static const char *const words[] = { "dns", "connect", "tls", "proxy", "http", "stalled",
		"timeout", "deadline", "truncated", "unproven", "range-changed", "too-large",
		"size-mismatch", "checksum-mismatch", "signature-bad", "encoding-refused", "decode",
		"expansion-limit", "disk-full", "write", "exists", "path-refused", "redirect-refused",
		"address-refused", "unsupported", "worker-crashed", "hook-failed", "cancelled",
		"interrupted", "sibling-failed", "dependency-failed", "internal", "not-needed" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int c = 0;

		while (c < _RESULT_CODE_MAX && !text_equal(result_code_to_string((enum result_code)c), words[i]))
			c++;
		ck_assert_msg(c < _RESULT_CODE_MAX, "%s", words[i]);
	}
}
END_TEST

START_TEST(classes)
{
	static const struct {
		enum result_code code;
		enum result_class class;
	} rows[] = {
		{ RESULT_OK, CLASS_OK }, { RESULT_DNS, CLASS_RETRY_NOW }, { RESULT_CONNECT, CLASS_RETRY_NOW },
		{ RESULT_TLS, CLASS_PERMANENT }, { RESULT_STALLED, CLASS_RETRY_NOW },
		{ RESULT_TRUNCATED, CLASS_RETRY_NOW }, { RESULT_PROTOCOL, CLASS_RETRY_NOW },
		{ RESULT_UNPROVEN, CLASS_PERMANENT }, { RESULT_CHECKSUM_MISMATCH, CLASS_FETCH_ANEW },
		{ RESULT_DISK_FULL, CLASS_PERMANENT }, { RESULT_CANCELLED, CLASS_CANCELLED },
		{ RESULT_INTERRUPTED, CLASS_CANCELLED }, { RESULT_NOT_NEEDED, CLASS_CANCELLED }, { RESULT_DEADLINE, CLASS_PERMANENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result r = { .code = rows[i].code };

		ck_assert_int_eq(result_class(&r), rows[i].class);
	}
	/* Only one code is a success. */
	for (int c = 1; c < _RESULT_CODE_MAX; c++) {
		struct result r = { .code = (enum result_code)c };

		ck_assert_int_ne(result_class(&r), CLASS_OK);
	}
	ck_assert_int_eq(result_class(&(struct result){ .code = _RESULT_CODE_MAX }), CLASS_PERMANENT);
}
END_TEST

START_TEST(classes_of_http_answers)
{
	static const struct {
		int status;
		enum result_class class;
	} rows[] = {
		{ 204, CLASS_PERMANENT }, { 206, CLASS_PERMANENT }, { 304, CLASS_PERMANENT },
		{ 400, CLASS_PERMANENT }, { 401, CLASS_PERMANENT }, { 403, CLASS_PERMANENT },
		{ 404, CLASS_PERMANENT }, { 410, CLASS_PERMANENT }, { 416, CLASS_PERMANENT },
		{ 408, CLASS_RETRY_LATER }, { 425, CLASS_RETRY_LATER }, { 429, CLASS_RETRY_LATER },
		{ 500, CLASS_RETRY_LATER }, { 501, CLASS_PERMANENT }, { 502, CLASS_RETRY_LATER },
		{ 503, CLASS_RETRY_LATER }, { 504, CLASS_RETRY_LATER }, { 520, CLASS_RETRY_LATER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result r = { .code = RESULT_HTTP, .http_status = rows[i].status };

		ck_assert_msg(result_class(&r) == rows[i].class, "%d", rows[i].status);
	}
}
END_TEST

START_TEST(every_word_leads_back_to_its_code)
{
	for (int c = 0; c < _RESULT_CODE_MAX; c++)
		if (!is_gap(c))
			ck_assert_int_eq(result_code_from_string(result_code_to_string((enum result_code)c)), c);
	ck_assert_int_eq(result_code_from_string("nonsense"), RESULT_OK);
	ck_assert_int_eq(result_code_from_string(""), RESULT_OK);
}
END_TEST

/* Of a failure that is the origin's all its jobs take notice. */
START_TEST(whose_fault_it_is)
{
	static const struct {
		enum result_code code;
		int status;
		bool origin, source;
	} rows[] = {
		{ RESULT_DNS, 0, true, true }, { RESULT_CONNECT, 0, true, true }, { RESULT_TIMEOUT, 0, true, true },
		{ RESULT_NOT_YET_VALID, 0, true, true }, { RESULT_TRUNCATED, 200, false, true },
		{ RESULT_HTTP, 500, false, true }, { RESULT_HTTP, 502, true, true }, { RESULT_HTTP, 503, true, true },
		{ RESULT_HTTP, 504, true, true }, { RESULT_HTTP, 429, true, true }, { RESULT_HTTP, 404, false, true },
		{ RESULT_CHECKSUM_MISMATCH, 200, false, true }, { RESULT_WRITE, 200, false, false },
		{ RESULT_DISK_FULL, 503, false, false }, { RESULT_CANCELLED, 0, false, false }, { RESULT_OK, 200, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result r = { .code = rows[i].code, .http_status = rows[i].status };

		ck_assert_msg(result_is_of_origin(&r) == rows[i].origin, "%s", result_word(&r));
		ck_assert_msg(!(result_code_flags(r.code) & RESULT_OF_SOURCE) == !rows[i].source, "%s", result_word(&r));
	}
	ck_assert_uint_eq(result_code_flags(_RESULT_CODE_MAX), 0);
}
END_TEST

START_TEST(words_of_http_answers_have_their_number)
{
	struct result r = { .code = RESULT_HTTP, .http_status = 404 };

	ck_assert_str_eq(result_word(&r), "http-404");
	r.http_status = 0;
	ck_assert_str_eq(result_word(&r), "http-000");
	r.code = RESULT_TRUNCATED;
	r.http_status = 200;
	ck_assert_str_eq(result_word(&r), "truncated");
}
END_TEST

START_TEST(texts_are_safe_and_fit)
{
	struct result r = { 0 };
	char big[3000];

	result_set(&r, RESULT_WRITE, "a %s of %d", "line\n\x1b[2J", 7);
	ck_assert_int_eq(r.code, RESULT_WRITE);
	ck_assert_str_eq(r.text, "a line\\x0a\\x1b[2J of 7");
	memset(big, '\xc3', sizeof big);
	big[sizeof big - 1] = '\0';
	result_set(&r, RESULT_WRITE, "%s", big);
	ck_assert_uint_lt(strlen(r.text), RESULT_TEXT_MAX);
	ck_assert(has_suffix(r.text, "..."));
	result_set(&r, RESULT_OK, "%s", "");
	ck_assert_str_eq(r.text, "");
}
END_TEST

START_TEST(errors_of_files)
{
	static const struct {
		int err;
		enum result_code code;
	} rows[] = {
		{ ENOSPC, RESULT_DISK_FULL }, { EDQUOT, RESULT_DISK_FULL }, { EEXIST, RESULT_EXISTS },
		{ ELOOP, RESULT_PATH_REFUSED }, { EXDEV, RESULT_PATH_REFUSED },
		{ ENOTDIR, RESULT_PATH_REFUSED }, { EISDIR, RESULT_PATH_REFUSED }, { EIO, RESULT_WRITE },
		{ EROFS, RESULT_WRITE }, { EACCES, RESULT_WRITE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct result r = { 0 };

		result_set_errno(&r, rows[i].err, "write", "a\nfile");
		ck_assert_int_eq(r.code, rows[i].code);
		ck_assert_int_eq(r.os_error, rows[i].err);
		ck_assert_ptr_nonnull(strstr(r.text, "cannot write a\\x0afile: "));
		ck_assert_ptr_nonnull(strstr(r.text, strerror(rows[i].err)));
	}
}
END_TEST

START_TEST(a_clause_behind_the_cause)
{
	struct result r = { .http_status = 404 };
	char long_one[2 * RESULT_TEXT_MAX];

	result_set(&r, RESULT_TLS, "it said \x1b[31m");
	result_add(&r, ", at %s", "a\nb");
	ck_assert_str_eq(r.text, "it said \\x1b[31m, at a\\x0ab"); /* safe once, not twice */
	ck_assert_int_eq(r.code, RESULT_TLS);
	ck_assert_int_eq(r.http_status, 404);

	memset(long_one, 'x', sizeof long_one - 1);
	long_one[sizeof long_one - 1] = '\0';
	result_set(&r, RESULT_TLS, "%s", long_one);
	result_add(&r, ", at %s", "the end");
	ck_assert_uint_eq(strlen(r.text), RESULT_TEXT_MAX - 1);
	ck_assert_ptr_nonnull(strstr(r.text, "x..., at the end"));

	result_set(&r, RESULT_TLS, "cause");
	result_add(&r, "; %s", long_one);
	ck_assert_uint_lt(strlen(r.text), RESULT_TEXT_MAX / 2 + 5);
	ck_assert_ptr_nonnull(strstr(r.text, "cause; xxx"));
}
END_TEST

START_TEST(a_clause_before_the_cause)
{
	struct result r = { .http_status = 404 };
	char long_one[2 * RESULT_TEXT_MAX];

	result_set(&r, RESULT_TLS, "it said \x1b[31m");
	result_lead(&r, "wrong in %d, \n: ", 2);
	ck_assert_str_eq(r.text, "wrong in 2, \\x0a: it said \\x1b[31m"); /* safe once, not twice */
	ck_assert_int_eq(r.code, RESULT_TLS);

	memset(long_one, 'x', sizeof long_one - 1);
	long_one[sizeof long_one - 1] = '\0';
	result_set(&r, RESULT_TLS, "%s", long_one);
	result_lead(&r, "again: ");
	ck_assert_uint_eq(strlen(r.text), RESULT_TEXT_MAX - 1);
	ck_assert_ptr_nonnull(strstr(r.text, "again: xxx"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("result");
	TCase *tc = tcase_create("codes");
	TCase *texts = tcase_create("texts");

	tcase_add_test(tc, every_code_has_a_word_of_its_own);
	tcase_add_test(tc, the_words_of_the_design_are_all_there);
	tcase_add_test(tc, classes);
	tcase_add_test(tc, classes_of_http_answers);
	tcase_add_test(tc, every_word_leads_back_to_its_code);
	tcase_add_test(tc, whose_fault_it_is);
	tcase_add_test(tc, words_of_http_answers_have_their_number);
	suite_add_tcase(s, tc);
	tcase_add_test(texts, texts_are_safe_and_fit);
	tcase_add_test(texts, errors_of_files);
	tcase_add_test(texts, a_clause_behind_the_cause);
	tcase_add_test(texts, a_clause_before_the_cause);
	suite_add_tcase(s, texts);
	return run_suite(s);
}
