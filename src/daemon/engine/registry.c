/* All jobs; see registry.h. */
#include "daemon/engine/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/download.h"

static const char *
name_of(const struct entry *en)
{
	return spec_string(en->job.spec, JOB_NAME);
}

static bool
entry_has_name(const void *item, const void *key)
{
	return strcmp(name_of(item), key) == 0;
}

void
registry_init(struct registry *r)
{
	*r = (struct registry){ 0 };
	map_init(&r->by_name, entry_has_name);
}

void
registry_done(struct registry *r)
{
	free(r->slots);
	map_done(&r->by_name);
}

/* The first slot whose id is greater. */
static size_t
place_after(const struct registry *r, uint64_t id)
{
	size_t low = 0, high = r->n_slots;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->slots[middle].id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t
registry_reserve(struct registry *r, uint64_t n)
{
	r->last_id += n;
	return r->last_id - n + 1;
}

void
registry_add(struct registry *r, struct entry *en, uint64_t id, struct spec *spec)
{
	size_t at;

	job_init(&en->job, id, spec);
	r->last_id = MAX(r->last_id, id);
	if (r->n_slots == r->size) {
		r->size = r->size ? r->size * 2 : 64;
		r->slots = xrealloc(r->slots, r->size * sizeof r->slots[0]);
	}
	/* Nearly always the end: what was reserved comes a little later. */
	at = place_after(r, id);
	memmove(r->slots + at + 1, r->slots + at, (r->n_slots - at) * sizeof r->slots[0]);
	r->slots[at] = (struct registry_slot){ id, en };
	r->n_slots++;
	r->n++;
	r->counts[en->job.state]++;
	if (name_of(en)) {
		map_add(&r->by_name, hash_str(name_of(en)), en);
		en->named = true;
	}
}

void
registry_drop_name(struct registry *r, struct entry *en)
{
	if (en->named)
		(void)map_remove(&r->by_name, hash_str(name_of(en)), name_of(en));
	en->named = false;
}

static void
close_gaps(struct registry *r)
{
	size_t to = 0;

	for (size_t i = 0; i < r->n_slots; i++)
		if (r->slots[i].entry)
			r->slots[to++] = r->slots[i];
	r->n_slots = to;
}

void
registry_remove(struct registry *r, struct entry *en)
{
	registry_drop_name(r, en);
	r->slots[place_after(r, en->job.id) - 1].entry = NULL;
	r->n--;
	r->counts[en->job.state]--;
	/* Each gap is paid for by a job that was there. */
	if (r->n_slots > 64 && r->n < r->n_slots / 2)
		close_gaps(r);
}

struct entry *
registry_find(const struct registry *r, uint64_t id)
{
	size_t at = place_after(r, id);

	return at && r->slots[at - 1].id == id ? r->slots[at - 1].entry : NULL;
}

struct entry *
registry_find_name(const struct registry *r, const char *name)
{
	return map_find(&r->by_name, hash_str(name), name);
}

struct entry *
registry_next(const struct registry *r, uint64_t id)
{
	for (size_t i = place_after(r, id); i < r->n_slots; i++)
		if (r->slots[i].entry)
			return r->slots[i].entry;
	return NULL;
}

void
registry_set_state(struct registry *r, struct entry *en, enum job_state to)
{
	r->counts[en->job.state]--;
	job_set_state(&en->job, to);
	r->counts[to]++;
}

void
registry_restore_state(struct registry *r, struct entry *en, enum job_state over)
{
	/* Done comes behind active only, in the table. */
	if (over == JOB_DONE)
		registry_set_state(r, en, JOB_ACTIVE);
	registry_set_state(r, en, over);
}
