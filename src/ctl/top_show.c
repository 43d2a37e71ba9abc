/* Frames of top; see top.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/job_table.h"
#include "ctl/top.h"
#include "term/figures.h"

enum { FACTS_MAX = 40, DISKS_SHOWN = 3 };

static const char *const sorts[] = { "state", "rate", "size", "done", "name", "priority", "id" };

const char *
top_next_sort(const char *sort)
{
	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++)
		if (text_equal(sorts[i], sort))
			return sorts[(i + 1) % ARRAY_SIZE(sorts)];
	return sorts[0];
}

void
top_say(struct top *t, bool bad, const char *fmt, ...)
{
	va_list ap;

	free(t->message);
	va_start(ap, fmt);
	if (vasprintf(&t->message, fmt, ap) < 0)
		t->message = NULL;
	va_end(ap);
	t->message_is_bad = bad;
}

/* ---- The head ------------------------------------------------------------------------------ */

struct head {
	struct board_fact facts[FACTS_MAX];
	char *texts[FACTS_MAX]; /* owned */
	size_t n;
	const char *label;
};

static void PRINTF_LIKE(3, 4)
put(struct head *h, enum term_ink ink, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (h->n == FACTS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("");
	va_end(ap);
	h->texts[h->n] = text;
	h->facts[h->n++] = (struct board_fact){ h->label, text, ink };
	h->label = NULL;
}

static void
head_done(struct head *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->texts[i]);
}

static const json_t *
limit_named(const json_t *s, const char *name)
{
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(s, "limits"), i, l)
		if (text_equal(member_text(l, "name"), name))
			return l;
	return NULL;
}

static void
put_daemon(struct head *h, const json_t *s)
{
	const char *state = member_text(s, "state"), *store = member_text(json_object_get(s, "store"), "state");
	uint64_t limit = member_u64(limit_named(s, "max-overall-download-limit"), "limit");
	char rate[FIGURES_SIZE], most[FIGURES_SIZE], time[FIGURES_SIZE], size[FIGURES_SIZE];

	h->label = "hauld";
	put(h, text_equal(state, "running") ? TERM_INK_GOOD : TERM_INK_WARN, "%s", state);
	if (json_is_true(json_object_get(s, "paused")))
		put(h, TERM_INK_WARN, "everything is paused");
	put(h, TERM_INK_FLOW, "%s%s%s", figures_rate(rate, member_u64(s, "rate")), limit ? " of " : "",
	    limit ? figures_rate(most, limit) : "");
	put(h, TERM_INK_PLAIN, "%s in %s", format_size(size, sizeof size, member_u64(s, "received")),
	    figures_time(time, member_u64(s, "uptime_s")));
	if (*store && !text_equal(store, "working"))
		put(h, TERM_INK_BAD, "the store is %s", store);
}

static void
put_jobs(struct head *h, const json_t *s)
{
	static const char *const states[] = { "active", "queued", "blocked", "paused", "done", "failed", "cancelled" };
	const json_t *jobs = json_object_get(s, "jobs");

	h->label = "jobs";
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct brief b = { .state = states[i] };
		uint64_t n = member_u64(jobs, states[i]);

		if (n || i < 2)
			put(h, n ? brief_ink(&b) : TERM_INK_PLAIN, "%llu %s", (unsigned long long)n, states[i]);
	}
}

static void
put_slot(struct head *h, const json_t *l, const char *what)
{
	uint64_t limit = member_u64(l, "limit"), used = member_u64(l, "used");

	if (limit)
		put(h, used >= limit ? TERM_INK_WARN : TERM_INK_PLAIN, "%llu of %llu %s", (unsigned long long)used,
		    (unsigned long long)limit, what);
}

static void
put_slots(struct head *h, const json_t *s)
{
	const json_t *w = json_object_get(s, "workers"), *waiting = json_object_get(s, "waiting");
	const char *why;
	json_t *n;

	h->label = "slots";
	put_slot(h, limit_named(s, "max-concurrent-downloads"), "downloads");
	put_slot(h, limit_named(s, "max-concurrent-verifications"), "verifications");
	put(h, TERM_INK_PLAIN, "%llu worker%s", (unsigned long long)member_u64(w, "running"),
	    member_u64(w, "running") == 1 ? "" : "s");
	if (json_object_size(waiting))
		h->label = "waiting";
	json_object_foreach((json_t *)(uintptr_t)waiting, why, n)
		put(h, TERM_INK_PLAIN, "%lld for %s", (long long)json_integer_value(n), why);
}

