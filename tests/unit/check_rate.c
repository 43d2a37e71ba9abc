/* Token buckets and their lines, against a clock of the test's own. */
#include "daemon/sched/rate.h"

#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "run_suite.h"

#define MIB (UINT64_C(1) << 20)
#define KIB UINT64_C(1024)

static const uint64_t limits[] = { 1000, 64 * 1024, 1000 * 1000, 10 * 1024 * 1024, UINT64_C(1) << 30 };
static const uint64_t bites[] = { 1, 1460, 16 * 1024, 512 * 1024 };

/* ---- One flow and its own limit -------------------------------------------------- */

/* For how long it must wait after n bytes, as a timer counts: milliseconds. */
static uint64_t
wait_after(struct rates *s, struct rate_flow *f, uint64_t n, uint64_t now)
{
	if (!rate_flow_take(s, f, n, now))
		return 0;
	return (rates_due_ns(s) - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
}

/* A receiver that does as it is told: takes a bite, waits as long as it must,
 * and comes back up to `late_ns` late.  Returns bytes per second. */
static double
run(uint64_t limit, uint64_t bite, uint64_t seconds, uint64_t late_ns)
{
	uint64_t start = 123456789, now = start, taken = 0, n = 0;
	struct rate_flow f;
	struct rates s;

	rates_init(&s);
	rate_flow_init(&f, limit, now);
	while (now - start < seconds * NSEC_PER_SEC) {
		uint64_t wait = wait_after(&s, &f, bite, now);

		taken += bite;
		if (wait) {
			now += wait * NSEC_PER_MSEC + (late_ns ? n++ * 7919 % late_ns : 0);
			ck_assert_ptr_eq(rates_next(&s, now), &f);
		} else {
			now += 1000; /* even an endless sender takes a microsecond */
		}
	}
	rate_flow_done(&s, &f);
	rates_done(&s);
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
			struct rate_flow f;
			struct rates s;

			rates_init(&s);
			rate_flow_init(&f, limits[l], now);
			now += idle * NSEC_PER_SEC;
			while (!rate_flow_take(&s, &f, bite, now))
				burst += bite;
			ck_assert_uint_le(burst, limits[l] / 20);
			ck_assert_uint_ge(burst + bite, limits[l] / 20);
			rate_flow_done(&s, &f);
			rates_done(&s);
		}
}
END_TEST

START_TEST(the_wait_is_as_long_as_it_must_be)
{
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++)
		for (unsigned b = 0; b < ARRAY_SIZE(bites); b++) {
			uint64_t now = 1000, wait, exact = bites[b] * 1000 / limits[l];
			struct rate_flow f;
			struct rates s;

			rates_init(&s);
			rate_flow_init(&f, limits[l], now);
			wait = wait_after(&s, &f, bites[b], now);
			ck_assert_uint_ge(wait, exact);
			ck_assert_uint_le(wait, exact + 1);
			if (wait > 1)
				ck_assert_ptr_null(rates_next(&s, now + (wait - 1) * NSEC_PER_MSEC - 1));
			ck_assert_ptr_eq(rates_next(&s, now + wait * NSEC_PER_MSEC), &f);
			ck_assert(!rate_flow_waits(&f));
			ck_assert_ptr_null(rates_next(&s, UINT64_MAX / 2));
			rate_flow_done(&s, &f);
			rates_done(&s);
		}
}
END_TEST

START_TEST(what_was_taken_too_much_is_paid_back)
{
	struct rate_flow f;
	struct rates s;

	rates_init(&s);
	rate_flow_init(&f, 1000, 1);
	for (unsigned i = 1; i <= 10; i++)
		ck_assert_uint_ge(wait_after(&s, &f, 1000, 1), i * 1000);
	ck_assert_ptr_null(rates_next(&s, 9 * NSEC_PER_SEC));
	ck_assert_ptr_eq(rates_next(&s, 11 * NSEC_PER_SEC), &f);
	rate_flow_done(&s, &f);
	rates_done(&s);
}
END_TEST

