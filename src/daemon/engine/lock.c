/*
 * One destination is a lock: who comes second waits until the first has let go.  Those
 * that wait do so in the order of their priorities, then as they came, and of them one
 * is woken at a time.  What is woken queues for its host like any job, which may take
 * its time (a group that is paused, an origin that is down); the destination stays free
 * meanwhile, and each second twice as many are woken, so that nobody waits for a free one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/download.h"

enum { WAKE_MS = 1000 };

struct lock {
	char *path;              /* owned */
	struct download *holder; /* NULL: free; somebody was woken */
	struct heap waiters;     /* struct download, by lock_node */
	struct list free;        /* engine->free_locks, while it is */
	unsigned wake;           /* so many were woken last */
};

static struct download *
waiter(const struct heap_node *n)
{
	return CONTAINER_OF((struct heap_node *)(uintptr_t)n, struct download, lock_node);
}

static bool
before(const struct heap_node *a, const struct heap_node *b)
{
	const struct download *x = waiter(a), *y = waiter(b);

	return x->lock_priority != y->lock_priority ? x->lock_priority > y->lock_priority : x->lock_order < y->lock_order;
}

static bool
lock_has_path(const void *item, const void *key)
{
	return strcmp(((const struct lock *)item)->path, key) == 0;
}

static struct lock *
lock_find(const struct engine *e, const char *path)
{
	return path ? map_find(&e->locks, hash_str(path), path) : NULL;
}

/* Nobody holds it and nobody waits. */
static void
lock_drop(struct engine *e, struct lock *l)
{
	if (l->holder || l->waiters.len)
		return;
	(void)map_remove(&e->locks, hash_str(l->path), l->path);
	list_remove(&l->free);
	heap_done(&l->waiters);
	free(l->path);
	free(l);
}

static void
lock_take(struct engine *e, const char *path, struct download *d)
{
	struct lock *l = lock_find(e, path);

	if (!path)
		return;
	if (!l) {
		l = NEW(struct lock);
		l->path = xstrdup(path);
		heap_init(&l->waiters, before);
		list_init(&l->free);
		map_add(&e->locks, hash_str(path), l);
	}
	l->holder = d;
	list_remove(&l->free);
}

static void
wake(struct lock *l)
{
	for (unsigned n = 0; n < l->wake && l->waiters.len; n++) {
		struct download *d = waiter(heap_peek(&l->waiters));

		heap_remove(&l->waiters, &d->lock_node);
		d->lock = NULL;
		engine_requeue(d->entry, d->url, 0);
	}
}

static void
lock_release(struct engine *e, const char *path)
{
	struct lock *l = lock_find(e, path);

	if (!path)
		return;
	l->holder = NULL;
	l->wake = 1;
	wake(l);
	if (l->waiters.len) {
		list_append(&e->free_locks, &l->free);
		if (!e->wake_more.set)
			loop_timer_set(&e->wake_more, WAKE_MS);
	}
	lock_drop(e, l);
}

/* A second later they are free still: who was woken has something else to wait for. */
static void
on_wake_more(void *arg)
{
	struct engine *e = arg;
	struct lock *l;

	LIST_FOREACH(l, &e->free_locks, struct lock, free) {
		l->wake = MIN(l->wake * 2, 1U << 20);
		wake(l);
		lock_drop(e, l);
	}
	if (!list_empty(&e->free_locks))
		loop_timer_set(&e->wake_more, WAKE_MS);
}

/* Where the packed file is kept is a destination, too; NULL: nowhere. */
static const char *
second_output(const struct download *d)
{
	return spec_string(d->job->spec, JOB_KEEP_DOWNLOAD);
}

/* Both or none, so that no two wait for each other. */
bool
engine_lock(struct engine *e, struct download *d)
{
	const char *keep = second_output(d);
	struct lock *busy = lock_find(e, d->output);

	if (!busy || !busy->holder)
		busy = lock_find(e, keep);
	if (busy && busy->holder) {
		d->lock = busy; /* before the event that tells of it */
		d->lock_priority = d->entry->ticket.priority;
		if (!d->lock_order) /* a place that it had it keeps */
			d->lock_order = ++e->lock_orders;
		heap_add(&busy->waiters, &d->lock_node);
		engine_set_state(d->entry, JOB_BLOCKED);
		return false;
	}
	lock_take(e, d->output, d);
	lock_take(e, keep, d);
	d->locked = true;
	return true;
}

const struct download *
engine_lock_holder(const struct download *d)
{
	return d->lock ? d->lock->holder : NULL;
}

void
engine_lock_leave(struct download *d)
{
	struct lock *l = TAKE_PTR(d->lock);

	if (!l)
		return;
	heap_remove(&l->waiters, &d->lock_node);
	lock_drop(d->engine, l);
}

void
engine_unlock(struct engine *e, struct download *d)
{
	engine_lock_leave(d);
	if (!d->locked)
		return;
	d->locked = false;
	lock_release(e, d->output);
	lock_release(e, second_output(d));
}

void
engine_locks_init(struct engine *e)
{
	map_init(&e->locks, lock_has_path);
	list_init(&e->free_locks);
	loop_timer_init(&e->wake_more, e->loop, "destinations", on_wake_more, e);
}

void
engine_locks_done(struct engine *e)
{
	assert(!e->locks.len);
	map_done(&e->locks);
	loop_timer_done(&e->wake_more);
}
