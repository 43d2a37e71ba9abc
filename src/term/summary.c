/* The table of finished jobs; see summary.h. */
#include "term/summary.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "term/figures.h"
#include "term/width.h"

enum {
	STATE_WIDTH = 10,    /* "cancelled " */
	PATH_WIDTH_FILE = 60,
	WRAP_INDENT = 4,     /* "sha256:" and its digits fit behind it in 80 columns */
	GAP = 2,
	WRAP_LEAST = 20,     /* a narrower column of words cannot be read */
};

static const struct {
	const char *word;
	enum term_ink ink;
	size_t most;
} states[] = {
	[SUMMARY_DONE] = { "done", TERM_INK_GOOD, SUMMARY_DONE_MAX },
	[SUMMARY_FAILED] = { "failed", TERM_INK_BAD, SIZE_MAX },
	[SUMMARY_CANCELLED] = { "cancelled", TERM_INK_WARN, SUMMARY_CANCELLED_MAX },
};

/* The widths that the rows of one table share. */
struct columns {
	size_t path, size, time;
};

static char *
row_path(const struct summary_row *row, const struct term *term)
{
	return term_safe(term, row->path ? row->path : "");
}

static const char *
row_size(const struct summary_row *row, char *out)
{
	return format_size(out, FIGURES_SIZE, row->bytes);
}

static const char *
row_time(const struct summary_row *row, char *out)
{
	return format_duration(out, FIGURES_SIZE, row->ms);
}

static size_t
path_width_max(const struct term *term)
{
	return term->is_tty ? MAX(term->columns * 9 / 20, 16U) : (size_t)PATH_WIDTH_FILE;
}

static void
columns_add(struct columns *cols, const struct summary_row *row, const struct term *term)
{
	AUTO_FREE char *path = row_path(row, term);
	size_t width = width_of_text(path);
	char t[FIGURES_SIZE];

	/* A longer path stands by itself and moves nobody else's columns. */
	if (width <= path_width_max(term))
		cols->path = MAX(cols->path, width);
	if (row->state == SUMMARY_DONE) {
		cols->size = MAX(cols->size, strlen(row_size(row, t)));
		cols->time = MAX(cols->time, strlen(row_time(row, t)));
	}
}

/* What stands behind the path: why a job failed, or size and time of a done one. */
static void
put_details(const struct summary_row *row, const struct columns *cols, const struct term *term,
    struct buf *out)
{
	AUTO_FREE char *word = term_safe_again(term, row->word ? row->word : "");
	AUTO_FREE char *reason = term_safe_again(term, row->reason ? row->reason : "");
	char t[FIGURES_SIZE];
	const char *s;

	if (row->state != SUMMARY_DONE) {
		buf_printf(out, "%s%s%s", word, *word && *reason ? ": " : "", reason);
		return;
	}
	s = row_size(row, t);
	width_fill(out, cols->size > strlen(s) ? cols->size - strlen(s) : 0);
	buf_append_str(out, s);
	buf_printf(out, " in %s", row_time(row, t));
}

/* The note behind them, in a column of its own. */
static void
put_note(const struct summary_row *row, const struct columns *cols, const char *note,
    struct buf *out)
{
	char t[FIGURES_SIZE];
	size_t n = strlen(row_time(row, t));

	width_fill(out, GAP + (cols->time > n ? cols->time - n : 0));
	buf_append_str(out, note);
}

/* The bytes of text that make its next line of at most that many columns. */
static size_t
wrap_at(const char *text, size_t columns)
{
	size_t used, most = width_fit(text, columns, &used), at;

	if (!text[most] || text[most] == ' ')
		return most;
	for (at = most; at > 0; at--)
		if (text[at - 1] == ' ')
			return at;
	/* A word longer than the line; at least one character must go. */
	return most ? most : MAX(utf8_length((const unsigned char *)text, strlen(text)), 1U);
}

static void
put_wrapped(const char *text, size_t indent, size_t columns, struct buf *out)
{
	size_t width = columns > indent ? columns - indent : 0;

	width = MAX(width, (size_t)WRAP_LEAST);
	text += strspn(text, " ");
	while (*text) {
		size_t n = wrap_at(text, width), end = n;

		while (end > 0 && text[end - 1] == ' ')
			end--;
		width_fill(out, indent);
		buf_append(out, text, end);
		buf_append_str(out, "\n");
		text += n;
		text += strspn(text, " ");
	}
}

