/* Origins and a network that are down: what waits, who probes, what goes elsewhere. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/sched/origins.h"
#include "loop_until.h"
#include "run_suite.h"

enum { TICKETS = 40, FAILURES = 3, PROBE_MS = 200, LONG_MS = 1000 };

static struct {
	struct loop *loop;
	struct scheduler *s;
	struct sched_limits limits;
	struct ticket t[TICKETS];
	unsigned order[TICKETS * 4], n_started, dues, asked;
	const char *elsewhere; /* where on_origin_down sends tickets; NULL: nowhere */
} rig;

static const struct result refused = { .code = RESULT_CONNECT, .text = "cannot connect" };

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	ck_assert_uint_lt(rig.n_started, ARRAY_SIZE(rig.order));
	rig.order[rig.n_started++] = (unsigned)(t - rig.t);
}

static void
on_due(struct ticket *t UNUSED, void *arg UNUSED)
{
	rig.dues++;
}

static bool
on_origin_down(struct ticket *t, void *arg UNUSED)
{
	ck_assert(t->elsewhere);
	rig.asked++;
	if (!rig.elsewhere)
		return false;
	scheduler_withdraw(rig.s, t);
	scheduler_enqueue(rig.s, t, rig.elsewhere, 0);
	return true;
}

static const struct sched_ops ops = { .on_start = on_start, .on_due = on_due, .on_origin_down = on_origin_down };

static void
setup(void)
{
	log_init("check", false);
	memset(&rig, 0, sizeof rig);
	rig.loop = loop_new();
	rig.limits = (struct sched_limits){
		.global = 100, .per_host = 4, .verifying = 100, .origin_failures = FAILURES, .probe_delay_ms = 3600 * 1000,
	};
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

/* Those that started since the last call: "0 3". */
static const char *
started(void)
{
	static char text[TICKETS * 16];
	int n = 0;

	turns(2);
	text[0] = '\0';
	for (unsigned i = 0; i < rig.n_started; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%u", i ? " " : "", rig.order[i]);
	rig.n_started = 0;
	return text;
}

static unsigned
the_one_that_started(void)
{
	unsigned n = rig.n_started;

	rig.n_started = 0;
	ck_assert_uint_eq(n, 1);
	return rig.order[0];
}

static void
enqueue(unsigned from, unsigned n, const char *origin)
{
	for (unsigned i = from; i < from + n; i++)
		scheduler_enqueue(rig.s, &rig.t[i], origin, 0);
}

static void
end_bad(unsigned i)
{
	scheduler_origin_bad(rig.s, &rig.t[i], &refused, 0);
	scheduler_withdraw(rig.s, &rig.t[i]);
}

static bool
has_started(void *arg UNUSED)
{
	return rig.n_started > 0;
}

/* For who waits for probes.  LONG_MS: and sees before that nothing begins. */
static void
probe_soon(uint64_t ms)
{
	rig.limits.probe_delay_ms = ms;
	scheduler_set_limits(rig.s, &rig.limits);
}

/* Down: its first three jobs (of four that wait) have failed. */
static void
bring_down(const char *origin)
{
	rig.limits.per_host = FAILURES;
	scheduler_set_limits(rig.s, &rig.limits);
	enqueue(0, FAILURES + 1, origin);
	ck_assert_str_eq(started(), "0 1 2");
	for (unsigned i = 0; i < FAILURES; i++)
		end_bad(i);
}

START_TEST(an_origin_that_fails_starts_nothing_and_others_of_its_host_do)
{
	bring_down("http://h:80");
	ck_assert(scheduler_origin_is_down(rig.s, "http://h:80"));
	ck_assert(!scheduler_origin_is_down(rig.s, "http://h:81"));
	ck_assert_str_eq(started(), "");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[3]), "origin-down");
	ck_assert(scheduler_is_blocked(rig.s, &rig.t[3]));
	ck_assert_uint_le(scheduler_wait_ms(rig.s, &rig.t[3]), 3600 * 1000);
	enqueue(4, 1, "http://h:81");
	enqueue(5, 3, "http://h:80");
	ck_assert_str_eq(started(), "4");
	ck_assert_uint_eq(scheduler_blocked(rig.s), 4);
	ck_assert(!scheduler_is_blocked(rig.s, &rig.t[4]));
	ck_assert_uint_eq(scheduler_wait_ms(rig.s, &rig.t[4]), 0);
}
END_TEST

