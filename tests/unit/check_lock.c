/* One destination is a lock: who is woken when it is free, and how many in one turn. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/engine/download.h"
#include "loop_until.h"
#include "run_suite.h"

enum { PER_TURN = 500 }; /* WAKES_PER_TURN of lock.c */

static struct engine engine;
static struct spec *spec;
static struct waiting {
	struct entry entry;
	struct download download;
	unsigned woken;
} *all;
static unsigned n_all, woken, most_in_a_turn;

/* ---- What lock.c asks of the engine ------------------------------------------------- */

void
engine_requeue(struct entry *en, const char *url UNUSED, uint64_t delay_ms UNUSED)
{
	((struct waiting *)(void *)en)->woken++;
	woken++;
}

void
engine_set_state(struct entry *en, enum job_state to)
{
	en->job.state = to;
}

/* ---- The tests ------------------------------------------------------------------------ */

static void
setup(void)
{
	ck_assert_int_eq(spec_new(SCOPE_JOB, "", 0, NULL, &spec), 0);
	engine = (struct engine){ .loop = loop_new() };
	engine_locks_init(&engine);
	woken = most_in_a_turn = 0;
}

static void
teardown(void)
{
	for (unsigned i = 0; i < n_all; i++)
		engine_unlock(&engine, &all[i].download);
	engine_locks_done(&engine);
	free(TAKE_PTR(all));
	loop_free(engine.loop);
	spec_unref(spec);
}

/* n jobs for one destination in turn of `outputs`. */
static void
begin(unsigned n, const char *const *outputs, unsigned n_outputs)
{
	n_all = n;
	all = xcalloc(n, sizeof all[0]);
	for (unsigned i = 0; i < n; i++) {
		struct waiting *w = &all[i];

		w->entry.job.spec = spec;
		w->download.engine = &engine;
		w->download.entry = &w->entry;
		w->download.job = &w->entry.job;
		w->download.output = outputs[i % n_outputs];
		ck_assert(engine_lock(&engine, &w->download) == (i < n_outputs));
	}
}

/* A second has passed. */
static void
ring(void)
{
	ck_assert(engine.wake_more.set);
	loop_timer_cancel(&engine.wake_more);
	engine.wake_more.cb(engine.wake_more.arg);
}

/* Until all is done that the ring began; the turns it took. */
static unsigned
turns(void)
{
	unsigned n = 0;

	do {
		unsigned before = woken;

		loop_turn(engine.loop);
		if (woken - before > most_in_a_turn)
			most_in_a_turn = woken - before;
		n++;
	} while (list_linked(&engine.waking.link));
	return n;
}

START_TEST(one_is_woken_and_each_second_twice_as_many)
{
	static const char *const out[] = { "/r/f" };

	begin(100, out, 1);
	engine_unlock(&engine, &all[0].download);
	ck_assert_uint_eq(woken, 1);
	ck_assert_uint_eq(all[1].woken, 1); /* the first that came */
	for (unsigned total = 3; total < 100; total = total * 2 + 1) {
		ring();
		(void)turns();
		ck_assert_uint_eq(woken, total);
	}
}
END_TEST

START_TEST(however_many_wait_some_are_woken_in_a_turn)
{
	static const char *const out[] = { "/r/f" };
	unsigned seconds = 0, most_turns = 0;

	begin(20000, out, 1);
	engine_unlock(&engine, &all[0].download);
	for (; woken < 19999; seconds++) {
		unsigned n;

		ring();
		n = turns();
		most_turns = n > most_turns ? n : most_turns;
	}
	ck_assert_uint_eq(seconds, 14); /* 1 + 2 + 4 ... */
	ck_assert_uint_eq(most_in_a_turn, PER_TURN);
	ck_assert_uint_ge(most_turns, 8192 / PER_TURN);
	for (unsigned i = 1; i < n_all; i++)
		ck_assert_uint_eq(all[i].woken, 1);
	ck_assert(!engine.wake_more.set);
}
END_TEST

START_TEST(however_many_destinations_are_free)
{
	enum { PLACES = 3000 };
	static char paths[PLACES][16];
	const char *out[PLACES];

	for (unsigned i = 0; i < PLACES; i++) {
		(void)snprintf(paths[i], sizeof paths[i], "/r/%u", i);
		out[i] = paths[i];
	}
	begin(PLACES * 3, out, PLACES);
	for (unsigned i = 0; i < PLACES; i++)
		engine_unlock(&engine, &all[i].download);
	ck_assert_uint_eq(woken, PLACES);
	ring();
	ck_assert_uint_ge(turns(), PLACES / PER_TURN);
	ck_assert_uint_eq(woken, PLACES * 2);
	ck_assert_uint_eq(most_in_a_turn, PER_TURN);
}
END_TEST

START_TEST(who_takes_it_meanwhile_ends_the_waking)
{
	static const char *const out[] = { "/r/f" };

	begin(20000, out, 1);
	engine_unlock(&engine, &all[0].download);
	for (unsigned i = 0; i < 12; i++) {
		ring();
		(void)turns();
	}
	ck_assert_uint_eq(woken, 8191);
	ring();
	loop_turn(engine.loop);
	ck_assert_uint_eq(woken, 8191 + PER_TURN);
	ck_assert(engine_lock(&engine, &all[1].download));
	(void)turns();
	ck_assert_uint_eq(woken, 8191 + PER_TURN);
	ck_assert(!engine.wake_more.set);
	engine_unlock(&engine, &all[1].download); /* from one on again */
	ck_assert_uint_eq(woken, 8191 + PER_TURN + 1);
	ring();
	(void)turns();
	ck_assert_uint_eq(woken, 8191 + PER_TURN + 3);
}
END_TEST

/* As `set` and `top` change it. */
START_TEST(who_waits_and_is_given_another_priority_has_another_place)
{
	static const char *const out[] = { "/r/f" };

	begin(5, out, 1);
	all[3].entry.ticket.priority = 1;
	engine_lock_priority(&all[3].download);
	all[1].entry.ticket.priority = -1;
	engine_lock_priority(&all[1].download);
	engine_lock_priority(&all[0].download); /* it has the destination, and waits for none */
	engine_unlock(&engine, &all[0].download);
	ck_assert_uint_eq(all[3].woken, 1);
	ring();
	(void)turns();
	ck_assert_uint_eq(all[2].woken + all[4].woken, 2);
	ck_assert_uint_eq(all[1].woken, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lock");
	TCase *t = add_case(s, "lock", setup, teardown, 0);

	tcase_add_test(t, one_is_woken_and_each_second_twice_as_many);
	tcase_add_test(t, however_many_wait_some_are_woken_in_a_turn);
	tcase_add_test(t, however_many_destinations_are_free);
	tcase_add_test(t, who_takes_it_meanwhile_ends_the_waking);
	tcase_add_test(t, who_waits_and_is_given_another_priority_has_another_place);
	return run_suite(s);
}
