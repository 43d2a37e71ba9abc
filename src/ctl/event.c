/* `haulctl event`: named events are set, cleared, looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "model/values.h"

static const struct table_column columns[] = {
	{ "EVENT", false, 16, WIDTH_CUT_MIDDLE },
	{ "STATE", false, 0, WIDTH_CUT_END },
	{ "WAITING", true, 0, WIDTH_CUT_END },
	{ "JOBS", false, 8, WIDTH_CUT_END },
};

static int
compare(const void *va, const void *vb)
{
	const json_t *a = *(const json_t *const *)va, *b = *(const json_t *const *)vb;

	return strcmp(member_text(a, "name"), member_text(b, "name"));
}

static void
put_event(struct table *t, const json_t *e)
{
	bool set = json_is_true(json_object_get(e, "set"));
	const json_t *jobs = json_object_get(e, "jobs"), *id;
	uint64_t waiting = member_u64(e, "waiting");
	AUTO_BUF struct buf ids = { 0 };
	char text[24];
	size_t i;

	json_array_foreach(jobs, i, id)
		buf_printf(&ids, "%s%lld", i ? " " : "", (long long)json_integer_value(id));
	if (waiting > json_array_size(jobs))
		buf_append_str(&ids, " ...");
	table_put(t, member_text(e, "name"), TERM_INK_PLAIN);
	table_put(t, set ? "set" : "clear", set ? TERM_INK_GOOD : TERM_INK_PLAIN);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)waiting);
	table_put(t, text, TERM_INK_PLAIN);
	table_put(t, buf_len(&ids) ? buf_cstr(&ids) : "", TERM_INK_PLAIN);
}

static int
list(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL;
	AUTO_FREE const json_t **sorted = NULL;
	const json_t *events;
	struct table t;
	size_t n;
	int r = ctl_call(c, "event", NULL, &result);

	if (r != CTL_OK)
		return r;
	if (c->args.json) {
		ctl_put_json(c, result);
		return CTL_OK;
	}
	events = json_object_get(result, "events");
	n = json_array_size(events);
	sorted = xcalloc(n + 1, sizeof *sorted);
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(events, i);
	qsort(sorted, n, sizeof *sorted, compare);
	table_init(&t, &c->term, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < n; i++)
		put_event(&t, sorted[i]);
	table_print(&t, &c->out);
	table_done(&t);
	if (!n)
		ctl_tell(c, "no event is set, and no job waits for one");
	if (json_is_true(json_object_get(result, "sampled")))
		ctl_tell(c, "there are more events, or jobs that wait, than are told at once");
	return CTL_OK;
}

int
verb_event(struct ctl *c)
{
	char *const *words = c->args.words;
	AUTO_JSON json_t *result = NULL;
	const char *why;
	int r;

	if (!c->args.n_words)
		return list(c);
	if (c->args.n_words != 2 || (!text_equal(words[0], "set") && !text_equal(words[0], "clear"))) {
		ctl_tell(c, "say event set NAME, event clear NAME, or event alone for a list");
		return CTL_USAGE;
	}
	why = value_refuse_name(words[1]);
	if (why) {
		ctl_tell(c, "\"%s\" cannot be an event: the name %s", words[1], why);
		return CTL_USAGE;
	}
	r = ctl_call(c, "event", json_pack("{s:s}", words[0], words[1]), &result);
	if (r == CTL_OK && c->args.json)
		ctl_put_json(c, result);
	return r;
}
