/*
 * What `hauld --once` shows: lines that move on a terminal, plain lines
 * elsewhere, or JSON events for scripts, and the summary in the order given
 * (DESIGN 6).  Caller: once.
 */
#pragma once

#include "daemon/engine/engine.h"
#include "daemon/loop/loop.h"

struct show;

struct show_options {
	bool json;     /* events and summary as NDJSON on stdout */
	bool progress; /* lines that move, when stderr is a terminal */
};

struct show *show_new(struct loop *l, const struct show_options *o);
void show_free(struct show *s);
/* The engine whose jobs are shown; borrowed until show_finish(). */
void show_begin(struct show *s, struct engine *e);
void show_start(struct show *s, const struct job *j);
void show_retry(struct show *s, const struct job *j, uint64_t delay_ms);
void show_end(struct show *s, const struct job *j, const struct job_receipt *r);
/* The summary; waits for stdout. */
void show_finish(struct show *s, const struct loop_stats *stats);
/* How many of the jobs that ended did so in this state. */
uint64_t show_count(const struct show *s, enum job_state state);