START_TEST(without_a_limit_nobody_waits)
{
	struct rate total, group, host;
	struct rate_flow f;
	struct rates s;

	rates_init(&s);
	rate_init(&total, NULL, 0, 0);
	rate_init(&group, &total, 0, 0);
	rate_init(&host, NULL, 0, 0);
	rate_flow_init(&f, 0, 0);
	rate_flow_join(&s, &f, &host, &group);
	ck_assert_uint_eq(rate_flow_bite(&f), 0);
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert(!rate_flow_take(&s, &f, UINT64_C(1) << 40, i));
	ck_assert_uint_eq(rates_due_ns(&s), UINT64_MAX);
	ck_assert_uint_eq(total.taken, UINT64_C(1000) << 40);
	rate_flow_done(&s, &f);
	rates_done(&s);
}
END_TEST

START_TEST(bites_are_small_enough_for_each_second)
{
	static const struct { uint64_t limit, bite; } rows[] = {
		{ 0, 0 }, { 1, 16 * KIB }, { MIB, 16 * KIB }, { 2 * MIB, 32 * KIB }, { 50 * MIB, 64 * KIB },
		{ 128 * MIB, 128 * KIB }, { 1024 * MIB, 512 * KIB }, { UINT64_C(1) << 50, 512 * KIB },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rate total;
		struct rate_flow f;
		struct rates s;

		rates_init(&s);
		rate_init(&total, NULL, rows[i].limit, 0);
		rate_flow_init(&f, UINT64_C(1) << 60, 0);
		rate_flow_join(&s, &f, NULL, &total);
		if (rows[i].limit) {
			ck_assert_uint_eq(rate_flow_bite(&f), rows[i].bite);
			ck_assert_uint_eq(rate_flow_limit(&f), rows[i].limit);
		}
		rate_flow_done(&s, &f);
	}
}
END_TEST

/* ---- A world of many: servers that send, a loop that turns each millisecond ------ */

enum { FLOWS = 40, SECONDS = 12, MS = SECONDS * 1000 };

struct world {
	struct rates s;
	struct rate total, group[3], host[3];
	struct source {
		struct rate_flow f;
		uint64_t speed;     /* bytes a second its server sends; UINT64_MAX: any number */
		uint64_t ready;     /* bytes that wait in its socket */
		uint64_t from, to;  /* milliseconds: it exists */
		uint64_t bite, got, got_late; /* got_late: in the second half */
		bool there;
	} flows[FLOWS];
	unsigned n;
	uint64_t sum[MS + 1];       /* bytes of all up to that millisecond */
	uint64_t now, start;
};

static struct world *
world_new(uint64_t total)
{
	struct world *w = calloc(1, sizeof *w);

	ck_assert_ptr_nonnull(w);
	w->now = w->start = 987654321;
	rates_init(&w->s);
	rate_init(&w->total, NULL, total, w->now);
	for (unsigned i = 0; i < 3; i++) {
		rate_init(&w->group[i], i == 2 ? &w->group[1] : &w->total, 0, w->now);
		rate_init(&w->host[i], NULL, 0, w->now);
	}
	return w;
}

static struct source *
world_add(struct world *w, uint64_t limit, struct rate *host, struct rate *group)
{
	struct source *x = &w->flows[w->n++];

	ck_assert_uint_le(w->n, FLOWS);
	rate_flow_init(&x->f, limit, w->now);
	rate_flow_join(&w->s, &x->f, host, group ? group : &w->total);
	x->speed = UINT64_MAX;
	x->to = MS;
	return x;
}

static void
world_take(struct world *w, struct source *x, uint64_t ms)
{
	uint64_t bite = x->bite ? x->bite : rate_flow_bite(&x->f), n = MIN(x->ready, bite);

	x->ready -= n;
	x->got += n;
	if (ms >= MS / 2)
		x->got_late += n;
	w->sum[ms] += n;
	if (n)
		(void)rate_flow_take(&w->s, &x->f, n, w->now);
}

/* Sockets take up to 256 KiB ahead. */
static void
world_send(struct source *x)
{
	uint64_t n = x->speed == UINT64_MAX ? 256 * KIB : x->speed / 1000;

	x->ready = MIN(x->ready + n, 256 * KIB);
}

