/* A screen full of jobs; see board.h. */
#include "term/board.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "term/figures.h"
#include "term/width.h"

enum {
	GAP = 2,
	LABEL_WIDTH = 10,
	NAME_LEAST = 12,
	STATE_WIDTH = 10, /* "decompress" */
	BYTES_WIDTH = 10,
	BAR_WIDTH = 20,
	FROM_WIDTH = 28,
	ROWS_LEAST = 3,   /* of jobs, before the head gets lines */
};

struct line {
	const struct term *term;
	struct buf *out;
	size_t width, used;
	size_t blanks; /* of used, that are not written yet: none at the end of a line */
};

/* Widths; 0: no room for it. */
struct layout {
	size_t id, name, priority, state, percent, bar, size, rate, eta, from;
};

/* ---- Lines ------------------------------------------------------------------------- */

static void
fill_to(struct line *l, size_t column)
{
	column = MIN(column, l->width);
	if (column <= l->used)
		return;
	l->blanks += column - l->used;
	l->used = column;
}

/* Cut to columns, and to the line. */
static void
put(struct line *l, const char *text, size_t columns, enum width_cut cut, enum term_ink ink)
{
	size_t room = l->width > l->used ? l->width - l->used : 0;

	if (!*text)
		return;
	width_fill(l->out, l->blanks);
	l->blanks = 0;
	if (ink != TERM_INK_PLAIN)
		term_ink(l->term, l->out, ink);
	l->used += width_put(l->out, text, MIN(columns, room), cut, l->term->utf8);
	if (ink != TERM_INK_PLAIN)
		term_ink(l->term, l->out, TERM_INK_PLAIN);
}

static void
put_safe(struct line *l, const char *text, size_t columns, enum width_cut cut, enum term_ink ink)
{
	AUTO_FREE char *safe = term_safe_again(l->term, text ? text : "");

	put(l, safe, columns, cut, ink);
}

static void
put_right(struct line *l, const char *text, size_t width, enum term_ink ink)
{
	size_t n = strlen(text), from = l->used + GAP;

	if (!width)
		return;
	fill_to(l, from + (width > n ? width - n : 0));
	put(l, text, MAX(width, n), WIDTH_CUT_END, ink);
}

static void
put_left(struct line *l, const char *text, size_t width, enum width_cut cut, enum term_ink ink)
{
	size_t from = l->used + GAP;

	if (!width)
		return;
	fill_to(l, from);
	put_safe(l, text, width, cut, ink);
	fill_to(l, from + width);
}

/* ---- The head ------------------------------------------------------------------------- */

/* A fact that finds no room is left out, and so are those behind it. */
static size_t
put_facts(struct line *l, const struct board *b, size_t at)
{
	bool first = true, full = false;

	put(l, b->facts[at].label, LABEL_WIDTH, WIDTH_CUT_END, TERM_INK_FAINT);
	fill_to(l, LABEL_WIDTH);
	for (; at < b->n_facts && (first || !b->facts[at].label); at++) {
		AUTO_FREE char *safe = term_safe_again(b->term, b->facts[at].text);

		full = full || (!first && l->used + 2 + width_of_text(safe) > l->width);
		if (full)
			continue;
		if (!first)
			put(l, ", ", 2, WIDTH_CUT_END, TERM_INK_PLAIN);
		put(l, safe, l->width, WIDTH_CUT_MIDDLE, b->facts[at].ink);
		first = false;
	}
	return at;
}

static size_t
count_head(const struct board *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_facts; i++)
		n += b->facts[i].label != NULL;
	return n;
}

void
board_put_head(const struct board *b, struct buf *out)
{
	for (size_t at = 0; at < b->n_facts;) {
		struct line l = { .term = b->term, .out = out, .width = SIZE_MAX };

		at = put_facts(&l, b, at);
		buf_append_str(out, "\n");
	}
}

/* ---- The table ------------------------------------------------------------------------- */

static size_t
width_of_ids(const struct board *b)
{
	uint64_t most = 10;
	size_t n = 1;

	for (size_t i = 0; i < b->n_rows; i++)
		most = MAX(most, b->rows[i].id);
	for (; most >= 10; most /= 10)
		n++;
	return n;
}

static size_t
sum(const struct layout *l)
{
	const size_t widths[] = { l->priority, l->state, l->percent, l->bar, l->size, l->rate, l->eta, l->from };
	size_t n = 1 + l->id;

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
		n += widths[i] ? widths[i] + GAP : 0;
	return n;
}