START_TEST(one_probe_at_a_time_until_one_succeeds)
{
	probe_soon(PROBE_MS);
	bring_down("http://h:80");
	enqueue(4, 4, "http://h:80");
	for (unsigned i = 3; i < 6; i++) {
		uint64_t before = clock_now_ms();

		ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
		ck_assert_uint_ge(clock_now_ms() - before + 1, PROBE_MS / 2);
		ck_assert_uint_eq(the_one_that_started(), i);
		ck_assert_str_eq(scheduler_why(rig.s, &rig.t[7]), "origin-down");
		if (i < 5)
			end_bad(i);
	}
	scheduler_origin_good(rig.s, &rig.t[5]); /* it still runs, and the others with it */
	ck_assert_str_eq(started(), "6 7");
	ck_assert_uint_eq(scheduler_blocked(rig.s), 0);
	/* The count begins anew. */
	end_bad(6);
	end_bad(7);
	ck_assert(!scheduler_origin_is_down(rig.s, "http://h:80"));
	end_bad(5);
	ck_assert(scheduler_origin_is_down(rig.s, "http://h:80"));
}
END_TEST

START_TEST(a_probe_that_told_nothing_leaves_its_place_to_the_next)
{
	probe_soon(PROBE_MS);
	bring_down("http://h:80");
	enqueue(4, 1, "http://h:80");
	ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
	ck_assert_str_eq(started(), "3");
	scheduler_withdraw(rig.s, &rig.t[3]); /* paused, say */
	ck_assert_str_eq(started(), "4");
	/* What a ticket without a slot would tell is nothing. */
	scheduler_origin_good(rig.s, &rig.t[3]);
	scheduler_origin_bad(rig.s, &rig.t[3], &refused, 0);
	ck_assert_str_eq(started(), "");
}
END_TEST

START_TEST(a_server_may_ask_for_a_later_probe)
{
	enqueue(0, 4, "http://h:80");
	(void)started();
	for (unsigned i = 0; i < FAILURES; i++)
		scheduler_origin_bad(rig.s, &rig.t[i], &refused, 1000 * 1000);
	enqueue(4, 1, "http://h:80");
	ck_assert_uint_ge(scheduler_wait_ms(rig.s, &rig.t[4]), 999 * 1000);
}
END_TEST

START_TEST(without_a_limit_no_origin_is_down)
{
	bring_down("http://h:80");
	rig.limits.origin_failures = 0;
	scheduler_set_limits(rig.s, &rig.limits);
	ck_assert_str_eq(started(), "3");
	for (unsigned i = 0; i < 20; i++) {
		end_bad(3);
		enqueue(3, 1, "http://h:80");
		ck_assert_str_eq(started(), "3");
	}
}
END_TEST

START_TEST(those_that_can_go_elsewhere_do)
{
	rig.elsewhere = "http://mirror:80";
	rig.limits.per_host = FAILURES;
	scheduler_set_limits(rig.s, &rig.limits);
	enqueue(0, 30, "http://h:80");
	for (unsigned i = 3; i < 30; i++)
		rig.t[i].elsewhere = i % 3 != 0;
	ck_assert_str_eq(started(), "0 1 2");
	for (unsigned i = 0; i < FAILURES; i++)
		end_bad(i);
	turns(3);
	ck_assert_uint_eq(rig.asked, 18);
	ck_assert_uint_eq(scheduler_blocked(rig.s), 9); /* 3, 6, ... 27 */
	ck_assert_str_eq(started(), "4 5 7");
}
END_TEST

START_TEST(those_that_find_no_other_place_wait)
{
	probe_soon(LONG_MS);
	for (unsigned i = 0; i < TICKETS; i++)
		rig.t[i].elsewhere = true;
	bring_down("http://h:80");
	ck_assert_str_eq(started(), "");
	ck_assert_uint_eq(rig.asked, 1);
	ck_assert_uint_eq(scheduler_blocked(rig.s), 1);
	ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
	ck_assert_str_eq(started(), "3");
}
END_TEST

