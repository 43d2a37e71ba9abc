/* The method group: looking at groups, and making, setting and removing them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "model/until.h"
#include "model/values.h"

/* ---- As JSON; the members are promised in haul-rpc(7) ------------------------------ */

static void
put_limits(struct json *w, const struct group_view *v)
{
	const char *deadline = spec_string(v->spec, GROUP_DEADLINE);
	uint64_t after_ms;

	jsonw_key_u64(w, "max_concurrent", spec_number(v->spec, GROUP_MAX_CONCURRENT));
	jsonw_key_u64(w, "limit_rate", spec_number(v->spec, GROUP_LIMIT_RATE));
	jsonw_key_string(w, "on_failure", spec_number(v->spec, GROUP_ON_FAILURE) == ON_FAILURE_CANCEL ? "cancel" : "continue");
	jsonw_key_string(w, "publish", v->atomic ? "atomic" : "each");
	jsonw_key_bool(w, "allow_submit", v->open);
	jsonw_key_u64(w, "deadline_ms", parse_duration(deadline, &after_ms) == 0 ? after_ms : 0);
	jsonw_key_string(w, "deadline", text_equal(deadline, "0") ? "" : deadline);
	jsonw_key_or_null(w, "deadline_in_ms", (int64_t)v->deadline_in_ms);
}

static const char *
state_of(const struct group_view *v)
{
	return v->ending ? "ending" : !v->live ? "idle" : v->held ? "paused" : "active";
}

static void
group_json(struct json *w, const struct group_view *v)
{
	jsonw_begin_object(w);
	jsonw_key_string(w, "name", v->name);
	jsonw_key_string(w, "parent", v->parent);
	jsonw_key_string(w, "origin", v->configured ? "config" : v->made ? "client" : "jobs");
	jsonw_key_string(w, "state", state_of(v));
	jsonw_key_bool(w, "paused", v->paused);
	jsonw_key_bool(w, "held", v->held);
	jsonw_key_u64(w, "running", v->running);
	put_limits(w, v);
	jsonw_key_or_null(w, "started", v->started_s);
	jsonw_key_u64(w, "live", v->live);
	jsonw_key_string(w, "code", v->ending ? result_word(v->ending) : "");
	jsonw_key_string(w, "reason", v->ending ? v->ending->text : "");
	jsonw_key(w, "jobs");
	counts_json(w, v->counts);
	jsonw_end_object(w);
}

void
group_json_name(struct json *w, const struct engine *e, const char *name)
{
	struct group_view v;

	if (engine_group(e, name, &v))
		group_json(w, &v);
	else
		jsonw_null(w);
}

/* ---- Which -------------------------------------------------------------------------- */

bool
call_group(struct call *c, const char *name, struct group_view *ret)
{
	char safe[160];

	if (!name) {
		call_fail(c, RPC_INVALID_PARAMS, "group is the name of a group, a string");
		return false;
	}
	if (engine_group(c->control->engine, name, ret))
		return true;
	call_fail(c, RPC_NO_JOB, "there is no group \"%s\": `haulctl group` lists them, `haulctl group NAME KEY=VALUE` makes one, "
	    "and `haulctl list --group NAME` has the jobs of one that is gone",
	    str_safe(safe, sizeof safe, name, strlen(name)));
	return false;
}

bool
call_may_command_all(struct call *c)
{
	if (c->policy >= POLICY_OPERATE)
		return call_may_store(c);
	call_fail(c, RPC_PERMISSION, "groups and everything are commanded by those who may command all jobs: "
	    "control-policy is not \"operate\" for uid %u", c->uid);
	return false;
}

bool
call_may_change_groups(struct call *c)
{
	if (!text_equal(c->control->stopping, "stopping"))
		return true;
	call_fail(c, RPC_DRAINING, "hauld stops, and groups are kept as they were before: ask again when it has started");
	return false;
}

/* ---- Settings ------------------------------------------------------------------------ */

