/* `haulctl group`: groups, their members, and what is set for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/job_table.h"
#include "term/figures.h"

enum { MEMBERS_SHOWN = 100 };

/* Those of settings that no group has are left out. */
static const struct column {
	struct table_column as;
	const char *rare; /* the setting; NULL: always there */
} columns[] = {
	{ { "GROUP", false, 12, WIDTH_CUT_MIDDLE }, NULL },
	{ { "STATE", false, 0, WIDTH_CUT_END }, NULL },
	{ { "RUNNING", true, 0, WIDTH_CUT_END }, NULL },
	{ { "LIMIT", true, 0, WIDTH_CUT_END }, "limit_rate" },
	{ { "LEFT", true, 0, WIDTH_CUT_END }, NULL },
	{ { "DONE", true, 0, WIDTH_CUT_END }, NULL },
	{ { "FAILED", true, 0, WIDTH_CUT_END }, NULL },
	{ { "CANCELLED", true, 0, WIDTH_CUT_END }, NULL },
	{ { "ON FAILURE", false, 0, WIDTH_CUT_END }, NULL },
	{ { "DEADLINE", false, 0, WIDTH_CUT_END }, "deadline" },
	{ { "PARENT", false, 8, WIDTH_CUT_MIDDLE }, "parent" },
};

struct rare {
	bool limit, deadline, parent;
};

/* Has one of them that? */
static bool
any_has(const json_t *groups, const char *member)
{
	const json_t *g;
	size_t i;

	json_array_foreach(groups, i, g)
		if (member_u64(g, member) || *member_text(g, member))
			return true;
	return false;
}

static void
put_number(struct table *t, uint64_t n, enum term_ink ink)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	table_put(t, text, n ? ink : TERM_INK_PLAIN);
}

/* "2 of 4" */
static void
put_running(struct table *t, const json_t *g)
{
	unsigned long long limit = member_u64(g, "max_concurrent"), n = member_u64(g, "running");
	char text[56];

	if (limit)
		(void)snprintf(text, sizeof text, "%llu of %llu", n, limit);
	else
		(void)snprintf(text, sizeof text, "%llu", n);
	table_put(t, text, TERM_INK_PLAIN);
}

/* "2h", "2026-12-01 12:00", or while it runs "in 1h 59m" */
static void
put_deadline(struct table *t, const json_t *g)
{
	uint64_t left = member_u64(g, "deadline_in_ms"), all = member_u64(g, "deadline_ms");
	char time[32], text[40];

	(void)snprintf(text, sizeof text, "%s%s", left ? "in " : "",
	    left || all ? format_duration(time, sizeof time, left ? left : all) : "");
	table_put(t, *text ? text : member_text(g, "deadline"), TERM_INK_PLAIN);
}

static void
put_group(struct table *t, const struct rare *has, const json_t *g)
{
	uint64_t limit = member_u64(g, "limit_rate");
	char rate[FIGURES_SIZE];
	const json_t *n = json_object_get(g, "jobs");
	const char *state = member_text(g, "state");
	bool plain = text_equal(state, "idle") || text_equal(state, "active");

	table_put(t, member_text(g, "name"), TERM_INK_PLAIN);
	table_put(t, state, plain ? TERM_INK_PLAIN : TERM_INK_WARN);
	put_running(t, g);
	if (has->limit)
		table_put(t, limit ? figures_rate(rate, limit) : "", TERM_INK_PLAIN);
	put_number(t, member_u64(g, "live"), TERM_INK_PLAIN);
	put_number(t, member_u64(n, "done"), TERM_INK_GOOD);
	put_number(t, member_u64(n, "failed"), TERM_INK_BAD);
	put_number(t, member_u64(n, "cancelled"), TERM_INK_WARN);
	table_put(t, member_text(g, "on_failure"), TERM_INK_PLAIN);
	if (has->deadline)
		put_deadline(t, g);
	if (has->parent)
		table_put(t, member_text(g, "parent"), TERM_INK_PLAIN);
}

static void
put_groups(struct ctl *c, const json_t *groups)
{
	struct rare has = { any_has(groups, "limit_rate"), any_has(groups, "deadline"), any_has(groups, "parent") };
	struct table_column shown[ARRAY_SIZE(columns)];
	struct table t;
	const json_t *g;
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(columns); i++)
		if (!columns[i].rare || any_has(groups, columns[i].rare))
			shown[n++] = columns[i].as;
	table_init(&t, &c->term, shown, n);
	json_array_foreach(groups, i, g)
		put_group(&t, &has, g);
	table_print(&t, &c->out);
	table_done(&t);
}

/* ---- All ------------------------------------------------------------------------- */

