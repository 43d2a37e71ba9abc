/* Jobs that have passed what they waited for: a later life does not let them wait again,
 * whatever has changed since.  A note "passed:ID" as long as such a job is not over. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/order_internal.h"

struct passed {
	uint64_t id;
};

static bool
passed_has_id(const void *item, const void *key)
{
	return ((const struct passed *)item)->id == *(const uint64_t *)key;
}

void
passed_init(struct orders *o)
{
	map_init(&o->passed, passed_has_id);
}

static void
note(struct engine *e, uint64_t id, bool passed)
{
	AUTO_FREE char *key = xasprintf("passed:%llu", (unsigned long long)id);

	note_put(e, key, "1", passed);
}

void
order_pass(struct plan *p)
{
	struct entry *en = p->entry;

	if (p->order && !p->passed_noted)
		note(en->engine, en->job.id, true);
	p->passed_noted |= p->order != NULL;
	order_free(p);
}

void
order_forget_passed(struct plan *p)
{
	if (p->passed_noted && p->entry->job.result->code != RESULT_INTERRUPTED) {
		note(p->entry->engine, p->entry->job.id, false);
		p->passed_noted = false;
	}
}

void
order_restore_passed(struct engine *e, const char *rest, const void *data UNUSED, size_t n)
{
	struct orders *o = e->orders;
	struct passed *one;
	uint64_t id;

	if (!n || parse_u64(rest, &id) < 0 || map_find(&o->passed, hash_u64(id), &id))
		return;
	one = NEW(struct passed);
	one->id = id;
	map_add(&o->passed, hash_u64(id), one);
}

void
order_restore(struct entry *en)
{
	struct orders *o = en->engine->orders;
	AUTO_FREE struct passed *one = o->passed.len ? map_remove(&o->passed, hash_u64(en->job.id), &en->job.id) : NULL;

	if (one)
		plan_get(en)->passed_noted = true;
	else
		order_attach(en, true);
}

void
orders_restored(struct engine *e)
{
	struct orders *o = e->orders;
	struct passed *one;
	size_t cursor = 0;

	/* Its job is over, or never came to the store. */
	while ((one = map_next(&o->passed, &cursor)))
		note(e, one->id, false);
	passed_done(o);
	passed_init(o);
}

void
passed_done(struct orders *o)
{
	struct passed *one;
	size_t cursor = 0;

	while ((one = map_next(&o->passed, &cursor)))
		free(one);
	map_done(&o->passed);
}
