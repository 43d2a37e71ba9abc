/* When the network counts as down, in the words of netwatch.h. */
#include "daemon/sched/netwatch.h"

#include <check.h>

#include "base/cleanup.h"
#include "run_suite.h"

enum { A = 1, B, C }; /* hosts */

/* A host that took a second of time to fail, with a route. */
static bool
silent(struct netwatch *w, uint64_t host, bool down, uint64_t now)
{
	return netwatch_failed(w, host, false, down, true, now - 1000, now);
}

START_TEST(two_hosts_that_give_no_sign_are_needed)
{
	struct netwatch w = { 0 };

	ck_assert(!silent(&w, A, false, 10000));
	ck_assert(!silent(&w, A, false, 20000)); /* one and the same */
	ck_assert(silent(&w, B, false, 21000));
	ck_assert(silent(&w, B, true, 31000)); /* and from then on one: it is still down */
	ck_assert(silent(&w, B, true, 999000));
}
END_TEST

START_TEST(they_must_fail_within_the_window)
{
	struct netwatch w = { 0 };

	ck_assert(!silent(&w, A, false, 10000));
	ck_assert(!silent(&w, B, false, 10001 + NETWATCH_WINDOW_MS));
	ck_assert(silent(&w, A, false, 10001 + 2 * NETWATCH_WINDOW_MS));
}
END_TEST

START_TEST(anything_that_was_reached_meanwhile_shows_that_it_is_up)
{
	struct netwatch w = { 0 };

	ck_assert(!silent(&w, A, false, 10000));
	netwatch_reached(&w, false, true, 10500);
	ck_assert(!silent(&w, B, false, 11400)); /* began before that */
	ck_assert(!silent(&w, B, false, 12000));
	ck_assert(silent(&w, C, false, 12100));
	netwatch_reached(&w, true, true, 20000);
	ck_assert(!silent(&w, A, false, 22000));
}
END_TEST

START_TEST(a_failure_at_once_says_nothing_where_there_is_a_route)
{
	struct netwatch w = { 0 };

	for (uint64_t host = 0; host < 100; host++)
		ck_assert(!netwatch_failed(&w, host, true, false, true, 10000, 10000));
}
END_TEST

START_TEST(a_failure_at_once_leaves_a_network_as_it_was)
{
	struct netwatch w = { 0 };

	ck_assert(!silent(&w, A, false, 10000));
	ck_assert(silent(&w, B, false, 11000));
	ck_assert(netwatch_failed(&w, C, true, true, true, 12000, 12000)); /* a name that is not there */
	ck_assert(silent(&w, C, true, 13000));
	/* But when there was no route, and there is one now, it is up. */
	w = (struct netwatch){ 0 };
	ck_assert(netwatch_failed(&w, A, true, false, false, 10000, 10000));
	ck_assert(!netwatch_failed(&w, A, true, true, true, 11000, 11000));
	/* Unless hosts are silent over that one, too. */
	ck_assert(silent(&w, A, true, 13000));
	ck_assert(netwatch_failed(&w, A, true, true, true, 14000, 14000));
}
END_TEST

START_TEST(without_a_route_one_failure_is_enough)
{
	static const bool quicks[] = { true, false };

	for (unsigned i = 0; i < ARRAY_SIZE(quicks); i++) {
		struct netwatch w = { 0 };

		ck_assert(netwatch_failed(&w, A, quicks[i], false, false, 10000, 10000));
		ck_assert(netwatch_failed(&w, A, quicks[i], true, false, 11000, 11000));
	}
}
END_TEST

START_TEST(a_missing_route_means_nothing_while_others_answer)
{
	struct netwatch w = { 0 };

	netwatch_reached(&w, false, false, 10000);
	ck_assert(!netwatch_failed(&w, A, true, false, false, 11000, 11000));
	ck_assert(netwatch_failed(&w, A, true, false, false, 10000 + NETWATCH_QUIET_MS, 10000 + NETWATCH_QUIET_MS));
}
END_TEST

/* One network without a default route, whose hosts answer all the same: that is
 * found out once, and not at every second host again. */
START_TEST(a_machine_that_needs_no_route_is_not_judged_by_it)
{
	struct netwatch w = { 0 };
	uint64_t now = 10000;

	ck_assert(netwatch_failed(&w, A, true, false, false, now, now));
	netwatch_reached(&w, true, false, now += 5000);
	ck_assert(!netwatch_failed(&w, A, true, false, false, now + 5000, now + 5000));
	ck_assert(!netwatch_failed(&w, A, true, false, false, now + NETWATCH_DISTRUST_MS - 1, now + NETWATCH_DISTRUST_MS - 1));
	ck_assert(netwatch_failed(&w, A, true, false, false, now + NETWATCH_DISTRUST_MS, now + NETWATCH_DISTRUST_MS));
	/* When the route came back before something was reached, it had told the truth. */
	netwatch_reached(&w, true, true, now += NETWATCH_DISTRUST_MS + 1);
	ck_assert(netwatch_failed(&w, A, true, false, false, now + 5000, now + 5000));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netwatch");
	TCase *t = tcase_create("netwatch");

	tcase_add_test(t, two_hosts_that_give_no_sign_are_needed);
	tcase_add_test(t, they_must_fail_within_the_window);
	tcase_add_test(t, anything_that_was_reached_meanwhile_shows_that_it_is_up);
	tcase_add_test(t, a_failure_at_once_says_nothing_where_there_is_a_route);
	tcase_add_test(t, a_failure_at_once_leaves_a_network_as_it_was);
	tcase_add_test(t, without_a_route_one_failure_is_enough);
	tcase_add_test(t, a_missing_route_means_nothing_while_others_answer);
	tcase_add_test(t, a_machine_that_needs_no_route_is_not_judged_by_it);
	suite_add_tcase(s, t);
	return run_suite(s);
}
