/*
 * What may run, against a small model of what is promised: all or none, never
 * above a limit, the best that can start starts, everything is given back.
 */
#include "daemon/sched/scheduler.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop_until.h"
#include "random.h"
#include "run_suite.h"

enum { TICKETS = 60, HOSTS = 6 };

enum where { OUT, WAITING, DELAYED, RUNNING, VERIFYING };

/* A ticket and what the test knows of it. */
struct item {
	struct ticket t;
	unsigned host;
	enum where where;
	uint64_t order;  /* of its first enqueue */
	uint64_t due_ms; /* of DELAYED, at the earliest */
	uint64_t memory; /* as it was asked for */
	bool ends_at_once; /* withdraws itself inside on_start */
};

static struct {
	struct loop *loop;
	struct scheduler *s;
	struct sched_limits limits;
	uint64_t host_limit[HOSTS]; /* 0: the scheduler's */
	struct item items[TICKETS];
	uint64_t next_order, starts;
	struct ticket *uncounted; /* of no item */
	bool checks; /* on_start compares with every other item */
	struct item **started; /* in their order; TICKETS of them */
	unsigned n_started;
} rig;

static const char *
host_name(unsigned i)
{
	static char name[32];

	(void)snprintf(name, sizeof name, "h%u.example", i);
	return name;
}

static uint64_t
limit_of(unsigned host)
{
	return rig.host_limit[host] ? rig.host_limit[host] : rig.limits.per_host;
}

static uint64_t
host_limit(const char *host, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	return rig.host_limit[host[1] - '0'];
}

/* What is in use, counted from the items alone. */
struct use {
	uint64_t network, host[HOSTS], verifying, memory;
};

static struct use
count_use(void)
{
	struct use u = { 0 };

	for (unsigned i = 0; i < TICKETS; i++) {
		const struct item *it = &rig.items[i];

		u.network += it->where == RUNNING;
		u.host[it->host] += it->where == RUNNING;
		u.verifying += it->where == VERIFYING;
		if (it->where == RUNNING || it->where == VERIFYING)
			u.memory += MIN(it->memory, rig.limits.decoder_memory);
	}
	return u;
}

static void
assert_limits(const struct use *u)
{
	ck_assert_uint_le(u->network, rig.limits.global);
	ck_assert_uint_le(u->memory, rig.limits.decoder_memory);
	for (unsigned h = 0; h < HOSTS; h++)
		ck_assert_msg(u->host[h] <= limit_of(h), "host %u has %llu", h, (unsigned long long)u->host[h]);
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, u->network);
}

static bool
could_start(const struct item *it, const struct use *u)
{
	return it->where == WAITING && u->network < rig.limits.global && u->verifying < rig.limits.verifying &&
	    u->host[it->host] < limit_of(it->host) &&
	    u->memory + MIN(it->memory, rig.limits.decoder_memory) <= rig.limits.decoder_memory;
}

static bool
goes_before(const struct item *a, const struct item *b)
{
	return a->t.priority != b->t.priority ? a->t.priority > b->t.priority : a->order < b->order;
}

/* Nothing better was passed over, and there was room for it. */
static void
check_choice(const struct item *it)
{
	struct use before = count_use();

	ck_assert(could_start(it, &before));
	for (unsigned i = 0; i < TICKETS; i++)
		ck_assert_msg(!could_start(&rig.items[i], &before) || !goes_before(&rig.items[i], it),
		    "ticket %u waits and is better", i);
}

static void
on_start(struct ticket *t, void *arg)
{
	struct item *it = CONTAINER_OF(t, struct item, t);

	ck_assert_ptr_eq(arg, &rig);
	if (rig.uncounted && (t < (struct ticket *)(void *)rig.items || t >= (struct ticket *)(void *)(rig.items + TICKETS)))
		return;
	if (it->where == DELAYED) {
		ck_assert_uint_ge(clock_now_ms(), it->due_ms);
		it->where = WAITING;
	}
	ck_assert_int_eq(it->where, WAITING);
	if (rig.checks)
		check_choice(it);
	it->where = RUNNING;
	rig.starts++;
	if (rig.n_started < TICKETS)
		rig.started[rig.n_started++] = it;
	if (it->ends_at_once) {
		scheduler_withdraw(rig.s, t);
		it->where = OUT;
	}
}

static const struct sched_ops ops = { .on_start = on_start, .host_limit = host_limit };

static void
start_with(uint64_t global, uint64_t per_host, uint64_t verifying, uint64_t memory)
{
	rig.limits = (struct sched_limits){
		.global = global, .per_host = per_host, .verifying = verifying, .decoder_memory = memory,
	};
	rig.s = scheduler_new(rig.loop, &rig.limits, &ops, &rig);
}

static void
setup(void)
{
	log_init("check", false);
	memset(&rig, 0, sizeof rig);
	rig.loop = loop_new();
	rig.next_order = 1;
	rig.started = xcalloc(TICKETS, sizeof(struct item *));
	random_seed(0);
}

