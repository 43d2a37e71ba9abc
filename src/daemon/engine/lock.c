/*
 * One destination is a lock: who comes second waits until the first has let go.  Those
 * that wait do so in the order of their priorities, then as they came, and of them one
 * is woken at a time.  What is woken queues for its host like any job, which may take
 * its time (a group that is paused, an origin that is down); the destination stays free
 * meanwhile, and each second twice as many are woken, so that nobody waits for a free one.
 * However many that are, of however many destinations: some in each turn of the loop.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/download.h"

enum {
	WAKE_MS = 1000,
	WAKES_PER_TURN = 500,
	WAKE_MAX = 1 << 20, /* of one destination in a second */
};

struct lock {
	char *path;              /* owned */
	struct download *holder; /* NULL: free; somebody was woken */
	struct heap waiters;     /* struct download, by lock_node */
	struct list free;        /* engine->locks_free or ->locks_due, while it is */
	unsigned wake;           /* so many are woken in this second, */
	unsigned left;           /* and so many of these are still to be */
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
	l->left = 0;
	list_remove(&l->free);
}

/* At most n; how many they were. */
static unsigned
wake(struct lock *l, unsigned n)
{
	unsigned woken = 0;

	for (; woken < n && l->waiters.len; woken++) {
		struct download *d = waiter(heap_peek(&l->waiters));

		heap_remove(&l->waiters, &d->lock_node);
		d->lock = NULL;
		engine_requeue(d->entry, d->url, 0);
	}
	return woken;
}

/* What is left waits for the next second. */
static void
rest(struct engine *e, struct lock *l)
{
	list_remove(&l->free);
	l->left = 0;
	if (l->waiters.len)
		list_append(&e->locks_free, &l->free);
	else
		lock_drop(e, l);
}

static void
set_timer(struct engine *e)
{
	if (!list_empty(&e->locks_free) && !e->wake_more.set)
		loop_timer_set(&e->wake_more, WAKE_MS);
}

static void
lock_release(struct engine *e, const char *path)
{
	struct lock *l = lock_find(e, path);

	if (!path)
		return;
	l->holder = NULL;
	l->wake = 1;
	(void)wake(l, 1);
	rest(e, l);
	set_timer(e);
}

/* Those whose second is over, some in each turn. */
static void
on_waking(void *arg)
{
	struct engine *e = arg;
	unsigned room = WAKES_PER_TURN;

	while (room && !list_empty(&e->locks_due)) {
		struct lock *l = LIST_FIRST(&e->locks_due, struct lock, free);
		unsigned woken;

		if (!l->left)
			l->left = l->wake = MIN(l->wake * 2, (unsigned)WAKE_MAX);
		woken = wake(l, MIN(l->left, room));
		room -= woken;
		l->left -= woken;
		if (!l->left || !l->waiters.len)
			rest(e, l);
	}
	if (list_empty(&e->locks_due))
		set_timer(e);
	else
		loop_defer(e->loop, &e->waking);
}

/* A second later they are free still: who was woken has something else to wait for. */
static void
on_wake_more(void *arg)
{
	struct engine *e = arg;

	list_move_all(&e->locks_due, &e->locks_free);
	loop_defer(e->loop, &e->waking);
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
engine_lock_priority(struct download *d)
{
	if (!d->lock)
		return;
	d->lock_priority = d->entry->ticket.priority;
	heap_update(&d->lock->waiters, &d->lock_node);
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
	list_init(&e->locks_free);
	list_init(&e->locks_due);
	loop_deferred_init(&e->waking, "destinations", on_waking, e);
	loop_timer_init(&e->wake_more, e->loop, "destinations", on_wake_more, e);
}

void
engine_locks_done(struct engine *e)
{
	assert(!e->locks.len);
	map_done(&e->locks);
	loop_timer_done(&e->wake_more);
	loop_undefer(&e->waking);
}
