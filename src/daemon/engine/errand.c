/* What workers do beside the jobs; see errand.h. */
#include "daemon/engine/errand.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/download.h"
#include "daemon/engine/kept.h"

enum { SWEEPS_MAX = 10000, SEEN = 4096 };

struct errand {
	struct list link; /* engine->errands */
	struct engine *engine;
	struct pool_task task;
	char *root, *dir;       /* owned */
	char *map;              /* owned: of errand_drop_map(), until it begins */
	struct list waiters;    /* struct download, by waiting: for the sweep's end */
	bool sweeps;
};

static struct errand *
errand_new(struct engine *e, const char *root, struct text dir)
{
	struct errand *w = NEW(struct errand);

	w->engine = e;
	w->root = xstrdup(root);
	w->dir = xasprintf("%.*s", (int)dir.len, dir.at);
	list_init(&w->waiters);
	list_append(&e->errands, &w->link);
	return w;
}

static void
errand_free(struct errand *w)
{
	list_remove(&w->link);
	free(w->root);
	free(w->dir);
	free(w->map);
	free(w);
}

static struct task_msg
message(const struct errand *w, enum task_kind kind)
{
	return (struct task_msg){
		.kind = (uint8_t)kind,
		.mtime = INT64_MIN,
		.target = { text_of(w->root), text_of(w->dir), text_of("") },
		.remove_dir = true, /* if nobody else has something in it */
	};
}

/* ---- Throwing away --------------------------------------------------------------- */

static void
on_done(const struct result_msg *r UNUSED, void *arg)
{
	struct errand *w = arg;
	struct engine *e = w->engine;

	errand_free(w);
	engine_check_idle(e);
}

static const struct pool_task_ops discard_ops = { .on_result = on_done };

static void
discard(struct errand *w, const char *part, const char *out, const char *map)
{
	struct task_msg m = message(w, TASK_DISCARD);

	m.part = text_of(part);
	m.out = text_of(out);
	m.map = text_of(map);
	pool_submit(w->engine->pool, &w->task, &m, false, &discard_ops, w);
	if (w->engine->interrupted || w->engine->draining)
		pool_hurry(&w->task);
}

void
errand_discard(struct engine *e, const char *root, const char *dir, const char *part, const char *out,
    const char *map)
{
	discard(errand_new(e, root, text_of(dir)), part, out, map);
}

/* Where the store has failed the map stays: another life asks it. */
static void
on_kept(bool durable, void *arg)
{
	struct errand *w = arg;
	struct engine *e = w->engine;

	if (durable) {
		discard(w, "", "", w->map);
		return;
	}
	errand_free(w);
	engine_check_idle(e);
}

void
errand_drop_map(struct engine *e, const char *root, const char *dir, const char *map)
{
	struct errand *w = errand_new(e, root, text_of(dir));

	w->map = xstrdup(map);
	e->ops->when_kept(on_kept, w, e->arg);
}

/* ---- Sweeping -------------------------------------------------------------------- */

static void
on_found(const struct found_msg *f, void *arg)
{
	const struct errand *w = arg;
	struct kept *k = NEW(struct kept);

	k->id = f->job;
	k->generation = f->generation;
	k->root = xstrdup(w->root);
	k->dir = xstrdup(w->dir);
	k->base = xasprintf("%.*s", (int)f->base.len, f->base.at);
	k->url = xasprintf("%.*s", (int)f->url.len, f->url.at);
	k->etag = f->etag.len ? xasprintf("%.*s", (int)f->etag.len, f->etag.at) : NULL;
	k->modified = f->modified;
	k->size = f->size;
	k->inode = f->inode;
	k->front = f->front;
	k->published = f->published;
	k->in = f->in;
	k->out = f->out;
	k->codec = (enum codec)f->codec;
	kept_add(w->engine, k);
}

static void
on_swept(const struct result_msg *r, void *arg)
{
	struct errand *w = arg;

	list_remove(&w->link); /* nobody waits for it any more */
	while (!list_empty(&w->waiters)) {
		struct download *d = LIST_FIRST(&w->waiters, struct download, waiting);

		list_remove(&d->waiting);
		if (d->ends_swept)
			kept_ended(d);
		else
			engine_requeue(d->entry, d->url, 0);
	}
	on_done(r, w);
}

static const struct pool_task_ops sweep_ops = { .on_found = on_found, .on_result = on_swept };

/* Each directory once, nearly: who comes later to a place takes it. */
static bool
is_first_look(struct engine *e, const char *path, size_t n)
{
	uint64_t hash = hash_bytes(path, n), *place;

	if (!e->swept)
		e->swept = xcalloc(SEEN, sizeof e->swept[0]);
	place = &e->swept[hash % SEEN];
	if (*place == hash)
		return false;
	*place = hash;
	return true;
}

void
engine_sweep(struct engine *e, const char *output)
{
	struct text dir;
	const char *name, *root = roots_split(e->roots, output, &dir, &name);
	AUTO_FREE char *part = NULL;
	struct task_msg m;
	struct errand *w;

	if (!root || e->n_sweeps == SWEEPS_MAX || !is_first_look(e, output, (size_t)(name - output)))
		return;
	w = errand_new(e, root, dir);
	w->sweeps = true;
	e->n_sweeps++;
	part = xasprintf("%s.0.0.part", e->stage.instance);
	m = message(w, TASK_SWEEP);
	m.part = text_of(part);
	pool_submit(e->pool, &w->task, &m, false, &sweep_ops, w);
}

static struct errand *
find_sweep(const struct engine *e, const char *output)
{
	struct text dir;
	const char *name, *root = list_empty(&e->errands) ? NULL : roots_split(e->roots, output, &dir, &name);
	struct errand *w;

	if (root)
		LIST_FOREACH(w, &e->errands, struct errand, link)
			if (w->sweeps && strcmp(w->root, root) == 0 && strlen(w->dir) == dir.len && memcmp(w->dir, dir.at, dir.len) == 0)
				return w;
	return NULL;
}

bool
errand_sweeps(const struct engine *e, const char *output)
{
	return find_sweep(e, output);
}

bool
errand_wait_for_sweep(struct download *d)
{
	struct errand *w = find_sweep(d->engine, d->output);

	if (!w)
		return false;
	if (!list_linked(&d->waiting))
		list_append(&w->waiters, &d->waiting);
	engine_set_state(d->entry, JOB_BLOCKED);
	return true;
}

void
errand_hurry_all(struct engine *e)
{
	struct errand *w;

	LIST_FOREACH(w, &e->errands, struct errand, link)
		pool_hurry(&w->task);
}

void
errand_done(struct engine *e)
{
	while (!list_empty(&e->errands))
		errand_free(LIST_FIRST(&e->errands, struct errand, link));
}
