/* rclone's timetables; see timetable.h. */
#include "model/timetable.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	DAY = 24 * 60,       /* minutes */
	WEEK = 7 * DAY,
	SHIFT_MAX = 180,     /* that a clock is changed by at most, for summer time */
};

struct entry {
	unsigned minute; /* of the week, which begins with Sunday */
	uint64_t rate;   /* bytes a second, 0: no limit */
};

struct timetable {
	struct entry *entries; /* owned, in order; not empty */
	size_t n;
};

/* ---- Reading --------------------------------------------------------------------- */

/* Bytes of a unit, 0: it is none.  Nothing is KiB. */
static uint64_t
unit_of(const char *s, size_t n)
{
	static const char letters[] = "kmgtpe";
	const char *at;

	if (n == 0)
		return 1024;
	if (n == 1 && tolower((unsigned char)s[0]) == 'b')
		return 1;
	at = strchr(letters, tolower((unsigned char)s[0]));
	if (!at || n > 3 || (n > 1 && tolower((unsigned char)s[1]) != 'i') || (n == 3 && tolower((unsigned char)s[2]) != 'b'))
		return 0;
	return UINT64_C(1) << (10 * (unsigned)(at - letters + 1));
}

static int
parse_rate(const char *s, size_t n, uint64_t *ret)
{
	size_t whole = 0, part = 0;
	uint64_t unit;
	double v = 0, digit = 1;

	if (n == 3 && strncasecmp(s, "off", 3) == 0) {
		*ret = 0;
		return 0;
	}
	while (whole < n && isdigit((unsigned char)s[whole]))
		v = v * 10 + (s[whole++] - '0');
	if (whole < n && s[whole] == '.')
		for (part = 1; whole + part < n && isdigit((unsigned char)s[whole + part]); part++)
			v += (digit /= 10) * (s[whole + part] - '0');
	if (whole + part == 0 || (whole == 0 && part == 1))
		return -EINVAL;
	unit = unit_of(s + whole + part, n - whole - part);
	if (!unit)
		return -EINVAL;
	v *= (double)unit;
	if (v >= 9e18)
		return -ERANGE;
	/* Less than a byte a second is not no limit. */
	*ret = v > 0 && v < 1 ? 1 : (uint64_t)v;
	return 0;
}

/* "RATE" or "UPLOAD:DOWNLOAD". */
static char *
refuse_rate(const char *s, size_t n, uint64_t *ret)
{
	const char *colon = memchr(s, ':', n);
	size_t first = colon ? (size_t)(colon - s) : n;
	char safe[80];
	int r = parse_rate(s, first, ret);

	if (r == 0 && colon)
		r = parse_rate(colon + 1, n - first - 1, ret);
	if (r == -ERANGE)
		return xasprintf("has the rate \"%s\", which is more than haul can count", str_safe(safe, sizeof safe, s, n));
	if (r < 0)
		return xasprintf("has \"%s\" where a rate must be, such as \"512k\", \"10M\" or \"off\"",
		    str_safe(safe, sizeof safe, s, n));
	return NULL;
}

/* "08:00": the minute of the day, or -1. */
static int
parse_clock(const char *s, size_t n)
{
	int hour, minute;

	if (n != 5 || s[2] != ':')
		return -1;
	for (int i = 0; i < 5; i++)
		if (i != 2 && !isdigit((unsigned char)s[i]))
			return -1;
	hour = (s[0] - '0') * 10 + s[1] - '0';
	minute = (s[3] - '0') * 10 + s[4] - '0';
	return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

/* "Mon" or "Monday", in any case: 0 is Sunday; -1. */
static int
parse_day(const char *s, size_t n)
{
	static const char *const days[] = { "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday" };

	for (int i = 0; i < 7; i++)
		if ((n == 3 || n == strlen(days[i])) && strncasecmp(s, days[i], n) == 0)
			return i;
	return -1;
}

static char *
add(struct timetable *t, unsigned minute, uint64_t rate)
{
	if (t->n == TIMETABLE_ENTRIES_MAX)
		return xasprintf("has more than %d entries, one of each day counted", TIMETABLE_ENTRIES_MAX);
	t->entries = xrealloc(t->entries, (t->n + 1) * sizeof t->entries[0]);
	t->entries[t->n++] = (struct entry){ minute, rate };
	return NULL;
}

/* "[DAY-]HH:MM,RATE" */
static char *
read_entry(struct timetable *t, const char *s, size_t n)
{
	const char *comma = memchr(s, ',', n), *dash;
	size_t when = comma ? (size_t)(comma - s) : n;
	char safe[80], *why;
	int day = -1, minute;
	uint64_t rate;

	(void)str_safe(safe, sizeof safe, s, n);
	if (!comma)
		return xasprintf("has the entry \"%s\" without a rate: it must be TIME,RATE such as \"08:00,512k\"", safe);
	dash = memchr(s, '-', when);
	if (dash) {
		day = parse_day(s, (size_t)(dash - s));
		if (day < 0)
			return xasprintf("has \"%s\", whose day is none of Sun, Mon, Tue, Wed, Thu, Fri, Sat", safe);
	}
	minute = dash ? parse_clock(dash + 1, when - (size_t)(dash - s) - 1) : parse_clock(s, when);
	if (minute < 0)
		return xasprintf("has \"%s\", whose time must be from 00:00 to 23:59, two digits each", safe);
	why = refuse_rate(comma + 1, n - when - 1, &rate);
	for (int i = 0; i < 7 && !why; i++)
		if (day < 0 || day == i)
			why = add(t, (unsigned)(i * DAY + minute), rate);
	return why;
}

static int
compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->minute > y->minute) - (x->minute < y->minute);
}