START_TEST(a_delayed_ticket_is_told_when_it_is_due)
{
	bring_down("http://h:80");
	scheduler_enqueue(rig.s, &rig.t[9], "http://other:80", 1);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[9]), "retry-at");
	ck_assert(!scheduler_is_blocked(rig.s, &rig.t[9]));
	ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
	ck_assert_uint_eq(rig.dues, 1);
}
END_TEST

/* ---- The network ------------------------------------------------------------------ */

START_TEST(nothing_but_probes_begins_while_the_network_is_down)
{
	uint64_t in;

	probe_soon(LONG_MS);
	enqueue(0, 1, "http://a:80");
	ck_assert_str_eq(started(), "0");
	scheduler_network_down(rig.s, &rig.t[0]);
	ck_assert(scheduler_network_is_down(rig.s));
	ck_assert_int_eq(scheduler_network(rig.s, &in), BREAKER_OPEN);
	ck_assert(in > 0 && in <= LONG_MS);
	scheduler_withdraw(rig.s, &rig.t[0]);
	enqueue(0, 2, "http://a:80");
	enqueue(2, 2, "http://b:80");
	enqueue(4, 2, ""); /* copies need no network */
	ck_assert_str_eq(started(), "4 5");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[2]), "network-down");
	ck_assert_uint_eq(scheduler_blocked(rig.s), 4);
	ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
	ck_assert_str_eq(started(), "0");
	scheduler_network_down(rig.s, &rig.t[0]);
	scheduler_withdraw(rig.s, &rig.t[0]);
	ck_assert(loop_until(rig.loop, has_started, NULL, 20000));
	ck_assert_str_eq(started(), "1");
	scheduler_withdraw(rig.s, &rig.t[1]); /* shows nothing: another probes at once */
	ck_assert_str_eq(started(), "2");
	scheduler_network_up(rig.s);
	ck_assert_str_eq(started(), "3");
	ck_assert_uint_eq(scheduler_blocked(rig.s), 0);
}
END_TEST

START_TEST(what_failed_while_the_network_was_down_is_no_origins_fault)
{
	bring_down("http://h:80");
	enqueue(4, 1, "http://x:80");
	ck_assert_str_eq(started(), "4");
	scheduler_network_down(rig.s, &rig.t[4]);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.t[3]), "network-down");
	scheduler_network_up(rig.s);
	ck_assert_str_eq(started(), "3");
	ck_assert_uint_eq(scheduler_each_origin(rig.s, 0, NULL, NULL), 2);
}
END_TEST

/* ---- Memory and cost ---------------------------------------------------------------- */

static unsigned n_seen, n_troubled;
static bool troubled_first;

static void
see(const struct sched_origin_view *v, void *arg UNUSED)
{
	n_seen++;
	if (!v->failures)
		return;
	troubled_first &= n_troubled + 1 == n_seen;
	n_troubled++;
	ck_assert_str_eq(v->cause, "connect: cannot connect");
	ck_assert_int_eq(v->state, v->failures >= FAILURES ? BREAKER_OPEN : BREAKER_CLOSED);
}

static uint64_t
look(uint64_t most)
{
	n_seen = n_troubled = 0;
	troubled_first = true;
	return scheduler_each_origin(rig.s, most, see, NULL);
}

START_TEST(the_unused_are_forgotten_and_of_the_failed_the_last_are_kept)
{
	char name[64];

	for (unsigned i = 0; i < 3 * ORIGINS_KEPT; i++) {
		(void)snprintf(name, sizeof name, "http://h%u:80", i);
		enqueue(0, 1, name);
		ck_assert_str_eq(started(), "0");
		if (i % 2)
			scheduler_origin_bad(rig.s, &rig.t[0], &refused, 0);
		scheduler_withdraw(rig.s, &rig.t[0]);
	}
	ck_assert_uint_eq(look(100000), ORIGINS_KEPT);
	ck_assert_uint_eq(n_seen, ORIGINS_KEPT);
	/* One of them that is fine again is forgotten. */
	enqueue(0, 1, name);
	ck_assert_str_eq(started(), "0");
	ck_assert_uint_eq(look(100000), ORIGINS_KEPT);
	scheduler_origin_good(rig.s, &rig.t[0]);
	scheduler_withdraw(rig.s, &rig.t[0]);
	ck_assert_uint_eq(look(100000), ORIGINS_KEPT - 1);
	scheduler_network_down(rig.s, &rig.t[0]);
	ck_assert_uint_eq(look(100000), 0);
}
END_TEST

