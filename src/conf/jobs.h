/*
 * Jobs: what must hold between the keys of one (and its defaults), between
 * jobs (names, destinations), and their way out as frames.
 */
#pragma once

#include "conf/after.h"
#include "conf/check.h"
#include "conf/draft.h"
#include "conf/limits.h"
#include "conf/seen.h"

struct jobs {
	struct check *check;          /* borrowed */
	const struct draft *defaults; /* borrowed */
	char *roots[CONF_ROOTS_MAX];  /* owned */
	size_t n_roots;
	struct seen names, targets; /* of the configuration; hauld knows those of clients */
	struct afters afters;
	struct buf spec; /* of the job being sent; kept for its memory */
};

void jobs_init(struct jobs *j, struct check *check, const struct draft *defaults);
void jobs_done(struct jobs *j);
/* Checks a whole draft and sends it. */
void jobs_submit(struct jobs *j, struct draft *d);
/* All are there: what they say of each other is checked. */
void jobs_end(struct jobs *j);
/* True once there are more jobs than haul takes. */
bool jobs_full(const struct jobs *j);
