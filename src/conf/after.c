/* What waits for what; see after.h. */
#include "conf/after.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/cycle.h"
#include "model/values.h"

enum { SUGGESTIONS_MAX = 20 }; /* each looks at all names */

struct after_job {
	char *name;  /* owned; NULL: nobody can wait for it */
	char *label; /* owned */
	size_t first, n; /* of refs */
};

struct after_ref {
	const struct setting *row;
	char *text; /* owned */
	struct where at;
};

static bool
job_has_name(const void *item, const void *key)
{
	return strcmp(((const struct after_job *)item)->name, key) == 0;
}

void
afters_init(struct afters *a)
{
	*a = (struct afters){ 0 };
	map_init(&a->by_name, job_has_name);
}

void
afters_done(struct afters *a)
{
	for (size_t i = 0; i < a->n_jobs; i++) {
		free(a->jobs[i].name);
		free(a->jobs[i].label);
	}
	for (size_t i = 0; i < a->n_refs; i++)
		free(a->refs[i].text);
	free(a->jobs);
	free(a->refs);
	map_done(&a->by_name);
}

static void
note_refs(struct afters *a, struct emit *emit, const struct draft *d, enum setting_id id)
{
	uint64_t number;

	for (const struct draft_item *i = draft_find(d, id); i; i = draft_next(d, i)) {
		if (value_is_event(i->text))
			continue;
		if (parse_u64(i->text, &number) == 0) {
			emit_error(emit, i->at, d->label, "%s \"%s\" is an id: jobs of a configuration are named by their names",
			    i->row->name, quote(i->text));
			continue;
		}
		if (a->n_refs == a->size_refs) {
			a->size_refs = a->size_refs ? a->size_refs * 2 : 64;
			a->refs = xrealloc(a->refs, a->size_refs * sizeof a->refs[0]);
		}
		a->refs[a->n_refs++] = (struct after_ref){ i->row, xstrdup(i->text), i->at };
	}
}

void
afters_note(struct afters *a, struct emit *emit, const struct draft *d)
{
	const struct draft_item *name = draft_find(d, JOB_NAME);
	size_t first = a->n_refs;

	note_refs(a, emit, d, JOB_AFTER);
	note_refs(a, emit, d, JOB_AFTER_FAILED);
	if (a->n_refs == first)
		return;
	if (a->n_jobs == a->size_jobs) {
		a->size_jobs = a->size_jobs ? a->size_jobs * 2 : 64;
		a->jobs = xrealloc(a->jobs, a->size_jobs * sizeof a->jobs[0]);
	}
	a->jobs[a->n_jobs++] = (struct after_job){
		.name = name ? xstrdup(name->text) : NULL, .label = xstrdup(d->label),
		.first = first, .n = a->n_refs - first,
	};
}

/* The name that was meant, perhaps. */
static const char *
suggest(const struct seen *names, const char *text)
{
	unsigned least = (unsigned)strlen(text) / 3 + 2;
	const char *near = NULL, *one;
	size_t cursor = 0;

	while ((one = seen_next(names, &cursor)))
		if (str_is_nearer(text, one, &least))
			near = one;
	return near;
}

static void
check_names(const struct afters *a, struct emit *emit, const struct seen *names)
{
	unsigned n_bad = 0;

	for (size_t k = 0; k < a->n_jobs; k++)
		for (size_t i = a->jobs[k].first; i < a->jobs[k].first + a->jobs[k].n; i++) {
			const struct after_ref *r = &a->refs[i];
			const char *near;

			if (seen_find(names, r->text))
				continue;
			near = ++n_bad <= SUGGESTIONS_MAX ? suggest(names, r->text) : NULL;
			if (near)
				emit_error(emit, r->at, a->jobs[k].label, "%s \"%s\" is no job: did you mean \"%s\"?",
				    r->row->name, quote(r->text), near);
			else
				emit_error(emit, r->at, a->jobs[k].label, "%s \"%s\" is no job of this configuration",
				    r->row->name, quote(r->text));
		}
}

static bool
next_of(size_t node, unsigned i, size_t *ret, void *arg)
{
	const struct afters *a = arg;
	const struct after_job *j = &a->jobs[node], *to;

	if (i >= j->n)
		return false;
	to = map_find(&a->by_name, hash_str(a->refs[j->first + i].text), a->refs[j->first + i].text);
	*ret = to ? (size_t)(to - a->jobs) : CYCLE_NONE;
	return true;
}

static const char *
name_of(size_t node, void *arg)
{
	return ((const struct afters *)arg)->jobs[node].name;
}

static void
check_cycles(struct afters *a, struct emit *emit)
{
	AUTO_FREE size_t *path = NULL;
	AUTO_FREE char *text = NULL;
	const struct after_job *j;
	size_t len;

	for (size_t i = 0; i < a->n_jobs; i++)
		if (a->jobs[i].name && !map_find(&a->by_name, hash_str(a->jobs[i].name), a->jobs[i].name))
			map_add(&a->by_name, hash_str(a->jobs[i].name), &a->jobs[i]);
	path = cycle_find(a->n_jobs, next_of, a, &len);
	if (!path)
		return;
	text = cycle_text(path, len, name_of, a);
	j = &a->jobs[path[0]];
	emit_error(emit, a->refs[j->first].at, j->label, "these jobs wait for each other, so that none could start: %s", text);
}

void
afters_check(struct afters *a, struct emit *emit, const struct seen *names)
{
	check_names(a, emit, names);
	check_cycles(a, emit);
}
