/*
 * What moves on the screen while downloads run: a line for each active one,
 * a total, and permanent lines that scroll away above.  It composes text and
 * keeps no clock, no descriptor and no timer; `hauld --once` and haulctl
 * (`get`, `attach`) own those.
 *
 * The live block is repainted in place, without the alternate screen: the
 * cursor rests in column 0 of the line below it, a frame moves up, writes each
 * line and clears what is left of it (ECMA-48 CUU, CUD, EL, ED).  Wrapping is off
 * (DECAWM) while rows are written, so that a terminal that disagrees about the
 * width of a character, or shrank a moment ago, loses a column and not a line.
 *
 * On a resize the block is painted anew.  A terminal that folds lines may have
 * pushed the first of them into its history by then: those stay there.
 *
 * A frame is meant for one write(2).  When the terminal takes only a part of
 * it, the rest must be written before another frame is composed: while bytes
 * are left, the caller drops the turn (nothing is lost, the next frame says it
 * all).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "term/summary.h"
#include "term/term.h"

enum progress_phase {
	PROGRESS_WAITING,
	PROGRESS_CONNECTING,
	PROGRESS_DOWNLOADING,
	PROGRESS_VERIFYING,  /* the network is over, the digest is not */
	PROGRESS_UNPACKING,
	PROGRESS_PUBLISHING, /* syncing and renaming */
	PROGRESS_HOOK,       /* a program runs for it */
	PROGRESS_RETRYING,
	_PROGRESS_PHASE_MAX
};

struct progress_row { /* strings borrowed for the call */
	const char *name;
	enum progress_phase phase;
	uint64_t total;      /* bytes; 0: not known */
	uint64_t done;       /* bytes that have arrived */
	uint64_t processed;  /* of these, verified or unpacked */
	uint64_t out;        /* bytes unpacked so far; 0: nothing is unpacked */
	uint64_t rate;       /* bytes a second (struct meter); the ETA follows from it */
	const char *reason;  /* PROGRESS_RETRYING: why, safe already; may be NULL */
	uint64_t retry_in_s; /* PROGRESS_RETRYING */
};

struct progress_total {
	size_t jobs;   /* all of this run */
	size_t queued, active, done, failed;
	size_t sized;  /* jobs whose size is known */
	uint64_t bytes_done;
	uint64_t bytes_total; /* of the sized jobs; 0: none known */
	uint64_t rate;
	uint64_t elapsed_ms;
	const char *limit; /* what binds, "limit 200 MiB/s"; may be NULL; borrowed */
};

struct progress {
	const struct term *term; /* borrowed: outlives this; term_resize() is the caller's */
	struct buf above;        /* owned: permanent lines for the next frame */
	size_t above_lost;       /* lines that did not fit into it */
	unsigned lines;          /* of the block on the screen */
	uint16_t widths[TERM_ROWS_MAX];    /* of each, to know how a narrower screen folds it */
	unsigned seen_columns, seen_rows;  /* the screen that the block was drawn for */
	size_t name_width;       /* grows only, until a resize */
	unsigned slots, fewer;   /* rows kept; frames in a row that needed fewer */
	uint64_t drawn_ms, told_ms;
	bool has_drawn, has_told;
};

void progress_init(struct progress *p, const struct term *term);
void progress_done(struct progress *p);

/* Whether a repaint may happen now: at most ten a second.  Saying yes counts
 * as that repaint. */
bool progress_due(struct progress *p, uint64_t now_ms);
/* The same for plain lines: every ten seconds, first ten seconds after the
 * first question. */
bool progress_plain_due(struct progress *p, uint64_t now_ms);

/* Appends one frame: what was printed above since the last one, n rows of
 * active jobs in the order given (a screen full of them, then "and 184 more"),
 * and the total.  Only where term->can_move. */
void progress_draw(struct progress *p, const struct progress_row *rows, size_t n,
    const struct progress_total *total, struct buf *out);
/* Permanent lines, shown above the block by the next frame; made safe except
 * for newlines. */
void progress_print_above(struct progress *p, const char *text);
/* The same for a finished job. */
void progress_print_result(struct progress *p, const struct summary_row *row);
/* Appends the removal of the block, and what is still to be printed: at the
 * end, or before something else writes to the terminal.  Where no block was
 * drawn (not a terminal), just the lines. */
void progress_clear(struct progress *p, struct buf *out);
/* The block stays as it is and the next frame begins below the cursor: after
 * SIGCONT, when a shell has written in between. */
void progress_forget(struct progress *p);

/* "haul: 3 of 12 done, 4 active, 1.2 GiB of 4.7 GiB, 58.2 MiB/s, ETA 52s\n" */
void progress_plain_line(const struct progress_total *total, struct buf *out);
