/* One line of the live block; see row.h. */
#include "term/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "term/figures.h"
#include "term/width.h"

enum {
	GAP = 2,
	BAR_MIN = 12,
	BAR_MAX = 48,
	WORD_WIDTH = 13, /* "verifying 83%" */
};

struct row_layout
row_layout_for(unsigned columns)
{
	size_t w = columns > 1 ? columns - 1 : 1, more;
	struct row_layout lay = { .line = w, .percent = FIGURES_PERCENT_WIDTH };

	if (w >= 79) {
		more = w - 79;
		lay.bar = MIN(BAR_MIN + more * 4 / 10, (size_t)BAR_MAX);
		lay.name = 20 + more - (lay.bar - BAR_MIN);
		lay.size = FIGURES_PAIR_WIDTH;
		lay.rate = FIGURES_RATE_WIDTH;
		lay.eta = FIGURES_ETA_WIDTH;
	} else if (w >= 64) {
		lay.name = w - 44;
		lay.bar = BAR_MIN;
		lay.rate = FIGURES_RATE_WIDTH;
		lay.eta = FIGURES_ETA_WIDTH;
	} else if (w >= 50) {
		lay.name = w - 30;
		lay.rate = FIGURES_RATE_WIDTH;
		lay.eta = FIGURES_ETA_WIDTH;
	} else if (w >= 44) {
		lay.name = w - 18;
		lay.rate = FIGURES_RATE_WIDTH;
	} else if (w >= 27) {
		lay.name = w - GAP - WORD_WIDTH;
	} else if (w >= 12) {
		lay.name = w - GAP - FIGURES_PERCENT_WIDTH;
	} else {
		lay.name = w;
		lay.percent = 0;
	}
	return lay;
}

static void
ink(const struct row_line *l, enum term_ink i)
{
	term_ink(l->term, l->out, i);
}

static void
fill_to(struct row_line *l, size_t column)
{
	if (column > l->used) {
		width_fill(l->out, column - l->used);
		l->used = column;
	}
}

static void
put_cut(struct row_line *l, const char *text, size_t columns, enum width_cut cut)
{
	l->used += width_put(l->out, text, columns, cut, l->term->utf8);
}

void
row_put(struct row_line *l, const char *text, enum term_ink i)
{
	size_t left = l->width > l->used ? l->width - l->used : 0;

	if (i != TERM_INK_PLAIN)
		ink(l, i);
	put_cut(l, text, left, WIDTH_CUT_END);
	if (i != TERM_INK_PLAIN)
		ink(l, TERM_INK_PLAIN);
}

/* A column of that width behind a gap; nothing when the layout lacks it. */
static void
put_right(struct row_line *l, const char *text, size_t width)
{
	size_t n = strlen(text);

	if (width == 0)
		return;
	fill_to(l, l->used + GAP + (width > n ? width - n : 0));
	put_cut(l, text, MAX(width, n), WIDTH_CUT_END);
}

static void
put_left(struct row_line *l, const char *text, size_t width)
{
	size_t from = l->used + GAP;

	if (width == 0)
		return;
	if (*text) {
		fill_to(l, from);
		put_cut(l, text, MAX(width, strlen(text)), WIDTH_CUT_END);
	}
	fill_to(l, from + width);
}

/* Cells of a bar from eighth a to eighth b, in one ink. */
static void
put_eighths(struct row_line *l, size_t a, size_t b, enum term_ink i)
{
	static const char *const parts[] = { "", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b",
		"\u258a", "\u2589" };
	bool fine = l->term->has_eighths;

	if (b <= a || (!fine && b / 8 <= a / 8))
		return;
	ink(l, i);
	for (; a + 8 <= b; a += 8, l->used++)
		buf_append_str(l->out, fine ? "\u2588" : "#");
	if (fine && b > a) {
		buf_append_str(l->out, parts[b - a]);
		l->used++;
	}
	ink(l, TERM_INK_PLAIN);
}

