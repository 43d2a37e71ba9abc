/* `haulctl hosts`: the servers that jobs are at, and those that are down. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/filters.h"
#include "ctl/table.h"

static const struct table_column columns[] = {
	{ "ORIGIN", false, 24, WIDTH_CUT_MIDDLE },
	{ "CONNECTIONS", true, 0, WIDTH_CUT_END },
	{ "QUEUED", true, 0, WIDTH_CUT_END },
	{ "STATE", false, 0, WIDTH_CUT_END },
	{ "FAILURES", true, 0, WIDTH_CUT_END },
	{ "LAST FAILURE", false, 12, WIDTH_CUT_END },
};

/* By --sort, the most first; then, and without it, origins of one host beside each other. */
static int
compare(const void *va, const void *vb, void *arg)
{
	const json_t *a = *(const json_t *const *)va, *b = *(const json_t *const *)vb;
	const char *sort = arg;
	uint64_t na = sort ? member_u64(a, sort) : 0, nb = sort ? member_u64(b, sort) : 0;
	int r = na != nb ? (na < nb ? 1 : -1) : strcmp(member_text(a, "host"), member_text(b, "host"));

	return r ? r : strcmp(member_text(a, "origin"), member_text(b, "origin"));
}

/* "closed", "open, probe in 12s". */
static char *
state_text(const json_t *h)
{
	const char *breaker = member_text(h, "breaker");
	uint64_t ms = member_u64(h, "probe_in_ms");
	char wait[32];

	if (!text_equal(breaker, "open"))
		return xstrdup(breaker);
	return ms ? xasprintf("open, probe in %s", format_duration(wait, sizeof wait, ms)) : xstrdup("open, probe is due");
}

/* "3 of 5", "1 of 2 (5)" while it is given fewer than are configured. */
static void
put_connections(struct table *t, const json_t *h)
{
	unsigned long long limit = member_u64(h, "limit"), most = member_u64(h, "limit_configured");
	char text[96];
	int n = snprintf(text, sizeof text, "%llu of %llu", (unsigned long long)member_u64(h, "connections"), limit);

	if (limit < most)
		(void)snprintf(text + n, sizeof text - (size_t)n, " (%llu)", most);
	table_put(t, text, limit < most ? TERM_INK_WARN : TERM_INK_PLAIN);
}

static void
put_host(struct table *t, const json_t *h)
{
	bool closed = text_equal(member_text(h, "breaker"), "closed");
	uint64_t failures = member_u64(h, "failures");
	AUTO_FREE char *state = state_text(h);
	char text[64];

	table_put(t, member_text(h, "origin"), TERM_INK_PLAIN);
	put_connections(t, h);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)member_u64(h, "queued"));
	table_put(t, text, TERM_INK_PLAIN);
	table_put(t, state, closed ? TERM_INK_PLAIN : TERM_INK_WARN);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)failures);
	table_put(t, failures ? text : "", TERM_INK_PLAIN);
	table_put(t, member_text(h, "cause"), TERM_INK_PLAIN);
}

/* Those that --url takes, in order; the caller's. */
static json_t *
choose(const struct ctl *c, const json_t *hosts)
{
	size_t n = json_array_size(hosts), taken = 0;
	AUTO_FREE json_t **sorted = xcalloc(n + 1, sizeof *sorted);
	const char *pattern = filters_get(&c->args, OPTION_URL);
	json_t *chosen = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *h = json_array_get(hosts, i);

		if (!pattern || glob_match(pattern, member_text(h, "origin")))
			sorted[taken++] = h;
	}
	if (taken)
		qsort_r(sorted, taken, sizeof *sorted, compare,
		    text_equal(c->args.sort, "host") ? NULL : (void *)(uintptr_t)c->args.sort);
	for (size_t i = 0; i < taken; i++)
		(void)json_array_append(chosen, sorted[i]);
	return chosen;
}

static void
put_table(struct ctl *c, const json_t *hosts)
{
	const json_t *h;
	struct table t;
	size_t i;

	table_init(&t, &c->term, columns, ARRAY_SIZE(columns));
	json_array_foreach(hosts, i, h)
		put_host(&t, h);
	table_print(&t, &c->out);
	table_done(&t);
}

static void
put_network(struct ctl *c, const json_t *result)
{
	uint64_t ms = member_u64(result, "network_probe_in_ms");
	char wait[32];

	if (!json_is_true(json_object_get(result, "network_down")))
		return;
	if (ms)
		ctl_put_ink(c, TERM_INK_WARN, "the network is down, the next job tries it in %s",
		    format_duration(wait, sizeof wait, ms));
	else
		ctl_put_ink(c, TERM_INK_WARN, "the network is down, a job tries it now");
	buf_append_str(&c->out, "\n");
}

int
verb_hosts(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	uint64_t total, n;
	json_t *hosts;
	int r = ctl_call(c, "hosts", json_pack("{s:i}", "limit", 1000), &result);

	if (r != CTL_OK)
		return r;
	n = json_array_size(json_object_get(result, "hosts"));
	hosts = json_object_get(result, "hosts");
	if (c->args.json && !c->args.sort && !filters_get(&c->args, OPTION_URL)) { /* as hauld said it */
		ctl_put_json(c, result);
		return CTL_OK;
	}
	hosts = choose(c, hosts);
	(void)json_object_set_new(result, "hosts", hosts);
	if (c->args.json) {
		ctl_put_json(c, result);
		return CTL_OK;
	}
	total = member_u64(result, "total");
	put_network(c, result);
	put_table(c, hosts);
	if (!json_array_size(hosts))
		ctl_tell(c, n ? "there are no such hosts" : "no job is at a host, and none has failed");
	else if (total > n)
		buf_printf(&c->out, "and %llu more\n", (unsigned long long)(total - n));
	return CTL_OK;
}
