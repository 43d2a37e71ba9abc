/* What a host takes: how often requests begin, and how many connections it is given. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/sched/adapt.h"
#include "daemon/sched/scheduler.h"
#include "daemon/sched/spacing.h"
#include "loop_until.h"
#include "run_suite.h"

/* ---- How often, by a given clock ---- */

#define MS NSEC_PER_MSEC

START_TEST(requests_are_so_long_after_each_other_and_no_longer)
{
	struct spacing s = { .interval_ns = 100 * MS };

	ck_assert(spacing_lets(&s, 0));
	spacing_take(&s, 5000 * MS);
	ck_assert(!spacing_lets(&s, 5000 * MS));
	ck_assert(!spacing_lets(&s, 5100 * MS - 1));
	ck_assert(spacing_lets(&s, 5100 * MS));
	ck_assert_uint_eq(spacing_at_ns(&s), 5100 * MS);
	spacing_take(&s, 5130 * MS); /* late: what was missed is not made up for */
	ck_assert(!spacing_lets(&s, 5229 * MS));
	ck_assert(spacing_lets(&s, 5230 * MS));
}
END_TEST

START_TEST(after_a_pause_there_is_no_burst)
{
	struct spacing s = { .interval_ns = 50 * MS };
	unsigned n = 0;

	spacing_take(&s, 1 * MS);
	for (uint64_t now = 3600 * 1000 * MS; now < 3600 * 1000 * MS + NSEC_PER_SEC; now += MS)
		if (spacing_lets(&s, now)) {
			spacing_take(&s, now);
			n++;
		}
	ck_assert_uint_eq(n, 20);
}
END_TEST

/* _i: so many a second, asked each 5 ms: on the average no more, and not much less. */
START_TEST(a_rate_above_what_timers_do_is_kept_on_the_average)
{
	static const unsigned rates[] = { 200, 1000, 7000, 100000 };
	struct spacing s = { .interval_ns = NSEC_PER_SEC / rates[_i] };
	uint64_t n = 0, most = 0;

	for (uint64_t now = NSEC_PER_SEC; now < 11 * NSEC_PER_SEC; now += 5 * MS) {
		uint64_t at_once = 0;

		for (; spacing_lets(&s, now); at_once++)
			spacing_take(&s, now);
		n += at_once;
		most = MAX(most, at_once);
	}
	ck_assert_uint_le(n, rates[_i] * 10 + rates[_i] / 100 + 1);
	ck_assert_uint_ge(n, rates[_i] * 10 * 99 / 100);
	ck_assert_uint_le(most, rates[_i] / 100 + 1);
}
END_TEST

START_TEST(a_new_rate_counts_from_now)
{
	struct spacing s = { .interval_ns = 3600 * NSEC_PER_SEC };

	spacing_take(&s, NSEC_PER_SEC);
	spacing_set(&s, 100 * MS, 2 * NSEC_PER_SEC);
	ck_assert(!spacing_lets(&s, 2 * NSEC_PER_SEC + 99 * MS));
	ck_assert(spacing_lets(&s, 2 * NSEC_PER_SEC + 100 * MS));
	spacing_take(&s, 3 * NSEC_PER_SEC);
	spacing_set(&s, 0, 3 * NSEC_PER_SEC);
	ck_assert(spacing_lets(&s, 3 * NSEC_PER_SEC));
}
END_TEST

/* ---- How many, by a given clock ---- */

START_TEST(twenty_that_fail_together_halve_it_once)
{
	struct adapt a = { 0 };

	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(adapt_bad(&a, 20, 20 - i, 1000 + i, 2000 + i), i == 0);
	ck_assert_uint_eq(adapt_limit(&a, 20), 10);
	ck_assert(adapt_bad(&a, 20, 10, 2001, 3000)); /* it began with half of them */
	ck_assert_uint_eq(adapt_limit(&a, 20), 5);
	ck_assert(!adapt_bad(&a, 20, 5, 2500, 3001));
}
END_TEST