static void
world_step(struct world *w, uint64_t ms)
{
	struct rate_flow *f;

	for (unsigned i = 0; i < w->n; i++) {
		struct source *x = &w->flows[i];

		x->there = ms >= x->from && ms < x->to;
		if (!x->there) {
			rate_flow_leave(&w->s, &x->f);
			continue;
		}
		world_send(x);
		if (!rate_flow_waits(&x->f))
			world_take(w, x, ms);
	}
	while ((f = rates_next(&w->s, w->now)))
		world_take(w, CONTAINER_OF(f, struct source, f), ms);
}

static void
world_run(struct world *w)
{
	for (uint64_t ms = 1; ms <= MS; ms++) {
		w->now += NSEC_PER_MSEC;
		w->sum[ms] = 0;
		world_step(w, ms);
		w->sum[ms] += w->sum[ms - 1];
	}
}

static void
world_free(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		rate_flow_done(&w->s, &w->flows[i].f);
	for (unsigned i = 3; i-- > 0;) {
		rate_done(&w->group[i]);
		rate_done(&w->host[i]);
	}
	rate_done(&w->total);
	rates_done(&w->s);
	free(w);
}

/* Every second that begins at or after `from`: within 5 % of the limit. */
static void
check_windows(const struct world *w, uint64_t from, uint64_t to, uint64_t limit)
{
	for (uint64_t ms = from; ms + 1000 <= to; ms++) {
		double is = (double)(w->sum[ms + 1000] - w->sum[ms]) / (double)limit;

		ck_assert_msg(is > 0.95 && is < 1.05, "the second from %llu ms: %f of the limit", (unsigned long long)ms, is);
	}
}

static void
check_late(const struct source *x, double wanted)
{
	double is = (double)x->got_late / (SECONDS / 2.0);

	ck_assert_msg(is > wanted * 0.97 && is < wanted * 1.03, "%f bytes a second instead of %f", is, wanted);
}

START_TEST(twenty_share_a_total_evenly)
{
	struct world *w = world_new(50 * MIB);

	for (unsigned i = 0; i < 20; i++)
		(void)world_add(w, 0, NULL, NULL);
	world_run(w);
	check_windows(w, 1000, MS, 50 * MIB);
	for (unsigned i = 0; i < 20; i++)
		check_late(&w->flows[i], 2.5 * MIB);
	world_free(w);
}
END_TEST

/* Five are idle, five come later, five end, two are slow at their servers. */
START_TEST(what_some_do_not_take_is_the_others)
{
	struct world *w = world_new(50 * MIB);

	for (unsigned i = 0; i < 20; i++) {
		struct source *x = world_add(w, 0, NULL, NULL);

		if (i < 5)
			x->speed = 0;
		else if (i < 10)
			x->from = 2000 + i * 313;
		else if (i < 15)
			x->to = 2000 + i * 200;
		else if (i < 17)
			x->speed = MIB;
	}
	world_run(w);
	check_windows(w, 1000, MS, 50 * MIB);
	check_late(&w->flows[15], MIB);
	check_late(&w->flows[16], MIB);
	check_late(&w->flows[17], 48.0 * MIB / 8);
	check_late(&w->flows[6], 48.0 * MIB / 8);
	world_free(w);
}
END_TEST

START_TEST(what_is_limited_elsewhere_leaves_the_rest_to_others)
{
	struct world *w = world_new(20 * MIB);

	rate_set_limit(&w->s, &w->host[0], 2 * MIB, w->now);
	rate_set_limit(&w->s, &w->group[0], 4 * MIB, w->now);
	(void)world_add(w, MIB, NULL, NULL);           /* 1 */
	(void)world_add(w, 0, &w->host[0], NULL);      /* 1 */
	(void)world_add(w, 0, &w->host[0], NULL);      /* 1 */
	for (unsigned i = 0; i < 4; i++)
		(void)world_add(w, 0, NULL, &w->group[0]); /* 1 each */
	(void)world_add(w, 0, NULL, NULL);             /* 6.5 each */
	(void)world_add(w, 0, NULL, NULL);
	world_run(w);
	check_windows(w, 1000, MS, 20 * MIB);
	for (unsigned i = 0; i < 7; i++)
		check_late(&w->flows[i], MIB);
	check_late(&w->flows[7], 6.5 * MIB);
	check_late(&w->flows[8], 6.5 * MIB);
	world_free(w);
}
END_TEST

