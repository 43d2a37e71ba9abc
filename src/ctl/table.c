/* Tables; see table.h. */
#include "ctl/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { GAP = 2 };

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

void
table_put(struct table *t, const char *text, enum term_ink ink)
{
	AUTO_FREE char *safe = term_safe_again(t->term, text);
	size_t *width = &t->widths[t->n_cells % t->n_columns];

	if (t->n_cells == t->size_cells) {
		t->size_cells = MAX(t->size_cells * 2, (size_t)64);
		t->cells = xrealloc(t->cells, t->size_cells * sizeof t->cells[0]);
	}
	t->cells[t->n_cells++] = (struct table_cell){ buf_len(&t->text), ink };
	buf_append(&t->text, safe, strlen(safe) + 1);
	*width = MAX(*width, width_of_text(safe));
}

static size_t
total_width(const struct table *t, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += t->widths[i] + (i ? GAP : 0);
	return sum;
}

/* Takes from the widest column that can give, until the line fits; returns how
 * many columns have room. */
static size_t
fit(struct table *t)
{
	size_t n = t->n_columns, room = t->term->columns;

	while (t->term->is_tty && total_width(t, n) > room) {
		size_t give = n;

		for (size_t i = 0; i < n; i++)
			if (t->columns[i].least && t->widths[i] > t->columns[i].least &&
			    (give == n || t->widths[i] > t->widths[give]))
				give = i;
		if (give < n)
			t->widths[give]--;
		else if (n > 1)
			n--;
		else
			break;
	}
	return n;
}

static void
put_cell(const struct table *t, size_t i, bool last, const char *text, enum term_ink ink, struct buf *out)
{
	const struct table_column *c = &t->columns[i];
	size_t width = t->widths[i], used = MIN(width_of_text(text), width);

	if (c->right)
		width_fill(out, width - used);
	if (ink != TERM_INK_PLAIN)
		term_ink(t->term, out, ink);
	used = width_put(out, text, width, c->cut, t->term->utf8);
	if (ink != TERM_INK_PLAIN)
		term_ink(t->term, out, TERM_INK_PLAIN);
	if (!last) /* no blanks at the end of a line */
		width_fill(out, GAP + (c->right ? 0 : width - used));
}

static void
put_row(const struct table *t, size_t n, const struct table_cell *cells, struct buf *out)
{
	const char *all = (const char *)buf_bytes(&t->text);
	size_t last = n;

	while (last > 1 && !(cells ? all[cells[last - 1].at] : 1))
		last--;
	for (size_t i = 0; i < last; i++)
		put_cell(t, i, i + 1 == last, cells ? all + cells[i].at : t->columns[i].title,
		    cells ? cells[i].ink : TERM_INK_FAINT, out);
	buf_append_str(out, "\n");
}

void
table_print(struct table *t, struct buf *out)
{
	size_t n = fit(t);

	assert(t->n_cells % t->n_columns == 0);
	if (!t->n_cells)
		return;
	put_row(t, n, NULL, out);
	for (size_t i = 0; i < t->n_cells; i += t->n_columns)
		put_row(t, n, &t->cells[i], out);
}
