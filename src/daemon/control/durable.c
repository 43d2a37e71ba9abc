/* Answers that wait until what they tell of is on the disk (DESIGN I4). */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/control/internal.h"

struct durable {
	struct list link; /* of control->durables */
	struct store_wait wait;
	struct call *call;
	char *json;  /* owned */
};

static void
durable_free(struct durable *d)
{
	list_remove(&d->link);
	store_forget_wait(&d->wait);
	free(d->json);
	free(d);
}

static void
on_durable(const char *error, void *arg)
{
	struct durable *d = arg;

	if (error)
		call_fail(d->call, RPC_FAILED, "it is so now, but would not survive a restart: %s", error);
	else
		call_text(d->call, d->json);
	durable_free(d);
}

void
call_text_durably(struct call *c, char *json)
{
	struct durable *d = NEW(struct durable);

	d->call = c;
	d->json = json;
	list_append(&c->control->durables, &d->link);
	store_when_durable(c->control->store, &d->wait, on_durable, d);
}

void
durable_done(struct control *c)
{
	while (!list_empty(&c->durables)) {
		struct durable *d = LIST_FIRST(&c->durables, struct durable, link);

		call_free(d->call);
		durable_free(d);
	}
}
