/* The JSON writer: structure, escapes, foreign bytes, numbers. */
#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"

static struct buf out;
static struct json j;

static void
setup(void)
{
	jsonw_init(&j, &out);
}

static void
teardown(void)
{
	buf_done(&out);
}

START_TEST(nested_values_get_their_commas)
{
	jsonw_begin_object(&j);
	jsonw_key(&j, "a");
	jsonw_u64(&j, 1);
	jsonw_key(&j, "b");
	jsonw_begin_array(&j);
	jsonw_null(&j);
	jsonw_bool(&j, true);
	jsonw_begin_object(&j);
	jsonw_end_object(&j);
	jsonw_begin_array(&j);
	jsonw_end_array(&j);
	jsonw_bool(&j, false);
	jsonw_end_array(&j);
	jsonw_key(&j, "c");
	jsonw_begin_object(&j);
	jsonw_key(&j, "d");
	jsonw_string(&j, NULL);
	ck_assert(!jsonw_is_whole(&j));
	jsonw_end_object(&j);
	jsonw_key(&j, "e");
	jsonw_i64(&j, -1);
	jsonw_end_object(&j);
	ck_assert(jsonw_is_whole(&j));
	ck_assert_str_eq(buf_cstr(&out),
	    "{\"a\":1,\"b\":[null,true,{},[],false],\"c\":{\"d\":null},\"e\":-1}");
}
END_TEST

START_TEST(the_deepest_level_works)
{
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		jsonw_begin_array(&j);
	jsonw_u64(&j, 1);
	jsonw_u64(&j, 2);
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		jsonw_end_array(&j);
	ck_assert(jsonw_is_whole(&j));
	ck_assert_uint_eq(buf_len(&out), 2 * JSON_DEPTH_MAX + 3);
}
END_TEST

START_TEST(strings_are_escaped)
{
	static const struct {
		const char *s;
		size_t n;
		const char *want;
	} rows[] = {
		{ "", 0, "\"\"" },
		{ "plain /text", 11, "\"plain /text\"" },
		{ "\"\\", 2, "\"\\\"\\\\\"" },
		{ "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
		{ "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"" },
		{ "\xc3", 1, "\"\xef\xbf\xbd\"" },
		{ "\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		jsonw_init(&j, &out);
		jsonw_string_n(&j, rows[i].s, rows[i].n);
		ck_assert_str_eq(buf_cstr(&out), rows[i].want);
		buf_consume(&out, buf_len(&out));
	}
	jsonw_begin_object(&j);
	jsonw_key(&j, "\"\n\xff");
	jsonw_string(&j, "x");
	jsonw_end_object(&j);
	ck_assert_str_eq(buf_cstr(&out), "{\"\\\"\\n\xef\xbf\xbd\":\"x\"}");
}
END_TEST

START_TEST(every_byte_gives_valid_utf8_without_controls)
{
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			const char s[] = { (char)a, (char)b };
			const unsigned char *p;
			size_t n, i = 0;

			jsonw_init(&j, &out);
			jsonw_string_n(&j, s, 2);
			p = buf_bytes(&out);
			n = buf_len(&out);
			ck_assert(p[0] == '"' && p[n - 1] == '"');
			while (i < n) {
				unsigned len = utf8_length(p + i, n - i);

				ck_assert(len > 0 && p[i] >= 0x20);
				i += len;
			}
			buf_consume(&out, n);
		}
}
END_TEST

START_TEST(numbers)
{
	jsonw_begin_array(&j);
	jsonw_u64(&j, 0);
	jsonw_u64(&j, UINT64_MAX);
	jsonw_i64(&j, INT64_MIN);
	jsonw_i64(&j, INT64_MAX);
	jsonw_double(&j, 0);
	jsonw_double(&j, 0.1);
	jsonw_double(&j, -1.5);
	jsonw_double(&j, 1e300);
	jsonw_double(&j, 1e-7);
	jsonw_double(&j, (double)NAN);
	jsonw_double(&j, (double)INFINITY);
	jsonw_double(&j, -(double)INFINITY);
	jsonw_end_array(&j);
	ck_assert_str_eq(buf_cstr(&out), "[0,18446744073709551615,-9223372036854775808,"
					 "9223372036854775807,0,0.1,-1.5,1e+300,1e-07,null,null,null]");
}
END_TEST

START_TEST(doubles_read_back_the_same)
{
	static const double values[] = { 1.0 / 3, 2.0 / 3, 0.1 + 0.2, DBL_MAX, DBL_MIN, DBL_EPSILON,
		4.9e-324, 123456789012345678.0, -5e-5, 3.0e9 };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		double back;

		jsonw_init(&j, &out);
		jsonw_double(&j, values[i]);
		ck_assert_int_eq(sscanf(buf_cstr(&out), "%lf", &back), 1);
		ck_assert(memcmp(&back, &values[i], sizeof back) == 0);
		buf_consume(&out, buf_len(&out));
	}
}
END_TEST

START_TEST(a_locale_does_not_change_the_decimal_point)
{
	static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "C.UTF-8" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!setlocale(LC_NUMERIC, names[i]))
			continue;
		jsonw_init(&j, &out);
		jsonw_double(&j, 2.5);
		ck_assert_str_eq(buf_cstr(&out), "2.5");
		buf_consume(&out, buf_len(&out));
	}
	(void)setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(a_value_without_its_key_is_our_bug)
{
	jsonw_begin_object(&j);
	jsonw_u64(&j, 1);
}
END_TEST

START_TEST(a_key_in_an_array_is_our_bug)
{
	jsonw_begin_array(&j);
	jsonw_key(&j, "a");
}
END_TEST

START_TEST(the_wrong_end_is_our_bug)
{
	jsonw_begin_array(&j);
	jsonw_end_object(&j);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("writing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nested_values_get_their_commas);
	tcase_add_test(tc, the_deepest_level_works);
	tcase_add_test(tc, strings_are_escaped);
	tcase_add_test(tc, every_byte_gives_valid_utf8_without_controls);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, doubles_read_back_the_same);
	tcase_add_test(tc, a_locale_does_not_change_the_decimal_point);
	suite_add_tcase(s, tc);
	if (tests_fork()) {
		TCase *bugs = tcase_create("bugs");

		tcase_add_checked_fixture(bugs, setup, teardown);
		tcase_add_test_raise_signal(bugs, a_value_without_its_key_is_our_bug, SIGABRT);
		tcase_add_test_raise_signal(bugs, a_key_in_an_array_is_our_bug, SIGABRT);
		tcase_add_test_raise_signal(bugs, the_wrong_end_is_our_bug, SIGABRT);
		suite_add_tcase(s, bugs);
	}
	return run_suite(s);
}
