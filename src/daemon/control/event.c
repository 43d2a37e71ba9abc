/* Named events: setting, clearing, looking. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/events.h"
#include "model/values.h"

static void
put_event(const struct event_view *v, void *arg)
{
	struct json *w = arg;

	jsonw_begin_object(w);
	jsonw_key_string(w, "name", v->name);
	jsonw_key_bool(w, "set", v->set);
	jsonw_key_u64(w, "waiting", v->waiting);
	jsonw_key(w, "jobs");
	jsonw_begin_array(w);
	for (unsigned i = 0; i < v->n_first; i++)
		jsonw_u64(w, v->first[i]);
	jsonw_end_array(w);
	jsonw_end_object(w);
}

static void
list(struct call *c)
{
	struct json w = call_begin(c);
	bool all;

	jsonw_begin_object(&w);
	jsonw_key(&w, "events");
	jsonw_begin_array(&w);
	all = events_each(c->control->engine, put_event, &w);
	jsonw_end_array(&w);
	jsonw_key_bool(&w, "sampled", !all);
	jsonw_end_object(&w);
	call_end(c, &w);
}

/* The name that is given; NULL after the answer. */
static const char *
name_of(struct call *c, const json_t *v)
{
	const char *name = json_string_value(v), *why;
	char safe[160];

	if (!name) {
		call_fail(c, RPC_INVALID_PARAMS, "an event is named by a string");
		return NULL;
	}
	why = value_refuse_name(name);
	if (why)
		call_fail(c, RPC_INVALID_PARAMS, "\"%s\" cannot be an event: the name %s",
		    str_safe(safe, sizeof safe, name, strlen(name)), why);
	return why ? NULL : name;
}

/* It starts jobs of others, so it takes more than looking. */
void
method_event(struct call *c)
{
	const json_t *set = json_object_get(c->params, "set"), *clear = json_object_get(c->params, "clear");
	const char *name;

	if (!set && !clear) {
		list(c);
		return;
	}
	if (set && clear) {
		call_fail(c, RPC_INVALID_PARAMS, "give \"set\" or \"clear\", not both");
		return;
	}
	if (c->policy < POLICY_OPERATE) {
		call_fail(c, RPC_PERMISSION, "setting and clearing events takes control-policy = \"operate\": it starts jobs, whosever they are");
		return;
	}
	name = name_of(c, set ? set : clear);
	if (!name)
		return;
	if (!call_may_store(c))
		return;
	if (clear) {
		event_clear(c->control->engine, name);
	} else if (!event_set(c->control->engine, name)) {
		call_fail(c, RPC_TOO_MANY, "%d events are set already: clear some first", EVENTS_SET_MAX);
		return;
	}
	call_text_durably(c, xstrdup("{}"));
}
