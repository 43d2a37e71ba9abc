/* Tables; see table.h. */
#include "ctl/table.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	GAP = 2,
	FILE_WIDTH = 60, /* in a file a longer cell moves nobody else's columns */
};

void
table_init(struct table *t, const struct term *term, const struct table_column *columns, size_t n)
{
	assert(n <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .term = term, .columns = columns, .n_columns = n };
	for (size_t i = 0; i < n; i++)
		t->widths[i] = strlen(columns[i].title);
}

void
table_done(struct table *t)
{
	buf_done(&t->text);
	free(t->cells);
}

static struct table_cell *
add_cell(struct table *t, const char *safe, enum term_ink ink)
{
	if (t->n_cells == t->size_cells) {
		t->size_cells = MAX(t->size_cells * 2, (size_t)64);
		t->cells = xrealloc(t->cells, t->size_cells * sizeof t->cells[0]);
	}
	t->cells[t->n_cells] = (struct table_cell){ .at = buf_len(&t->text), .ink = ink };
	buf_append(&t->text, safe, strlen(safe) + 1);
	return &t->cells[t->n_cells++];
}

void
table_put(struct table *t, const char *text, enum term_ink ink)
{
	AUTO_FREE char *safe = term_safe_again(t->term, text);
	size_t *width = &t->widths[t->n_cells % t->n_columns], used = width_of_text(safe);

	if (t->term->is_tty || used <= FILE_WIDTH)
		*width = MAX(*width, used);
	(void)add_cell(t, safe, ink);
}

void
table_put_rest(struct table *t, const char *text)
{
	AUTO_FREE char *safe = term_safe_again(t->term, text);

	t->rest_at = t->n_cells % t->n_columns;
	t->rest_width = MAX(t->rest_width, width_of_text(safe));
	add_cell(t, safe, TERM_INK_PLAIN)->rest = true;
	while (t->n_cells % t->n_columns)
		(void)add_cell(t, "", TERM_INK_PLAIN);
}

/* Of the first n columns, without a gap behind them. */
static size_t
total_width(const struct table *t, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += t->widths[i] + (i ? GAP : 0);
	return sum;
}

/* The column to take from: the widest that can give; n: there is none. */
static size_t
giving_column(const struct table *t, size_t n)
{
	size_t give = n;

	for (size_t i = 0; i < n; i++)
		if (t->columns[i].least && t->widths[i] > t->columns[i].least &&
		    (give == n || t->widths[i] > t->widths[give]))
			give = i;
	return give;
}

/* Makes columns narrower until the line fits, and half of it may be a text that
 * runs on; returns how many columns have room. */
static size_t
fit(struct table *t)
{
	size_t n = t->n_columns, room = t->term->columns, rest = MIN(t->rest_width, room / 2);

	while (t->term->is_tty) {
		size_t give = giving_column(t, n), before = total_width(t, t->rest_at);
		bool fits = total_width(t, n) <= room;

		if (fits && (!rest || before + GAP + rest <= room))
			break;
		if (give < n)
			t->widths[give]--;
		else if (!fits && n > 1)
			n--;
		else
			break;
	}
	return n;
}

static void
put_ink(const struct table *t, const char *text, size_t width, enum width_cut cut, enum term_ink ink, struct buf *out)
{
	if (ink != TERM_INK_PLAIN)
		term_ink(t->term, out, ink);
	(void)width_put(out, text, width, cut, t->term->utf8);
	if (ink != TERM_INK_PLAIN)
		term_ink(t->term, out, TERM_INK_PLAIN);
}

static void
put_cell(const struct table *t, size_t i, bool last, const char *text, enum term_ink ink, struct buf *out)
{
	const struct table_column *c = &t->columns[i];
	size_t used = width_of_text(text), width = t->term->is_tty ? t->widths[i] : MAX(t->widths[i], used);
	AUTO_BUF struct buf cut = { 0 };

	if (used > width) /* a wide character may leave a column of it free */
		used = width_put(&cut, text, width, c->cut, t->term->utf8);
	if (c->right)
		width_fill(out, width - used);
	put_ink(t, text, width, c->cut, ink, out);
	if (!last) /* no blanks at the end of a line */
		width_fill(out, GAP + (c->right ? 0 : width - used));
}

static void
put_titles(const struct table *t, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		put_cell(t, i, i + 1 == n, t->columns[i].title, TERM_INK_FAINT, out);
	buf_append_str(out, "\n");
}

static void
put_row(const struct table *t, size_t n, const struct table_cell *cells, struct buf *out)
{
	const char *all = (const char *)buf_bytes(&t->text);
	size_t last = n, used = 0;

	while (last > 1 && !all[cells[last - 1].at])
		last--;
	for (size_t i = 0; i < last; i++) {
		const char *text = all + cells[i].at;

		if (cells[i].rest) {
			size_t room = t->term->is_tty ? t->term->columns : SIZE_MAX;

			put_ink(t, text, room > used ? room - used : 0, WIDTH_CUT_END, cells[i].ink, out);
			break;
		}
		put_cell(t, i, i + 1 == last, text, cells[i].ink, out);
		used += t->widths[i] + GAP;
	}
	buf_append_str(out, "\n");
}

void
table_print(struct table *t, struct buf *out)
{
	size_t n = fit(t);

	assert(t->n_cells % t->n_columns == 0);
	if (!t->n_cells)
		return;
	put_titles(t, n, out);
	for (size_t i = 0; i < t->n_cells; i += t->n_columns)
		put_row(t, n, &t->cells[i], out);
}
