/* Bytes on the wire: what is put comes out again, and nothing else does. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "run_suite.h"
#include "base/cursor.h"

static void
put_all(struct buf *b)
{
	put_u8(b, 0xfe);
	put_u16(b, 0xfedc);
	put_u32(b, 0xfedcba98);
	put_u64(b, UINT64_C(0xfedcba9876543210));
	put_u8(b, 1);
	put_str(b, "text");
	put_str(b, NULL);
	put_text(b, "a\0b", 3);
	put_blob(b, "blob", 4);
	put_u8(b, 7);
}

/* 0 only when everything is there. */
static int
get_all(const uint8_t *p, size_t n, bool check)
{
	struct cursor c;
	struct text t[4];
	uint8_t a, g;
	uint16_t b;
	uint32_t d;
	uint64_t e;
	bool f;
	int r;

	cursor_init(&c, p, n);
	a = get_u8(&c);
	b = get_u16(&c);
	d = get_u32(&c);
	e = get_u64(&c);
	f = get_bool(&c);
	t[0] = get_text(&c);
	t[1] = get_text(&c);
	t[2] = get_text(&c);
	t[3] = get_blob(&c);
	g = (uint8_t)get_below(&c, get_u8(&c), 8);
	r = cursor_finish(&c);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(t[i].at);
	if (!check)
		return r;
	ck_assert_uint_eq(a, 0xfe);
	ck_assert_uint_eq(b, 0xfedc);
	ck_assert_uint_eq(d, 0xfedcba98);
	ck_assert_uint_eq(e, UINT64_C(0xfedcba9876543210));
	ck_assert(f);
	ck_assert(t[0].len == 4 && memcmp(t[0].at, "text", 4) == 0);
	ck_assert(t[1].len == 0);
	ck_assert(t[2].len == 3 && memcmp(t[2].at, "a\0b", 3) == 0);
	ck_assert(t[3].len == 4 && memcmp(t[3].at, "blob", 4) == 0);
	ck_assert_uint_eq(g, 7);
	return r;
}

START_TEST(what_is_put_comes_out)
{
	AUTO_BUF struct buf b = { 0 };

	put_all(&b);
	ck_assert_int_eq(get_all(buf_bytes(&b), buf_len(&b), true), 0);
}
END_TEST

START_TEST(integers_are_little_endian)
{
	AUTO_BUF struct buf b = { 0 };

	put_u16(&b, 0x0102);
	put_u32(&b, 0x03040506);
	put_u64(&b, UINT64_C(0x0708090a0b0c0d0e));
	ck_assert_uint_eq(buf_len(&b), 14);
	ck_assert_mem_eq(buf_bytes(&b), "\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 14);
}
END_TEST

START_TEST(cut_at_every_byte_it_fails)
{
	AUTO_BUF struct buf b = { 0 };

	put_all(&b);
	for (size_t n = 0; n < buf_len(&b); n++) {
		/* An exact copy, so that the sanitizer sees a read past the end. */
		AUTO_FREE uint8_t *copy = malloc(n + (n == 0));

		if (n)
			memcpy(copy, buf_bytes(&b), n);
		ck_assert_int_eq(get_all(copy, n, false), -EPROTO);
	}
	put_u8(&b, 0);
	ck_assert_int_eq(get_all(buf_bytes(&b), buf_len(&b), false), -EPROTO);
}
END_TEST

START_TEST(a_failure_stays)
{
	uint8_t bytes[16] = { 2, 1, 1, 1, 1, 1, 1, 1 };
	struct cursor c;

	cursor_init(&c, bytes, sizeof bytes);
	ck_assert(!get_bool(&c)); /* 2 is no bool */
	ck_assert_uint_eq(get_u8(&c), 0);
	ck_assert_uint_eq(get_u64(&c), 0);
	ck_assert_ptr_null(get_raw(&c, 1));
	ck_assert_ptr_null(get_raw(&c, 0));
	ck_assert_uint_eq(get_text(&c).len, 0);
	ck_assert_uint_eq(get_blob(&c).len, 0);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
	cursor_init(&c, bytes, 1);
	cursor_fail(&c);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
}
END_TEST

START_TEST(values_out_of_range_fail)
{
	struct cursor c;

	cursor_init(&c, "", 0);
	ck_assert_uint_eq(get_below(&c, 7, 8), 7);
	ck_assert_int_eq(cursor_finish(&c), 0);
	ck_assert_uint_eq(get_below(&c, 8, 8), 0);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
	cursor_init(&c, "", 0);
	ck_assert_uint_eq(get_below(&c, UINT64_MAX, 1), 0);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
}
END_TEST

START_TEST(nothing_is_a_whole_nothing)
{
	struct cursor c;

	cursor_init(&c, NULL, 0);
	ck_assert_int_eq(cursor_finish(&c), 0);
	ck_assert_ptr_nonnull(get_raw(&c, 0));
	ck_assert_int_eq(cursor_finish(&c), 0);
	(void)get_u8(&c);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
}
END_TEST

START_TEST(lengths_that_lie_fail)
{
	struct cursor c;
	struct text t;

	cursor_init(&c, "\xff\xff" "abc", 5);
	t = get_text(&c);
	ck_assert_uint_eq(t.len, 0);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
	cursor_init(&c, "\xff\xff\xff\xff" "abc", 7);
	t = get_blob(&c);
	ck_assert_uint_eq(t.len, 0);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
	cursor_init(&c, "\x04\x00" "abc", 5);
	(void)get_text(&c);
	ck_assert_int_eq(cursor_finish(&c), -EPROTO);
}
END_TEST

START_TEST(long_text_is_cut_long_blobs_are_not)
{
	AUTO_BUF struct buf b = { 0 };
	char *big = xcalloc(1, 100000);
	struct cursor c;

	memset(big, 'x', 99999);
	put_str(&b, big);
	put_blob(&b, big, 99999);
	cursor_init(&c, buf_bytes(&b), buf_len(&b));
	ck_assert_uint_eq(get_text(&c).len, 65535);
	ck_assert_uint_eq(get_blob(&c).len, 99999);
	ck_assert_int_eq(cursor_finish(&c), 0);
	free(big);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cursor");
	TCase *tc = tcase_create("round-trip");
	TCase *bad = tcase_create("bad");

	tcase_add_test(tc, what_is_put_comes_out);
	tcase_add_test(tc, integers_are_little_endian);
	tcase_add_test(tc, long_text_is_cut_long_blobs_are_not);
	suite_add_tcase(s, tc);
	tcase_add_test(bad, cut_at_every_byte_it_fails);
	tcase_add_test(bad, a_failure_stays);
	tcase_add_test(bad, values_out_of_range_fail);
	tcase_add_test(bad, nothing_is_a_whole_nothing);
	tcase_add_test(bad, lengths_that_lie_fail);
	suite_add_tcase(s, bad);
	return run_suite(s);
}
