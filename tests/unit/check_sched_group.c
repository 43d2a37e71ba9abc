/*
 * Groups of tickets: what each promises, and all semaphores together against a small
 * model over thousands of random steps: never above a limit, the best that can start
 * starts, nothing that could start waits, everything is given back.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/sched/scheduler.h"
#include "loop_until.h"
#include "random.h"
#include "run_suite.h"

enum { TICKETS = 80, HOSTS = 5, GROUPS = 7, NONE = GROUPS };

enum where { OUT, WAITING, DELAYED, RUNNING, VERIFYING };

struct item {
	struct ticket t;
	enum where where;
	unsigned host, group;
	uint64_t memory, arrival;
	bool begun;
};

struct model_group {
	struct sched_group *g;
	unsigned parent; /* NONE: none */
	uint64_t limit;  /* 0: none */
	bool held;
};

static struct {
	struct loop *loop;
	struct scheduler *s;
	struct sched_limits limits;
	uint64_t host_limit[HOSTS], host_now[HOSTS]; /* now: since it turned some away; 0: as configured */
	uint64_t host_interval[HOSTS];
	bool held;
	struct model_group groups[GROUPS];
	struct item items[TICKETS];
	unsigned started[TICKETS * 4], n_started;
	uint64_t starts, next_arrival;
	bool checks;
} rig;

static uint64_t
host_limit(const char *host, void *arg UNUSED)
{
	return rig.host_limit[host[1] - '0'];
}

static uint64_t
host_interval(const char *host, void *arg UNUSED)
{
	return rig.host_interval[host[1] - '0'];
}

static uint64_t
limit_of_host(unsigned h)
{
	uint64_t limit = rig.host_limit[h] ? rig.host_limit[h] : rig.limits.per_host;

	return rig.host_now[h] ? MIN(limit, rig.host_now[h]) : limit;
}

/* ---- The model ---- */

struct use {
	uint64_t network, host[HOSTS], group[GROUPS], verifying, memory;
};

static struct use
count_use(void)
{
	struct use u = { 0 };

	for (unsigned i = 0; i < TICKETS; i++) {
		const struct item *it = &rig.items[i];

		u.verifying += it->where == VERIFYING;
		if (it->where == RUNNING || it->where == VERIFYING)
			u.memory += MIN(it->memory, rig.limits.decoder_memory);
		if (it->where != RUNNING)
			continue;
		u.network++;
		u.host[it->host]++;
		for (unsigned g = it->group; g != NONE; g = rig.groups[g].parent)
			u.group[g]++;
	}
	return u;
}

static bool
groups_let(const struct item *it, const struct use *u)
{
	for (unsigned g = it->group; g != NONE; g = rig.groups[g].parent)
		if (rig.groups[g].held || (rig.groups[g].limit && u->group[g] >= rig.groups[g].limit))
			return false;
	return true;
}

static bool
could_start(const struct item *it, const struct use *u)
{
	const char *why = scheduler_why(rig.s, &it->t);

	if (why && strcmp(why, "request-rate") == 0)
		return false;
	return it->where == WAITING && !scheduler_is_blocked(rig.s, &it->t) && u->network < rig.limits.global &&
	    (it->begun || !rig.held) &&
	    u->verifying < rig.limits.verifying && u->host[it->host] < limit_of_host(it->host) && groups_let(it, u) &&
	    u->memory + MIN(it->memory, rig.limits.decoder_memory) <= rig.limits.decoder_memory;
}

static bool
goes_before(const struct item *a, const struct item *b)
{
	if (a->begun != b->begun)
		return a->begun;
	return a->t.priority != b->t.priority ? a->t.priority > b->t.priority : a->arrival < b->arrival;
}

static void
see_limit(const struct sched_origin_view *v, void *arg UNUSED)
{
	unsigned h = (unsigned)(v->host[1] - '0');

	ck_assert(v->limit >= 1 && v->limit <= v->most);
	ck_assert_uint_eq(v->most, rig.host_limit[h] ? rig.host_limit[h] : rig.limits.per_host);
	ck_assert_uint_ge(v->limit, rig.host_now[h] ? rig.host_now[h] : v->most); /* of itself it only grows */
	rig.host_now[h] = v->limit;
}

