/*
 * Waiting for jobs that are named: requests, answers in the order given, and the exit
 * status.  Used by wait.c and gather.c.
 */
#pragma once

#include "ctl/ctl.h"

struct waiting {
	struct ctl *ctl;
	json_t *jobs;           /* borrowed: an array of ids and names */
	const char *return_when; /* NULL: all-completed */
	const char *wanted;     /* the words of --for; NULL: over */
	bool quiet;             /* nothing is printed */
	json_t *results;        /* owned: what is known of each job, in order; null: nothing */
	bool failed, cancelled, enough;
};

/* Asks, and waits for the answers: CTL_OK and results, or told and the exit status. */
int waiting_run(struct waiting *w) MUST_CHECK;
/* Prints the results, in order; counts how they ended. */
void waiting_show(struct waiting *w);
/* The same without printing. */
void waiting_count(struct waiting *w);
int waiting_status(const struct waiting *w);
void waiting_done(struct waiting *w);
/* True of a job that failed or was cancelled. */
bool waiting_is_exception(const json_t *job);
