/* The growing byte buffer, also against a plain array under random use. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "run_suite.h"

START_TEST(an_empty_buffer_is_usable)
{
	AUTO_BUF struct buf b = { 0 };

	ck_assert_uint_eq(buf_len(&b), 0);
	buf_append(&b, "", 0);
	buf_append(&b, NULL, 0);
	buf_consume(&b, 0);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_str_eq(buf_cstr(&b), "");
	buf_done(&b);
	buf_done(&b);
	ck_assert_ptr_null(buf_bytes(&b));
}
END_TEST

START_TEST(text_is_gathered_and_ends_in_nul)
{
	AUTO_BUF struct buf b = { 0 };

	buf_append_str(&b, "one ");
	buf_printf(&b, "%d %s", 2, "");
	buf_printf(&b, "%0200d", 7);
	ck_assert_uint_eq(buf_len(&b), 206);
	ck_assert_uint_eq(strlen(buf_cstr(&b)), 206);
	ck_assert_uint_eq(buf_len(&b), 206);
	ck_assert_mem_eq(buf_bytes(&b), "one 2 000", 9);
	buf_consume(&b, 4);
	ck_assert_mem_eq(buf_cstr(&b), "2 000", 5);
}
END_TEST

START_TEST(reserved_room_becomes_content_when_committed)
{
	AUTO_BUF struct buf b = { 0 };

	memset(buf_reserve(&b, 1000), 'x', 1000);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_commit(&b, 3);
	ck_assert_uint_eq(buf_len(&b), 3);
	ck_assert_str_eq(buf_cstr(&b), "xxx");
}
END_TEST

START_TEST(it_does_what_an_array_does)
{
	static uint8_t want[1 << 20];
	AUTO_BUF struct buf b = { 0 };
	size_t head = 0, tail = 0;
	uint8_t next = 0;

	srandom(4);
	for (unsigned step = 0; step < 20000; step++) {
		if (random() % 2 && tail + 200 < sizeof want) {
			size_t n = (size_t)random() % 200;
			uint8_t *to = buf_reserve(&b, n + (size_t)random() % 50);

			for (size_t i = 0; i < n; i++)
				to[i] = want[tail + i] = next++;
			buf_commit(&b, n);
			tail += n;
		} else if (tail > head) {
			size_t n = (size_t)random() % (tail - head) + 1;

			n = random() % 4 ? n : tail - head;
			buf_consume(&b, n);
			head += n;
		}
		ck_assert_uint_eq(buf_len(&b), tail - head);
		if (tail > head)
			ck_assert_mem_eq(buf_bytes(&b), want + head, tail - head);
	}
	ck_assert_uint_gt(tail, 100000);
}
END_TEST

START_TEST(a_queue_that_is_always_drained_stays_small)
{
	AUTO_BUF struct buf b = { 0 };
	char block[100] = { 0 };

	/* Never empty, so only moving the content down keeps it from growing. */
	buf_append(&b, block, 10);
	for (unsigned i = 0; i < 100000; i++) {
		buf_append(&b, block, sizeof block);
		buf_consume(&b, sizeof block);
	}
	ck_assert_uint_eq(buf_len(&b), 10);
	ck_assert_uint_le(b.size, 1024);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("content");

	tcase_add_test(tc, an_empty_buffer_is_usable);
	tcase_add_test(tc, text_is_gathered_and_ends_in_nul);
	tcase_add_test(tc, reserved_room_becomes_content_when_committed);
	tcase_add_test(tc, it_does_what_an_array_does);
	tcase_add_test(tc, a_queue_that_is_always_drained_stays_small);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