static void
check_choice(const struct item *it)
{
	struct use u = count_use();

	(void)scheduler_each_origin(rig.s, UINT64_MAX, see_limit, NULL);
	ck_assert(it->where == WAITING && groups_let(it, &u) && u.network < rig.limits.global);
	ck_assert(it->begun || !rig.held);
	ck_assert_uint_lt(u.host[it->host], limit_of_host(it->host));
	ck_assert_uint_le(u.memory + MIN(it->memory, rig.limits.decoder_memory), rig.limits.decoder_memory);
	for (unsigned i = 0; i < TICKETS; i++) /* whether its rate lets it is not the model's to say */
		ck_assert_msg(rig.host_interval[rig.items[i].host] || !could_start(&rig.items[i], &u) ||
		    !goes_before(&rig.items[i], it), "ticket %u waits and is better", i);
}

/* What the scheduler counts is what runs. */
static void
check_books(void)
{
	struct use u = count_use();
	struct sched_use use = scheduler_use(rig.s);

	ck_assert_uint_eq(use.global.used, u.network);
	ck_assert_uint_eq(use.verifying.used, u.verifying);
	ck_assert_uint_eq(use.memory.used, u.memory);
	for (unsigned g = 0; g < GROUPS; g++) {
		struct semaphore slots;

		if (!rig.groups[g].g)
			continue;
		slots = scheduler_group_use(rig.groups[g].g);
		ck_assert_uint_eq(slots.used, u.group[g]);
		ck_assert_uint_eq(slots.limit, rig.groups[g].limit);
	}
}

static void
check_nothing_waits_that_could_start(void)
{
	struct use u = count_use();

	(void)scheduler_each_origin(rig.s, UINT64_MAX, see_limit, NULL);
	for (unsigned i = 0; i < TICKETS; i++)
		ck_assert_msg(!could_start(&rig.items[i], &u), "ticket %u could start and does not", i);
}

/* ---- The rig ---- */

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	struct item *it = CONTAINER_OF(t, struct item, t);

	if (it->where == DELAYED)
		it->where = WAITING;
	if (rig.checks)
		check_choice(it);
	ck_assert_int_eq(it->where, WAITING);
	it->where = RUNNING;
	it->begun = false;
	rig.starts++;
	if (rig.n_started < ARRAY_SIZE(rig.started))
		rig.started[rig.n_started++] = (unsigned)(it - rig.items);
}

static void
on_due(struct ticket *t, void *arg UNUSED)
{
	CONTAINER_OF(t, struct item, t)->where = WAITING;
}

/* A source elsewhere: the same host, another port. */
static bool
on_origin_down(struct ticket *t, void *arg UNUSED)
{
	struct item *it = CONTAINER_OF(t, struct item, t);
	char name[32];

	if (random_below(2))
		return false;
	(void)snprintf(name, sizeof name, "http://h%u:%u", it->host, 80 + (unsigned)random_below(3));
	it->begun = t->begun;
	scheduler_withdraw(rig.s, t);
	t->begun = it->begun;
	scheduler_enqueue(rig.s, t, name, 0);
	return true;
}

static const struct sched_ops ops = {
	.on_start = on_start, .host_limit = host_limit, .on_due = on_due, .on_origin_down = on_origin_down,
	.host_interval = host_interval,
};

static void
setup(void)
{
	log_init("check", false);
	memset(&rig, 0, sizeof rig);
	rig.loop = loop_new();
	random_seed(0);
}

static void
start_with(uint64_t global, uint64_t per_host)
{
	rig.limits = (struct sched_limits){
		.global = global, .per_host = per_host, .verifying = 10, .decoder_memory = 100, .probe_delay_ms = 2,
	};
	rig.s = scheduler_new(rig.loop, &rig.limits, &ops, &rig);
}

static struct sched_group *
group(unsigned i, unsigned parent, uint64_t limit)
{
	struct sched_group *up = parent == NONE ? NULL : rig.groups[parent].g;

	rig.groups[i] = (struct model_group){ scheduler_group_new(rig.s, up, limit), parent, limit, false };
	return rig.groups[i].g;
}

