/* rclone's timetables: what is one and what is not; which rate counts when, through
 * changes of the clock as well. */
#include "model/timetable.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "run_suite.h"

#define K UINT64_C(1024)
#define M (K * 1024)

static struct timetable *
parse(const char *text)
{
	char *why = NULL;
	struct timetable *t = timetable_parse(text, &why);

	ck_assert_msg(t, "%s: %s", text, why);
	return t;
}

static void
zone(const char *name)
{
	ck_assert_int_eq(setenv("TZ", name, 1), 0);
	tzset();
}

/* "2026-11-22 13:45", local. */
static int64_t
at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return (int64_t)mktime(&tm);
}

START_TEST(rates_are_read_as_rclone_reads_them)
{
	static const struct { const char *text; uint64_t rate; } rows[] = {
		{ "off", 0 }, { "OFF", 0 }, { "0", 0 }, { "666", 666 * K }, { "666:333", 333 * K }, { "10M:off", 0 },
		{ "off:10M", 10 * M }, { "1b", 1 }, { "100B", 100 }, { "1k", K }, { "1K", K }, { "1Ki", K }, { "1KiB", K },
		{ "1kib", K }, { "10M", 10 * M }, { "10MiB", 10 * M }, { "1.5M", M + M / 2 }, { ".5k", 512 }, { "2.", 2 * K },
		{ "1G", K * M }, { "1T", M * M }, { "1P", K * M * M }, { "1E", M * M * M }, { "0.1b", 1 }, { "0M", 0 },
		{ "00:00,512", 512 * K }, { "  00:00,7k", 7 * K }, { "00:00,7k;", 7 * K },
	};

	zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct timetable *t = parse(rows[i].text);

		ck_assert_msg(timetable_at(t, 1000000000, NULL) == rows[i].rate, "%s: %llu", rows[i].text,
		    (unsigned long long)timetable_at(t, 1000000000, NULL));
		timetable_free(t);
	}
}
END_TEST

