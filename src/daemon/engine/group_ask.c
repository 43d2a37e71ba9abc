/* What clients ask of groups and of everything; see engine_groups.h. */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/set.h"

/* ---- Looking ---------------------------------------------------------------------- */

bool
group_is_held(const struct group *g)
{
	for (const struct group *x = g; x; x = x->parent)
		if (x->paused)
			return true;
	return g->engine->groups.all_paused;
}

/* All members of it are this user's, as far as anybody knows: only he was let in. */
static bool
is_of(const struct group *g, uint32_t uid)
{
	const struct plan *first = list_empty(&g->members) ? NULL : LIST_FIRST(&g->members, struct plan, member);

	if (g->conf || g->made)
		return false;
	return g->live ? first && first->entry->job.uid == uid : !g->making || g->maker == uid;
}

/* The group in the way of who may only submit: this one, or one around it; NULL: none. */
static const struct group *
find_shut(const struct group *g, uint32_t uid)
{
	for (; g; g = g->parent)
		if (spec_has(g->spec, GROUP_ALLOW_SUBMIT) ? !spec_bool(g->spec, GROUP_ALLOW_SUBMIT) :
		    spec_number(g->spec, GROUP_ON_FAILURE) == ON_FAILURE_CANCEL && !is_of(g, uid))
			return g;
	return NULL;
}

bool
engine_refuses_member(const struct engine *e, const char *name, uint32_t uid, struct result *why)
{
	const struct group *g = group_find(e, name), *shut = find_shut(g, uid);

	if (!shut)
		return false;
	if (spec_has(shut->spec, GROUP_ALLOW_SUBMIT))
		result_set(why, RESULT_PATH_REFUSED, "group %s takes no jobs of clients that may only submit: its allow-submit is false",
		    shut->name);
	else
		result_set(why, RESULT_PATH_REFUSED, "a failure in group %s ends the jobs of others there (on-failure = \"cancel\"), so it "
		    "takes jobs of clients that may only submit when allow-submit = true is set for it", shut->name);
	return true;
}

static void
fill(const struct group *g, struct group_view *ret)
{
	*ret = (struct group_view){
		.name = g->name,
		.parent = g->parent ? g->parent->name : NULL,
		.spec = g->spec,
		.configured = g->conf,
		.made = g->made,
		.atomic = g->set,
		.open = !g->set && !find_shut(g, JOB_NO_UID),
		.paused = g->paused,
		.held = group_is_held(g),
		.running = scheduler_group_use(g->sched).used,
		.live = g->live,
		.counts = g->counts,
		.deadline_in_ms = group_deadline_in(g),
		.ending = g->ending.code != RESULT_OK ? &g->ending : NULL,
		.started_s = g->running ? g->started_s : 0,
	};
}

bool
engine_next_group(const struct engine *e, const char *name, struct group_view *ret)
{
	const struct group *g = group_next(e, name);

	if (g)
		fill(g, ret);
	return g;
}

bool
engine_group(const struct engine *e, const char *name, struct group_view *ret)
{
	const struct group *g = group_find(e, name);

	if (g)
		fill(g, ret);
	return g;
}

bool
engine_is_in_group(const struct engine *e, uint64_t id, const char *name)
{
	const struct entry *en = registry_find(&e->jobs, id);
	const struct group *g = en && en->plan ? en->plan->group : NULL;

	while (g && strcmp(g->name, name) != 0)
		g = g->parent;
	return g;
}

bool
engine_refuses_job(const struct engine *e, const struct spec *job, struct result *why)
{
	const char *name = spec_string(job, JOB_GROUP);
	const struct group *g = name ? group_find(e, name) : NULL;

	if (!g || !g->set)
		return set_refuses(e, job, why);
	result_set(why, RESULT_PATH_REFUSED, "group %s is published as a whole: its members are those of the configuration", name);
	return true;
}

char *
engine_stage_of(const struct engine *e, const struct spec *job)
{
	return set_output(e, job);
}

size_t
engine_groups_made(const struct engine *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->groups.n; i++)
		n += e->groups.sorted[i]->made;
	return n;
}

