/* Which jobs a request means by what they are: for `list`, and for `set` of many. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "model/moment.h"

/* The states that a list is to show, as bits; false after the answer. */
static bool
get_states(struct call *c, unsigned *ret)
{
	const json_t *list = json_object_get(c->params, "state"), *one;
	unsigned bits = 0;
	size_t i;

	*ret = ~0U;
	if (!list)
		return true;
	json_array_foreach(list, i, one) {
		unsigned s = 0;

		while (s < _JOB_STATE_MAX && json_is_string(one) &&
		    strcmp(job_state_to_string((enum job_state)s), json_string_value(one)) != 0)
			s++;
		if (!json_is_string(one) || s == _JOB_STATE_MAX) {
			bits = 0;
			break;
		}
		bits |= 1U << s;
	}
	if (!bits)
		call_fail(c, RPC_INVALID_PARAMS,
		    "state is an array of these: queued blocked active paused done failed cancelled");
	*ret = bits;
	return bits;
}

static bool
get_pattern(struct call *c, const char *name, const char **ret)
{
	const json_t *v = json_object_get(c->params, name);

	*ret = json_string_value(v); /* NULL of what is no string */
	if (!v || (*ret && json_string_length(v) <= PATTERN_MAX))
		return true;
	call_fail(c, RPC_INVALID_PARAMS, "%s is a string of at most %d bytes", name, PATTERN_MAX);
	return false;
}

static bool
get_when(struct call *c, const char *name, int64_t *ret)
{
	const json_t *v = json_object_get(c->params, name);
	AUTO_FREE char *why = NULL;

	if (!v)
		return true;
	if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= STORE_TIME_MAX) {
		*ret = json_integer_value(v);
		return true;
	}
	if (json_is_string(v) && moment_parse(json_string_value(v), MOMENT_PAST, clock_wall_s(), ret, &why) == 0)
		return true;
	if (json_is_string(v)) {
		char safe[80];

		call_fail(c, RPC_INVALID_PARAMS, "%s is \"%s\": it must be a time, such as \"2d\" (ago), \"2026-11-22\" or "
		    "\"2026-11-22T10:00:00Z\"", name, str_safe(safe, sizeof safe, json_string_value(v), json_string_length(v)));
	} else {
		call_fail(c, RPC_INVALID_PARAMS, "%s is a time: \"2d\" (ago), \"2026-11-22\", \"2026-11-22T10:00:00Z\", or seconds "
		    "since 1970, a number", name);
	}
	return false;
}

bool
call_filter(struct call *c, struct filter *ret)
{
	*ret = FILTER_ALL;
	return get_states(c, &ret->states) && get_when(c, "since", &ret->since_s) && get_when(c, "until", &ret->until_s) &&
	    get_pattern(c, "group", &ret->group) && get_pattern(c, "name", &ret->name) &&
	    get_pattern(c, "output", &ret->output) && get_pattern(c, "url", &ret->url);
}
