/*
 * Changing settings of jobs that are there: the method `set`.  What is new goes to the
 * intake, which checks it as that of a job that is added; then each job gets a spec of
 * its own, made of the old one and of this, and the store is told.  While that goes on
 * no further request of this client is looked at, as in add.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/control/internal.h"
#include "daemon/engine/keep.h"

enum {
	CHOSEN_CHANGES = 100, /* jobs that one request with filters changes, or refuses to, */
	CHOSEN_MS = 5,        /* and so long it looks for them: more are another request's */
	LOOK_EACH = 64,       /* jobs between two looks at the clock */
};

struct set {
	struct list link; /* of control->settings */
	struct call *call;
	struct control *control;
	struct intake_batch *batch; /* the intake's while it is there */
	uint64_t *ids;    /* owned */
	size_t n;
	bool chosen;      /* not these, but those of the filter */
	struct filter filter; /* its strings are the call's */
	uint64_t after;   /* id: those behind it */
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

/* All that a job sends, its secrets too, goes through the proxy and to whom the CA vouches for:
 * that is the choice of who added it. */
static const char *
leads_elsewhere(const struct set *s, const struct job *j)
{
	static const enum setting_id ways[] = { JOB_PROXY, JOB_NOPROXY, JOB_CACERT };
	uint32_t uid = s->call->uid;

	for (unsigned i = 0; !uid_may_all(uid) && uid != j->uid && i < ARRAY_SIZE(ways); i++)
		if (s->changes[ways[i]])
			return setting_find(ways[i])->name;
	return NULL;
}

/* The new spec of one job; NULL: it cannot have it, and *ret_why is the sentence. */
static struct spec *
spec_for(const struct set *s, const struct job *j, const struct spec *new, enum rpc_error *ret_error, char **ret_why)
{
	const char *way = leads_elsewhere(s, j), *secret = shows_secret(s, j->spec, new), *why;
	unsigned long long id = j->id;
	struct spec *merged;

	*ret_error = RPC_CONFLICT;
	if (way) {
		*ret_error = RPC_PERMISSION;
		*ret_why = xasprintf("job %llu is not one of uid %u's: %s is for who added it, root and the service's user, for what "
		    "the job sends takes that way", id, s->call->uid, way);
		return NULL;
	}
	if (secret) {
		*ret_why = xasprintf("job %llu has a %s for the origin of its url, and the new url is at another: set %s, too, or to null",
		    id, secret, secret);
		return NULL;
	}
	merged = merge(s, j->spec, new);
	if (!merged) {
		*ret_error = RPC_INVALID_PARAMS;
		*ret_why = xasprintf("the settings of job %llu would be too large", id);
		return NULL;
	}
	why = engine_refuse_change(s->control->engine, id, merged);
	if (!why)
		return merged;
	spec_unref(merged);
	*ret_why = xasprintf("job %llu cannot be set: %s", id, why);
	return NULL;
}

static void
change(const struct set *s, uint64_t id, struct spec *spec)
{
	struct engine *e = s->control->engine;
	const struct job *j;

	event_command(s->call, id);
	engine_change(e, id, spec);
	j = engine_job(e, id);
	if (j)
		keep_changed(s->control->store, e, j);
}

/* All or none. */
static void
change_all(struct set *s, const struct spec *new)
{
	AUTO_FREE struct spec **specs = xcalloc(s->n, sizeof specs[0]);
	enum rpc_error error = RPC_NO_JOB;
	struct engine *e = s->control->engine;
	AUTO_FREE char *why = NULL;
	size_t n = 0;

	for (const struct job *j; n < s->n && (j = engine_job(e, s->ids[n])) && (specs[n] = spec_for(s, j, new, &error, &why)); n++)
		;
	for (size_t i = 0; i < n; i++) {
		if (n == s->n && engine_job(e, s->ids[i]) && !engine_refuse_change(e, s->ids[i], specs[i]))
			change(s, s->ids[i], specs[i]);
		spec_unref(specs[i]);
	}
	if (n == s->n)
		call_answer_jobs(s->call, s->ids, s->n);
	else if (why)
		call_fail(s->call, error, "%s", why);
	else
		call_fail(s->call, RPC_NO_JOB, "there is no job %llu any more", (unsigned long long)s->ids[n]);
}

/* ---- By filters ---------------------------------------------------------------------- */

/* Of who may only command his own jobs these alone. */
static bool
is_chosen(const struct set *s, const struct job *j)
{
	const struct call *c = s->call;
	bool over = job_is_over(j) && !engine_comes_again(s->control->engine, j->id);

	return !over && (c->policy >= POLICY_OPERATE || j->uid == c->uid) &&
	    filter_takes(&s->filter, engine_state(s->control->engine, j), 0) && filter_takes_spec(&s->filter, j->spec);
}

static void
answer_chosen(struct call *c, unsigned n, unsigned refused, const char *why, uint64_t next)
{
	AUTO_BUF struct buf text = { 0 };
	struct json w;

	jsonw_init(&w, &text);
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "changed", n);
	jsonw_key_u64(&w, "refused", refused);
	jsonw_key_string(&w, "reason", why ? why : "");
	jsonw_key_or_null(&w, "next", (int64_t)next);
	jsonw_end_object(&w);
	call_text_durably(c, xstrdup(buf_cstr(&text)));
}

