/* The breaker: when it opens, how long, who probes, what closes it. */
#include "daemon/sched/breaker.h"

#include <check.h>
#include <limits.h>

#include "base/cleanup.h"
#include "run_suite.h"

enum { MAX_FAILURES = 5, MOST = 60000 };

static bool
failed(struct breaker *b, bool probe, uint64_t now)
{
	return breaker_failure(b, probe, MAX_FAILURES, MOST, 0, now, 0);
}

static struct breaker
opened_at(uint64_t now)
{
	struct breaker b = { 0 };

	for (unsigned i = 0; i < MAX_FAILURES; i++)
		(void)failed(&b, false, now);
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	return b;
}

START_TEST(it_opens_after_so_many_failures_in_a_row)
{
	struct breaker b = { 0 };

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 1; i < MAX_FAILURES; i++) {
			ck_assert(!failed(&b, false, 1000));
			ck_assert(breaker_lets(&b, 1000));
			breaker_begin(&b);
			ck_assert_int_eq(b.state, BREAKER_CLOSED);
			ck_assert_uint_eq(b.failures, i);
		}
		breaker_success(&b); /* one that succeeds, and the count begins anew */
		ck_assert_uint_eq(b.failures, 0);
	}
	for (unsigned i = 1; i < MAX_FAILURES; i++)
		ck_assert(!failed(&b, false, 1000));
	ck_assert(failed(&b, false, 1000));
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	ck_assert(!breaker_lets(&b, 1000));
}
END_TEST

START_TEST(it_never_opens_where_no_limit_is_set)
{
	struct breaker b = { .failures = UINT_MAX - 10 };

	for (unsigned i = 0; i < 100; i++)
		ck_assert(!breaker_failure(&b, false, 0, MOST, 0, 1, 0));
	ck_assert(breaker_lets(&b, 1));
	ck_assert_uint_eq(b.failures, UINT_MAX);
}
END_TEST

START_TEST(one_probe_at_a_time_and_only_when_it_is_time)
{
	struct breaker b = opened_at(5000);

	ck_assert(!breaker_lets(&b, 5000 + PROBE_FIRST_MS - 1));
	ck_assert(breaker_lets(&b, 5000 + PROBE_FIRST_MS));
	breaker_begin(&b);
	ck_assert_int_eq(b.state, BREAKER_HALF_OPEN);
	ck_assert(!breaker_lets(&b, UINT64_MAX));
	/* One that began earlier says nothing new, neither that it is bad ... */
	ck_assert(!failed(&b, false, 9000));
	ck_assert_int_eq(b.state, BREAKER_HALF_OPEN);
	/* ... nor is one that showed nothing a failure. */
	breaker_abandon(&b, 9000);
	ck_assert(breaker_lets(&b, 9000));
	ck_assert_uint_eq(b.probes, 0);
}
END_TEST

START_TEST(the_intervals_double_up_to_the_longest)
{
	static const uint64_t steps[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000 };
	struct breaker b = opened_at(0);
	uint64_t now = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		ck_assert_uint_eq(b.until_ms - now, steps[i]);
		now = b.until_ms;
		ck_assert(breaker_lets(&b, now));
		breaker_begin(&b);
		ck_assert(failed(&b, true, now));
	}
	b.probes = UINT_MAX - 1;
	b.state = BREAKER_HALF_OPEN;
	ck_assert(failed(&b, true, now));
	ck_assert_uint_eq(b.until_ms - now, MOST);
}
END_TEST

START_TEST(half_of_an_interval_is_random_and_a_server_may_ask_for_more)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t random = 0; random < 5000; random += 7) {
		struct breaker b = { .failures = MAX_FAILURES - 1 };

		ck_assert(breaker_failure(&b, false, MAX_FAILURES, MOST, 0, 100, random));
		least = MIN(least, b.until_ms - 100);
		most = MAX(most, b.until_ms - 100);
	}
	ck_assert_uint_ge(least, PROBE_FIRST_MS / 2);
	ck_assert_uint_le(least, PROBE_FIRST_MS / 2 + 20);
	ck_assert_uint_le(most, PROBE_FIRST_MS);
	ck_assert_uint_ge(most, PROBE_FIRST_MS - 20);
	for (uint64_t floor = 0; floor < 5000; floor += 1000) {
		struct breaker b = { .failures = MAX_FAILURES - 1 };

		ck_assert(breaker_failure(&b, false, MAX_FAILURES, MOST, floor, 100, 0));
		ck_assert_uint_eq(b.until_ms - 100, MAX(floor, (uint64_t)PROBE_FIRST_MS));
	}
}
END_TEST

START_TEST(a_success_closes_it_whoever_had_it)
{
	struct breaker b = opened_at(0);

	breaker_success(&b);
	ck_assert_int_eq(b.state, BREAKER_CLOSED);
	b = opened_at(0);
	breaker_begin(&b);
	breaker_success(&b);
	ck_assert(breaker_lets(&b, 0));
	ck_assert_uint_eq(b.failures, 0);
	/* The next time its intervals begin with the first again. */
	b = opened_at(7000);
	ck_assert_uint_eq(b.until_ms, 7000 + PROBE_FIRST_MS);
	/* Nothing to abandon where no probe runs. */
	breaker_abandon(&b, 7001);
	ck_assert(!breaker_lets(&b, 7001));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("breaker");
	TCase *t = tcase_create("breaker");

	tcase_add_test(t, it_opens_after_so_many_failures_in_a_row);
	tcase_add_test(t, it_never_opens_where_no_limit_is_set);
	tcase_add_test(t, one_probe_at_a_time_and_only_when_it_is_time);
	tcase_add_test(t, the_intervals_double_up_to_the_longest);
	tcase_add_test(t, half_of_an_interval_is_random_and_a_server_may_ask_for_more);
	tcase_add_test(t, a_success_closes_it_whoever_had_it);
	suite_add_tcase(s, t);
	return run_suite(s);
}
