/*
 * Adding jobs: a request's objects go to the intake, which checks them as the
 * configuration is checked, and then to the store; when they are on the disk
 * all of them are the engine's and the client is told, or none.  While that goes
 * on no further request of this client is looked at: its changes are carried out
 * in the order in which they came.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/keep.h"
#include "model/values.h"

enum { NEAR_GROUPS_MAX = 1000 }; /* that are looked at for a name that may be meant */

struct adding {
	struct list link; /* of control->addings */
	struct call *call;
	struct intake_batch *batch; /* the intake's while it is there */
	struct control *control;
	struct store_wait wait;
	struct backlog_place place;
	struct key *key;         /* borrowed, of control->keys; NULL: none */
	char *scope;             /* owned: the group that is made for these jobs; NULL: none */
	struct spec *scope_settings; /* owned; it is made when n is not 0 */
	uint64_t first_id;
	int64_t added_s;
	struct new_job {
		struct spec *spec; /* ref */
		const char *name;  /* borrowed from it; NULL: none, or not taken */
	} *jobs;                 /* owned */
	size_t n;
};

static bool
name_is(const void *item, const void *key)
{
	return strcmp(item, key) == 0;
}

void
add_init(struct control *c)
{
	map_init(&c->pending_names, name_is);
	backlog_init(c);
	list_init(&c->addings);
}

/* ---- From JSON to the intake ---------------------------------------------------- */

/* What no key takes goes there too, and comes back as a sentence. */
void
intake_put_json(struct intake_batch *b, const char *name, const json_t *v)
{
	size_t i;
	const json_t *one;

	switch (json_typeof(v)) {
	case JSON_STRING:
		intake_put_text(b, name, json_string_value(v));
		break;
	case JSON_INTEGER:
		intake_put_number(b, name, json_integer_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		intake_put_bool(b, name, json_is_true(v));
		break;
	case JSON_ARRAY:
		intake_put_kind(b, name, CONF_KIND_LIST);
		json_array_foreach(v, i, one)
			if (json_is_array(one))
				intake_put_kind(b, name, CONF_KIND_OTHER);
			else
				intake_put_json(b, name, one);
		break;
	case JSON_REAL:
		intake_put_kind(b, name, CONF_KIND_FRACTION);
		break;
	case JSON_NULL:
	case JSON_OBJECT:
		intake_put_kind(b, name, CONF_KIND_OTHER);
		break;
	}
}

/* False after the answer. */
static bool
put_job(struct call *c, struct intake_batch *b, const json_t *job, size_t index, const char *scope)
{
	const char *name;
	json_t *v;

	if (!json_is_object(job)) {
		call_fail(c, RPC_INVALID_PARAMS, "jobs[%zu] is no object", index);
		return false;
	}
	if (!add_may_ask(c, job, index))
		return false;
	if (scope && json_object_get(job, "group")) {
		call_fail(c, RPC_INVALID_PARAMS, "jobs[%zu] has a group, and so has the request: scope", index);
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)job, name, v)
		intake_put_json(b, name, v);
	if (scope)
		intake_put_text(b, "group", scope);
	intake_end_job(b);
	return true;
}

/* ---- The answer of the intake ------------------------------------------------------ */

