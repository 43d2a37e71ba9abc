/* The table of jobs; see job_table.h. */
#include "ctl/job_table.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "term/figures.h"

static const struct table_column columns[] = {
	{ "ID", true, 0, WIDTH_CUT_END },
	{ "NAME", false, 20, WIDTH_CUT_MIDDLE },
	{ "STATE", false, 0, WIDTH_CUT_END },
	{ "DONE", true, 0, WIDTH_CUT_END },
	{ "SIZE", true, 0, WIDTH_CUT_END },
	{ "RATE", true, 0, WIDTH_CUT_END },
};

void
job_table_init(struct table *t, const struct term *term)
{
	table_init(t, term, columns, ARRAY_SIZE(columns));
}

static const char *
percent(const struct brief *b, char *out, size_t n)
{
	out[0] = '\0';
	if (brief_is(b, "active") && b->total)
		(void)snprintf(out, n, "%u%%", figures_percent(b->received, b->total));
	return out;
}

void
job_table_put(struct table *t, const struct brief *b)
{
	AUTO_FREE char *why = brief_why(b), *next = brief_next(b);
	char id[24], figure[FIGURES_SIZE];
	uint64_t size = brief_size(b);
	/* On a terminal the end of a path has to do; a file gets all of it. */
	const char *name = *b->name || !*b->output || t->term->is_tty ? brief_label(b) : b->output;

	(void)snprintf(id, sizeof id, "%llu", (unsigned long long)b->id);
	table_put(t, id, TERM_INK_PLAIN);
	table_put(t, name, TERM_INK_PLAIN);
	table_put(t, brief_is(b, "active") && *b->phase ? b->phase : b->state, brief_ink(b));
	if (*next && *why) {
		AUTO_FREE char *both = xasprintf("%s, %s", next, why);

		table_put_rest(t, both);
		return;
	}
	if (*why) { /* such a job has no figures that count now */
		table_put_rest(t, why);
		return;
	}
	if (*next && brief_is(b, "done")) {
		table_put_rest(t, next);
		return;
	}
	table_put(t, percent(b, figure, sizeof figure), TERM_INK_PLAIN);
	table_put(t, size ? format_size(figure, sizeof figure, size) : "", TERM_INK_PLAIN);
	table_put(t, b->rate ? figures_rate(figure, b->rate) : "", TERM_INK_PLAIN);
}
