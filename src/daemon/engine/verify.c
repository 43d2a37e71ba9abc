/* Files against digests; see verify.h. */
#include "daemon/engine/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/engine/download.h"

struct verify {
	struct list link; /* engine->verifies */
	struct engine *engine;
	struct pool_task task;
	char *path;       /* owned: root, NUL, directory, NUL, name */
	verify_cb cb;     /* NULL: nobody waits */
	void *arg;
};

static void
on_result(const struct result_msg *r, void *arg)
{
	struct verify *v = arg;
	struct engine *e = v->engine;

	if (v->cb)
		v->cb(&r->result, v->arg);
	list_remove(&v->link);
	free(v->path);
	free(v);
	engine_check_idle(e);
}

static const struct pool_task_ops verify_ops = { .on_result = on_result };

struct verify *
verify_start(struct engine *e, const char *path, const struct digest *digests, unsigned n, uint32_t uid, verify_cb cb, void *arg)
{
	struct task_msg m = { .kind = TASK_CHECK, .mtime = INT64_MIN, .fsync = FSYNC_OFF, .reader = uid };
	AUTO_FREE char *copy = xstrdup(path);
	const char *name, *root = roots_split(e->roots, copy, &m.target.dir, &name);
	struct verify *v;

	if (!root || n > TASK_DIGESTS_MAX)
		return NULL;
	v = NEW(struct verify);
	*v = (struct verify){ .engine = e, .path = TAKE_PTR(copy), .cb = cb, .arg = arg };
	m.target.root = text_of(root);
	m.target.name = text_of(name);
	m.n_in = (uint8_t)n;
	memcpy(m.in, digests, n * sizeof m.in[0]);
	list_append(&e->verifies, &v->link);
	pool_submit(e->pool, &v->task, &m, true, &verify_ops, v);
	return v;
}

void
verify_drop(struct verify *v)
{
	v->cb = NULL;
	pool_cancel(&v->task);
}

void
verify_stop_all(struct engine *e)
{
	struct verify *v;

	LIST_FOREACH(v, &e->verifies, struct verify, link)
		pool_cancel(&v->task);
}