static struct layout
layout_for(const struct board *b, size_t width)
{
	struct layout l = { .id = width_of_ids(b), .state = STATE_WIDTH, .percent = FIGURES_PERCENT_WIDTH,
		.size = BYTES_WIDTH, .rate = FIGURES_RATE_WIDTH, .eta = FIGURES_TIME_WIDTH };
	size_t *const gives[] = { &l.eta, &l.size, &l.percent, &l.rate, &l.id, &l.state };

	l.priority = width >= 100 ? 4 : 0;
	l.bar = width >= 120 ? BAR_WIDTH : 0;
	l.from = width >= 140 ? FROM_WIDTH : 0;
	for (size_t i = 0; i < ARRAY_SIZE(gives) && sum(&l) + GAP + NAME_LEAST > width; i++)
		*gives[i] = 0;
	l.name = width > sum(&l) + GAP ? width - sum(&l) - GAP : 1;
	return l;
}

static void
put_titles(struct line *line, const struct layout *l)
{
	struct buf *out = line->out;

	term_ink(line->term, out, TERM_INK_FAINT);
	put(line, " ", 1, WIDTH_CUT_END, TERM_INK_PLAIN);
	if (l->id) {
		fill_to(line, 1 + l->id - 2);
		put(line, "ID", 2, WIDTH_CUT_END, TERM_INK_PLAIN);
	}
	put_left(line, "NAME", l->name, WIDTH_CUT_END, TERM_INK_PLAIN);
	put_right(line, "PRIO", l->priority, TERM_INK_PLAIN);
	put_left(line, "STATE", l->state, WIDTH_CUT_END, TERM_INK_PLAIN);
	put_right(line, "DONE", l->percent, TERM_INK_PLAIN);
	put_left(line, "", l->bar, WIDTH_CUT_END, TERM_INK_PLAIN);
	put_right(line, "SIZE", l->size, TERM_INK_PLAIN);
	put_right(line, "RATE", l->rate, TERM_INK_PLAIN);
	put_right(line, "ETA", l->eta, TERM_INK_PLAIN);
	if (l->from)
		put_left(line, "FROM", 4, WIDTH_CUT_END, TERM_INK_PLAIN);
	term_ink(line->term, out, TERM_INK_PLAIN);
}

static void
put_bar(struct line *line, const struct board_row *r, size_t width)
{
	size_t full = 0;

	if (!width)
		return;
	fill_to(line, line->used + GAP);
	if (!r->total) {
		fill_to(line, line->used + width);
		return;
	}
	full = (size_t)((double)MIN(r->done, r->total) / (double)r->total * (double)(width - 2));
	put(line, "[", 1, WIDTH_CUT_END, TERM_INK_FAINT);
	term_ink(line->term, line->out, TERM_INK_FLOW);
	for (size_t i = 0; i < full; i++)
		put(line, "=", 1, WIDTH_CUT_END, TERM_INK_PLAIN);
	term_ink(line->term, line->out, TERM_INK_PLAIN);
	fill_to(line, line->used + width - 2 - full);
	put(line, "]", 1, WIDTH_CUT_END, TERM_INK_FAINT);
}

static void
put_figures(struct line *line, const struct layout *l, const struct board_row *r)
{
	uint64_t eta = r->rate ? figures_eta(r->done, r->total, r->rate) : FIGURES_UNKNOWN;
	char text[FIGURES_SIZE];

	(void)snprintf(text, sizeof text, "%u%%", figures_percent(r->done, r->total));
	put_right(line, r->total ? text : "", l->percent, TERM_INK_PLAIN);
	put_bar(line, r, l->bar);
	put_right(line, r->total ? format_size(text, sizeof text, r->total) : "", l->size, TERM_INK_PLAIN);
	put_right(line, r->rate ? figures_rate(text, r->rate) : "", l->rate, TERM_INK_PLAIN);
	put_right(line, eta != FIGURES_UNKNOWN ? figures_time(text, eta) : "", l->eta, TERM_INK_PLAIN);
	if (l->from)
		put_left(line, r->from, l->from, WIDTH_CUT_END, TERM_INK_FAINT);
}

static void
put_row(struct line *line, const struct layout *l, const struct board_row *r, bool selected)
{
	char text[FIGURES_SIZE];

	put(line, selected ? ">" : " ", 1, WIDTH_CUT_END, TERM_INK_STRONG);
	if (l->id) {
		(void)snprintf(text, sizeof text, "%*" PRIu64, (int)l->id, r->id);
		put(line, text, l->id, WIDTH_CUT_END, TERM_INK_PLAIN);
	}
	put_left(line, r->name, l->name, WIDTH_CUT_MIDDLE, selected ? TERM_INK_STRONG : TERM_INK_PLAIN);
	(void)snprintf(text, sizeof text, "%" PRId64, r->priority);
	put_right(line, r->priority ? text : "", l->priority, TERM_INK_PLAIN);
	put_left(line, r->state, l->state, WIDTH_CUT_END, r->ink);
	if (r->note && l->state) { /* elsewhere it would stand for something else */
		fill_to(line, line->used + GAP);
		put_safe(line, r->note, line->width, WIDTH_CUT_END, TERM_INK_PLAIN);
	} else {
		put_figures(line, l, r);
	}
}

