/* Do jobs wait for each other?  See order.h. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "daemon/engine/order_internal.h"

/* Who adds jobs has looked for cycles in what is added; what is left are names that came
 * to mean another job.  So long ones are not worth more than this. */
enum { STEPS_MAX = 20000, SHOWN = 8 };

struct step {
	struct order *order;
	unsigned next;
};

struct walk {
	struct step *path; /* owned */
	size_t len, size;
	uint64_t mark;
};

static void
push(struct walk *w, struct order *o)
{
	if (w->len == w->size) {
		w->size = w->size ? w->size * 2 : 64;
		w->path = xrealloc(w->path, w->size * sizeof w->path[0]);
	}
	o->mark = w->mark;
	w->path[w->len++] = (struct step){ o, 0 };
}

static char *
text_of_path(const struct walk *w)
{
	AUTO_BUF struct buf b = { 0 };
	const struct target *last = w->path[w->len - 1].order->edges[w->path[w->len - 1].next - 1].target;

	buf_append_str(&b, last->key);
	for (size_t i = 0; i < w->len; i++)
		if (i < SHOWN || i + 1 == w->len)
			buf_printf(&b, " -> %s", w->path[i].order->edges[w->path[i].next - 1].target->key);
		else if (i == SHOWN)
			buf_append_str(&b, " -> ...");
	return xstrdup(buf_cstr(&b));
}

char *
order_cycle(struct entry *en)
{
	struct walk w = { .mark = ++en->engine->orders->mark };
	char *found = NULL;

	push(&w, en->plan->order);
	for (unsigned n = 0; w.len && !found && n < STEPS_MAX; n++) {
		struct step *s = &w.path[w.len - 1];
		const struct edge *x;
		const struct entry *to;

		if (s->next == s->order->n) {
			w.len--;
			continue;
		}
		x = &s->order->edges[s->next++];
		to = x->met ? NULL : target_job(x->target);
		if (to == en)
			found = text_of_path(&w);
		else if (to && to->plan && to->plan->order && to->plan->order->mark != w.mark)
			push(&w, to->plan->order);
	}
	free(w.path);
	return found;
}
