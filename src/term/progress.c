/* The live block; see progress.h. */
#include "term/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "term/figures.h"
#include "term/row.h"
#include "term/width.h"

enum {
	REPAINT_MS = 100,
	PLAIN_MS = 10 * 1000,
	ABOVE_MAX = 256 * 1024, /* a stopped terminal must not eat the memory */
	NAME_LEAST = 12,
	KEEP_FRAMES = 10, /* a second: one job ends and the next begins meanwhile */
};

void
progress_init(struct progress *p, const struct term *term)
{
	*p = (struct progress){ .term = term };
}

void
progress_done(struct progress *p)
{
	buf_done(&p->above);
}

bool
progress_due(struct progress *p, uint64_t now_ms)
{
	if (p->has_drawn && now_ms - p->drawn_ms < REPAINT_MS)
		return false;
	p->has_drawn = true;
	p->drawn_ms = now_ms;
	return true;
}

bool
progress_plain_due(struct progress *p, uint64_t now_ms)
{
	bool due = p->has_told && now_ms - p->told_ms >= PLAIN_MS;

	if (due || !p->has_told)
		p->told_ms = now_ms;
	p->has_told = true;
	return due;
}

static bool
has_room_above(struct progress *p)
{
	if (buf_len(&p->above) < ABOVE_MAX)
		return true;
	p->above_lost++;
	return false;
}

void
progress_print_above(struct progress *p, const char *text)
{
	while (*text && has_room_above(p)) {
		size_t n = strcspn(text, "\n");
		AUTO_BUF struct buf line = { 0 };
		AUTO_FREE char *safe = NULL;

		buf_append(&line, text, n);
		safe = term_safe_again(p->term, buf_cstr(&line));
		buf_printf(&p->above, "%s\n", safe);
		text += n + (text[n] == '\n');
	}
}

void
progress_print_result(struct progress *p, const struct summary_row *row)
{
	if (has_room_above(p))
		summary_format_row(row, p->term, &p->above);
}

static void
flush_above(struct progress *p, struct buf *out)
{
	buf_append(out, buf_bytes(&p->above), buf_len(&p->above));
	buf_consume(&p->above, buf_len(&p->above));
	if (p->above_lost)
		buf_printf(out, "... and %zu more lines that were not shown\n", p->above_lost);
	p->above_lost = 0;
}

/* To the first line of the block; returns how many lines up that is.  A screen
 * that became narrower has folded the lines that it drew: they take more now.
 * (What it pushed out at its top meanwhile is out of reach and stays there.) */
static unsigned
move_to_top(struct progress *p, struct buf *out)
{
	unsigned columns = p->term->columns, up = 0;

	for (unsigned i = 0; i < p->lines; i++)
		up += p->widths[i] > columns ? (p->widths[i] + columns - 1) / columns : 1;
	buf_append_str(out, "\r");
	if (up)
		buf_printf(out, "\033[%uA", up);
	p->lines = 0;
	return up;
}

/* Empties that many lines and stays on the first.  Line by line: tmux takes an
 * ED in the upper left corner for "clear" and saves the screen to its history. */
static void
erase_lines(unsigned n, struct buf *out)
{
	for (unsigned i = 0; i < n; i++)
		buf_append_str(out, "\033[K\033[B");
	if (n)
		buf_printf(out, "\033[%uA", n);
}

static struct row_line
line_begin(const struct progress *p, const struct row_layout *lay, struct buf *out)
{
	return (struct row_line){ .term = p->term, .out = out, .width = lay->line };
}

static void
line_end(struct progress *p, const struct row_line *l)
{
	buf_append_str(l->out, "\033[K\n");
	p->widths[p->lines++] = (uint16_t)MIN(l->used, (size_t)UINT16_MAX);
}

/* How the lines of the screen are shared out. */
struct share {
	unsigned shown; /* rows of jobs */
	unsigned slots; /* lines for them, with the one that says how many more */
	bool has_more, has_total, has_counts;
};

