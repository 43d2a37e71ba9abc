/* Time zones; see zone.h. */
#include "model/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum {
	DAY = 86400,
	FILE_MAX = 256 << 10,
	TRANSITIONS_MAX = 10000,
	HEADER = 44,
	RULE_HOURS_MAX = 167, /* RFC 8536 3.3.1 */
};

/* When summer time begins or ends in any year: POSIX TZ, "M3.5.0/2", "J60", "59". */
struct rule_date {
	enum { DATE_MONTH, DATE_JULIAN, DATE_DAY } kind;
	unsigned month, week, day;
	int32_t time; /* seconds of local time since midnight; may be negative */
};

struct zone {
	size_t n;
	int64_t *at;      /* owned: n instants, rising */
	int32_t *offsets; /* owned: n, from each of them on */
	int32_t first;    /* before all of them */
	bool has_rule;    /* what holds behind the last */
	bool has_summer;
	int32_t standard, summer; /* offsets */
	struct rule_date begins, ends;
};

/* ---- Dates ------------------------------------------------------------------------- */

/* Years that begin in March: the day that comes and goes is their last. */
int64_t
days_of_date(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned of_era = (unsigned)(y - era * 400);
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

void
date_of_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned day = (unsigned)(z - era * 146097);
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;

	*ret_day = of_year - (153 * m + 2) / 5 + 1;
	*ret_month = m < 10 ? m + 3 : m - 9;
	*ret_year = (int64_t)year + era * 400 + (*ret_month <= 2);
}

static bool
is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