/* A group within a group, within the total; and one of them has a limit of its own. */
START_TEST(groups_within_groups)
{
	struct world *w = world_new(16 * MIB);

	rate_set_limit(&w->s, &w->group[1], 8 * MIB, w->now);
	rate_set_limit(&w->s, &w->group[2], 3 * MIB, w->now);
	for (unsigned i = 0; i < 4; i++)
		(void)world_add(w, 0, NULL, &w->group[2]); /* 0.75 each */
	(void)world_add(w, MIB, NULL, &w->group[1]);   /* 1 */
	(void)world_add(w, 0, NULL, &w->group[1]);     /* 4 */
	(void)world_add(w, 0, NULL, NULL);             /* 8 */
	world_run(w);
	check_windows(w, 1000, MS, 16 * MIB);
	for (unsigned i = 0; i < 4; i++)
		check_late(&w->flows[i], 0.75 * MIB);
	check_late(&w->flows[4], MIB);
	check_late(&w->flows[5], 4 * MIB);
	check_late(&w->flows[6], 8 * MIB);
	world_free(w);
}
END_TEST

/* TLS records are of 16 KiB, whatever one asks for. */
START_TEST(it_is_bytes_that_are_shared_not_turns)
{
	struct world *w = world_new(10 * MIB);

	for (unsigned i = 0; i < 10; i++)
		world_add(w, 0, NULL, NULL)->bite = i % 2 ? 16 * KIB : 64 * KIB;
	world_run(w);
	check_windows(w, 1000, MS, 10 * MIB);
	for (unsigned i = 0; i < 10; i++)
		check_late(&w->flows[i], MIB);
	world_free(w);
}
END_TEST

/* It had the whole total for minutes; that does not count when others come. */
START_TEST(who_was_alone_does_not_starve_later)
{
	struct world *w = world_new(10 * MIB);
	struct source *old = world_add(w, 0, NULL, NULL);

	old->speed = 9 * MIB;
	world_run(w);
	ck_assert_uint_gt(old->got, 100 * MIB);
	old->speed = UINT64_MAX;
	old->got_late = 0;
	for (unsigned i = 0; i < 4; i++)
		(void)world_add(w, 0, NULL, NULL);
	world_run(w);
	check_windows(w, 1000, MS, 10 * MIB);
	for (unsigned i = 0; i < 5; i++)
		check_late(&w->flows[i], 2 * MIB);
	world_free(w);
}
END_TEST

/* Small files come and go without end, a large one wants its share all the same. */
START_TEST(newcomers_do_not_push_others_aside)
{
	struct world *w = world_new(4 * MIB);
	struct source *large = world_add(w, 0, NULL, NULL);

	for (unsigned i = 1; i < FLOWS; i++) {
		struct source *x = world_add(w, 0, NULL, NULL);

		x->from = i * 300;
		x->to = x->from + 900; /* three at a time */
	}
	world_run(w);
	check_late(large, MIB);
	world_free(w);
}
END_TEST

/* ---- Any hierarchy ---------------------------------------------------------------- */

static uint64_t
some(uint64_t below)
{
	return (uint64_t)(unsigned)rand() % below;
}

/* What each should get: all grow together, whoever meets a full bucket stops. */
static void
water_fill(const struct world *w, double *ret)
{
	double step = 4096;
	bool full[FLOWS] = { false };
	const struct rate *all[7] = { &w->total, &w->group[0], &w->group[1], &w->group[2], &w->host[0], &w->host[1], &w->host[2] };

	for (bool any = true; any;) {
		any = false;
		for (unsigned i = 0; i < w->n; i++) {
			const struct rate_flow *f = &w->flows[i].f;
			double got = ret[i] + step;

			if (full[i])
				continue;
			full[i] = (f->own.limit && got > (double)f->own.limit) ||
			    (w->flows[i].speed != UINT64_MAX && got > (double)w->flows[i].speed);
			for (unsigned b = 0; b < 7; b++) {
				double sum = step;
				bool in = f->host == all[b];

				for (const struct rate *g = f->group; g; g = g->parent)
					in |= g == all[b];
				if (!in || !all[b]->limit)
					continue;
				for (unsigned k = 0; k < w->n; k++) {
					const struct rate_flow *o = &w->flows[k].f;
					bool also = o->host == all[b];

					for (const struct rate *g = o->group; g; g = g->parent)
						also |= g == all[b];
					sum += also ? ret[k] : 0;
				}
				full[i] |= sum > (double)all[b]->limit;
			}
			if (!full[i]) {
				ret[i] = got;
				any = true;
			}
		}
	}
}

