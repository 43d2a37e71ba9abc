/* Moments as people write them, and when a job runs by its settings. */
#include "model/schedule.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "model/moment.h"
#include "run_suite.h"

static int64_t
utc(const char *text) /* "2026-11-22 10:00:00" */
{
	struct tm tm = { 0 };

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

static const char *
show(int64_t s)
{
	static char out[40];
	time_t t = (time_t)s;
	struct tm tm;

	(void)strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	return out;
}

/* ---- Moments ------------------------------------------------------------------------ */

START_TEST(a_moment_is_what_it_says)
{
	static const struct {
		const char *text;
		enum moment_side side;
		const char *want;
	} rows[] = { /* now is 2026-11-22 10:00:00 UTC, a Sunday; the system's zone is New York, 05:00 */
		{ "2026-11-23T02:00:00Z", MOMENT_FUTURE, "2026-11-23 02:00:00" },
		{ "2026-11-23t02:00:00.25z", MOMENT_FUTURE, "2026-11-23 02:00:00" },
		{ "2026-11-23 02:00:00+01:00", MOMENT_FUTURE, "2026-11-23 01:00:00" },
		{ "2026-11-23 02:00-05:30", MOMENT_FUTURE, "2026-11-23 07:30:00" },
		{ "2026-11-23 02:00", MOMENT_FUTURE, "2026-11-23 07:00:00" },
		{ "2026-07-23 02:00", MOMENT_PAST, "2026-07-23 06:00:00" },
		{ "2026-11-23", MOMENT_FUTURE, "2026-11-23 05:00:00" },
		{ "2026-11-23", MOMENT_PAST, "2026-11-23 05:00:00" },
		{ "05:00", MOMENT_FUTURE, "2026-11-23 10:00:00" },
		{ "05:00", MOMENT_PAST, "2026-11-22 10:00:00" },
		{ "05:00:01", MOMENT_FUTURE, "2026-11-22 10:00:01" },
		{ "05:00:01", MOMENT_PAST, "2026-11-21 10:00:01" },
		{ "23:59", MOMENT_FUTURE, "2026-11-23 04:59:00" },
		{ "00:00", MOMENT_FUTURE, "2026-11-23 05:00:00" },
		{ "TZ=Europe/Berlin 02:00", MOMENT_FUTURE, "2026-11-23 01:00:00" },
		{ "TZ=Europe/Berlin 2026-03-29 02:30", MOMENT_FUTURE, "2026-03-29 01:00:00" },
		{ "TZ=Europe/Berlin 2026-10-25 02:30", MOMENT_FUTURE, "2026-10-25 00:30:00" },
		{ "TZ=Asia/Tokyo 2026-11-23T02:00:00Z", MOMENT_FUTURE, "2026-11-23 02:00:00" },
		{ "2h", MOMENT_FUTURE, "2026-11-22 12:00:00" },
		{ "2h", MOMENT_PAST, "2026-11-22 08:00:00" },
		{ "1795399200", MOMENT_PAST, "2026-11-23 02:00:00" },
	};
	int64_t now = utc("2026-11-22 10:00:00"), t;

	(void)setenv("TZ", "America/New_York", 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *why = NULL;

		ck_assert_msg(moment_parse(rows[i].text, rows[i].side, now, &t, &why) == 0, "%s: %s", rows[i].text, why);
		ck_assert_msg(strcmp(show(t), rows[i].want) == 0, "%s: %s, and not %s", rows[i].text, show(t), rows[i].want);
	}
}
END_TEST

START_TEST(what_is_no_moment_is_refused_in_a_sentence)
{
	static const char *const rows[] = { "", "soon", "2026-02-29", "2026-13-01 00:00", "2026-11-23 24:00", "2026-11-23 02:60",
		"2026-11-23 2:00", "2026-11-23  02:00", "2026-11-23 02:00 ", "2026-11-23T02:00:00+1:00", "02:00Z", "25:00",
		"2026-11-23T02:00:00.Z", "-1", "99999999999999", "TZ=Nowhere/Never 02:00", "TZ=/etc/passwd 02:00", "TZ=UTC", "TZ=UTC 02",
		"02:00 TZ=UTC", "2026-11-23T02:00:00+24:00" };
	int64_t t = 7;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *why = NULL;

		ck_assert_msg(moment_parse(rows[i], MOMENT_FUTURE, 1795000000, &t, &why) < 0, "%s is taken", rows[i]);
		ck_assert_ptr_nonnull(why);
		ck_assert_int_eq(t, 7);
	}
}
END_TEST

