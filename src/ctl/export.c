/*
 * `haulctl export`: jobs as text that `add -i`, `add` of haul-rpc(7) or hauld.conf(5) take
 * back.  Secrets stay where they are, and what is missing of a job is told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/filters.h"
#include "ctl/job_text.h"
#include "ctl/pages.h"

struct exporting {
	char *root;     /* owned: outputs beneath it are relative; NULL */
	uint64_t n, of_config, secret, redacted;
};

/* A secret in a list is one of its texts. */
static bool
is_secret(const json_t *value)
{
	const json_t *one;
	size_t i;

	if (text_equal(json_string_value(value), "(secret)"))
		return true;
	json_array_foreach(value, i, one)
		if (is_secret(one))
			return true;
	return false;
}

static const char *
relative(const struct exporting *e, const char *output)
{
	size_t n = e->root ? strlen(e->root) : 0;

	return n && strncmp(output, e->root, n) == 0 && output[n] == '/' ? output + n + 1 : output;
}

/* What `add` would be given for it; the caller's. */
static json_t *
job_of(struct exporting *e, const json_t *job)
{
	json_t *spec = json_object(), *value;
	const char *key;

	json_object_foreach(json_object_get(job, "settings"), key, value) {
		if (is_secret(value)) {
			e->secret++;
			continue;
		}
		if (text_equal(key, "paused"))
			continue; /* as it is now, not as it began */
		if (text_equal(key, "output") && json_is_string(value))
			(void)json_object_set_new(spec, key, json_string(relative(e, json_string_value(value))));
		else
			(void)json_object_set(spec, key, value);
	}
	if (text_equal(member_text(job, "state"), "paused"))
		(void)json_object_set_new(spec, "paused", json_true());
	return spec;
}

static bool
put_job(struct ctl *c, json_t *job, void *arg)
{
	struct exporting *e = arg;
	const char *format = c->args.json ? "json" : c->args.format ? c->args.format : "list";
	AUTO_JSON json_t *spec = NULL;

	if (!c->args.state && !brief_is_there(job)) /* the queue is what was asked for */
		return false;
	if (text_equal(member_text(job, "origin"), "config")) {
		e->of_config++;
		return false;
	}
	if (json_is_true(json_object_get(job, "redacted"))) {
		e->redacted++;
		return false;
	}
	spec = job_of(e, job);
	if (text_equal(format, "json")) {
		ctl_put_json(c, spec);
	} else if (text_equal(format, "list")) {
		job_text_list(spec, &c->out);
	} else {
		buf_append_str(&c->out, e->n ? ",\n  " : "jobs = (\n  ");
		job_text_conf(spec, &c->out);
	}
	e->n++;
	ctl_flush_large(c);
	return true;
}

static int
find_root(struct ctl *c, struct exporting *e)
{
	AUTO_JSON json_t *status = NULL;
	int r = ctl_call(c, "status", NULL, &status);
	const char *root = r == CTL_OK ? member_text(json_array_get(json_object_get(status, "disks"), 0), "root") : "";

	if (*root)
		e->root = xstrdup(root);
	return r;
}

static void
tell_missing(const struct ctl *c, const struct exporting *e)
{
	if (e->of_config)
		ctl_tell(c, "%llu of the configuration: left out, its file has them", (unsigned long long)e->of_config);
	if (e->secret)
		ctl_tell(c, "%llu setting%s with secrets (header, user, proxy): left out", (unsigned long long)e->secret,
		    e->secret == 1 ? "" : "s");
	if (e->redacted)
		ctl_tell(c, "%llu with a query in their urls that you are not shown: left out", (unsigned long long)e->redacted);
	if (!e->n)
		ctl_tell(c, filters_are_given(&c->args) ? "there are no such jobs" : "no job waits, runs or comes again; --state names others");
}

int
verb_export(struct ctl *c)
{
	struct exporting e = { .n = 0 };
	AUTO_JSON json_t *more = json_pack("{s:b}", "settings", 1);
	int r = find_root(c, &e);

	if (r == CTL_OK)
		r = pages_read(c, more, false, c->args.limit, put_job, &e);
	if (e.n && text_equal(c->args.format, "conf") && !c->args.json)
		buf_append_str(&c->out, "\n);\n");
	if (r == CTL_OK)
		tell_missing(c, &e);
	free(e.root);
	return r;
}
