/* Limits of rate: what they are, and what a client makes of them while hauld runs; the
 * method `limit`.  Those of jobs are their settings (set.c). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/limits.h"
#include "model/timetable.h"

enum {
	LIMIT_TEXT_MAX = 8192,
	LIMIT_HOST_MAX = 240,
};

static void
put_limit(struct json *w, const struct limit_view *v)
{
	jsonw_begin_object(w);
	if (v->name)
		jsonw_key_string(w, v->is_group ? "group" : "host", v->name);
	jsonw_key_u64(w, "limit", v->limit);
	jsonw_key_u64(w, "rate", v->rate);
	jsonw_key_u64(w, "transfers", v->transfers);
	jsonw_key_u64(w, "configured", v->configured);
	if (v->is_group) {
		jsonw_end_object(w);
		return;
	}
	jsonw_key_string(w, "set", v->client);
	if (!v->name) {
		jsonw_key_string(w, "timetable", v->timetable);
		jsonw_key_or_null(w, "next", v->next_s);
	}
	jsonw_end_object(w);
}

static void
put_one(const struct limit_view *v, void *arg)
{
	put_limit(arg, v);
}

static void
put_job(const struct engine_view *v, void *arg)
{
	struct json *w = arg;
	uint64_t limit = spec_number(v->job->spec, JOB_LIMIT_RATE);

	if (!limit || v->job->state != JOB_ACTIVE)
		return;
	jsonw_begin_object(w);
	jsonw_key_u64(w, "id", v->job->id);
	jsonw_key_string(w, "name", spec_string(v->job->spec, JOB_NAME));
	jsonw_key_string(w, "output", spec_string(v->job->spec, JOB_OUTPUT));
	jsonw_key_u64(w, "limit", limit);
	jsonw_key_u64(w, "rate", v->rate);
	jsonw_end_object(w);
}

/* All that are in effect. */
static void
answer_all(struct call *c)
{
	struct engine *e = c->control->engine;
	struct limit_view total;
	struct json w = call_begin(c);

	limits_view_total(e, &total);
	jsonw_begin_object(&w);
	jsonw_key(&w, "total");
	put_limit(&w, &total);
	jsonw_key(&w, "hosts");
	jsonw_begin_array(&w);
	limits_each_host(e, put_one, &w);
	jsonw_end_array(&w);
	jsonw_key(&w, "groups");
	jsonw_begin_array(&w);
	limits_each_group(e, put_one, &w);
	jsonw_end_array(&w);
	jsonw_key(&w, "jobs");
	jsonw_begin_array(&w);
	engine_each_active(e, put_job, &w);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	call_end(c, &w);
}

/* For the journal of events. */
static void
note_change(struct call *c, const char *whose, const struct limit_view *v)
{
	AUTO_FREE char *text = NULL;
	char rate[32];

	if (v->limit)
		text = xasprintf("%s a second now, by uid %u", format_size(rate, sizeof rate, v->limit), c->uid);
	else
		text = xasprintf("none now, by uid %u", c->uid);
	control_note_event(c->control, "limit", whose ? whose : "total", text);
}

/* {"total": ...}, {"host": ...} or {"group": ...}, when the store has it. */
static void
answer_one(struct call *c, const char *host, const char *group, bool changed)
{
	AUTO_BUF struct buf text = { 0 };
	struct limit_view v;
	struct json w;

	if (group)
		(void)limits_view_group(c->control->engine, group, &v);
	else if (host)
		limits_view_host(c->control->engine, host, &v);
	else
		limits_view_total(c->control->engine, &v);
	jsonw_init(&w, &text);
	jsonw_begin_object(&w);
	jsonw_key(&w, group ? "group" : host ? "host" : "total");
	put_limit(&w, &v);
	jsonw_end_object(&w);
	if (changed) {
		note_change(c, group ? group : host, &v);
		call_text_durably(c, xstrdup(buf_cstr(&text)));
	} else {
		call_text(c, buf_cstr(&text));
	}
}