static void
withdraw(struct item *it)
{
	scheduler_withdraw(rig.s, &it->t);
	it->where = OUT;
	ck_assert_ptr_null(scheduler_why(rig.s, &it->t));
}

static void
teardown(void)
{
	for (unsigned i = 0; i < TICKETS; i++)
		withdraw(&rig.items[i]);
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 0);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 0);
	scheduler_free(rig.s);
	scheduler_free(NULL);
	loop_free(rig.loop);
	free(rig.started);
}

static struct item *
enqueue(unsigned i, unsigned host, int64_t priority, uint64_t memory, uint64_t delay_ms)
{
	struct item *it = &rig.items[i];

	ck_assert_int_eq(it->where, OUT);
	it->host = host;
	it->memory = memory;
	scheduler_set_priority(rig.s, &it->t, (int32_t)priority);
	it->t.decoder_memory = memory;
	if (!it->order)
		it->order = rig.next_order++;
	it->where = delay_ms ? DELAYED : WAITING;
	it->due_ms = clock_now_ms() + delay_ms;
	scheduler_enqueue(rig.s, &it->t, host_name(host), delay_ms);
	return it;
}

static void
to_verify(struct item *it)
{
	scheduler_to_verify(rig.s, &it->t);
	it->where = VERIFYING;
}

static void
turns(unsigned n)
{
	while (n--)
		loop_turn(rig.loop);
}

/* The items that started, in their order, as numbers: "0 3 1". */
static const char *
started(void)
{
	static char text[TICKETS * 4];
	int n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < rig.n_started; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%d", i ? " " : "", (int)(rig.started[i] - rig.items));
	rig.n_started = 0;
	return text;
}

/* ---- Order ---- */

START_TEST(nothing_starts_from_inside_enqueue)
{
	start_with(10, 10, 10, 0);
	enqueue(0, 0, 0, 0, 0);
	ck_assert_uint_eq(rig.starts, 0);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 1);
	turns(1);
	ck_assert_uint_eq(rig.starts, 1);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 0);
}
END_TEST

START_TEST(equals_start_in_the_order_they_came)
{
	start_with(1, 1, 10, 0);
	for (unsigned i = 0; i < 10; i++)
		enqueue(i, i % 3, 0, 0, 0);
	for (unsigned i = 0; i < 10; i++) {
		turns(1);
		withdraw(&rig.items[i]);
	}
	ck_assert_str_eq(started(), "0 1 2 3 4 5 6 7 8 9");
}
END_TEST

START_TEST(higher_priority_goes_first_on_any_host)
{
	static const int64_t priorities[] = { 0, -5, 3, 0, 1000000, -1000000, 3 };

	start_with(1, 1, 10, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++)
		enqueue(i, i % 2, priorities[i], 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++) {
		turns(1);
		withdraw(rig.started[i]);
	}
	ck_assert_str_eq(started(), "4 2 6 0 3 1 5");
}
END_TEST

START_TEST(one_that_comes_again_has_its_old_place)
{
	start_with(1, 1, 10, 0);
	for (unsigned i = 0; i < 4; i++)
		enqueue(i, 0, 0, 0, 0);
	turns(1);
	withdraw(&rig.items[0]);
	enqueue(0, 0, 0, 0, 0); /* before 1, though it came again after it */
	turns(1);
	withdraw(&rig.items[0]);
	turns(1);
	withdraw(&rig.items[1]);
	enqueue(0, 1, 0, 0, 0); /* to another host, as a redirect does */
	turns(1);
	ck_assert_str_eq(started(), "0 0 1 0");
}
END_TEST

/* ---- Age ---- */

static void
wait_ms(uint64_t ms)
{
	uint64_t until = clock_now_ns() + ms * NSEC_PER_MSEC;

	while (clock_now_ns() < until)
		;
}

/* However many better ones come, it waits as long as they are worth more, no longer. */
START_TEST(a_low_one_among_endless_high_ones_starts)
{
	uint64_t begun, waited;
	unsigned n = 0;

	start_with(1, 1, 10, 0);
	rig.limits.priority_step_ms = 2;
	scheduler_set_limits(rig.s, &rig.limits);
	enqueue(0, 0, 7, 0, 0);
	turns(1);
	begun = clock_now_ns(); /* not behind it: its turn counts from when it came */
	enqueue(1, 0, -3, 0, 0);
	while (rig.items[1].where != RUNNING) {
		rig.items[2 + n % 2].order = rig.items[2 + n % 2].t.order = 0;
		enqueue(2 + n % 2, 0, 7, 0, 0);
		withdraw(rig.started[rig.n_started - 1]);
		rig.n_started = 0;
		turns(1);
		n++;
	}
	waited = clock_now_ns() - begun;
	ck_assert_uint_ge(waited, 20 * NSEC_PER_MSEC);
	ck_assert_uint_lt(waited, 2000 * NSEC_PER_MSEC);
	ck_assert_uint_gt(n, 10);
}
END_TEST

/* Which goes first of one and another that comes so much later (in ms, at least), however
 * large the priorities. */