static int
list_groups(struct ctl *c)
{
	AUTO_JSON json_t *all = json_array();
	bool more = true, paused = false;

	while (more) {
		AUTO_JSON json_t *result = NULL;
		const json_t *last = json_array_get(all, json_array_size(all) - 1);
		int r = ctl_call(c, "group", json_pack("{s:s}", "after", last ? member_text(last, "name") : ""), &result);

		if (r != CTL_OK)
			return r;
		if (c->args.json)
			ctl_put_json(c, result);
		(void)json_array_extend(all, json_object_get(result, "groups"));
		more = json_is_true(json_object_get(result, "more"));
		paused = json_is_true(json_object_get(result, "all_paused"));
	}
	if (c->args.json)
		return CTL_OK;
	put_groups(c, all);
	if (!json_array_size(all))
		buf_append_str(&c->out, "no groups\n");
	if (paused) {
		ctl_put_ink(c, TERM_INK_WARN, "everything is paused");
		buf_append_str(&c->out, "; haulctl resume --all lets it go on\n");
	}
	return CTL_OK;
}

/* ---- One ---------------------------------------------------------------------------- */

static int
put_members(struct ctl *c, const char *name)
{
	AUTO_JSON json_t *result = NULL;
	const json_t *job;
	struct table t;
	size_t i;
	int r = ctl_call(c, "list", json_pack("{s:s, s:i, s:[s,s,s,s]}", "group", name, "limit", MEMBERS_SHOWN, "state", "active",
	    "queued", "blocked", "paused"), &result);

	if (r != CTL_OK)
		return r;
	if (c->args.json) {
		ctl_put_json(c, result);
		return CTL_OK;
	}
	job_table_init(&t, &c->term);
	json_array_foreach(json_object_get(result, "jobs"), i, job) {
		struct brief b;

		brief_read(job, &b);
		job_table_put(&t, &b);
	}
	if (i)
		buf_append_str(&c->out, "\n");
	table_print(&t, &c->out);
	table_done(&t);
	if (i == MEMBERS_SHOWN)
		buf_printf(&c->out, "more: haulctl list --group %s\n", name);
	return CTL_OK;
}

static int
show_group(struct ctl *c, const char *name)
{
	AUTO_JSON json_t *result = NULL;
	const json_t *g;
	int r = ctl_call(c, "group", json_pack("{s:s}", "group", name), &result);

	if (r != CTL_OK)
		return r;
	g = json_array_get(json_object_get(result, "groups"), 0);
	if (c->args.json) {
		ctl_put_json(c, result);
	} else {
		put_groups(c, json_object_get(result, "groups"));
		if (*member_text(g, "code"))
			ctl_put_ink(c, TERM_INK_WARN, "is ended: %s", member_text(g, "code"));
		if (*member_text(g, "code"))
			buf_printf(&c->out, ": %s\n", member_text(g, "reason"));
	}
	return put_members(c, name);
}

/* "max-concurrent=4"; "deadline=": what was set is taken back. */
static bool
put_pair(struct ctl *c, json_t *set, const char *word)
{
	const char *equals = strchr(word, '=');
	AUTO_FREE char *key = equals ? xstrndup(word, (size_t)(equals - word)) : NULL;
	json_t *value;

	if (!equals || equals == word) {
		ctl_tell(c, "\"%s\" must be KEY=VALUE, with max-concurrent, limit-rate, on-failure, allow-submit, deadline or parent as KEY", word);
		return false;
	}
	value = equals[1] ? json_string(equals + 1) : json_null();
	return json_object_set_new(set, key, value ? value : json_string("?")) == 0;
}

static int
set_group(struct ctl *c, const char *name)
{
	AUTO_JSON json_t *result = NULL;
	json_t *set = json_object();
	int r;

	for (size_t i = 1; i < c->args.n_words; i++)
		if (!put_pair(c, set, c->args.words[i])) {
			json_decref(set);
			return CTL_USAGE;
		}
	r = ctl_call(c, "group", json_pack("{s:s, s:o}", "group", name, "set", set), &result);
	if (r != CTL_OK)
		return r;
	if (c->args.json)
		ctl_put_json(c, result);
	else
		put_groups(c, json_object_get(result, "groups"));
	return CTL_OK;
}

static int
remove_groups(struct ctl *c)
{
	for (size_t i = 0; i < c->args.n_words; i++) {
		AUTO_JSON json_t *result = NULL;
		int r = ctl_call(c, "group", json_pack("{s:s, s:b}", "group", c->args.words[i], "remove", 1), &result);

		if (r != CTL_OK)
			return r;
		if (c->args.json)
			ctl_put_json(c, result);
	}
	return CTL_OK;
}

int
verb_group(struct ctl *c)
{
	if (c->args.remove && !c->args.n_words) {
		ctl_tell(c, "--remove needs the name of a group");
		return CTL_USAGE;
	}
	for (size_t i = 0; i < c->args.n_words; i++) {
		AUTO_JSON json_t *text = json_string(c->args.words[i]);

		if (!text) {
			ctl_tell(c, "a word is not UTF-8, and no group or setting is");
			return CTL_USAGE;
		}
	}
	if (c->args.remove)
		return remove_groups(c);
	if (!c->args.n_words)
		return list_groups(c);
	return c->args.n_words > 1 ? set_group(c, c->args.words[0]) : show_group(c, c->args.words[0]);
}
