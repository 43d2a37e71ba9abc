/* `haulctl list`: all jobs, page by page. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/filters.h"
#include "ctl/job_table.h"

/* Only with --sort: a job kept as its line of JSON, which is far smaller than
 * the value that jansson makes of it. */
struct kept {
	uint64_t id, number; /* number: size or rate */
	char *word;          /* owned: name or state; NULL */
	char *line;          /* owned */
};

struct listing {
	struct ctl *ctl;
	struct table table;
	struct kept *kept; /* owned array */
	size_t n_kept, size_kept;
	uint64_t n; /* jobs taken */
};

static void
put(struct listing *l, const json_t *job)
{
	struct brief b;

	if (l->ctl->args.json) {
		ctl_put_json(l->ctl, job);
		return;
	}
	brief_read(job, &b);
	job_table_put(&l->table, &b);
}

static void
keep(struct listing *l, const json_t *job)
{
	const char *sort = l->ctl->args.sort;
	struct brief b;
	struct kept *k;

	if (l->n_kept == l->size_kept) {
		l->size_kept = MAX(l->size_kept * 2, (size_t)256);
		l->kept = xrealloc(l->kept, l->size_kept * sizeof l->kept[0]);
	}
	k = &l->kept[l->n_kept++];
	brief_read(job, &b);
	*k = (struct kept){ .id = b.id, .line = json_dumps(job, JSON_COMPACT) };
	if (text_equal(sort, "size"))
		k->number = brief_size(&b);
	else if (text_equal(sort, "rate"))
		k->number = b.rate;
	else
		k->word = xstrdup(text_equal(sort, "name") ? brief_label(&b) : b.state);
}

/* Figures fall, words rise; the same by id. */
static int
compare(const void *va, const void *vb)
{
	const struct kept *a = va, *b = vb;
	int r = a->word ? strcmp(a->word, b->word) : (a->number < b->number) - (a->number > b->number);

	return r ? r : (a->id > b->id) - (a->id < b->id);
}

static void
put_sorted(struct listing *l)
{
	uint64_t limit = l->ctl->args.limit;

	if (l->n_kept)
		qsort(l->kept, l->n_kept, sizeof l->kept[0], compare);
	for (size_t i = 0; i < l->n_kept; i++) {
		AUTO_JSON json_t *job = !limit || i < limit ? json_loads(l->kept[i].line, 0, NULL) : NULL;

		if (job)
			put(l, job);
		free(l->kept[i].line);
		free(l->kept[i].word);
	}
	free(l->kept);
}

/* after: what the last page gave as next; NULL: the first one. */
static json_t *
page_params(const struct ctl *c, json_t *after, uint64_t want)
{
	json_t *p = json_pack("{s:I}", "limit", (json_int_t)want);

	if (text_equal(c->args.sort, "ended"))
		(void)json_object_set_new(p, "order", json_string("ended"));
	else if (!after)
		(void)json_object_set_new(p, "after", json_integer(0));
	if (after)
		(void)json_object_set(p, "after", after);
	filters_put(&c->args, p);
	filters_put_states(&c->args, p);
	return p;
}

/* A page that says so itself must not be asked for for ever. */
static bool
goes_on(const json_t *next, const json_t *after)
{
	if (json_is_integer(next))
		return json_integer_value(next) > json_integer_value(after);
	return json_is_string(next) && !json_equal(next, after);
}

static int
read_pages(struct listing *l, bool sorted)
{
	uint64_t limit = sorted ? 0 : l->ctl->args.limit;
	AUTO_JSON json_t *after = NULL;

	for (;;) {
		uint64_t want = limit ? MIN(limit - l->n, (uint64_t)CLIENT_JOBS_MAX) : CLIENT_JOBS_MAX;
		AUTO_JSON json_t *page = NULL;
		json_t *job, *next;
		size_t i;
		int r = ctl_call(l->ctl, "list", page_params(l->ctl, after, want), &page);

		if (r != CTL_OK)
			return r;
		json_array_foreach(json_object_get(page, "jobs"), i, job) {
			if (sorted)
				keep(l, job);
			else
				put(l, job);
			l->n++;
		}
		next = json_object_get(page, "next");
		if (!goes_on(next, after) || (limit && l->n >= limit))
			return CTL_OK;
		json_decref(after);
		after = json_incref(next);
	}
}

int
verb_list(struct ctl *c)
{
	struct listing l = { .ctl = c };
	bool sorted = c->args.sort && !text_equal(c->args.sort, "id") && !text_equal(c->args.sort, "ended");
	int r;

	job_table_init(&l.table, &c->term);
	r = read_pages(&l, sorted);
	put_sorted(&l);
	table_print(&l.table, &c->out);
	table_done(&l.table);
	if (r == CTL_OK && !l.n && !c->args.json)
		ctl_tell(c, filters_are_given(&c->args) ? "there are no such jobs" : "there are no jobs");
	return r;
}