/* A host name as urls have it: in small letters, without a port.  NULL after the answer. */
static char *
host_of(struct call *c)
{
	const json_t *v = json_object_get(c->params, "host");
	size_t n = json_string_length(v);
	char *host;

	if (!json_is_string(v) || !n || n > LIMIT_HOST_MAX || strcspn(json_string_value(v), "/:@ ?#*") != n) {
		call_fail(c, RPC_INVALID_PARAMS, "host is the name of one host, without scheme, port and *");
		return NULL;
	}
	host = xstrdup(json_string_value(v));
	for (char *s = host; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s += 'a' - 'A';
	return host;
}

/* The text of "rate", newly allocated: a number is bytes a second.  NULL after the answer. */
static char *
rate_of(struct call *c, bool total)
{
	const json_t *v = json_object_get(c->params, "rate");
	AUTO_FREE char *text = NULL, *why = NULL;

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		text = xasprintf("%lld", (long long)json_integer_value(v));
	else if (json_is_string(v) && json_string_length(v) <= LIMIT_TEXT_MAX && strlen(json_string_value(v)) == json_string_length(v))
		text = xstrdup(json_string_value(v));
	if (!text) {
		call_fail(c, RPC_INVALID_PARAMS, "rate is a size such as \"5M\", \"off\", or a number of bytes a second");
		return NULL;
	}
	why = timetable_refuse_limit(text, total);
	if (why) {
		call_fail(c, RPC_INVALID_PARAMS, "the rate %s", why);
		return NULL;
	}
	return TAKE_PTR(text);
}

/* False after the answer. */
static bool
may_change(struct call *c)
{
	const char *why;

	if (c->policy < POLICY_OPERATE)
		call_fail(c, RPC_PERMISSION, "the limits of all are not for uid %u to change: control-policy = \"operate\" lets clients do that",
		    c->uid);
	else if (store_is_failed(c->control->store, &why))
		call_fail(c, RPC_FAILED, "nothing was changed, for it cannot be kept: %s", why);
	else
		return call_may_store(c);
	return false;
}

/* That of a group is one of its settings, of its own or the configuration's. */
static void
set_group(struct call *c, const char *group, const char *text)
{
	bool drop[_SETTING_MAX] = { [GROUP_LIMIT_RATE] = !text };
	AUTO_BUF struct buf packed = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	uint64_t rate = 0;

	if (text && parse_size(text, &rate) < 0)
		rate = 0; /* "off" */
	if (text)
		spec_put_number(&packed, GROUP_LIMIT_RATE, rate);
	if (spec_new(SCOPE_GROUP, buf_bytes(&packed), buf_len(&packed), NULL, &s) == 0)
		engine_set_group(c->control->engine, group, s, drop);
}

/* False after the answer.  *ret NULL: none is meant. */
static bool
group_of(struct call *c, const char **ret)
{
	const json_t *v = json_object_get(c->params, "group");
	struct limit_view view;
	char safe[160];

	*ret = json_string_value(v);
	if (!v || (*ret && limits_view_group(c->control->engine, *ret, &view)))
		return true;
	if (!*ret)
		call_fail(c, RPC_INVALID_PARAMS, "group is the name of a group");
	else
		call_fail(c, RPC_NO_JOB, "there is no group \"%s\"", str_safe(safe, sizeof safe, *ret, strlen(*ret)));
	return false;
}

void
method_limit(struct call *c)
{
	const char *group;
	bool reset = json_is_true(json_object_get(c->params, "reset")), rate = json_object_get(c->params, "rate");
	bool total = json_is_true(json_object_get(c->params, "total")), one = json_object_get(c->params, "host");
	AUTO_FREE char *host = NULL, *text = NULL;

	if (!group_of(c, &group))
		return;
	if (rate + reset == 2 || total + one + !!group >= 2) {
		call_fail(c, RPC_INVALID_PARAMS, "give one of rate and reset, for one of total, host and group");
		return;
	}
	if (!rate && !reset && !total && !one && !group) {
		answer_all(c);
		return;
	}
	if (one && !(host = host_of(c)))
		return;
	if (rate || reset) {
		if (!may_change(c) || (group && !call_may_change_groups(c)) || (rate && !(text = rate_of(c, !host && !group))))
			return;
		if (rate && host && !limits_have_room(c->control->engine, host)) {
			call_fail(c, RPC_TOO_MANY, "the limits of %d hosts were set by clients already: reset one, or use the configuration",
			    LIMITS_SET_MAX);
			return;
		}
		if (group)
			set_group(c, group, text);
		else
			limits_set(c->control->engine, host, text);
	}
	answer_one(c, host, group, rate || reset);
}
