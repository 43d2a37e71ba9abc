/*
 * Changing settings of jobs that are there: the method `set`.  What is new goes to the
 * intake, which checks it as that of a job that is added; then each job gets a spec of
 * its own, made of the old one and of this, and the store is told.  While that goes on
 * no further request of this client is looked at, as in add.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/control/internal.h"
#include "daemon/engine/keep.h"

struct set {
	struct list link; /* of control->settings */
	struct call *call;
	struct control *control;
	struct intake_batch *batch; /* the intake's while it is there */
	uint64_t *ids;    /* owned */
	size_t n;
	bool changes[_SETTING_MAX];
};

static void
set_free(struct set *s)
{
	list_remove(&s->link);
	intake_batch_free(s->batch);
	free(s->ids);
	free(s);
}

void
set_init(struct control *c)
{
	list_init(&c->settings);
}

void
set_done(struct control *c)
{
	while (!list_empty(&c->settings)) {
		struct set *s = LIST_FIRST(&c->settings, struct set, link);

		call_free(s->call);
		set_free(s);
	}
}

/* ---- What is asked for -------------------------------------------------------------- */

static void
refuse_key(struct call *c, const char *key)
{
	const struct setting *row = setting_by_name(SCOPE_JOB, key);
	AUTO_BUF struct buf names = { 0 };
	unsigned n;
	const struct setting *rows = settings_all(&n);
	char safe[160];

	for (unsigned i = 0; i < n; i++)
		if (setting_is_changeable(rows[i].id))
			buf_printf(&names, "%s%s", buf_len(&names) ? ", " : "", rows[i].name);
	(void)str_safe(safe, sizeof safe, key, strlen(key));
	if (row)
		call_fail(c, RPC_INVALID_PARAMS, "%s cannot be set any more: cancel the job and add another; what can be set is %s", safe,
		    buf_cstr(&names));
	else
		call_fail(c, RPC_INVALID_PARAMS, "there is no key \"%s\" of jobs; what can be set is %s", safe, buf_cstr(&names));
}

/* Into a job that has nothing else; false after the answer. */
static bool
put_changes(struct set *s, const json_t *changes)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)changes, key, v) {
		const struct setting *row = setting_by_name(SCOPE_JOB, key);

		if (!row || !setting_is_changeable(row->id)) {
			refuse_key(s->call, key);
			return false;
		}
		s->changes[row->id] = true;
		if (row->id == JOB_URL && json_is_null(v)) {
			call_fail(s->call, RPC_INVALID_PARAMS, "a job without url has nothing to do");
			return false;
		}
		if (!json_is_null(v)) /* null: the configuration's default */
			intake_put_json(s->batch, key, v);
	}
	if (!s->changes[JOB_URL])
		intake_put_text(s->batch, "url", "http://h/");
	intake_put_text(s->batch, "output", "f");
	intake_end_job(s->batch);
	return true;
}

/* ---- The new spec ------------------------------------------------------------------- */

/* What is changed from the new one, all else from the old one; NULL: it would be too large. */
static struct spec *
merge(const struct set *s, const struct spec *old, const struct spec *new)
{
	AUTO_BUF struct buf packed = { 0 };
	struct spec *merged = NULL;
	unsigned n;
	const struct setting *rows = settings_all(&n);

	for (unsigned i = 0; i < n; i++)
		if (rows[i].scope == SCOPE_JOB)
			spec_copy_value(&packed, s->changes[rows[i].id] ? new : old, &rows[i]);
	return spec_new(SCOPE_JOB, buf_bytes(&packed), buf_len(&packed), NULL, &merged) == 0 ? merged : NULL;
}

static bool
has_origin(const struct spec *s, const char *url)
{
	struct url a, b;
	const char *why;

	for (unsigned i = 0; i < spec_list_len(s, JOB_URL); i++)
		if (url_parse(url, &a, &why) == 0 && url_parse(spec_list(s, JOB_URL, i), &b, &why) == 0 && url_same_origin(&a, &b))
			return true;
	return false;
}

/* A header or a certificate was given for the origins of the urls; whoever may set
 * the url may not be meant to see it.  NULL: nothing of it. */
