/* The bound on unflushed bytes: for each filesystem, adaptive, with slack. */
#include "daemon/stage/dirty.h"

#include <check.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "run_suite.h"

enum { A = 1, B = 2, MIB = 1024 * 1024 };

static uint64_t
limit(struct dirty *d, dev_t dev)
{
	uint64_t l = 0;

	(void)dirty_bytes(d, dev, &l);
	return l;
}

static uint64_t
bytes(struct dirty *d, dev_t dev)
{
	uint64_t l;

	return dirty_bytes(d, dev, &l);
}

/* All of a part of 1 GiB is to be written back. */
static bool
wants_flush(struct dirty *d, dev_t dev, bool durable)
{
	return dirty_flush_to(d, dev, durable, 0, 1024 * MIB) == 1024 * MIB;
}

/* The disk took n MiB in that many milliseconds. */
static void
learn(struct dirty *d, dev_t dev, uint64_t mib, uint64_t ms)
{
	dirty_add(d, dev, mib * MIB);
	dirty_sub(d, dev, mib * MIB, ms * NSEC_PER_MSEC);
}

START_TEST(bytes_are_counted_for_each_filesystem)
{
	struct dirty *d = dirty_new(10 * MIB);

	ck_assert_uint_eq(bytes(d, A), 0);
	dirty_sub(d, A, 100, 0); /* never seen: nothing */
	dirty_add(d, A, 5);
	dirty_add(d, A, 7);
	dirty_add(d, B, 20 * MIB);
	ck_assert_uint_eq(bytes(d, A), 12);
	ck_assert(!dirty_is_full(d, A));
	ck_assert(dirty_is_full(d, B));
	dirty_sub(d, A, 10, 0);
	ck_assert_uint_eq(bytes(d, A), 2);
	dirty_sub(d, A, 100, 0); /* more than there is: none, not a wrap */
	ck_assert_uint_eq(bytes(d, A), 0);
	ck_assert_uint_eq(bytes(d, B), 20 * MIB);
	dirty_free(d);
	dirty_free(NULL);
}
END_TEST

START_TEST(an_explicit_limit_is_the_bound)
{
	struct dirty *d = dirty_new(10 * MIB);

	ck_assert_uint_eq(limit(d, A), 10 * MIB);
	learn(d, A, 100, 1);
	learn(d, B, 1, 10000);
	ck_assert_uint_eq(limit(d, A), 10 * MIB); /* whatever the disk does */
	ck_assert_uint_eq(limit(d, B), 10 * MIB);
	dirty_add(d, A, 10 * MIB);
	ck_assert(!dirty_is_full(d, A));
	dirty_add(d, A, 1);
	ck_assert(dirty_is_full(d, A));
	dirty_free(d);
}
END_TEST

START_TEST(holding_ends_at_three_quarters)
{
	struct dirty *d = dirty_new(8 * MIB);

	dirty_add(d, A, 8 * MIB + 1);
	ck_assert(dirty_is_full(d, A));
	dirty_sub(d, A, MIB, 0);
	ck_assert(dirty_is_full(d, A)); /* below the bound, and still held */
	dirty_sub(d, A, MIB, 0);
	ck_assert(dirty_is_full(d, A)); /* 6 MiB + 1 */
	dirty_sub(d, A, 1, 0);
	ck_assert(!dirty_is_full(d, A));
	dirty_add(d, A, 2 * MIB);
	ck_assert(!dirty_is_full(d, A)); /* and it does not flap */
	dirty_add(d, A, 1);
	ck_assert(dirty_is_full(d, A));
	dirty_free(d);
}
END_TEST

START_TEST(the_adaptive_bound_is_two_seconds_of_the_disk)
{
	struct dirty *d = dirty_new(0);
	uint64_t unknown = limit(d, A);

	ck_assert_uint_ge(unknown, 16 * MIB);
	if (unknown < 60 * MIB) { /* a machine with little memory */
		dirty_free(d);
		return;
	}
	learn(d, A, 20, 1000);
	ck_assert_uint_eq(limit(d, A), 40 * MIB);
	ck_assert_uint_eq(limit(d, B), unknown); /* each disk for itself */
	for (unsigned i = 0; i < 50; i++)
		learn(d, A, 12, 1000);
	ck_assert_uint_ge(limit(d, A), 24 * MIB); /* it follows the disk ... */
	ck_assert_uint_le(limit(d, A), 24 * MIB + MIB / 10);
	dirty_free(d);
}
END_TEST

START_TEST(one_odd_answer_does_not_turn_the_bound_over)
{
	struct dirty *d = dirty_new(0);

	if (limit(d, A) < 100 * MIB) {
		dirty_free(d);
		return;
	}
	learn(d, A, 40, 1000);
	learn(d, A, 20, 1000);
	ck_assert_uint_gt(limit(d, A), 60 * MIB);
	ck_assert_uint_lt(limit(d, A), 80 * MIB);
	dirty_free(d);
}
END_TEST

START_TEST(the_adaptive_bound_has_a_floor_and_a_ceiling)
{
	struct dirty *d = dirty_new(0);
	uint64_t ceiling = limit(d, A);

	for (unsigned i = 0; i < 20; i++) {
		learn(d, A, 1, 60 * 1000);
		learn(d, B, 1000000, 1);
	}
	ck_assert_uint_eq(limit(d, A), 16 * MIB);
	ck_assert_uint_eq(limit(d, B), ceiling);
	dirty_free(d);
}
END_TEST