static void
enqueue(unsigned i, unsigned host, unsigned g, int32_t priority)
{
	struct item *it = &rig.items[i];
	char name[32];

	ck_assert_int_eq(it->where, OUT);
	(void)snprintf(name, sizeof name, "http://h%u:80", host);
	it->host = host;
	it->group = g;
	it->t.group = g == NONE ? NULL : rig.groups[g].g;
	it->t.priority = priority;
	it->t.order = 0;
	it->t.decoder_memory = it->memory;
	it->t.begun = it->begun;
	it->arrival = ++rig.next_arrival;
	it->where = WAITING;
	scheduler_enqueue(rig.s, &it->t, name, 0);
}

/* One that ran, or waits, comes again: at the old place, later or at another port, as
 * retries and redirects do. */
static void
come_again(struct item *it)
{
	uint64_t delay = random_below(3) ? 0 : 1 + random_below(3);
	char name[32];

	scheduler_withdraw(rig.s, &it->t);
	it->begun = it->t.begun = random_below(3) == 0;
	(void)snprintf(name, sizeof name, "http://h%u:%u", it->host, 80 + (unsigned)random_below(3));
	it->where = delay ? DELAYED : WAITING;
	scheduler_enqueue(rig.s, &it->t, name, delay);
}

static void
withdraw(unsigned i)
{
	scheduler_withdraw(rig.s, &rig.items[i].t);
	rig.items[i].where = OUT;
	rig.items[i].begun = false;
}

static void
teardown(void)
{
	rig.checks = false;
	for (unsigned i = 0; i < TICKETS; i++)
		withdraw(i);
	check_books();
	ck_assert_uint_eq(scheduler_waiting(rig.s), 0);
	for (unsigned g = GROUPS; g-- > 0;)
		scheduler_group_free(rig.groups[g].g);
	scheduler_group_free(NULL);
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
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%u", i ? " " : "", rig.started[i]);
	rig.n_started = 0;
	return text;
}

static const char *
why(unsigned i)
{
	const char *w = scheduler_why(rig.s, &rig.items[i].t);

	return w ? w : "";
}

/* ---- What a group is ---- */

START_TEST(a_group_has_a_limit_over_all_hosts_and_others_go_on)
{
	start_with(100, 100);
	(void)group(0, NONE, 2);
	for (unsigned i = 0; i < 4; i++)
		enqueue(i, i, 0, 9);
	enqueue(4, 0, NONE, 0);
	ck_assert_str_eq(started(), "0 1 4");
	ck_assert_str_eq(why(2), "group-limit");
	withdraw(1);
	ck_assert_str_eq(started(), "2");
	withdraw(0);
	withdraw(2);
	ck_assert_str_eq(started(), "3");
}
END_TEST

START_TEST(children_share_the_slots_of_their_parent)
{
	start_with(100, 100);
	(void)group(0, NONE, 3);
	(void)group(1, 0, 2);
	(void)group(2, 0, 2);
	for (unsigned i = 0; i < 4; i++)
		enqueue(i, 0, 1, 0);
	for (unsigned i = 4; i < 8; i++)
		enqueue(i, 1, 2, 0);
	ck_assert_str_eq(started(), "0 1 4");
	check_books();
	ck_assert_str_eq(why(5), "group-limit"); /* its own has room */
	withdraw(0);
	ck_assert_str_eq(started(), "2"); /* it came before 5 */
	withdraw(1);
	withdraw(2);
	ck_assert_str_eq(started(), "3 5");
}
END_TEST

