/* What clients may call, but for `add` (add.c), `list` (list.c) and what waits. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/keep.h"
#include "model/until.h"
#include "wire/build_id.h"

/* ---- The jobs that a request names --------------------------------------------- */

/* The id that a reference means; 0: no job ever had it, or none has the name. */
static uint64_t
id_of(const struct control *c, const json_t *ref)
{
	uint64_t id;

	if (json_is_integer(ref))
		return json_integer_value(ref) > 0 ? (uint64_t)json_integer_value(ref) : 0;
	return parse_u64(json_string_value(ref), &id) == 0 ? id : archive_find_name(c->archive, json_string_value(ref));
}

/* What was added while hauld stops is in the store, and in memory in its next life. */
static void
fail_no_job(struct call *c, const json_t *ref)
{
	char safe[160];

	if (c->control->came_late)
		call_fail(c, RPC_DRAINING, "hauld stops, and jobs that were added meanwhile are there when it starts again: ask again then");
	else if (json_is_integer(ref))
		call_fail(c, RPC_NO_JOB, "there is no job %lld", (long long)json_integer_value(ref));
	else
		call_fail(c, RPC_NO_JOB, "there is no job \"%s\": a job is known by its id, and by the name that it was given",
		    str_safe(safe, sizeof safe, json_string_value(ref), json_string_length(ref)));
}

/* False after the answer.  *ret_past: it is to be looked up. */
static bool
find_job(struct call *c, const json_t *ref, uint64_t *ret, bool *ret_past)
{
	if (!json_is_integer(ref) && !json_is_string(ref)) {
		call_fail(c, RPC_INVALID_PARAMS, "a job is named by its id, a number, or by its name, a string");
		return false;
	}
	*ret = id_of(c->control, ref);
	if (call_job(c, *ret))
		return true;
	if (call_may_be_past(c, *ret)) {
		*ret_past = true;
		return true;
	}
	fail_no_job(c, ref);
	return false;
}

bool
call_job_number(struct call *c, const json_t *ref, uint64_t *ret)
{
	*ret = json_is_integer(ref) || json_is_string(ref) ? id_of(c->control, ref) : 0;
	if (*ret)
		return true;
	if (json_is_string(ref))
		fail_no_job(c, ref);
	else
		call_fail(c, RPC_INVALID_PARAMS, "a job is named by its id, a number, or by its name, a string");
	return false;
}

/* All that are not in memory: those that were looked up already, too. */
static void
look_up(struct call *c, const uint64_t *ids, size_t n)
{
	AUTO_FREE uint64_t *past = xcalloc(n, sizeof past[0]);
	size_t n_past = 0;

	for (size_t i = 0; i < n; i++)
		if (!engine_job(c->control->engine, ids[i]))
			past[n_past++] = ids[i];
	call_look_up(c, past, n_past);
}

uint64_t *
call_jobs(struct call *c, size_t *ret_n)
{
	json_t *one = json_object_get(c->params, "job"), *many = json_object_get(c->params, "jobs");
	size_t n = json_is_array(many) ? json_array_size(many) : 0;
	AUTO_FREE uint64_t *ids = NULL;
	bool past = false;

	if (!one == !many || (many && (!json_is_array(many) || !n || n > JOBS_PER_CALL))) {
		call_fail(c, RPC_INVALID_PARAMS, "give \"job\", or \"jobs\": an array of 1 to %d ids and names", JOBS_PER_CALL);
		return NULL;
	}
	n = one ? 1 : n;
	ids = xcalloc(n, sizeof ids[0]);
	for (size_t i = 0; i < n; i++)
		if (!find_job(c, one ? one : json_array_get(many, i), &ids[i], &past))
			return NULL;
	if (past) {
		look_up(c, ids, n);
		return NULL;
	}
	*ret_n = n;
	return TAKE_PTR(ids);
}

bool
call_number(struct call *c, const char *name, uint64_t *ret)
{
	const json_t *v = json_object_get(c->params, name);

	*ret = 0;
	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT64_C(1) << 53) {
		call_fail(c, RPC_INVALID_PARAMS, "%s is a whole number, 0 or more", name);
		return false;
	}
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

/* Those that hauld has interrupted, because it stops, only look as if they were over. */
static bool
are_here(struct call *c, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct job *j = engine_job(c->control->engine, ids[i]);

		if (!j || j->result->code != RESULT_INTERRUPTED)
			continue;
		call_fail(c, RPC_DRAINING, "hauld stops, and job %llu goes on when it starts again: ask again then",
		    (unsigned long long)ids[i]);
		return false;
	}
	return true;
}