static int
put_until(const struct setting *row, const json_t *v, struct buf *out, char **ret_why)
{
	AUTO_FREE char *text = NULL;
	int r = -EINVAL;

	if (json_is_string(v))
		r = until_parse(row, json_string_value(v), clock_wall_s(), &text, ret_why);
	else if (json_is_integer(v))
		r = until_of_number(row, json_integer_value(v), &text, ret_why);
	if (r == 0)
		spec_put_string(out, row->id, text);
	return r;
}

static int
put_number(const struct setting *row, const json_t *v, struct buf *out, char **ret_why)
{
	uint64_t number;
	int r = -EINVAL;

	if (json_is_string(v))
		r = setting_parse_text(row, json_string_value(v), &number, ret_why);
	else if (json_is_boolean(v) && row->type == TYPE_BOOL)
		r = setting_parse_text(row, json_is_true(v) ? "true" : "false", &number, ret_why);
	else if (json_is_integer(v))
		r = setting_check_number(row, json_integer_value(v), &number, ret_why);
	if (r == 0)
		spec_put_number(out, row->id, number);
	return r;
}

/* One value of "set"; false after the answer. */
static bool
put_value(struct call *c, const struct setting *row, const json_t *v, struct buf *out)
{
	AUTO_FREE char *why = NULL, *want = setting_wanted(row);
	int r = -EINVAL;

	if (setting_is_number(row))
		r = put_number(row, v, out, &why);
	else if (row->type == TYPE_UNTIL)
		r = put_until(row, v, out, &why);
	else if (json_is_string(v)) {
		spec_put_string(out, row->id, json_string_value(v));
		r = 0;
	}
	if (r == 0)
		return true;
	if (why)
		call_fail(c, RPC_INVALID_PARAMS, "%s %s", row->name, why);
	else
		call_fail(c, RPC_INVALID_PARAMS, "%s must be %s", row->name, want);
	return false;
}

/* Its parent is there, and does not lie too deep; false after the answer. */
static bool
check_parent(struct call *c, const char *parent)
{
	struct group_view v;
	unsigned depth = 1;

	if (!parent)
		return true;
	if (!call_group(c, parent, &v))
		return false;
	while (v.parent && depth++ < GROUP_DEPTH_MAX)
		(void)engine_group(c->control->engine, v.parent, &v);
	if (depth < GROUP_DEPTH_MAX)
		return true;
	call_fail(c, RPC_INVALID_PARAMS, "parent puts it more than %d groups deep", GROUP_DEPTH_MAX);
	return false;
}

/* What may be said of a group here; NULL after the answer. */
static const struct setting *
find_row(struct call *c, const char *key, bool exists)
{
	const struct setting *row = setting_by_name(SCOPE_GROUP, key);
	char safe[160];

	if (!row || row->id == GROUP_NAME || row->id == GROUP_PAUSED || row->id == GROUP_PUBLISH || row->id == GROUP_DIRECTORY) {
		call_fail(c, RPC_INVALID_PARAMS, "there is no setting \"%s\" of a group that can be set: there are max-concurrent, limit-rate, on-failure, allow-submit and deadline%s",
		    str_safe(safe, sizeof safe, key, strlen(key)), row && row->id == GROUP_PAUSED ? "; pause and resume take the group, too" : "");
		return NULL;
	}
	if (row->id == GROUP_PARENT && exists) {
		call_fail(c, RPC_INVALID_PARAMS, "a group stays in its parent: parent is said when it is made");
		return NULL;
	}
	return row;
}

struct spec *
call_group_settings(struct call *c, const json_t *settings, bool exists, bool *drop)
{
	AUTO_BUF struct buf packed = { 0 };
	struct spec *s = NULL;
	const char *key;
	json_t *v;

	if (settings && !json_is_object(settings)) {
		call_fail(c, RPC_INVALID_PARAMS, "the settings of a group are an object");
		return NULL;
	}
	json_object_foreach((json_t *)(uintptr_t)settings, key, v) {
		const struct setting *row = find_row(c, key, exists);

		if (!row)
			return NULL;
		if (json_is_null(v) && drop)
			drop[row->id] = true;
		else if (!put_value(c, row, v, &packed))
			return NULL;
	}
	if (spec_new(SCOPE_GROUP, buf_bytes(&packed), buf_len(&packed), NULL, &s) < 0) {
		call_fail(c, RPC_INVALID_PARAMS, "the settings of the group are too long");
		return NULL;
	}
	if (!check_parent(c, spec_string(s, GROUP_PARENT))) {
		spec_unref(s);
		return NULL;
	}
	return s;
}

