/* Frames: messages of every size through streams cut anywhere, and bad ones. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "run_suite.h"
#include "wire/frame.h"

static uint8_t
byte_at(uint64_t id, size_t i)
{
	return (uint8_t)(id * 31 + i * 7 + (i >> 8));
}

static void
put_message(struct buf *out, uint64_t id, size_t len)
{
	size_t f = frame_begin(out, (uint16_t)(100 + id % 7), (uint8_t)(1 + id % 3), id);
	uint8_t *p = buf_reserve(out, len);

	for (size_t i = 0; i < len; i++)
		p[i] = byte_at(id, i);
	buf_commit(out, len);
	frame_end(out, f);
}

static void
check_message(const struct message *m, uint64_t id, size_t len)
{
	ck_assert_uint_eq(m->id, id);
	ck_assert_uint_eq(m->type, 100 + id % 7);
	ck_assert_uint_eq(m->version, 1 + id % 3);
	ck_assert_uint_eq(m->len, len);
	for (size_t i = 0; i < len; i++)
		if (m->payload[i] != byte_at(id, i))
			ck_abort_msg("message %llu differs at %zu", (unsigned long long)id, i);
}

static const size_t sizes[] = { 0, 1, 15, 16, 17, 16367, 16368, 16369, 32735, 32736, 32737, 65536,
	(1 << 20) - 1, 1 << 20, 0, 3 };

START_TEST(messages_of_all_sizes_come_through)
{
	AUTO_BUF struct buf stream = { 0 };
	struct frame_reader r = { 0 };
	struct message m;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		put_message(&stream, i, sizes[i]);
	buf_append(&r.in, buf_bytes(&stream), buf_len(&stream));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ck_assert_int_eq(frame_reader_next(&r, &m), 1);
		check_message(&m, i, sizes[i]);
	}
	ck_assert_int_eq(frame_reader_next(&r, &m), 0);
	ck_assert_int_eq(frame_reader_next(&r, &m), 0);
	frame_reader_done(&r);
}
END_TEST

START_TEST(the_stream_may_be_cut_anywhere)
{
	static const size_t some[] = { 0, 1, 16, 16368, 16369, 0, 40000, 15, 70000, 3 };
	AUTO_BUF struct buf stream = { 0 };

	srandom(8);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		put_message(&stream, i, some[i]);
	for (unsigned round = 0; round < 30; round++) {
		struct frame_reader r = { 0 };
		size_t at = 0, got = 0, most = round < 3 ? 200 : 1U << (round % 18 + 1);

		while (got < ARRAY_SIZE(some)) {
			size_t left = buf_len(&stream) - at, n = (size_t)random() % most + 1;
			struct message m;
			int e;

			n = MIN(n, left);
			buf_append(&r.in, buf_bytes(&stream) + at, n);
			at += n;
			while ((e = frame_reader_next(&r, &m)) == 1) {
				ck_assert_uint_lt(got, ARRAY_SIZE(some));
				check_message(&m, got, some[got]);
				got++;
			}
			ck_assert_int_eq(e, 0);
		}
		ck_assert_uint_eq(at, buf_len(&stream));
		ck_assert_uint_eq(buf_len(&r.in), 0);
		frame_reader_done(&r);
	}
}
END_TEST

START_TEST(byte_by_byte)
{
	static const size_t small[] = { 0, 5, 16369, 1, 0 };
	AUTO_BUF struct buf stream = { 0 };
	struct frame_reader r = { 0 };
	struct message m;
	size_t got = 0;

	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		put_message(&stream, i, small[i]);
	for (size_t at = 0; at < buf_len(&stream); at++) {
		int e;

		buf_append(&r.in, buf_bytes(&stream) + at, 1);
		e = frame_reader_next(&r, &m);
		ck_assert_int_ge(e, 0);
		if (e)
			check_message(&m, got, small[got]);
		got += (size_t)e;
	}
	ck_assert_uint_eq(got, ARRAY_SIZE(small));
	frame_reader_done(&r);
}
END_TEST

START_TEST(the_header_is_as_documented)
{
	AUTO_BUF struct buf b = { 0 };
	size_t f;

	buf_append_str(&b, "before"); /* a message need not begin the buffer */
	f = frame_begin(&b, 0x0102, 3, UINT64_C(0x1122334455667788));
	put_str(&b, "hi");
	frame_end(&b, f);
	ck_assert_uint_eq(buf_len(&b), 6 + 16 + 4);
	ck_assert_mem_eq(buf_bytes(&b) + 6, "\x04\0\0\0\x02\x01\x03\0\x88\x77\x66\x55\x44\x33\x22\x11\x02\0hi", 20);
}
END_TEST

START_TEST(no_frame_is_larger_than_allowed)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t left = sizes[i];

		buf_consume(&b, buf_len(&b));
		put_message(&b, i, sizes[i]);
		do {
			struct cursor c;
			uint32_t n;
			uint8_t flags;

			cursor_init(&c, buf_bytes(&b), buf_len(&b));
			n = get_u32(&c);
			(void)get_raw(&c, 3);
			flags = get_u8(&c);
			ck_assert_uint_le(n, FRAME_PAYLOAD_MAX);
			ck_assert_uint_eq(flags, left > n ? FRAME_MORE : 0);
			left -= n;
			buf_consume(&b, FRAME_HEADER_SIZE + n);
		} while (left);
		ck_assert_uint_eq(buf_len(&b), 0);
	}
}
END_TEST

