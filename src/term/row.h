/*
 * One line of the live block: which columns a terminal of some width has room
 * for, and a job or the total in them.  Called by progress only.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "term/progress.h"

/* Widths of the columns; 0: this terminal has no room for it. */
struct row_layout {
	size_t line; /* columns that a line may take: the last one stays free */
	size_t name, percent, bar, size, rate, eta;
};

struct row_layout row_layout_for(unsigned columns);

/* A line being written. */
struct row_line {
	const struct term *term; /* borrowed */
	struct buf *out;         /* borrowed */
	size_t width, used;      /* columns */
};

/* Text cut to what is left of the line; the same for haul's own ASCII words. */
void row_put(struct row_line *l, const char *text, enum term_ink ink);

/* Each writes one line without its end. */
void row_draw(struct row_line *l, const struct row_layout *lay, const struct progress_row *row);
void row_draw_total(struct row_line *l, const struct row_layout *lay,
    const struct progress_total *total);
/* "4 active, 193 queued, 1 failed, elapsed 12s", as much as fits. */
void row_draw_counts(struct row_line *l, const struct row_layout *lay,
    const struct progress_total *total);
/* "3 of 12 done" into out[FIGURES_SIZE * 2]. */
char *row_total_name(char *out, const struct progress_total *total);
/* Seconds left of all, FIGURES_UNKNOWN when it cannot be said; *ret_guess when
 * sizes are missing and the mean of the known ones stands for them. */
uint64_t row_total_eta(const struct progress_total *total, bool *ret_guess);
