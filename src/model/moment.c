/* Moments; see moment.h. */
#include "model/moment.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/calendar.h"

enum { DAY = 86400 };

/* n digits, which come off the front. */
static bool
take_number(const char **s, unsigned n, unsigned *ret)
{
	uint64_t v;

	if (strspn(*s, "0123456789") < n || parse_u64_n(*s, n, 10, &v) < 0)
		return false;
	*ret = (unsigned)v;
	*s += n;
	return true;
}

/* "10:00", "10:00:30", "10:00:30.5": seconds of the day. */
static bool
take_time(const char **s, int64_t *ret)
{
	unsigned hour, minute, second = 0;

	if (!take_number(s, 2, &hour) || !str_take(s, ':') || !take_number(s, 2, &minute))
		return false;
	if (str_take(s, ':') && !take_number(s, 2, &second))
		return false;
	if (str_take(s, '.')) {
		size_t n = strspn(*s, "0123456789");

		*s += n;
		if (!n)
			return false;
	}
	*ret = hour * 3600 + minute * 60 + second;
	return hour <= 23 && minute <= 59 && second <= 60;
}

/* Seconds east of Greenwich. */
static bool
take_offset(const char **s, int64_t *ret)
{
	unsigned hours, minutes;
	int sign;

	*ret = 0;
	if (str_take(s, 'Z') || str_take(s, 'z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if ((!str_take(s, '+') && !str_take(s, '-')) || !take_number(s, 2, &hours) || !str_take(s, ':') ||
	    !take_number(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret = sign * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

/* RFC 3339, section 5.6; without an offset, in the zone; without a time, the beginning
 * of the day. */
static bool
parse_date(const char *s, const struct zone *z, int64_t *ret)
{
	unsigned year, month, day;
	int64_t offset = 0, time = 0, local;
	bool zoned = false;

	if (!take_number(&s, 4, &year) || !str_take(&s, '-') || !take_number(&s, 2, &month) || !str_take(&s, '-') ||
	    !take_number(&s, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month))
		return false;
	if (str_take(&s, 'T') || str_take(&s, 't') || str_take(&s, ' ')) {
		if (!take_time(&s, &time))
			return false;
		zoned = *s;
		if (zoned && !take_offset(&s, &offset))
			return false;
	}
	if (*s)
		return false;
	local = days_of_date(year, month, day) * DAY + time;
	*ret = zoned ? local - offset : zone_to_utc(z, local);
	return true;
}

/* "02:00" */
static bool
parse_time(const char *s, const struct zone *z, enum moment_side side, int64_t now, int64_t *ret)
{
	int64_t time, local = now + zone_span_at(z, now).offset, today = local - ((local % DAY) + DAY) % DAY;

	if (!take_time(&s, &time) || *s)
		return false;
	for (int i = -1; i <= 2; i++) {
		int64_t t = zone_to_utc(z, today + (side == MOMENT_FUTURE ? i : 1 - i) * DAY + time);

		*ret = t;
		if (side == MOMENT_FUTURE ? t > now : t <= now)
			return true;
	}
	return true;
}

static int
refuse(const char *text, char **ret_why)
{
	char safe[60];

	*ret_why = xasprintf("is \"%s\": it must be a time, such as \"2026-11-23 02:00\", \"02:00\" or \"2026-11-23T02:00:00Z\"",
	    str_safe(safe, sizeof safe, text, strlen(text)));
	return -EINVAL;
}

int
moment_parse(const char *text, enum moment_side side, int64_t now_s, int64_t *ret_s, char **ret_why)
{
	char name[ZONE_NAME_MAX + 1];
	AUTO_ZONE struct zone *z = NULL;
	const char *s;
	uint64_t v;

	/* Digits alone are a moment: "30" would be a rare wish for half a minute. */
	if (parse_u64(text, &v) == 0) {
		if (v > (uint64_t)MOMENT_MAX)
			return refuse(text, ret_why);
		*ret_s = (int64_t)v;
		return 0;
	}
	if (parse_duration(text, &v) == 0) {
		int64_t s_away = (int64_t)MIN(v / 1000, (uint64_t)MOMENT_MAX);

		*ret_s = side == MOMENT_PAST ? now_s - s_away : MIN(now_s + s_away, MOMENT_MAX);
		return 0;
	}
	s = calendar_take_zone(text, name, ret_why);
	if (!s)
		return -EINVAL;
	if (zone_new(*name ? name : NULL, &z) < 0) {
		*ret_why = xasprintf("has the time zone \"%s\", which this system does not have", name);
		return -EINVAL;
	}
	if (!parse_date(s, z, ret_s) && !parse_time(s, z, side, now_s, ret_s))
		return refuse(text, ret_why);
	return 0;
}
