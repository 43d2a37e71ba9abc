/* Packed specs: look-up with defaults, and bytes from outside. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "model/spec.h"
#include "run_suite.h"

static struct spec *
job(const struct buf *b, struct spec *defaults)
{
	struct spec *s = NULL;

	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(b), buf_len(b), defaults, &s), 0);
	return s;
}

START_TEST(an_empty_spec_has_the_defaults_of_the_table)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *s = job(&b, NULL);

	ck_assert_uint_eq(spec_number(s, JOB_RETRY), 5);
	ck_assert_uint_eq(spec_number(s, JOB_MODE), 0644);
	ck_assert(!spec_bool(s, JOB_NO_CLOBBER));
	ck_assert_ptr_null(spec_string(s, JOB_OUTPUT));
	ck_assert_ptr_null(spec_list(s, JOB_URL, 0));
	ck_assert_uint_eq(spec_list_len(s, JOB_URL), 0);
	ck_assert(!spec_has(s, JOB_RETRY));
}
END_TEST

START_TEST(values_are_looked_up_in_spec_defaults_table)
{
	AUTO_BUF struct buf d = { 0 }, b = { 0 };
	AUTO_SPEC struct spec *defaults = NULL, *s = NULL;

	spec_put_number(&d, JOB_RETRY, 1);
	spec_put_number(&d, JOB_MAX_EXPANSION, 2);
	spec_put_string(&d, JOB_USER_AGENT, "from defaults");
	spec_put_string(&d, JOB_HEADER, "A: 1");
	spec_put_string(&d, JOB_HEADER, "B: 2");
	defaults = job(&d, NULL);
	spec_put_string(&b, JOB_NAME, "n");
	spec_put_number(&b, JOB_RETRY, UINT64_MAX);
	spec_put_string(&b, JOB_URL, "one");
	spec_put_number(&b, JOB_PRIORITY, 4);
	spec_put_string(&b, JOB_URL, "");
	spec_put_string(&b, JOB_URL, "three");
	s = job(&b, defaults);
	ck_assert_uint_eq(spec_number(s, JOB_RETRY), UINT64_MAX);
	ck_assert_uint_eq(spec_number(s, JOB_MAX_EXPANSION), 2);
	ck_assert_uint_eq(spec_number(s, JOB_STALL_TIMEOUT), 30000);
	ck_assert_str_eq(spec_string(s, JOB_NAME), "n");
	ck_assert_str_eq(spec_string(s, JOB_USER_AGENT), "from defaults");
	ck_assert_uint_eq(spec_list_len(s, JOB_URL), 3);
	ck_assert_str_eq(spec_list(s, JOB_URL, 0), "one");
	ck_assert_str_eq(spec_list(s, JOB_URL, 1), "");
	ck_assert_str_eq(spec_list(s, JOB_URL, 2), "three");
	ck_assert_ptr_null(spec_list(s, JOB_URL, 3));
	ck_assert_uint_eq(spec_list_len(s, JOB_HEADER), 2);
	ck_assert_str_eq(spec_list(s, JOB_HEADER, 1), "B: 2");
	ck_assert(spec_has(s, JOB_MAX_EXPANSION) && spec_has(s, JOB_URL));
	ck_assert(!spec_has(s, JOB_STALL_TIMEOUT));
}
END_TEST

START_TEST(a_list_replaces_the_list_of_the_defaults)
{
	AUTO_BUF struct buf d = { 0 }, b = { 0 };
	AUTO_SPEC struct spec *defaults = NULL, *s = NULL;

	spec_put_string(&d, JOB_HEADER, "A: 1");
	spec_put_string(&d, JOB_HEADER, "B: 2");
	defaults = job(&d, NULL);
	spec_put_string(&b, JOB_HEADER, "C: 3");
	s = job(&b, defaults);
	ck_assert_uint_eq(spec_list_len(s, JOB_HEADER), 1);
	ck_assert_str_eq(spec_list(s, JOB_HEADER, 0), "C: 3");
}
END_TEST

START_TEST(references_keep_it_and_its_defaults)
{
	AUTO_BUF struct buf d = { 0 }, b = { 0 };
	struct spec *defaults, *s;

	spec_put_number(&d, JOB_RETRY, 9);
	defaults = job(&d, NULL);
	s = job(&b, defaults);
	spec_unref(defaults);
	ck_assert_ptr_eq(spec_ref(s), s);
	spec_unref(s);
	ck_assert_uint_eq(spec_number(s, JOB_RETRY), 9);
	spec_unref(s);
	spec_unref(NULL);
}
END_TEST

START_TEST(equality_is_of_the_bytes)
{
	AUTO_BUF struct buf a = { 0 }, b = { 0 };
	AUTO_SPEC struct spec *defaults = NULL, *s = NULL, *same = NULL, *other = NULL;
	size_t n;

	spec_put_number(&a, JOB_RETRY, 9);
	defaults = job(&a, NULL);
	s = job(&a, NULL);
	same = job(&a, defaults);
	spec_put_number(&b, JOB_RETRY, 8);
	other = job(&b, NULL);
	ck_assert(spec_equal(s, same));
	ck_assert(!spec_equal(s, other));
	ck_assert_ptr_nonnull(spec_bytes(same, &n));
	ck_assert_uint_eq(n, buf_len(&a));
	ck_assert_mem_eq(spec_bytes(same, &n), buf_bytes(&a), n);
}
END_TEST

START_TEST(cut_inside_a_value_it_is_refused)
{
	AUTO_BUF struct buf b = { 0 };
	bool whole_at[200] = { false };
	size_t len;

	whole_at[0] = true;
	spec_put_string(&b, JOB_NAME, "name");
	whole_at[buf_len(&b)] = true;
	spec_put_number(&b, JOB_RETRY, 3);
	whole_at[buf_len(&b)] = true;
	spec_put_string(&b, JOB_URL, "");
	whole_at[buf_len(&b)] = true;
	spec_put_string(&b, JOB_URL, "http://h/");
	whole_at[buf_len(&b)] = true;
	len = buf_len(&b);
	for (size_t n = 0; n <= len; n++) {
		uint8_t *copy = malloc(n + (n == 0));
		struct spec *s = NULL;
		int r;

		memcpy(copy, buf_bytes(&b), n);
		r = spec_new(SCOPE_JOB, copy, n, NULL, &s);
		ck_assert_msg(r == (whole_at[n] ? 0 : -EPROTO), "cut at %zu: %d", n, r);
		ck_assert(!s == !whole_at[n]);
		spec_unref(s);
		free(copy);
	}
}
END_TEST

START_TEST(bad_bytes_are_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "\x00\0\0\0\0\0\0\0\0", 9 },      /* id 0 */
		{ "\xff\0\0\0\0\0\0\0\0", 9 },      /* id 255 */
		{ "\x4f\0\0\0\0\0\0\0\0", 9 },      /* a hole in the table */
		{ "\x01\x01\0/\0", 5 },             /* of the daemon's scope */
		{ "\x50\x03\0a\0b\0", 7 },          /* a NUL inside */
		{ "\x50\x01\0ab", 5 },              /* no NUL behind */
		{ "\x50\xff\xff" "a\0", 5 },        /* a length that lies */
		{ "\x50\x00\x00", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spec *s = NULL;

		ck_assert_msg(spec_new(SCOPE_JOB, rows[i].bytes, rows[i].n, NULL, &s) == -EPROTO, "row %zu", i);
		ck_assert_ptr_null(s);
	}
}
END_TEST

