/* Pages of jobs; see pages.h. */
#include "ctl/pages.h"

#include <stdint.h>

#include "ctl/client.h"
#include "ctl/filters.h"

/* after: what the last page gave as next; NULL: the first one. */
static json_t *
params_of(const struct ctl *c, const json_t *more, bool by_end, json_t *after, uint64_t want)
{
	json_t *p = json_pack("{s:I}", "limit", (json_int_t)want);

	if (more)
		(void)json_object_update(p, (json_t *)(uintptr_t)more);
	if (by_end)
		(void)json_object_set_new(p, "order", json_string("ended"));
	else if (!after)
		(void)json_object_set_new(p, "after", json_integer(0));
	if (after)
		(void)json_object_set(p, "after", after);
	filters_put(&c->args, p);
	if (!json_object_get(p, "state"))
		filters_put_states(&c->args, p);
	return p;
}

/* A page that says so itself must not be asked for for ever. */
static bool
goes_on(const json_t *next, const json_t *after)
{
	if (json_is_integer(next))
		return json_integer_value(next) > json_integer_value(after);
	return json_is_string(next) && !json_equal(next, after);
}

int
pages_read(struct ctl *c, const json_t *more, bool by_end, uint64_t limit, pages_cb cb, void *arg)
{
	AUTO_JSON json_t *after = NULL;
	uint64_t taken = 0;

	for (;;) {
		uint64_t want = limit ? MIN(limit - taken, (uint64_t)CLIENT_JOBS_MAX) : CLIENT_JOBS_MAX;
		AUTO_JSON json_t *page = NULL;
		json_t *job, *next;
		size_t i;
		int r = ctl_call(c, "list", params_of(c, more, by_end, after, want), &page);

		if (r != CTL_OK)
			return r;
		json_array_foreach(json_object_get(page, "jobs"), i, job) {
			taken += cb(c, job, arg);
			if (limit && taken >= limit)
				return CTL_OK;
		}
		next = json_object_get(page, "next");
		if (!goes_on(next, after))
			return CTL_OK;
		json_decref(after);
		after = json_incref(next);
	}
}
