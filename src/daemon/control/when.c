/* Moments, as people write them. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "daemon/control/internal.h"

/* n digits, which come off the front. */
static bool
take_number(const char **s, unsigned n, int *ret)
{
	uint64_t v;

	if (strspn(*s, "0123456789") < n || parse_u64_n(*s, n, 10, &v) < 0)
		return false;
	*ret = (int)v;
	*s += n;
	return true;
}

static bool
take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* "10:00", "10:00:30", "10:00:30.5" */
static bool
take_time(const char **s, struct tm *tm)
{
	if (!take_number(s, 2, &tm->tm_hour) || !take_char(s, ':') || !take_number(s, 2, &tm->tm_min))
		return false;
	if (take_char(s, ':') && !take_number(s, 2, &tm->tm_sec))
		return false;
	if (take_char(s, '.')) {
		size_t n = strspn(*s, "0123456789");

		*s += n;
		if (!n)
			return false;
	}
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* Seconds east of Greenwich. */
static bool
take_offset(const char **s, int *ret)
{
	int sign, hours, minutes;

	*ret = 0;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if ((!take_char(s, '+') && !take_char(s, '-')) || !take_number(s, 2, &hours) || !take_char(s, ':') ||
	    !take_number(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* RFC 3339, section 5.6; without an offset, the system's zone; without a time, the
 * beginning of the day. */
static int
parse_date(const char *s, int64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 }, day;
	int offset = 0;
	bool zoned = false;

	if (!take_number(&s, 4, &tm.tm_year) || !take_char(&s, '-') || !take_number(&s, 2, &tm.tm_mon) ||
	    !take_char(&s, '-') || !take_number(&s, 2, &tm.tm_mday))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	day = tm;
	(void)timegm(&day);
	if (day.tm_mday != tm.tm_mday || day.tm_mon != tm.tm_mon)
		return -EINVAL; /* no such day */
	if (take_char(&s, 'T') || take_char(&s, 't') || take_char(&s, ' ')) {
		if (!take_time(&s, &tm))
			return -EINVAL;
		zoned = *s;
		if (zoned && !take_offset(&s, &offset))
			return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	*ret = (int64_t)(zoned ? timegm(&tm) : mktime(&tm)) - offset;
	return 0;
}

int
when_parse(const char *text, int64_t now_s, int64_t *ret_s)
{
	uint64_t v;

	/* Digits alone are a moment: "30" would be a rare wish for half a minute. */
	if (parse_u64(text, &v) == 0) {
		*ret_s = (int64_t)MIN(v, (uint64_t)STORE_TIME_MAX);
		return v > (uint64_t)STORE_TIME_MAX ? -EINVAL : 0;
	}
	if (parse_duration(text, &v) == 0) {
		*ret_s = now_s - (int64_t)MIN(v / 1000, (uint64_t)STORE_TIME_MAX);
		return 0;
	}
	return parse_date(text, ret_s);
}
