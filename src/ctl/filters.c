/* Filters; see filters.h. */
#include "ctl/filters.h"

#include <string.h>

const char *
filters_get(const struct args *a, enum option_id id)
{
	return a->filters[id - OPTION_SINCE];
}

bool
filters_are_given(const struct args *a)
{
	bool given = a->state != NULL;

	for (enum option_id id = OPTION_SINCE; id <= OPTION_URL; id++)
		given |= filters_get(a, id) != NULL;
	return given;
}

bool
filters_take_state(const struct args *a, const char *state)
{
	size_t len = strlen(state);

	for (const char *at = a->state; at && *at;) {
		size_t n = strcspn(at, ",");

		if (n == len && memcmp(at, state, n) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return !a->state;
}

void
filters_put(const struct args *a, json_t *params)
{
	static const struct {
		enum option_id id;
		const char *name;
	} names[] = { { OPTION_SINCE, "since" }, { OPTION_UNTIL, "until" }, { OPTION_GROUP, "group" },
		{ OPTION_NAME, "name" }, { OPTION_LIST_OUTPUT, "output" }, { OPTION_URL, "url" } };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (filters_get(a, names[i].id))
			(void)json_object_set_new(params, names[i].name, json_string(filters_get(a, names[i].id)));
}

void
filters_put_states(const struct args *a, json_t *params)
{
	json_t *states;

	if (!a->state)
		return;
	states = json_array();
	for (const char *at = a->state; *at;) {
		size_t n = strcspn(at, ",");

		(void)json_array_append_new(states, json_stringn(at, n));
		at += n + (at[n] == ',');
	}
	(void)json_object_set_new(params, "state", states);
}