/* ---- The method ------------------------------------------------------------------------- */

/* {"groups": [...]} of this one. */
static void
put_answer(struct json *w, const struct engine *e, const char *name)
{
	jsonw_begin_object(w);
	jsonw_key(w, "groups");
	jsonw_begin_array(w);
	group_json_name(w, e, name);
	jsonw_end_array(w);
	jsonw_end_object(w);
}

static void
set_group(struct call *c, const char *name, const json_t *set)
{
	struct engine *e = c->control->engine;
	const char *why = name ? value_refuse_name(name) : "is missing";
	AUTO_SPEC struct spec *settings = NULL;
	AUTO_BUF struct buf text = { 0 };
	bool drop[_SETTING_MAX] = { false };
	struct group_view v;
	struct json w;
	bool exists = !why && engine_group(e, name, &v);

	if (why) {
		call_fail(c, RPC_INVALID_PARAMS, "group %s", why);
		return;
	}
	settings = call_group_settings(c, set, exists, drop);
	if (!settings)
		return;
	if (!exists && engine_groups_made(e) >= GROUPS_MADE_MAX) {
		call_fail(c, RPC_TOO_MANY, "there are %d groups that clients made: remove some, or put them into the configuration", GROUPS_MADE_MAX);
		return;
	}
	engine_set_group(e, name, settings, drop);
	jsonw_init(&w, &text);
	put_answer(&w, e, name);
	call_text_durably(c, xstrdup(buf_cstr(&text)));
}

static void
remove_group(struct call *c, const char *name)
{
	struct group_view v;

	if (!call_group(c, name, &v))
		return;
	if (v.configured)
		call_fail(c, RPC_CONFLICT, "group %s is one of the configuration: take it out there and reload", v.name);
	else if (!engine_remove_group(c->control->engine, name))
		call_fail(c, RPC_CONFLICT, "group %s has %llu jobs that are not over: cancel or wait for them first", v.name,
		    (unsigned long long)v.live);
	else
		call_text_durably(c, xstrdup("{\"removed\":1}"));
}

static void
list_groups(struct call *c, const char *after)
{
	struct json w = call_begin(c);
	struct group_view v;
	unsigned n = 0;

	jsonw_begin_object(&w);
	jsonw_key(&w, "groups");
	jsonw_begin_array(&w);
	for (bool more = engine_next_group(c->control->engine, after, &v); more && n < GROUPS_PER_PAGE; n++) {
		group_json(&w, &v);
		more = engine_next_group(c->control->engine, v.name, &v);
	}
	jsonw_end_array(&w);
	jsonw_key_bool(&w, "more", n == GROUPS_PER_PAGE);
	jsonw_key_bool(&w, "all_paused", engine_is_paused(c->control->engine));
	jsonw_end_object(&w);
	call_end(c, &w);
}

void
method_group(struct call *c)
{
	const json_t *group = json_object_get(c->params, "group"), *set = json_object_get(c->params, "set");
	const json_t *remove = json_object_get(c->params, "remove"), *after = json_object_get(c->params, "after");
	const char *name = json_string_value(group);
	struct group_view v;
	struct json w;

	if ((group && !name) || (after && !json_is_string(after)) || (remove && !json_is_true(remove)) || (set && remove)) {
		call_fail(c, RPC_INVALID_PARAMS, "group and after are names; set is an object, or remove is true");
	} else if (set || remove) {
		if (call_may_command_all(c) && call_may_change_groups(c))
			set ? set_group(c, name, set) : remove_group(c, name);
	} else if (!group) {
		list_groups(c, after ? json_string_value(after) : "");
	} else if (call_group(c, name, &v)) {
		w = call_begin(c);
		put_answer(&w, c->control->engine, name);
		call_end(c, &w);
	}
}