/* Nobody gets more than the limits let him, and nobody much less than his even share;
 * who waits at three limits that others share, one after the other, has somewhat less. */
START_TEST(any_hierarchy_is_shared_fairly)
{
	srand((unsigned)_i + 1);
	for (unsigned n = 0; n < 4; n++) {
		struct world *w = world_new((4 + some(40)) * MIB);
		double wanted[FLOWS] = { 0 };

		for (unsigned i = 0; i < 3; i++) {
			rate_set_limit(&w->s, &w->group[i], some(2) ? (1 + some(16)) * MIB : 0, w->now);
			rate_set_limit(&w->s, &w->host[i], some(3) ? 0 : (1 + some(16)) * MIB, w->now);
		}
		for (unsigned i = 0; i < 5 + some(30); i++) {
			uint64_t g = some(4);
			struct source *x = world_add(w, some(4) ? 0 : (1 + some(4000)) * KIB, some(2) ? &w->host[some(3)] : NULL,
			    g < 3 ? &w->group[g] : NULL);

			x->speed = some(4) ? UINT64_MAX : (1 + some(4000)) * KIB;
			ck_assert_uint_le(x->f.own.limit, 4001 * KIB);
		}
		water_fill(w, wanted);
		world_run(w);
		for (unsigned i = 0; i < w->n; i++) {
			double is = (double)w->flows[i].got_late / (SECONDS / 2.0);

			ck_assert_msg(is > wanted[i] * 0.7 - 2 * KIB, "%u.%u: flow %u of %u: %f instead of %f", _i, n, i, w->n, is, wanted[i]);
		}
		ck_assert_uint_le(w->total.taken, w->total.limit / 100 * 101 * SECONDS);
		for (unsigned i = 0; i < 3; i++) {
			ck_assert(!w->group[i].limit || w->group[i].taken <= w->group[i].limit / 100 * 101 * SECONDS + 64 * KIB * FLOWS);
			ck_assert(!w->host[i].limit || w->host[i].taken <= w->host[i].limit / 100 * 101 * SECONDS + 64 * KIB * FLOWS);
		}
		world_free(w);
	}
}
END_TEST

/* ---- Changes ---------------------------------------------------------------------- */

START_TEST(a_raised_limit_counts_at_once)
{
	uint64_t now = 1000;
	struct rate_flow f;
	struct rates s;

	rates_init(&s);
	rate_flow_init(&f, 1000, now);
	ck_assert(rate_flow_take(&s, &f, 256 * KIB, now)); /* four minutes */
	now += NSEC_PER_SEC;
	ck_assert_ptr_null(rates_next(&s, now));
	rate_set_limit(&s, &f.own, 256 * MIB, now);
	ck_assert_uint_le(rates_due_ns(&s), now + NSEC_PER_MSEC);
	ck_assert_ptr_eq(rates_next(&s, now + NSEC_PER_MSEC), &f);
	ck_assert(rate_flow_take(&s, &f, 64 * MIB, now + 2 * NSEC_PER_MSEC));
	rate_set_limit(&s, &f.own, 0, now + 3 * NSEC_PER_MSEC);
	ck_assert_ptr_eq(rates_next(&s, now + 3 * NSEC_PER_MSEC), &f);
	ck_assert(!rate_flow_take(&s, &f, 64 * MIB, now + 3 * NSEC_PER_MSEC));
	rate_flow_done(&s, &f);
	rates_done(&s);
}
END_TEST