START_TEST(a_step_of_priority_is_worth_a_time_of_waiting)
{
	static const struct {
		int32_t first, second;
		uint64_t step_ms, later_ms;
		bool overtakes;
	} cases[] = {
		{ 0, 0, 2, 3, false },
		{ 0, 1, 60000, 3, true },
		{ 0, 1, 2, 3, false },
		{ -2, 1, 60000, 3, true },
		{ -2, 1, 2, 8, false },
		{ 5, 6, 60000, 3, true },
		{ 6, 5, 60000, 3, false },
		{ -1000000, 1000000, PRIORITY_STEP_MOST_MS, 2, true },
		{ 1000000, -1000000, PRIORITY_STEP_MOST_MS, 2, false },
		{ 999999, 1000000, 0, 2, true },
		{ -1000000, -999999, UINT64_MAX, 2, true },
	};

	start_with(1, 1, 10, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		rig.limits.priority_step_ms = cases[i].step_ms;
		scheduler_set_limits(rig.s, &rig.limits);
		enqueue(0, 1, 0, 0, 0);
		turns(1);
		enqueue(1, 0, cases[i].first, 0, 0);
		wait_ms(cases[i].later_ms);
		enqueue(2, 0, cases[i].second, 0, 0);
		withdraw(&rig.items[0]);
		turns(1);
		ck_assert_msg((rig.items[2].where == RUNNING) == cases[i].overtakes, "case %u", i);
		ck_assert_int_ne(rig.items[1].where, rig.items[2].where);
		for (unsigned k = 0; k < 3; k++) {
			withdraw(&rig.items[k]);
			rig.items[k].order = rig.items[k].t.order = 0;
		}
	}
}
END_TEST

/* Of two that wait on one host never the one starts that came later by more than its
 * priority is worth above that of the other; so each has its turn. */
START_TEST(nobody_is_overtaken_for_longer_than_priorities_are_worth)
{
	enum { STEP_MS = 3, ROUNDS = 3000 };
	static uint64_t before[TICKETS], after[TICKETS];
	static unsigned starts[TICKETS];

	start_with(2, 2, 10, 0);
	rig.limits.priority_step_ms = STEP_MS;
	scheduler_set_limits(rig.s, &rig.limits);
	memset(starts, 0, sizeof starts);
	for (unsigned n = 0; n < ROUNDS; n++) {
		for (unsigned i = 0; i < TICKETS; i++) {
			if (rig.items[i].where == RUNNING)
				withdraw(&rig.items[i]);
			if (rig.items[i].where != OUT || random_below(3))
				continue;
			rig.items[i].order = rig.items[i].t.order = 0;
			before[i] = clock_now_ns();
			enqueue(i, 0, (int64_t)random_below(9) - 4, 0, 0);
			after[i] = clock_now_ns();
		}
		rig.n_started = 0;
		turns(1);
		for (unsigned k = 0; k < rig.n_started; k++) {
			unsigned i = (unsigned)(rig.started[k] - rig.items);

			starts[i]++;
			for (unsigned w = 0; w < TICKETS; w++)
				ck_assert_msg(rig.items[w].where != WAITING ||
				    (int64_t)before[i] - rig.items[i].t.priority * STEP_MS * (int64_t)NSEC_PER_MSEC <=
				    (int64_t)after[w] - rig.items[w].t.priority * STEP_MS * (int64_t)NSEC_PER_MSEC,
				    "%u waits and should be before %u", w, i);
		}
	}
	for (unsigned i = 0; i < TICKETS; i++)
		ck_assert_uint_gt(starts[i], 0);
}
END_TEST

/* ---- Hosts ---- */

START_TEST(a_busy_host_never_hides_another)
{
	start_with(4, 1, 10, 0);
	for (unsigned i = 0; i < 50; i++)
		enqueue(i, 0, 100, 0, 0); /* all better than the others */
	enqueue(50, 1, 0, 0, 0);
	enqueue(51, 2, -7, 0, 0);
	turns(1);
	ck_assert_str_eq(started(), "0 50 51");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[1].t), "host-limit");
	withdraw(&rig.items[0]);
	turns(1);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(a_host_may_have_a_limit_of_its_own)
{
	rig.host_limit[1] = 3;
	rig.host_limit[2] = 1;
	start_with(50, 2, 10, 0);
	for (unsigned i = 0; i < 30; i++)
		enqueue(i, i % 3, 0, 0, 0);
	turns(3);
	ck_assert_str_eq(started(), "0 1 2 3 4 7");
}
END_TEST

START_TEST(the_global_limit_is_for_all_hosts)
{
	start_with(3, 2, 10, 0);
	for (unsigned i = 0; i < 12; i++)
		enqueue(i, i % 6, 0, 0, 0);
	turns(3);
	ck_assert_str_eq(started(), "0 1 2");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[3].t), "global-limit");
	ck_assert_ptr_null(scheduler_why(rig.s, &rig.items[0].t));
}
END_TEST

/* ---- Verifying ---- */