START_TEST(size_is_bounded)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s = NULL;

	while (buf_len(&b) + 9 <= SPEC_MAX)
		spec_put_number(&b, JOB_RETRY, 1);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	spec_unref(s);
	spec_put_number(&b, JOB_RETRY, 1);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), -EMSGSIZE);
}
END_TEST

START_TEST(a_long_string_is_kept_up_to_its_limit)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	char *big = xcalloc(1, 70001);

	memset(big, 'x', 70000);
	spec_put_string(&b, JOB_URL, big);
	s = job(&b, NULL);
	ck_assert_uint_eq(strlen(spec_list(s, JOB_URL, 0)), 65535);
	free(big);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spec");
	TCase *tc = tcase_create("look-up");
	TCase *bad = tcase_create("bytes");

	tcase_add_test(tc, an_empty_spec_has_the_defaults_of_the_table);
	tcase_add_test(tc, values_are_looked_up_in_spec_defaults_table);
	tcase_add_test(tc, a_list_replaces_the_list_of_the_defaults);
	tcase_add_test(tc, references_keep_it_and_its_defaults);
	tcase_add_test(tc, equality_is_of_the_bytes);
	suite_add_tcase(s, tc);
	tcase_add_test(bad, cut_inside_a_value_it_is_refused);
	tcase_add_test(bad, bad_bytes_are_refused);
	tcase_add_test(bad, size_is_bounded);
	tcase_add_test(bad, a_long_string_is_kept_up_to_its_limit);
	suite_add_tcase(s, bad);
	return run_suite(s);
}
