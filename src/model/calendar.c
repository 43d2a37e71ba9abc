/* Times that come again; see calendar.h. */
#include "model/calendar.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	MINUTE = 60,
	DAY = 86400,
	YEARS = 400, /* the calendar begins anew: what did not come by then never comes */
};

struct field {
	const char *name; /* for people */
	unsigned min, max;
	const char *words; /* of three letters each, from min on; NULL */
};

enum { F_MINUTE, F_HOUR, F_DAY, F_MONTH, F_WEEKDAY, N_FIELDS };

static const struct field fields[N_FIELDS] = {
	{ "minute", 0, 59, NULL },
	{ "hour", 0, 23, NULL },
	{ "day of the month", 1, 31, NULL },
	{ "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	{ "day of the week", 0, 7, "sunmontuewedthufrisat" },
};

static const struct {
	const char *word, *fields;
} nicknames[] = {
	{ "@hourly", "0 * * * *" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

/* ---- Reading ------------------------------------------------------------------------ */

/* A number or a name, off the front. */
static bool
take_value(const struct field *f, const char **s, unsigned *ret)
{
	size_t n = strspn(*s, "0123456789");
	uint64_t v;

	for (unsigned i = 0; !n && f->words && f->words[i * 3]; i++) {
		char word[4] = { f->words[i * 3], f->words[i * 3 + 1], f->words[i * 3 + 2], '\0' };

		if (strlen(*s) >= 3 && text_equal_nocase(*s, 3, word)) {
			*s += 3;
			*ret = f->min + i;
			return true;
		}
	}
	if (parse_u64_n(*s, n, 10, &v) < 0 || v > 99)
		return false;
	*s += n;
	*ret = (unsigned)v;
	return true;
}

static char *
refuse(const struct field *f, const char *item, const char *why)
{
	char safe[60];

	return xasprintf("has the %s \"%s\": %s", f->name, str_safe(safe, sizeof safe, item, strlen(item)), why);
}

/* "*", "5", "1-5", "*" "/15", "10-50/20": the bits of one item of a list; 0 with *ret_why. */
static uint64_t
item_bits(const struct field *f, const char *item, char **ret_why)
{
	unsigned from = f->min, to = f->max, step = 1;
	const char *s = item;
	uint64_t bits = 0;
	bool range = *s == '*';

	if (range) {
		s++;
		to = f == &fields[F_WEEKDAY] ? 6 : to;
	} else {
		if (!take_value(f, &s, &from))
			goto bad;
		to = from;
		if (*s == '-') {
			s++;
			if (!take_value(f, &s, &to))
				goto bad;
			range = true;
			/* "fri-sun" ends with the Sunday behind it. */
			to = f == &fields[F_WEEKDAY] && to == 0 && from > 0 ? 7 : to;
		}
	}
	if (*s == '/') {
		const struct field number = { f->name, 1, 99, NULL };

		s++;
		if (!range) {
			*ret_why = refuse(f, item, "a step (/) goes with * or with a range, as in 10-50/5");
			return 0;
		}
		if (!take_value(&number, &s, &step) || step == 0)
			goto bad;
	}
	if (*s)
		goto bad;
	if (from < f->min || to > f->max || from > to) {
		AUTO_FREE char *why = from > to ? xstrdup("the range ends before it begins")
						: xasprintf("it must be from %u to %u", f->min, f->max);

		*ret_why = refuse(f, item, why);
		return 0;
	}
	for (unsigned v = from; v <= to; v += step)
		bits |= UINT64_C(1) << v;
	return bits;
bad:
	*ret_why = refuse(f, item, f->words ? "it must be numbers or names in a list (,), ranges (-) and steps (/), or *"
					    : "it must be numbers in a list (,), ranges (-) and steps (/), or *");
	return 0;
}

static uint64_t
field_bits(const struct field *f, const char *text, char **ret_why)
{
	uint64_t all = 0;

	for (const char *s = text;;) {
		AUTO_FREE char *item = xstrndup(s, strcspn(s, ","));
		uint64_t bits = item_bits(f, item, ret_why);

		if (!bits)
			return 0;
		all |= bits;
		s += strlen(item);
		if (!*s)
			return all;
		s++;
	}
}

const char *
calendar_take_zone(const char *text, char *zone, char **ret_why)
{
	AUTO_FREE char *name = NULL;
	size_t n;

	zone[0] = '\0';
	if (!has_prefix(text, "TZ="))
		return text;
	text += strlen("TZ=");
	n = strcspn(text, " \t");
	name = xstrndup(text, n);
	if (!zone_name_is_valid(name)) {
		char safe[60];

		*ret_why = xasprintf("has the time zone \"%s\": it must be a name such as Europe/Berlin or UTC",
		    str_safe(safe, sizeof safe, name, n));
		return NULL;
	}
	memcpy(zone, name, n + 1);
	return text + n + strspn(text + n, " \t");
}

/* With a day that no month of the list has it would never run. */
static bool
can_come(const struct calendar *c)
{
	if (!c->any_day)
		return true;
	for (unsigned m = 1; m <= 12; m++)
		if ((c->months & 1U << m) && (c->days & ((UINT64_C(1) << (days_of_month(2000, m) + 1)) - 1)))
			return true;
	return false;
}

static int
parse_fields(const char *text, struct calendar *c, char **ret_why)
{
	uint64_t bits[N_FIELDS];
	bool star[N_FIELDS];

	for (unsigned i = 0; i < N_FIELDS; i++) {
		AUTO_FREE char *field = NULL;
		size_t n = strcspn(text, " \t");

		if (!n) {
			*ret_why = xstrdup("must have five fields (minute, hour, day of the month, month, day of the week), "
					   "as in \"30 2 * * mon-fri\", or be @hourly, @daily, @weekly, @monthly or @yearly");
			return -EINVAL;
		}
		field = xstrndup(text, n);
		star[i] = *field == '*';
		bits[i] = field_bits(&fields[i], field, ret_why);
		if (!bits[i])
			return -EINVAL;
		text += n + strspn(text + n, " \t");
	}
	if (*text) {
		*ret_why = xstrdup("has more than five fields (minute, hour, day of the month, month, day of the week)");
		return -EINVAL;
	}
	c->minutes = bits[F_MINUTE];
	c->hours = (uint32_t)bits[F_HOUR];
	c->days = (uint32_t)bits[F_DAY];
	c->months = (uint16_t)bits[F_MONTH];
	c->weekdays = (uint8_t)((bits[F_WEEKDAY] & 0x7f) | bits[F_WEEKDAY] >> 7);
	c->any_day = star[F_DAY] || star[F_WEEKDAY];
	c->pattern = star[F_MINUTE] || star[F_HOUR];
	if (can_come(c))
		return 0;
	*ret_why = xstrdup("would never run: no month that it names has such a day");
	return -EINVAL;
}

int
calendar_parse(const char *text, struct calendar *ret, char **ret_why)
{
	struct calendar c = { 0 };

	text += strspn(text, " \t");
	text = calendar_take_zone(text, c.zone, ret_why);
	if (!text)
		return -EINVAL;
	for (size_t i = 0; *text == '@' && i < ARRAY_SIZE(nicknames); i++)
		if (text_equal_nocase(text, strlen(text), nicknames[i].word))
			text = nicknames[i].fields;
	if (*text == '@') {
		char safe[60];

		*ret_why = xasprintf("is \"%s\": there are @hourly, @daily (@midnight), @weekly, @monthly and @yearly (@annually)",
		    str_safe(safe, sizeof safe, text, strlen(text)));
		return -EINVAL;
	}
	if (parse_fields(text, &c, ret_why) < 0)
		return -EINVAL;
	*ret = c;
	return 0;
}

/* ---- The next time -------------------------------------------------------------------- */

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool
day_fits(const struct calendar *c, int64_t days, unsigned day)
{
	unsigned weekday = (unsigned)(((days + 4) % 7 + 7) % 7);
	bool by_date = c->days & 1U << day, by_weekday = c->weekdays & 1U << weekday;

	return c->any_day ? by_date && by_weekday : by_date || by_weekday;
}

/* The first minute of a day, not before second `from` of it; DAY: there is none. */
static int64_t
first_of_day(const struct calendar *c, int64_t from)
{
	for (unsigned h = (unsigned)(from / 3600); h < 24; h++) {
		unsigned least = h == (unsigned)(from / 3600) ? (unsigned)((from % 3600 + MINUTE - 1) / MINUTE) : 0;
		uint64_t left = least < 60 ? c->minutes >> least << least : 0;

		if ((c->hours & UINT32_C(1) << h) && left)
			return (int64_t)h * 3600 + (int64_t)__builtin_ctzll(left) * MINUTE;
	}
	return DAY;
}

/* The first local time that fits, from <= it < end; end: there is none. */
static int64_t
first_local(const struct calendar *c, int64_t from, int64_t end)
{
	int64_t days = floor_div(from, DAY);

	while (days < floor_div(end - 1, DAY) + 1) {
		int64_t year, at;
		unsigned month, day;

		date_of_days(days, &year, &month, &day);
		if (!(c->months & 1U << month)) {
			days += days_of_month(year, month) - day + 1;
			continue;
		}
		at = day_fits(c, days, day) ? first_of_day(c, MAX(from - days * DAY, INT64_C(0))) : DAY;
		if (at < DAY)
			return MIN(days * DAY + at, end);
		days++;
	}
	return end;
}

int64_t
calendar_next(const struct calendar *c, const struct zone *z, int64_t after)
{
	int64_t last = after + INT64_C(366) * YEARS * DAY, t = after + 1;

	while (t < last) {
		struct zone_span s = zone_span_at(z, t);
		int64_t end = MIN(s.end, last), from = t + s.offset, found;

		if (!c->pattern && s.start != INT64_MIN) {
			/* What was skipped when this span began runs then. */
			if (t == s.start && s.offset > s.before &&
			    first_local(c, t + s.before, t + s.offset) < t + s.offset)
				return t;
			/* What the span before has shown already does not run again. */
			from = MAX(from, s.start + s.before);
		}
		found = from < end + s.offset ? first_local(c, from, end + s.offset) : end + s.offset;
		if (found < end + s.offset)
			return found - s.offset;
		t = end;
	}
	return CALENDAR_NEVER;
}