START_TEST(what_is_none_is_told_in_a_sentence)
{
	static const struct { const char *text, *part; } rows[] = {
		{ "", "is empty" }, { " ", "is empty" }, { ";", "is empty" }, { "bad,bad", "whose time" }, { "bad bad", "where a rate must be" },
		{ "bad", "where a rate must be" }, { "1000X", "where a rate must be" }, { "10MB", "where a rate must be" },
		{ "10Mi B", "where a rate must be" }, { "1 000", "where a rate must be" }, { "-1", "where a rate must be" },
		{ "+1", "where a rate must be" }, { ".", "where a rate must be" }, { "1e3", "where a rate must be" }, { "1.2.3M", "where a rate must be" },
		{ "10M:", "where a rate must be" }, { ":10M", "where a rate must be" }, { "1:2:3", "where a rate must be" },
		{ "99999E", "more than haul can count" }, { "2401,666", "whose time" }, { "1061,666", "whose time" },
		{ "24:00,666", "whose time" }, { "10:60,666", "whose time" }, { "8:00,666", "whose time" }, { "08:0a,666", "whose time" },
		{ "-08:00,666", "whose day" }, { "bad-10:20,666", "whose day" }, { "Mo-10:20,666", "whose day" }, { "Mond-10:20,666", "whose day" },
		{ "Mon-bad,666", "whose time" }, { "Mon-10:20,bad", "where a rate must be" }, { "Mon-10:20,", "where a rate must be" },
		{ "Mon-Tue-10:20,1", "whose time" }, { "10:20,1 11:20", "without a rate" }, { "10:20,1,2", "where a rate must be" },
		{ "10:20,1 10:20,2", "two rates for 10:20" }, { "10:20,1 Tue-10:20,2", "two rates for 10:20" },
		{ "10:20,1\n11:20,2", "where a rate must be" }, { "10:20,\033[1m", "where a rate must be" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *why = NULL;

		ck_assert_msg(!timetable_parse(rows[i].text, &why), "\"%s\" was taken", rows[i].text);
		ck_assert_msg(strstr(why, rows[i].part), "\"%s\": %s", rows[i].text, why);
		ck_assert_ptr_null(strpbrk(why, "\n\033"));
		free(why);
	}
}
END_TEST

START_TEST(nonsense_of_all_kinds_is_taken_or_refused)
{
	static const char *const bits[] = {
		"Mon", "-", ":", ",", " ", ";", "08", "00", "5", "M", "off", "Sunday", ".", "24", "iB", "\xff", "9999999999999999999999", "",
	};
	unsigned good = 0;

	srand(5);
	for (unsigned n = 0; n < 200000; n++) {
		char text[160] = "", *why = NULL;
		struct timetable *t;

		for (unsigned i = 0, len = 0; i < 1 + (unsigned)rand() % 7; i++)
			len += (unsigned)snprintf(text + len, sizeof text - len, "%s", bits[(unsigned)rand() % ARRAY_SIZE(bits)]);
		t = timetable_parse(text, &why);
		ck_assert_msg(!t == (why != NULL), "%s", text);
		if (t) {
			int64_t next;

			good++;
			(void)timetable_at(t, rand(), &next);
		}
		timetable_free(t);
		free(why);
	}
	ck_assert_uint_gt(good, 100);
}
END_TEST

START_TEST(a_timetable_is_no_larger_than_it_may_be)
{
	char *text = calloc(1, 64 * 1024), *why = NULL, *end = text;

	for (unsigned i = 0; i < 24 * 60 && end - text < 60000; i++)
		end += snprintf(end, 16, "%02u:%02u,1 ", i / 60, i % 60);
	ck_assert_ptr_null(timetable_parse(text, &why));
	ck_assert_ptr_nonnull(strstr(why, "more than 1024 entries"));
	free(why);
	free(text);
}
END_TEST

/* Each row: a time, the rate then, and when the next entry begins. */
static void
expect(const char *text, const char *when, uint64_t rate, const char *next)
{
	struct timetable *t = parse(text);
	int64_t is = 0;

	ck_assert_msg(timetable_at(t, at(when), &is) == rate, "%s at %s: %llu", text, when,
	    (unsigned long long)timetable_at(t, at(when), NULL));
	ck_assert_msg(is == (next ? at(next) : 0), "%s at %s: next is %lld instead of %s", text, when, (long long)is, next);
	timetable_free(t);
}

START_TEST(which_rate_counts_when)
{
	static const char days[] = "08:00,512k 12:00,10M 13:00,512k 18:00,30M 23:00,off";
	static const char week[] = "Mon-00:00,512 Fri-23:59,10M Sat-10:00,1M Sun-20:00,off";
	static const struct { const char *text, *when; uint64_t rate; const char *next; } rows[] = {
		{ days, "2026-11-22 00:00", 0, "2026-11-22 08:00" },
		{ days, "2026-11-22 07:59", 0, "2026-11-22 08:00" },
		{ days, "2026-11-22 08:00", 512 * K, "2026-11-22 12:00" },
		{ days, "2026-11-22 12:30", 10 * M, "2026-11-22 13:00" },
		{ days, "2026-11-22 17:59", 512 * K, "2026-11-22 18:00" },
		{ days, "2026-11-22 22:59", 30 * M, "2026-11-22 23:00" },
		{ days, "2026-12-31 23:30", 0, "2027-01-01 08:00" },
		{ week, "2026-11-22 19:59", M, "2026-11-22 20:00" }, /* a Sunday */
		{ week, "2026-11-22 20:00", 0, "2026-11-23 00:00" },
		{ week, "2026-11-23 00:00", 512 * K, "2026-11-27 23:59" },
		{ week, "2026-11-27 23:58", 512 * K, "2026-11-27 23:59" },
		{ week, "2026-11-27 23:59", 10 * M, "2026-11-28 10:00" },
		{ week, "2026-11-28 10:00", M, "2026-11-29 20:00" },
		{ "10M", "2026-11-28 10:00", 10 * M, NULL },
		{ "Wed-12:00,1M", "2026-11-24 10:00", M, NULL },
		{ "Wed-12:00,1M;Wed-13:00,2M", "2026-11-25 12:59", M, "2026-11-25 13:00" },
		{ "Wed-12:00,1M;Wed-13:00,2M", "2026-11-25 13:00", 2 * M, "2026-12-02 12:00" },
	};
	static const char *const zones[] = { "UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1245>-12:45" };

	for (size_t z = 0; z < ARRAY_SIZE(zones); z++) {
		zone(zones[z]);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			expect(rows[i].text, rows[i].when, rows[i].rate, rows[i].next);
	}
}
END_TEST

/* In each minute of two days around a change of the clock: what is told to be next is
 * when the rate changes, neither earlier nor later; where all of an entry is left out it
 * may be that nothing changes then. */
static void
walk(const char *text, const char *from, bool left_out)
{
	struct timetable *t = parse(text);
	int64_t begin = at(from), next = 0, told = 0;
	uint64_t rate = timetable_at(t, begin, &told);

	for (int64_t s = begin + 60; s < begin + 2 * 86400; s += 60) {
		uint64_t is = timetable_at(t, s, &next);

		ck_assert_msg((is != rate) == (s == told) || (left_out && is == rate), "%s: at %lld, %lld minutes after %s: rate %llu, next was %lld", text, (long long)s,
		    (long long)((s - begin) / 60), from, (unsigned long long)is, (long long)told);
		rate = is;
		told = next;
	}
	timetable_free(t);
}

START_TEST(summer_time_begins_and_ends)
{
	static const char *const tables[] = {
		"01:30,1M 03:30,2M", "02:30,1M 04:00,2M", "02:00,1M 03:00,2M", "00:00,1M 02:59,2M", "02:15,1M 02:45,2M 12:00,3M",
	};

	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		walk(tables[i], "2026-03-28 12:00", i == 2); /* 02:00 to 03:00 does not come */
}
END_TEST

/* An hour comes twice: what counts in it counts twice. */
START_TEST(an_hour_that_comes_twice)
{
	struct timetable *t;
	int64_t begin, next, changes[8];
	size_t n = 0;
	uint64_t rate;

	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	t = parse("02:30,1M 03:00,2M");
	begin = at("2026-10-24 12:00");
	rate = timetable_at(t, begin, &next);
	for (int64_t s = begin; s < begin + 86400; s += 60)
		if (timetable_at(t, s, NULL) != rate) {
			rate = timetable_at(t, s, NULL);
			ck_assert_uint_lt(n, 8);
			changes[n++] = (s - begin) / 60;
		}
	/* 14:30 h later 02:30, at 02:59 back to 02:00, again 02:30, then 03:00. */
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(changes[0], 14 * 60 + 30);
	ck_assert_int_eq(changes[1], 15 * 60);
	ck_assert_int_eq(changes[2], 15 * 60 + 30);
	ck_assert_int_eq(changes[3], 16 * 60);
	timetable_free(t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timetable");
	TCase *t = tcase_create("timetable");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, rates_are_read_as_rclone_reads_them);
	tcase_add_test(t, what_is_none_is_told_in_a_sentence);
	tcase_add_test(t, nonsense_of_all_kinds_is_taken_or_refused);
	tcase_add_test(t, a_timetable_is_no_larger_than_it_may_be);
	tcase_add_test(t, which_rate_counts_when);
	tcase_add_test(t, summer_time_begins_and_ends);
	tcase_add_test(t, an_hour_that_comes_twice);
	suite_add_tcase(s, t);
	return run_suite(s);
}