/* ---- Settings ----------------------------------------------------------------------- */

static void
put_row(struct buf *to, const struct spec *from, const struct setting *row)
{
	if (setting_is_number(row))
		spec_put_number(to, row->id, spec_number(from, row->id));
	else
		spec_put_string(to, row->id, spec_string(from, row->id));
}

/* All settings of groups are numbers and strings. */
static void
set_own(struct group *g, const struct spec *settings, const bool *drop)
{
	AUTO_SPEC struct spec *was = NULL;
	AUTO_BUF struct buf own = { 0 };
	unsigned n;
	const struct setting *rows = settings_all(&n);

	if (spec_new(SCOPE_GROUP, buf_bytes(&g->own), buf_len(&g->own), NULL, &was) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		if (rows[i].scope != SCOPE_GROUP || (drop && drop[rows[i].id]))
			continue;
		if (spec_has(settings, rows[i].id))
			put_row(&own, settings, &rows[i]);
		else if (spec_has(was, rows[i].id))
			put_row(&own, was, &rows[i]);
	}
	buf_consume(&g->own, buf_len(&g->own));
	buf_append(&g->own, buf_bytes(&own), buf_len(&own));
	group_take_settings(g);
}

void
engine_set_group(struct engine *e, const char *name, const struct spec *settings, const bool *drop)
{
	struct group *g = group_get(e, name);

	g->made |= !g->conf;
	set_own(g, settings, drop);
	group_note(g);
}

void
engine_make_scope(struct engine *e, const char *name, const struct spec *settings, uint32_t uid)
{
	struct group *g = group_find(e, name);

	if (!g) {
		g = group_get(e, name);
		set_own(g, settings, NULL);
		group_note(g);
	}
	g->maker = g->making++ ? g->maker : uid;
	g->refs++;
}

void
engine_leave_scope(struct engine *e, const char *name)
{
	struct group *g = group_find(e, name);

	g->making--;
	g->refs--;
	group_tidy(g);
}

bool
engine_remove_group(struct engine *e, const char *name)
{
	struct group *g = group_find(e, name);

	if (!g)
		return true;
	if (g->live)
		return false;
	g->made = false;
	g->paused = g->conf_paused;
	buf_consume(&g->own, buf_len(&g->own));
	group_take_settings(g);
	group_note(g);
	group_tidy(g);
	return true;
}

/* ---- Pausing -------------------------------------------------------------------------- */

void
group_set_hold(struct group *g)
{
	scheduler_group_hold(g->sched, g->paused || g->ending.code != RESULT_OK || set_is_busy(g->set));
}

/* What runs is put back into the queue, where it is held; what waits stays where it is,
 * a million of them untouched. */
static void
park(struct engine *e, const struct group *g)
{
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link)
		if ((d->job->state == JOB_ACTIVE || d->entry->ticket.begun) &&
		    (!g || engine_is_in_group(e, d->job->id, g->name)))
			download_park(d);
}

void
engine_pause_group(struct engine *e, const char *name, bool paused)
{
	struct group *g = group_find(e, name);

	if (g->paused == paused)
		return;
	g->paused = paused;
	log_info("group %s group=%s", paused ? "paused" : "resumed", g->name);
	group_tell(g, false, "%s", paused ? "paused" : "resumed");
	group_set_hold(g);
	group_note(g);
	if (paused)
		park(e, g);
}

void
engine_pause_all(struct engine *e, bool paused)
{
	if (e->groups.all_paused == paused)
		return;
	e->groups.all_paused = paused;
	log_info("everything %s", paused ? "paused" : "resumed");
	engine_set_hold(e);
	note_put(e, "paused:all", "1", paused);
	if (paused)
		park(e, NULL);
}

void
engine_paused_restore(struct engine *e, const char *rest, const void *data UNUSED, size_t n)
{
	e->groups.all_paused = n && strcmp(rest, "all") == 0;
	engine_set_hold(e);
}

bool
engine_is_paused(const struct engine *e)
{
	return e->groups.all_paused;
}
