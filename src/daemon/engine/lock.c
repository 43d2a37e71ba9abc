/* One destination is a lock: who comes second waits until the first has let go. */
#include "base/map.h"
#include "base/str.h"
#include "daemon/engine/download.h"

/* Where the packed file is kept is a destination, too; NULL: nowhere. */
static const char *
second_output(const struct download *d)
{
	return spec_string(d->job->spec, JOB_KEEP_DOWNLOAD);
}

static bool
download_has_output(const void *item, const void *key)
{
	const struct download *d = item;

	return strcmp(d->output, key) == 0 || text_equal(second_output(d), key);
}

/* Both or none, so that no two wait for each other. */
bool
engine_lock(struct engine *e, struct download *d)
{
	const char *keep = second_output(d);
	struct download *holder = map_find(&e->locks, hash_str(d->output), d->output);

	if (!holder && keep)
		holder = map_find(&e->locks, hash_str(keep), keep);
	if (holder) {
		list_append(&holder->lock_waiters, &d->waiting);
		engine_set_state(d->entry, JOB_BLOCKED);
		return false;
	}
	map_add(&e->locks, hash_str(d->output), d);
	if (keep)
		map_add(&e->locks, hash_str(keep), d);
	d->locked = true;
	return true;
}

void
engine_unlock(struct engine *e, struct download *d)
{
	const char *keep = second_output(d);
	struct download *w;

	if (!d->locked)
		return;
	(void)map_remove(&e->locks, hash_str(d->output), d->output);
	if (keep)
		(void)map_remove(&e->locks, hash_str(keep), keep);
	LIST_FOREACH(w, &d->lock_waiters, struct download, waiting) {
		list_remove(&w->waiting);
		engine_requeue(w->entry, w->url, 0);
	}
}

void
engine_locks_init(struct engine *e)
{
	map_init(&e->locks, download_has_output);
}