bool
call_may_touch(struct call *c, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n && c->policy < POLICY_OPERATE; i++) {
		const struct job *j = call_job(c, ids[i]);

		if (j && j->uid == c->uid)
			continue;
		call_fail(c, RPC_PERMISSION, "job %llu is not one of uid %u's: control-policy = \"submit\" lets clients command their own jobs",
		    (unsigned long long)ids[i], c->uid);
		return false;
	}
	return are_here(c, ids, n);
}

void
call_answer_jobs(struct call *c, const uint64_t *ids, size_t n)
{
	AUTO_BUF struct buf text = { 0 };
	struct json w;

	jsonw_init(&w, &text);
	jsonw_begin_object(&w);
	job_json_jobs(&w, c, ids, n);
	jsonw_end_object(&w);
	call_text_durably(c, xstrdup(buf_cstr(&text)));
}

/* ---- Commands --------------------------------------------------------------------- */

/* The jobs of the request when this client may command them; NULL after the
 * answer. */
static uint64_t *
jobs_to_touch(struct call *c, size_t *ret_n)
{
	uint64_t *ids = call_jobs(c, ret_n);

	if (ids && !call_may_touch(c, ids, *ret_n)) {
		free(ids);
		return NULL;
	}
	return ids;
}

/* It will be done: what is refused is no event. */
static void
note_command(struct call *c, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		event_command(c, ids[i]);
}

static void
method_cancel(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	size_t n;

	if (call_names_scope(c)) {
		scope_cancel(c);
		return;
	}
	ids = jobs_to_touch(c, &n);
	if (!ids)
		return;
	for (size_t i = 0; i < n; i++) /* those that are over stay as they are */
		if (!job_is_over(call_job(c, ids[i])) || engine_comes_again(c->control->engine, ids[i]))
			event_command(c, ids[i]);
	await_cancel(c, ids, n);
}

/* All or none: false after the answer. */
static bool
all_can(struct call *c, const uint64_t *ids, size_t n, bool over, const char *why)
{
	for (size_t i = 0; i < n; i++) {
		const struct job *j = call_job(c, ids[i]);

		if (job_is_over(j) == over || (!over && engine_comes_again(c->control->engine, ids[i])))
			continue;
		call_fail(c, RPC_CONFLICT, "job %llu is %s: %s", (unsigned long long)ids[i],
		    job_state_to_string(j->state), why);
		return false;
	}
	return true;
}

bool
call_may_begin(struct call *c)
{
	if (!c->control->stopping)
		return true;
	call_fail(c, RPC_DRAINING, "hauld begins nothing any more: it is %s", c->control->stopping);
	return false;
}

static void
method_pause(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	size_t n;

	if (call_names_scope(c)) {
		scope_pause(c);
		return;
	}
	ids = jobs_to_touch(c, &n);
	if (!ids || !all_can(c, ids, n, false, "only a job that is not over can be paused"))
		return;
	note_command(c, ids, n);
	await_pause(c, ids, n);
}

static void
method_resume(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	size_t n;

	if (!call_may_begin(c))
		return;
	if (call_names_scope(c)) {
		scope_resume(c);
		return;
	}
	ids = jobs_to_touch(c, &n);
	if (!ids || !all_can(c, ids, n, false, "only a paused job can be resumed; `retry` begins an ended one anew"))
		return;
	note_command(c, ids, n);
	for (size_t i = 0; i < n; i++)
		(void)engine_resume(c->control->engine, ids[i]);
	call_answer_jobs(c, ids, n);
}

static void
method_remove(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	uint64_t removed = 0;
	size_t n;

	ids = jobs_to_touch(c, &n);
	if (!ids || !all_can(c, ids, n, true, "only an ended job can be removed; cancel it first"))
		return;
	note_command(c, ids, n);
	for (size_t i = 0; i < n; i++) { /* one may be named twice */
		if (call_past_job(c, ids[i])) {
			archive_delete(c->control->archive, ids[i]);
			removed++;
			continue;
		}
		removed += engine_job(c->control->engine, ids[i]) && engine_remove(c->control->engine, ids[i]) == ENGINE_OK;
	}
	call_text_durably(c, xasprintf("{\"removed\":%llu}", (unsigned long long)removed));
}

/* Into the store as a whole: one that was kept long enough may be gone there. */
static void
retry_one(struct call *c, uint64_t id)
{
	struct engine *e = c->control->engine;
	const struct job *j = engine_job(e, id);

	if (!j || !job_is_over(j))
		return; /* named twice */
	keep_new(c->control->store, id, j->spec, j->uid, j->from_config, j->added_s);
	(void)engine_retry(e, id);
}

