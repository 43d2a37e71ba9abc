/* Text: numbers, sizes, durations, escapes, distances, patterns. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "run_suite.h"

#define K UINT64_C(1024)

struct number_row {
	const char *s;
	int r;
	uint64_t v;
};

static void
check_numbers(int (*parse)(const char *, uint64_t *), const struct number_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 4711;
		int r = parse(rows[i].s, &v);

		ck_assert_msg(r == rows[i].r, "\"%s\" gives %d", rows[i].s, r);
		ck_assert_msg(v == (r ? 4711 : rows[i].v), "\"%s\" is %llu", rows[i].s,
		    (unsigned long long)v);
	}
}

START_TEST(numbers_are_digits_only)
{
	static const struct number_row rows[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "000000000000000000000000000000001", 0, 1 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "12abc", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "99999999999999999999999999x", -EINVAL, 0 },
		{ "\xd9\xa1", -EINVAL, 0 }, /* an Arabic one */
	};

	check_numbers(parse_u64, rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(numbers_of_other_bases)
{
	uint64_t v = 0;

	ck_assert_int_eq(parse_u64_n("ffXX", 2, 16, &v), 0);
	ck_assert_uint_eq(v, 255);
	ck_assert_int_eq(parse_u64_n("FF", 2, 16, &v), 0);
	ck_assert_uint_eq(v, 255);
	ck_assert_int_eq(parse_u64_n("fg", 2, 16, &v), -EINVAL);
	ck_assert_int_eq(parse_u64_n("18", 2, 8, &v), -EINVAL);
	ck_assert_int_eq(parse_u64_n("1", 0, 10, &v), -EINVAL);
	ck_assert_int_eq(parse_u64_n("ffffffffffffffff", 16, 16, &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert_int_eq(parse_u64_n("10000000000000000", 17, 16, &v), -ERANGE);
}
END_TEST

START_TEST(sizes)
{
	static const struct number_row rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "1B", 0, 1 },
		{ "64k", 0, 64 * K },
		{ "64K", 0, 64 * K },
		{ "2KiB", 0, 2 * K },
		{ "10MB", 0, 10 * K * K },
		{ "64M", 0, 64 * K * K },
		{ "64 M", 0, 64 * K * K },
		{ "1.5G", 0, 3 * K * K * K / 2 },
		{ "0.5k", 0, 512 },
		{ "0.000001M", 0, 1 },
		{ "5T", 0, 5 * K * K * K * K },
		{ "1P", 0, K * K * K * K * K },
		{ "8191P", 0, 8191 * K * K * K * K * K },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "8192P", -ERANGE, 0 },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18014398509481984K", -ERANGE, 0 },
		{ "99999999999999999999P", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "B", -EINVAL, 0 },
		{ ".5K", -EINVAL, 0 },
		{ "1.K", -EINVAL, 0 },
		{ "1.2345678K", -EINVAL, 0 },
		{ "1.2.3K", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 },
		{ "+1K", -EINVAL, 0 },
		{ " 1K", -EINVAL, 0 },
		{ "1E", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 },
		{ "1Kib", -EINVAL, 0 },
		{ "1KiBs", -EINVAL, 0 },
		{ "1iB", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1,5G", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};

	check_numbers(parse_size, rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(durations)
{
	static const struct number_row rows[] = {
		{ "0", 0, 0 },
		{ "30", 0, 30000 },
		{ "250ms", 0, 250 },
		{ "30s", 0, 30000 },
		{ "5m", 0, 300000 },
		{ "5min", 0, 300000 },
		{ "6h", 0, 21600000 },
		{ "2d", 0, 172800000 },
		{ "1h30m", 0, 5400000 },
		{ "1d2h3m4s5ms", 0, 93784005 },
		{ "1h 30m", 0, 5400000 },
		{ "0ms", 0, 0 },
		{ "9223372036854775807ms", 0, INT64_MAX },
		{ "9223372036854775808ms", -ERANGE, 0 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "9999999999999999999d", -ERANGE, 0 },
		{ "106751991167d7h", 0, 9223372036854000000 },
		{ "106751991168d", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
		{ "30m1h", -EINVAL, 0 },
		{ "1h1h", -EINVAL, 0 },
		{ "1m1min", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "30 1s", -EINVAL, 0 },
		{ "1h,30m", -EINVAL, 0 },
		{ "1 h", -EINVAL, 0 },
	};

	check_numbers(parse_duration, rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(modes)
{
	static const struct {
		const char *s;
		int r;
		uint32_t v;
	} rows[] = {
		{ "0644", 0, 0644 }, { "644", 0, 0644 }, { "0", 0, 0 }, { "07777", 0, 07777 },
		{ "10000", -ERANGE, 0 }, { "0888", -EINVAL, 0 }, { "", -EINVAL, 0 },
		{ "u+x", -EINVAL, 0 }, { "-644", -EINVAL, 0 }, { "0x1", -EINVAL, 0 },
		{ "7777777777777777777777777", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t v = 4711;
		int r = parse_mode(rows[i].s, &v);

		ck_assert_msg(r == rows[i].r, "%s", rows[i].s);
		ck_assert_uint_eq(v, r ? 4711 : rows[i].v);
	}
}
END_TEST

START_TEST(sizes_for_people)
{
	static const struct {
		uint64_t v;
		const char *s;
	} rows[] = {
		{ 0, "0 B" }, { 1, "1 B" }, { 999, "999 B" }, { 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" }, { 10240, "10.0 KiB" }, { 102400, "100 KiB" },
		{ 1048576, "1.0 MiB" }, { 3 * K * K * K / 2, "1.5 GiB" }, { UINT64_MAX, "16.0 EiB" },
	};
	char out[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(format_size(out, sizeof out, rows[i].v), rows[i].s);
	/* Never wider than "1000 KiB" would be, whatever the number. */
	for (uint64_t v = 1; v < UINT64_MAX / 3; v = v * 3 / 2 + 1)
		ck_assert_uint_le(strlen(format_size(out, sizeof out, v)), 8);
	ck_assert_str_eq(format_size(out, 4, 1536), "1.5");
}
END_TEST

START_TEST(durations_for_people)
{
	static const struct {
		uint64_t ms;
		const char *s;
	} rows[] = {
		{ 0, "0.0s" }, { 1234, "1.2s" }, { 10000, "10s" }, { 59999, "59s" }, { 60000, "1m00s" },
		{ 3599000, "59m59s" }, { 3600000, "1h00m" }, { 3720000, "1h02m" },
		{ 359999000, "99h59m" }, { 360000000, "4d" },
	};
	char out[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(format_duration(out, sizeof out, rows[i].ms), rows[i].s);
	ck_assert_uint_lt(strlen(format_duration(out, sizeof out, UINT64_MAX)), 20);
}
END_TEST

START_TEST(exact_durations_and_sizes)
{
	static const struct {
		uint64_t v;
		const char *duration, *size;
	} rows[] = {
		{ 0, "0s", "0" }, { 1, "1ms", "1" }, { 1000, "1s", "1000" }, { 1024, "1024ms", "1K" }, { 90000, "90s", "90000" },
		{ 5400000, "90m", "5400000" }, { 21600000, "6h", "21600000" }, { 31622400000, "366d", "30881250K" },
		{ 3 * K * K * K, "3221225472ms", "3G" }, { 2048 * K * K * K * K, "2251799813685248ms", "2048T" },
	};
	char out[32];
	uint64_t back;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_str_eq(format_duration_exact(out, sizeof out, rows[i].v), rows[i].duration);
		ck_assert_int_eq(parse_duration(out, &back), 0);
		ck_assert_uint_eq(back, rows[i].v);
		ck_assert_str_eq(format_size_exact(out, sizeof out, rows[i].v), rows[i].size);
		ck_assert_int_eq(parse_size(out, &back), 0);
		ck_assert_uint_eq(back, rows[i].v);
	}
}
END_TEST

START_TEST(hexadecimal)
{
	uint8_t bytes[256], back[256] = { 0 };
	char text[513];

	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	hex_encode(bytes, sizeof bytes, text);
	ck_assert_uint_eq(strlen(text), 512);
	ck_assert_mem_eq(text, "000102", 6);
	ck_assert_str_eq(text + 506, "fdfeff");
	ck_assert_int_eq(hex_decode(text, 512, back), 0);
	ck_assert_mem_eq(back, bytes, sizeof bytes);
	ck_assert_int_eq(hex_decode("aBCd", 4, back), 0);
	ck_assert_mem_eq(back, "\xab\xcd", 2);
	ck_assert_int_eq(hex_decode("", 0, back), 0);
	ck_assert_int_eq(hex_decode("abc", 3, back), -EINVAL);
	ck_assert_int_eq(hex_decode("ag", 2, back), -EINVAL);
	ck_assert_int_eq(hex_decode(" a", 2, back), -EINVAL);
	ck_assert_int_eq(hex_decode("0x", 2, back), -EINVAL);
}
END_TEST

START_TEST(safe_text_escapes_what_is_hostile)
{
	static const struct {
		const char *in;
		size_t n;
		const char *want;
	} rows[] = {
		{ "", 0, "" },
		{ "plain text", 10, "plain text" },
		{ "a\nb\r\tc", 6, "a\\x0ab\\x0d\\x09c" },
		{ "\x1b[31m", 5, "\\x1b[31m" },
		{ "a\0b", 3, "a\\x00b" },
		{ "\x7f", 1, "\\x7f" },
		{ "\\x41", 4, "\\x5cx41" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc2\x9b" "31m", 5, "\\xc2\\x9b31m" },             /* C1: CSI */
		{ "\xc2\x85", 2, "\\xc2\\x85" },                      /* C1: NEL */
		{ "\xc2\xa0", 2, "\xc2\xa0" },
		{ "\xe2\x80\xae" "txt", 6, "\\xe2\\x80\\xaetxt" },    /* right-to-left override */
		{ "\xe2\x80\x8b", 3, "\\xe2\\x80\\x8b" },             /* zero width space */
		{ "\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8" },             /* line separator */
		{ "\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6" },             /* isolate */
		{ "\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf" },             /* byte order mark */
		{ "\xd8\x9c", 2, "\\xd8\\x9c" },                      /* Arabic letter mark */
		{ "\xe1\xa0\x8e", 3, "\\xe1\\xa0\\x8e" },             /* Mongolian vowel separator */
		{ "\xef\xbf\xb9", 3, "\\xef\\xbf\\xb9" },             /* interlinear annotation */
		{ "\xf3\xa0\x81\x81", 4, "\\xf3\\xa0\\x81\\x81" },    /* a tag letter, invisible */
		{ "\xff\xfe", 2, "\\xff\\xfe" },
		{ "\xc0\xaf", 2, "\\xc0\\xaf" },                      /* overlong */
		{ "\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },             /* surrogate */
		{ "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" },    /* beyond U+10FFFF */
		{ "\xe2\x82", 2, "\\xe2\\x82" },                      /* cut short */
		{ "\xe2" "ab", 3, "\\xe2" "ab" },
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(str_safe(out, sizeof out, rows[i].in, rows[i].n), rows[i].want);
}
END_TEST

START_TEST(safe_text_fits_whatever_comes)
{
	srandom(7);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = (size_t)random() % 40, max = (size_t)random() % 50;
		AUTO_FREE char *in = malloc(n + 1), *out = malloc(max + 1);
		size_t len;

		for (size_t i = 0; i < n; i++)
			in[i] = (char)(random() % 3 ? random() % 256 : 'a');
		memset(out, 'Z', max + 1);
		(void)str_safe(out, max, in, n);
		ck_assert_int_eq(out[max], 'Z');
		if (max == 0)
			continue;
		len = strnlen(out, max);
		ck_assert_uint_lt(len, max);
		for (size_t i = 0; i < len;) {
			unsigned l = utf8_length((unsigned char *)out + i, len - i);

			ck_assert(l > 0 && (unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
			i += l;
		}
	}
}
END_TEST

START_TEST(safe_text_stays_as_it_is_the_second_time)
{
	char once[64], out[64];

	(void)str_safe(once, sizeof once, "a\\b\033[m\xc3\xa9\xff", 9);
	ck_assert_str_eq(str_safe_again(out, sizeof out, once, strlen(once)), once);
	ck_assert_str_eq(str_safe_again(out, sizeof out, "\033[m", 3), "\\x1b[m"); /* it was not true */
	ck_assert_str_eq(str_safe_again(out, 8, "12345678", 8), "1234...");
}
END_TEST

START_TEST(safe_text_is_cut_with_dots)
{
	char out[64];

	ck_assert_str_eq(str_safe(out, 9, "12345678", 8), "12345678");
	ck_assert_str_eq(str_safe(out, 8, "12345678", 8), "1234...");
	ck_assert_str_eq(str_safe(out, 8, "\x01\x02\x03", 3), "\\x01...");
	ck_assert_str_eq(str_safe(out, 4, "12345678", 8), "...");
	ck_assert_str_eq(str_safe(out, 3, "12345678", 8), "");
}
END_TEST

START_TEST(distances_between_words)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {
		{ "", "", 0 }, { "a", "", 1 }, { "abc", "abc", 0 }, { "abc", "abd", 1 },
		{ "checksum", "cheksum", 1 }, { "retry", "rerty", 1 }, { "retry", "retries", 3 },
		{ "kitten", "sitting", 3 }, { "ab", "ba", 1 }, { "url", "output", 5 },
	};
	char huge[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_uint_eq(str_distance(rows[i].a, rows[i].b), rows[i].d);
		ck_assert_uint_eq(str_distance(rows[i].b, rows[i].a), rows[i].d);
	}
	memset(huge, 'x', sizeof huge);
	huge[199] = '\0';
	ck_assert_uint_ge(str_distance(huge, "x"), 40);
	huge[48] = '\0';
	ck_assert_uint_eq(str_distance(huge, huge), 0);
}
END_TEST

START_TEST(patterns)
{
	static const struct {
		const char *p, *t;
		bool match;
	} rows[] = {
		{ "example.org", "EXAMPLE.ORG", true }, { "example.org", "example.orgs", false },
		{ "*.example.org", "a.example.org", true }, { "*.example.org", "a.b.example.org", true },
		{ "*.example.org", "example.org", false }, { "*", "", true }, { "*", "anything", true },
		{ "", "", true }, { "", "a", false }, { "a*", "a", true }, { "a*", "b", false },
		{ "a*c", "abbc", true }, { "a*c", "abbcd", false }, { "*a*b*", "xaybz", true },
		{ "*a*b*", "xbyaz", false }, { "**", "x", true }, { "a**b", "ab", true },
		{ "*ab", "aab", true }, { "a?c", "abc", false }, { "[a]", "a", false },
		{ "ab*ba", "aba", false }, { "ab*ba", "abba", true }, { "*aab*", "aaaab", true }, { "*AbAbc*", "xababABCx", true },
		{ "*abcabd*e", "abcabcabde", true }, { "*abcabd*e", "abcabcabd", false }, { "a*a*a", "aa", false }, { "*a*", "", false },
	};
	char text[4000], part[2000];
	uint64_t began;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(glob_match(rows[i].p, rows[i].t) == rows[i].match, "%s %s", rows[i].p,
		    rows[i].t);
	/* Many stars must not take exponential time. */
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\0';
	ck_assert(!glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
	/* Nor does one long part take the product of both lengths, which is 8 million steps here. */
	memset(part, 'a', sizeof part);
	memcpy(part + sizeof part - 3, "b*", 3);
	part[0] = '*';
	began = clock_thread_cpu_ns();
	for (unsigned i = 0; i < 500; i++)
		ck_assert(!glob_match(part, text));
	ck_assert_uint_lt(clock_thread_cpu_ns() - began, NSEC_PER_SEC);
}
END_TEST

START_TEST(small_comparisons)
{
	ck_assert(has_prefix("abc", "ab") && has_prefix("abc", "") && !has_prefix("ab", "abc"));
	ck_assert(has_suffix("abc", "bc") && has_suffix("abc", "") && !has_suffix("bc", "abc"));
	ck_assert(text_equal(NULL, NULL) && !text_equal(NULL, "") && !text_equal("", NULL));
	ck_assert(text_equal("a", "a") && !text_equal("a", "A"));
	ck_assert(text_equal_nocase("aBcX", 3, "AbC") && !text_equal_nocase("abc", 3, "abcd"));
	ck_assert(!text_equal_nocase("@", 1, "`") && !text_equal_nocase("[", 1, "{"));
	ck_assert(text_equal_nocase("", 0, ""));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("str");
	TCase *numbers = tcase_create("numbers");
	TCase *text = tcase_create("text");

	tcase_add_test(numbers, numbers_are_digits_only);
	tcase_add_test(numbers, numbers_of_other_bases);
	tcase_add_test(numbers, sizes);
	tcase_add_test(numbers, durations);
	tcase_add_test(numbers, modes);
	tcase_add_test(numbers, sizes_for_people);
	tcase_add_test(numbers, durations_for_people);
	tcase_add_test(numbers, exact_durations_and_sizes);
	tcase_add_test(numbers, hexadecimal);
	suite_add_tcase(s, numbers);
	tcase_add_test(text, safe_text_escapes_what_is_hostile);
	tcase_add_test(text, safe_text_fits_whatever_comes);
	tcase_add_test(text, safe_text_stays_as_it_is_the_second_time);
	tcase_add_test(text, safe_text_is_cut_with_dots);
	tcase_add_test(text, distances_between_words);
	tcase_add_test(text, patterns);
	tcase_add_test(text, small_comparisons);
	suite_add_tcase(s, text);
	return run_suite(s);
}