START_TEST(those_in_trouble_are_shown_first)
{
	bring_down("http://h:80");
	for (unsigned i = 10; i < 20; i++) {
		char name[64];

		(void)snprintf(name, sizeof name, "http://h%u:80", i);
		enqueue(i, 1, name);
	}
	ck_assert_str_eq(started(), "10 11 12 13 14 15 16 17 18 19");
	end_bad(15);
	enqueue(15, 1, "http://h15:80");
	enqueue(30, 1, ""); /* no origin */
	ck_assert_uint_eq(look(100), 11);
	ck_assert_uint_eq(n_seen, 11);
	ck_assert_uint_eq(n_troubled, 2);
	ck_assert(troubled_first);
	ck_assert_uint_eq(look(5), 11);
	ck_assert_uint_eq(n_seen, 5);
	ck_assert_uint_eq(n_troubled, 2);
	/* Fine ones without tickets leave. */
	for (unsigned i = 10; i < 20; i++)
		scheduler_withdraw(rig.s, &rig.t[i]);
	ck_assert_uint_eq(look(100), 2);
}
END_TEST

/* CPU nanoseconds of all that a failing origin costs until its next probe, with so
 * many tickets in its queue. */
static double
cost_of(unsigned n)
{
	struct ticket *many = xcalloc(n, sizeof *many);
	uint64_t begun, cost = UINT64_MAX;
	char name[64];

	for (unsigned round = 0; round < 5; round++) {
		(void)snprintf(name, sizeof name, "http://h%u-%u:80", n, round);
		enqueue(0, FAILURES, name);
		ck_assert_str_eq(started(), "0 1 2");
		for (unsigned i = 0; i < n; i++)
			scheduler_enqueue(rig.s, &many[i], name, 0);
		begun = clock_thread_cpu_ns();
		for (unsigned i = 0; i < FAILURES; i++)
			end_bad(i);
		turns(2);
		ck_assert_uint_eq(scheduler_blocked(rig.s), n);
		cost = MIN(cost, clock_thread_cpu_ns() - begun);
		for (unsigned i = 0; i < n; i++)
			scheduler_withdraw(rig.s, &many[i]);
	}
	free(many);
	return (double)cost;
}

START_TEST(a_long_queue_costs_no_more_when_its_origin_goes_down)
{
	double few, all;

	rig.limits.per_host = FAILURES;
	rig.limits.probe_delay_ms = 60000;
	scheduler_set_limits(rig.s, &rig.limits);
	few = cost_of(100);
	all = cost_of(100000);
	ck_assert_msg(all < few * 20 + 100000, "%f ns with few, %f with many", few, all);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("origins");
	TCase *down = tcase_create("down"), *network = tcase_create("network"), *cost = tcase_create("cost");

	tcase_add_checked_fixture(down, setup, teardown);
	tcase_add_test(down, an_origin_that_fails_starts_nothing_and_others_of_its_host_do);
	tcase_add_test(down, one_probe_at_a_time_until_one_succeeds);
	tcase_add_test(down, a_probe_that_told_nothing_leaves_its_place_to_the_next);
	tcase_add_test(down, a_server_may_ask_for_a_later_probe);
	tcase_add_test(down, without_a_limit_no_origin_is_down);
	tcase_add_test(down, those_that_can_go_elsewhere_do);
	tcase_add_test(down, those_that_find_no_other_place_wait);
	tcase_add_test(down, a_delayed_ticket_is_told_when_it_is_due);
	suite_add_tcase(s, down);
	tcase_add_checked_fixture(network, setup, teardown);
	tcase_add_test(network, nothing_but_probes_begins_while_the_network_is_down);
	tcase_add_test(network, what_failed_while_the_network_was_down_is_no_origins_fault);
	suite_add_tcase(s, network);
	tcase_add_checked_fixture(cost, setup, teardown);
	tcase_add_test(cost, the_unused_are_forgotten_and_of_the_failed_the_last_are_kept);
	tcase_add_test(cost, those_in_trouble_are_shown_first);
	tcase_add_test(cost, a_long_queue_costs_no_more_when_its_origin_goes_down);
	suite_add_tcase(s, cost);
	return run_suite(s);
}