/* False after the answer. */
static bool
can_be_retried(struct call *c, uint64_t id)
{
	const struct job *j = call_job(c, id);
	const char *deadline = spec_string(j->spec, JOB_DEADLINE);
	struct until until = until_of(deadline, clock_wall_s());

	if (j->state == JOB_DONE && !engine_comes_again(c->control->engine, id)) {
		call_fail(c, RPC_CONFLICT, "job %llu is done: only a failed or cancelled job can be retried", (unsigned long long)id);
		return false;
	}
	if (until.kind != UNTIL_AT || until.at_s > clock_wall_s())
		return true;
	call_fail(c, RPC_CONFLICT, "job %llu would end again at once: its deadline, \"%s\", has passed; %s", (unsigned long long)id,
	    deadline, j->from_config ? "give it another one in the configuration, and reload" : "add it anew with another one");
	return false;
}

static void
method_retry(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	size_t n;

	if (!call_may_begin(c))
		return;
	ids = jobs_to_touch(c, &n);
	if (!ids || !all_can(c, ids, n, true, "only a failed or cancelled job can be retried"))
		return;
	for (size_t i = 0; i < n; i++)
		if (!can_be_retried(c, ids[i]))
			return;
	if (!call_bring_back(c, ids, n))
		return;
	note_command(c, ids, n);
	for (size_t i = 0; i < n; i++)
		retry_one(c, ids[i]);
	call_answer_jobs(c, ids, n);
}

static void
refuse_run(struct call *c, uint64_t id, enum job_state state)
{
	if (state == JOB_PAUSED)
		call_fail(c, RPC_CONFLICT, "job %llu is paused: `resume` lets it go on, and a time that it waits for can be passed then",
		    (unsigned long long)id);
	else
		call_fail(c, RPC_CONFLICT, "job %llu is %s, and waits for no time: only a job with start-at, delay, every or cron "
		    "can be told to run now; `retry` begins a failed one anew", (unsigned long long)id, job_state_to_string(state));
}

/* The jobs that wait for a time, or come again. */
static void
method_run(struct call *c)
{
	struct engine *e = c->control->engine;
	AUTO_FREE uint64_t *ids = NULL;
	size_t n;

	if (!call_may_begin(c))
		return;
	ids = jobs_to_touch(c, &n);
	if (!ids)
		return;
	for (size_t i = 0; i < n; i++)
		if (!engine_job(e, ids[i]) || !engine_can_run(e, ids[i])) {
			refuse_run(c, ids[i], call_job(c, ids[i])->state);
			return;
		}
	note_command(c, ids, n);
	for (size_t i = 0; i < n; i++)
		if (engine_can_run(e, ids[i])) { /* one may be named twice */
			engine_run(e, ids[i]);
			keep_update(c->control->store, e, engine_job(e, ids[i]));
		}
	call_answer_jobs(c, ids, n);
}

/* ---- Looking ------------------------------------------------------------------------ */

static void
method_show(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	struct engine_view v;
	struct json w;
	size_t n;

	ids = call_jobs(c, &n);
	if (!ids)
		return;
	(void)call_view(c, ids[0], &v);
	w = call_begin(c);
	job_json_full(&w, &v);
	call_end(c, &w);
}

static void
method_version(struct call *c)
{
	struct json w = call_begin(c);

	jsonw_begin_object(&w);
	jsonw_key_string(&w, "version", PACKAGE_VERSION);
	jsonw_key_string(&w, "build", build_id);
	jsonw_key_u64(&w, "protocol", 1);
	jsonw_key_string(&w, "libraries", c->control->options.libraries);
	jsonw_key_u64(&w, "pid", (uint64_t)getpid());
	jsonw_end_object(&w);
	call_end(c, &w);
}

static void
put_worker(const struct pool_worker_view *v, void *arg)
{
	struct json *w = arg;

	jsonw_begin_object(w);
	jsonw_key_u64(w, "number", v->number);
	jsonw_key(w, "pid");
	jsonw_i64(w, v->pid);
	jsonw_key_u64(w, "tasks", v->tasks);
	jsonw_key_u64(w, "heavy", v->heavy);
	jsonw_key_u64(w, "uptime_s", v->age_ms / 1000);
	jsonw_end_object(w);
}

static void
method_workers(struct call *c)
{
	struct engine_numbers numbers;
	struct json w = call_begin(c);

	engine_get_numbers(c->control->engine, &numbers);
	jsonw_begin_object(&w);
	jsonw_key(&w, "workers");
	jsonw_begin_array(&w);
	engine_each_worker(c->control->engine, put_worker, &w);
	jsonw_end_array(&w);
	jsonw_key_u64(&w, "limit", numbers.workers_max);
	jsonw_key_u64(&w, "deaths", numbers.worker_deaths);
	jsonw_end_object(&w);
	call_end(c, &w);
}

static void
put_specs(struct json *w, const char *key, const struct spec_list *l, enum setting_scope scope)
{
	jsonw_key(w, key);
	jsonw_begin_array(w);
	for (size_t i = 0; i < l->len; i++)
		spec_json(w, l->items[i], scope, false);
	jsonw_end_array(w);
}

