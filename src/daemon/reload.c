/* The configuration's jobs against those that are there; see reload.h. */
#include "daemon/reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/engine/keep.h"

enum { JOBS_PER_TURN = 1000 };

/* A job of the configuration that is there. */
struct old {
	uint64_t id;
	struct spec *spec; /* ref */
	bool wanted;
};

struct reload {
	struct loop *loop;
	struct engine *engine;
	struct store *store;
	const struct archive *archive;
	const struct control *control;
	const struct conf *conf;
	reload_cb on_done;
	void *arg;
	struct loop_deferred step;
	struct old *olds; /* owned */
	size_t n_olds, size_olds;
	struct map by_key;
	uint64_t last_id;  /* that was looked at, in the first pass */
	size_t next_job, next_old;
	enum { PASS_COLLECT, PASS_INDEX, PASS_MATCH, PASS_RETIRE, PASS_ADD } pass;
	bool *same;        /* owned: by the configuration's order: it is there already */
	struct reload_report report;
};

/* Its name; a job without one is known by its destination. */
static const char *
key_of(const struct spec *s)
{
	const char *name = spec_string(s, JOB_NAME);

	return name ? name : spec_string(s, JOB_OUTPUT);
}

static bool
old_has_key(const void *item, const void *key)
{
	return strcmp(key_of(((const struct old *)item)->spec), key) == 0;
}

/* Those that the configuration brought. */
static bool
collect(struct reload *r)
{
	const struct job *j;

	for (unsigned n = 0; n < JOBS_PER_TURN; n++) {
		j = engine_next(r->engine, r->last_id);
		if (!j)
			return true;
		r->last_id = j->id;
		if (!j->from_config)
			continue;
		if (r->n_olds == r->size_olds) {
			r->size_olds = r->size_olds ? r->size_olds * 2 : 64;
			r->olds = xrealloc(r->olds, r->size_olds * sizeof r->olds[0]);
		}
		r->olds[r->n_olds++] = (struct old){ .id = j->id, .spec = spec_ref(j->spec) };
	}
	return false;
}

static bool
index_olds(struct reload *r)
{
	for (unsigned n = 0; n < JOBS_PER_TURN; n++) {
		struct old *o;
		const char *key;

		if (r->next_old == r->n_olds)
			return true;
		o = &r->olds[r->next_old++];
		key = key_of(o->spec);
		if (!map_find(&r->by_key, hash_str(key), key))
			map_add(&r->by_key, hash_str(key), o);
	}
	return false;
}

static bool
match(struct reload *r)
{
	for (unsigned n = 0; n < JOBS_PER_TURN; n++) {
		const struct spec *want;
		struct old *o;

		if (r->next_job == r->conf->jobs.len)
			return true;
		want = r->conf->jobs.items[r->next_job];
		o = map_find(&r->by_key, hash_str(key_of(want)), key_of(want));
		if (o && !o->wanted && spec_same(o->spec, want, SCOPE_JOB)) {
			o->wanted = true;
			r->same[r->next_job] = true;
			r->report.unchanged++;
		} else if (o && !o->wanted) {
			r->report.changed++;
		}
		r->next_job++;
	}
	return false;
}

static bool
retire(struct reload *r)
{
	for (unsigned n = 0; n < JOBS_PER_TURN; n++) {
		struct old *o;

		if (r->next_old == r->n_olds)
			return true;
		o = &r->olds[r->next_old++];
		if (o->wanted)
			continue;
		r->report.retired++;
		if (engine_job(r->engine, o->id)) /* else it was removed meanwhile */
			engine_retire(r->engine, o->id, "the configuration has changed it or wants it no more");
	}
	return false;
}

static void
add_one(struct reload *r, struct spec *s)
{
	const char *name = spec_string(s, JOB_NAME);
	uint64_t other = name ? archive_find_name(r->archive, name) : 0;

	/* One that is with the store has no id that means anything yet. */
	if (!other && !(name && control_is_adding(r->control, name))) {
		uint64_t id = engine_add(r->engine, s, JOB_NO_UID, true);

		keep_new(r->store, id, s, JOB_NO_UID, true, engine_job(r->engine, id)->added_s);
		r->report.added++;
		return;
	}
	r->report.refused++;
	log_warning("a client's job has the name of one of the configuration, which is left out: remove that one and reload job=%s id=%llu",
	    log_safe(name), (unsigned long long)other);
}

static bool
add(struct reload *r)
{
	for (unsigned n = 0; n < JOBS_PER_TURN; n++) {
		if (r->next_job == r->conf->jobs.len)
			return true;
		if (!r->same[r->next_job])
			add_one(r, r->conf->jobs.items[r->next_job]);
		r->next_job++;
	}
	return false;
}

static void
finish(struct reload *r)
{
	engine_adding(r->engine, false);
	/* A changed job was retired and added: it counts once. */
	r->report.added -= MIN(r->report.changed, r->report.added);
	r->report.retired -= MIN(r->report.changed, r->report.retired);
	engine_jobs_complete(r->engine, true);
	r->on_done(&r->report, r->arg);
}

static void
on_step(void *arg)
{
	struct reload *r = arg;

	switch (r->pass) {
	case PASS_COLLECT:
		if (collect(r))
			r->pass = PASS_INDEX;
		break;
	case PASS_INDEX:
		if (index_olds(r)) {
			r->pass = PASS_MATCH;
			r->next_old = 0;
		}
		break;
	case PASS_MATCH:
		if (match(r))
			r->pass = PASS_RETIRE;
		break;
	case PASS_RETIRE:
		if (retire(r)) {
			r->pass = PASS_ADD;
			r->next_job = 0;
		}
		break;
	case PASS_ADD:
		if (add(r)) {
			finish(r);
			return;
		}
		break;
	}
	loop_defer(r->loop, &r->step);
}

struct reload *
reload_start(struct loop *l, struct engine *e, struct store *store, struct archive *archive,
    const struct control *control, const struct conf *conf, reload_cb on_done, void *arg)
{
	struct reload *r = NEW(struct reload);

	r->loop = l;
	r->engine = e;
	r->store = store;
	r->archive = archive;
	r->control = control;
	r->conf = conf;
	r->on_done = on_done;
	r->arg = arg;
	engine_adding(e, true);
	r->same = xcalloc(conf->jobs.len + 1, sizeof r->same[0]);
	map_init(&r->by_key, old_has_key);
	engine_jobs_complete(e, false);
	loop_deferred_init(&r->step, "reload", on_step, r);
	loop_defer(l, &r->step);
	return r;
}

void
reload_free(struct reload *r)
{
	if (!r)
		return;
	loop_undefer(&r->step);
	map_done(&r->by_key);
	for (size_t i = 0; i < r->n_olds; i++)
		spec_unref(r->olds[i].spec);
	free(r->olds);
	free(r->same);
	free(r);
}