START_TEST(only_real_waiting_teaches_the_speed)
{
	struct dirty *d = dirty_new(0);
	uint64_t unknown = limit(d, A);

	learn(d, A, 5, 0);
	dirty_add(d, A, 1000);
	dirty_sub(d, A, 1000, NSEC_PER_SEC);               /* too few bytes */
	dirty_add(d, A, 5 * MIB);
	dirty_sub(d, A, 5 * MIB, NSEC_PER_MSEC - 1);       /* it was written long ago */
	ck_assert_uint_eq(limit(d, A), unknown);
	dirty_free(d);
}
END_TEST

START_TEST(a_durable_file_is_written_back_early)
{
	struct dirty *d = dirty_new(100 * MIB);

	ck_assert(!wants_flush(d, A, true));
	dirty_add(d, A, 8 * MIB);
	ck_assert(!wants_flush(d, A, true));
	dirty_add(d, A, 1);
	ck_assert(wants_flush(d, A, true));
	ck_assert(!wants_flush(d, A, false));
	dirty_free(d);
}
END_TEST

START_TEST(any_file_is_written_back_at_three_quarters_of_the_bound)
{
	struct dirty *d = dirty_new(100 * MIB);

	dirty_add(d, A, 75 * MIB);
	ck_assert(!wants_flush(d, A, false));
	dirty_add(d, A, 1);
	ck_assert(wants_flush(d, A, false));
	ck_assert(!dirty_is_full(d, A));
	dirty_free(d);
}
END_TEST

/* Whatever the bound is: who is held must be wanted to flush, or it is held
 * for ever. */
START_TEST(what_is_held_is_always_written_back)
{
	static const uint64_t limits[] = { 1, 4096, MIB, 4 * MIB, 8 * MIB, 16 * MIB, 100 * MIB };

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		struct dirty *d = dirty_new(limits[i]);

		dirty_add(d, A, limits[i] + 1);
		ck_assert(dirty_is_full(d, A));
		ck_assert_msg(wants_flush(d, A, false), "limit %llu", (unsigned long long)limits[i]);
		ck_assert_msg(wants_flush(d, A, true), "limit %llu, durable", (unsigned long long)limits[i]);
		/* ... until it is let go. */
		while (dirty_is_full(d, A)) {
			ck_assert_msg(wants_flush(d, A, true), "limit %llu, %llu left", (unsigned long long)limits[i],
			    (unsigned long long)bytes(d, A));
			dirty_sub(d, A, MAX(limits[i] / 16, UINT64_C(1)), 0);
		}
		dirty_free(d);
	}
}
END_TEST

/* Nothing is known of the disk: a little is written back to learn of it. */
START_TEST(the_speed_is_learned_by_a_probe)
{
	struct dirty *d = dirty_new(0);

	dirty_add(d, A, 64 * MIB);
	ck_assert_uint_eq(dirty_flush_to(d, A, false, 0, 64 * MIB), 0);
	dirty_add(d, A, 1);
	ck_assert_uint_eq(dirty_flush_to(d, A, false, 0, 64 * MIB), 8 * MIB);
	dirty_sub(d, A, 8 * MIB, 4 * NSEC_PER_MSEC);
	dirty_add(d, A, 8 * MIB);
	ck_assert_uint_eq(dirty_flush_to(d, A, false, 8 * MIB, 72 * MIB), 8 * MIB);
	dirty_free(d);
}
END_TEST

START_TEST(a_decoder_may_have_as_much_unwritten)
{
	struct dirty *d = dirty_new(100 * MIB), *small = dirty_new(MIB);

	ck_assert_uint_eq(dirty_output_max(d, A, true), 100 * MIB);
	ck_assert_uint_eq(dirty_output_max(d, A, false), 200 * MIB);
	ck_assert_uint_ge(dirty_output_max(small, A, true), 16 * MIB);
	dirty_free(d);
	dirty_free(small);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dirty");
	TCase *bound = tcase_create("bound"), *flush = tcase_create("flush");

	tcase_add_test(bound, bytes_are_counted_for_each_filesystem);
	tcase_add_test(bound, an_explicit_limit_is_the_bound);
	tcase_add_test(bound, holding_ends_at_three_quarters);
	tcase_add_test(bound, the_adaptive_bound_is_two_seconds_of_the_disk);
	tcase_add_test(bound, one_odd_answer_does_not_turn_the_bound_over);
	tcase_add_test(bound, the_adaptive_bound_has_a_floor_and_a_ceiling);
	tcase_add_test(bound, only_real_waiting_teaches_the_speed);
	suite_add_tcase(s, bound);
	tcase_add_test(flush, a_durable_file_is_written_back_early);
	tcase_add_test(flush, any_file_is_written_back_at_three_quarters_of_the_bound);
	tcase_add_test(flush, what_is_held_is_always_written_back);
	tcase_add_test(flush, the_speed_is_learned_by_a_probe);
	tcase_add_test(flush, a_decoder_may_have_as_much_unwritten);
	suite_add_tcase(s, flush);
	return run_suite(s);
}