void
call_fail_checked(struct call *c, const struct intake_result *results, size_t n, size_t n_bad, const char *first)
{
	AUTO_BUF struct buf errors = { 0 };
	AUTO_FREE char *message = NULL;
	bool ours = false;
	size_t told = 0;
	struct json w;

	jsonw_init(&w, &errors);
	jsonw_begin_array(&w);
	for (size_t i = 0; i < n && told < 100; i++) {
		const char *error = results[i].errors;

		if (!error)
			continue;
		ours |= results[i].internal;
		told++;
		jsonw_begin_object(&w);
		jsonw_key_u64(&w, "index", i);
		jsonw_key_string(&w, "text", error);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	if (n == 1)
		message = xstrdup(first);
	else
		message = xasprintf("%zu of %zu jobs cannot be, so none was added; the first: %s", n_bad, n, first);
	call_fail_errors(c, ours ? RPC_INTERNAL : RPC_INVALID_PARAMS, message, buf_cstr(&errors));
}

/* Neither a job's nor that of an earlier one of this batch; false after the
 * answer. */
static bool
names_are_free(struct call *c, const struct intake_result *results, size_t n)
{
	const char *taken = NULL;
	bool twice = false;
	struct map names;
	size_t i;

	map_init(&names, name_is);
	for (i = 0; i < n && !taken; i++) {
		const char *name = spec_string(results[i].spec, JOB_NAME);

		if (!name)
			continue;
		twice = map_find(&names, hash_str(name), name);
		if (twice || archive_find_name(c->control->archive, name) || control_is_adding(c->control, name))
			taken = name;
		else
			map_add(&names, hash_str(name), (void *)(uintptr_t)name);
	}
	map_done(&names);
	if (taken) {
		AUTO_FREE char *which = n > 1 ? xasprintf("jobs[%zu]: ", i - 1) : xstrdup("");

		call_fail(c, RPC_CONFLICT, twice ? "%sthe name \"%s\" is that of a job before it: each needs its own" :
		    "%sthere is a job \"%s\" already: give another name, or remove that one first", which, taken);
	}
	return !taken;
}

static bool
order_is_good(struct call *c, const struct intake_result *results, size_t n)
{
	AUTO_FREE struct spec **specs = xcalloc(n, sizeof specs[0]);

	for (size_t i = 0; i < n; i++)
		specs[i] = results[i].spec;
	return add_check_order(c, specs, n);
}

static bool
group_is_there(const struct adding *a, const char *group)
{
	struct group_view v;

	return !group || text_equal(group, a->scope) || engine_group(a->control->engine, group, &v);
}

/* Who may only submit may add to these groups.  A scope that is to be made is as open as what
 * it is to lie in.  False after the answer. */
static bool
may_join(const struct adding *a, const struct intake_result *results, size_t n)
{
	const struct engine *e = a->control->engine;
	struct result why = { 0 };
	struct group_view v;

	for (size_t i = 0; i < n && a->call->policy < POLICY_OPERATE; i++) {
		const char *group = spec_string(results[i].spec, JOB_GROUP);

		if (group && text_equal(group, a->scope) && !engine_group(e, group, &v))
			group = spec_string(a->scope_settings, GROUP_PARENT);
		if (!group || !engine_refuses_member(e, group, a->call->uid, &why))
			continue;
		call_fail(a->call, RPC_PERMISSION, "jobs[%zu]: %s", i, why.text);
		return false;
	}
	return true;
}

/* The group that name may be meant for; NULL: none is near. */
static const char *
near_group(const struct engine *e, const char *name)
{
	unsigned least = (unsigned)strlen(name) / 3 + 1, looks = 0;
	const char *best = NULL, *at = "";
	struct group_view v;

	for (; looks < NEAR_GROUPS_MAX && engine_next_group(e, at, &v); looks++) {
		at = v.name;
		if (str_is_nearer(name, at, &least))
			best = at;
	}
	return best;
}

/* "group is ..."; with names of others where one is near. */
static char *
refuse_group(const struct engine *e, const char *name, bool look)
{
	const char *near = look ? near_group(e, name) : NULL;

	if (near)
		return xasprintf("group is \"%s\", which is not in groups: did you mean \"%s\"?", name, near);
	return xasprintf("group is \"%s\", which is not in groups: `haulctl group %s on-failure=continue` makes one on the fly", name,
	    name);
}

/* The groups that they name, but for the one that is made for them; false after the
 * answer. */
static bool
groups_are_there(const struct adding *a, const struct intake_result *results, size_t n)
{
	AUTO_FREE struct intake_result *refused = xcalloc(n, sizeof refused[0]);
	const char *first = NULL;
	struct result why = { 0 };
	size_t n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		const char *group = spec_string(results[i].spec, JOB_GROUP);

		if (engine_refuses_job(a->control->engine, results[i].spec, &why))
			refused[i].errors = xstrdup(why.text);
		else if (group_is_there(a, group))
			continue;
		else
			refused[i].errors = refuse_group(a->control->engine, group, !n_bad);
		first = first ? first : refused[i].errors;
		n_bad++;
	}
	if (n_bad)
		call_fail_checked(a->call, refused, n, n_bad, first);
	for (size_t i = 0; i < n; i++)
		free(refused[i].errors);
	return !n_bad;
}

bool
control_is_adding(const struct control *c, const char *name)
{
	return map_find(&c->pending_names, hash_str(name), name);
}

