/* Groups that are published as a whole; see set.h. */
#include "daemon/engine/set.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/space.h"
#include "daemon/engine/work.h"

enum { ENDS_PER_TURN = 100 };

struct set {
	struct group *group;
	char *directory;    /* owned: absolute */
	const char *name;   /* its last part */
	char *stage;        /* owned: name of the stage, beside it */
	char *live_dir;     /* owned: the directory beneath the root of its members; NULL: not known yet */
	struct list staged; /* struct download: those that wait */
	size_t n;
	enum set_state { SET_GATHERS, SET_NOTES, SET_SWAPS, SET_ENDS } state;
	struct pool_task task;
	struct result result; /* of the publishing */
	struct loop_deferred ask, ends, again;
	uint64_t inode;     /* of the last intent, or of one of an earlier life: what was to become the directory */
	uint64_t *ids;      /* owned: the jobs that are in it, but for those that have begun anew */
	size_t n_ids;
	bool swaps;         /* the task that runs exchanges, and does not only clean up */
};

static bool
is_in(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* True: it lies in the directory itself. */
static bool
has_output(const struct set *s, const struct spec *job)
{
	const char *output = spec_string(job, JOB_OUTPUT);

	return is_in(output, s->directory) && !strchr(output + strlen(s->directory) + 1, '/');
}

/* The group may have jobs that are no members: of before it was published as a whole. */
static struct set *
set_of_spec(const struct engine *e, const struct spec *job)
{
	const char *name = e->groups.n_sets ? spec_string(job, JOB_GROUP) : NULL;
	const struct group *g = name ? group_find(e, name) : NULL;

	return g && g->set && has_output(g->set, job) ? g->set : NULL;
}

static struct set *
set_of(const struct download *d)
{
	return set_of_spec(d->engine, d->job->spec);
}

/* ---- Where ------------------------------------------------------------------------- */

char *
set_output(const struct engine *e, const struct spec *job)
{
	const struct set *s = set_of_spec(e, job);
	const char *output = spec_string(job, JOB_OUTPUT), *file = s ? strrchr(output, '/') + 1 : NULL;

	if (!s)
		return NULL;
	return xasprintf("%.*s%s/%s", (int)(s->name - s->directory), s->directory, s->stage, file);
}

static bool
refuses_path(const struct engine *e, const struct set *own, const char *path, struct result *why)
{
	for (size_t i = 0; path && i < e->groups.n; i++) {
		const struct set *s = e->groups.sorted[i]->set;

		if (!s || s == own || !is_in(path, s->directory))
			continue;
		result_set(why, RESULT_PATH_REFUSED, "%s lies in the directory of group %s, which only its members write to", path,
		    s->group->name);
		return true;
	}
	return false;
}

bool
set_refuses(const struct engine *e, const struct spec *job, struct result *why)
{
	const struct set *own = set_of_spec(e, job);

	if (!e->groups.n_sets)
		return false;
	return refuses_path(e, own, spec_string(job, JOB_OUTPUT), why) ||
	    refuses_path(e, own, spec_string(job, JOB_KEEP_DOWNLOAD), why);
}

const char *
set_live_dir(const struct download *d)
{
	struct set *s = set_of(d);
	const char *rel = d->dir->rel, *slash = strrchr(rel, '/');

	if (!s->live_dir)
		s->live_dir = xasprintf("%.*s%s", slash ? (int)(slash + 1 - rel) : 0, rel, s->name);
	return s->live_dir;
}

int
set_open_live(const struct download *d)
{
	AUTO_FREE char *path = xasprintf("../%s", set_of(d)->name);

	return openat(d->dir->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What stands beside the stage; name NULL: the directory itself. */
static bool
look_at_live(const struct download *d, const char *name, struct stat *ret)
{
	AUTO_FREE char *path = xasprintf("../%s%s%s", set_of(d)->name, name ? "/" : "", name ? name : "");

	return fstatat(d->dir->fd, path, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
set_looks_at_live(struct download *d)
{
	struct stat st;

	if (!set_of(d) || d->looked_at_live)
		return false;
	d->looked_at_live = true;
	return look_at_live(d, d->name, &st) && S_ISREG(st.st_mode);
}

/* ---- Waiting for the others ------------------------------------------------------------ */

bool
set_holds(struct download *d, const struct result *r, const struct job_receipt *receipt)
{
	struct set *s = set_of(d);
	struct outcome *o;

	if (!s || d->set_over || result_class(r) != CLASS_OK)
		return false;
	if (d->verdict == VERDICT_FINAL) { /* it was told to end while it was published into the stage */
		struct result told = d->result;

		engine_finish(d, &told, NULL);
		return true;
	}
	if (d->verdict == VERDICT_PAUSE || d->verdict == VERDICT_PARK) { /* ... to rest: it is no part of the set until it goes on */
		engine_paused(d);
		return true;
	}
	o = d->outcome = NEW(struct outcome);
	o->result = *r;
	o->receipt = *receipt;
	if (o->receipt.work) {
		o->work = *o->receipt.work;
		o->receipt.work = &o->work;
	}
	o->live = d->is_live;
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	space_give_back(d);
	list_append(&s->staged, &d->held_by_set);
	s->n++;
	engine_set_state(d->entry, JOB_BLOCKED);
	engine_tell_state(d->entry);
	set_ask(s->group);
	return true;
}

bool
set_drop(struct download *d)
{
	struct set *s = set_of(d);

	if (s && d->outcome && (s->state == SET_SWAPS || s->state == SET_ENDS))
		return false;
	if (list_linked(&d->held_by_set)) {
		list_remove(&d->held_by_set);
		s->n--;
	}
	free(TAKE_PTR(d->outcome));
	return true;
}

bool
set_is_busy(const struct set *s)
{
	return s && s->state != SET_GATHERS;
}

void
set_ask(struct group *g)
{
	if (g->set)
		loop_defer(g->engine->loop, &g->set->ask);
}

/* ---- Publishing ----------------------------------------------------------------------------- */

/* While it is being published no member begins: what the stage is now would be the
 * directory before that one is done. */
static void
move(struct set *s, enum set_state to)
{
	s->state = to;
	group_set_hold(s->group);
}

static void
end_all(struct set *s, const struct result *r)
{
	move(s, SET_ENDS);
	s->result = *r;
	loop_defer(s->group->engine->loop, &s->ends);
}

/* Without jobs there is none any more. */
static void
note_intent(const struct set *s)
{
	AUTO_FREE char *key = xasprintf("swap:%s", s->group->name);
	AUTO_BUF struct buf b = { 0 };

	put_u64(&b, s->inode);
	for (size_t i = 0; i < s->n_ids; i++)
		put_u64(&b, s->ids[i]);
	note_put(s->group->engine, key, buf_bytes(&b), s->n_ids ? buf_len(&b) : 0);
}

/* What is about to be published. */
static void
intend(struct set *s)
{
	const struct download *d;

	s->ids = xrealloc(s->ids, s->n * sizeof s->ids[0]);
	s->n_ids = 0;
	LIST_FOREACH(d, &s->staged, struct download, held_by_set) {
		s->inode = d->dir->inode;
		s->ids[s->n_ids++] = d->job->id;
	}
	note_intent(s);
}

void
set_note_restore(struct engine *e, const char *name, const void *data, size_t n)
{
	const struct group *g = group_find(e, name);
	struct set *s = g ? g->set : NULL;
	struct cursor c;

	if (!s || n < 16 || n % 8)
		return;
	cursor_init(&c, data, n);
	s->inode = get_u64(&c);
	s->n_ids = n / 8 - 1;
	s->ids = xrealloc(s->ids, s->n_ids * sizeof s->ids[0]);
	for (size_t i = 0; i < s->n_ids; i++)
		s->ids[i] = get_u64(&c);
}

void
set_end_run(struct group *g)
{
	struct set *s = g->set;

	if (!s || !s->n_ids)
		return;
	s->n_ids = 0;
	note_intent(s);
}

/* They all end as the publishing did, some in each turn; what they were told to end as
 * comes with it. */
static void
on_ends(void *arg)
{
	struct set *s = arg;

	for (unsigned n = 0; !list_empty(&s->staged); n++) {
		struct download *d = LIST_FIRST(&s->staged, struct download, held_by_set);
		AUTO_FREE struct outcome *o = NULL;

		if (n == ENDS_PER_TURN) {
			loop_defer(s->group->engine->loop, &s->ends);
			return;
		}
		o = TAKE_PTR(d->outcome);
		list_remove(&d->held_by_set);
		s->n--;
		d->set_over = true;
		if (s->result.code != RESULT_OK) {
			engine_finish(d, &s->result, NULL);
			continue;
		}
		engine_set_state(d->entry, JOB_ACTIVE);
		d->job->phase = PHASE_PUBLISH;
		engine_finish(d, &o->result, &o->receipt);
	}
	move(s, SET_GATHERS);
	set_take_settings(s->group); /* which may have waited for this */
}

static void
on_swapped(const struct result_msg *r, void *arg)
{
	static const struct result ok;
	struct set *s = arg;

	if (!s->swaps && r->result.code == RESULT_OK) {
		end_all(s, &ok); /* there is nothing to tell */
		return;
	}
	if (r->result.code == RESULT_OK)
		log_notice("group is published as a whole group=%s members=%zu", s->group->name, s->n);
	else
		log_warning("group is not published: %s: %s group=%s", result_word(&r->result), r->result.text, s->group->name);
	group_tell(s->group, false, r->result.code == RESULT_OK ? "published" : "not published: %s", r->result.text);
	end_all(s, &r->result);
}

static const struct pool_task_ops swap_ops = { .on_result = on_swapped };

/* "S" and the name of each that was fetched, "L" of each that stands there; NUL behind
 * each.  True: some were fetched. */
static bool
list_names(const struct set *s, struct buf *out)
{
	const struct plan *p;
	bool fetched = false;

	LIST_FOREACH(p, &s->group->all, struct plan, peer) {
		const struct outcome *o = p->entry->download ? p->entry->download->outcome : NULL;
		const char *name = strrchr(spec_string(p->entry->job.spec, JOB_OUTPUT), '/') + 1;
		bool staged = o && !o->live;

		if (p->entry->retired || !has_output(s, p->entry->job.spec))
			continue;
		fetched |= staged;
		buf_append(out, staged ? "S" : "L", 1);
		buf_append(out, name, strlen(name) + 1);
	}
	return fetched;
}

static void
submit(struct set *s)
{
	const struct download *d = LIST_FIRST(&s->staged, struct download, held_by_set);
	const char *rel = d->dir->rel, *slash = strrchr(rel, '/');
	AUTO_FREE char *parent = xstrndup(rel, slash ? (size_t)(slash - rel) : 0);
	AUTO_BUF struct buf names = { 0 };
	struct task_msg m = {
		.kind = TASK_SWAP,
		.mtime = INT64_MIN,
		.inode = s->inode,
		.target = { text_of(d->dir->root), text_of(parent), text_of(s->name) },
		.part = text_of(s->stage),
	};

	s->swaps = list_names(s, &names);
	if (!s->swaps) /* what an earlier life has exchanged and not removed goes */
		buf_consume(&names, buf_len(&names));
	m.names = (struct text){ (const char *)buf_bytes(&names), buf_len(&names) };
	move(s, SET_SWAPS);
	LIST_FOREACH(d, &s->staged, struct download, held_by_set) /* who asks for most */
		m.fsync = (uint8_t)MAX((uint64_t)m.fsync, spec_number(d->job->spec, JOB_FSYNC));
	pool_submit(s->group->engine->pool, &s->task, &m, false, &swap_ops, s);
}

/* A member that is over and not done: without it the set is not whole.  NULL: none. */
static const struct job *
missing(const struct set *s)
{
	const struct plan *p;

	LIST_FOREACH(p, &s->group->all, struct plan, peer)
		if (!p->in_group && !p->entry->retired && p->entry->job.state != JOB_DONE && has_output(s, p->entry->job.spec))
			return &p->entry->job;
	return NULL;
}

static void
on_kept(bool kept, void *arg)
{
	struct set *s = arg;
	struct group *g = s->group;
	struct result r = { 0 };

	if (!s->n || s->n != g->live || missing(s)) { /* members came or went meanwhile */
		move(s, SET_GATHERS);
		set_ask(g);
		set_take_settings(g); /* which may have waited for this, as the end of the group */
		group_tidy(g);
		return;
	}
	if (kept) {
		submit(s);
		return;
	}
	result_set(&r, RESULT_WRITE, "the intent to publish group %s could not be kept", s->group->name);
	end_all(s, &r);
}

static void
publish(struct set *s)
{
	const struct engine_ops *ops = s->group->engine->ops;
	AUTO_BUF struct buf names = { 0 };

	if (!list_names(s, &names)) { /* all of it stands there already: the stage goes */
		submit(s);
		return;
	}
	intend(s);
	move(s, SET_NOTES);
	if (!ops->when_kept) {
		submit(s);
		return;
	}
	ops->when_kept(on_kept, s, s->group->engine->arg);
}

static void
on_ask(void *arg)
{
	struct set *s = arg;
	const struct group *g = s->group;
	const struct job *j;
	struct result r = { 0 };

	if (s->state != SET_GATHERS || !s->n || s->n != g->live || g->engine->groups.adding || g->ending.code != RESULT_OK ||
	    g->engine->interrupted)
		return;
	j = missing(s);
	if (!j) {
		publish(s);
		return;
	}
	result_set(&r, RESULT_SIBLING_FAILED, "%s (id %llu) is %s, so that the set of group %s is not whole", job_label(j),
	    (unsigned long long)j->id, job_state_to_string(j->state), g->name);
	end_all(s, &r);
}

static void
on_again(void *arg)
{
	const struct set *s = arg;
	const struct plan *p;

	LIST_FOREACH(p, &s->group->all, struct plan, peer)
		if (s->group->running && !p->in_group && !p->entry->retired && !p->entry->download &&
		    engine_job(p->entry->engine, p->entry->job.id) && /* else it was removed in this turn */
		    p->entry->job.result->code == RESULT_SIBLING_FAILED && has_output(s, p->entry->job.spec))
			(void)engine_retry(p->entry->engine, p->entry->job.id);
}

void
set_begin(struct group *g)
{
	if (g->set)
		loop_defer(g->engine->loop, &g->set->again);
}

/* ---- A later life --------------------------------------------------------------------------- */

static bool
was_in_intent(const struct set *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_ids; i++)
		if (s->ids[i] == id)
			return true;
	return false;
}

void
set_forget_intent(const struct entry *en)
{
	struct set *s = set_of_spec(en->engine, en->job.spec);

	for (size_t i = 0; s && i < s->n_ids; i++)
		if (s->ids[i] == en->job.id) {
			s->ids[i] = s->ids[--s->n_ids];
			note_intent(s);
		}
}

bool
set_was_swapped(struct download *d)
{
	const struct set *s = set_of(d);
	struct result_msg work = { .codec = CODEC_OFF };
	struct stat dir, file;

	if (!s || !was_in_intent(s, d->job->id) || !look_at_live(d, NULL, &dir) || dir.st_ino != s->inode ||
	    !look_at_live(d, d->name, &file) || !S_ISREG(file.st_mode))
		return false;
	work.in = work.out = (uint64_t)file.st_size;
	work.inode = file.st_ino;
	d->is_live = true;
	resume_end_published(d, &work);
	return true;
}

/* ---- Life -------------------------------------------------------------------------------------- */

static struct set *
set_new(struct group *g, const char *directory)
{
	struct set *s = NEW(struct set);

	s->group = g;
	s->directory = xstrdup(directory);
	s->name = strrchr(s->directory, '/') + 1;
	s->stage = xasprintf(STAGE_PREFIX "%s", g->name);
	list_init(&s->staged);
	loop_deferred_init(&s->ask, "publish group", on_ask, s);
	loop_deferred_init(&s->ends, "end of a set", on_ends, s);
	loop_deferred_init(&s->again, "siblings begin anew", on_again, s);
	g->engine->groups.n_sets++;
	return s;
}

void
set_free(struct set *s)
{
	if (!s)
		return;
	s->group->engine->groups.n_sets--;
	loop_undefer(&s->ask);
	loop_undefer(&s->ends);
	loop_undefer(&s->again);
	free(s->directory);
	free(s->stage);
	free(s->live_dir);
	free(s->ids);
	free(s);
}

/* Between two runs only: members know where they go. */
void
set_take_settings(struct group *g)
{
	bool atomic = spec_number(g->spec, GROUP_PUBLISH) == GROUP_PUBLISH_ATOMIC;
	const char *directory = atomic ? spec_string(g->spec, GROUP_DIRECTORY) : NULL;

	if (g->live || (g->set && g->set->state != SET_GATHERS) || (g->set && text_equal(g->set->directory, directory)) || (!g->set && !directory))
		return;
	set_free(TAKE_PTR(g->set));
	if (directory)
		g->set = set_new(g, directory);
}