START_TEST(half_of_what_was_in_use_and_never_less_than_one)
{
	struct adapt a = { 0 };

	ck_assert(adapt_bad(&a, 1000, 6, 1, 10));
	ck_assert_uint_eq(adapt_limit(&a, 1000), 3);
	ck_assert(adapt_bad(&a, 1000, 3, 11, 20));
	ck_assert_uint_eq(adapt_limit(&a, 1000), 1);
	ck_assert(!adapt_bad(&a, 1000, 1, 21, 30));
	ck_assert_uint_eq(adapt_limit(&a, 1000), 1);
	a = (struct adapt){ 0 };
	ck_assert(adapt_bad(&a, 5, 1, 1, 10)); /* alone: half of what it may have */
	ck_assert_uint_eq(adapt_limit(&a, 5), 2);
	a = (struct adapt){ 0 };
	ck_assert(!adapt_bad(&a, 1, 1, 1, 10));
	ck_assert_uint_eq(adapt_next_ms(&a), UINT64_MAX);
}
END_TEST

START_TEST(it_grows_by_one_for_each_round_of_good_answers)
{
	struct adapt a = { 0 };
	uint64_t now = 10000;

	ck_assert(adapt_bad(&a, 6, 6, 1, now));
	ck_assert(!adapt_good(&a, 6, 9000, now + 1)); /* it began before, and shows nothing */
	ck_assert_uint_eq(a.good, 0);
	for (unsigned limit = 3; limit < 6; limit++) {
		now += ADAPT_STEP_MS;
		for (unsigned i = 1; i < limit; i++)
			ck_assert(!adapt_good(&a, 6, now - 1, now));
		ck_assert_uint_eq(adapt_limit(&a, 6), limit);
		ck_assert(adapt_good(&a, 6, now - 1, now));
		ck_assert_uint_eq(adapt_limit(&a, 6), limit + 1);
	}
	ck_assert_uint_eq(adapt_next_ms(&a), UINT64_MAX);
	ck_assert(!adapt_good(&a, 6, now, now + 1));
}
END_TEST

START_TEST(many_good_answers_at_once_do_not_hurry_it)
{
	struct adapt a = { 0 };

	ck_assert(adapt_bad(&a, 100, 100, 1, 1000));
	for (unsigned i = 0; i < 5000; i++)
		ck_assert(!adapt_good(&a, 100, 1500, 1500));
	ck_assert_uint_eq(adapt_next_ms(&a), 1000 + ADAPT_STEP_MS);
	ck_assert(!adapt_grow(&a, 100, 1000 + ADAPT_STEP_MS - 1));
	ck_assert(adapt_grow(&a, 100, 1000 + ADAPT_STEP_MS));
	ck_assert_uint_eq(adapt_limit(&a, 100), 51);
	ck_assert_uint_eq(adapt_next_ms(&a), 1000 + ADAPT_STEP_MS + ADAPT_QUIET_MS);
}
END_TEST

START_TEST(without_answers_time_heals_it)
{
	struct adapt a = { 0 };

	ck_assert(adapt_bad(&a, 8, 8, 1, 1000));
	ck_assert(adapt_grow(&a, 8, 1000 + ADAPT_QUIET_MS));
	ck_assert_uint_eq(adapt_limit(&a, 8), 5);
	ck_assert(adapt_grow(&a, 8, 1000 + 3 * ADAPT_QUIET_MS));
	ck_assert_uint_eq(adapt_limit(&a, 8), 7);
	ck_assert(adapt_grow(&a, 8, UINT64_C(1) << 40)); /* nobody looked for years */
	ck_assert_uint_eq(adapt_limit(&a, 8), 8);
	ck_assert_uint_eq(a.limit, 0);
}
END_TEST

START_TEST(it_is_never_above_what_is_configured)
{
	struct adapt a = { 0 };

	ck_assert(adapt_bad(&a, 100, 100, 1, 1000));
	ck_assert_uint_eq(adapt_limit(&a, 7), 7); /* reload */
	ck_assert(adapt_bad(&a, 7, 7, 1001, 2000));
	ck_assert_uint_eq(adapt_limit(&a, 7), 3);
}
END_TEST

/* ---- In the scheduler ---- */

enum { TICKETS = 40 };

static struct {
	struct loop *loop;
	struct scheduler *s;
	struct sched_limits limits;
	struct ticket t[TICKETS];
	uint64_t interval_ns; /* of host "slow" */
	uint64_t begun_ns[TICKETS];
	unsigned order[TICKETS], n;
	bool makes_no_request;
} rig;

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	rig.begun_ns[rig.n] = clock_now_ns();
	rig.order[rig.n++] = (unsigned)(t - rig.t);
	if (rig.makes_no_request)
		scheduler_withdraw(rig.s, t);
}

