/* Token buckets against a clock of the test's own. */
#include "daemon/sched/rate.h"

#include <check.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "run_suite.h"

static const uint64_t limits[] = { 1000, 64 * 1024, 1000 * 1000, 10 * 1024 * 1024, UINT64_C(1) << 30 };
static const uint64_t bites[] = { 1, 1460, 16 * 1024, 512 * 1024 };

/* A receiver that does as it is told: takes a bite, waits as long as it must,
 * and comes back up to `late_ns` late.  Returns bytes per second. */
static double
run(uint64_t limit, uint64_t bite, uint64_t seconds, uint64_t late_ns)
{
	uint64_t start = 123456789, now = start, taken = 0, n = 0;
	struct rate r;

	rate_init(&r, limit, now);
	while (now - start < seconds * NSEC_PER_SEC) {
		uint64_t wait = rate_take(&r, bite, now);

		taken += bite;
		if (wait)
			now += wait * NSEC_PER_MSEC + (late_ns ? n++ * 7919 % late_ns : 0);
		else
			now += 1000; /* even an endless sender takes a microsecond */
	}
	return (double)taken * (double)NSEC_PER_SEC / (double)(now - start);
}

static uint64_t
long_enough(uint64_t limit, uint64_t bite)
{
	return MAX(UINT64_C(10), 200 * bite / limit);
}

START_TEST(the_long_run_rate_is_the_limit)
{
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++)
		for (unsigned b = 0; b < ARRAY_SIZE(bites); b++) {
			double is;

			if (limits[l] / bites[b] > 200000)
				continue; /* a bite a microsecond is not that fast */
			is = run(limits[l], bites[b], long_enough(limits[l], bites[b]), 0);
			ck_assert_msg(is > (double)limits[l] * 0.99 && is < (double)limits[l] * 1.01,
			    "limit %llu, bites of %llu: %f", (unsigned long long)limits[l], (unsigned long long)bites[b], is);
		}
}
END_TEST

/* Timers ring late: what was not taken then may be taken afterwards, as long
 * as it is less than the bucket holds. */
START_TEST(late_timers_do_not_lower_the_rate)
{
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++) {
		double is = run(limits[l], 16 * 1024, long_enough(limits[l], 16 * 1024), 20 * NSEC_PER_MSEC);

		ck_assert_msg(is > (double)limits[l] * 0.99 && is < (double)limits[l] * 1.01, "limit %llu: %f",
		    (unsigned long long)limits[l], is);
	}
}
END_TEST

START_TEST(nothing_is_saved_up_while_idle)
{
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++)
		for (uint64_t idle = 1; idle <= 100000; idle *= 10) {
			uint64_t now = 5, bite = 1000, burst = 0;
			struct rate r;

			rate_init(&r, limits[l], now);
			now += idle * NSEC_PER_SEC;
			while (rate_take(&r, bite, now) == 0)
				burst += bite;
			ck_assert_uint_le(burst, limits[l] / 20);
			ck_assert_uint_ge(burst + bite, limits[l] / 20);
		}
}
END_TEST

START_TEST(a_new_bucket_is_empty)
{
	struct rate r;

	rate_init(&r, 1000, 77 * NSEC_PER_SEC);
	ck_assert_uint_gt(rate_take(&r, 1, 77 * NSEC_PER_SEC), 0);
}
END_TEST

START_TEST(the_wait_is_as_long_as_it_must_be)
{
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++)
		for (unsigned b = 0; b < ARRAY_SIZE(bites); b++) {
			uint64_t now = 1000, wait, exact = bites[b] * 1000 / limits[l];
			struct rate r;

			rate_init(&r, limits[l], now);
			wait = rate_take(&r, bites[b], now);
			ck_assert_uint_ge(wait, exact);
			ck_assert_uint_le(wait, exact + 1);
			if (wait > 1)
				ck_assert_uint_gt(rate_take(&r, 0, now + (wait - 1) * NSEC_PER_MSEC - 1), 0);
			ck_assert_uint_eq(rate_take(&r, 0, now + wait * NSEC_PER_MSEC), 0);
		}
}
END_TEST

START_TEST(what_was_taken_too_much_is_paid_back)
{
	uint64_t now = 1;
	struct rate r;

	rate_init(&r, 1000, now);
	for (unsigned i = 1; i <= 10; i++)
		ck_assert_uint_ge(rate_take(&r, 1000, now), i * 1000);
	ck_assert_uint_gt(rate_take(&r, 0, now + 9 * NSEC_PER_SEC), 0);
	ck_assert_uint_eq(rate_take(&r, 0, now + 11 * NSEC_PER_SEC), 0);
}
END_TEST

START_TEST(no_limit_costs_nothing)
{
	struct rate r;

	rate_init(&r, 0, 0);
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(rate_take(&r, UINT64_C(1) << 40, i), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rate");
	TCase *t = tcase_create("bucket");

	tcase_add_test(t, the_long_run_rate_is_the_limit);
	tcase_add_test(t, late_timers_do_not_lower_the_rate);
	tcase_add_test(t, nothing_is_saved_up_while_idle);
	tcase_add_test(t, a_new_bucket_is_empty);
	tcase_add_test(t, the_wait_is_as_long_as_it_must_be);
	tcase_add_test(t, what_was_taken_too_much_is_paid_back);
	tcase_add_test(t, no_limit_costs_nothing);
	suite_add_tcase(s, t);
	return run_suite(s);
}