START_TEST(the_network_slots_are_free_while_it_is_verified)
{
	start_with(1, 1, 2, 0);
	enqueue(0, 0, 0, 0, 0);
	enqueue(1, 0, 0, 0, 0);
	turns(1);
	to_verify(&rig.items[0]);
	scheduler_to_verify(rig.s, &rig.items[0].t); /* asking twice takes one place */
	turns(1);
	ck_assert_str_eq(started(), "0 1");
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 1);
}
END_TEST

START_TEST(nothing_starts_while_the_workers_have_enough)
{
	start_with(10, 10, 2, 0);
	for (unsigned i = 0; i < 3; i++)
		enqueue(i, 0, 0, 0, 0);
	turns(1);
	for (unsigned i = 0; i < 3; i++)
		to_verify(&rig.items[i]); /* none is held up at the end of its transfer */
	enqueue(3, 0, 0, 0, 0);
	turns(3);
	ck_assert_str_eq(started(), "0 1 2");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[3].t), "worker-backlog");
	withdraw(&rig.items[0]);
	turns(3);
	ck_assert_str_eq(started(), ""); /* two of two are taken */
	withdraw(&rig.items[1]);
	turns(1);
	ck_assert_str_eq(started(), "3");
}
END_TEST

/* ---- Memory ---- */

START_TEST(others_overtake_one_that_wants_more_memory_than_is_free)
{
	start_with(10, 10, 10, 100);
	enqueue(0, 0, 0, 60, 0);
	enqueue(1, 0, 0, 60, 0);
	enqueue(2, 0, 0, 0, 0);
	enqueue(3, 1, 0, 40, 0);
	enqueue(4, 0, 0, 1, 0);
	turns(1);
	ck_assert_str_eq(started(), "0 2 3");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[1].t), "decoder-memory");
	withdraw(&rig.items[3]);
	turns(1);
	ck_assert_str_eq(started(), "4"); /* 1 asked first, and does not fit */
	withdraw(&rig.items[0]);
	turns(1);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(memory_is_held_until_the_end_and_not_only_on_the_network)
{
	start_with(10, 10, 10, 100);
	enqueue(0, 0, 0, 100, 0);
	enqueue(1, 0, 0, 1, 0);
	turns(1);
	to_verify(&rig.items[0]);
	turns(3);
	ck_assert_str_eq(started(), "0");
	withdraw(&rig.items[0]);
	turns(1);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(a_large_one_is_not_starved_by_small_ones_that_come_later)
{
	unsigned small;

	start_with(10, 10, 10, 100);
	enqueue(0, 0, 0, 50, 0);
	enqueue(1, 0, 0, 50, 0);
	turns(1);
	enqueue(2, 0, 0, 100, 0);
	turns(1);
	for (small = 3; small < 20; small++)
		enqueue(small, 0, 0, 30, 0);
	turns(3);
	ck_assert_str_eq(started(), "0 1");
	withdraw(&rig.items[0]);
	withdraw(&rig.items[1]);
	turns(3);
	ck_assert_str_eq(started(), "2");
}
END_TEST

START_TEST(one_that_wants_more_than_there_is_gets_all_there_is)
{
	start_with(10, 10, 10, 100);
	enqueue(0, 0, 0, 1000, 0);
	enqueue(1, 0, 0, 1, 0);
	turns(1);
	ck_assert_str_eq(started(), "0");
	withdraw(&rig.items[0]);
	turns(1);
	ck_assert_str_eq(started(), "1");
}
END_TEST

/* Decoders in any number may wait: who needs none is not behind them. */
START_TEST(a_shortage_of_memory_hides_no_one_who_needs_none)
{
	enum { DECODERS = 3000 };
	struct ticket *decoders = xcalloc(DECODERS, sizeof *decoders);

	start_with(16, 16, 100, 100);
	rig.uncounted = decoders;
	for (unsigned i = 0; i < DECODERS; i++) {
		decoders[i].decoder_memory = 100;
		scheduler_enqueue(rig.s, &decoders[i], host_name(1), 0);
	}
	enqueue(0, 0, 0, 0, 0);
	turns(10);
	ck_assert_str_eq(started(), "0");
	for (unsigned i = 0; i < DECODERS; i++)
		scheduler_withdraw(rig.s, &decoders[i]);
	rig.uncounted = NULL;
	free(decoders);
}
END_TEST

/* Memory is never free for all of the large one at once, unless it is kept. */
START_TEST(a_large_one_is_overtaken_for_a_while_only)
{
	unsigned n = 0;

	start_with(16, 16, 100, 100);
	enqueue(0, 0, 0, 50, 0);
	enqueue(1, 0, 0, 50, 0);
	turns(1);
	enqueue(2, 0, 0, 100, 0);
	turns(1);
	while (rig.items[2].where != RUNNING && ++n < 1000) {
		struct item *next = &rig.items[3 + n % 50], *oldest = NULL;

		if (next->where == OUT) {
			next->order = next->t.order = 0;
			enqueue((unsigned)(next - rig.items), 0, 0, 50, 0);
		}
		turns(1);
		for (unsigned i = 0; i < TICKETS; i++) /* the one that runs longest */
			if (i != 2 && rig.items[i].where == RUNNING && (!oldest || goes_before(&rig.items[i], oldest)))
				oldest = &rig.items[i];
		ck_assert_ptr_nonnull(oldest);
		withdraw(oldest);
		turns(1);
	}
	ck_assert_msg(n < 200 && n > 2, "after %u", n);
}
END_TEST

/* Those that ask first when memory is free again stand before another door now. */
START_TEST(memory_is_not_kept_for_those_that_wait_for_something_else)
{
	enum { DECODERS = 300 };
	struct ticket *decoders = xcalloc(DECODERS, sizeof *decoders);

	start_with(16, 16, 100, 100);
	rig.host_limit[1] = 1;
	rig.uncounted = decoders;
	enqueue(0, 0, 0, 100, 0);
	turns(1);
	for (unsigned i = 0; i < DECODERS; i++) {
		decoders[i].decoder_memory = 100;
		scheduler_enqueue(rig.s, &decoders[i], host_name(1), 0);
	}
	enqueue(1, 2, 0, 100, 0);
	turns(3);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[1].t), "decoder-memory");
	enqueue(2, 1, 0, 0, 0); /* has the only slot of that host */
	turns(1);
	withdraw(&rig.items[0]);
	turns(2 * DECODERS);
	ck_assert_str_eq(started(), "0 2 1");
	ck_assert_str_eq(scheduler_why(rig.s, &decoders[0]), "host-limit");
	for (unsigned i = 0; i < DECODERS; i++)
		scheduler_withdraw(rig.s, &decoders[i]);
	rig.uncounted = NULL;
	free(decoders);
}
END_TEST

