/*
 * How finished jobs are told to people: one line each, a table in the order
 * given, and the last line of a run (DESIGN 6).  Text for a file is never
 * wrapped; on a terminal a long path or reason goes on in an indented line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "term/term.h"

enum summary_state {
	SUMMARY_DONE,
	SUMMARY_FAILED,
	SUMMARY_CANCELLED,
};

enum {
	SUMMARY_DONE_MAX = 50,      /* done jobs that the table shows */
	SUMMARY_CANCELLED_MAX = 50, /* and cancelled ones; failures always */
};

struct summary_row { /* all strings borrowed for the call; NULL is "" */
	enum summary_state state;
	const char *path;
	uint64_t bytes, ms; /* of a done job: published bytes, time from start to end */
	const char *word;   /* result_word(), when not done */
	const char *reason; /* the text of struct result, which is safe already */
	const char *note;   /* of a done job: "sha256 ok, unpacked 1.0 GiB from zstd" */
};

struct summary_total {
	uint64_t bytes, ms; /* of the whole run */
};

/* The table and the last line. */
void summary_format(const struct summary_row *rows, size_t n, const struct summary_total *total,
    const struct term *term, struct buf *out);
/* The lines of one job, as they are printed while others still run. */
void summary_format_row(const struct summary_row *row, const struct term *term, struct buf *out);
/* "3 done, 1 failed, 1.2 GiB in 3.4s (361 MiB/s)" and a newline. */
void summary_format_total(const size_t counts[3], const struct summary_total *total,
    const struct term *term, struct buf *out);