/* Some of them, each that can be; the next request goes on behind the last that was looked at. */
static void
change_chosen(struct set *s, const struct spec *new)
{
	struct engine *e = s->control->engine;
	unsigned looked = 0, n = 0, refused = 0;
	AUTO_FREE char *why = NULL;
	uint64_t last = s->after, until = clock_now_ms() + CHOSEN_MS;
	unsigned each = s->filter.url ? 1 : LOOK_EACH; /* a job may have many urls */
	const struct job *j;

	while ((j = engine_next(e, last)) && n + refused < CHOSEN_CHANGES && (++looked % each || clock_now_ms() < until)) {
		AUTO_SPEC struct spec *spec = NULL;
		AUTO_FREE char *no = NULL;
		enum rpc_error error;

		last = j->id;
		if (!is_chosen(s, j))
			continue;
		spec = spec_for(s, j, new, &error, &no);
		if (spec)
			change(s, last, spec);
		n += spec != NULL;
		refused += !spec;
		if (!spec && !why)
			why = TAKE_PTR(no);
	}
	answer_chosen(s->call, n, refused, why, j ? last : 0);
}

/* False after the answer. */
static bool
get_filter(struct set *s)
{
	const json_t *after = json_object_get(s->call->params, "after"), *all = json_object_get(s->call->params, "all");
	struct group_view v;

	if (json_object_get(s->call->params, "job") || json_object_get(s->call->params, "jobs") || (all && !json_is_true(all)) ||
	    (after && (!json_is_integer(after) || json_integer_value(after) < 0))) {
		call_fail(s->call, RPC_INVALID_PARAMS, "give jobs, or filters, or \"all\", which is true; after is the id that the last answer "
		    "has as next");
		return false;
	}
	s->after = after ? (uint64_t)json_integer_value(after) : 0;
	return call_filter(s->call, &s->filter) && (!s->filter.group || call_group(s->call, s->filter.group, &v));
}

static bool
has_filter(const struct call *c)
{
	static const char *const names[] = { "state", "group", "name", "output", "url", "all", "after" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (json_object_get(c->params, names[i]))
			return true;
	return false;
}

/* ---- The method ---------------------------------------------------------------------- */

static void
on_checked(const struct intake_result *results, size_t n, void *arg)
{
	struct set *s = arg;
	struct client *client = s->call->client;
	const char *why;

	if (results[0].errors)
		call_fail_checked(s->call, results, n, 1, results[0].errors);
	else if (text_equal(s->control->stopping, "stopping")) /* some were interrupted, and would not be found */
		call_fail(s->call, RPC_DRAINING, "hauld stops, and nothing was set: ask again when it has started");
	else if (store_is_failed(s->control->store, &why))
		call_fail(s->call, RPC_FAILED, "nothing was set, for it cannot be kept: %s", why);
	else
		(s->chosen ? change_chosen : change_all)(s, results[0].spec);
	if (client)
		client_resume(client);
	set_free(s);
}

void
method_set(struct call *c)
{
	const json_t *changes = json_object_get(c->params, "set");
	bool chosen = has_filter(c);
	AUTO_FREE uint64_t *ids = NULL;
	struct set *s;
	size_t n = 0;

	if (!json_is_object(changes) || !json_object_size(changes)) {
		call_fail(c, RPC_INVALID_PARAMS, "set is an object of keys of jobs, as for add");
		return;
	}
	ids = chosen ? NULL : call_jobs(c, &n);
	if (!chosen && (!ids || !call_may_touch(c, ids, n)))
		return; /* it was answered, and c has gone */
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
	s->chosen = chosen;
	list_init(&s->link);
	if (s->chosen && !get_filter(s)) {
		set_free(s);
		return;
	}
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