static void
take_names(struct adding *a)
{
	for (size_t i = 0; i < a->n; i++) {
		a->jobs[i].name = spec_string(a->jobs[i].spec, JOB_NAME);
		if (a->jobs[i].name)
			map_add(&a->control->pending_names, hash_str(a->jobs[i].name), (void *)(uintptr_t)a->jobs[i].name);
	}
}

static void
give_names(struct adding *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->jobs[i].name)
			(void)map_remove(&a->control->pending_names, hash_str(a->jobs[i].name), a->jobs[i].name);
		a->jobs[i].name = NULL;
	}
}

static void
adding_free(struct adding *a)
{
	backlog_leave(&a->place);
	give_names(a);
	if (a->scope && a->n)
		engine_leave_scope(a->control->engine, a->scope);
	if (a->key)
		key_drop(a->control, a->key);
	list_remove(&a->link);
	store_forget_wait(&a->wait);
	intake_batch_free(a->batch);
	free(a->scope);
	spec_unref(a->scope_settings);
	for (size_t i = 0; i < a->n; i++)
		spec_unref(a->jobs[i].spec);
	free(a->jobs);
	free(a);
}

/* The call was answered; the client's next request may come. */
static void
adding_over(struct adding *a, struct client *client)
{
	if (client)
		client_resume(client);
	adding_free(a);
}

static void
add_all(struct adding *a)
{
	AUTO_BUF struct buf answer = { 0 };
	struct json w;

	give_names(a);
	a->control->came_late |= text_equal(a->control->stopping, "stopping");
	jsonw_init(&w, &answer);
	jsonw_begin_object(&w);
	jsonw_key(&w, "jobs");
	jsonw_begin_array(&w);
	for (size_t i = 0; i < a->n; i++) {
		engine_add_reserved(a->control->engine, a->first_id + i, a->jobs[i].spec, a->call->uid, a->added_s);
		jsonw_begin_object(&w);
		jsonw_key_u64(&w, "id", a->first_id + i);
		jsonw_key_string(&w, "name", spec_string(a->jobs[i].spec, JOB_NAME));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	call_text(a->call, buf_cstr(&answer));
	if (a->key)
		key_keep(a->control, TAKE_PTR(a->key));
}

static void
on_durable(const char *error, void *arg)
{
	struct adding *a = arg;
	struct client *client = a->call->client;

	if (error) {
		for (size_t i = 0; i < a->n; i++)
			store_delete(a->control->store, a->first_id + i);
		if (a->scope)
			(void)engine_remove_group(a->control->engine, a->scope);
		call_fail(a->call, RPC_FAILED, "nothing was added, for it cannot be kept: %s", error);
	} else {
		add_all(a);
	}
	adding_over(a, client);
}

static void
keep(struct adding *a, const struct intake_result *results, size_t n)
{
	AUTO_FREE struct spec **specs = xcalloc(n, sizeof specs[0]);

	a->n = n;
	a->added_s = clock_wall_s();
	a->jobs = xcalloc(n, sizeof a->jobs[0]);
	a->first_id = engine_reserve(a->control->engine, n);
	if (a->scope)
		engine_make_scope(a->control->engine, a->scope, a->scope_settings, a->call->uid);
	for (size_t i = 0; i < n; i++)
		specs[i] = a->jobs[i].spec = spec_ref(results[i].spec);
	if (a->key)
		key_put(a->control, a->key, a->first_id, n, specs);
	for (size_t i = 0; i < n; i++)
		keep_new(a->control->store, a->first_id + i, specs[i], a->call->uid, false, a->added_s);
	take_names(a);
	store_when_durable(a->control->store, &a->wait, on_durable, a);
}

void
add_done(struct control *c)
{
	while (!list_empty(&c->addings)) {
		struct adding *a = LIST_FIRST(&c->addings, struct adding, link);

		call_free(a->call);
		adding_free(a);
	}
	backlog_done(c);
}

static void
on_checked(const struct intake_result *results, size_t n, void *arg)
{
	struct adding *a = arg;
	struct client *client = a->call->client;
	const char *first = NULL, *why;
	size_t n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		n_bad += results[i].errors != NULL;
		first = first ? first : results[i].errors;
	}
	if (n_bad) {
		call_fail_checked(a->call, results, n, n_bad, first);
	} else if (a->control->stopping) {
		call_fail(a->call, RPC_DRAINING, "hauld takes no more jobs: it is %s", a->control->stopping);
	} else if (store_is_failed(a->control->store, &why)) {
		call_fail(a->call, RPC_FAILED, "nothing was added, for it cannot be kept: %s", why);
	} else if (store_is_full(a->control->store)) {
		call_fail(a->call, RPC_FAILED, "nothing was added, for the store cannot keep up: %zu changes wait for the disk; "
		    "try again later", store_queued(a->control->store));
	} else if (add_may_have(a->call, results, n) && groups_are_there(a, results, n) && may_join(a, results, n) && names_are_free(a->call, results, n) && order_is_good(a->call, results, n)) {
		keep(a, results, n);
		return;
	}
	adding_over(a, client);
}

