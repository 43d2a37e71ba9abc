/*
 * What an earlier life left: the directories of jobs that are restored are
 * swept by workers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/download.h"

enum { SWEEPS_MAX = 10000, SEEN = 4096 };

struct sweeping {
	struct list link; /* engine->sweeps */
	struct engine *engine;
	struct pool_task task;
};

static void
on_swept(const struct result_msg *r UNUSED, void *arg)
{
	struct sweeping *w = arg;
	struct engine *e = w->engine;

	list_remove(&w->link);
	free(w);
	engine_check_idle(e);
}

static const struct pool_task_ops sweep_ops = { .on_result = on_swept };

/* The root that a path lies beneath; NULL: in none. */
static const char *
root_of(const struct engine *e, const char *path)
{
	const char *root;

	for (unsigned i = 0; (root = spec_list(e->conf->daemon, DAEMON_ROOTS, i)); i++) {
		size_t n = strlen(root);

		if (strncmp(path, root, n) == 0 && path[n] == '/')
			return root;
	}
	return NULL;
}

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
	const char *root = root_of(e, output), *name = strrchr(output, '/'), *dir;
	struct task_msg m = { .kind = TASK_DISCARD, .mtime = INT64_MIN, .remove_dir = true };
	AUTO_FREE char *part = NULL;
	struct sweeping *w;

	if (!root || e->n_sweeps == SWEEPS_MAX || !is_first_look(e, output, (size_t)(name - output)))
		return;
	dir = output + strlen(root) + 1;
	part = xasprintf("%s.0.0.part", e->stage.instance);
	m.target.root = (struct text){ root, strlen(root) };
	m.target.dir = (struct text){ dir, name > dir ? (size_t)(name - dir) : 0 };
	m.part = (struct text){ part, strlen(part) };
	w = NEW(struct sweeping);
	w->engine = e;
	list_append(&e->sweeps, &w->link);
	e->n_sweeps++;
	pool_submit(e->pool, &w->task, &m, false, &sweep_ops, w);
}
