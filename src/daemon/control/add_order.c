/*
 * What the jobs of a request come after: jobs that are there, jobs of the same
 * request by their names, and no cycle among those.  Jobs that are there cannot
 * wait for new ones, so no other cycle can be.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "model/cycle.h"
#include "model/values.h"

struct node {
	const char *name; /* borrowed from its spec; NULL: none */
	const struct spec *spec;
};

struct nodes {
	struct node *nodes; /* owned */
	struct map by_name;
};

static bool
node_has_name(const void *item, const void *key)
{
	return strcmp(((const struct node *)item)->name, key) == 0;
}

/* The i-th of after and after-failed; NULL behind the last. */
static const char *
awaited(const struct spec *s, unsigned i, const char **ret_key)
{
	unsigned n = spec_list_len(s, JOB_AFTER);

	*ret_key = i < n ? "after" : "after-failed";
	return i < n ? spec_list(s, JOB_AFTER, i) : spec_list(s, JOB_AFTER_FAILED, i - n);
}

static bool
is_there(const struct call *c, const char *one)
{
	uint64_t id;

	if (value_is_event(one))
		return true;
	if (parse_u64(one, &id) == 0)
		return call_job(c, id);
	return archive_find_name(c->control->archive, one) || control_is_adding(c->control, one);
}

/* False after the answer. */
static bool
all_are_there(struct call *c, const struct nodes *all, size_t n)
{
	const char *one, *key;

	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; (one = awaited(all->nodes[i].spec, k, &key)); k++) {
			if (map_find(&all->by_name, hash_str(one), one) || is_there(c, one))
				continue;
			AUTO_FREE char *which = n > 1 ? xasprintf("jobs[%zu]: ", i) : xstrdup("");

			call_fail(c, RPC_NO_JOB, "%s%s \"%s\" names no job: there is none of that %s%s", which, key, one,
			    *one >= '0' && *one <= '9' ? "id" : "name", n > 1 ? ", here or in this request" : "");
			return false;
		}
	return true;
}

static bool
next_of(size_t node, unsigned i, size_t *ret, void *arg)
{
	const struct nodes *all = arg;
	const char *key, *one = awaited(all->nodes[node].spec, i, &key);
	const struct node *to = one ? map_find(&all->by_name, hash_str(one), one) : NULL;

	*ret = to ? (size_t)(to - all->nodes) : CYCLE_NONE;
	return one;
}

static const char *
name_of(size_t node, void *arg)
{
	return ((const struct nodes *)arg)->nodes[node].name;
}

bool
add_check_order(struct call *c, struct spec *const *specs, size_t n)
{
	struct nodes all = { .nodes = xcalloc(n, sizeof(struct node)) };
	AUTO_FREE size_t *cycle = NULL;
	AUTO_FREE char *text = NULL;
	bool any = false, good;
	size_t len;

	map_init(&all.by_name, node_has_name);
	for (size_t i = 0; i < n; i++) {
		const char *name = spec_string(specs[i], JOB_NAME);

		all.nodes[i] = (struct node){ name, specs[i] };
		any |= spec_has(specs[i], JOB_AFTER) || spec_has(specs[i], JOB_AFTER_FAILED);
		if (name)
			map_add(&all.by_name, hash_str(name), &all.nodes[i]);
	}
	good = !any || all_are_there(c, &all, n);
	cycle = any && good ? cycle_find(n, next_of, &all, &len) : NULL;
	if (cycle) {
		text = cycle_text(cycle, len, name_of, &all);
		call_fail(c, RPC_INVALID_PARAMS, "these jobs would wait for each other, so that none could start: %s", text);
		good = false;
	}
	map_done(&all.by_name);
	free(all.nodes);
	return good;
}

/* ---- Ids of jobs that have left the memory ------------------------------------------ */

static size_t
note_past(const struct call *c, const json_t *value, uint64_t *ids, size_t n)
{
	size_t i;
	const json_t *one;
	uint64_t id;

	if (json_is_string(value) && n < JOBS_PER_CALL && parse_u64(json_string_value(value), &id) == 0 &&
	    call_may_be_past(c, id))
		ids[n++] = id;
	json_array_foreach(value, i, one)
		if (!json_is_array(one))
			n = note_past(c, one, ids, n);
	return n;
}

bool
add_look_up(struct call *c, const json_t *one, const json_t *many)
{
	AUTO_FREE uint64_t *ids = xcalloc(JOBS_PER_CALL, sizeof ids[0]);
	size_t n_ids = 0, n = one ? 1 : json_array_size(many);

	for (size_t i = 0; i < n; i++) {
		const json_t *job = one ? one : json_array_get(many, i);

		n_ids = note_past(c, json_object_get(job, "after"), ids, n_ids);
		n_ids = note_past(c, json_object_get(job, "after-failed"), ids, n_ids);
	}
	if (!n_ids)
		return false;
	call_look_up(c, ids, n_ids);
	return true;
}