static uint64_t
host_interval(const char *host, void *arg UNUSED)
{
	return strcmp(host, "slow") == 0 ? rig.interval_ns : 0;
}

static const struct sched_ops ops = { .on_start = on_start, .host_interval = host_interval };

static void
setup(void)
{
	log_init("check", false);
	memset(&rig, 0, sizeof rig);
	rig.loop = loop_new();
	rig.limits = (struct sched_limits){ .global = 100, .per_host = 8, .verifying = 100 };
	rig.s = scheduler_new(rig.loop, &rig.limits, &ops, NULL);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < TICKETS; i++)
		scheduler_withdraw(rig.s, &rig.t[i]);
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 0);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 0);
	scheduler_free(rig.s);
	loop_free(rig.loop);
}

static void
turns(unsigned n)
{
	while (n--)
		loop_turn(rig.loop);
}

static void
enqueue(unsigned from, unsigned to, const char *origin)
{
	for (unsigned i = from; i < to; i++)
		scheduler_enqueue(rig.s, &rig.t[i], origin, 0);
}

static void
end_all(void)
{
	for (unsigned i = 0; i < rig.n; i++)
		scheduler_withdraw(rig.s, &rig.t[rig.order[i]]);
}

static bool
have_begun(void *arg)
{
	end_all();
	return rig.n >= *(unsigned *)arg;
}

/* The i-th beginning of the log came so long behind t0, and not at once behind the one
 * before, which may have been seen late. */
static void
assert_spaced(unsigned i, unsigned before, uint64_t t0, unsigned intervals)
{
	ck_assert_uint_ge(rig.begun_ns[i] - t0, intervals * rig.interval_ns - MS);
	ck_assert_uint_ge(rig.begun_ns[i] - rig.begun_ns[before], rig.interval_ns / 2);
}

/* One at a time and each at once over: the host is forgotten between, its rate not. */
START_TEST(requests_of_a_host_are_spaced_and_others_do_not_wait)
{
	uint64_t t0 = clock_now_ns();
	unsigned all = 9;

	rig.interval_ns = 100 * MS;
	enqueue(0, 4, "http://slow:80");
	enqueue(4, 6, "http://slow:81");
	enqueue(6, 9, "http://quick:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 4);
	ck_assert_uint_eq(rig.order[0], 0);
	ck_assert_uint_eq(rig.order[3], 8);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[1]), "request-rate");
	ck_assert_uint_gt(scheduler_wait_ms(rig.s, &rig.t[1]), 0);
	ck_assert_uint_le(scheduler_wait_ms(rig.s, &rig.t[1]), 101);
	ck_assert(loop_until(rig.loop, have_begun, &all, 10000));
	assert_spaced(4, 0, t0, 1);
	for (unsigned i = 5; i < all; i++)
		assert_spaced(i, i - 1, t0, i - 3);
	enqueue(9, 10, "http://slow:80"); /* no ticket is left there, but the host is remembered */
	turns(2);
	ck_assert_uint_eq(rig.n, all);
	all = 10;
	ck_assert(loop_until(rig.loop, have_begun, &all, 10000));
	assert_spaced(9, 8, t0, 6);
}
END_TEST