START_TEST(who_waited_behind_one_that_leaves_takes_the_memory_that_is_free)
{
	unsigned small;

	start_with(16, 16, 100, 100);
	enqueue(0, 0, 0, 30, 0);
	turns(1);
	enqueue(1, 0, 0, 100, 0);
	turns(1);
	for (unsigned n = 0; n < 64; n++) { /* as often as it may be overtaken */
		small = 3 + n % 50;
		rig.items[small].order = rig.items[small].t.order = 0;
		enqueue(small, 0, 0, 30, 0);
		turns(1);
		withdraw(&rig.items[small]);
	}
	(void)started();
	enqueue(2, 0, 0, 30, 0);
	turns(3);
	ck_assert_str_eq(started(), "");
	withdraw(&rig.items[1]);
	turns(3);
	ck_assert_str_eq(started(), "2");
}
END_TEST

/* All or none: what cannot have its memory holds no slot of the network. */
START_TEST(one_that_waits_for_memory_holds_nothing)
{
	start_with(2, 1, 10, 100);
	enqueue(0, 0, 0, 100, 0);
	turns(1);
	enqueue(1, 1, 0, 100, 0);
	turns(1);
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 1);
	enqueue(2, 1, 0, 0, 0); /* the same host, one slot */
	turns(1);
	ck_assert_str_eq(started(), "0 2");
}
END_TEST

/* ---- Delays ---- */

/* On a busy machine two are due in the same turn, and begin in the order of the queue: so
 * that order is that of their times, or one waits for the first before the second comes. */
static bool
has_started(void *n)
{
	return rig.starts == *(const unsigned *)n;
}

START_TEST(a_delayed_one_starts_after_its_time_and_not_before)
{
	unsigned both = 2;

	start_with(10, 10, 10, 0);
	enqueue(0, 0, 0, 0, 3600 * 1000);
	enqueue(1, 0, 0, 0, 20);
	enqueue(2, 0, 0, 0, 40);
	enqueue(3, 0, 0, 0, 3600 * 1000);
	ck_assert_uint_eq(rig.starts, 0);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 4);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[0].t), "retry-at");
	turns(3); /* on_start looks at the clock */
	ck_assert(loop_until(rig.loop, has_started, &both, 10000));
	ck_assert_str_eq(started(), "1 2");
	loop_for(rig.loop, 10);
	ck_assert_uint_eq(rig.starts, 2);
}
END_TEST