START_TEST(half_sent_buffers_take_more_messages)
{
	/* As a channel uses it: the front is consumed while more is put. */
	AUTO_BUF struct buf out = { 0 };
	struct frame_reader r = { 0 };
	uint64_t put = 0, got = 0;
	struct message m;

	srandom(9);
	while (got < 300) {
		if (put < 300 && random() % 2) {
			put_message(&out, put, put % 50 == 0 ? 40000 : put * 3);
			put++;
		}
		if (buf_len(&out)) {
			size_t n = (size_t)random() % buf_len(&out) + 1;

			buf_append(&r.in, buf_bytes(&out), n);
			buf_consume(&out, n);
		}
		while (frame_reader_next(&r, &m) == 1) {
			check_message(&m, got, got % 50 == 0 ? 40000 : got * 3);
			got++;
		}
	}
	frame_reader_done(&r);
}
END_TEST

static void
raw_frame(struct buf *b, uint32_t len, uint16_t type, uint8_t version, uint8_t flags, uint64_t id)
{
	put_u32(b, len);
	put_u16(b, type);
	put_u8(b, version);
	put_u8(b, flags);
	put_u64(b, id);
	if (len <= FRAME_PAYLOAD_MAX) {
		memset(buf_reserve(b, len), 'x', len);
		buf_commit(b, len);
	}
}

START_TEST(bad_frames_are_refused)
{
	static const struct {
		uint32_t len;
		uint8_t flags;
		int want;
	} rows[] = {
		{ 16368, 0, 1 }, { 16369, 0, -EPROTO }, { UINT32_MAX, 0, -EPROTO },
		{ 1 << 24, FRAME_MORE, -EPROTO }, { 0, 2, -EPROTO }, { 0, 0x80, -EPROTO },
		{ 0, 3, -EPROTO }, { 0, 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame_reader r = { 0 };
		struct message m;

		raw_frame(&r.in, rows[i].len, 1, 1, rows[i].flags, 1);
		ck_assert_int_eq(frame_reader_next(&r, &m), rows[i].want);
		frame_reader_done(&r);
	}
}
END_TEST

START_TEST(a_bad_length_is_refused_before_its_bytes_come)
{
	struct frame_reader r = { 0 };
	struct message m;

	raw_frame(&r.in, UINT32_MAX, 1, 1, 0, 1);
	ck_assert_uint_eq(buf_len(&r.in), FRAME_HEADER_SIZE);
	ck_assert_int_eq(frame_reader_next(&r, &m), -EPROTO);
	frame_reader_done(&r);
}
END_TEST

START_TEST(pieces_must_belong_together)
{
	static const struct {
		uint16_t type;
		uint8_t version;
		uint64_t id;
		int want;
	} rows[] = { { 7, 1, 9, 1 }, { 8, 1, 9, -EPROTO }, { 7, 2, 9, -EPROTO }, { 7, 1, 10, -EPROTO } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame_reader r = { 0 };
		struct message m;

		raw_frame(&r.in, 10, 7, 1, FRAME_MORE, 9);
		ck_assert_int_eq(frame_reader_next(&r, &m), 0);
		raw_frame(&r.in, 5, rows[i].type, rows[i].version, 0, rows[i].id);
		ck_assert_int_eq(frame_reader_next(&r, &m), rows[i].want);
		if (rows[i].want == 1)
			ck_assert_uint_eq(m.len, 15);
		frame_reader_done(&r);
	}
}
END_TEST

START_TEST(a_message_larger_than_allowed_is_refused)
{
	struct frame_reader r = { 0 };
	struct message m;
	size_t total = 0;
	int e = 0;

	while (e == 0 && total <= 2 * (size_t)MESSAGE_MAX) {
		raw_frame(&r.in, FRAME_PAYLOAD_MAX, 7, 1, FRAME_MORE, 9);
		total += FRAME_PAYLOAD_MAX;
		e = frame_reader_next(&r, &m);
	}
	ck_assert_int_eq(e, -EPROTO);
	ck_assert_uint_gt(total, MESSAGE_MAX);
	ck_assert_uint_le(total, MESSAGE_MAX + FRAME_PAYLOAD_MAX);
	frame_reader_done(&r);
}
END_TEST

START_TEST(empty_pieces_are_a_message_too)
{
	struct frame_reader r = { 0 };
	struct message m;

	for (unsigned i = 0; i < 1000; i++)
		raw_frame(&r.in, 0, 7, 1, FRAME_MORE, 9);
	ck_assert_int_eq(frame_reader_next(&r, &m), 0);
	ck_assert_uint_eq(buf_len(&r.in), 0);
	raw_frame(&r.in, 0, 7, 1, 0, 9);
	ck_assert_int_eq(frame_reader_next(&r, &m), 1);
	ck_assert_uint_eq(m.len, 0);
	frame_reader_done(&r);
}
END_TEST

START_TEST(putting_more_than_a_message_is_our_bug)
{
	AUTO_BUF struct buf b = { 0 };

	put_message(&b, 1, MESSAGE_MAX + 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("round-trip");
	TCase *bad = tcase_create("bad");

	tcase_add_test(tc, messages_of_all_sizes_come_through);
	tcase_add_test(tc, the_stream_may_be_cut_anywhere);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, the_header_is_as_documented);
	tcase_add_test(tc, no_frame_is_larger_than_allowed);
	tcase_add_test(tc, half_sent_buffers_take_more_messages);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(bad, bad_frames_are_refused);
	tcase_add_test(bad, a_bad_length_is_refused_before_its_bytes_come);
	tcase_add_test(bad, pieces_must_belong_together);
	tcase_add_test(bad, a_message_larger_than_allowed_is_refused);
	tcase_add_test(bad, empty_pieces_are_a_message_too);
	if (tests_fork())
		tcase_add_test_raise_signal(bad, putting_more_than_a_message_is_our_bug, SIGABRT);
	suite_add_tcase(s, bad);
	return run_suite(s);
}