static char *
read_all(struct timetable *t, const char *text)
{
	static const char separators[] = " ;";
	const char *s = text + strspn(text, separators);
	uint64_t rate;
	char *why;

	if (!*s)
		return xstrdup("is empty: it must be a rate, such as \"10M\", or a timetable, such as \"08:00,512k 23:00,off\"");
	if (!strchr(text, ',')) {
		why = refuse_rate(text, strlen(text), &rate);
		return why ? why : add(t, 0, rate);
	}
	for (; *s; s += strspn(s, separators)) {
		size_t n = strcspn(s, separators);

		why = read_entry(t, s, n);
		if (why)
			return why;
		s += n;
	}
	qsort(t->entries, t->n, sizeof t->entries[0], compare);
	for (size_t i = 1; i < t->n; i++)
		if (t->entries[i].minute == t->entries[i - 1].minute)
			return xasprintf("has two rates for %02u:%02u of the same day", t->entries[i].minute % DAY / 60,
			    t->entries[i].minute % 60);
	return NULL;
}

struct timetable *
timetable_parse(const char *text, char **ret_why)
{
	struct timetable *t = NEW(struct timetable);
	char *why = read_all(t, text);

	if (!why)
		return t;
	timetable_free(t);
	*ret_why = why;
	return NULL;
}

void
timetable_free(struct timetable *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t);
}

/* ---- A limit that a client gives ------------------------------------------------- */

/* As in rclone, a timetable has a comma; a rate is a size of haul's. */
bool
timetable_is_one(const char *text)
{
	return strpbrk(text, ",;") != NULL;
}

char *
timetable_refuse_limit(const char *text, bool total)
{
	char *why = NULL, safe[80];
	uint64_t rate;

	if (timetable_is_one(text)) {
		if (!total)
			return xstrdup("is a timetable, which only the total can have");
		timetable_free(timetable_parse(text, &why));
		return why;
	}
	if (text_equal(text, "off") || parse_size(text, &rate) == 0)
		return NULL;
	return xasprintf("is \"%s\": it must be a size such as \"512K\" or \"5M\", or \"off\"",
	    str_safe(safe, sizeof safe, text, strlen(text)));
}

/* ---- Looking --------------------------------------------------------------------- */

/* The one that began last, this week or the week before. */
static size_t
entry_at(const struct timetable *t, const struct tm *tm)
{
	unsigned minute = (unsigned)(tm->tm_wday * DAY + tm->tm_hour * 60 + tm->tm_min);
	size_t i = t->n;

	while (i > 0 && t->entries[i - 1].minute > minute)
		i--;
	return (i ? i : t->n) - 1;
}

static size_t
entry_at_time(const struct timetable *t, int64_t s)
{
	time_t when = (time_t)s;
	struct tm tm;

	return localtime_r(&when, &tm) ? entry_at(t, &tm) : 0; /* NOLINT: people's time is meant */
}

/* When entry i, the one behind that of now, begins: what the calendar says, and then to
 * the minute; for there are hours that do not come at all, and others come instead. */
static int64_t
begin_of(const struct timetable *t, size_t i, const struct tm *now, int64_t now_s)
{
	unsigned minute = (unsigned)(now->tm_wday * DAY + now->tm_hour * 60 + now->tm_min);
	unsigned ahead = (t->entries[i].minute + WEEK - minute - 1) % WEEK + 1;
	size_t of_now = entry_at(t, now);
	struct tm tm = *now;
	int64_t s;

	tm.tm_min += (int)ahead;
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	s = (int64_t)mktime(&tm);
	/* It is not there yet, or was there earlier: the clock was changed in between. */
	for (int n = 0; n < SHIFT_MAX && entry_at_time(t, s) == of_now; n++)
		s += 60;
	for (int n = 0; n < SHIFT_MAX && s - 60 > now_s && entry_at_time(t, s - 60) != of_now; n++)
		s -= 60;
	return s > now_s ? s : now_s + 60;
}

uint64_t
timetable_at(const struct timetable *t, int64_t now_s, int64_t *ret_next_s)
{
	time_t when = (time_t)now_s;
	struct tm tm;
	size_t i;

	if (!localtime_r(&when, &tm)) /* NOLINT: likewise */
		tm = (struct tm){ 0 };
	i = entry_at(t, &tm);
	if (ret_next_s)
		*ret_next_s = t->n < 2 ? 0 : begin_of(t, (i + 1) % t->n, &tm, now_s);
	return t->entries[i].rate;
}
