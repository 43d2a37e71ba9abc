/* Times that come again: what cron's fields take and mean, summer time by the minute,
 * and systemd-analyze and the C library as those who must agree. */
#include "model/calendar.h"

#include <check.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"

static uint64_t
next_random(uint64_t *state) /* xorshift64*, Vigna 2016 */
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static int64_t
utc(const char *text) /* "2026-11-22 10:00:00" */
{
	struct tm tm = { 0 };

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

static struct zone *
zone_of(const struct calendar *c)
{
	struct zone *z = NULL;

	ck_assert_msg(zone_new(*c->zone ? c->zone : NULL, &z) == 0, "no zone %s: is tzdata installed?", c->zone);
	return z;
}

static struct calendar
calendar_of(const char *text)
{
	AUTO_FREE char *why = NULL;
	struct calendar c;

	ck_assert_msg(calendar_parse(text, &c, &why) == 0, "%s: %s", text, why);
	return c;
}

/* The times behind a moment, as "MM-DD HH:MM" in UTC, apart by commas. */
static void
check_times(const char *text, const char *after, unsigned n, const char *want)
{
	struct calendar c = calendar_of(text);
	AUTO_ZONE struct zone *z = zone_of(&c);
	int64_t t = utc(after);
	char got[400] = "";

	for (unsigned i = 0; i < n; i++) {
		time_t at;
		struct tm tm;

		t = calendar_next(&c, z, t);
		at = (time_t)t;
		(void)gmtime_r(&at, &tm);
		(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%02d-%02d %02d:%02d", i ? "," : "",
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
	}
	ck_assert_msg(strcmp(got, want) == 0, "%s after %s: %s, and not %s", text, after, got, want);
}

START_TEST(each_field_means_what_crontab_says)
{
	static const struct {
		const char *text, *after;
		unsigned n;
		const char *want;
	} rows[] = {
		{ "TZ=UTC 30 2 * * *", "2026-11-22 02:29:59", 2, "11-22 02:30,11-23 02:30" },
		{ "TZ=UTC 30 2 * * *", "2026-11-22 02:30:00", 1, "11-23 02:30" },
		{ "TZ=UTC */20 * * * *", "2026-11-22 10:00:00", 4, "11-22 10:20,11-22 10:40,11-22 11:00,11-22 11:20" },
		{ "TZ=UTC 10-50/20 5 * * *", "2026-11-22 10:00:00", 3, "11-23 05:10,11-23 05:30,11-23 05:50" },
		{ "TZ=UTC 0 0 1,15 * *", "2026-11-22 10:00:00", 3, "12-01 00:00,12-15 00:00,01-01 00:00" },
		{ "TZ=UTC 0 4 * feb,NOV sun", "2026-11-22 10:00:00", 2, "11-29 04:00,02-07 04:00" },
		{ "TZ=UTC 0 4 * * 7", "2026-11-22 10:00:00", 1, "11-29 04:00" },
		{ "TZ=UTC 0 4 * * fri-sun", "2026-11-23 10:00:00", 4, "11-27 04:00,11-28 04:00,11-29 04:00,12-04 04:00" },
		{ "TZ=UTC 0 4 * * 5-7", "2026-11-23 10:00:00", 3, "11-27 04:00,11-28 04:00,11-29 04:00" },
		/* one of the two days is enough, unless one of the fields begins with * */
		{ "TZ=UTC 0 0 13 * fri", "2026-11-22 10:00:00", 4, "11-27 00:00,12-04 00:00,12-11 00:00,12-13 00:00" },
		{ "TZ=UTC 0 0 */13 * fri", "2026-11-22 10:00:00", 2, "11-27 00:00,01-01 00:00" },
		{ "TZ=UTC 0 0 29 2 *", "2026-11-22 10:00:00", 1, "02-29 00:00" },
		{ "TZ=UTC 0 0 31 * *", "2026-11-22 10:00:00", 3, "12-31 00:00,01-31 00:00,03-31 00:00" },
		{ "TZ=UTC @hourly", "2026-11-22 10:00:00", 1, "11-22 11:00" },
		{ "TZ=UTC @daily", "2026-11-22 10:00:00", 1, "11-23 00:00" },
		{ "TZ=UTC @midnight", "2026-11-22 10:00:00", 1, "11-23 00:00" },
		{ "TZ=UTC @weekly", "2026-11-22 10:00:00", 1, "11-29 00:00" },
		{ "TZ=UTC @monthly", "2026-11-22 10:00:00", 1, "12-01 00:00" },
		{ "TZ=UTC @yearly", "2026-11-22 10:00:00", 1, "01-01 00:00" },
		{ "TZ=UTC @Annually", "2026-11-22 10:00:00", 1, "01-01 00:00" },
		{ "  TZ=Asia/Kathmandu\t0  6 * * * ", "2026-11-22 10:00:00", 1, "11-23 00:15" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_times(rows[i].text, rows[i].after, rows[i].n, rows[i].want);
}
END_TEST

/* Berlin: on 2026-03-29 01:00 UTC 02:00 becomes 03:00, on 2026-10-25 01:00 UTC 03:00 becomes 02:00. */
START_TEST(a_time_runs_once_on_the_days_when_the_clock_is_put_forward_and_back)
{
	check_times("TZ=Europe/Berlin 30 2 * * *", "2026-03-27 12:00:00", 3, "03-28 01:30,03-29 01:00,03-30 00:30");
	check_times("TZ=Europe/Berlin 0,20,40 2 * * *", "2026-03-28 12:00:00", 2, "03-29 01:00,03-30 00:00");
	check_times("TZ=Europe/Berlin 0 2,3 * * *", "2026-03-28 12:00:00", 3, "03-29 01:00,03-30 00:00,03-30 01:00");
	check_times("TZ=Europe/Berlin 30 2 29 3 *", "2026-01-01 00:00:00", 1, "03-29 01:00");
	check_times("TZ=Europe/Berlin 30 2 * * *", "2026-10-24 12:00:00", 2, "10-25 00:30,10-26 01:30");
	check_times("TZ=Europe/Berlin 0 3 * * *", "2026-10-24 12:00:00", 2, "10-25 02:00,10-26 02:00");
	/* asked between its two half past twos */
	check_times("TZ=Europe/Berlin 30 2 * * *", "2026-10-25 01:10:00", 1, "10-26 01:30");
	/* half an hour only */
	check_times("TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-02 20:00:00", 2, "10-03 15:30,10-04 15:15");
	check_times("TZ=Australia/Lord_Howe 45 1 * * *", "2026-04-04 10:00:00", 2, "04-04 14:45,04-05 15:15");
	/* a day that was not: Samoa had no 30th of December 2011 */
	check_times("TZ=Pacific/Apia 0 12 * * *", "2011-12-29 00:00:00", 3, "12-29 22:00,12-30 10:00,12-30 22:00");
	/* winter time is the one that is put forward */
	check_times("TZ=Europe/Dublin 30 1 * * *", "2026-03-28 12:00:00", 2, "03-29 01:00,03-30 00:30");
}
END_TEST

START_TEST(a_pattern_goes_on_through_both)
{
	check_times("TZ=Europe/Berlin */30 * * * *", "2026-03-29 00:00:00", 4, "03-29 00:30,03-29 01:00,03-29 01:30,03-29 02:00");
	check_times("TZ=Europe/Berlin */30 * * * *", "2026-10-25 00:00:00", 5,
	    "10-25 00:30,10-25 01:00,10-25 01:30,10-25 02:00,10-25 02:30");
	check_times("TZ=Europe/Berlin 0 * * * *", "2026-10-24 23:30:00", 4, "10-25 00:00,10-25 01:00,10-25 02:00,10-25 03:00");
	check_times("TZ=Europe/Berlin 0 */2 * * *", "2026-03-28 23:30:00", 2, "03-29 02:00,03-29 04:00");
}
END_TEST

START_TEST(a_wrong_one_is_refused_in_a_sentence)
{
	static const char *const rows[][2] = {
		{ "", "must have five fields" },
		{ "* * * *", "must have five fields" },
		{ "* * * * * *", "has more than five fields" },
		{ "60 * * * *", "has the minute \"60\": it must be from 0 to 59" },
		{ "* 24 * * *", "has the hour \"24\": it must be from 0 to 23" },
		{ "* * 0 * *", "has the day of the month \"0\": it must be from 1 to 31" },
		{ "* * 32 * *", "it must be from 1 to 31" },
		{ "* * * 13 *", "has the month \"13\": it must be from 1 to 12" },
		{ "* * * * 8", "has the day of the week \"8\": it must be from 0 to 7" },
		{ "* * * * mo", "numbers or names" },
		{ "* * * * monday", "numbers or names" },
		{ "jan * * * *", "it must be numbers in a list" },
		{ "5-1 * * * *", "the range ends before it begins" },
		{ "5/10 * * * *", "a step (/) goes with * or with a range" },
		{ "*/0 * * * *", "it must be numbers" },
		{ "1,,2 * * * *", "it must be numbers" },
		{ "1, * * * *", "it must be numbers" },
		{ "+1 * * * *", "it must be numbers" },
		{ "-1 * * * *", "it must be numbers" },
		{ "1- * * * *", "it must be numbers" },
		{ "99999999999999999999 * * * *", "it must be numbers" },
		{ "* * L * *", "it must be numbers" },
		{ "0 0 30 2 *", "would never run" },
		{ "0 0 31 2,4,6,9,11 *", "would never run" },
		{ "@reboot", "there are @hourly, @daily" },
		{ "@every 5m", "there are @hourly, @daily" },
		{ "TZ= 0 0 * * *", "has the time zone \"\"" },
		{ "TZ=../etc/passwd 0 0 * * *", "has the time zone" },
		{ "TZ=/etc/localtime 0 0 * * *", "has the time zone" },
		{ "TZ=Europe/Berlin", "must have five fields" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *why = NULL;
		struct calendar c;

		ck_assert_msg(calendar_parse(rows[i][0], &c, &why) < 0, "%s is taken", rows[i][0]);
		ck_assert_msg(strstr(why, rows[i][1]), "%s: %s", rows[i][0], why);
	}
}
END_TEST

START_TEST(a_day_that_one_of_its_fields_may_name_is_not_impossible)
{
	(void)calendar_of("0 0 30 2 mon");
	(void)calendar_of("0 0 29 2 *");
	check_times("TZ=UTC 0 0 29 2 */7", "2026-11-22 10:00:00", 1, "02-29 00:00"); /* a Sunday: in 2032 */
}
END_TEST

/* ---- Zones ------------------------------------------------------------------------- */

/* The last two call their winter the time that is put off: systemd 252 leaves out all of
 * the day then, "1..3:09 Europe/Dublin" on 2026-03-29 (with Europe/London it does not). */
static const char *const zones[] = { "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
	"America/St_Johns", "Pacific/Chatham", "America/Asuncion", "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin" };
enum { ZONES_OF_SYSTEMD = ARRAY_SIZE(zones) - 2 };

START_TEST(offsets_are_those_of_the_c_library)
{
	uint64_t seed = 7;

	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		AUTO_ZONE struct zone *z = NULL;

		ck_assert_int_eq(zone_new(zones[i], &z), 0);
		(void)setenv("TZ", zones[i], 1);
		tzset();
		for (unsigned k = 0; k < 20000 / one_of(); k++) {
			/* 1950 to 2130 */
			time_t t = (time_t)(next_random(&seed) % UINT64_C(5680281600)) - 631152000;
			struct zone_span s = zone_span_at(z, t);
			struct tm tm;

			(void)localtime_r(&t, &tm);
			ck_assert_msg(s.offset == tm.tm_gmtoff, "%s at %lld: %d, and not %ld", zones[i], (long long)t, s.offset,
			    tm.tm_gmtoff);
			ck_assert(s.start <= t && t < s.end);
			if (s.end != INT64_MAX)
				ck_assert_int_eq(zone_span_at(z, s.end).start, s.end);
			if (s.start != INT64_MIN)
				ck_assert_int_eq(zone_span_at(z, s.start - 1).offset, s.before);
			if (t + s.offset >= s.start + MAX(s.before, s.offset))
				ck_assert_int_eq(zone_to_utc(z, t + s.offset), t);
		}
	}
}
END_TEST

START_TEST(rules_of_posix_are_understood)
{
	static const struct {
		const char *rule, *at;
		int32_t offset;
	} rows[] = {
		{ "UTC0", "2026-07-01 00:00:00", 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01 00:00:00", 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-12-01 00:00:00", 3600 },
		{ "EST5EDT,M3.2.0,M11.1.0", "2026-03-08 07:00:00", -4 * 3600 },
		{ "EST5EDT,M3.2.0,M11.1.0", "2026-03-08 06:59:59", -5 * 3600 },
		{ "<+0545>-5:45", "2026-07-01 00:00:00", 20700 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-12-01 00:00:00", 0 },
		{ "XST3XDT2,J60,J300", "2024-02-29 12:00:00", -3 * 3600 },
		{ "XST3XDT2,J60,J300", "2024-03-01 12:00:00", -2 * 3600 },
		{ "XST3XDT2,59,300", "2024-02-29 12:00:00", -2 * 3600 },
	};
	static const char *const wrong[] = { "", "C-1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
		"CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-168", "UTC0x", "CET-1CEST,J0,J1", "<>0" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_ZONE struct zone *z = NULL;

		ck_assert_msg(zone_parse_rule(rows[i].rule, &z) == 0, "%s", rows[i].rule);
		ck_assert_msg(zone_span_at(z, utc(rows[i].at)).offset == rows[i].offset, "%s at %s: %d", rows[i].rule, rows[i].at,
		    zone_span_at(z, utc(rows[i].at)).offset);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		AUTO_ZONE struct zone *z = NULL;

		ck_assert_msg(zone_parse_rule(wrong[i], &z) < 0, "%s is taken", wrong[i]);
	}
}
END_TEST

START_TEST(a_file_that_is_cut_or_damaged_is_refused_or_read_but_never_overrun)
{
	static uint8_t data[70000], copy[70000];
	FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
	uint64_t seed = 11;
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(data, 1, sizeof data, f);
	(void)fclose(f);
	for (size_t cut = 0; cut < n - 1; cut++) {
		AUTO_ZONE struct zone *z = NULL;
		AUTO_FREE uint8_t *exact = xmemdup(data, cut + !cut);

		ck_assert_msg(zone_parse(exact, cut, &z) < 0, "cut at %zu", cut);
	}
	for (unsigned i = 0; i < 20000 / one_of(); i++) {
		AUTO_ZONE struct zone *z = NULL;

		memcpy(copy, data, n);
		for (unsigned k = 0; k < 3; k++)
			copy[next_random(&seed) % n] = (uint8_t)next_random(&seed);
		if (zone_parse(copy, n, &z) == 0)
			(void)zone_span_at(z, 1800000000);
	}
}
END_TEST

START_TEST(the_systems_zone_is_that_of_tz)
{
	static const struct {
		const char *tz;
		int32_t offset; /* in December */
	} rows[] = { { "Europe/Berlin", 3600 }, { ":Europe/Berlin", 3600 }, { ":/usr/share/zoneinfo/Asia/Tokyo", 32400 },
		{ "EST5EDT,M3.2.0,M11.1.0", -18000 }, { "", 0 }, { "No/Such", 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_ZONE struct zone *z = NULL;

		(void)setenv("TZ", rows[i].tz, 1);
		ck_assert_int_eq(zone_new(NULL, &z), 0);
		ck_assert_int_eq(zone_span_at(z, utc("2026-12-01 00:00:00")).offset, rows[i].offset);
	}
}
END_TEST

/* ---- Oracles --------------------------------------------------------------------------- */

enum { LIST_MAX = 60 };

static void PRINTF_LIKE(2, 3)
put(char *out, const char *fmt, ...) /* behind what is in out[LIST_MAX] */
{
	size_t used = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out + used, LIST_MAX - used, fmt, ap);
	va_end(ap);
}

/* A list of some values, as both cron and systemd take it. */
static void
random_list(uint64_t *seed, unsigned min, unsigned max, char *out)
{
	bool taken[64] = { false };
	unsigned n = 1 + (unsigned)(next_random(seed) % 4);

	for (unsigned i = 0; i < n; i++)
		taken[min + next_random(seed) % (max - min + 1)] = true;
	*out = '\0';
	for (unsigned v = min; v <= max; v++)
		if (taken[v])
			put(out, "%s%u", *out ? "," : "", v);
}

struct expression {
	char minute[LIST_MAX], hour[LIST_MAX], day[LIST_MAX], month[LIST_MAX], weekday[LIST_MAX];
	const char *zone;
};

static void
random_expression(uint64_t *seed, size_t n_zones, struct expression *e)
{
	static const char *const steps[] = { "*/5", "*/7", "*/20", "3-59/13" };

	*e = (struct expression){ "*", "*", "*", "*", "*", zones[next_random(seed) % n_zones] };
	if (next_random(seed) % 4)
		random_list(seed, 0, 59, e->minute);
	else if (next_random(seed) % 2)
		(void)snprintf(e->minute, LIST_MAX, "%s", steps[next_random(seed) % ARRAY_SIZE(steps)]);
	if (next_random(seed) % 3)
		random_list(seed, 0, 23, e->hour);
	else if (next_random(seed) % 2)
		(void)snprintf(e->hour, LIST_MAX, "1-3");
	if (next_random(seed) % 3 == 0)
		random_list(seed, 1, 28, e->day);
	if (next_random(seed) % 4 == 0)
		random_list(seed, 1, 12, e->month);
	if (next_random(seed) % 3 == 0)
		random_list(seed, 0, 6, e->weekday);
}

/* What the field means to systemd, where steps begin at a number and ranges are "..". */
static void
to_systemd(const char *field, unsigned min, unsigned max, char *out)
{
	unsigned from, to, step;

	*out = '\0';
	if (sscanf(field, "*/%u", &step) == 1)
		put(out, "%u..%u/%u", min, max, step);
	else if (sscanf(field, "%u-%u/%u", &from, &to, &step) == 3)
		put(out, "%u..%u/%u", from, to, step);
	else if (sscanf(field, "%u-%u", &from, &to) == 2)
		put(out, "%u..%u", from, to);
	else
		put(out, "%s", field);
}

static void
weekdays_to_systemd(const char *field, char *out)
{
	static const char *const names[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

	*out = '\0';
	for (const char *s = field; *s >= '0' && *s <= '6'; s += 1 + (s[1] == ','))
		put(out, "%s%s", *out ? "," : "", names[*s - '0']);
}

enum { TIMES = 12 };

static const char *const analyze = "/usr/bin/systemd-analyze";

/* Its answer, as a stream. */
static FILE *
start_systemd(const char *expression, int64_t base, pid_t *ret)
{
	static char *const env[] = { (char *)(uintptr_t)"TZ=UTC", (char *)(uintptr_t)"LC_ALL=C", NULL };
	char iterations[32], base_time[64];
	const char *const argv[] = { "systemd-analyze", "calendar", iterations, base_time, expression, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2];

	(void)snprintf(iterations, sizeof iterations, "--iterations=%d", TIMES);
	(void)snprintf(base_time, sizeof base_time, "--base-time=@%lld", (long long)base);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO), 0);
	ck_assert_int_eq(posix_spawn(ret, analyze, &actions, NULL, (char *const *)(uintptr_t)argv, env), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fds[1]);
	return fdopen(fds[0], "re");
}

/* Its next times behind base, as systemd has them. */
static unsigned
ask_systemd(const struct expression *e, bool by_day, bool by_weekday, int64_t base, int64_t *ret)
{
	char minute[LIST_MAX], hour[LIST_MAX], weekday[LIST_MAX] = "", expression[600], line[200];
	unsigned n = 0;
	pid_t pid;
	int status;
	FILE *f;

	to_systemd(e->minute, 0, 59, minute);
	to_systemd(e->hour, 0, 23, hour);
	if (by_weekday)
		weekdays_to_systemd(e->weekday, weekday);
	(void)snprintf(expression, sizeof expression, "%s%s*-%s-%s %s:%s:00 %s", weekday, *weekday ? " " : "", e->month,
	    by_day ? e->day : "*", hour, minute, e->zone);
	f = start_systemd(expression, base, &pid);
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f)) {
		const char *at = strstr(line, "Next elapse: ") ? strstr(line, "Next elapse: ") + 13
		    : strstr(line, "Iter. #") ? strchr(line, ':') + 2 : NULL;

		if (at && n < TIMES && strlen(at) > 24)
			ret[n++] = utc(at + 4);
	}
	(void)fclose(f);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s", expression);
	return n;
}

static bool
is_second_pass(const struct zone *z, int64_t t)
{
	struct zone_span s = zone_span_at(z, t);

	return s.start != INT64_MIN && t + s.offset < s.start + s.before;
}

/* systemd leaves out what does not exist, and takes the first of two, for patterns too.
 * So a pattern is compared, and what is met for the second time left out. */
START_TEST(systemd_has_the_same_times)
{
	uint64_t seed = getenv("HAUL_CALENDAR_SEED") ? strtoull(getenv("HAUL_CALENDAR_SEED"), NULL, 10) : 20261122;
	unsigned rounds = (getenv("HAUL_CALENDAR_ROUNDS") ? (unsigned)atoi(getenv("HAUL_CALENDAR_ROUNDS")) : 300) / one_of();

	if (access(analyze, X_OK) != 0) {
		fprintf(stderr, "no systemd-analyze: not compared\n");
		return;
	}
	for (unsigned i = 0; i < rounds; i++) {
		struct expression e;
		AUTO_ZONE struct zone *z = NULL;
		int64_t theirs[2 * TIMES], t, base;
		char text[400];
		struct calendar c;
		bool either;
		unsigned n = 0, k = 0;

		random_expression(&seed, ZONES_OF_SYSTEMD, &e);
		/* two of three around the changes of 2026 in Berlin, New York and Lord Howe */
		base = utc("2026-01-01 00:00:00") + (int64_t)(next_random(&seed) % (2 * 366 * 86400));
		if (next_random(&seed) % 3)
			base = utc(next_random(&seed) % 2 ? "2026-03-28 00:00:00" : "2026-10-24 00:00:00") +
			    (int64_t)(next_random(&seed) % 86400);
		(void)snprintf(text, sizeof text, "TZ=%s %s %s %s %s %s", e.zone, e.minute, e.hour, e.day, e.month, e.weekday);
		c = calendar_of(text);
		z = zone_of(&c);
		either = *e.day != '*' && *e.weekday != '*';
		ck_assert_int_eq(c.any_day, !either);
		n = ask_systemd(&e, true, !either, base, theirs);
		if (either) { /* systemd wants both: its two halves, by the first of each */
			int64_t other[TIMES], last;
			unsigned m = ask_systemd(&e, false, true, base, other);

			ck_assert_uint_gt(n, 0);
			ck_assert_uint_gt(m, 0);
			last = MIN(theirs[n - 1], other[m - 1]);
			c.pattern = true;
			for (t = base; (t = calendar_next(&c, z, t)) <= last;) {
				bool known = is_second_pass(z, t);

				for (unsigned j = 0; j < MAX(n, m); j++)
					known |= (j < n && theirs[j] == t) || (j < m && other[j] == t);
				ck_assert_msg(known, "%s after %lld: %lld is ours only", text, (long long)base, (long long)t);
				k++;
			}
			ck_assert_uint_ge(k, MAX(n, m) / 2);
			continue;
		}
		ck_assert_msg(n == TIMES, "%s: %u times", text, n);
		c.pattern = true;
		for (t = base; k < n;) {
			t = calendar_next(&c, z, t);
			if (is_second_pass(z, t))
				continue;
			ck_assert_msg(t == theirs[k], "%s after %lld: number %u is %lld, and not %lld (seed %llu)", text, (long long)base, k,
			    (long long)t, (long long)theirs[k], (unsigned long long)seed);
			k++;
		}
	}
}
END_TEST

/* The slow way: the C library says what the wall shows in each minute. */
static bool
wall_fits(const struct calendar *c, const struct tm *tm)
{
	bool day = c->days & 1U << tm->tm_mday, weekday = c->weekdays & 1U << tm->tm_wday;

	return (c->minutes & UINT64_C(1) << tm->tm_min) && (c->hours & 1U << tm->tm_hour) && (c->months & 1U << (tm->tm_mon + 1)) &&
	    (c->any_day ? day && weekday : day || weekday);
}

static bool
wall_runs(const struct calendar *c, time_t t)
{
	time_t before = t - 60;
	struct tm now, then;
	long jump;

	(void)localtime_r(&t, &now);
	(void)localtime_r(&before, &then);
	if (c->pattern)
		return wall_fits(c, &now);
	jump = now.tm_gmtoff - then.tm_gmtoff;
	/* Behind a gap: any minute that it skipped, each as a wall would have shown it. */
	for (long i = 0; i < jump / 60; i++) {
		time_t skipped = t + then.tm_gmtoff + i * 60;
		struct tm tm;

		(void)gmtime_r(&skipped, &tm);
		if (wall_fits(c, &tm))
			return true;
	}
	if (!wall_fits(c, &now))
		return false;
	/* Not if the same minute was there already, in the last day (Apia's goes 24 hours). */
	for (time_t d = 1800; d <= 86400; d += 1800) {
		time_t old = t - d;
		struct tm tm;

		(void)localtime_r(&old, &tm);
		if (tm.tm_mday == now.tm_mday && tm.tm_hour == now.tm_hour && tm.tm_min == now.tm_min)
			return false;
	}
	return true;
}

START_TEST(the_wall_shows_the_same_times_minute_by_minute)
{
	static const char *const changes[] = { "2026-03-28 12:00:00", "2026-10-24 12:00:00", "2026-04-04 00:00:00",
		"2026-10-03 00:00:00", "2026-03-07 12:00:00", "2026-10-31 12:00:00", "2011-12-29 00:00:00", "2026-02-14 12:00:00" };
	uint64_t seed = 5;

	for (unsigned i = 0; i < 300 / one_of(); i++) {
		struct expression e;
		AUTO_ZONE struct zone *z = NULL;
		struct calendar c;
		int64_t base = utc(changes[i % ARRAY_SIZE(changes)]), t;
		char text[400];

		random_expression(&seed, ARRAY_SIZE(zones), &e);
		/* the hours when clocks are set */
		(void)snprintf(e.day, LIST_MAX, "*");
		(void)snprintf(e.month, LIST_MAX, "*");
		if (next_random(&seed) % 2 == 0)
			(void)snprintf(e.hour, LIST_MAX, "0-3");
		(void)snprintf(text, sizeof text, "TZ=%s %s %s %s %s %s", e.zone, e.minute, e.hour, e.day, e.month, e.weekday);
		c = calendar_of(text);
		z = zone_of(&c);
		(void)setenv("TZ", e.zone, 1);
		tzset();
		t = calendar_next(&c, z, base - 1);
		for (time_t at = (time_t)base; at < base + 2 * 86400; at += 60) {
			bool runs = wall_runs(&c, at);

			ck_assert_msg(runs == (t == at), "%s: the wall %s %lld, and the next is %lld", text, runs ? "runs at" : "does not run at",
			    (long long)at, (long long)t);
			if (t == at)
				t = calendar_next(&c, z, t);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("calendar");
	TCase *t = tcase_create("cron");

	tcase_add_test(t, each_field_means_what_crontab_says);
	tcase_add_test(t, a_time_runs_once_on_the_days_when_the_clock_is_put_forward_and_back);
	tcase_add_test(t, a_pattern_goes_on_through_both);
	tcase_add_test(t, a_wrong_one_is_refused_in_a_sentence);
	tcase_add_test(t, a_day_that_one_of_its_fields_may_name_is_not_impossible);
	suite_add_tcase(s, t);
	t = tcase_create("zones");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, offsets_are_those_of_the_c_library);
	tcase_add_test(t, rules_of_posix_are_understood);
	tcase_add_test(t, a_file_that_is_cut_or_damaged_is_refused_or_read_but_never_overrun);
	tcase_add_test(t, the_systems_zone_is_that_of_tz);
	suite_add_tcase(s, t);
	t = tcase_create("oracles");
	tcase_set_timeout(t, 300);
	tcase_add_test(t, systemd_has_the_same_times);
	tcase_add_test(t, the_wall_shows_the_same_times_minute_by_minute);
	suite_add_tcase(s, t);
	return run_suite(s);
}