START_TEST(a_delayed_one_costs_its_host_no_slot)
{
	start_with(10, 1, 10, 0);
	enqueue(0, 0, 9, 0, 3600 * 1000);
	enqueue(1, 0, 0, 0, 0);
	turns(1);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(taking_a_delayed_one_out_moves_the_alarm)
{
	unsigned first = 1, second = 2;

	start_with(10, 10, 10, 0);
	enqueue(0, 0, 0, 0, 10);
	enqueue(1, 0, 0, 0, 30);
	withdraw(&rig.items[0]); /* to a later one */
	ck_assert(loop_until(rig.loop, has_started, &first, 10000));
	ck_assert_str_eq(started(), "1");
	enqueue(2, 0, 0, 0, 3600 * 1000);
	enqueue(3, 0, 0, 0, 5); /* to an earlier one */
	ck_assert(loop_until(rig.loop, has_started, &second, 10000));
	ck_assert_str_eq(started(), "3");
}
END_TEST

START_TEST(idle_costs_nothing)
{
	start_with(10, 10, 10, 0);
	enqueue(0, 0, 0, 0, 3600 * 1000);
	withdraw(&rig.items[0]);
	enqueue(0, 0, 0, 0, 0);
	turns(1);
	enqueue(1, 0, 0, 0, 0);
	withdraw(&rig.items[1]);
	loop_run(rig.loop); /* ends: no alarm is set and no pass is due */
	ck_assert_str_eq(started(), "0");
}
END_TEST

/* ---- Giving back ---- */

/* Drives ticket 0 into a state in which it is then withdrawn. */
static void
lead_to(int state)
{
	switch (state) {
	case 0: /* never came */
		break;
	case 1:
		enqueue(0, 0, 0, 100, 3600 * 1000);
		break;
	case 2: /* queued, the pass did not come yet */
		enqueue(0, 0, 0, 100, 0);
		break;
	case 3: /* queued behind a busy host */
		enqueue(1, 0, 0, 0, 0);
		turns(1);
		enqueue(0, 0, 0, 100, 0);
		turns(1);
		break;
	case 4: /* set aside for want of memory */
		enqueue(1, 1, 0, 1, 0);
		turns(1);
		enqueue(0, 0, 0, 100, 0);
		turns(1);
		ck_assert_str_eq(scheduler_why(rig.s, &rig.items[0].t), "decoder-memory");
		break;
	case 5: /* runs */
	case 6: /* is verified */
		enqueue(0, 0, 0, 100, 0);
		turns(1);
		ck_assert_int_eq(rig.items[0].where, RUNNING);
		if (state == 6)
			to_verify(&rig.items[0]);
		break;
	}
}

/* _i: the state.  Afterwards one that needs all there is starts. */
START_TEST(withdrawing_gives_everything_back)
{
	start_with(_i == 4 ? 2 : 1, 1, 1, 100);
	lead_to(_i);
	withdraw(&rig.items[0]);
	withdraw(&rig.items[0]); /* of one that is out: nothing */
	withdraw(&rig.items[1]);
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 0);
	ck_assert_uint_eq(scheduler_waiting(rig.s), 0);
	(void)started();
	enqueue(2, 0, 0, 100, 0);
	turns(2);
	ck_assert_str_eq(started(), "2");
	to_verify(&rig.items[2]);
	withdraw(&rig.items[2]);
	enqueue(3, 0, 0, 100, 0);
	turns(2);
	ck_assert_str_eq(started(), "3");
}
END_TEST

START_TEST(one_may_end_inside_its_start)
{
	start_with(1, 1, 1, 100);
	for (unsigned i = 0; i < 10; i++)
		enqueue(i, 0, 0, 100, 0)->ends_at_once = true;
	turns(1);
	ck_assert_str_eq(started(), "0 1 2 3 4 5 6 7 8 9");
	ck_assert_uint_eq(scheduler_use(rig.s).global.used, 0);
}
END_TEST

START_TEST(holding_starts_nothing_until_it_is_over)
{
	start_with(10, 10, 10, 0);
	scheduler_hold(rig.s, true);
	enqueue(0, 0, 0, 0, 0);
	turns(3);
	ck_assert_str_eq(started(), "");
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[0].t), "draining");
	scheduler_hold(rig.s, false);
	turns(1);
	ck_assert_str_eq(started(), "0");
}
END_TEST

START_TEST(what_has_begun_goes_first_and_is_not_held)
{
	start_with(10, 1, 10, 0);
	scheduler_hold(rig.s, true);
	enqueue(0, 0, 9, 0, 0);
	rig.items[1].t.begun = rig.items[2].t.begun = true;
	enqueue(1, 0, 0, 0, 0);
	enqueue(2, 0, 0, 0, 0);
	ck_assert_uint_eq(scheduler_begun(rig.s), 2);
	turns(3);
	ck_assert_str_eq(started(), "1"); /* of that host only one */
	ck_assert_uint_eq(scheduler_begun(rig.s), 1);
	ck_assert_str_eq(scheduler_why(rig.s, &rig.items[2].t), "host-limit");
	withdraw(&rig.items[2]);
	ck_assert_uint_eq(scheduler_begun(rig.s), 0);
	withdraw(&rig.items[1]);
	turns(1);
	ck_assert_str_eq(started(), "");
	enqueue(1, 0, 0, 0, 0); /* it begins anew */
	scheduler_hold(rig.s, false);
	turns(1);
	ck_assert_str_eq(started(), "0");
}
END_TEST

/* ---- Against the model ---- */

/* Every second time one that runs or is verified, where there is one. */
static struct item *
random_item(void)
{
	unsigned first = (unsigned)random_below(TICKETS);

	for (unsigned i = random_below(2) ? TICKETS : 0; i < TICKETS; i++) {
		struct item *it = &rig.items[(first + i) % TICKETS];

		if (it->where == RUNNING || it->where == VERIFYING)
			return it;
	}
	return &rig.items[first];
}