/* ---- Schedules ----------------------------------------------------------------------- */

struct wish {
	const char *start_at, *cron;
	uint64_t delay_s, every_s, jitter_s;
};

static struct schedule
schedule_of(const struct wish *w, int64_t added_s, uint64_t of)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *spec = NULL;
	struct schedule s;

	if (w->start_at)
		spec_put_string(&b, JOB_START_AT, w->start_at);
	if (w->delay_s)
		spec_put_number(&b, JOB_DELAY, w->delay_s * 1000);
	if (w->every_s)
		spec_put_number(&b, JOB_EVERY, w->every_s * 1000);
	if (w->jitter_s)
		spec_put_number(&b, JOB_JITTER, w->jitter_s * 1000);
	if (w->cron)
		spec_put_string(&b, JOB_CRON, w->cron);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &spec), 0);
	ck_assert(schedule_is_set(spec));
	ck_assert_int_eq(schedule_recurs(spec), w->every_s || w->cron);
	schedule_init(&s, spec, added_s, of);
	return s;
}

enum { NOW = 1795341600, HOUR = 3600, DAY = 86400 }; /* 2026-11-22 10:00:00 UTC */

START_TEST(the_first_time_and_those_behind_it)
{
	static const struct {
		struct wish wish;
		int64_t first, after, next; /* seconds from NOW, when it is added; next 0: never */
	} rows[] = {
		{ { .delay_s = 90 }, 90, 90, 0 },
		{ { .start_at = "TZ=UTC 10:01" }, 60, 60, 0 },
		{ { .start_at = "2020-01-01T00:00:00Z" }, NOW * -1 + 1577836800, 0, 0 }, /* at once */
		{ { .every_s = HOUR }, 0, 0, HOUR },
		{ { .every_s = HOUR }, 0, 59 * 60, HOUR },
		{ { .every_s = HOUR }, 0, HOUR, 2 * HOUR },            /* a run of an hour: that time is over */
		{ { .every_s = HOUR }, 0, 30 * HOUR + 1, 31 * HOUR },  /* hauld was down: one, then as usual */
		{ { .every_s = HOUR, .delay_s = 100 }, 100, 100, HOUR + 100 },
		{ { .every_s = HOUR, .start_at = "TZ=UTC 10:20" }, 1200, 1200, HOUR + 1200 },
		{ { .every_s = HOUR, .start_at = "TZ=UTC 10:20" }, 1200, 0, 1200 },
		{ { .every_s = HOUR, .start_at = "2026-11-20T10:20:00Z" }, 1200, 1300, HOUR + 1200 },
		{ { .cron = "TZ=UTC 0 12 * * *" }, 2 * HOUR, 2 * HOUR, 26 * HOUR },
		{ { .cron = "TZ=UTC 0 10 * * *" }, 0, 0, 24 * HOUR },
		{ { .cron = "TZ=UTC 0 12 * * *", .delay_s = 3 * HOUR }, 26 * HOUR, 26 * HOUR, 50 * HOUR },
		{ { .cron = "TZ=UTC 0 12 * * *", .start_at = "2026-11-24T12:00:00Z" }, 50 * HOUR, 50 * HOUR, 74 * HOUR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schedule s = schedule_of(&rows[i].wish, NOW, 1);
		int64_t next = schedule_next(&s, (NOW + rows[i].after) * 1000);

		ck_assert_msg(schedule_first(&s) == (NOW + rows[i].first) * 1000, "%zu: first %lld", i,
		    (long long)(schedule_first(&s) / 1000 - NOW));
		ck_assert_msg(rows[i].next ? next == (NOW + rows[i].next) * 1000 : next == SCHEDULE_NEVER, "%zu: next %lld", i,
		    (long long)(next / 1000 - NOW));
		schedule_done(&s);
	}
}
END_TEST

START_TEST(jitter_is_the_jobs_own_and_keeps_its_period)
{
	enum { JOBS = 2000, JITTER = 600, BUCKETS = 10 };
	unsigned buckets[BUCKETS] = { 0 };

	for (uint64_t of = 0; of < JOBS; of++) {
		struct wish every = { .every_s = HOUR, .jitter_s = JITTER }, cron = { .cron = "TZ=UTC 0 12 * * *", .jitter_s = JITTER };
		struct schedule s = schedule_of(&every, NOW, of), c = schedule_of(&cron, NOW, of);
		int64_t first = schedule_first(&s), next = schedule_next(&s, first), at = schedule_first(&c);

		ck_assert_int_eq(first, (int64_t)NOW * 1000); /* wanted now */
		ck_assert_int_ge(next, first + HOUR * 1000);
		ck_assert_int_le(next, first + (HOUR + JITTER) * 1000);
		ck_assert_int_eq(schedule_next(&s, next), next + HOUR * 1000);
		ck_assert_int_eq(schedule_next(&c, at), at + DAY * 1000);
		ck_assert_int_eq(at - (NOW + 2 * HOUR) * INT64_C(1000), next - first - HOUR * 1000);
		buckets[(next - first - HOUR * 1000) * BUCKETS / (JITTER * 1000 + 1)]++;
		schedule_done(&s);
		schedule_done(&c);
	}
	for (unsigned i = 0; i < BUCKETS; i++) {
		ck_assert_uint_gt(buckets[i], JOBS / BUCKETS / 2);
		ck_assert_uint_lt(buckets[i], JOBS / BUCKETS * 2);
	}
}
END_TEST

START_TEST(a_clock_that_is_set_keeps_times_of_the_wall_and_bounds_intervals)
{
	static const struct {
		struct wish wish;
		int64_t next, now, jump, want; /* seconds from NOW, when it was added; jump in seconds */
	} rows[] = {
		/* put forward: what the wall says, and what is over is due */
		{ { .start_at = "TZ=UTC 12:00" }, 2 * HOUR, HOUR, HOUR, 2 * HOUR },
		{ { .cron = "TZ=UTC 0 12 * * *" }, 2 * HOUR, 3 * HOUR, 3 * HOUR, 2 * HOUR },
		{ { .every_s = HOUR }, HOUR, 5 * HOUR, 5 * HOUR, HOUR },
		/* put back */
		{ { .start_at = "TZ=UTC 12:00" }, 2 * HOUR, -DAY, -DAY, 2 * HOUR },
		{ { .delay_s = HOUR }, HOUR, -DAY, -DAY, HOUR - DAY },
		{ { .every_s = HOUR }, 3 * HOUR, -DAY, -DAY, HOUR - DAY },
		{ { .every_s = HOUR, .start_at = "TZ=UTC 20:00" }, 10 * HOUR, -HOUR, -HOUR, 10 * HOUR },
		{ { .every_s = HOUR, .start_at = "TZ=UTC 20:00" }, 14 * HOUR, 12 * HOUR, -HOUR, 13 * HOUR },
		/* twelve has run today: a small correction does not bring it again, a large one is another time */
		{ { .cron = "TZ=UTC 0 12 * * *" }, 26 * HOUR, HOUR, -2 * HOUR, 26 * HOUR },
		{ { .cron = "TZ=UTC 0 12 * * *" }, 26 * HOUR, HOUR - 30 * DAY, -30 * DAY, 2 * HOUR - 30 * DAY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schedule s = schedule_of(&rows[i].wish, NOW, 1);
		int64_t got = schedule_reset(&s, (NOW + rows[i].next) * 1000, (NOW + rows[i].now) * 1000, rows[i].jump * 1000);

		ck_assert_msg(got == (NOW + rows[i].want) * 1000, "%zu: %lld", i, (long long)(got / 1000 - NOW));
		schedule_done(&s);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("schedule");
	TCase *t = tcase_create("schedule");

	tcase_add_test(t, a_moment_is_what_it_says);
	tcase_add_test(t, what_is_no_moment_is_refused_in_a_sentence);
	tcase_add_test(t, the_first_time_and_those_behind_it);
	tcase_add_test(t, jitter_is_the_jobs_own_and_keeps_its_period);
	tcase_add_test(t, a_clock_that_is_set_keeps_times_of_the_wall_and_bounds_intervals);
	suite_add_tcase(s, t);
	return run_suite(s);
}