static void
put_disk(struct head *h, const json_t *d)
{
	char free_text[FIGURES_SIZE], size[FIGURES_SIZE], unflushed[FIGURES_SIZE];
	uint64_t dirty = member_u64(d, "unflushed");
	bool known = json_is_integer(json_object_get(d, "free"));

	put(h, known && member_u64(d, "free") <= member_u64(d, "kept") ? TERM_INK_BAD : TERM_INK_PLAIN, "%s: %s free of %s",
	    member_text(d, "root"), known ? format_size(free_text, sizeof free_text, member_u64(d, "free")) : "?",
	    known ? format_size(size, sizeof size, member_u64(d, "size")) : "?");
	if (dirty)
		put(h, TERM_INK_PLAIN, "%s unflushed", format_size(unflushed, sizeof unflushed, dirty));
}

static void
put_disks(struct head *h, const json_t *s)
{
	const json_t *loop = json_object_get(s, "loop"), *d;
	uint64_t us = member_u64(loop, "max_us");
	size_t i;

	json_array_foreach(json_object_get(s, "disks"), i, d) {
		if (i == DISKS_SHOWN)
			break;
		h->label = i ? NULL : "disk";
		put_disk(h, d);
	}
	h->label = "loop";
	put(h, us > 100000 ? TERM_INK_WARN : TERM_INK_PLAIN, "longest callback %llu.%llu ms", (unsigned long long)(us / 1000),
	    (unsigned long long)(us / 100 % 10));
	put(h, TERM_INK_PLAIN, "%llu above 20 ms", (unsigned long long)member_u64(loop, "late"));
}

static void
fill_head(struct head *h, const struct top *t)
{
	*h = (struct head){ .n = 0 };
	if (!t->figures) {
		h->label = "hauld";
		put(h, TERM_INK_FAINT, "asking");
		return;
	}
	put_daemon(h, t->figures);
	put_jobs(h, t->figures);
	put_slots(h, t->figures);
	put_disks(h, t->figures);
}

/* ---- Jobs ---------------------------------------------------------------------------------- */