static const char *
shows_secret(const struct set *s, const struct spec *old, const struct spec *new)
{
	static const enum setting_id bound[] = { JOB_HEADER, JOB_USER, JOB_CERT, JOB_KEY };
	bool elsewhere = false;

	for (unsigned i = 0; s->changes[JOB_URL] && i < spec_list_len(new, JOB_URL); i++)
		elsewhere |= !has_origin(old, spec_list(new, JOB_URL, i));
	for (unsigned i = 0; elsewhere && i < ARRAY_SIZE(bound); i++)
		if (!s->changes[bound[i]] && spec_has(old, bound[i]))
			return setting_find(bound[i])->name;
	return NULL;
}

/* The spec of one job; NULL after the answer. */
static struct spec *
spec_for(const struct set *s, uint64_t id, const struct spec *new)
{
	const struct engine *e = s->control->engine;
	const struct job *j = engine_job(e, id);
	const char *why = j ? shows_secret(s, j->spec, new) : NULL;
	struct spec *merged;

	if (!j) {
		call_fail(s->call, RPC_NO_JOB, "there is no job %llu any more", (unsigned long long)id);
		return NULL;
	}
	if (why) {
		call_fail(s->call, RPC_CONFLICT, "job %llu has a %s for the origin of its url, and the new url is at another: set %s, too, or to null",
		    (unsigned long long)id, why, why);
		return NULL;
	}
	merged = merge(s, j->spec, new);
	if (!merged) {
		call_fail(s->call, RPC_INVALID_PARAMS, "the settings of job %llu would be too large", (unsigned long long)id);
		return NULL;
	}
	why = engine_refuse_change(e, id, merged);
	if (!why)
		return merged;
	spec_unref(merged);
	call_fail(s->call, RPC_CONFLICT, "job %llu cannot be set: %s", (unsigned long long)id, why);
	return NULL;
}

/* All or none. */
static void
change_all(struct set *s, const struct spec *new)
{
	AUTO_FREE struct spec **specs = xcalloc(s->n, sizeof specs[0]);
	struct engine *e = s->control->engine;
	size_t n = 0;

	while (n < s->n && (specs[n] = spec_for(s, s->ids[n], new)))
		n++;
	for (size_t i = 0; i < n; i++) {
		const struct job *j = engine_job(e, s->ids[i]);

		if (n == s->n && j && !engine_refuse_change(e, s->ids[i], specs[i])) {
			event_command(s->call, s->ids[i]);
			engine_change(e, s->ids[i], specs[i]);
			j = engine_job(e, s->ids[i]);
			if (j)
				keep_changed(s->control->store, e, j);
		}
		spec_unref(specs[i]);
	}
	if (n == s->n)
		call_answer_jobs(s->call, s->ids, s->n);
}

static void
on_checked(const struct intake_result *results, size_t n, void *arg)
{
	struct set *s = arg;
	struct client *client = s->call->client;
	const char *why;

	if (results[0].errors)
		call_fail_checked(s->call, results, n, 1, results[0].errors);
	else if (store_is_failed(s->control->store, &why))
		call_fail(s->call, RPC_FAILED, "nothing was set, for it cannot be kept: %s", why);
	else
		change_all(s, results[0].spec);
	if (client)
		client_resume(client);
	set_free(s);
}

void
method_set(struct call *c)
{
	const json_t *changes = json_object_get(c->params, "set");
	AUTO_FREE uint64_t *ids = NULL;
	struct set *s;
	size_t n;

	if (!json_is_object(changes) || !json_object_size(changes)) {
		call_fail(c, RPC_INVALID_PARAMS, "set is an object of keys of jobs, as for add");
		return;
	}
	ids = call_jobs(c, &n);
	if (!ids || !call_may_touch(c, ids, n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!engine_job(c->control->engine, ids[i])) {
			call_fail(c, RPC_CONFLICT, "job %llu cannot be set: it is over", (unsigned long long)ids[i]);
			return;
		}
	s = NEW(struct set);
	s->call = c;
	s->control = c->control;
	s->ids = TAKE_PTR(ids);
	s->n = n;
	s->batch = intake_batch_new(on_checked, s);
	list_append(&c->control->settings, &s->link);
	if (!put_changes(s, changes)) {
		set_free(s);
		return;
	}
	if (c->client)
		client_pause(c->client);
	intake_submit(c->control->intake, s->batch);
}