/* ---- Frames ------------------------------------------------------------------------------ */

/* The lines of a frame, one after the other. */
struct screen {
	const struct board *b;
	struct buf *out;
	size_t drawn, width;
};

static struct line
begin(const struct screen *s)
{
	return (struct line){ .term = s->b->term, .out = s->out, .width = s->width };
}

/* Behind each line but the last: the next one. */
static void
end(struct screen *s)
{
	s->drawn++;
	buf_append_str(s->out, s->drawn < s->b->term->rows ? "\033[K\r\n" : "\033[K");
}

static void
draw_head(struct screen *s, size_t lines)
{
	for (size_t at = 0; lines-- && at < s->b->n_facts;) {
		struct line l = begin(s);

		at = put_facts(&l, s->b, at);
		end(s);
	}
}

static void
draw_rows(struct screen *s, size_t room, bool titles)
{
	const struct board *b = s->b;
	struct layout lay = layout_for(b, s->width);

	if (titles) {
		struct line l = begin(s);

		put_titles(&l, &lay);
		end(s);
	}
	for (size_t i = b->first, k = 0; k < room; i++, k++) {
		struct line l = begin(s);

		if (i < b->n_rows)
			put_row(&l, &lay, &b->rows[i], i == b->selected);
		else if (i == b->n_rows && b->below)
			put_safe(&l, b->below, l.width, WIDTH_CUT_END, TERM_INK_FAINT);
		end(s);
	}
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		n++;
	return n;
}

static void
draw_panel(struct screen *s, size_t room)
{
	const char *at = s->b->panel;

	for (size_t i = 0; i < s->b->panel_first; i++) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	for (size_t i = 0; i < room; i++) {
		size_t n = strcspn(at, "\n");
		AUTO_FREE char *text = xstrndup(at, n);
		struct line l = begin(s);

		put(&l, text, l.width, WIDTH_CUT_END, TERM_INK_PLAIN);
		end(s);
		at += n + (at[n] == '\n');
	}
}

/* Where the first row must be so that the selected one is seen. */
static void
scroll(struct board *b, size_t room)
{
	size_t all = b->n_rows + (b->below != NULL), lines, seen;

	b->seen_rows = room;
	b->selected = b->n_rows ? MIN(b->selected, b->n_rows - 1) : 0;
	if (b->first > b->selected)
		b->first = b->selected;
	/* With the last row one sees what is said behind it. */
	seen = b->below && room > 1 && b->selected + 1 == b->n_rows ? b->n_rows : b->selected;
	if (room && seen >= b->first + room)
		b->first = seen - room + 1;
	if (b->first && all < b->first + room)
		b->first = all > room ? MIN(all - room, b->selected) : 0;
	if (!b->panel)
		return;
	lines = count_lines(b->panel);
	b->panel_first = MIN(b->panel_first, lines > room ? lines - room : 0);
}

void
board_draw(struct board *b, struct buf *out)
{
	unsigned rows = b->term->rows;
	struct screen s = { .b = b, .out = out, .width = b->term->columns > 1 ? b->term->columns - 1 : 1 };
	bool footer = rows >= 2, titles = !b->panel && rows >= 4;
	size_t least = (size_t)footer + titles + ROWS_LEAST, head, room;
	struct line l;

	head = rows > least ? MIN(rows - least, count_head(b)) : 0;
	room = rows - footer - titles - head;
	scroll(b, room);
	buf_append_str(out, "\033[H");
	draw_head(&s, head);
	if (b->panel)
		draw_panel(&s, room);
	else
		draw_rows(&s, room, titles);
	if (!footer)
		return;
	l = begin(&s);
	put_safe(&l, b->footer, l.width, WIDTH_CUT_END, b->footer_ink);
	end(&s);
}

/* xterm's and everybody's: 1049 the other page, 25 the cursor, 7 wrapping. */
void
board_enter(struct buf *out)
{
	buf_append_str(out, "\033[?1049h\033[?25l\033[?7l\033[H\033[2J");
}

void
board_leave(struct buf *out)
{
	buf_append_str(out, "\033[0m\033[?7h\033[?25h\033[?1049l");
}