static void
random_step(void)
{
	struct item *it = random_item();

	switch (it->where) {
	case OUT:
		it->ends_at_once = random_below(16) == 0;
		enqueue((unsigned)(it - rig.items), (unsigned)random_below(HOSTS), (int64_t)random_below(4) - 2,
		    random_below(3) ? 0 : random_below(140), random_below(5) ? 0 : random_below(3));
		break;
	case WAITING:
	case DELAYED:
		if (random_below(6) == 0)
			withdraw(it);
		break;
	case RUNNING:
		if (random_below(2))
			to_verify(it);
		else
			withdraw(it);
		break;
	case VERIFYING:
		if (random_below(2))
			withdraw(it);
		break;
	}
}

static uint64_t
count_waiting(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < TICKETS; i++)
		n += rig.items[i].where == WAITING || rig.items[i].where == DELAYED;
	return n;
}

static void
assert_nothing_is_left_that_could_start(void)
{
	struct use u = count_use();

	for (unsigned i = 0; i < TICKETS; i++)
		ck_assert_msg(!could_start(&rig.items[i], &u), "ticket %u could start and does not", i);
}

/* _i: the seed, and with it the limits. */
START_TEST(thousands_of_random_steps_stay_within_the_promises)
{
	random_seed((uint64_t)_i * 7919 + 1);
	rig.checks = true;
	for (unsigned h = 0; h < HOSTS; h++)
		rig.host_limit[h] = random_below(2) ? random_below(4) : 0;
	start_with(1 + random_below(12), 1 + random_below(4), 1 + random_below(6), 100);
	for (unsigned n = 0; n < 3000; n++) {
		struct use u;

		random_step();
		if (random_below(3))
			continue;
		turns(1);
		if (random_below(8) == 0)
			turns(2);
		u = count_use();
		assert_limits(&u);
		assert_nothing_is_left_that_could_start();
		ck_assert_uint_eq(scheduler_waiting(rig.s), count_waiting());
	}
	ck_assert_uint_gt(rig.starts, 100);
}
END_TEST

/* ---- Cost ---- */

enum { MANY = 100000, MANY_HOSTS = 1000, FLIGHT = 128 };

static struct {
	struct ticket *tickets;
	struct ticket *running[FLIGHT];
	unsigned n_running;
	uint64_t starts;
} many;

static void
on_start_of_many(struct ticket *t, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(many.n_running, FLIGHT);
	many.running[many.n_running++] = t;
	many.starts++;
}

static const struct sched_ops ops_of_many = { .on_start = on_start_of_many };

static struct scheduler *
many_new(unsigned n, unsigned hosts, uint64_t global, uint64_t per_host)
{
	struct sched_limits l = { .global = global, .per_host = per_host, .verifying = 100 };
	struct scheduler *s = scheduler_new(rig.loop, &l, &ops_of_many, NULL);
	char name[32];

	memset(&many, 0, sizeof many);
	many.tickets = xcalloc(n, sizeof *many.tickets);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "host%u.example", i % hosts);
		many.tickets[i].priority = i % 7;
		scheduler_enqueue(s, &many.tickets[i], name, 0);
	}
	return s;
}

static void
end_running(struct scheduler *s)
{
	while (many.n_running)
		scheduler_withdraw(s, many.running[--many.n_running]);
}

/* CPU nanoseconds for each of n tickets from queue to end. */
static double
dispatch(unsigned n, unsigned hosts)
{
	uint64_t begun = clock_thread_cpu_ns();
	struct scheduler *s = many_new(n, hosts, FLIGHT, 2);

	while (many.starts < n) {
		uint64_t before = many.starts;

		turns(1);
		end_running(s);
		ck_assert_uint_gt(many.starts, before);
		ck_assert_uint_le(many.starts - before, 64); /* the loop turns between */
	}
	end_running(s);
	ck_assert_uint_eq(scheduler_use(s).global.used, 0);
	scheduler_free(s);
	free(many.tickets);
	return (double)(clock_thread_cpu_ns() - begun) / n;
}

/* A pass that looked at every host, or at every ticket, would cost hundreds of
 * times more with a thousand hosts than with one. */
START_TEST(a_hundred_thousand_tickets_are_dispatched_cheaply)
{
	double few = dispatch(10000, 64), all;

	few = MIN(few, dispatch(10000, 64));
	all = dispatch(MANY, MANY_HOSTS);
	ck_assert_msg(all < few * 12, "%f ns each for few, %f for many", few, all);
}
END_TEST

static double
kick(struct scheduler *s)
{
	uint64_t begun;

	turns(10);
	begun = clock_thread_cpu_ns();
	for (unsigned i = 0; i < 5000; i++) {
		scheduler_kick(s);
		scheduler_kick(s);
		turns(1);
	}
	return (double)(clock_thread_cpu_ns() - begun);
}

