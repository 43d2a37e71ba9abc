/* Downloads that stand still; see kept.h. */
#include "daemon/engine/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/download.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/engine/errand.h"
#include "daemon/engine/group.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/order.h"
#include "daemon/engine/space.h"

static bool
kept_has_id(const void *item, const void *key)
{
	return ((const struct kept *)item)->id == *(const uint64_t *)key;
}

void
kept_init(struct engine *e)
{
	map_init(&e->kept, kept_has_id);
}

void
kept_free(struct kept *k)
{
	if (!k)
		return;
	free(k->root);
	free(k->dir);
	free(k->base);
	free(k->url);
	free(k->etag);
	free(k);
}

void
kept_done(struct engine *e)
{
	size_t cursor = 0;
	struct kept *k;

	while ((k = map_next(&e->kept, &cursor)))
		kept_free(k);
	map_done(&e->kept);
}

static void
throw_away(struct engine *e, struct kept *k)
{
	AUTO_FREE char *part = xasprintf("%spart", k->base), *map = xasprintf("%smap", k->base);

	if (k->base[0])
		errand_discard(e, k->root, k->dir, k->published ? "" : part, "", map);
	kept_free(k);
}

/* A job that waits can use it; one that runs has begun without. */
static bool
is_wanted(const struct engine *e, const struct kept *k)
{
	const struct entry *en = registry_find(&e->jobs, k->id);

	/* Jobs that are not back yet may come; see engine_restored(). */
	return en ? !job_is_over(&en->job) && (!en->download || !en->download->locked) : !e->restored;
}

void
kept_add(struct engine *e, struct kept *k)
{
	const struct kept *known = kept_find(e, k->id);

	if (known && strcmp(known->base, k->base) == 0)
		kept_free(k); /* a directory may be swept twice */
	else if (known || !is_wanted(e, k))
		throw_away(e, k);
	else
		map_add(&e->kept, hash_u64(k->id), k);
}

void
kept_put(struct engine *e, struct kept *k)
{
	map_add(&e->kept, hash_u64(k->id), k);
}

struct kept *
kept_find(const struct engine *e, uint64_t id)
{
	return map_find(&e->kept, hash_u64(id), &id);
}

struct kept *
kept_take(struct engine *e, uint64_t id)
{
	return map_remove(&e->kept, hash_u64(id), &id);
}

void
kept_discard(struct engine *e, uint64_t id)
{
	struct kept *k = kept_take(e, id);

	if (k)
		throw_away(e, k);
}

/* ---- Ended before it begins again ---------------------------------------------------- */

static bool
is_published(const struct entry *en)
{
	const struct kept *k = kept_find(en->engine, en->job.id);

	return k && k->published;
}

static bool
is_swept_now(const struct entry *en)
{
	AUTO_FREE char *staged = NULL;

	if (list_empty(&en->engine->errands))
		return false;
	staged = engine_stage_of(en->engine, en->job.spec);
	return errand_sweeps(en->engine, staged ? staged : spec_string(en->job.spec, JOB_OUTPUT));
}

bool
kept_ends(struct entry *en, const struct result *r)
{
	struct download *d = en->download;
	bool swept_now;

	if (r->code == RESULT_CANCELLED || r->code == RESULT_INTERRUPTED || en->job.state == JOB_PAUSED ||
	    (d && (d->locked || d->hook || d->verdict != VERDICT_NONE)))
		return false;
	swept_now = is_swept_now(en);
	if (!swept_now && !is_published(en))
		return false;
	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	space_leave(en);
	plan_leave(en);
	if (!d)
		d = download_new(en);
	engine_lock_leave(d);
	if (swept_now && errand_wait_for_sweep(d)) {
		d->result = *r;
		d->verdict = VERDICT_FINAL;
		d->ends_swept = true;
		return true;
	}
	download_run(en);
	if (en->download && !hook_ends(en->download)) /* its directory is gone, or another writes there */
		download_stop(en->download, r);
	return true;
}

void
kept_ended(struct download *d)
{
	struct result r = d->result;

	d->ends_swept = false;
	d->verdict = VERDICT_NONE;
	engine_end(d->entry, &r);
}

void
engine_note_published(struct engine *e, uint64_t in, uint64_t out)
{
	struct kept *k = NEW(struct kept);

	k->id = e->jobs.last_id + 1;
	k->root = xstrdup("");
	k->dir = xstrdup("");
	k->base = xstrdup("");
	k->published = true;
	k->in = in;
	k->out = out;
	kept_put(e, k);
}

void
engine_restored(struct engine *e)
{
	size_t cursor = 0, n = 0;
	struct kept *k;
	AUTO_FREE uint64_t *unknown = NULL;

	e->restored = true;
	unknown = xcalloc(e->kept.len + 1, sizeof unknown[0]);
	while ((k = map_next(&e->kept, &cursor)))
		if (!is_wanted(e, k))
			unknown[n++] = k->id;
	while (n)
		kept_discard(e, unknown[--n]);
	orders_restored(e);
	groups_restored(e);
}
