/* `haulctl list`: all jobs, page by page. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/filters.h"
#include "ctl/job_table.h"
#include "ctl/pages.h"

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

struct pass {
	struct listing *l;
	bool sorted;
};

static bool
take(struct ctl *c UNUSED, json_t *job, void *arg)
{
	struct pass *p = arg;

	if (p->sorted)
		keep(p->l, job);
	else
		put(p->l, job);
	p->l->n++;
	return true;
}

int
verb_list(struct ctl *c)
{
	struct listing l = { .ctl = c };
	bool sorted = c->args.sort && !text_equal(c->args.sort, "id") && !text_equal(c->args.sort, "ended");
	int r;

	job_table_init(&l.table, &c->term);
	r = pages_read(c, NULL, text_equal(c->args.sort, "ended"), sorted ? 0 : c->args.limit, take, &(struct pass){ &l, sorted });
	put_sorted(&l);
	table_print(&l.table, &c->out);
	table_done(&l.table);
	if (r == CTL_OK && !l.n && !c->args.json)
		ctl_tell(c, filters_are_given(&c->args) ? "there are no such jobs" : "there are no jobs");
	return r;
}
