/* The engine's word that something is in the store; see service_internal.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/service_internal.h"

struct kept_wait {
	struct list link; /* service->kept_waits */
	struct store_wait wait;
	void (*cb)(bool kept, void *arg);
	void *arg;
};

static void
kept_wait_free(struct kept_wait *w)
{
	list_remove(&w->link);
	store_forget_wait(&w->wait);
	free(w);
}

static void
on_kept(const char *error, void *arg)
{
	struct kept_wait *w = arg;
	void (*cb)(bool, void *) = w->cb;
	void *cb_arg = w->arg;

	kept_wait_free(w);
	cb(!error, cb_arg);
}

void
service_when_kept(void (*cb)(bool kept, void *cb_arg), void *cb_arg, void *service)
{
	struct service *s = service;
	struct kept_wait *w = NEW(struct kept_wait);

	w->cb = cb;
	w->arg = cb_arg;
	list_append(&s->kept_waits, &w->link);
	store_when_durable(s->store, &w->wait, on_kept, w);
}

void
service_free_waits(struct service *s)
{
	while (!list_empty(&s->kept_waits))
		kept_wait_free(LIST_FIRST(&s->kept_waits, struct kept_wait, link));
}
