/*
 * Tables on standard output.  On a terminal they take its width and no more:
 * columns that may shrink are cut, those that still find no room are left out
 * from the last one on.  Elsewhere nothing is cut.  Cells are made safe here.
 * A row may end in a text that runs on over the columns that are left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "term/term.h"
#include "term/width.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_column {
	const char *title;
	bool right;          /* figures */
	size_t least;        /* columns it may shrink to; 0: it does not */
	enum width_cut cut;
};

struct table {
	const struct term *term;            /* borrowed */
	const struct table_column *columns; /* borrowed */
	size_t n_columns;
	size_t widths[TABLE_COLUMNS_MAX];
	size_t rest_at, rest_width; /* of the texts that run on: their column, the widest */
	struct buf text;          /* of all cells, each with a NUL */
	struct table_cell {
		size_t at;        /* in text */
		enum term_ink ink;
		bool rest;        /* runs on to the end of the line */
	} *cells;                 /* owned; row by row */
	size_t n_cells, size_cells;
};

void table_init(struct table *t, const struct term *term, const struct table_column *columns, size_t n);
void table_done(struct table *t);
/* The next cell, from left to right. */
void table_put(struct table *t, const char *text, enum term_ink ink);
/* The last cell of a row, over the columns that are left: in all rows the same. */
void table_put_rest(struct table *t, const char *text);
/* Appends titles and rows; nothing when there is no row. */
void table_print(struct table *t, struct buf *out);
