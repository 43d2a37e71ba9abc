/*
 * Which jobs of a configuration wait for which: noted while jobs are read, for
 * they may name those that come later, and checked when all are there.  Caller:
 * jobs.
 */
#pragma once

#include "base/map.h"
#include "conf/draft.h"
#include "conf/emit.h"
#include "conf/seen.h"

struct afters {
	struct after_job *jobs; /* owned: those that wait for others */
	struct after_ref *refs; /* owned: in the order of jobs */
	size_t n_jobs, size_jobs, n_refs, size_refs;
	struct map by_name;     /* of jobs */
};

void afters_init(struct afters *a);
void afters_done(struct afters *a);
/* Keeps what the job waits for. */
void afters_note(struct afters *a, struct emit *emit, const struct draft *d);
/* All names are known: those that are not, and the first cycle, are errors. */
void afters_check(struct afters *a, struct emit *emit, const struct seen *names);
