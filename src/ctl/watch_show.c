/* How watched jobs are shown; see watch.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/watch.h"

enum {
	FRAME_MS = 100,
	PLAIN_MS = 1000, /* how often to ask whether a line that does not move is due */
};

void
watch_show_init(struct watch *w)
{
	const struct args *a = &w->ctl->args;

	w->started_ms = clock_now_ms();
	w->tty_fd = -1;
	progress_init(&w->progress, &w->ctl->err);
	if (!a->json && !a->no_progress && w->ctl->err.can_move && term_reopen(&w->ctl->err, &w->tty_fd) < 0)
		w->tty_fd = -1;
}

void
watch_show_done(struct watch *w)
{
	progress_done(&w->progress);
	buf_done(&w->frame);
	free(w->rows);
	fd_close(&w->tty_fd);
}

/* ---- Rows and totals ----------------------------------------------------------- */

static size_t
collect_rows(struct watch *w, uint64_t now, uint64_t *ret_received)
{
	struct watch_job *j;
	size_t n = 0;

	*ret_received = 0;
	LIST_FOREACH(j, &w->live, struct watch_job, live) {
		if (n == w->size_rows) {
			w->size_rows = MAX(w->size_rows * 2, (size_t)32);
			w->rows = xrealloc(w->rows, w->size_rows * sizeof w->rows[0]);
		}
		w->rows[n++] = (struct progress_row){
			.name = j->label,
			.phase = j->retry_at_ms ? PROGRESS_RETRYING : j->phase,
			.total = j->total,
			.done = j->received,
			.processed = j->processed,
			.out = j->unpacked,
			.rate = j->rate,
			.reason = j->reason,
			.retry_in_s = j->retry_at_ms > now ? (j->retry_at_ms - now + 999) / 1000 : 0,
		};
		*ret_received += j->received;
	}
	return n;
}

static size_t
collect(struct watch *w, struct progress_total *ret)
{
	uint64_t now = clock_now_ms(), received;
	size_t n = collect_rows(w, now, &received), over;

	over = w->counts[WATCH_DONE] + w->counts[WATCH_FAILED] + w->counts[WATCH_CANCELLED];
	*ret = (struct progress_total){
		.active = w->counts[WATCH_ACTIVE],
		.done = w->counts[WATCH_DONE],
		.failed = w->counts[WATCH_FAILED] + w->counts[WATCH_CANCELLED],
		.sized = over,
		.bytes_done = w->ended_bytes + received,
		.bytes_total = w->ended_bytes,
		.elapsed_ms = now - w->started_ms,
	};
	/* hauld tells of 200 active jobs at most, and counts them all. */
	if (w->all && w->has_totals) {
		ret->active = w->totals[WATCH_ACTIVE];
		ret->queued = w->totals[WATCH_QUEUED] + w->totals[WATCH_BLOCKED];
		ret->jobs = over + ret->active + ret->queued;
	} else {
		ret->jobs = w->n_jobs;
		ret->queued = ret->jobs - over - ret->active;
	}
	for (size_t i = 0; i < n; i++) {
		ret->sized += w->rows[i].total != 0;
		ret->bytes_total += w->rows[i].total;
	}
	meter_update(&w->meter, now, w->arrived);
	ret->rate = meter_rate(&w->meter);
	return n;
}

/* ---- Frames -------------------------------------------------------------------------- */

/* A frame that the terminal does not take is finished before another begins. */
static void
draw(struct watch *w)
{
	struct progress_total total;
	size_t n;

	if (buf_len(&w->frame) == 0) {
		term_resize(&w->ctl->err);
		n = collect(w, &total);
		progress_draw(&w->progress, w->rows, n, &total, &w->frame);
	}
	if (term_write(w->tty_fd, &w->frame) < 0)
		return; /* it takes nothing now; the next turn tries again */
}

int
watch_show_frame(struct watch *w)
{
	uint64_t now = clock_now_ms();
	struct progress_total total;

	if (w->ctl->args.json)
		return -1;
	if (w->tty_fd >= 0) {
		if (progress_due(&w->progress, now))
			draw(w);
		return FRAME_MS;
	}
	if (progress_plain_due(&w->progress, now)) {
		AUTO_BUF struct buf line = { 0 };

		(void)collect(w, &total);
		progress_plain_line(&total, &line);
		(void)fputs(buf_cstr(&line), stderr);
	}
	return PLAIN_MS;
}

void
watch_show_clear(struct watch *w)
{
	if (w->tty_fd < 0)
		return;
	progress_clear(&w->progress, &w->frame);
	/* A terminal that is gone has nothing to be cleared. */
	if (fd_write_full(STDERR_FILENO, buf_bytes(&w->frame), buf_len(&w->frame)) == 0)
		buf_consume(&w->frame, buf_len(&w->frame));
}

/* ---- Events ---------------------------------------------------------------------------- */

static struct summary_row
row_of(const struct watch_job *j)
{
	return (struct summary_row){
		.state = j->state == WATCH_DONE ? SUMMARY_DONE : j->state == WATCH_FAILED ? SUMMARY_FAILED : SUMMARY_CANCELLED,
		.path = j->path,
		.bytes = j->published,
		.ms = j->ms,
		.word = j->word,
		.reason = j->reason,
		.note = j->note,
	};
}

void
watch_show_end(struct watch *w, const struct watch_job *j)
{
	struct summary_row row = row_of(j);

	if (w->ctl->args.json || w->summary)
		return;
	/* Where both are one terminal, the moving lines must go on below it. */
	if (w->tty_fd >= 0 && w->ctl->term.is_tty) {
		progress_print_result(&w->progress, &row);
		return;
	}
	summary_format_row(&row, &w->ctl->term, &w->ctl->out);
	(void)ctl_flush(w->ctl);
}

void
watch_show_retry(struct watch *w, const struct brief *b, uint64_t delay_ms)
{
	AUTO_FREE char *label = NULL, *text = NULL;
	char wait[32];

	if (w->ctl->args.json)
		return;
	(void)format_duration(wait, sizeof wait, delay_ms);
	label = term_safe(&w->ctl->err, brief_label(b));
	text = xasprintf("%s: %s%s%s; again in %s\n", label, b->code, *b->code && *b->reason ? ": " : "",
	    *b->code || *b->reason ? b->reason : "a try failed", wait);
	if (w->tty_fd >= 0) {
		progress_print_above(&w->progress, text);
	} else {
		text[strlen(text) - 1] = '\0';
		ctl_tell(w->ctl, "%s", text);
	}
}

void
watch_show_summary(struct watch *w)
{
	struct summary_row *rows = xcalloc(w->n_jobs, sizeof *rows);
	struct summary_total total = { .ms = clock_now_ms() - w->started_ms };
	size_t n = 0;

	for (size_t i = 0; i < w->n_jobs; i++) {
		if (w->jobs[i]->state < WATCH_DONE)
			continue;
		rows[n++] = row_of(w->jobs[i]);
		total.bytes += w->jobs[i]->published;
	}
	summary_format(rows, n, &total, &w->ctl->term, &w->ctl->out);
	free(rows);
}