static struct share
share_out(struct progress *p, size_t n, const struct progress_total *total)
{
	unsigned room = p->term->rows > 1 ? p->term->rows - 1 : 1, want;
	struct share s = { 0 };

	/* A single job is its own total. */
	if (total->jobs != 1 || n > 1) {
		s.has_total = true;
		s.has_counts = room >= 4;
		room -= MIN(room, 1U + s.has_counts);
	}
	want = (unsigned)MIN(n, (size_t)room);
	/* The block does not jump by a line each time a job ends before the next begins. */
	if (want >= p->slots || ++p->fewer >= KEEP_FRAMES) {
		p->slots = want;
		p->fewer = 0;
	}
	s.slots = p->slots = MIN(p->slots, room);
	s.has_more = n > s.slots && s.slots > 1;
	s.shown = (unsigned)MIN(n, (size_t)s.slots - s.has_more);
	return s;
}

/* The name column is as wide as the longest name so far, within the layout. */
static void
fit_names(struct progress *p, struct row_layout *lay, const struct progress_row *rows,
    const struct share *s, const struct progress_total *total)
{
	size_t longest = MAX(p->name_width, (size_t)NAME_LEAST);
	char t[2 * FIGURES_SIZE];

	if (s->has_total)
		longest = MAX(longest, strlen(row_total_name(t, total)));
	for (unsigned i = 0; i < s->shown && longest < lay->name; i++) {
		AUTO_FREE char *name = term_safe(p->term, rows[i].name ? rows[i].name : "");

		longest = MAX(longest, width_of_text(name));
	}
	lay->name = p->name_width = MIN(longest, lay->name);
}

static void
draw_rows(struct progress *p, const struct row_layout *lay, const struct progress_row *rows,
    size_t n, const struct share *s, struct buf *out)
{
	struct row_line l;
	char t[64];

	for (unsigned i = 0; i < s->slots; i++) {
		l = line_begin(p, lay, out);
		if (i < s->shown) {
			row_draw(&l, lay, &rows[i]);
		} else if (s->has_more && i == s->shown) {
			(void)snprintf(t, sizeof t, "and %zu more", n - s->shown);
			row_put(&l, t, TERM_INK_FAINT);
		}
		line_end(p, &l);
	}
}

void
progress_draw(struct progress *p, const struct progress_row *rows, size_t n,
    const struct progress_total *total, struct buf *out)
{
	const struct term *term = p->term;
	bool resized = p->seen_columns != term->columns || p->seen_rows != term->rows;
	struct row_layout lay = row_layout_for(term->columns);
	struct row_line l;
	struct share s;
	unsigned up = move_to_top(p, out);

	if (resized) {
		p->name_width = 0;
		p->slots = 0;
		p->seen_columns = term->columns;
		p->seen_rows = term->rows;
	}
	/* Permanent lines wrap as any text does, so they need an empty screen below. */
	if (resized || buf_len(&p->above))
		erase_lines(up, out);
	flush_above(p, out);
	s = share_out(p, n, total);
	fit_names(p, &lay, rows, &s, total);
	buf_append_str(out, "\033[?7l");
	draw_rows(p, &lay, rows, n, &s, out);
	if (s.has_total) {
		l = line_begin(p, &lay, out);
		row_draw_total(&l, &lay, total);
		line_end(p, &l);
	}
	if (s.has_counts) {
		l = line_begin(p, &lay, out);
		row_draw_counts(&l, &lay, total);
		line_end(p, &l);
	}
	buf_append_str(out, "\033[?7h\033[J");
}

void
progress_clear(struct progress *p, struct buf *out)
{
	if (p->lines) {
		buf_append_str(out, "\r\033[K"); /* the ^C that the terminal has shown below the block */
		erase_lines(move_to_top(p, out), out);
	}
	flush_above(p, out);
}

void
progress_forget(struct progress *p)
{
	p->lines = 0;
}

void
progress_plain_line(const struct progress_total *total, struct buf *out)
{
	char t[2 * FIGURES_SIZE];
	bool guess;

	buf_printf(out, "haul: %s", row_total_name(t, total));
	if (total->failed)
		buf_printf(out, ", %zu failed", total->failed);
	buf_printf(out, ", %zu active", total->active);
	buf_printf(out, ", %s", format_size(t, sizeof t, total->bytes_done));
	if (total->bytes_total && total->sized >= total->jobs)
		buf_printf(out, " of %s", format_size(t, sizeof t, total->bytes_total));
	if (total->rate)
		buf_printf(out, ", %s", figures_rate(t, total->rate));
	figures_eta_text(t, row_total_eta(total, &guess));
	if (*t)
		buf_printf(out, ", %s", t);
	buf_append_str(out, "\n");
}