/* done of total arrived; the part of it that is processed is shown by colour. */
static void
put_bar(struct row_line *l, size_t width, uint64_t done, uint64_t processed, uint64_t total)
{
	bool fine = l->term->has_eighths;
	size_t cells = width - 2, end, mid;

	if (width == 0)
		return;
	fill_to(l, l->used + GAP);
	if (total == 0) {
		fill_to(l, l->used + width);
		return;
	}
	end = (size_t)((double)MIN(done, total) / (double)total * (double)(8 * cells));
	mid = (size_t)((double)MIN(processed, total) / (double)total * (double)cells) * 8;
	buf_append_str(l->out, fine ? "\u2595" : "[");
	l->used++;
	cells += l->used;
	put_eighths(l, 0, MIN(mid, end), TERM_INK_GOOD);
	put_eighths(l, MIN(mid, end), end, TERM_INK_FLOW);
	fill_to(l, cells);
	buf_append_str(l->out, fine ? "\u258f" : "]");
	l->used++;
}

static void
put_percent(struct row_line *l, uint64_t done, uint64_t total)
{
	char t[FIGURES_SIZE] = "-";

	if (total)
		(void)snprintf(t, sizeof t, "%u%%", figures_percent(done, total));
	put_right(l, t, FIGURES_PERCENT_WIDTH);
}

static unsigned
processed_percent(const struct progress_row *row)
{
	return figures_percent(row->processed, row->total ? row->total : row->done);
}

/* The phase in words, for the rows that have no speed to show. */
static const char *
phase_words(const struct progress_row *row, char *t, size_t size)
{
	unsigned percent = processed_percent(row);
	char out[FIGURES_SIZE];

	switch (row->phase) {
	case PROGRESS_WAITING:
		return "waiting";
	case PROGRESS_CONNECTING:
		return "connecting";
	case PROGRESS_VERIFYING:
		(void)snprintf(t, size, "verifying %u%%", percent);
		return t;
	case PROGRESS_UNPACKING:
		(void)snprintf(t, size, "unpacking %u%%", percent);
		if (row->out)
			(void)snprintf(t + strlen(t), size - strlen(t), ", %s out",
			    format_size(out, sizeof out, row->out));
		return t;
	case PROGRESS_PUBLISHING:
		return "publishing";
	case PROGRESS_HOOK:
		return "running a hook";
	case PROGRESS_RETRYING:
		(void)snprintf(t, size, "retry in %s", figures_time(out, row->retry_in_s));
		return t;
	default:
		return "";
	}
}

static void
put_phase(struct row_line *l, const struct progress_row *row)
{
	AUTO_FREE char *reason = NULL;
	char t[80];

	fill_to(l, l->used + GAP);
	row_put(l, phase_words(row, t, sizeof t),
	    row->phase == PROGRESS_RETRYING ? TERM_INK_WARN : TERM_INK_PLAIN);
	if (row->phase != PROGRESS_RETRYING || !row->reason || l->used + 8 > l->width)
		return;
	reason = term_safe_again(l->term, row->reason);
	row_put(l, ": ", TERM_INK_PLAIN);
	row_put(l, reason, TERM_INK_PLAIN);
}

static void
put_speed(struct row_line *l, const struct row_layout *lay, const struct progress_row *row)
{
	char t[FIGURES_SIZE];

	put_right(l, figures_pair(t, row->done, row->total), lay->size);
	put_right(l, row->rate ? figures_rate(t, row->rate) : "-", lay->rate);
	put_left(l, figures_eta_text(t, figures_eta(row->done, row->total, row->rate)), lay->eta);
}

void
row_draw(struct row_line *l, const struct row_layout *lay, const struct progress_row *row)
{
	AUTO_FREE char *name = term_safe(l->term, row->name ? row->name : "");
	bool network_over = row->phase == PROGRESS_VERIFYING ||
	    row->phase == PROGRESS_UNPACKING || row->phase == PROGRESS_PUBLISHING || row->phase == PROGRESS_HOOK;

	put_cut(l, name, lay->name, WIDTH_CUT_MIDDLE);
	fill_to(l, lay->name);
	if (lay->percent == 0)
		return;
	if (row->phase == PROGRESS_DOWNLOADING) {
		put_percent(l, row->done, row->total);
		put_bar(l, lay->bar, row->done, 0, row->total);
		put_speed(l, lay, row);
		return;
	}
	/* The bar stays full under the words: what has come does not go back. */
	if (network_over && lay->bar) {
		put_percent(l, 1, 1);
		put_bar(l, lay->bar, 100, processed_percent(row), 100);
	}
	put_phase(l, row);
}

