/* Who waits for the word that all is durable; see store.h. */
#include <assert.h>

#include "base/mem.h"
#include "daemon/store/store_internal.h"

/* Durable comes before failed: what was committed stays so. */
static bool
take_due(struct store *s)
{
	struct store_wait *w;

	if (list_empty(&s->waits))
		return false;
	w = LIST_FIRST(&s->waits, struct store_wait, link);
	if (w->seq > s->committed && !s->failed)
		return false;
	w->failed = w->seq > s->committed;
	list_remove(&w->link);
	list_append(&s->due, &w->link);
	return true;
}

/* Nothing is left to be said to a store that is to stop. */
static bool
is_stopped(const struct store *s)
{
	return s->on_stopped && helper_is_over(&s->child) && (s->fatal || s->committed == s->seq) && list_empty(&s->waits);
}

static void
call_stopped(struct store *s)
{
	loop_cb cb = TAKE_PTR(s->on_stopped);

	loop_timer_cancel(&s->child.wait);
	cb(s->stopped_arg);
}

/* Its last calls may free the store, those of waits may not. */
void
store_call_back(void *arg)
{
	struct store *s = arg;
	AUTO_FREE char *why = xstrdup(s->why);

	/* A callback may wait anew: not for the same turn. */
	while (take_due(s))
		;
	while (!list_empty(&s->due)) {
		struct store_wait *w = LIST_FIRST(&s->due, struct store_wait, link);

		list_remove(&w->link);
		w->store = NULL;
		w->cb(w->failed ? why : NULL, w->arg);
	}
	if (s->fatal && !s->fatal_told && helper_is_over(&s->child)) {
		s->fatal_told = true;
		if (is_stopped(s))
			loop_defer(s->loop, &s->call);
		s->ops->on_fatal(why, s->arg);
	} else if (is_stopped(s)) {
		call_stopped(s);
	}
}

void
store_kick(struct store *s)
{
	loop_defer(s->loop, &s->call);
}

void
store_when_durable(struct store *s, struct store_wait *w, store_durable_cb cb, void *arg)
{
	assert(!w->store);
	*w = (struct store_wait){ .store = s, .seq = s->seq, .cb = cb, .arg = arg };
	list_append(&s->waits, &w->link);
	if (s->seq == s->committed || s->failed)
		store_kick(s);
}

void
store_forget_wait(struct store_wait *w)
{
	list_remove(&w->link);
	w->store = NULL;
}
