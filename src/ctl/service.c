/* Verbs about hauld itself: workers, check, reload, drain, shutdown, version. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "term/figures.h"

/* Asks; with --json the answer is printed and *ret_result stays NULL. */
static int
ask(struct ctl *c, const char *method, json_t **ret_result)
{
	json_t *result;
	int r = ctl_call(c, method, NULL, &result);

	if (r != CTL_OK)
		return r;
	if (!c->args.json) {
		*ret_result = result;
		return CTL_OK;
	}
	ctl_put_json(c, result);
	json_decref(result);
	return CTL_OK;
}

static void
put_figure(struct table *t, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	table_put(t, text, TERM_INK_PLAIN);
}

int
verb_workers(struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "WORKER", true, 0, WIDTH_CUT_END }, { "PID", true, 0, WIDTH_CUT_END },
		{ "TASKS", true, 0, WIDTH_CUT_END }, { "HEAVY", true, 0, WIDTH_CUT_END },
		{ "UP", true, 0, WIDTH_CUT_END },
	};
	AUTO_JSON json_t *result = NULL;
	const json_t *w, *all;
	char up[FIGURES_SIZE];
	struct table t;
	size_t i;
	int r = ask(c, "workers", &result);

	if (r != CTL_OK || !result)
		return r;
	table_init(&t, &c->term, columns, ARRAY_SIZE(columns));
	all = json_object_get(result, "workers");
	json_array_foreach(all, i, w) {
		put_figure(&t, member_u64(w, "number"));
		put_figure(&t, member_u64(w, "pid"));
		put_figure(&t, member_u64(w, "tasks"));
		put_figure(&t, member_u64(w, "heavy"));
		table_put(&t, figures_time(up, member_u64(w, "uptime_s")), TERM_INK_PLAIN);
	}
	table_print(&t, &c->out);
	table_done(&t);
	buf_printf(&c->out, "%zu running of at most %llu, %llu have died\n", json_array_size(all),
	    (unsigned long long)member_u64(result, "limit"), (unsigned long long)member_u64(result, "deaths"));
	return CTL_OK;
}

int
verb_check(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	int r = ask(c, "check", &result);

	if (result)
		buf_append_str(&c->out, "the configuration has no errors\n");
	return r;
}

int
verb_reload(struct ctl *c)
{
	static const char *const counts[] = { "added", "changed", "retired", "unchanged" };
	AUTO_JSON json_t *result = NULL;
	AUTO_BUF struct buf keys = { 0 };
	const json_t *key;
	size_t i;
	int r = ask(c, "reload", &result);

	if (r != CTL_OK || !result)
		return r;
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		buf_printf(&c->out, "%s%s %llu", i ? ", " : "", counts[i],
		    (unsigned long long)member_u64(result, counts[i]));
	buf_append_str(&c->out, "\n");
	json_array_foreach(json_object_get(result, "restart"), i, key)
		if (json_is_string(key))
			buf_printf(&keys, "%s%s", i ? ", " : "", json_string_value(key));
	if (buf_len(&keys))
		ctl_tell(c, "changed, but in effect only after a restart of hauld: %s", buf_cstr(&keys));
	return CTL_OK;
}

int
verb_drain(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	int r = ask(c, "drain", &result);

	if (result)
		buf_append_str(&c->out, "drained: hauld ends\n");
	return r;
}

int
verb_shutdown(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;

	return ask(c, "shutdown", &result);
}

int
verb_version(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	AUTO_FREE char *version = NULL, *build = NULL, *libraries = NULL;
	int r;

	if (!c->args.json)
		buf_append_str(&c->out, "haulctl " PACKAGE_VERSION "\n");
	r = ask(c, "version", &result);
	if (r != CTL_OK || !result)
		return r;
	version = ctl_safe(c, member_text(result, "version"));
	build = ctl_safe(c, member_text(result, "build"));
	libraries = ctl_safe(c, member_text(result, "libraries"));
	buf_printf(&c->out, "hauld %s (build %s, pid %llu, protocol %llu)\n", version, build,
	    (unsigned long long)member_u64(result, "pid"), (unsigned long long)member_u64(result, "protocol"));
	if (*libraries)
		buf_printf(&c->out, "%s\n", libraries);
	return CTL_OK;
}