static void
put_head(const struct summary_row *row, const char *path, const struct term *term, struct buf *out)
{
	term_ink(term, out, states[row->state].ink);
	buf_append_str(out, states[row->state].word);
	term_ink(term, out, TERM_INK_PLAIN);
	width_fill(out, STATE_WIDTH - strlen(states[row->state].word));
	buf_append_str(out, path);
}

static void
put_row(const struct summary_row *row, const struct columns *cols, const struct term *term,
    struct buf *out)
{
	const char *given = row->state == SUMMARY_DONE && row->note ? row->note : "";
	AUTO_FREE char *path = row_path(row, term), *note = term_safe_again(term, given);
	size_t width = width_of_text(path), room = SIZE_MAX;
	AUTO_BUF struct buf details = { 0 }, all = { 0 };
	bool whole, half;

	put_details(row, cols, term, &details);
	buf_append(&all, buf_bytes(&details), buf_len(&details));
	if (*note)
		put_note(row, cols, note, &all);
	if (term->is_tty) {
		size_t used = STATE_WIDTH + MAX(width, cols->path) + GAP;

		room = 0;
		if (width <= path_width_max(term) && used < term->columns)
			room = term->columns - used;
	}
	whole = width_of_text(buf_cstr(&all)) <= room;
	half = *note && width_of_text(buf_cstr(&details)) <= room;
	put_head(row, path, term, out);
	if (buf_len(&all) && (whole || half)) {
		width_fill(out, GAP + (cols->path > width ? cols->path - width : 0));
		buf_append_str(out, buf_cstr(whole ? &all : &details));
	}
	buf_append_str(out, "\n");
	if (!whole)
		put_wrapped(half ? note : buf_cstr(&all), WRAP_INDENT, term->columns, out);
}

void
summary_format_row(const struct summary_row *row, const struct term *term, struct buf *out)
{
	/* Rows that come one by one line up by fixed widths, where they are looked at. */
	struct columns cols = { 0 };

	if (term->is_tty)
		cols = (struct columns){ .path = path_width_max(term), .size = 8, .time = 6 };
	put_row(row, &cols, term, out);
}

void
summary_format_total(const size_t counts[3], const struct summary_total *total,
    const struct term *term, struct buf *out)
{
	char t[FIGURES_SIZE];

	for (int s = SUMMARY_DONE; s <= SUMMARY_CANCELLED; s++) {
		if (counts[s] == 0 && s != SUMMARY_DONE)
			continue;
		buf_append_str(out, s == SUMMARY_DONE ? "" : ", ");
		if (counts[s])
			term_ink(term, out, states[s].ink);
		buf_printf(out, "%zu %s", counts[s], states[s].word);
		if (counts[s])
			term_ink(term, out, TERM_INK_PLAIN);
	}
	buf_printf(out, ", %s", format_size(t, sizeof t, total->bytes));
	buf_printf(out, " in %s", format_duration(t, sizeof t, total->ms));
	if (total->bytes && total->ms)
		buf_printf(out, " (%s)",
		    figures_rate(t, (uint64_t)((double)total->bytes * 1000 / (double)total->ms)));
	buf_append_str(out, "\n");
}

void
summary_format(const struct summary_row *rows, size_t n, const struct summary_total *total,
    const struct term *term, struct buf *out)
{
	size_t counts[3] = { 0 }, shown[3] = { 0 };
	struct columns cols = { 0 };

	for (size_t i = 0; i < n; i++)
		if (counts[rows[i].state]++ < states[rows[i].state].most)
			columns_add(&cols, &rows[i], term);
	for (size_t i = 0; i < n; i++)
		if (shown[rows[i].state]++ < states[rows[i].state].most)
			put_row(&rows[i], &cols, term, out);
	for (int s = SUMMARY_DONE; s <= SUMMARY_CANCELLED; s++)
		if (counts[s] > states[s].most)
			buf_printf(out, "... and %zu more %s\n", counts[s] - states[s].most,
			    states[s].word);
	summary_format_total(counts, total, term, out);
}