/* "https://a.example:8443" of a url. */
static char *
origin_of(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? xstrndup(url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?#")) : xstrdup("");
}

struct texts {
	char *note, *from;
};

static struct board_row
row_of(const struct top_job *j, struct texts *texts)
{
	const struct brief *b = &j->brief;

	texts->note = brief_why(b);
	texts->from = origin_of(b->url);
	return (struct board_row){
		.id = b->id,
		.name = brief_label(b),
		.state = brief_is(b, "active") && *b->phase ? b->phase : b->state,
		.from = texts->from,
		.ink = brief_ink(b),
		.priority = b->priority,
		.total = brief_is_over(b) ? brief_size(b) : b->total,
		.done = brief_is(b, "done") ? brief_size(b) : b->received,
		.rate = b->rate,
		.note = *texts->note ? texts->note : NULL,
	};
}

/* Those that wait beyond the page, and those that run beyond what hauld tells of. */
static char *
text_below(const struct top *t)
{
	static const char *const waiting[] = { "queued", "blocked", "paused" };
	uint64_t all = top_count(t, "active"), shown = 0;

	if (*t->text || t->ctl->args.state || !t->figures)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		all += top_count(t, waiting[i]);
	for (size_t i = 0; i < t->n_jobs; i++)
		shown += !brief_is_over(&t->jobs[i].brief);
	return all > shown ? xasprintf(" and %llu more", (unsigned long long)(all - shown)) : NULL;
}

static char *
footer_text(const struct top *t)
{
	if (t->mode == TOP_TYPE)
		return xasprintf("/%s_   Enter: only such jobs   Esc: as before", t->typed);
	if (t->message && *t->message)
		return xstrdup(t->message);
	if (t->mode == TOP_PANEL)
		return xstrdup("up and down: scroll   any other key: back");
	return xasprintf("h help  q quit  enter show  p pause  c cancel  + -  s sort: %s  / %s", t->sort,
	    *t->text ? t->text : "filter");
}

void
top_draw(struct top *t)
{
	struct board_row *rows;
	AUTO_FREE char *footer = NULL, *below = NULL;
	struct texts *texts;
	struct head head;

	if (buf_len(&t->frame) || !t->entered)
		return;
	t->dirty = t->urgent = false;
	term_resize(&t->ctl->term);
	top_sort(t);
	rows = xcalloc(t->n_jobs + 1, sizeof *rows);
	texts = xcalloc(t->n_jobs + 1, sizeof *texts);
	for (size_t i = 0; i < t->n_jobs; i++)
		rows[i] = row_of(&t->jobs[i], &texts[i]);
	fill_head(&head, t);
	footer = footer_text(t);
	below = text_below(t);
	t->board.term = &t->ctl->term;
	t->board.facts = head.facts;
	t->board.n_facts = head.n;
	t->board.rows = rows;
	t->board.n_rows = t->n_jobs;
	t->board.below = below;
	t->board.panel = t->mode == TOP_PANEL ? t->panel : NULL;
	t->board.footer = footer;
	t->board.footer_ink = t->message && *t->message && t->message_is_bad ? TERM_INK_BAD : TERM_INK_FAINT;
	board_draw(&t->board, &t->frame);
	for (size_t i = 0; i < t->n_jobs; i++) {
		free(texts[i].note);
		free(texts[i].from);
	}
	head_done(&head);
	free(texts);
	free(rows);
}

void
top_print(struct top *t)
{
	struct table table;
	struct head head;

	top_sort(t);
	fill_head(&head, t);
	t->board = (struct board){ .term = &t->ctl->term, .facts = head.facts, .n_facts = head.n };
	board_put_head(&t->board, &t->ctl->out);
	if (t->n_jobs)
		buf_append_str(&t->ctl->out, "\n");
	job_table_init(&table, &t->ctl->term);
	for (size_t i = 0; i < t->n_jobs && (!t->ctl->args.limit || i < t->ctl->args.limit); i++)
		job_table_put(&table, &t->jobs[i].brief);
	table_print(&table, &t->ctl->out);
	table_done(&table);
	head_done(&head);
}

/* ---- Panels ----------------------------------------------------------------------------------- */

static void
open_panel(struct top *t, char *text)
{
	free(t->panel);
	t->panel = text;
	t->board.panel_first = 0;
	t->mode = TOP_PANEL;
}

void
top_show_help(struct top *t)
{
	open_panel(t, xstrdup(
	    "up, down, j, k   the job before, the next one; page up, page down, home, end\n"
	    "enter            everything about the job, and why it waits\n"
	    "p                pause the job, or let it go on\n"
	    "c                cancel it; asks y or n\n"
	    "+, -             raise its priority by one, lower it\n"
	    "s                another order: state, rate, size, done, name, priority, id\n"
	    "/                only jobs with this text in name, destination or url; * is any\n"
	    "escape           all jobs again\n"
	    "^L               draw the screen anew\n"
	    "^Z               suspend; fg comes back\n"
	    "q                quit\n"
	    "\n"
	    "Jobs that run come first, then those that wait, with why, then those that ended\n"
	    "meanwhile. Of those that wait the first are shown, as many as the screen needs;\n"
	    "any order but by state is that of the jobs shown.\n"));
}

/* As `show` tells it, in the width of the screen and without colours: lines are cut
 * again when the screen gets narrower. */
void
top_show_job(struct top *t, const json_t *job)
{
	struct ctl c = { .term = t->ctl->term };

	c.term.colour = false;
	c.term.columns = c.term.columns > 1 ? c.term.columns - 1 : 1;
	if (t->why && *t->why) {
		AUTO_FREE char *safe = ctl_safe(&c, t->why);

		ctl_put_wrapped(&c, safe, c.term.columns, 0, 0);
		buf_append_str(&c.out, "\n");
	}
	show_put_job(&c, job);
	open_panel(t, xstrdup(buf_cstr(&c.out)));
	buf_done(&c.out);
}
