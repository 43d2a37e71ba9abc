/* Named events; see events.h. */
#include "daemon/engine/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/order_internal.h"
#include "model/values.h"

static bool
event_has_name(const void *item, const void *key)
{
	return strcmp(item, key) == 0;
}

void
named_events_init(struct orders *o)
{
	map_init(&o->events, event_has_name);
}

void
named_events_done(struct orders *o)
{
	size_t cursor = 0;
	void *one;

	while ((one = map_next(&o->events, &cursor)))
		free(one);
	map_done(&o->events);
}

bool
event_is_set(const struct orders *o, const char *name)
{
	return o->events.len && map_find(&o->events, hash_str(name), name);
}

static void
tell(struct engine *e, const char *name, bool set)
{
	AUTO_FREE char *key = xasprintf(VALUE_EVENT "%s", name);

	note_put(e, key, "1", set);
	order_set_event(e->orders, key, set);
	engine_tell_event(e, "event", name, set ? "set" : "cleared");
}

bool
event_set(struct engine *e, const char *name)
{
	struct orders *o = e->orders;

	if (event_is_set(o, name))
		return true;
	if (o->events.len >= EVENTS_SET_MAX)
		return false;
	map_add(&o->events, hash_str(name), xstrdup(name));
	tell(e, name, true);
	return true;
}

void
event_clear(struct engine *e, const char *name)
{
	AUTO_FREE char *was = map_remove(&e->orders->events, hash_str(name), name);

	if (was)
		tell(e, name, false);
}

void
order_restore_event(struct engine *e, const char *name, const void *data UNUSED, size_t n)
{
	struct orders *o = e->orders;

	/* A database may have been in other hands. */
	if (n && !value_refuse_name(name) && !event_is_set(o, name) && o->events.len < EVENTS_SET_MAX)
		map_add(&o->events, hash_str(name), xstrdup(name));
}

static bool
count(const struct list *edges, struct event_view *v, unsigned *looks)
{
	const struct edge *x;

	LIST_FOREACH(x, edges, struct edge, link) {
		if (!*looks)
			return false;
		(*looks)--;
		v->waiting++;
		if (v->n_first < sizeof v->first / sizeof v->first[0])
			v->first[v->n_first++] = x->order->plan->entry->job.id;
	}
	return true;
}

static bool
is_awaited(const struct orders *o, const char *name)
{
	AUTO_FREE char *key = xasprintf(VALUE_EVENT "%s", name);

	return map_find(&o->targets, hash_str(key), key);
}

bool
events_each(const struct engine *e, void (*cb)(const struct event_view *v, void *arg), void *arg)
{
	const struct orders *o = e->orders;
	unsigned told = 0, looks = EVENTS_LOOKS_MAX;
	const struct target *t;
	const char *name;
	size_t cursor = 0;
	bool all = true;

	LIST_FOREACH(t, &o->awaited, struct target, look) {
		struct event_view v = { .name = t->key + strlen(VALUE_EVENT) };

		if (told++ == EVENTS_TOLD_MAX)
			return false;
		v.set = event_is_set(o, v.name);
		all &= count(&t->waiting, &v, &looks) && count(&t->told, &v, &looks);
		cb(&v, arg);
	}
	while ((name = map_next(&o->events, &cursor))) {
		struct event_view v = { .name = name, .set = true };

		if (is_awaited(o, name))
			continue;
		if (told++ == EVENTS_TOLD_MAX)
			return false;
		cb(&v, arg);
	}
	return all;
}
