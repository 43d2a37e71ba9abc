/* The wait before the next attempt: its bounds, its spread, Retry-After. */
#include "model/backoff.h"

#include <check.h>
#include <limits.h>

#include "run_suite.h"

enum { SAMPLES = 100000, BUCKETS = 20 };

static uint64_t
next_random(uint64_t *state) /* xorshift64*, Vigna 2016 */
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* What the header promises, computed in its own words. */
static uint64_t
bound(enum result_class c, unsigned attempt)
{
	double v = c == CLASS_RETRY_LATER ? 5000 : 100;

	while (attempt--)
		v = MIN(v * 2, 1e9);
	return (uint64_t)MIN(v, 60000.0);
}

START_TEST(the_steps_double_up_to_a_minute)
{
	static const uint64_t now[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	static const uint64_t later[] = { 5000, 10000, 20000, 40000, 60000, 60000 };

	for (unsigned i = 0; i < ARRAY_SIZE(now); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, i, 0, now[i]), now[i]);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, i, 0, now[i] + 1), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(later); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, i, 0, later[i]), later[i]);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, i, 0, later[i] + 1), 0);
	}
}
END_TEST

START_TEST(no_random_number_leaves_the_bounds)
{
	uint64_t state = 1;

	for (unsigned n = 0; n < SAMPLES; n++) {
		enum result_class c = n % 2 ? CLASS_RETRY_NOW : CLASS_RETRY_LATER;
		unsigned attempt = n % 40;

		ck_assert_uint_le(backoff_delay_ms(c, attempt, 0, next_random(&state)), bound(c, attempt));
		ck_assert_uint_le(backoff_delay_ms(c, attempt, 0, UINT64_MAX - n), bound(c, attempt));
	}
}
END_TEST

START_TEST(any_number_of_attempts_ends_at_the_cap)
{
	static const unsigned attempts[] = { 10, 64, 65, 1000000, UINT_MAX - 1, UINT_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(attempts); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, attempts[i], 0, BACKOFF_CAP_MS), BACKOFF_CAP_MS);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, attempts[i], 0, BACKOFF_CAP_MS), BACKOFF_CAP_MS);
	}
}
END_TEST

/* Chi-square over BUCKETS equal parts of the range; 19 degrees of freedom,
 * 43.8 is passed once in a thousand, and the seed is fixed. */
START_TEST(the_delays_are_spread_evenly)
{
	static const unsigned attempts[] = { 0, 3, 9, 20 };

	for (unsigned i = 0; i < ARRAY_SIZE(attempts); i++) {
		double chi = 0, expected = (double)SAMPLES / BUCKETS;
		uint64_t n = bound(CLASS_RETRY_NOW, attempts[i]) + 1, state = 42;
		unsigned count[BUCKETS] = { 0 }, taken = 0;

		while (taken < SAMPLES) {
			uint64_t d = backoff_delay_ms(CLASS_RETRY_NOW, attempts[i], 0, next_random(&state));

			if (d >= n / BUCKETS * BUCKETS)
				continue; /* what does not divide evenly */
			count[d / (n / BUCKETS)]++;
			taken++;
		}
		for (unsigned b = 0; b < BUCKETS; b++)
			chi += (count[b] - expected) * (count[b] - expected) / expected;
		ck_assert_msg(chi < 43.8, "attempt %u: chi-square is %f", attempts[i], chi);
	}
}
END_TEST

START_TEST(retry_after_is_the_least)
{
	uint64_t state = 7;

	for (unsigned n = 0; n < 1000; n++) {
		uint64_t random = next_random(&state), plain = backoff_delay_ms(CLASS_RETRY_LATER, 2, 0, random);
		uint64_t asked = n * 40, got = backoff_delay_ms(CLASS_RETRY_LATER, 2, asked, random);

		ck_assert_uint_ge(got, asked);
		ck_assert_uint_eq(got, MAX(plain, asked));
	}
}
END_TEST

START_TEST(retry_after_may_be_longer_than_the_cap_of_the_steps)
{
	ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 0, 10 * 60 * 1000, 0), 10 * 60 * 1000);
}
END_TEST

START_TEST(a_server_may_not_ask_for_more_than_an_hour)
{
	static const uint64_t asked[] = { 3600 * 1000 + 1, UINT64_C(86400) * 1000, UINT64_MAX };

	ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 0, 3600 * 1000, 0), 3600 * 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++)
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 50, asked[i], UINT64_MAX), 3600 * 1000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backoff");
	TCase *steps = tcase_create("steps"), *after = tcase_create("retry-after");

	tcase_add_test(steps, the_steps_double_up_to_a_minute);
	tcase_add_test(steps, no_random_number_leaves_the_bounds);
	tcase_add_test(steps, any_number_of_attempts_ends_at_the_cap);
	tcase_add_test(steps, the_delays_are_spread_evenly);
	suite_add_tcase(s, steps);
	tcase_add_test(after, retry_after_is_the_least);
	tcase_add_test(after, retry_after_may_be_longer_than_the_cap_of_the_steps);
	tcase_add_test(after, a_server_may_not_ask_for_more_than_an_hour);
	suite_add_tcase(s, after);
	return run_suite(s);
}