START_TEST(a_held_group_starts_nothing_and_nor_do_its_children)
{
	start_with(100, 100);
	(void)group(0, NONE, 0);
	(void)group(1, 0, 0);
	enqueue(0, 0, 1, 0);
	ck_assert_str_eq(started(), "0");
	scheduler_group_hold(rig.groups[0].g, true);
	enqueue(1, 0, 1, 0);
	enqueue(2, 1, 0, 0);
	enqueue(3, 1, NONE, 0);
	ck_assert_str_eq(started(), "3");
	ck_assert_str_eq(why(1), "group-paused");
	ck_assert_str_eq(why(2), "group-paused");
	scheduler_group_hold(rig.groups[1].g, true);
	scheduler_group_hold(rig.groups[0].g, false);
	ck_assert_str_eq(started(), "2");
	ck_assert_str_eq(why(1), "group-paused");
	scheduler_group_hold(rig.groups[1].g, false);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(a_limit_may_change_while_its_tickets_wait_and_run)
{
	start_with(100, 100);
	(void)group(0, NONE, 1);
	for (unsigned i = 0; i < 6; i++)
		enqueue(i, i % 3, 0, 0);
	ck_assert_str_eq(started(), "0");
	scheduler_group_set_limit(rig.groups[0].g, 3);
	ck_assert_str_eq(started(), "1 2");
	scheduler_group_set_limit(rig.groups[0].g, 1);
	withdraw(0);
	withdraw(1);
	ck_assert_str_eq(started(), ""); /* one still runs */
	scheduler_group_set_limit(rig.groups[0].g, 0);
	rig.groups[0].limit = 0;
	ck_assert_str_eq(started(), "3 4 5");
	check_books();
}
END_TEST

/* The slot of the group goes to the one whose host has room, not to the best. */
START_TEST(a_slot_of_a_group_is_not_kept_for_a_busy_host)
{
	start_with(100, 1);
	(void)group(0, NONE, 1);
	enqueue(0, 0, 0, 0);
	enqueue(1, 1, NONE, 0);
	ck_assert_str_eq(started(), "0 1");
	enqueue(2, 1, 0, 9); /* host 1 is busy */
	enqueue(3, 2, 0, 0);
	ck_assert_str_eq(started(), "");
	withdraw(0);
	ck_assert_str_eq(started(), "3");
	withdraw(3);
	ck_assert_str_eq(started(), "");
	ck_assert_str_eq(why(2), "host-limit");
	withdraw(1);
	ck_assert_str_eq(started(), "2");
}
END_TEST

START_TEST(the_slot_of_a_group_is_free_while_it_is_verified)
{
	start_with(100, 100);
	(void)group(0, NONE, 1);
	enqueue(0, 0, 0, 0);
	enqueue(1, 0, 0, 0);
	ck_assert_str_eq(started(), "0");
	scheduler_to_verify(rig.s, &rig.items[0].t);
	rig.items[0].where = VERIFYING;
	ck_assert_str_eq(started(), "1");
	check_books();
}
END_TEST

START_TEST(one_that_waits_for_memory_holds_no_slot_of_its_group)
{
	start_with(100, 100);
	(void)group(0, NONE, 1);
	rig.items[0].memory = rig.items[1].memory = 100;
	enqueue(0, 0, NONE, 0);
	ck_assert_str_eq(started(), "0");
	enqueue(1, 0, 0, 9);
	enqueue(2, 0, 0, 0);
	ck_assert_str_eq(started(), "2");
	ck_assert_str_eq(why(1), "decoder-memory");
	scheduler_group_hold(rig.groups[0].g, true);
	ck_assert_str_eq(why(1), "group-paused");
	scheduler_group_hold(rig.groups[0].g, false);
	withdraw(0);
	ck_assert_str_eq(started(), "");
	ck_assert_str_eq(why(1), "group-limit");
	withdraw(2);
	ck_assert_str_eq(started(), "1");
}
END_TEST

START_TEST(the_priority_of_one_that_waits_may_change)
{
	start_with(1, 1);
	for (unsigned i = 0; i < 5; i++)
		enqueue(i, i % 2, NONE, 0);
	scheduler_set_priority(rig.s, &rig.items[3].t, 2);
	scheduler_set_priority(rig.s, &rig.items[4].t, 5);
	scheduler_set_priority(rig.s, &rig.items[0].t, -1);
	for (unsigned i = 0; i < 5; i++) {
		turns(2);
		withdraw(rig.started[i]);
		if (i == 1) /* back to what it was: its arrival counts again */
			scheduler_set_priority(rig.s, &rig.items[0].t, 0);
	}
	ck_assert_str_eq(started(), "4 3 0 1 2");
}
END_TEST

/* ---- Against the model ---- */

static void
step_of_group(void)
{
	struct model_group *m = &rig.groups[random_below(GROUPS)];

	if (random_below(3)) {
		m->held = random_below(3) == 0;
		scheduler_group_hold(m->g, m->held);
	} else {
		m->limit = random_below(5);
		scheduler_group_set_limit(m->g, m->limit);
	}
}

static const struct result refused = { .code = RESULT_CONNECT, .text = "cannot connect" };

static void
step_of_running(struct item *it, unsigned i, bool troubles)
{
	if (troubles && random_below(3) == 0)
		scheduler_origin_bad(rig.s, &it->t, &refused, 0);
	else if (troubles && random_below(2))
		scheduler_origin_good(rig.s, &it->t);
	if (troubles && random_below(40) == 0)
		scheduler_network_down(rig.s, &it->t);
	else if (troubles && random_below(6) == 0)
		scheduler_network_up(rig.s);
	if (troubles && random_below(30) == 0) {
		uint64_t limit;

		if (scheduler_host_bad(rig.s, &it->t, &limit))
			rig.host_now[it->host] = limit;
	}
	scheduler_host_good(rig.s, &it->t); /* not so soon */
	if (random_below(4) == 0) {
		come_again(it);
		return;
	}
	if (random_below(2)) {
		withdraw(i);
		return;
	}
	scheduler_to_verify(rig.s, &it->t);
	it->where = VERIFYING;
}

/* Every second time one that runs or is verified, where there is one. */
static unsigned
random_item(void)
{
	unsigned first = (unsigned)random_below(TICKETS);

	for (unsigned n = random_below(2) ? TICKETS : 0; n < TICKETS; n++) {
		unsigned i = (first + n) % TICKETS;

		if (rig.items[i].where == RUNNING || rig.items[i].where == VERIFYING)
			return i;
	}
	return first;
}

static void
random_step(bool troubles)
{
	unsigned i = random_item();
	struct item *it = &rig.items[i];

	if (random_below(30) == 0)
		step_of_group();
	if (random_below(200) == 0) {
		rig.held = random_below(4) == 0;
		scheduler_hold(rig.s, rig.held);
	}
	switch (it->where) {
	case OUT:
		it->memory = random_below(3) ? 0 : random_below(140);
		it->t.elsewhere = random_below(2);
		enqueue(i, (unsigned)random_below(HOSTS), (unsigned)random_below(GROUPS + 2) % (GROUPS + 1),
		    (int32_t)random_below(4) - 2);
		break;
	case WAITING:
	case DELAYED:
		if (random_below(8) == 0)
			withdraw(i);
		else if (random_below(8) == 0)
			come_again(it);
		else if (random_below(8) == 0)
			scheduler_set_priority(rig.s, &it->t, (int32_t)random_below(4) - 2);
		break;
	case RUNNING:
		step_of_running(it, i, troubles);
		break;
	case VERIFYING:
		if (random_below(2))
			withdraw(i);
		break;
	}
}

/* All that runs ends; are there more? */
static bool
all_have_ended(void *arg UNUSED)
{
	bool any = false;

	for (unsigned i = 0; i < TICKETS; i++) {
		struct item *it = &rig.items[i];

		if (it->where == RUNNING)
			scheduler_origin_good(rig.s, &it->t);
		if (it->where == RUNNING || it->where == VERIFYING)
			withdraw(i);
		any |= it->where != OUT;
	}
	return !any;
}

/* The troubles are over: whatever happened to it, each ticket has its turn. */
static void
check_that_all_end(void)
{
	rig.held = false;
	scheduler_hold(rig.s, false);
	for (unsigned g = 0; g < GROUPS; g++) {
		rig.groups[g].held = false;
		scheduler_group_hold(rig.groups[g].g, false);
	}
	if (scheduler_network_is_down(rig.s))
		scheduler_network_up(rig.s);
	ck_assert_msg(loop_until(rig.loop, all_have_ended, NULL, 20000), "%llu wait",
	    (unsigned long long)scheduler_waiting(rig.s));
}

/* _i: the seed, and with it the limits and the tree; odd: origins and the network fail. */
START_TEST(thousands_of_random_steps_keep_every_promise)
{
	bool troubles = _i % 2;

	random_seed((uint64_t)_i * 104729 + 1);
	for (unsigned h = 0; h < HOSTS; h++)
		rig.host_limit[h] = random_below(2) ? random_below(4) : 0;
	if (_i % 4 > 1)
		rig.host_interval[random_below(HOSTS)] = 12 * NSEC_PER_MSEC;
	start_with(1 + random_below(16), 1 + random_below(4));
	rig.limits.origin_failures = troubles ? 3 : 0;
	scheduler_set_limits(rig.s, &rig.limits);
	for (unsigned g = 0; g < GROUPS; g++)
		(void)group(g, g && random_below(3) ? (unsigned)random_below(g) : NONE, random_below(5));
	rig.checks = true;
	/* An origin that is down stays so for a while of the clock, however quick the steps are. */
	for (unsigned n = 0; n < 8000 || rig.starts <= 200; n++) {
		random_step(troubles);
		if (random_below(3))
			continue;
		turns(2);
		check_books();
		check_nothing_waits_that_could_start();
	}
	check_that_all_end();
}
END_TEST

/* ---- Cost ---- */

enum { MANY = 100000, MANY_HOSTS = 500 };

static uint64_t many_starts;

static void
on_start_of_many(struct ticket *t UNUSED, void *arg UNUSED)
{
	many_starts++;
}

static double
kick(struct scheduler *s)
{
	uint64_t begun;

	turns(20);
	begun = clock_thread_cpu_ns();
	for (unsigned i = 0; i < 5000; i++) {
		scheduler_kick(s);
		turns(1);
	}
	return (double)(clock_thread_cpu_ns() - begun);
}

/* A hundred thousand wait in a full group at idle hosts: a pass costs what it costs
 * when nothing waits, and one of no group starts at once. */
START_TEST(a_full_group_costs_nothing_however_many_wait_in_it)
{
	static const struct sched_ops many_ops = { .on_start = on_start_of_many };
	struct sched_limits l = { .global = 100, .per_host = 4, .verifying = 100 };
	struct scheduler *s = scheduler_new(rig.loop, &l, &many_ops, NULL);
	struct sched_group *up = scheduler_group_new(s, NULL, 0), *g = scheduler_group_new(s, up, 1);
	struct ticket *t = xcalloc(MANY, sizeof *t), other = { 0 };
	double empty = kick(s), full;
	char name[32];

	many_starts = 0;
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "http://h%u:80", i % MANY_HOSTS);
		t[i].group = g;
		scheduler_enqueue(s, &t[i], name, 0);
	}
	full = kick(s);
	ck_assert_uint_eq(many_starts, 1);
	ck_assert_msg(full < empty * 8, "%f when idle, %f with a full group", empty, full);
	scheduler_enqueue(s, &other, "http://h0:80", 0);
	turns(1);
	ck_assert_uint_eq(many_starts, 2);
	scheduler_withdraw(s, &other);
	for (unsigned i = 0; i < MANY; i++)
		scheduler_withdraw(s, &t[i]);
	ck_assert_uint_eq(scheduler_use(s).global.used, 0);
	scheduler_group_free(g);
	scheduler_group_free(up);
	scheduler_free(s);
	free(t);
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

int
main(void)
{
	Suite *s = suite_create("sched_group");
	TCase *t = add_case(s, "promises", setup, teardown, 0);

	tcase_add_test(t, a_group_has_a_limit_over_all_hosts_and_others_go_on);
	tcase_add_test(t, children_share_the_slots_of_their_parent);
	tcase_add_test(t, a_held_group_starts_nothing_and_nor_do_its_children);
	tcase_add_test(t, a_limit_may_change_while_its_tickets_wait_and_run);
	tcase_add_test(t, a_slot_of_a_group_is_not_kept_for_a_busy_host);
	tcase_add_test(t, the_slot_of_a_group_is_free_while_it_is_verified);
	tcase_add_test(t, one_that_waits_for_memory_holds_no_slot_of_its_group);
	tcase_add_test(t, the_priority_of_one_that_waits_may_change);
	t = add_case(s, "model", setup, teardown, 0);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, thousands_of_random_steps_keep_every_promise, 0, 16);
	t = tcase_create("cost");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup_loop, teardown_loop);
	tcase_add_test(t, a_full_group_costs_nothing_however_many_wait_in_it);
	suite_add_tcase(s, t);
	return run_suite(s);
}
