/* The journal in memory: what is kept, what goes, and that nothing is torn. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/ring.h"
#include "run_suite.h"

/* A record of n bytes, all of them its number's. */
static void
put(struct ring *r, size_t n)
{
	uint64_t number = r->next;
	void *place = ring_put(r, n);

	ck_assert_uint_eq(r->next, number + 1);
	if (place) {
		ck_assert_uint_eq((uintptr_t)place % 16, 0);
		memset(place, (int)(number & 0xff), n);
	}
}

static void
check_whole(const struct ring *r)
{
	size_t n = 0;

	for (uint64_t i = r->first; i < r->next; i++) {
		const uint8_t *p = ring_get(r, i, &n);

		ck_assert_ptr_nonnull(p);
		for (size_t k = 0; k < n; k++)
			if (p[k] != (i & 0xff))
				ck_abort_msg("record %llu is torn", (unsigned long long)i);
	}
	ck_assert_ptr_null(ring_get(r, r->next, &n));
	ck_assert_ptr_null(ring_get(r, r->first - 1, &n));
}

START_TEST(an_empty_one_has_nothing_and_no_memory)
{
	struct ring r;
	size_t n;

	ring_init(&r, 1 << 20, 1000);
	ck_assert_ptr_null(ring_get(&r, 0, &n));
	ck_assert_ptr_null(ring_get(&r, 1, &n));
	ck_assert_ptr_null(r.data);
	ring_done(&r);
}
END_TEST

START_TEST(numbers_begin_at_one_and_records_keep_theirs)
{
	struct ring r;
	size_t n;

	ring_init(&r, 4096, 100);
	for (unsigned i = 1; i <= 5; i++)
		put(&r, i * 3);
	ck_assert_uint_eq(r.first, 1);
	ck_assert_ptr_nonnull(ring_get(&r, 4, &n));
	ck_assert_uint_eq(n, 12);
	check_whole(&r);
	ring_done(&r);
}
END_TEST

START_TEST(the_oldest_go_when_there_are_too_many)
{
	struct ring r;

	ring_init(&r, 1 << 16, 10);
	for (unsigned i = 0; i < 35; i++)
		put(&r, 8);
	ck_assert_uint_eq(r.next, 36);
	ck_assert_uint_eq(r.first, 26);
	check_whole(&r);
	ring_done(&r);
}
END_TEST

START_TEST(the_oldest_go_when_there_are_too_many_bytes)
{
	struct ring r;

	ring_init(&r, 1000, 100);
	for (unsigned i = 0; i < 50; i++) {
		put(&r, 300);
		check_whole(&r);
		ck_assert_uint_le(r.next - r.first, 3);
	}
	ck_assert_uint_ge(r.next - r.first, 2);
	ring_done(&r);
}
END_TEST

START_TEST(one_that_never_fits_leaves_a_hole)
{
	struct ring r;

	ring_init(&r, 1000, 100);
	put(&r, 10);
	ck_assert_ptr_null(ring_put(&r, 2000));
	check_whole(&r);
	ck_assert_uint_eq(r.first, 3);
	put(&r, 10);
	check_whole(&r);
	ck_assert_uint_eq(r.next - r.first, 1);
	ring_done(&r);
	ring_init(&r, 0, 100);
	ck_assert_ptr_null(ring_put(&r, 1));
	ck_assert_uint_eq(r.next, 2);
	check_whole(&r);
	ring_done(&r);
}
END_TEST

START_TEST(nothing_is_torn_whatever_the_sizes)
{
	for (unsigned seed = 1; seed <= 30; seed++) {
		struct ring r;
		size_t size = 200 + seed * 37;

		srandom(seed);
		ring_init(&r, size, 2 + seed % 7 * 5);
		for (unsigned i = 0; i < 2000; i++) {
			put(&r, (size_t)random() % (size + 20));
			if (i % 8 == 0)
				check_whole(&r);
		}
		ring_done(&r);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *t = add_case(s, "ring", NULL, NULL, 30);

	tcase_add_test(t, an_empty_one_has_nothing_and_no_memory);
	tcase_add_test(t, numbers_begin_at_one_and_records_keep_theirs);
	tcase_add_test(t, the_oldest_go_when_there_are_too_many);
	tcase_add_test(t, the_oldest_go_when_there_are_too_many_bytes);
	tcase_add_test(t, one_that_never_fits_leaves_a_hole);
	tcase_add_test(t, nothing_is_torn_whatever_the_sizes);
	return run_suite(s);
}