/* Its file is there already, or its destination busy: others do not wait for that. */
START_TEST(one_that_makes_no_request_does_not_count)
{
	rig.interval_ns = 3600 * NSEC_PER_SEC;
	rig.makes_no_request = true;
	enqueue(0, 10, "http://slow:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 10);
	rig.makes_no_request = false;
	enqueue(10, 12, "http://slow:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 11);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[11]), "request-rate");
}
END_TEST

START_TEST(a_rate_may_change_while_tickets_wait_for_it)
{
	rig.interval_ns = 3600 * NSEC_PER_SEC;
	enqueue(0, 3, "http://slow:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 1);
	ck_assert_uint_gt(scheduler_wait_ms(rig.s, &rig.t[1]), 3500 * 1000);
	rig.interval_ns = 0;
	scheduler_set_limits(rig.s, &rig.limits);
	turns(2);
	ck_assert_uint_eq(rig.n, 3);
}
END_TEST

/* Hosts that only remember are forgotten when others come, once there is nothing more. */
START_TEST(a_host_with_nothing_to_remember_costs_no_alarm)
{
	rig.interval_ns = 20 * MS;
	enqueue(0, 1, "http://slow:80");
	turns(2);
	end_all();
	loop_run(rig.loop); /* ends: nobody waits for the rate */
	ck_assert_uint_eq(rig.n, 1);
}
END_TEST

static struct sched_origin_view seen;

static void
see(const struct sched_origin_view *v, void *arg UNUSED)
{
	seen = *v;
}

static bool
time_passed(void *arg)
{
	return clock_now_ms() > *(uint64_t *)arg;
}

START_TEST(a_host_that_turns_tickets_away_is_given_fewer)
{
	uint64_t limit = 0, then;

	enqueue(0, 20, "http://h:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 8);
	then = clock_now_ms();
	ck_assert(loop_until(rig.loop, time_passed, &then, 1000));
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(scheduler_host_bad(rig.s, &rig.t[i], &limit), i == 0);
		scheduler_withdraw(rig.s, &rig.t[i]);
	}
	ck_assert_uint_eq(limit, 4);
	turns(2);
	ck_assert_uint_eq(rig.n, 12);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[12]), "host-limit");
	ck_assert_uint_eq(scheduler_each_origin(rig.s, 1, see, NULL), 1);
	ck_assert_uint_eq(seen.limit, 4);
	ck_assert_uint_eq(seen.most, 8);
	ck_assert_uint_eq(seen.used, 4);
	/* Nothing for one that holds no slot. */
	ck_assert(!scheduler_host_bad(rig.s, &rig.t[0], &limit));
	scheduler_host_good(rig.s, &rig.t[0]);
}
END_TEST

/* All jobs of it are gone: it is given fewer all the same, when there are new ones. */
START_TEST(what_a_host_takes_is_remembered_without_tickets)
{
	uint64_t limit = 0;

	enqueue(0, 8, "http://h:80");
	turns(2);
	ck_assert(scheduler_host_bad(rig.s, &rig.t[0], &limit));
	for (unsigned i = 0; i < 8; i++)
		scheduler_withdraw(rig.s, &rig.t[i]);
	ck_assert_uint_eq(scheduler_each_origin(rig.s, 1, see, NULL), 0);
	for (unsigned i = 20; i < 40; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "http://other%u:80", i);
		enqueue(i, i + 1, name);
	}
	enqueue(0, 20, "http://h:80");
	turns(2);
	ck_assert_uint_eq(rig.n, 8 + 20 + 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sched_host");
	TCase *t = tcase_create("requests");

	tcase_add_test(t, requests_are_so_long_after_each_other_and_no_longer);
	tcase_add_test(t, after_a_pause_there_is_no_burst);
	tcase_add_loop_test(t, a_rate_above_what_timers_do_is_kept_on_the_average, 0, 4);
	tcase_add_test(t, a_new_rate_counts_from_now);
	suite_add_tcase(s, t);
	t = tcase_create("connections");
	tcase_add_test(t, twenty_that_fail_together_halve_it_once);
	tcase_add_test(t, half_of_what_was_in_use_and_never_less_than_one);
	tcase_add_test(t, it_grows_by_one_for_each_round_of_good_answers);
	tcase_add_test(t, many_good_answers_at_once_do_not_hurry_it);
	tcase_add_test(t, without_answers_time_heals_it);
	tcase_add_test(t, it_is_never_above_what_is_configured);
	suite_add_tcase(s, t);
	t = add_case(s, "scheduler", setup, teardown, 0);
	tcase_add_test(t, requests_of_a_host_are_spaced_and_others_do_not_wait);
	tcase_add_test(t, one_that_makes_no_request_does_not_count);
	tcase_add_test(t, a_rate_may_change_while_tickets_wait_for_it);
	tcase_add_test(t, a_host_with_nothing_to_remember_costs_no_alarm);
	tcase_add_test(t, a_host_that_turns_tickets_away_is_given_fewer);
	tcase_add_test(t, what_a_host_takes_is_remembered_without_tickets);
	return run_suite(s);
}
