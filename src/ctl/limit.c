/* `haulctl limit`: limits of rate that are in effect, and changing them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "term/figures.h"

static const struct table_column columns[] = {
	{ "LIMIT OF", false, 16, WIDTH_CUT_MIDDLE },
	{ "LIMIT", true, 0, WIDTH_CUT_END },
	{ "RATE", true, 0, WIDTH_CUT_END },
	{ "TRANSFERS", true, 0, WIDTH_CUT_END },
	{ "SET BY", false, 12, WIDTH_CUT_END },
};

static char *
rate_text(uint64_t rate, const char *none)
{
	char text[FIGURES_SIZE];

	return rate ? xstrdup(figures_rate(text, rate)) : xstrdup(none);
}

/* Who set it: "configuration", "a client: 5M (configuration: 10M/s)", "timetable until 12:00". */
static char *
source_text(const json_t *l)
{
	const json_t *next = json_object_get(l, "next");
	const char *set = member_text(l, "set");
	bool table = *member_text(l, "timetable");
	uint64_t configured = member_u64(l, "configured");
	AUTO_FREE char *was = NULL;
	char until[32] = "";
	struct tm tm;
	time_t at;

	if (json_is_integer(next)) {
		at = (time_t)json_integer_value(next);
		if (localtime_r(&at, &tm)) /* NOLINT: for people */
			(void)strftime(until, sizeof until, ", until %a %H:%M", &tm);
	}
	if (!*set && json_object_get(l, "group") && member_u64(l, "limit") != configured)
		set = "group"; /* a setting of the group, which a client has changed */
	if (!*set)
		return xasprintf("%s%s", table ? "timetable" : member_u64(l, "limit") ? "configuration" : "", until);
	was = rate_text(configured, "none");
	return xasprintf("client%s (configuration: %s)", until, was);
}

static void
put_row(struct table *t, const char *name, const json_t *l)
{
	AUTO_FREE char *limit = rate_text(member_u64(l, "limit"), "none"), *rate = rate_text(member_u64(l, "rate"), "0");
	AUTO_FREE char *source = source_text(l);
	char n[24];

	(void)snprintf(n, sizeof n, "%llu", (unsigned long long)member_u64(l, "transfers"));
	table_put(t, name, TERM_INK_PLAIN);
	table_put(t, limit, TERM_INK_PLAIN);
	table_put(t, rate, TERM_INK_PLAIN);
	table_put(t, n, TERM_INK_PLAIN);
	table_put(t, source, TERM_INK_PLAIN);
}

static void
put_job(struct table *t, const json_t *l)
{
	AUTO_FREE char *limit = rate_text(member_u64(l, "limit"), "none"), *rate = rate_text(member_u64(l, "rate"), "0");
	const char *slash = strrchr(member_text(l, "output"), '/'), *label = member_text(l, "name");
	AUTO_FREE char *name = xasprintf("job %llu %s", (unsigned long long)member_u64(l, "id"),
	    *label ? label : slash ? slash + 1 : member_text(l, "output"));

	table_put(t, name, TERM_INK_PLAIN);
	table_put(t, limit, TERM_INK_PLAIN);
	table_put(t, rate, TERM_INK_PLAIN);
	table_put(t, "1", TERM_INK_PLAIN);
	table_put(t, "limit-rate", TERM_INK_PLAIN);
}

static void
put_named(struct table *t, const char *kind, const json_t *l)
{
	AUTO_FREE char *name = l ? xasprintf("%s %s", kind, member_text(l, kind)) : NULL;

	if (l)
		put_row(t, name, l);
}

static void
put_all(struct ctl *c, const json_t *result)
{
	static const struct { const char *alone, *all; } kinds[] = { { "host", "hosts" }, { "group", "groups" } };
	const json_t *total = json_object_get(result, "total"), *one;
	struct table t;
	size_t i;

	table_init(&t, &c->term, columns, ARRAY_SIZE(columns));
	if (total)
		put_row(&t, "total", total);
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		put_named(&t, kinds[k].alone, json_object_get(result, kinds[k].alone));
		json_array_foreach(json_object_get(result, kinds[k].all), i, one)
			put_named(&t, kinds[k].alone, one);
	}
	json_array_foreach(json_object_get(result, "jobs"), i, one)
		put_job(&t, one);
	table_print(&t, &c->out);
	table_done(&t);
}

/* "17": a rate of 17 bytes, or job 17? */
static bool
is_bare(const char *word)
{
	return *word && !word[strspn(word, "0123456789")] && word[strspn(word, "0")];
}

/* That of a job is one of its settings. */
static int
set_job(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	const char *rate = c->args.words[1];
	json_t *params = ctl_job_params(c->args.words, 1);
	int r;

	(void)json_object_set_new(params, "set", json_pack("{s:s}", "limit-rate", text_equal(rate, "off") ? "0" : rate));
	r = ctl_call(c, "set", params, &result);
	if (r == CTL_OK && c->args.json)
		ctl_put_json(c, result);
	return r;
}

static const char *
refuse(const struct args *a, const char *group)
{
	unsigned of = !!a->host + !!group + a->total;

	if (of > 1)
		return "give one of --host, --group and --total";
	if (a->n_words == 2)
		return of || a->reset ? "a JOB has no --host, --group, --total and --reset" : NULL;
	if (a->reset && a->n_words)
		return "--reset takes no RATE; `haulctl limit JOB off` takes back that of a job";
	if (a->n_words && is_bare(a->words[0]))
		return "a RATE has a unit, such as 512K or 5M, or is off: a bare number could be meant as a job";
	return NULL;
}

int
verb_limit(struct ctl *c)
{
	const struct args *a = &c->args;
	const char *group = a->filters[OPTION_GROUP - OPTION_SINCE];
	const char *why = refuse(a, group);
	AUTO_JSON json_t *result = NULL;
	json_t *params;
	int r;

	if (why) {
		ctl_tell(c, "limit: %s", why);
		return CTL_USAGE;
	}
	if (a->n_words == 2)
		return set_job(c);
	params = json_object();
	if (a->host)
		(void)json_object_set_new(params, "host", json_string(a->host));
	else if (group)
		(void)json_object_set_new(params, "group", json_string(group));
	else if (a->total || a->n_words || a->reset)
		(void)json_object_set_new(params, "total", json_true());
	if (a->n_words)
		(void)json_object_set_new(params, "rate", json_string(a->words[0]));
	if (a->reset)
		(void)json_object_set_new(params, "reset", json_true());
	r = ctl_call(c, "limit", params, &result);
	if (r != CTL_OK)
		return r;
	if (a->json)
		ctl_put_json(c, result);
	else
		put_all(c, result);
	return CTL_OK;
}