/* "scope": the name and the settings of a group for these jobs, made when there is none;
 * false after the answer. */
static bool
get_scope(struct adding *a)
{
	struct call *c = a->call;
	json_t *scope = json_object_get(c->params, "scope");
	json_t *settings;
	const char *name = json_string_value(json_object_get(scope, "name")), *why;
	struct group_view v;

	if (!scope)
		return true;
	why = name ? value_refuse_name(name) : "is missing";
	if (why) {
		call_fail(c, RPC_INVALID_PARAMS, "the name of the scope %s", why);
		return false;
	}
	if (engine_group(c->control->engine, name, &v) && (v.configured || v.made)) {
		call_fail(c, RPC_CONFLICT, "there is a group %s already: say group in each job, or give the scope another name", v.name);
		return false;
	}
	settings = json_copy(scope);
	(void)json_object_del(settings, "name");
	a->scope_settings = call_group_settings(c, settings, false, NULL);
	json_decref(settings);
	a->scope = a->scope_settings ? xstrdup(name) : NULL;
	return a->scope;
}

/* ---- Room in the queue -------------------------------------------------------------- */

static void
on_room(void *arg)
{
	struct adding *a = arg;
	struct client *client = a->call->client;

	a->call->on_orphaned = NULL;
	client->waits = false;
	if (!a->control->stopping) {
		intake_submit(a->control->intake, a->batch);
		return;
	}
	call_fail(a->call, RPC_DRAINING, "hauld takes no more jobs: it is %s", a->control->stopping);
	adding_over(a, client);
}

/* Its client has gone while it waited for room: nothing is added. */
static void
on_orphaned(struct call *c, void *arg)
{
	call_free(c);
	adding_free(arg);
}

static void
enter(struct adding *a, size_t n)
{
	struct call *c = a->call;

	switch (backlog_enter(&a->place, c, n, on_room, a)) {
	case BACKLOG_ROOM:
		if (c->client) /* else it went while jobs were looked up */
			client_pause(c->client);
		intake_submit(c->control->intake, a->batch);
		break;
	case BACKLOG_WAITS:
		if (!c->client) {
			on_orphaned(c, a);
			break;
		}
		client_pause(c->client);
		c->on_orphaned = on_orphaned;
		c->arg = a;
		c->client->waits = true;
		control_client_ended(c->control); /* looked at until there is room */
		break;
	case BACKLOG_REFUSED:
		adding_free(a);
		break;
	}
}

/* ---- The call ---------------------------------------------------------------------- */

void
method_add(struct call *c)
{
	json_t *one = json_object_get(c->params, "job"), *many = json_object_get(c->params, "jobs");
	size_t n = json_is_array(many) ? json_array_size(many) : 0;
	struct intake_batch *b;
	struct adding *a;
	struct key *key;

	if (!one == !many || (many && (!n || n > ADDS_PER_CALL))) {
		call_fail(c, RPC_INVALID_PARAMS, "give \"job\", an object, or \"jobs\": an array of 1 to %d of them", ADDS_PER_CALL);
		return;
	}
	if (c->control->stopping) {
		call_fail(c, RPC_DRAINING, "hauld takes no more jobs: it is %s", c->control->stopping);
		return;
	}
	if (add_look_up(c, one, many) || !key_begin(c, &key))
		return;
	a = NEW(struct adding);
	b = intake_batch_new(on_checked, a);
	*a = (struct adding){ .call = c, .control = c->control, .batch = b, .key = key };
	list_append(&c->control->addings, &a->link);
	if (!get_scope(a)) {
		adding_free(a);
		return;
	}
	for (size_t i = 0; i < (one ? 1 : n); i++)
		if (!put_job(c, b, one ? one : json_array_get(many, i), i, a->scope)) {
			adding_free(a);
			return;
		}
	enter(a, one ? 1 : n);
}