/* All hosts are busy, and a hundred thousand wait: a pass costs nothing. */
START_TEST(a_pass_costs_what_it_starts_and_not_what_is_queued)
{
	struct scheduler *s = many_new(FLIGHT / 2, FLIGHT / 2, FLIGHT, 1);
	struct ticket *first;
	double empty, full;

	empty = kick(s);
	ck_assert_uint_eq(many.starts, FLIGHT / 2);
	end_running(s);
	scheduler_free(s);
	free(many.tickets);
	s = many_new(MANY, FLIGHT / 2, FLIGHT, 1);
	full = kick(s);
	ck_assert_uint_eq(many.starts, FLIGHT / 2);
	ck_assert_uint_eq(scheduler_waiting(s), MANY - FLIGHT / 2);
	ck_assert_msg(full < empty * 8, "%f when idle, %f with a full queue", empty, full);
	first = many.tickets;
	for (unsigned i = 0; i < MANY; i++)
		scheduler_withdraw(s, &first[i]);
	ck_assert_uint_eq(scheduler_waiting(s), 0);
	ck_assert_uint_eq(scheduler_use(s).global.used, 0);
	scheduler_free(s);
	free(many.tickets);
}
END_TEST

static void
setup_loop(void)
{
	log_init("check", false);
	rig.loop = loop_new();
}

static void
teardown_loop(void)
{
	loop_free(rig.loop);
}

/* Not one bit more: each job has one, and a million jobs may wait. */
START_TEST(a_ticket_is_small)
{
	struct ticket t = { .decoder_memory = TICKET_MEMORY_MAX, .state = TICKET_ASIDE };

	ck_assert_uint_le(sizeof t, 48);
	ck_assert_uint_eq(t.decoder_memory, TICKET_MEMORY_MAX);
	ck_assert_int_eq(t.state, TICKET_ASIDE);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = add_case(s, "order", setup, teardown, 0);

	tcase_add_test(t, nothing_starts_from_inside_enqueue);
	tcase_add_test(t, equals_start_in_the_order_they_came);
	tcase_add_test(t, higher_priority_goes_first_on_any_host);
	tcase_add_test(t, one_that_comes_again_has_its_old_place);
	t = add_case(s, "age", setup, teardown, 0);
	tcase_add_test(t, a_low_one_among_endless_high_ones_starts);
	tcase_add_test(t, a_step_of_priority_is_worth_a_time_of_waiting);
	tcase_add_test(t, nobody_is_overtaken_for_longer_than_priorities_are_worth);
	t = add_case(s, "hosts", setup, teardown, 0);
	tcase_add_test(t, a_busy_host_never_hides_another);
	tcase_add_test(t, a_host_may_have_a_limit_of_its_own);
	tcase_add_test(t, the_global_limit_is_for_all_hosts);
	t = add_case(s, "verifying", setup, teardown, 0);
	tcase_add_test(t, the_network_slots_are_free_while_it_is_verified);
	tcase_add_test(t, nothing_starts_while_the_workers_have_enough);
	t = add_case(s, "memory", setup, teardown, 0);
	tcase_add_test(t, others_overtake_one_that_wants_more_memory_than_is_free);
	tcase_add_test(t, memory_is_held_until_the_end_and_not_only_on_the_network);
	tcase_add_test(t, a_large_one_is_not_starved_by_small_ones_that_come_later);
	tcase_add_test(t, one_that_wants_more_than_there_is_gets_all_there_is);
	tcase_add_test(t, one_that_waits_for_memory_holds_nothing);
	tcase_add_test(t, a_shortage_of_memory_hides_no_one_who_needs_none);
	tcase_add_test(t, a_large_one_is_overtaken_for_a_while_only);
	tcase_add_test(t, memory_is_not_kept_for_those_that_wait_for_something_else);
	tcase_add_test(t, who_waited_behind_one_that_leaves_takes_the_memory_that_is_free);
	t = add_case(s, "delays", setup, teardown, 0);
	tcase_add_test(t, a_delayed_one_starts_after_its_time_and_not_before);
	tcase_add_test(t, a_delayed_one_costs_its_host_no_slot);
	tcase_add_test(t, taking_a_delayed_one_out_moves_the_alarm);
	tcase_add_test(t, idle_costs_nothing);
	t = add_case(s, "giving back", setup, teardown, 0);
	tcase_add_loop_test(t, withdrawing_gives_everything_back, 0, 7);
	tcase_add_test(t, one_may_end_inside_its_start);
	tcase_add_test(t, holding_starts_nothing_until_it_is_over);
	tcase_add_test(t, what_has_begun_goes_first_and_is_not_held);
	t = tcase_create("size");
	tcase_add_test(t, a_ticket_is_small);
	suite_add_tcase(s, t);
}

static void
add_slow_tests(Suite *s)
{
	TCase *t = add_case(s, "model", setup, teardown, 0);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, thousands_of_random_steps_stay_within_the_promises, 0, 12);
	t = tcase_create("cost");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup_loop, teardown_loop);
	tcase_add_test(t, a_hundred_thousand_tickets_are_dispatched_cheaply);
	tcase_add_test(t, a_pass_costs_what_it_starts_and_not_what_is_queued);
	suite_add_tcase(s, t);
}

int
main(void)
{
	Suite *s = suite_create("scheduler");

	add_tests(s);
	add_slow_tests(s);
	return run_suite(s);
}
