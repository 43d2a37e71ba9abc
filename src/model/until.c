/* Durations or moments; see until.h. */
#include "model/until.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/moment.h"

struct until
until_of(const char *text, int64_t from_s)
{
	struct until u = { .kind = UNTIL_NONE };
	AUTO_FREE char *why = NULL;

	if (!text)
		return u;
	if (parse_duration(text, &u.after_ms) == 0)
		u.kind = u.after_ms ? UNTIL_AFTER : UNTIL_NONE;
	else if (moment_parse(text, MOMENT_FUTURE, from_s, &u.at_s, &why) == 0)
		u.kind = UNTIL_AT;
	return u; /* else the zone has gone, or it is of another hauld: none */
}

static char *
refuse(const struct setting *row, const char *text)
{
	AUTO_FREE char *want = setting_wanted(row);
	char safe[80];

	return xasprintf("is \"%s\": it must be %s", str_safe(safe, sizeof safe, text, strlen(text)), want);
}

/* One form for what is the same, so that a reload sees no change. */
static char *
canonical(uint64_t ms)
{
	char text[40];

	return xstrdup(ms ? format_duration_exact(text, sizeof text, ms) : "0");
}

int
until_parse(const struct setting *row, const char *text, int64_t now_s, char **ret, char **ret_why)
{
	bool zoned = has_prefix(text, "TZ=");
	char safe[80];
	uint64_t ms;
	int64_t at_s;
	int r = parse_duration(text, &ms);

	if (r == 0 && ms <= (uint64_t)row->max) {
		*ret = canonical(ms);
		return 0;
	}
	if (r == 0 || r == -ERANGE) {
		*ret_why = xstrdup("must be from 0 to 366d");
		return -EINVAL;
	}
	if (moment_parse(text, MOMENT_FUTURE, now_s == INT64_MIN ? clock_wall_s() : now_s, &at_s, ret_why) < 0) {
		if (!zoned) { /* which has better reasons */
			free(*ret_why);
			*ret_why = refuse(row, text);
		}
		return -EINVAL;
	}
	if (now_s != INT64_MIN && at_s <= now_s) {
		*ret_why = xasprintf("is \"%s\", which has passed", str_safe(safe, sizeof safe, text, strlen(text)));
		return -EINVAL;
	}
	*ret = xstrdup(text);
	return 0;
}

int
until_of_number(const struct setting *row, int64_t n, char **ret, char **ret_why)
{
	AUTO_FREE char *text = n < 0 ? NULL : xasprintf("%lld", (long long)n);

	if (text)
		return until_parse(row, text, INT64_MIN, ret, ret_why);
	*ret_why = xstrdup("must not be negative");
	return -EINVAL;
}