unsigned
days_of_month(int64_t year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t
year_at(int64_t t)
{
	int64_t year;
	unsigned month, day;

	date_of_days(t / DAY - (t % DAY < 0), &year, &month, &day);
	return year;
}

/* ---- Rules of POSIX ---------------------------------------------------------------- */

static bool
take_name(const char **s)
{
	size_t n;

	if (**s == '<') {
		n = strcspn(*s, ">");
		if (!(*s)[n])
			return false;
		*s += n + 1;
		return n > 1;
	}
	n = strspn(*s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	*s += n;
	return n >= 3;
}

static bool
take_number(const char **s, unsigned max, unsigned *ret)
{
	size_t n = strspn(*s, "0123456789");
	uint64_t v;

	if (parse_u64_n(*s, n, 10, &v) < 0 || v > max)
		return false;
	*s += n;
	*ret = (unsigned)v;
	return true;
}

/* "-1", "+5:30", "2" */
static bool
take_time(const char **s, int32_t *ret)
{
	unsigned part[3] = { 0 };
	int32_t sign = **s == '-' ? -1 : 1;

	*s += **s == '-' || **s == '+';
	if (!take_number(s, RULE_HOURS_MAX, &part[0]))
		return false;
	for (unsigned i = 1; i < 3 && **s == ':'; i++) {
		(*s)++;
		if (!take_number(s, 59, &part[i]))
			return false;
	}
	*ret = sign * (int32_t)(part[0] * 3600 + part[1] * 60 + part[2]);
	return true;
}

static bool
take_date(const char **s, struct rule_date *ret)
{
	*ret = (struct rule_date){ .kind = DATE_DAY, .time = 2 * 3600 };
	if (!str_take(s, ','))
		return false;
	if (str_take(s, 'M')) {
		ret->kind = DATE_MONTH;
		if (!take_number(s, 12, &ret->month) || !str_take(s, '.') || !take_number(s, 5, &ret->week) ||
		    !str_take(s, '.') || !take_number(s, 6, &ret->day) || !ret->month || !ret->week)
			return false;
	} else {
		if (str_take(s, 'J'))
			ret->kind = DATE_JULIAN;
		if (!take_number(s, 365, &ret->day) || (ret->kind == DATE_JULIAN && !ret->day))
			return false;
	}
	return !str_take(s, '/') || take_time(s, &ret->time);
}

static bool
parse_rule(const char *s, struct zone *z)
{
	int32_t west;

	if (!take_name(&s) || !take_time(&s, &west))
		return false;
	z->has_rule = true;
	z->standard = -west;
	if (!*s)
		return true;
	if (!take_name(&s))
		return false;
	z->has_summer = true;
	z->summer = z->standard + 3600;
	if (*s != ',') {
		if (!take_time(&s, &west))
			return false;
		z->summer = -west;
	}
	return take_date(&s, &z->begins) && take_date(&s, &z->ends) && !*s;
}

/* Seconds of local time, as if it were UTC. */
static int64_t
local_of_date(const struct rule_date *d, int64_t year)
{
	int64_t day;

	if (d->kind == DATE_MONTH) {
		int64_t first = days_of_date(year, d->month, 1);
		unsigned weekday = (unsigned)(((first + 4) % 7 + 7) % 7);

		day = first + (d->day + 7 - weekday) % 7 + (d->week - 1) * 7;
		if (day >= first + days_of_month(year, d->month))
			day -= 7;
	} else {
		/* The 29th of February is not counted by J. */
		day = days_of_date(year, 1, 1) + d->day - (d->kind == DATE_JULIAN);
		if (d->kind == DATE_JULIAN && is_leap(year) && d->day >= 60)
			day++;
	}
	return day * DAY + d->time;
}

/* What holds at t by the rule alone. */
static struct zone_span
span_by_rule(const struct zone *z, int64_t t)
{
	struct zone_span s = { INT64_MIN, INT64_MAX, z->standard, z->standard };
	int64_t year = year_at(t);

	if (!z->has_summer)
		return s;
	for (int64_t y = year - 1; y <= year + 1; y++) {
		const int64_t at[] = { local_of_date(&z->begins, y) - z->standard, local_of_date(&z->ends, y) - z->summer };

		for (unsigned i = 0; i < 2; i++) {
			if (at[i] <= t && at[i] >= s.start) {
				s.start = at[i];
				s.offset = i == 0 ? z->summer : z->standard;
				s.before = i == 0 ? z->standard : z->summer;
			} else if (at[i] > t && at[i] < s.end) {
				s.end = at[i];
			}
		}
	}
	return s;
}

/* ---- Files --------------------------------------------------------------------------- */

static int64_t
get_be(const uint8_t *p, unsigned n)
{
	uint64_t v = n == 4 && (p[0] & 0x80) ? UINT64_MAX : 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct counts {
	size_t utc, standard, leaps, times, types, chars;
};

static bool
get_counts(const uint8_t *p, size_t n, struct counts *ret)
{
	if (n < HEADER || memcmp(p, "TZif", 4) != 0)
		return false;
	*ret = (struct counts){
		.utc = (size_t)get_be(p + 20, 4), .standard = (size_t)get_be(p + 24, 4), .leaps = (size_t)get_be(p + 28, 4),
		.times = (size_t)get_be(p + 32, 4), .types = (size_t)get_be(p + 36, 4), .chars = (size_t)get_be(p + 40, 4),
	};
	return ret->utc <= 256 && ret->standard <= 256 && ret->leaps <= 1000 && ret->times <= TRANSITIONS_MAX && ret->types >= 1 &&
	    ret->types <= 256 && ret->chars <= 10000;
}

static size_t
block_size(const struct counts *c, size_t time_size)
{
	return c->times * (time_size + 1) + c->types * 6 + c->chars + c->leaps * (time_size + 4) + c->standard + c->utc;
}

static bool
read_block(const uint8_t *p, const struct counts *c, struct zone *z)
{
	const uint8_t *kinds = p + c->times * 8, *types = kinds + c->times;

	z->n = c->times;
	z->at = xcalloc(z->n + 1, sizeof z->at[0]);
	z->offsets = xcalloc(z->n + 1, sizeof z->offsets[0]);
	z->first = (int32_t)get_be(types, 4);
	for (size_t i = 0; i < z->n; i++) {
		z->at[i] = get_be(p + i * 8, 8);
		if (kinds[i] >= c->types || (i && z->at[i] <= z->at[i - 1]))
			return false;
		z->offsets[i] = (int32_t)get_be(types + (size_t)kinds[i] * 6, 4);
	}
	for (size_t i = 0; i < c->types; i++)
		if (llabs(get_be(types + i * 6, 4)) > 26 * 3600)
			return false;
	return true;
}

/* Version 2 and later: behind the block of old is one with 64 bits a time, and then
 * the rule in a line of its own. */
static bool
read_file(const uint8_t *p, size_t n, struct zone *z)
{
	AUTO_FREE char *rule = NULL;
	struct counts c;
	size_t size;

	if (!get_counts(p, n, &c) || p[4] < '2' || n - HEADER < block_size(&c, 4))
		return false;
	size = HEADER + block_size(&c, 4);
	p += size;
	n -= size;
	if (!get_counts(p, n, &c) || n - HEADER < block_size(&c, 8) || !read_block(p + HEADER, &c, z))
		return false;
	size = HEADER + block_size(&c, 8);
	p += size;
	n -= size;
	if (n < 2 || p[0] != '\n' || !memchr(p + 1, '\n', n - 1))
		return false;
	rule = xstrndup((const char *)p + 1, (size_t)((const uint8_t *)memchr(p + 1, '\n', n - 1) - p - 1));
	return !*rule || parse_rule(rule, z);
}

/* ---- Life ---------------------------------------------------------------------------- */

int
zone_parse(const void *data, size_t n, struct zone **ret)
{
	AUTO_ZONE struct zone *z = NEW(struct zone);

	if (!read_file(data, n, z))
		return -EINVAL;
	*ret = TAKE_PTR(z);
	return 0;
}

int
zone_parse_rule(const char *rule, struct zone **ret)
{
	AUTO_ZONE struct zone *z = NEW(struct zone);

	if (!parse_rule(rule, z))
		return -EINVAL;
	*ret = TAKE_PTR(z);
	return 0;
}

void
zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->at);
	free(z->offsets);
	free(z);
}

bool
zone_name_is_valid(const char *name)
{
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";

	return *name && *name != '/' && strlen(name) <= ZONE_NAME_MAX && !name[strspn(name, all)] && !strstr(name, "//");
}

static int
read_zone(const char *path, struct zone **ret)
{
	AUTO_BUF struct buf b = { 0 };
	const char *why;
	int r = file_read(path, FILE_MAX, &b, NULL, &why);

	return r < 0 ? r : zone_parse(buf_bytes(&b), buf_len(&b), ret);
}

static int
read_named(const char *name, struct zone **ret)
{
	AUTO_FREE char *path = xasprintf("/usr/share/zoneinfo/%s", name);
	int r = zone_name_is_valid(name) ? read_zone(path, ret) : -EINVAL;

	if (r < 0 && text_equal(name, "UTC")) /* that one needs no database */
		r = zone_parse_rule("UTC0", ret);
	return r;
}

/* What $TZ may be: a name, a file, a rule; each perhaps behind a colon. */
static int
read_local(struct zone **ret)
{
	const char *tz = getenv("TZ");

	if (!tz)
		return read_zone("/etc/localtime", ret);
	tz += *tz == ':';
	if (*tz == '/')
		return read_zone(tz, ret);
	return read_named(tz, ret) == 0 ? 0 : zone_parse_rule(tz, ret);
}

int
zone_new(const char *name, struct zone **ret)
{
	if (name)
		return read_named(name, ret);
	return read_local(ret) == 0 ? 0 : zone_parse_rule("UTC0", ret);
}

/* ---- Asking ------------------------------------------------------------------------------ */

struct zone_span
zone_span_at(const struct zone *z, int64_t t)
{
	size_t low = 0, high = z->n; /* the first instant behind t */
	struct zone_span s, rule;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->at[middle] <= t)
			low = middle + 1;
		else
			high = middle;
	}
	s = (struct zone_span){
		.start = low ? z->at[low - 1] : INT64_MIN,
		.end = low < z->n ? z->at[low] : INT64_MAX,
		.offset = low ? z->offsets[low - 1] : z->first,
		.before = low > 1 ? z->offsets[low - 2] : z->first,
	};
	if (low < z->n || !z->has_rule)
		return s;
	rule = span_by_rule(z, t);
	if (rule.start > s.start)
		return rule;
	s.end = rule.end;
	s.offset = rule.offset;
	return s;
}

int64_t
zone_to_utc(const struct zone *z, int64_t local)
{
	/* No offset is larger than a day or so: it is in this span or in one behind. */
	int64_t t = local - 2 * DAY;

	for (;;) {
		struct zone_span s = zone_span_at(z, t);

		/* It was skipped when this span began. */
		if (s.start != INT64_MIN && local < s.start + s.offset)
			return s.start;
		if (s.end == INT64_MAX || local < s.end + s.offset)
			return local - s.offset;
		t = s.end;
	}
}
