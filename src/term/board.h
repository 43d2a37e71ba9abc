/*
 * A screen full of jobs: what `haulctl top` shows.  It composes text and keeps
 * no clock and no descriptor; top_show.c owns those.
 *
 * A frame paints every line of the screen from the top left corner on and clears
 * behind each, so that nothing flickers and nothing of the frame before stays.
 * It is meant for one write(2), and never longer than the screen: the last column
 * stays free, wrapping is off (DECAWM), and the last line has no end.
 *
 * Lines of the head give way first where a screen is low, then the titles;
 * columns where it is narrow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "term/term.h"

struct board_fact { /* of the head: facts of a line apart by commas */
	const char *label; /* begins a line; NULL: goes on with the one before */
	const char *text;
	enum term_ink ink;
};

struct board_row { /* strings borrowed for the call; made safe here */
	uint64_t id;
	const char *name, *state, *from;
	enum term_ink ink;   /* of the state */
	int64_t priority;
	uint64_t total, done, rate;
	const char *note;    /* runs on instead of the figures; NULL: none */
};

struct board {
	const struct term *term; /* borrowed */
	const struct board_fact *facts;
	size_t n_facts;
	const struct board_row *rows;
	size_t n_rows;
	size_t selected;
	size_t first;        /* the row at the top; board_draw() moves it to the selected one */
	const char *below;   /* behind the last row, "and 184 more wait"; NULL: nothing */
	const char *panel;   /* lines instead of rows; NULL: none; made safe before */
	size_t panel_first;  /* the line at the top; board_draw() bounds it */
	const char *footer;  /* the last line */
	enum term_ink footer_ink;
	size_t seen_rows;    /* rows that the last frame had room for */
};

/* Appends a frame. */
void board_draw(struct board *b, struct buf *out);
/* The head alone as lines of text, for what is no terminal. */
void board_put_head(const struct board *b, struct buf *out);
/* Appends what takes the screen (another page of it, no cursor, no wrapping), and
 * what gives it back as it was. */
void board_enter(struct buf *out);
void board_leave(struct buf *out);