char *
row_total_name(char *out, const struct progress_total *total)
{
	(void)snprintf(out, 2 * (size_t)FIGURES_SIZE, "%zu of %zu done", total->done, total->jobs);
	return out;
}

uint64_t
row_total_eta(const struct progress_total *total, bool *ret_guess)
{
	double all;

	*ret_guess = total->sized < total->jobs;
	if (!*ret_guess)
		return figures_eta(total->bytes_done, total->bytes_total, total->rate);
	if (total->sized == 0)
		return FIGURES_UNKNOWN;
	all = (double)total->bytes_total / (double)total->sized * (double)total->jobs;
	if (all > 1e18)
		return FIGURES_UNKNOWN;
	return figures_eta(total->bytes_done, (uint64_t)all, total->rate);
}

/* "ETA 52s", or with a guess in it "ETA ~4m": no digits that mean nothing. */
static char *
total_eta_text(char *out, const struct progress_total *total)
{
	bool guess;
	uint64_t s = row_total_eta(total, &guess);

	if (s == FIGURES_UNKNOWN || !guess)
		return figures_eta_text(out, s);
	if (s < 60)
		(void)snprintf(out, FIGURES_SIZE, "ETA ~%us", (unsigned)s);
	else if (s < 5400)
		(void)snprintf(out, FIGURES_SIZE, "ETA ~%um", (unsigned)(s + 30) / 60);
	else
		(void)snprintf(out, FIGURES_SIZE, "ETA ~%uh", (unsigned)(s + 1800) / 3600);
	return out;
}

void
row_draw_total(struct row_line *l, const struct row_layout *lay, const struct progress_total *total)
{
	/* Bytes say nothing about the whole while sizes are missing; jobs do. */
	bool known = total->sized >= total->jobs && total->bytes_total > 0;
	uint64_t done = known ? total->bytes_done : total->done + total->failed;
	uint64_t all = known ? total->bytes_total : total->jobs;
	char t[2 * FIGURES_SIZE];

	ink(l, TERM_INK_STRONG);
	put_cut(l, row_total_name(t, total), lay->name, WIDTH_CUT_END);
	ink(l, TERM_INK_PLAIN);
	fill_to(l, lay->name);
	if (lay->percent == 0)
		return;
	put_percent(l, done, all);
	put_bar(l, lay->bar, done, 0, all);
	put_right(l, figures_pair(t, total->bytes_done, known ? total->bytes_total : 0), lay->size);
	put_right(l, total->rate ? figures_rate(t, total->rate) : "-", lay->rate);
	put_left(l, total_eta_text(t, total), lay->eta);
}

/* One of the counts, when all of it still fits. */
static void
put_part(struct row_line *l, const char *text, enum term_ink i)
{
	size_t need = width_of_text(text) + (l->used ? 2 : 0);

	if (!*text || l->used + need > l->width)
		return;
	if (l->used)
		row_put(l, ", ", TERM_INK_PLAIN);
	row_put(l, text, i);
}

void
row_draw_counts(struct row_line *l, const struct row_layout *lay,
    const struct progress_total *total)
{
	AUTO_FREE char *limit = term_safe(l->term, total->limit ? total->limit : "");
	char t[2 * FIGURES_SIZE];

	if (!lay->rate && total->rate)
		put_part(l, figures_rate(t, total->rate), TERM_INK_PLAIN);
	if (!lay->eta)
		put_part(l, total_eta_text(t, total), TERM_INK_PLAIN);
	(void)snprintf(t, sizeof t, "%zu failed", total->failed);
	put_part(l, total->failed ? t : "", TERM_INK_BAD);
	(void)snprintf(t, sizeof t, "%zu active", total->active);
	put_part(l, t, TERM_INK_PLAIN);
	(void)snprintf(t, sizeof t, "%zu queued", total->queued);
	put_part(l, total->queued ? t : "", TERM_INK_PLAIN);
	put_part(l, limit, TERM_INK_PLAIN);
	(void)snprintf(t, sizeof t, "elapsed ");
	(void)figures_time(t + strlen(t), total->elapsed_ms / 1000);
	put_part(l, t, TERM_INK_PLAIN);
}