static void
method_config(struct call *c)
{
	const struct conf *conf = c->control->conf;
	struct json w = call_begin(c);

	jsonw_begin_object(&w);
	jsonw_key_string(&w, "file", c->control->options.conf_file);
	jsonw_key(&w, "loaded");
	jsonw_i64(&w, c->control->conf_loaded_s);
	jsonw_key(&w, "daemon");
	spec_json(&w, conf->daemon, SCOPE_DAEMON, true);
	jsonw_key(&w, "defaults");
	spec_json(&w, conf->defaults, SCOPE_JOB, true);
	put_specs(&w, "hosts", &conf->hosts, SCOPE_HOST);
	put_specs(&w, "groups", &conf->groups, SCOPE_GROUP);
	jsonw_key_u64(&w, "jobs", conf->jobs.len);
	jsonw_end_object(&w);
	call_end(c, &w);
}

/* ---- The service's ------------------------------------------------------------------------ */

static void
method_check(struct call *c)
{
	c->control->ops->check(c, c->control->arg);
}

static void
method_reload(struct call *c)
{
	c->control->ops->reload(c, c->control->arg);
}

/* Without "on" it is only told how it is. */
static void
method_debug(struct call *c)
{
	const json_t *on = json_object_get(c->params, "on");
	struct json w;

	if (on && !json_is_boolean(on)) {
		call_fail(c, RPC_INVALID_PARAMS, "on is true or false");
		return;
	}
	if (on)
		c->control->ops->debug(json_is_true(on), c->control->arg);
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key_bool(&w, "debug", log_get_level() == LOG_LEVEL_DEBUG);
	jsonw_end_object(&w);
	call_end(c, &w);
}

static void
method_drain(struct call *c)
{
	c->control->ops->drain(c, c->control->arg);
}

static void
method_shutdown(struct call *c)
{
	c->control->ops->shutdown(c, c->control->arg);
}

/* ---- The table ----------------------------------------------------------------------------- */

static const struct method methods[] = {
	{ "add", POLICY_SUBMIT, "jobs job key scope block", method_add },
	{ "cancel", POLICY_SUBMIT, "jobs job group all", method_cancel },
	{ "cat", POLICY_OBSERVE, "job", method_cat },
	{ "check", POLICY_MANAGE, "", method_check },
	{ "config", POLICY_MANAGE, "", method_config },
	{ "debug", POLICY_MANAGE, "on", method_debug },
	{ "drain", POLICY_MANAGE, "", method_drain },
	{ "event", POLICY_OBSERVE, "set clear", method_event },
	{ "events", POLICY_OBSERVE, "since instance last limit job jobs state group what follow", method_events },
	{ "group", POLICY_OBSERVE, "group set remove after", method_group },
	{ "hosts", POLICY_OBSERVE, "limit", method_hosts },
	{ "limit", POLICY_OBSERVE, "group host rate reset total", method_limit },
	{ "list", POLICY_OBSERVE, "state limit after since until group name output url order settings", method_list },
	{ "log", POLICY_OBSERVE, "job since instance last limit level follow", method_log },
	{ "pause", POLICY_SUBMIT, "jobs job group all", method_pause },
	{ "reload", POLICY_MANAGE, "", method_reload },
	{ "remove", POLICY_SUBMIT, "jobs job", method_remove },
	{ "resume", POLICY_SUBMIT, "jobs job group all", method_resume },
	{ "retry", POLICY_SUBMIT, "jobs job", method_retry },
	{ "run", POLICY_SUBMIT, "jobs job", method_run },
	{ "set", POLICY_SUBMIT, "jobs job set state group name output url all after", method_set },
	{ "show", POLICY_OBSERVE, "job", method_show },
	{ "shutdown", POLICY_MANAGE, "", method_shutdown },
	{ "stats", POLICY_OBSERVE, "", method_stats },
	{ "status", POLICY_OBSERVE, "", method_status },
	{ "subscribe", POLICY_OBSERVE, "jobs job progress_ms", method_subscribe },
	{ "unsubscribe", POLICY_OBSERVE, "subscription", method_unsubscribe },
	{ "verify", POLICY_SUBMIT, "files", method_verify },
	{ "version", POLICY_OBSERVE, "", method_version },
	{ "wait", POLICY_OBSERVE, "jobs job group all for return_when timeout_ms", method_wait },
	{ "why", POLICY_OBSERVE, "job jobs", method_why },
	{ "workers", POLICY_OBSERVE, "", method_workers },
};

const struct method *
method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

const char *
method_suggest(const char *name)
{
	const char *near = NULL;
	unsigned least = 3;

	if (strlen(name) > 32)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (str_is_nearer(name, methods[i].name, &least))
			near = methods[i].name;
	return near;
}