/* What was taken under the old one is not paid at the new one's pace. */
START_TEST(a_lowered_limit_silences_nobody_for_long)
{
	uint64_t now = 1000;
	struct rate_flow f;
	struct rates s;

	rates_init(&s);
	rate_flow_init(&f, 100 * MIB, now);
	ck_assert(rate_flow_take(&s, &f, MIB, now)); /* 10 ms */
	rate_set_limit(&s, &f.own, 1000, now);
	ck_assert_uint_le(rates_due_ns(&s), now + 11 * NSEC_PER_MSEC);
	ck_assert_ptr_eq(rates_next(&s, now + 11 * NSEC_PER_MSEC), &f);
	rate_flow_done(&s, &f);
	rates_done(&s);
}
END_TEST

START_TEST(a_total_that_changes_is_kept_in_each_second)
{
	struct world *w = world_new(0);

	for (unsigned i = 0; i < 20; i++) {
		struct source *x = world_add(w, 0, NULL, NULL);

		x->speed = 4 * MIB;
		x->bite = 64 * KIB;
	}
	for (uint64_t ms = 1; ms <= MS; ms++) {
		w->now += NSEC_PER_MSEC;
		if (ms == 3000)
			rate_set_limit(&w->s, &w->total, 20 * MIB, w->now);
		if (ms == 6000)
			rate_set_limit(&w->s, &w->total, 40 * MIB, w->now);
		if (ms == 9000)
			rate_set_limit(&w->s, &w->total, 10 * MIB, w->now);
		world_step(w, ms);
		w->sum[ms] += w->sum[ms - 1];
	}
	check_windows(w, 1000, 2999, 4 * 20 * 1000 / 1000 * MIB);
	check_windows(w, 3100, 5999, 20 * MIB);
	check_windows(w, 6100, 8999, 40 * MIB);
	check_windows(w, 9200, MS, 10 * MIB);
	world_free(w);
}
END_TEST

/* Whoever leaves the line in the middle leaves nobody standing. */
START_TEST(leaving_a_line_leaves_nobody_behind)
{
	struct world *w = world_new(MIB);

	rate_set_limit(&w->s, &w->group[0], 2 * MIB, w->now);
	for (unsigned i = 0; i < 10; i++)
		(void)world_add(w, 0, NULL, &w->group[0]);
	for (unsigned turn = 0; turn < 10; turn++) {
		for (unsigned i = 0; i < 10; i++)
			(void)rate_flow_take(&w->s, &w->flows[i].f, 64 * KIB, w->now);
		w->now += 400 * NSEC_PER_MSEC; /* the group's debt is paid, the total's is not */
		(void)rates_next(&w->s, w->now);
		rate_flow_leave(&w->s, &w->flows[turn].f);
		for (unsigned i = 0; i < 10; i++) {
			w->now += NSEC_PER_SEC;
			while (rates_next(&w->s, w->now))
				;
		}
		for (unsigned i = 0; i < 10; i++)
			ck_assert(!rate_flow_waits(&w->flows[i].f));
		ck_assert_uint_eq(rates_due_ns(&w->s), UINT64_MAX);
	}
	world_free(w);
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
	tcase_add_test(t, the_wait_is_as_long_as_it_must_be);
	tcase_add_test(t, what_was_taken_too_much_is_paid_back);
	tcase_add_test(t, without_a_limit_nobody_waits);
	tcase_add_test(t, bites_are_small_enough_for_each_second);
	suite_add_tcase(s, t);
	t = tcase_create("world");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, twenty_share_a_total_evenly);
	tcase_add_test(t, what_some_do_not_take_is_the_others);
	tcase_add_test(t, what_is_limited_elsewhere_leaves_the_rest_to_others);
	tcase_add_test(t, groups_within_groups);
	tcase_add_test(t, it_is_bytes_that_are_shared_not_turns);
	tcase_add_test(t, who_was_alone_does_not_starve_later);
	tcase_add_test(t, newcomers_do_not_push_others_aside);
	tcase_add_loop_test(t, any_hierarchy_is_shared_fairly, 0, 10);
	suite_add_tcase(s, t);
	t = tcase_create("change");
	tcase_add_test(t, a_raised_limit_counts_at_once);
	tcase_add_test(t, a_lowered_limit_silences_nobody_for_long);
	tcase_add_test(t, a_total_that_changes_is_kept_in_each_second);
	tcase_add_test(t, leaving_a_line_leaves_nobody_behind);
	suite_add_tcase(s, t);
	return run_suite(s);
}
